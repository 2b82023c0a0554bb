-- Takes the look-up away.
DROP INDEX CONCURRENTLY IF EXISTS orders_created_at_changed_xid_idx;
