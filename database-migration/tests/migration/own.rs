//! Migrations of a test's own, run in this process or in one that can be killed.

use std::path::PathBuf;

use database_migration::{Migration, Migrator, embedded};
use test_support::{Process, TestDatabase, settings};

use crate::program::NEWEST;

/// The version after the newest.
pub(crate) const NEXT: i32 = NEWEST + 1;

/// `metadata.toml` of a migration whose transaction is `yes` or `none`.
pub(crate) fn metadata(transaction: &str) -> String {
    let run_in_transaction = transaction == "yes";
    format!("run_in_transaction = {run_in_transaction}\nstep = \"alterTables\"\nmin_compatible_schema = 1\n")
}

/// A migration that changes tables; the statements of one without a transaction end their lines.
pub(crate) fn migration(version: i32, transaction: &str, up: &str, down: &str) -> Migration {
    named(&format!("{version:04}_own"), transaction, up, down)
}

/// As [`migration`], with a folder's name.
pub(crate) fn named(folder: &str, transaction: &str, up: &str, down: &str) -> Migration {
    let (up, down) = (format!("-- Why.\n{up}\n"), format!("-- Back.\n{down}\n"));
    Migration::parse(folder, &up, &down, &metadata(transaction)).unwrap()
}

/// A migrator with these migrations: alone if they begin with version 1, else after the project's
/// own.
pub(crate) fn migrator(database: &TestDatabase, migrations: &[Migration]) -> Migrator {
    with(Migrator::new(database.database()).unwrap(), migrations)
}

fn with(mut migrator: Migrator, migrations: &[Migration]) -> Migrator {
    if migrations.first().is_some_and(|first| first.version == 1) {
        migrator.migrations.clear();
    }
    migrator.migrations.extend_from_slice(migrations);
    migrator
}

/// `up` with these migrations as a process: this test binary once more, which runs nothing but
/// [`child`].
///
/// It ends with 0 and says `changed` or `unchanged`, or fails with the error.
pub(crate) fn start(database: &TestDatabase, migrations: &[Migration]) -> Process {
    // The child removes it.
    let folder = tempfile::tempdir().unwrap().keep();
    for migration in migrations {
        let transaction = if migration.metadata.run_in_transaction {
            "yes"
        } else {
            "none"
        };
        std::fs::create_dir_all(folder.join(migration.to_string())).unwrap();
        std::fs::write(folder.join(migration.up_file()), &migration.up).unwrap();
        std::fs::write(folder.join(migration.down_file()), &migration.down).unwrap();
        let metadata_file = folder.join(migration.to_string()).join("metadata.toml");
        std::fs::write(metadata_file, metadata(transaction)).unwrap();
    }
    let environment = [
        ("OWN_MIGRATIONS", folder.to_str().unwrap()),
        ("OWN_DATABASE_URL", database.url()),
    ];
    let arguments = ["--exact", "own::child", "--nocapture"];
    Process::spawn(std::env::current_exe().unwrap(), arguments, &environment)
}

#[expect(clippy::disallowed_methods, reason = "how a test tells its child what to do")]
fn asked() -> Option<(PathBuf, String)> {
    let folder = std::env::var_os("OWN_MIGRATIONS")?;
    Some((folder.into(), std::env::var("OWN_DATABASE_URL").unwrap()))
}

#[tokio::test]
async fn child() {
    let Some((folder, url)) = asked() else {
        return;
    };
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let parse = |folder: &PathBuf| {
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
        let name = folder.file_name().unwrap().to_str().unwrap();
        Migration::parse(name, &read("up.sql"), &read("down.sql"), &read("metadata.toml")).unwrap()
    };
    let migrations: Vec<Migration> = folders.iter().map(parse).collect();
    std::fs::remove_dir_all(&folder).unwrap();
    let database = database::Database::new(&settings(&url), "own migrations").unwrap();

    let done = with(Migrator::new(database).unwrap(), &migrations)
        .up(None)
        .await
        .unwrap();

    let outcome = if done.before == done.after {
        "unchanged"
    } else {
        "changed"
    };
    println!("outcome {outcome}");
}

/// The project's migrations up to a version: what an earlier build had.
pub(crate) fn earlier(version: i32) -> Vec<Migration> {
    let mut migrations = embedded().unwrap().to_vec();
    migrations.retain(|migration| migration.version <= version);
    migrations
}

/// SQL that makes the database newer than this build, as a later build would leave it.
pub(crate) fn later(min_compatible: i32) -> String {
    format!(
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('{NEXT:04}');
         INSERT INTO migration_details SELECT '{NEXT:04}', 'later', up_sha256, down_sha256, 1, 'later', {min_compatible}
         FROM migration_details WHERE version = '{NEWEST:04}'"
    )
}
