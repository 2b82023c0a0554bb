//! The statements that bring the rows of a version, `$1`, into the tables. Rows that stay as they are are not touched, not
//! even locked.

/// The statements of one table, in the order in which they run.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Takes rows out of force that left the data.
    retire: Option<&'static str>,
    /// Makes room for the next two.
    release: Option<&'static str>,
    /// Changes the rows whose values differ.
    change: Option<&'static str>,
    /// Adds the rows that are not there.
    add: &'static str,
}

impl Table {
    pub(super) fn statements(&self) -> [Option<&'static str>; 4] {
        [self.retire, self.release, self.change, Some(self.add)]
    }
}

/// The active version of a profile, locked.
pub(super) const ACTIVE: &str =
    "SELECT version FROM dataset_versions WHERE profile = $1 AND state = 'active' FOR UPDATE";

pub(super) const RETIRE: &str = "
    UPDATE dataset_versions SET state = 'retired', retired_at = clock_timestamp()
    WHERE profile = $1 AND state = 'active'";

/// Several profiles of one transaction become active one after the other: hence not `now()`.
pub(super) const ACTIVATE: &str = "
    UPDATE dataset_versions SET state = 'active', activated_at = clock_timestamp()
    WHERE version = $1 AND state = 'staged'";

/// As [`ACTIVATE`], for a version that was active before and whose rows are still there.
pub(super) const ACTIVATE_AGAIN: &str = "
    UPDATE dataset_versions SET state = 'active', activated_at = clock_timestamp(), retired_at = NULL
    WHERE version = $1 AND state = 'retired' AND pruned_at IS NULL";

/// Nothing if another run took this one for lost.
pub(super) const RECORD: &str = "
    UPDATE bootstrap_runs
    SET outcome = $2, exit_code = 0, finished_at = clock_timestamp(), heartbeat_at = clock_timestamp(),
        version = $3, rows_added = $4, rows_changed = $5, rows_retired = $6, message = $7
    WHERE id = $1::text::uuid AND outcome = 'running'";

pub(super) const USERS: Table = Table {
    name: "users",
    retire: Some(
        "UPDATE users SET active = false
         WHERE active AND NOT EXISTS (
             SELECT FROM dataset_rows WHERE version = $1 AND dataset = 'users' AND key = users.id::text
         )",
    ),
    // Two users may swap their addresses: only active ones have to be unique.
    release: Some(
        "UPDATE users SET active = false
         FROM dataset_rows
         WHERE version = $1 AND dataset = 'users' AND key = users.id::text
           AND active AND lower(email) <> lower(row ->> 'email')",
    ),
    change: Some(
        "UPDATE users SET email = new.email, name = new.name, role = new.role, active = true
         FROM dataset_rows, jsonb_to_record(row) AS new (id uuid, email text, name text, role text)
         WHERE version = $1 AND dataset = 'users' AND new.id = users.id
           AND (users.email, users.name, users.role, users.active)
               IS DISTINCT FROM (new.email, new.name, new.role, true)",
    ),
    add: "
        INSERT INTO users (id, email, name, role)
        SELECT new.id, new.email, new.name, new.role
        FROM dataset_rows, jsonb_to_record(row) AS new (id uuid, email text, name text, role text)
        WHERE version = $1 AND dataset = 'users' AND NOT EXISTS (SELECT FROM users WHERE users.id = new.id)",
};

/// `revoked_at` is run time's own.
pub(super) const API_KEYS: Table = Table {
    name: "api_keys",
    retire: Some(
        "UPDATE api_keys SET active = false
         WHERE active AND NOT EXISTS (
             SELECT FROM dataset_rows WHERE version = $1 AND dataset = 'api_keys' AND key = api_keys.id::text
         )",
    ),
    release: None,
    change: Some(
        "UPDATE api_keys
         SET key_hash = decode(new.key_hash, 'hex'), hash_key_id = new.hash_key_id, user_id = new.user_id,
             scopes = new.scopes, expires_at = new.expires_at, active = true
         FROM dataset_rows, jsonb_to_record(row) AS new
             (id uuid, key_hash text, hash_key_id text, user_id uuid, scopes text[], expires_at timestamptz)
         WHERE version = $1 AND dataset = 'api_keys' AND new.id = api_keys.id
           AND (api_keys.key_hash, api_keys.hash_key_id, api_keys.user_id, api_keys.scopes, api_keys.expires_at,
                api_keys.active)
               IS DISTINCT FROM (decode(new.key_hash, 'hex'), new.hash_key_id, new.user_id, new.scopes,
                                 new.expires_at, true)",
    ),
    add: "
        INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes, expires_at)
        SELECT new.id, decode(new.key_hash, 'hex'), new.hash_key_id, new.user_id, new.scopes, new.expires_at
        FROM dataset_rows, jsonb_to_record(row) AS new
            (id uuid, key_hash text, hash_key_id text, user_id uuid, scopes text[], expires_at timestamptz)
        WHERE version = $1 AND dataset = 'api_keys' AND NOT EXISTS (SELECT FROM api_keys WHERE api_keys.id = new.id)",
};

/// Keys may have changed hands since: another row that holds one of them gets a hash that no key has. What `change` then
/// writes is unique again. A load never needs this: it refuses a key that is stored under another id.
pub(super) const RESTORED_API_KEYS: Table = Table {
    release: Some(
        "UPDATE api_keys SET key_hash = sha256(convert_to('released ' || id || clock_timestamp(), 'UTF8'))
         FROM dataset_rows
         WHERE version = $1 AND dataset = 'api_keys' AND api_keys.key_hash = decode(row ->> 'key_hash', 'hex')
           AND key <> api_keys.id::text",
    ),
    ..API_KEYS
};

pub(super) const PRODUCTS: Table = Table {
    name: "products",
    retire: Some(
        "UPDATE products SET available = false
         WHERE available AND NOT EXISTS (
             SELECT FROM dataset_rows WHERE version = $1 AND dataset = 'products' AND key = products.id::text
         )",
    ),
    release: None,
    change: Some(
        "UPDATE products
         SET name = new.name, price = new.price, category = new.category, image = new.image, available = true
         FROM dataset_rows, jsonb_to_record(row) AS new
             (id bigint, name text, price numeric(10, 2), category text, image jsonb)
         WHERE version = $1 AND dataset = 'products' AND new.id = products.id
           AND (products.name, products.price, products.category, products.image, products.available)
               IS DISTINCT FROM (new.name, new.price, new.category, new.image, true)",
    ),
    add: "
        INSERT INTO products (id, name, price, category, image)
        SELECT new.id, new.name, new.price, new.category, new.image
        FROM dataset_rows, jsonb_to_record(row) AS new
            (id bigint, name text, price numeric(10, 2), category text, image jsonb)
        WHERE version = $1 AND dataset = 'products' AND NOT EXISTS (SELECT FROM products WHERE products.id = new.id)",
};

/// Limited promotions get their counter; counters that are there stay.
pub(super) const PROMOTIONS: Table = Table {
    name: "promotions",
    retire: Some(
        "UPDATE promotions SET active = false
         WHERE active AND NOT EXISTS (
             SELECT FROM dataset_rows WHERE version = $1 AND dataset = 'promotions' AND key = promotions.code
         )",
    ),
    release: None,
    change: Some(
        "WITH new AS (
             SELECT new.*
             FROM dataset_rows, jsonb_to_record(row) AS new
                 (code text, kind text, value numeric(10, 2), min_items integer, max_discount numeric(10, 2),
                  starts_at timestamptz, ends_at timestamptz, max_uses bigint)
             WHERE version = $1 AND dataset = 'promotions'
         ), counters AS (
             INSERT INTO promotion_uses (code)
             SELECT new.code FROM new JOIN promotions USING (code)
             WHERE new.max_uses IS NOT NULL
             ON CONFLICT (code) DO NOTHING
         )
         UPDATE promotions
         SET kind = new.kind, value = new.value, min_items = new.min_items, max_discount = new.max_discount,
             starts_at = new.starts_at, ends_at = new.ends_at, max_uses = new.max_uses, active = true
         FROM new
         WHERE new.code = promotions.code
           AND (promotions.kind, promotions.value, promotions.min_items, promotions.max_discount,
                promotions.starts_at, promotions.ends_at, promotions.max_uses, promotions.active)
               IS DISTINCT FROM (new.kind, new.value, new.min_items, new.max_discount, new.starts_at, new.ends_at,
                                 new.max_uses, true)",
    ),
    add: "
        WITH new AS (
            SELECT new.*
            FROM dataset_rows, jsonb_to_record(row) AS new
                (code text, kind text, value numeric(10, 2), min_items integer, max_discount numeric(10, 2),
                 starts_at timestamptz, ends_at timestamptz, max_uses bigint)
            WHERE version = $1 AND dataset = 'promotions'
              AND NOT EXISTS (SELECT FROM promotions WHERE promotions.code = new.code)
        ), counters AS (
            INSERT INTO promotion_uses (code) SELECT code FROM new WHERE max_uses IS NOT NULL
        )
        INSERT INTO promotions (code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses)
        SELECT code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses FROM new",
};

/// Orders belong to run time: they are added once and never touched again. Those that are there are told by their keys:
/// most are, and their rows need not be taken apart.
pub(super) const ORDERS: Table = Table {
    name: "orders",
    retire: None,
    // Lines first: afterwards the orders are there and nothing tells the new ones.
    release: Some(
        "INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         SELECT (row ->> 'id')::uuid, item.*
         FROM dataset_rows, jsonb_to_recordset(row -> 'items') AS item
             (line smallint, product_id bigint, product_name text, category text, unit_price numeric(10, 2),
              quantity integer)
         WHERE version = $1 AND dataset = 'orders'
           AND NOT EXISTS (SELECT FROM orders WHERE orders.id = key::uuid)",
    ),
    change: None,
    add: "
        INSERT INTO orders (id, created_at, api_key_id, coupon_code, subtotal, discount, total)
        SELECT new.id, new.created_at, new.api_key_id, new.coupon_code, new.subtotal, new.discount, new.total
        FROM dataset_rows, jsonb_to_record(row) AS new
            (id uuid, created_at timestamptz, api_key_id uuid, coupon_code text, subtotal numeric(14, 2),
             discount numeric(14, 2), total numeric(14, 2))
        WHERE version = $1 AND dataset = 'orders' AND NOT EXISTS (SELECT FROM orders WHERE orders.id = key::uuid)",
};
