//! Writes the version of the newest migration, so that a new migration needs no entry here.

use std::error::Error;
use std::path::Path;

const MIGRATIONS: &str = "../../database-migration/migrations";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={MIGRATIONS}");
    // Versions count from one without gaps: a test of database-migration sees to it.
    let entries = Path::new(MIGRATIONS).read_dir()?;
    let newest = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir()));
    #[expect(
        clippy::disallowed_methods,
        reason = "Cargo tells a build script where to write"
    )]
    let output = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(Path::new(&output).join("newest.rs"), newest.count().to_string())?;
    Ok(())
}
