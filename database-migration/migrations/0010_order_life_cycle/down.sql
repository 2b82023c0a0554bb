-- Takes the life cycle of orders away, and from the keys the scopes that earlier builds do not know.
SET LOCAL lock_timeout = '2s';

-- A key without any other scope stays in the table, for the orders and jobs that point to it, and no longer works.
UPDATE api_keys
SET active = active AND scopes && ARRAY['create_order', 'read_orders', 'read_all_orders', 'view_reports', 'operate'],
    scopes = coalesce(
        nullif(array_remove(array_remove(scopes, 'manage_orders'), 'view_operations'), '{}'),
        ARRAY['read_orders']
    )
WHERE scopes && ARRAY['manage_orders', 'view_operations'];
-- A row for each client, so that reading all of them takes no time.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY['create_order', 'read_orders', 'read_all_orders', 'view_reports', 'operate']
    );
COMMENT ON COLUMN api_keys.scopes IS
    'What the key may do: create_order, read_orders (its own), read_all_orders, view_reports, operate (the jobs of all keys).';

-- Earlier builds know one type of events; an endpoint keeps at least that.
UPDATE webhook_endpoints
SET events = coalesce(nullif(array_remove(events, 'order.status_changed'), '{}'), ARRAY['order.placed'])
WHERE events @> ARRAY['order.status_changed'];
COMMENT ON COLUMN webhook_endpoints.events IS 'The types of events that it wants: order.placed.';

ALTER TABLE sales_daily DROP COLUMN cancelled_orders, DROP COLUMN cancelled_total;

ALTER TABLE orders DROP COLUMN promotion_use;
COMMENT ON COLUMN promotion_uses.uses IS 'Stored orders that carry the code, counted in the transaction that stores them.';

DROP TABLE order_life_cycle;
DROP TABLE order_events;
DROP TABLE order_states;
