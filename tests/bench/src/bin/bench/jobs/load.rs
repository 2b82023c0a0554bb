//! database-load: first load, unchanged sources, a changed price.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;

use super::{Arguments, Bench, case};
use crate::sql::Sql;

/// Location and writing transaction of each product's row: an update changes both.
const ROWS: &str = "SELECT string_agg(concat_ws(' ', id, ctid, xmin), ';' ORDER BY id) FROM products";

/// Measures and writes load.json; a target that was missed is no error.
pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let bench = Bench::start(arguments, "database-load")?;
    bench.admin.run("CREATE DATABASE migrated")?;
    bench.run("database-migration", "migrated", &["up"])?;
    let sources = bench.cluster.home().join("sources");
    let copied = Command::new("cp")
        .arg("-R")
        .args([&arguments.data, &sources])
        .status()?;
    ensure!(copied.success(), "cannot copy {}", arguments.data.display());
    let profile = sources.join("demo.toml");
    let profile = profile.to_str().context("a path in UTF-8")?;
    let load = |database: &str| Ok(bench.run("database-load", database, &["-p", profile])?.1);

    bench.title()?;
    let first = case("first load of demo", 2000, arguments.runs, |run| {
        bench
            .admin
            .run(&format!("CREATE DATABASE first_{run} TEMPLATE migrated"))?;
        let took = load(&format!("first_{run}"))?;
        if run > 1 {
            bench.admin.run(&format!("DROP DATABASE first_{run}"))?;
        }
        Ok(took)
    })?;
    let unchanged = case("unchanged demo", 50, arguments.runs, |_| load("first_1"))?;
    let loaded = Sql::connect(&bench.cluster.database_url("first_1"))?;
    let products = sources.join("demo/products.csv");
    let mut written = 0;
    let changed = case("one changed price in demo", 500, arguments.runs, |run| {
        let before = loaded.text(ROWS)?;
        change_price(&products, run)?;
        let took = load("first_1")?;
        let after = loaded.text(ROWS)?;
        let before: BTreeSet<&str> = before.split(';').collect();
        written = written.max(after.split(';').filter(|row| !before.contains(row)).count());
        Ok(took)
    })?;

    let [version, server, processors] = &bench.about;
    let report = json!({
        "version": version, "server": server, "processors": processors.parse::<usize>()?,
        "product_rows_written": written,
        "first_load": first, "unchanged": unchanged, "changed_price": changed,
    });
    fs::create_dir_all(&arguments.out)?;
    let file = arguments.out.join("load.json");
    fs::write(&file, format!("{report:#}\n"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nproduct rows written by a changed price: {written}")?;
    writeln!(out, "the same as JSON: {}", file.display())?;
    Ok(())
}

/// Gives the first product a price that it has not had before.
fn change_price(products: &Path, run: u16) -> anyhow::Result<()> {
    let text = fs::read_to_string(products)?;
    let (heading, rest) = text.split_once('\n').context("no lines in products.csv")?;
    ensure!(
        heading.starts_with("id,name,price,"),
        "the third column of demo/products.csv is not the price"
    );
    let (product, others) = rest.split_once('\n').context("no product in products.csv")?;
    let fields: Vec<&str> = product.splitn(4, ',').collect();
    let [id, name, _, more] = fields[..] else {
        anyhow::bail!("the first product has less than four fields");
    };
    Ok(fs::write(
        products,
        format!("{heading}\n{id},{name},9{run}.99,{more}\n{others}"),
    )?)
}
