-- Takes orders and remembered answers away.
SET LOCAL lock_timeout = '2s';

DROP TABLE idempotency_keys;
DROP TABLE order_items;
DROP TABLE orders;

DROP DOMAIN request_hash;
DROP DOMAIN idempotency_key;
DROP DOMAIN order_unit_price;
DROP DOMAIN order_quantity;
DROP DOMAIN order_line_number;
DROP DOMAIN order_status;
DROP DOMAIN order_coupon_code;
DROP DOMAIN order_amount;
