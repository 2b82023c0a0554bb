-- The shop's reference data, which database-load brings and the API reads into memory.

SET LOCAL lock_timeout = '2s';

CREATE TABLE products (
    id        bigint         NOT NULL,
    name      text           NOT NULL,
    price     numeric(10, 2) NOT NULL,
    category  text           NOT NULL,
    image     jsonb,
    available boolean        NOT NULL DEFAULT true,
    CONSTRAINT products_pkey PRIMARY KEY (id),
    CONSTRAINT products_id_positive CHECK (id > 0),
    CONSTRAINT products_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT products_price_not_negative CHECK (price >= 0),
    CONSTRAINT products_category_length CHECK (char_length(category) BETWEEN 1 AND 100)
);
COMMENT ON TABLE products IS 'The catalogue. Rows are never deleted: what left the data files is not available.';
COMMENT ON COLUMN products.id IS 'Canonical positive number; clients see it as a string.';
COMMENT ON COLUMN products.price IS 'Unit price in the currency''s main unit, exact to the cent.';
COMMENT ON COLUMN products.category IS 'Heading under which the product is listed.';
COMMENT ON COLUMN products.image IS 'Addresses {thumbnail, mobile, tablet, desktop}; null when none are known.';
COMMENT ON COLUMN products.available IS 'False once the product has left the data files: neither listed nor sold.';

CREATE TABLE users (
    id     uuid    NOT NULL,
    email  text    NOT NULL,
    name   text    NOT NULL,
    role   text    NOT NULL,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_length CHECK (char_length(email) BETWEEN 3 AND 254),
    CONSTRAINT users_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT users_role_known CHECK (role IN ('customer', 'staff', 'admin'))
);
CREATE UNIQUE INDEX users_email_unique ON users (lower(email)) WHERE active;
COMMENT ON TABLE users IS 'Whoever may hold an API key.';
COMMENT ON COLUMN users.id IS 'Comes with the data files, so that a user keeps it from load to load.';
COMMENT ON COLUMN users.email IS 'Unique among active users, whatever its case; never logged.';
COMMENT ON COLUMN users.role IS 'customer, staff or admin; what a key may do is decided by its scopes.';
COMMENT ON COLUMN users.active IS 'False once the user has left the data files; the user''s keys no longer work.';

CREATE TABLE api_keys (
    id          uuid        NOT NULL,
    key_hash    bytea       NOT NULL,
    hash_key_id text        NOT NULL,
    user_id     uuid        NOT NULL,
    scopes      text[]      NOT NULL,
    expires_at  timestamptz,
    revoked_at  timestamptz,
    active      boolean     NOT NULL DEFAULT true,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_key_hash_unique UNIQUE (key_hash),
    CONSTRAINT api_keys_key_hash_length CHECK (octet_length(key_hash) = 32),
    CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['create_order', 'read_orders', 'read_all_orders']
    ),
    CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id);
COMMENT ON TABLE api_keys IS 'Who may call the API. The keys themselves are stored nowhere.';
COMMENT ON COLUMN api_keys.id IS 'Names the key for ever, also when its hash is made anew; orders point here.';
COMMENT ON COLUMN api_keys.key_hash IS 'HMAC-SHA-256 of the key under the hash key that hash_key_id names.';
COMMENT ON COLUMN api_keys.hash_key_id IS 'Which API_KEY_HASH_KEY made key_hash: 16 hexadecimal digits derived from it.';
COMMENT ON COLUMN api_keys.user_id IS 'Whose key it is.';
COMMENT ON COLUMN api_keys.scopes IS 'What the key may do: create_order, read_orders (its own), read_all_orders.';
COMMENT ON COLUMN api_keys.expires_at IS 'First instant at which the key no longer works; null means never.';
COMMENT ON COLUMN api_keys.revoked_at IS 'Set by operators at run time; no load or rollback ever changes it.';
COMMENT ON COLUMN api_keys.active IS 'False once the key has left the data files.';

-- Here and below, codes are compared byte by byte, whatever the locale of the database: faster, and an upgrade of the C
-- library leaves their indexes in order.
CREATE TABLE promotions (
    code         text COLLATE "C" NOT NULL,
    kind         text             NOT NULL,
    value        numeric(10, 2)   NOT NULL,
    min_items    integer          NOT NULL DEFAULT 1,
    max_discount numeric(10, 2),
    starts_at    timestamptz,
    ends_at      timestamptz,
    max_uses     bigint,
    active       boolean          NOT NULL DEFAULT true,
    CONSTRAINT promotions_pkey PRIMARY KEY (code),
    CONSTRAINT promotions_code_length CHECK (char_length(code) BETWEEN 1 AND 64),
    CONSTRAINT promotions_kind_known CHECK (kind IN ('percentage', 'fixed', 'cheapest_item_free')),
    CONSTRAINT promotions_value_in_range CHECK (
        CASE kind
            WHEN 'percentage' THEN value > 0 AND value <= 100
            WHEN 'fixed' THEN value > 0
            ELSE value = 0
        END
    ),
    CONSTRAINT promotions_min_items_in_range CHECK (min_items BETWEEN 1 AND 100000),
    CONSTRAINT promotions_max_discount_positive CHECK (max_discount > 0),
    CONSTRAINT promotions_window_not_empty CHECK (starts_at < ends_at),
    CONSTRAINT promotions_max_uses_not_negative CHECK (max_uses >= 0)
);
COMMENT ON TABLE promotions IS 'Codes that change a price. A code that stands here is decided here alone.';
COMMENT ON COLUMN promotions.code IS 'What clients send, matched exactly.';
COMMENT ON COLUMN promotions.kind IS 'How value is read: percentage, fixed or cheapest_item_free.';
COMMENT ON COLUMN promotions.value IS 'Percent for percentage, an amount for fixed, 0 for cheapest_item_free.';
COMMENT ON COLUMN promotions.min_items IS 'Fewest units (quantities added up) that an order needs.';
COMMENT ON COLUMN promotions.max_discount IS 'The discount is capped here; null means not capped.';
COMMENT ON COLUMN promotions.starts_at IS 'First instant of validity, in database time; null means since ever.';
COMMENT ON COLUMN promotions.ends_at IS 'First instant that is no longer valid, in database time; null means for ever.';
COMMENT ON COLUMN promotions.max_uses IS 'Most orders that may use the code; null means any number. Uses are counted in promotion_uses.';
COMMENT ON COLUMN promotions.active IS 'False once the promotion has left the data files: refused as if it did not exist.';

CREATE TABLE promotion_uses (
    code text COLLATE "C" NOT NULL,
    uses bigint           NOT NULL DEFAULT 0,
    CONSTRAINT promotion_uses_pkey PRIMARY KEY (code),
    CONSTRAINT promotion_uses_code_fkey FOREIGN KEY (code) REFERENCES promotions (code),
    CONSTRAINT promotion_uses_not_negative CHECK (uses >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE promotion_uses IS 'How often a limited promotion was used. Owned by run time: no load or rollback changes it.';
COMMENT ON COLUMN promotion_uses.code IS 'The limited promotion.';
COMMENT ON COLUMN promotion_uses.uses IS 'Stored orders that carry the code, counted in the transaction that stores them.';

CREATE TABLE coupon_codes (
    version bigint           NOT NULL,
    code    text COLLATE "C" NOT NULL,
    CONSTRAINT coupon_codes_pkey PRIMARY KEY (version, code),
    CONSTRAINT coupon_codes_code_length CHECK (char_length(code) BETWEEN 8 AND 10)
);
COMMENT ON TABLE coupon_codes IS 'Codes that stand in at least two of the bulk files, one set per dataset version.';
COMMENT ON COLUMN coupon_codes.version IS 'dataset_versions.version; only the active version is ever looked up.';
COMMENT ON COLUMN coupon_codes.code IS 'Matched exactly.';
