//! Lists the folders of `migrations/`, so that a new migration needs no entry anywhere else.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=migrations");
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in Path::new("migrations").canonicalize()?.read_dir()? {
        folders.push(entry?.path());
    }
    folders.sort();
    let mut list = String::from("&[\n");
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let name = folder.file_name().unwrap_or_default();
        write!(list, "    Files {{ folder: {name:?}")?;
        for (field, file) in [
            ("up", "up.sql"),
            ("down", "down.sql"),
            ("metadata", "metadata.toml"),
        ] {
            write!(list, ", {field}: include_str!({:?})", folder.join(file))?;
        }
        list.push_str(" },\n");
    }
    list.push_str("]\n");
    #[expect(
        clippy::disallowed_methods,
        reason = "Cargo tells a build script where to write"
    )]
    let output = std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    std::fs::write(Path::new(&output).join("migrations.rs"), list)?;
    Ok(())
}
