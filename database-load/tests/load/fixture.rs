//! A profile of a test's own, its database, and the loader run on both.

use std::path::{Path, PathBuf};
use std::time::Duration;

use database::locks;
use database_load::{Findings, LoadOptions, Plan, ProfileRun, RollbackOptions, RunOptions, Summary, Target};
use process::failure::{ExitCode, Failure};
use shop::HashKeys;
use tempfile::TempDir;
use test_support::{Output, Process, TestDatabase, eventually};
use tokio_postgres::Client;

/// The data that the product ships.
pub(crate) const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// A copy of the shipped data that a test may change; gone with the test.
pub(crate) struct Data(TempDir);

impl Data {
    pub(crate) fn copy() -> Data {
        let folder = tempfile::Builder::new()
            .prefix("data-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let (data, shipped) = (Data(folder.unwrap()), Path::new(SHIPPED));
        std::fs::create_dir(data.path("default")).unwrap();
        std::fs::copy(shipped.join("default.toml"), data.profile()).unwrap();
        for file in shipped.join("default").read_dir().unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), data.path("default").join(file.file_name())).unwrap();
        }
        data
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    pub(crate) fn profile(&self) -> PathBuf {
        self.path("default.toml")
    }

    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), content).unwrap();
    }

    /// A change of every kind in every table.
    pub(crate) fn edit_everything(&self) {
        self.edit("default/products.csv", "9.99", "10.49");
        self.edit("default/products.csv", "2,Belgian Waffle,10.99,Waffle,,,,\n", "");
        self.edit(
            "default/products.csv",
            "10,Veggie",
            "11,Lemonade,3.50,Drinks,,,,\n10,Veggie",
        );
        self.edit("default/users.json", "customer@", "guest@");
        self.edit(
            "default/promotions.csv",
            "SAVE10,percentage,10",
            "SAVE10,percentage,12",
        );
        self.edit("default/promotions.csv", "GNULINUX", "GNULINUS");
        self.edit("default/coupons3.txt", "FIFTYOFF", "PIZZA2025");
    }

    /// The profile brings nothing but products, from these sources.
    pub(crate) fn bring_products(&self, sources: &str) {
        self.write(
            "default.toml",
            format!("[operations.products]\nsources = [{sources}]\n"),
        );
    }

    /// Another profile, `drinks`, with a promotion of this value.
    pub(crate) fn add_drinks(&self, value: &str) {
        let operations = "[operations.promotions]\nsources = [\"drinks.csv\"]\n";
        self.write("drinks.toml", operations);
        self.write("drinks.csv", format!("code,kind,value\nSPRITZ,fixed,{value}\n"));
    }

    /// Replaces text that must be there.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let before = std::fs::read_to_string(self.path(file)).unwrap();
        assert!(before.contains(from), "{file} does not contain {from:?}");
        self.write(file, before.replacen(from, to, 1));
    }

    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            run_options: run_options(),
            ..LoadOptions::development(vec![self.profile()]).unwrap()
        }
    }

    pub(crate) async fn plan(&self, database: &TestDatabase) -> Plan {
        database_load::plan(&database.database(), &self.options())
            .await
            .unwrap_or_else(|failure| panic!("{}", failure.line()))
    }

    pub(crate) async fn load(&self, database: &TestDatabase) -> Summary {
        self.try_load(database)
            .await
            .unwrap_or_else(|failure| panic!("{}", failure.line()))
    }

    pub(crate) async fn try_load(&self, database: &TestDatabase) -> Result<Summary, Failure> {
        database_load::run(&database.database(), &self.options()).await
    }

    pub(crate) async fn force(&self, database: &TestDatabase) -> Summary {
        let options = LoadOptions {
            force: true,
            ..self.options()
        };
        database_load::run(&database.database(), &options)
            .await
            .unwrap_or_else(|failure| panic!("{}", failure.line()))
    }
}

/// Waits less long than the default for a database that is there.
pub(crate) fn run_options() -> RunOptions {
    RunOptions {
        wait_timeout: Duration::from_secs(10),
        ..RunOptions::default()
    }
}

pub(crate) async fn try_rollback(database: &TestDatabase, target: Target) -> Result<ProfileRun, Failure> {
    let options = RollbackOptions {
        profile: "default".into(),
        target,
        hash_keys: HashKeys::parse(None, false).unwrap(),
        run_options: run_options(),
    };
    let summary = database_load::rollback(&database.database(), &options).await?;
    Ok(summary.profiles[0].clone())
}

pub(crate) async fn rollback(database: &TestDatabase, target: Target) -> ProfileRun {
    try_rollback(database, target)
        .await
        .unwrap_or_else(|failure| panic!("{}", failure.line()))
}

/// The price that tests change: 9.99 as shipped.
pub(crate) const PRICE_OF_3: &str = "SELECT price FROM products WHERE id = 3";

/// The shipped data were loaded.
pub(crate) async fn loaded() -> (TestDatabase, Data) {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.load(&database).await;
    (database, data)
}

/// Two versions were loaded: in the second, product 3 costs 10.49.
pub(crate) async fn two_versions() -> (TestDatabase, Data) {
    let (database, data) = loaded().await;
    data.edit("default/products.csv", "9.99", "10.49");
    data.load(&database).await;
    (database, data)
}

#[track_caller]
pub(crate) fn refused(failure: &Failure, code: ExitCode, says: &str) {
    let line = failure.line();
    assert_eq!(failure.code, code, "{line}");
    assert!(line.contains(says), "{says}: {line}");
}

/// A session before whose end nothing is published.
pub(crate) async fn block_publication(database: &TestDatabase) -> Client {
    database.session("BEGIN; LOCK TABLE products IN SHARE MODE").await
}

/// Until a publication waits for that session.
pub(crate) async fn publication_waits(database: &TestDatabase) {
    eventually("the publication waits", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%products%'";
        database.value(waiting).await == "1"
    })
    .await;
}

/// A session that holds the lock on loads of products, until it is dropped.
pub(crate) async fn products_lock(database: &TestDatabase) -> Client {
    let lock = format!("SELECT pg_advisory_lock({}, hashtext('products'))", locks::LOAD);
    database.session(&lock).await
}

/// The columns of all tables that a version decides, row by row; not what run time owns.
pub(crate) async fn dataset_rows(database: &TestDatabase) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for query in [
        "SELECT 'products', id, name, price, category, image, available FROM products ORDER BY id",
        "SELECT 'users', id, email, name, role, active FROM users ORDER BY id",
        "SELECT 'api_keys', id, CASE WHEN active THEN encode(key_hash, 'hex') END, hash_key_id, user_id, scopes, expires_at, active
         FROM api_keys ORDER BY id",
        "SELECT 'promotions', code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses, active
         FROM promotions ORDER BY code",
        "SELECT 'coupon_codes', code FROM coupon_codes JOIN dataset_versions USING (version) WHERE state = 'active' ORDER BY code",
    ] {
        all.extend(database.rows(query).await);
    }
    all
}

/// What run time owns, and where it lies: the same before and after means that nothing touched it.
pub(crate) async fn run_time_rows(database: &TestDatabase) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for query in [
        "SELECT 'api_keys', id::text, revoked_at, 0::text FROM api_keys ORDER BY id",
        "SELECT 'promotion_uses', code, uses, xmin::text FROM promotion_uses ORDER BY code",
        "SELECT 'orders', id, total, xmin::text FROM orders ORDER BY id",
        "SELECT 'order_items', order_id, unit_price, xmin::text FROM order_items ORDER BY order_id, line",
    ] {
        all.extend(database.rows(query).await);
    }
    all
}

/// The bad rows of a failed load.
pub(crate) fn findings(failure: &Failure) -> String {
    let mut cause = std::error::Error::source(failure);
    while let Some(error) = cause {
        if let Some(findings) = error.downcast_ref::<Findings>() {
            return findings.rows.iter().map(|row| format!("{row}\n")).collect();
        }
        cause = error.source();
    }
    panic!("no findings: {}", failure.line())
}

/// A load of the real binary.
pub(crate) fn spawn(
    database: &TestDatabase,
    data: &Data,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Process {
    let folder = data.0.path().to_str().unwrap();
    let mut all = vec![("DATABASE_URL", database.url()), ("DATA_DIR", folder)];
    all.extend(environment);
    Process::spawn(env!("CARGO_BIN_EXE_database-load"), arguments, &all)
}

/// The same to its end.
pub(crate) async fn run_with(
    database: &TestDatabase,
    data: &Data,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Output {
    spawn(database, data, arguments, environment).wait_output().await
}

pub(crate) async fn load_binary(database: &TestDatabase, data: &Data, arguments: &[&str]) -> Output {
    run_with(database, data, arguments, &[]).await
}

/// Where every row of every data table lies and who wrote it: the same before and after means that
/// nothing was touched.
pub(crate) async fn places(database: &TestDatabase) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for table in [
        "products",
        "users",
        "api_keys",
        "promotions",
        "promotion_uses",
        "coupon_codes",
        "orders",
        "order_items",
        "dataset_versions",
        "dataset_rows",
    ] {
        let query = format!("SELECT '{table}', ctid, xmin, xmax FROM {table} ORDER BY ctid");
        all.extend(database.rows(&query).await);
    }
    all
}

/// Outcomes of all loads, oldest first.
pub(crate) async fn outcomes(database: &TestDatabase) -> Vec<String> {
    let rows = database
        .rows("SELECT outcome FROM bootstrap_runs WHERE task = 'database-load' ORDER BY started_at, id")
        .await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}
