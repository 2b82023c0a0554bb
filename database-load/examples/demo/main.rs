//! Writes the data of the profile `demo`: `cargo run -p database-load --example demo`.
//!
//! The same files every time: nothing depends on the clock, the machine or a library's random
//! numbers.

mod files;
mod menu;
mod orders;
mod people;
mod promotions;
mod random;

use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo");
    std::fs::create_dir_all(&folder)?;
    for file in files::all() {
        let packed = if file.name.ends_with(".gz") {
            gzip(&file.text)?
        } else {
            file.text.into_bytes()
        };
        std::fs::write(folder.join(file.name), packed)?;
    }
    Ok(())
}

/// The packing may differ from one version of the library to the next; the text does not.
fn gzip(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}
