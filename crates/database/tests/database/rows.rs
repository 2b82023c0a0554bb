//! Tests of the rows of the reference data: a bad row stands alone.

use database::rows::{ApiKey, ApiKeyRow, Attempt, ProductRow, PromotionRow, served};
use database::schema::{api_keys, products, promotions};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::{Product, Promotion, Scope};
use test_support::TestDatabase;

async fn connection(rows: &str) -> AsyncPgConnection {
    let database = TestDatabase::migrated().await;
    TestDatabase::execute(&database, rows).await;
    database.database().connect_diesel().await.unwrap()
}

/// The problem of each row; empty for those that are served.
fn problems<T>(rows: Vec<Result<T, database::rows::Unserved>>) -> Vec<String> {
    rows.into_iter()
        .map(|row| row.err().map_or(String::new(), |problem| problem.to_string()))
        .collect()
}

#[tokio::test]
async fn a_product_that_cannot_be_read_leaves_the_others_served() {
    let mut connection = connection(
        r#"INSERT INTO products (id, name, price, category, image) VALUES
           (1, 'One size', 1.00, 'A', '{"thumbnail": "t", "mobile": null, "poster": 7}'),
           (2, 'No size', 1.00, 'A', '{}'),
           (3, 'No price', 'NaN', 'A', NULL),
           (4, 'No image', 1.00, 'A', '"t"'),
           (5, 'Image of another type', 1.00, 'A', '{"mobile": 1}'),
           (6, 'Null', 1.00, 'A', 'null')"#,
    )
    .await;

    let rows: Vec<Attempt<ProductRow>> = products::table
        .select(Attempt::<ProductRow>::as_select())
        .order(products::id)
        .load(&mut connection)
        .await
        .unwrap();
    let read: Vec<Result<Product, _>> = rows.into_iter().map(Attempt::served).collect();

    let image = read[0].as_ref().unwrap().image.clone().unwrap();
    assert_eq!(serde_json::to_string(&image).unwrap(), r#"{"thumbnail":"t"}"#);
    assert_eq!(read[1].as_ref().unwrap().image, None);
    assert_eq!(read[5].as_ref().unwrap().image, None);
    let problems = problems(read);
    assert!(problems[2].starts_with("price: not an amount"), "{problems:?}");
    assert!(problems[3].starts_with("image: "), "{problems:?}");
    assert!(problems[4].starts_with("image: "), "{problems:?}");
}

#[tokio::test]
async fn times_and_scopes_that_this_build_does_not_know_stand_alone() {
    let mut connection = connection(
        "ALTER TABLE api_keys DROP CONSTRAINT api_keys_scopes_known;
         INSERT INTO promotions (code, kind, value, ends_at) VALUES
           ('A', 'fixed', 1, NULL), ('B', 'fixed', 1, 'infinity'), ('C', 'fixed', 1, '9999-12-31');
         INSERT INTO users (id, email, name, role) VALUES (gen_random_uuid(), 'a@b', 'A', 'staff');
         INSERT INTO api_keys (id, key_hash, hash_key_id, user_id, scopes)
         SELECT gen_random_uuid(), sha256('a'), 'h', id, ARRAY['cook', 'read_orders'] FROM users;",
    )
    .await;

    let promotions: Vec<Attempt<PromotionRow>> = promotions::table
        .select(Attempt::<PromotionRow>::as_select())
        .order(promotions::code)
        .load(&mut connection)
        .await
        .unwrap();
    let keys: Vec<Attempt<ApiKeyRow>> = api_keys::table
        .select(Attempt::<ApiKeyRow>::as_select())
        .load(&mut connection)
        .await
        .unwrap();

    let promotions: Vec<Result<Promotion, _>> = promotions.into_iter().map(Attempt::served).collect();
    let problems = problems(promotions);
    assert_eq!((&*problems[0], &*problems[2]), ("", ""));
    assert!(problems[1].starts_with("ends_at: "), "{problems:?}");
    let key: ApiKey = keys.into_iter().next().unwrap().served().unwrap();
    assert_eq!(key.scopes.iter().collect::<Vec<_>>(), [Scope::ReadOrders]);
}

#[test]
fn rows_of_earlier_versions_are_served_and_others_say_why_not() {
    let product = r#"{"id": 1, "name": "A", "price": 1.90, "category": "B", "image": {"tablet": "t"}}"#;
    let read: Product = served::<ProductRow, _>(product).unwrap();
    assert_eq!(
        serde_json::to_string(&ProductRow::from(read)).unwrap(),
        product.replace(": ", ":").replace(", ", ",")
    );

    let too_fine = served::<ProductRow, Product>(&product.replace("1.90", "1.905"));
    assert!(too_fine.unwrap_err().to_string().contains("two decimals"));
}
