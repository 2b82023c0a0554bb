-- Divides orders and order_items by the time in the order's id, so that a month can be taken away as a whole.
-- Shorter than deadlock_timeout (1 s): of an order and an attempt that wait for each other, the attempt gives up and is repeated.
SET lock_timeout = '500ms';

-- The table becomes the oldest partition without being read under a strong lock: this constraint says that it holds nothing newer.
-- The bound is the first of the month after the next one, so that no order meets it while the statements below are repeated.
DO $$
DECLARE
    newest timestamptz;
    bound uuid;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass) = 'p' THEN
        RETURN;
    END IF;
    -- Kept by another attempt: what it has validated is not read again.
    IF (
        SELECT count(*) = 2 FROM pg_constraint
        WHERE conname IN ('orders_id_below_bound', 'order_items_order_id_below_bound')
            AND conrelid IN ('orders'::regclass, 'order_items'::regclass)
            AND substring(pg_get_constraintdef(oid) FROM '''([0-9a-f-]{36})''')::uuid > rpad(lpad(to_hex(
                (extract(epoch FROM now() + interval '14 days') * 1000)::bigint), 12, '0'), 32, '0')::uuid
    ) THEN
        RETURN;
    END IF;
    -- An id with a time to come, from a clock that is wrong, moves the bound.
    SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) INTO newest
    FROM (SELECT id FROM orders UNION ALL SELECT order_id FROM order_items) AS stored
    ORDER BY id DESC LIMIT 1;
    bound := rpad(lpad(to_hex((extract(epoch FROM date_trunc('month', greatest(now(), newest), 'UTC') AT TIME ZONE 'UTC'
        + interval '2 months') * 1000)::bigint), 12, '0'), 32, '0');
    -- In the order in which prepared statements that store orders take their locks.
    EXECUTE format('ALTER TABLE order_items DROP CONSTRAINT IF EXISTS order_items_order_id_below_bound, '
        'ADD CONSTRAINT order_items_order_id_below_bound CHECK (order_id < %L) NOT VALID', bound);
    EXECUTE format('ALTER TABLE orders DROP CONSTRAINT IF EXISTS orders_id_below_bound, '
        'ADD CONSTRAINT orders_id_below_bound CHECK (id < %L) NOT VALID', bound);
END
$$;

-- Reads the tables while orders are stored.
DO $$
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass) = 'r' THEN
        ALTER TABLE orders VALIDATE CONSTRAINT orders_id_below_bound;
        ALTER TABLE order_items VALIDATE CONSTRAINT order_items_order_id_below_bound;
    END IF;
END
$$;

-- One transaction of milliseconds. Three more months follow; afterwards `database-migration partitions` makes them.
DO $$
DECLARE
    bound uuid;
    start timestamp;
    whole text;
    key text;
    oldest text;
    part text;
    granted record;
    index_name text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass) = 'p' THEN
        RETURN;
    END IF;
    SELECT substring(pg_get_constraintdef(oid) FROM '''([0-9a-f-]{36})''') INTO STRICT bound
    FROM pg_constraint WHERE conrelid = 'orders'::regclass AND conname = 'orders_id_below_bound';
    start := to_timestamp(('x' || left(replace(bound::text, '-', ''), 12))::bit(48)::bigint / 1000) AT TIME ZONE 'UTC';
    LOCK TABLE order_items, orders IN ACCESS EXCLUSIVE MODE;
    FOR whole, key IN VALUES ('orders', 'id'), ('order_items', 'order_id') LOOP
        oldest := format('%s_before_%s', whole, to_char(start, 'YYYY_MM_DD'));
        FOR index_name IN SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = whole::regclass LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, oldest || substr(index_name, length(whole) + 1));
        END LOOP;
        EXECUTE format('ALTER TABLE %I RENAME TO %I', whole, oldest);
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL) PARTITION BY RANGE (%I)', whole, oldest, key);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', whole, format('%s_%s_below_bound', whole, key));
        EXECUTE format('COMMENT ON TABLE %I IS %L', whole, obj_description(oldest::regclass, 'pg_class'));
        -- The indexes are there already, and the constraint spares the reading.
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', whole, oldest, bound);
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', oldest, format('%s_%s_below_bound', whole, key));
        EXECUTE format('COMMENT ON TABLE %I IS %L', oldest, 'A partition of ' || whole || '.');
        FOR granted IN
            SELECT privilege_type AS privilege, is_grantable,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom
            FROM pg_class, aclexplode(relacl)
            WHERE pg_class.oid = oldest::regclass AND grantee <> relowner
            UNION ALL
            SELECT format('%s (%I)', privilege_type, attname), is_grantable,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
            FROM pg_attribute, aclexplode(attacl)
            WHERE attrelid = oldest::regclass AND attnum > 0 AND NOT attisdropped
        LOOP
            EXECUTE format('GRANT %s ON %I TO %s%s', granted.privilege, whole, granted.whom,
                CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' END);
            EXECUTE format('REVOKE %s ON %I FROM %s CASCADE', granted.privilege, oldest, granted.whom);
        END LOOP;
        FOR month IN 0..2 LOOP
            part := format('%s_from_%s', whole, to_char(start + month * interval '1 month', 'YYYY_MM_DD'));
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', part, whole,
                rpad(lpad(to_hex((extract(epoch FROM start + month * interval '1 month') * 1000)::bigint), 12, '0'), 32, '0')::uuid,
                rpad(lpad(to_hex((extract(epoch FROM start + (month + 1) * interval '1 month') * 1000)::bigint), 12, '0'), 32, '0')::uuid);
            EXECUTE format('COMMENT ON TABLE %I IS %L', part, 'A partition of ' || whole || '.');
        END LOOP;
    END LOOP;
    COMMENT ON COLUMN orders.id IS
        'UUID version 7: sorts by the time at which the order was taken, which also decides on the partition.';
END
$$;
