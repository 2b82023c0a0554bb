//! Migrations of a test's own, run in this process or in one that can be killed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use database_migration::{Migration, Migrator, embedded};
use test_support::{Process, TestDatabase, settings};

use crate::program::NEWEST;

/// The version after the newest.
pub(crate) const NEXT: i32 = NEWEST + 1;

/// A migration that changes tables; the statements of one without a transaction end their lines.
pub(crate) fn migration(version: i32, transaction: &str, up: &str, down: &str) -> Migration {
    let (stem, up, down) = files(version, transaction, up, down);
    Migration::parse(&stem, &up, &down).unwrap()
}

fn files(version: i32, transaction: &str, up: &str, down: &str) -> (String, String, String) {
    let header = format!(
        "-- Why.\n-- step: alterTables\n-- transaction: {transaction}\n-- min-compatible-schema: 1\n"
    );
    (
        format!("{version:04}_own"),
        format!("{header}{up}\n"),
        format!("-- Back.\n{down}\n"),
    )
}

/// A migrator with these migrations: alone if they begin with version 1, else after the project's own.
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

/// `up` with these migrations as a process: this test binary once more, which runs nothing but [`child`].
///
/// It ends with 0 and says `changed` or `unchanged`, or fails with the error.
pub(crate) fn start(database: &TestDatabase, migrations: &[Migration]) -> Process {
    static NEXT_FOLDER: AtomicU32 = AtomicU32::new(0);
    let number = NEXT_FOLDER.fetch_add(1, Ordering::Relaxed);
    let folder = format!("own-migrations-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    for migration in migrations {
        std::fs::write(folder.join(migration.up_file()), &migration.up).unwrap();
        std::fs::write(folder.join(migration.down_file()), &migration.down).unwrap();
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
    let mut stems: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".up.sql").map(str::to_owned)
        })
        .collect();
    stems.sort();
    let read = |name: String| std::fs::read_to_string(folder.join(name)).unwrap();
    let migrations: Vec<Migration> = stems
        .iter()
        .map(|stem| {
            let (up, down) = (read(format!("{stem}.up.sql")), read(format!("{stem}.down.sql")));
            Migration::parse(stem, &up, &down).unwrap()
        })
        .collect();
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
