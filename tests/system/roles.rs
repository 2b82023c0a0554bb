//! The whole system with a role for each program, and no superuser.

use serde_json::{Value, json};
use test_support::{Cluster, Data, TestDatabase, eventually};

use crate::pod::{LOAD, MIGRATION, Pod, order_request};

/// A database whose roles are in place, and a pod for each of them.
struct Roles {
    database: TestDatabase,
    /// Makes the roles.
    superuser: Pod,
}

impl Roles {
    async fn on(database: TestDatabase, data: &Data) -> Roles {
        let mut superuser = Pod::on(&database.as_superuser());
        for (role, variable, password) in [
            ("owner", "ROLE_OWNER", None),
            ("migrator", "ROLE_MIGRATOR", Some("ROLE_MIGRATOR_PASSWORD_FILE")),
            ("app", "ROLE_APP", Some("ROLE_APP_PASSWORD_FILE")),
            ("loader", "ROLE_LOADER", Some("ROLE_LOADER_PASSWORD_FILE")),
            ("worker", "ROLE_WORKER", Some("ROLE_WORKER_PASSWORD_FILE")),
            ("readonly", "ROLE_READONLY", Some("ROLE_READONLY_PASSWORD_FILE")),
        ] {
            superuser = superuser.with(variable, format!("{}_{role}", database.name()));
            if let Some(variable) = password {
                superuser = superuser.with(variable, data.write(&format!("{role}-password"), role));
            }
        }
        let roles = Roles { database, superuser };
        roles.check(&["roles", "apply"]).await;
        roles
    }

    async fn check(&self, arguments: &[&str]) {
        let output = self.superuser.run(MIGRATION, arguments).await;
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    }

    /// The same settings, but logged in as one of the roles.
    fn pod(&self, role: &str, data: &Data) -> Pod {
        let (name, port) = (self.database.name(), Cluster::shared().port());
        let url = format!("postgres://{name}_{role}:{role}@127.0.0.1:{port}/{name}");
        self.superuser
            .clone()
            .with("DATABASE_URL", url)
            .data(data.folder())
    }

    async fn value(&self, sql: &str) -> String {
        self.database.as_superuser().value(sql).await
    }
}

#[tokio::test]
async fn the_migrator_migrates_the_loader_loads_and_the_app_serves_with_a_role_of_their_own() {
    let data = Data::copy();
    let roles = Roles::on(TestDatabase::empty().await, &data).await;
    let limited = data.read("default/promotions.csv") + "LIMITED,fixed,1.00,,,,,2\n";
    data.write("default/promotions.csv", &limited);

    roles.pod("migrator", &data).migrate().await;
    roles.check(&["roles", "check"]).await;
    let loader = roles.pod("loader", &data);
    loader.load().await;
    let api = roles.pod("app", &data).serve().await;

    // An order with everything it can ask for, and the same again.
    let order = |code: &str| json!({ "items": [{ "productId": "1", "quantity": 2 }], "couponCode": code });
    let keyed = order_request(order("LIMITED")).header("Idempotency-Key", "the first");
    let first = api.send(&keyed).await;
    let again = api.send(&keyed).await;
    assert_eq!((first.status(), first.text()), (200, again.text()), "{first:?}");
    assert_eq!(api.order(order("LIMITED")).await.status(), 200);
    assert_eq!(api.order(order("LIMITED")).await.status(), 422);
    assert_eq!(api.order(order("SAVE10")).await.status(), 200);
    let uses = "SELECT uses FROM promotion_uses WHERE code = 'LIMITED'";
    assert_eq!(roles.value(uses).await, "2");
    assert_eq!(roles.value("SELECT count(*) FROM idempotency_keys").await, "1");
    let id = first.member("id");
    assert_eq!(api.get_own(&format!("/api/order/{id}")).await.status(), 200);
    assert_eq!(api.get_own("/api/order?limit=5").await.status(), 200);

    // New data reach the app, and old ones come back.
    let products = data.read("default/products.csv");
    for price in ["13.09", "13.29", "13.49"] {
        data.write("default/products.csv", &products.replace("12.99", price));
        loader.load().await;
    }
    let price = async || api.get("/api/product/1").await.json()["price"].clone();
    eventually("the new price is served", async || price().await == 13.49).await;
    for arguments in [
        &["rollback", "-p", "default", "--previous"] as &[&str],
        &["verify"],
        &["history"],
        &["status"],
        &["plan", "-p", "default"],
        &["prune", "--keep", "1"],
        &["verify"],
    ] {
        let output = loader.run(LOAD, arguments).await;
        assert_eq!(
            output.code,
            Some(0),
            "{arguments:?}: {}{}",
            output.stdout,
            output.stderr
        );
    }
    eventually("the price before is served", async || price().await == 13.29).await;
    let pruned = "SELECT count(*) > 0 FROM dataset_versions WHERE pruned_at IS NOT NULL";
    assert_eq!(roles.value(pruned).await, "t");
    let count = "SELECT count(*) FROM bootstrap_runs WHERE outcome = 'failed'";
    assert_eq!(roles.value(count).await, "0");
    assert_eq!(api.get("/ready").await.status(), 200);
    roles.check(&["roles", "check"]).await;
}

#[tokio::test]
async fn an_expired_idempotency_key_is_taken_again_and_swept_by_the_app_alone() {
    let data = Data::copy();
    let roles = Roles::on(TestDatabase::migrated().await, &data).await;
    roles.pod("loader", &data).load().await;
    let app = roles.pod("app", &data);
    let api = app.serve().await;
    let order = order_request(json!({ "items": [{ "productId": "1", "quantity": 1 }] }));
    let (one, other) = (
        order.clone().header("Idempotency-Key", "one"),
        order.header("Idempotency-Key", "other"),
    );
    let first = api.send(&one).await;
    assert_eq!((first.status(), api.send(&other).await.status()), (200, 200));

    let expire = "UPDATE idempotency_keys SET expires_at = now() - interval '1 day'";
    roles.database.as_superuser().execute(expire).await;
    let second = api.send(&one).await;

    assert_eq!(second.status(), 200, "{second:?}");
    assert_ne!(first.member("id"), second.member("id"));
    drop(api);
    // Expired keys are swept when the app starts.
    let _api = app.serve().await;
    eventually("the other key is gone", async || {
        roles
            .value("SELECT string_agg(key, ',') FROM idempotency_keys")
            .await
            == "one"
    })
    .await;
}

#[tokio::test]
async fn a_program_with_the_wrong_role_says_so_with_9_and_changes_nothing() {
    let data = Data::copy();
    let roles = Roles::on(TestDatabase::migrated().await, &data).await;

    let load = roles.pod("app", &data).run(LOAD, &[]).await;
    let down = roles
        .pod("loader", &data)
        .run(MIGRATION, &["down", "--steps", "1", "--allow-destructive"])
        .await;
    let nothing = roles.pod("loader", &data).run(MIGRATION, &["up"]).await;

    assert_eq!(load.code, Some(9), "{}", load.stderr);
    assert_eq!(down.code, Some(9), "{}", down.stderr);
    assert_eq!(nothing.code, Some(0), "{}", nothing.stderr);
    let last: Value = serde_json::from_str(load.stderr.lines().last().unwrap()).unwrap();
    assert!(
        last["message"].as_str().unwrap().contains("permission denied"),
        "{last}"
    );
    assert_eq!(roles.value("SELECT count(*) FROM products").await, "0");
    let version = database::version::NEWEST.to_string();
    let query = "SELECT max(version::integer) FROM __diesel_schema_migrations";
    assert_eq!(roles.value(query).await, version);
}
