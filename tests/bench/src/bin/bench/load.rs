//! Load from wrk.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::figures::Run;

/// What wrk/load.lua prints in the end; latencies in microseconds.
#[derive(Deserialize)]
struct Summary {
    requests: u64,
    refused: u64,
    broken: u64,
    timeouts: u64,
    micros: u64,
    p50: f64,
    p99: f64,
    max: f64,
}

/// What is sent.
#[derive(Clone, Copy)]
pub(crate) enum Requests<'a> {
    /// A path, under an API key.
    Get(&'a str, &'a str),
    /// A path as a browser asks for it, with these cookies.
    Page(&'a str, &'a str),
    /// The paths in the lines of a file, under an API key.
    Each(&'a Path, &'a str),
    /// Orders of two products.
    Orders {
        /// How many of 100 carry a coupon.
        share: u8,
        /// One of these.
        codes: &'a [&'a str],
        /// Whether each carries a fresh Idempotency-Key.
        keyed: bool,
    },
}

/// Codes of promotions that may be used any number of times.
const CODES: [&str; 4] = ["SAVE10", "HAPPYHRS", "FIFTYOFF", "OVER9000"];

/// The load of the first target: a coupon on half of the orders.
pub(crate) const ORDERS: Requests<'_> = Requests::Orders {
    share: 50,
    codes: &CODES,
    keyed: false,
};

/// The same with a fresh Idempotency-Key on each.
pub(crate) const KEYED_ORDERS: Requests<'_> = Requests::Orders {
    share: 50,
    codes: &CODES,
    keyed: true,
};

/// Sends requests to `port` over `connections` for `seconds`, each connection one after the other.
pub(crate) fn send(
    script: &Path,
    port: u16,
    (threads, connections): (u64, u64),
    seconds: u64,
    requests: Requests<'_>,
) -> anyhow::Result<Run> {
    let mut command = Command::new("wrk");
    command.args(["--timeout", "10s"]);
    command.arg(format!("-t{}", threads.min(connections)));
    command.arg(format!("-c{connections}"));
    command.arg(format!("-d{seconds}s"));
    command.arg("-s").arg(script);
    command.arg(format!("http://127.0.0.1:{port}")).arg("--");
    match requests {
        Requests::Get(path, key) => {
            command.args(["get", path, key]);
        }
        Requests::Page(path, cookies) => {
            command.args(["page", path, cookies]);
        }
        Requests::Each(paths, key) => {
            command.arg("each").arg(paths).arg(key);
        }
        Requests::Orders { share, codes, keyed } => {
            let run = if keyed { unique()? } else { "-".to_owned() };
            command.args(["post", &run, &share.to_string()]).args(codes);
        }
    }
    let output = command.output().context("run wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(line) = said.lines().find(|line| line.starts_with('{')) else {
        bail!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    let summary: Summary = serde_json::from_str(line)?;
    let seconds = summary.micros as f64 / 1e6;
    Ok(Run {
        rate: summary.requests as f64 / seconds,
        p50_ms: summary.p50 / 1e3,
        p99_ms: summary.p99 / 1e3,
        max_ms: summary.max / 1e3,
        accepted: summary.requests - summary.refused,
        refused: summary.refused,
        broken: summary.broken + summary.timeouts,
        ..Run::default()
    })
}

/// 16 hexadecimal digits that no other run has.
fn unique() -> anyhow::Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(format!("{:016x}", now.as_nanos()))
}
