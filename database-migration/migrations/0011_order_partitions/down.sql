-- Makes orders and order_items single tables again: what newer partitions hold is copied into the oldest one, under its lock.
SET lock_timeout = '500ms';

DO $$
DECLARE
    whole text;
    key text;
    oldest text;
    part text;
    index_name text;
    granted record;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass) = 'r' THEN
        RETURN;
    END IF;
    LOCK TABLE order_items, orders IN ACCESS EXCLUSIVE MODE;
    FOR whole, key IN VALUES ('orders', 'id'), ('order_items', 'order_id') LOOP
        SELECT relname INTO STRICT oldest
        FROM pg_inherits JOIN pg_class ON oid = inhrelid
        WHERE inhparent = whole::regclass AND pg_get_expr(relpartbound, oid) LIKE '%FROM (MINVALUE)%';
        EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', whole, oldest);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', oldest, whole);
        EXECUTE format('COMMENT ON TABLE %I IS %L', oldest, obj_description(whole::regclass, 'pg_class'));
        FOR granted IN
            SELECT privilege_type AS privilege, is_grantable,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom
            FROM pg_class, aclexplode(relacl)
            WHERE pg_class.oid = whole::regclass AND grantee <> relowner
            UNION ALL
            SELECT format('%s (%I)', privilege_type, attname), is_grantable,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
            FROM pg_attribute, aclexplode(attacl)
            WHERE attrelid = whole::regclass AND attnum > 0 AND NOT attisdropped
        LOOP
            EXECUTE format('GRANT %s ON %I TO %s%s', granted.privilege, oldest, granted.whom,
                CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' END);
        END LOOP;
        EXECUTE format('DROP TABLE %I', whole);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', oldest, whole);
        FOR index_name IN SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = whole::regclass LOOP
            EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, whole || substr(index_name, length(oldest) + 1));
        END LOOP;
    END LOOP;
    COMMENT ON COLUMN orders.id IS 'UUID version 7: sorts by the time at which the order was taken.';
END
$$;
