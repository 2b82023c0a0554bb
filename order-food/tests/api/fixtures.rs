//! The rows that a test's database starts with: what `database-load` would have brought.

use shop::HashKeys;
use test_support::TestDatabase;
use uuid::Uuid;

/// May place orders and read its own.
pub(crate) const APITEST: &str = "apitest";
/// As `apitest`, of another user; hashed under the second hash key.
pub(crate) const OTHER: &str = "other-key";
/// May read every order, and place some.
pub(crate) const STAFF: &str = "staff-key";
/// May change the status of every order, and read them.
pub(crate) const MANAGER: &str = "manager-key";
/// May see reports, and the jobs that it started.
pub(crate) const ANALYST: &str = "analyst-key";
/// As `analyst-key`, of another user.
pub(crate) const SECOND_ANALYST: &str = "second-analyst-key";
/// May see and cancel the jobs of all keys.
pub(crate) const OPERATOR: &str = "operator-key";
/// May see what operators see, and change nothing.
pub(crate) const VIEWER: &str = "viewer-key";
/// May move orders.
pub(crate) const KITCHEN: &str = "kitchen-key";
/// May read its own orders only.
pub(crate) const READER: &str = "reader-key";
/// May place orders only.
pub(crate) const WRITER: &str = "writer-key";
pub(crate) const EXPIRED: &str = "expired-key";
pub(crate) const REVOKED: &str = "revoked-key";
/// Of a user who has left.
pub(crate) const GONE: &str = "gone-key";

/// The row of the storefront, which has no key.
pub(crate) const STOREFRONT: Uuid = Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_00c0);

/// The setting API_KEY_HASH_KEY of every test.
pub(crate) const HASH_KEYS: &str = "the-first-hash-key-of-tests,the-second-hash-key-of-tests";

pub(crate) const WAFFLE: u64 = 1;
pub(crate) const PANCAKES: u64 = 3;
pub(crate) const PIZZA: u64 = 7;

/// The catalogue: id, name, cents, category.
pub(crate) const PRODUCTS: [(u64, &str, i64, &str); 10] = [
    (1, "Chicken Waffle", 1299, "Waffle"),
    (2, "Belgian Waffle", 1099, "Waffle"),
    (3, "Blueberry Pancakes", 999, "Pancakes"),
    (4, "Chocolate Pancakes", 1199, "Pancakes"),
    (5, "Caesar Salad", 899, "Salad"),
    (6, "Greek Salad", 949, "Salad"),
    (7, "Margherita Pizza", 1399, "Pizza"),
    (8, "Pepperoni Pizza", 1599, "Pizza"),
    (9, "Cheeseburger", 1149, "Burger"),
    (10, "Veggie Burger", 1049, "Burger"),
];

const ROWS: &str = "
    INSERT INTO users (id, email, name, role, active) VALUES
        ('00000000-0000-4000-8000-000000000001', 'one@example.com', 'One', 'customer', true),
        ('00000000-0000-4000-8000-000000000002', 'two@example.com', 'Two', 'customer', true),
        ('00000000-0000-4000-8000-000000000003', 'three@example.com', 'Three', 'staff', true),
        ('00000000-0000-4000-8000-000000000004', 'gone@example.com', 'Gone', 'customer', false);
    INSERT INTO promotions (code, kind, value, min_items) VALUES
        ('SAVE10', 'percentage', 10, 1), ('HAPPYHOURS', 'percentage', 18, 1), ('HAPPYHRS', 'percentage', 18, 1),
        ('BUYGETONE', 'cheapest_item_free', 0, 2), ('BUYGETON', 'cheapest_item_free', 0, 2),
        ('FIFTYOFF', 'percentage', 50, 1), ('SIXTYOFF', 'percentage', 60, 1),
        ('BIRTHDAY', 'cheapest_item_free', 0, 1), ('GNULINUX', 'percentage', 15, 1),
        ('OVER9000', 'fixed', 9.00, 1), ('FREEZAAA', 'percentage', 100, 1);
    INSERT INTO bootstrap_runs (id, task, profile, started_at, finished_at, outcome, exit_code, version, build, host) VALUES
        ('00000000-0000-7000-8000-00000000000b', 'database-load', 'default',
         now() - interval '20 s', now() - interval '17 s', 'changed', 0, 1, 'test', 'test'),
        ('00000000-0000-7000-8000-00000000000c', 'database-load', 'default',
         now() - interval '9 s', now() - interval '8 s', 'failed', 10, NULL, 'test', 'test');
    INSERT INTO dataset_versions
        (profile, datasets, fingerprint, content_sha256, hash_key_id, format, state, run_id, activated_at) VALUES
        ('default', ARRAY['products', 'users', 'promotions', 'coupon_codes'], sha256('test'), sha256('test'), 'test', 1, 'active',
         '00000000-0000-7000-8000-00000000000b', now() - interval '17 s');
    INSERT INTO coupon_codes (version, code)
        SELECT version, code FROM dataset_versions, unnest(ARRAY['HAPPYHRS', 'FIFTYOFF', 'BULKCODE', 'BULKCODE10']) AS code;
    INSERT INTO coupon_codes (version, code) VALUES (999, 'STAGEDONE');
";

/// A migrated database with the rows of every test.
pub(crate) async fn database() -> TestDatabase {
    let database = TestDatabase::migrated().await;
    insert(&database).await;
    database
}

/// Inserts the rows of every test.
pub(crate) async fn insert(database: &TestDatabase) {
    database.execute(&rows()).await;
}

/// The same as statements, for a database that is not on the shared server.
pub(crate) fn rows() -> String {
    let products: Vec<String> = PRODUCTS
        .iter()
        .map(|(id, name, cents, category)| format!("({id}, '{name}', {cents}::numeric / 100, '{category}')"))
        .collect();
    let products = products.join(", ");
    format!(
        "INSERT INTO products (id, name, price, category) VALUES {products};{ROWS}{}",
        api_keys()
    )
}

/// The id under which a key's orders are stored.
pub(crate) fn key_id(key: &str) -> String {
    let digits: String = key.bytes().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("00000000-0000-4000-8000-{digits}")
}

fn api_keys() -> String {
    let hash_keys = HashKeys::parse(Some(HASH_KEYS), false).unwrap();
    let second = hash_keys.iter().nth(1).unwrap();
    let both = "create_order,read_orders";
    let keys = [
        (APITEST, 1, both, "NULL", "NULL"),
        (OTHER, 2, both, "NULL", "NULL"),
        (STAFF, 3, "create_order,read_all_orders", "NULL", "NULL"),
        (MANAGER, 3, "manage_orders,read_all_orders", "NULL", "NULL"),
        (ANALYST, 3, "view_reports", "NULL", "NULL"),
        (SECOND_ANALYST, 3, "view_reports", "NULL", "NULL"),
        (OPERATOR, 3, "operate", "NULL", "NULL"),
        (VIEWER, 3, "view_operations", "NULL", "NULL"),
        (KITCHEN, 3, "manage_orders", "NULL", "NULL"),
        (READER, 1, "read_orders", "NULL", "NULL"),
        (WRITER, 1, "create_order", "now() + interval '1 day'", "NULL"),
        (EXPIRED, 1, both, "now() - interval '1 ms'", "NULL"),
        (REVOKED, 1, both, "NULL", "now() - interval '1 ms'"),
        (GONE, 4, both, "NULL", "NULL"),
    ];
    let row = |(key, user, scopes, expires_at, revoked_at): &(&str, u8, &str, &str, &str)| {
        let hash_key = if *key == OTHER { second } else { hash_keys.writer() };
        let hash: String = hash_key
            .hash(key.as_bytes())
            .0
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "('{}', decode('{hash}', 'hex'), '{}', '00000000-0000-4000-8000-00000000000{user}',
              string_to_array('{scopes}', ','), {expires_at}, {revoked_at})",
            key_id(key),
            hash_key.id()
        )
    };
    let mut rows: Vec<String> = keys.iter().map(row).collect();
    let without_key = hash_keys.writer().hash_without_key(STOREFRONT.as_u128()).0;
    rows.push(format!(
        "('{STOREFRONT}', decode('{}', 'hex'), '{}', '00000000-0000-4000-8000-000000000001', '{{create_order}}', NULL, NULL)",
        hex::encode(without_key),
        hash_keys.writer().id()
    ));
    format!(
        "INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes, expires_at, revoked_at) VALUES {}",
        rows.join(", ")
    )
}
