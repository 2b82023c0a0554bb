//! Writes the orders of the profile `demo`: `cargo run -p database-load --example demo`.
//!
//! The same file every time: nothing depends on the clock, the machine or a library's random
//! numbers.

mod orders;

use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo");
    let products = std::fs::read_to_string(folder.join("products.csv"))?;
    // The packing may differ from one version of the library to the next; the text does not.
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(orders::lines(&products).as_bytes())?;
    std::fs::write(folder.join("orders.jsonl.gz"), packed.finish()?)
}
