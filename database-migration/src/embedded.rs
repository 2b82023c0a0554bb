//! The migrations of this build.

use std::sync::LazyLock;

use crate::migration::{BadMigration, Migration};

/// The two files of one migration, as the compiler read them.
struct Files {
    stem: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! files {
    ($($stem:literal),* $(,)?) => {
        &[$(Files {
            stem: $stem,
            up: include_str!(concat!("../migrations/", $stem, ".up.sql")),
            down: include_str!(concat!("../migrations/", $stem, ".down.sql")),
        }),*]
    };
}

/// Everything in the folder `migrations`; a new migration is added at the end.
const FILES: &[Files] = files!["0001_shop", "0002_orders", "0003_datasets", "0004_look_ups"];

/// The migrations compiled into this program, from version 1 upwards without gaps.
///
/// # Errors
/// [`BadMigration`] when a file's header is wrong, which a test rules out.
pub fn embedded() -> Result<&'static [Migration], BadMigration> {
    static PARSED: LazyLock<Result<Vec<Migration>, BadMigration>> = LazyLock::new(|| {
        FILES
            .iter()
            .map(|files| Migration::parse(files.stem, files.up, files.down))
            .collect()
    });
    PARSED.as_deref().map_err(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_and_the_folder_agree() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut present: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        present.sort();

        let mut listed: Vec<String> = embedded()
            .unwrap()
            .iter()
            .flat_map(|it| [it.up_file(), it.down_file()])
            .collect();
        listed.sort();
        assert_eq!(present, listed);
    }

    #[test]
    fn versions_count_from_one_without_gaps_to_the_version_the_code_was_written_for() {
        let versions: Vec<i32> = embedded()
            .unwrap()
            .iter()
            .map(|migration| migration.version)
            .collect();

        assert_eq!(versions, (1..=database::version::NEWEST).collect::<Vec<_>>());
    }
}
