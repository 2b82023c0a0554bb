-- Takes orders and remembered answers away.
SET LOCAL lock_timeout = '2s';

DROP TABLE idempotency_keys;
DROP TABLE order_items;
DROP TABLE orders;
