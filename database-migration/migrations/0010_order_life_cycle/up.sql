-- The life cycle of orders: their states after placed, the history of changes, and the scopes of staff and operators.

SET LOCAL lock_timeout = '2s';

-- orders is insert-only: an order without a row here is placed, version 1.
CREATE TABLE order_states (
    order_id    uuid        NOT NULL,
    status      text        NOT NULL,
    version     integer     NOT NULL,
    ready_at    timestamptz,
    reason      text,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    changed_xid bigint      NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    CONSTRAINT order_states_pkey PRIMARY KEY (order_id),
    CONSTRAINT order_states_status_known CHECK (status IN (
        'accepted', 'preparing', 'ready', 'out_for_delivery', 'picked_up', 'delivered', 'rejected', 'cancelled'
    )),
    CONSTRAINT order_states_version_in_range CHECK (version >= 2),
    CONSTRAINT order_states_reason_known CHECK (reason IN (
        'item_unavailable', 'kitchen_closed', 'too_busy', 'customer_asked', 'not_collected', 'not_answered', 'other'
    )),
    CONSTRAINT order_states_rejected_has_reason CHECK (status <> 'rejected' OR reason IS NOT NULL)
) WITH (fillfactor = 70);
COMMENT ON TABLE order_states IS
    'The present state of each order that is no longer placed. No foreign key to orders, which will be partitioned.';
COMMENT ON COLUMN order_states.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN order_states.status IS
    'accepted, preparing, ready, picked_up, rejected, cancelled; out_for_delivery and delivered are reserved.';
COMMENT ON COLUMN order_states.version IS 'Grows by 1 with each change; placed is 1.';
COMMENT ON COLUMN order_states.ready_at IS
    'When the order is expected to be ready, or became so; null for rejected and cancelled ones.';
COMMENT ON COLUMN order_states.reason IS 'Why it was rejected or cancelled; clients see it.';
COMMENT ON COLUMN order_states.changed_at IS 'When the version was made, in database time.';
COMMENT ON COLUMN order_states.changed_xid IS
    'The transaction that wrote the row last: reports find by it what was committed since they looked last.';

CREATE INDEX order_states_open_idx ON order_states (order_id)
    WHERE status IN ('accepted', 'preparing', 'ready', 'out_for_delivery');
CREATE INDEX order_states_not_sold_idx ON order_states (order_id) WHERE status IN ('rejected', 'cancelled');
CREATE INDEX order_states_not_sold_xid_idx ON order_states (changed_xid) WHERE status IN ('rejected', 'cancelled');

CREATE TABLE order_events (
    order_id    uuid        NOT NULL,
    version     integer     NOT NULL,
    from_status text        NOT NULL,
    to_status   text        NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text        NOT NULL,
    actor_id    uuid,
    reason      text,
    note        text,
    request_id  text,
    CONSTRAINT order_events_pkey PRIMARY KEY (order_id, version),
    CONSTRAINT order_events_version_in_range CHECK (version >= 2),
    CONSTRAINT order_events_actor_known CHECK (actor IN ('customer', 'staff', 'browser', 'system')),
    CONSTRAINT order_events_note_length CHECK (char_length(note) BETWEEN 1 AND 500)
);
COMMENT ON TABLE order_events IS
    'The changes of orders, written with order_states in one transaction. Rows are only inserted; placed has none.';
COMMENT ON COLUMN order_events.order_id IS 'The order: orders.id.';
COMMENT ON COLUMN order_events.version IS 'The version that the change made: 2, 3 … without gaps.';
COMMENT ON COLUMN order_events.from_status IS 'The state before.';
COMMENT ON COLUMN order_events.to_status IS 'The state after; the same as before when only the expected time changed.';
COMMENT ON COLUMN order_events.at IS 'When, in database time: order_states.changed_at of the version.';
COMMENT ON COLUMN order_events.actor IS
    'customer (the key that placed the order), staff (a key with the scope manage_orders), browser (the one that placed it), system.';
COMMENT ON COLUMN order_events.actor_id IS 'The API key of the request: api_keys.id; null for system.';
COMMENT ON COLUMN order_events.reason IS 'As order_states.reason.';
COMMENT ON COLUMN order_events.note IS 'Words of the staff; clients never see them.';
COMMENT ON COLUMN order_events.request_id IS 'Id of the request.';

CREATE TABLE order_life_cycle (
    single         boolean     NOT NULL DEFAULT true,
    began_at       timestamptz NOT NULL DEFAULT now(),
    answered_until timestamptz NOT NULL DEFAULT now() - interval '10 minutes',
    CONSTRAINT order_life_cycle_pkey PRIMARY KEY (single),
    CONSTRAINT order_life_cycle_single CHECK (single)
);
COMMENT ON TABLE order_life_cycle IS 'Since when orders have a life cycle: one row.';
COMMENT ON COLUMN order_life_cycle.single IS 'Always true.';
COMMENT ON COLUMN order_life_cycle.began_at IS
    'When this table was made. An order with an earlier created_at and no row in order_states counts as picked_up, version 1.';
COMMENT ON COLUMN order_life_cycle.answered_until IS
    'No order with an id of an earlier time is placed: the periodic jobs answered all of them.';
INSERT INTO order_life_cycle DEFAULT VALUES;

-- Without a default: rows that are there already are not written anew, and orders without a limited promotion stay as small.
ALTER TABLE orders ADD COLUMN promotion_use boolean;
COMMENT ON COLUMN orders.promotion_use IS
    'true: the order was counted in promotion_uses. Null: it was not, or was stored by a build without this column.';
COMMENT ON COLUMN promotion_uses.uses IS
    'Stored orders that carry the code, counted in the transaction that stores them, less those rejected, and those '
    'cancelled before they were accepted.';

ALTER TABLE sales_daily
    ADD COLUMN cancelled_orders bigint NOT NULL DEFAULT 0,
    ADD COLUMN cancelled_total numeric(20, 2) NOT NULL DEFAULT 0;
COMMENT ON COLUMN sales_daily.cancelled_orders IS 'Those of orders that were cancelled or rejected.';
COMMENT ON COLUMN sales_daily.cancelled_total IS 'Their part of total.';

COMMENT ON COLUMN webhook_endpoints.events IS 'The types of events that it wants: order.placed, order.status_changed.';

-- A row for each client, so that reading all of them takes no time.
ALTER TABLE api_keys
    DROP CONSTRAINT api_keys_scopes_known,
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0
        AND scopes <@ ARRAY[
            'create_order', 'read_orders', 'read_all_orders', 'view_reports', 'manage_orders', 'view_operations', 'operate'
        ]
    );
COMMENT ON COLUMN api_keys.scopes IS
    'What the key may do: create_order, read_orders (its own), read_all_orders, view_reports, manage_orders (change the '
    'status of every order), view_operations (see the operation of the shop), operate (the jobs of all keys).';
