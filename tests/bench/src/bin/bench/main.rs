//! `make bench`: the order rate against PostgreSQL and the HTTP server alone; see
//! docs/PERFORMANCE.md.

mod answers;
mod chart;
mod delay;
mod figures;
mod http;
mod jobs;
mod load;
mod machine;
mod markdown;
mod pgbench;
mod report;
mod sections;
mod server;
mod setup;
mod spans;
mod sql;
mod usage;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};

use crate::report::Report;
use crate::setup::Setup;

/// The three measurements of `make bench…`.
#[derive(Parser)]
enum Command {
    Orders(Arguments),
    Migration(jobs::Arguments),
    Load(jobs::Arguments),
}

/// Measures the order path on a PostgreSQL of its own with default durability; exit status 1 when
/// an answer and the rows disagree, or something failed, but not for a target that was missed.
#[derive(Args)]
struct Arguments {
    /// Folder of PostgreSQL's programs
    #[arg(long)]
    programs: PathBuf,
    /// Folder of database-load's data
    #[arg(long, default_value = "database-load/data")]
    data: PathBuf,
    /// Folder for the database's files, on a real disk
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
    /// Folder for order-path.json, .svg and .md (order-path-large.… for `large` alone,
    /// order-status.… for `status`, order-latency.… for `latency`, storefront.… for `storefront`,
    /// console.… for `console`)
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Seconds of each measured run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Times that the servers take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What to measure; by default all but `order-reads`, `latency`, `storefront`, `status`,
    /// `large`, `before`, `partitions`, `webhooks`,
    /// `export` and `console`
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// Orders in the table of `large`, `export` and `console`
    #[arg(long, default_value_t = 10_000_000)]
    orders: u64,
    /// Connections of the server that makes one transaction per order
    #[arg(long, default_value_t = 32)]
    transactions: usize,
    /// An earlier build of order-food that `before`, `order-reads`, `latency` and `storefront`
    /// compare with
    #[arg(long)]
    before: Option<PathBuf>,
    /// Threads of wrk
    #[arg(long, default_value_t = 1)]
    threads: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Orders over 64 connections
    Post64,
    /// A fresh Idempotency-Key on each order
    Keyed,
    /// A limited promotion on each order, with uses left and sold out
    Promotions,
    /// Orders over 256 connections
    Post256,
    /// Orders over one connection
    Single,
    /// A new database
    Cold,
    /// Orders over one connection, with codes of the coupon files
    Coupons,
    /// Products
    Reads,
    /// Pages of the shop, with a cart and without; with --before, also the size of the program
    Storefront,
    /// Stored orders: single ones, and pages
    OrderReads,
    /// Orders while commits wait for a synchronous standby
    Latency,
    /// The status of orders, and streams of its changes
    Status,
    /// Millions of orders in the table
    Large,
    /// Orders against the build of --before
    Before,
    /// Orders and pages, with partitions and without
    Partitions,
    /// Orders with a webhook endpoint and without
    Webhooks,
    /// Orders while all are exported
    Export,
    /// Pages of the operator console over full tables, and open boards
    Console,
}

const DEFAULT: [Section; 8] = [
    Section::Post64,
    Section::Keyed,
    Section::Promotions,
    Section::Post256,
    Section::Single,
    Section::Cold,
    Section::Coupons,
    Section::Reads,
];

fn main() -> std::process::ExitCode {
    let outcome = match Command::parse() {
        Command::Orders(arguments) => measure(arguments),
        Command::Migration(arguments) => jobs::migration::measure(&arguments).map(|()| true),
        Command::Load(arguments) => jobs::load::measure(&arguments).map(|()| true),
    };
    let agreed = outcome.unwrap_or_else(|error| {
        // Nothing is left to do if standard error is closed.
        let line = process::failure::line(&*error);
        let _ = writeln!(std::io::stderr().lock(), "error: {line}");
        false
    });
    std::process::ExitCode::from(u8::from(!agreed))
}

/// Whether every answer agreed with what was stored.
fn measure(arguments: Arguments) -> anyhow::Result<bool> {
    let only = match arguments.only.as_slice() {
        [] => DEFAULT.to_vec(),
        only => only.to_vec(),
    };
    let name = match only.as_slice() {
        [Section::Large] => "order-path-large",
        [Section::Status] => "order-status",
        [Section::Storefront] => "storefront",
        [Section::Console] => "console",
        [Section::Latency] => "order-latency",
        _ => "order-path",
    };
    let to = arguments.out.join(name);
    std::fs::create_dir_all(&arguments.out)?;
    let setup = Setup::new(arguments)?;
    let mut report = Report::new(&setup)?;
    for section in only {
        match section {
            Section::Post64 => sections::post64::measure(&setup, &mut report)?,
            Section::Keyed => sections::keyed::measure(&setup, &mut report)?,
            Section::Promotions => sections::promotions::measure(&setup, &mut report)?,
            Section::Post256 => sections::post256::measure(&setup, &mut report)?,
            Section::Single => sections::single::measure(&setup, &mut report)?,
            Section::Cold => sections::cold::measure(&setup, &mut report)?,
            Section::Coupons => sections::coupons::measure(&setup, &mut report)?,
            Section::Reads => sections::reads::measure(&setup, &mut report)?,
            Section::Storefront => sections::storefront::measure(&setup, &mut report)?,
            Section::OrderReads => sections::order_reads::measure(&setup, &mut report)?,
            Section::Latency => sections::latency::measure(&setup, &mut report)?,
            Section::Status => sections::status::measure(&setup, &mut report)?,
            Section::Large => sections::large::measure(&setup, &mut report)?,
            Section::Before => sections::before::measure(&setup, &mut report)?,
            Section::Partitions => sections::partitions::measure(&setup, &mut report)?,
            Section::Webhooks => sections::webhooks::measure(&setup, &mut report)?,
            Section::Export => sections::export::measure(&setup, &mut report)?,
            Section::Console => sections::console::measure(&setup, &mut report)?,
        }
    }
    report.finish(&setup);
    let mut json = serde_json::to_vec_pretty(&report)?;
    json.push(b'\n');
    std::fs::write(to.with_extension("json"), json)?;
    std::fs::write(to.with_extension("svg"), chart::svg(&report))?;
    let page = markdown::page(name, &report);
    std::fs::write(to.with_extension("md"), &page)?;
    let mut terminal = std::io::stdout().lock();
    writeln!(terminal, "{page}\nWritten: {0}.json, .svg and .md", to.display())?;
    Ok(report.holds())
}
