-- What must never be lost: orders with their lines, and the answers remembered for repeated requests.

SET LOCAL lock_timeout = '2s';

-- What a single value must be is said by its type: PostgreSQL reads a table's CHECK anew for each statement, which made up a
-- fifth of what storing one order took; a domain's it keeps.
CREATE DOMAIN order_amount AS numeric(14, 2) CONSTRAINT order_amount_not_negative CHECK (VALUE >= 0);
CREATE DOMAIN order_coupon_code AS text CONSTRAINT order_coupon_code_length CHECK (char_length(VALUE) BETWEEN 1 AND 64);
CREATE DOMAIN order_status AS text CONSTRAINT order_status_known CHECK (VALUE IN ('placed'));
CREATE DOMAIN order_line_number AS smallint CONSTRAINT order_line_number_in_range CHECK (VALUE BETWEEN 1 AND 100);
CREATE DOMAIN order_quantity AS integer CONSTRAINT order_quantity_in_range CHECK (VALUE BETWEEN 1 AND 1000);
CREATE DOMAIN order_unit_price AS numeric(10, 2) CONSTRAINT order_unit_price_not_negative CHECK (VALUE >= 0);
CREATE DOMAIN idempotency_key AS text COLLATE "C" CONSTRAINT idempotency_key_length CHECK (char_length(VALUE) BETWEEN 1 AND 255);
CREATE DOMAIN request_hash AS bytea CONSTRAINT request_hash_length CHECK (octet_length(VALUE) = 32);

-- That a discount is at most the subtotal follows: the total is not negative.
CREATE TABLE orders (
    id          uuid         NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    api_key_id  uuid         NOT NULL,
    coupon_code order_coupon_code,
    subtotal    order_amount NOT NULL,
    discount    order_amount NOT NULL,
    total       order_amount NOT NULL,
    status      order_status NOT NULL DEFAULT 'placed',
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_total_adds_up CHECK (total = subtotal - discount)
);
COMMENT ON TABLE orders IS 'Accepted orders. A row is written once, together with its lines, and not changed by any load.';
COMMENT ON COLUMN orders.id IS 'UUID version 7: sorts by the time at which the order was taken.';
COMMENT ON COLUMN orders.created_at IS 'When the order was stored, in database time.';
COMMENT ON COLUMN orders.api_key_id IS 'The API key that placed the order: api_keys.id.';
COMMENT ON COLUMN orders.coupon_code IS 'The code as the client sent it, when one was accepted.';
COMMENT ON COLUMN orders.subtotal IS 'Sum of unit price times quantity over the lines.';
COMMENT ON COLUMN orders.discount IS 'What the coupon took off: at least 0, at most the subtotal.';
COMMENT ON COLUMN orders.total IS 'What is to be paid: subtotal minus discount.';
COMMENT ON COLUMN orders.status IS 'placed: the only state so far.';

CREATE TABLE order_items (
    order_id     uuid              NOT NULL,
    line         order_line_number NOT NULL,
    product_id   bigint            NOT NULL,
    product_name text              NOT NULL,
    category     text              NOT NULL,
    unit_price   order_unit_price  NOT NULL,
    quantity     order_quantity    NOT NULL,
    CONSTRAINT order_items_pkey PRIMARY KEY (order_id, line)
);
COMMENT ON TABLE order_items IS
    'One row per distinct product of an order, with what the catalogue said when it was ordered. '
    'No foreign keys: the one statement that writes an order writes its lines too, and an order stands whatever becomes of the catalogue.';
COMMENT ON COLUMN order_items.order_id IS 'The order that the line belongs to.';
COMMENT ON COLUMN order_items.line IS 'Position within the order, from 1, in the order of the request.';
COMMENT ON COLUMN order_items.product_id IS 'The product as it was numbered when it was ordered.';
COMMENT ON COLUMN order_items.product_name IS 'The product''s name when it was ordered.';
COMMENT ON COLUMN order_items.category IS 'The product''s category when it was ordered.';
COMMENT ON COLUMN order_items.unit_price IS 'The price of one unit when it was ordered.';
COMMENT ON COLUMN order_items.quantity IS 'Units, after lines of the same product were merged.';

CREATE TABLE idempotency_keys (
    api_key_id   uuid            NOT NULL,
    key          idempotency_key NOT NULL,
    request_hash request_hash    NOT NULL,
    order_id     uuid            NOT NULL,
    response     bytea           NOT NULL,
    created_at   timestamptz     NOT NULL DEFAULT now(),
    expires_at   timestamptz     NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (api_key_id, key)
);
COMMENT ON TABLE idempotency_keys IS 'The answers to orders that carried an Idempotency-Key, stored with the order itself.';
COMMENT ON COLUMN idempotency_keys.api_key_id IS 'Keys of different API keys never meet.';
COMMENT ON COLUMN idempotency_keys.key IS 'The header Idempotency-Key as the client sent it.';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the raw request body.';
COMMENT ON COLUMN idempotency_keys.order_id IS 'The order that was stored with the key.';
COMMENT ON COLUMN idempotency_keys.response IS 'The bytes of the first 200 answer.';
COMMENT ON COLUMN idempotency_keys.created_at IS 'When the answer was stored, in database time.';
COMMENT ON COLUMN idempotency_keys.expires_at IS 'From here on the key counts as absent, deleted or not.';
