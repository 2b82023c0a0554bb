//! pgbench doing the two statements of a worker, as the source has them, at the same batch.

use std::path::PathBuf;
use std::process::Command;

use crate::{BATCH, Bench};

const CLAIM: &str = include_str!("../../src/store/claim.rs");
const FINISH: &str = include_str!("../../src/store/finish.rs");
const SESSION: &str = include_str!("../../src/worker/mod.rs");

/// Shares of a claim of [`BATCH`] jobs by 16 : 8 : 4 : 2 : 1, which the worker asks for.
const SHARES: &str = "{51,25,12,6,6}";

impl Bench {
    /// Jobs that pgbench claims and completes per second, `batch` at a time, over as many
    /// connections as a worker has for both.
    ///
    /// The lower bounds of the claim move with what was claimed, as a worker's do. What counts is
    /// the number of rows that are gone, not the number of statements.
    pub(crate) async fn floor(&self, batch: usize) -> f64 {
        let due = self.text("SELECT min(run_at)::text FROM job").await;
        let before: f64 = self.text("SELECT count(*)::text FROM job").await.parse().unwrap();
        let shares = match batch {
            BATCH => SHARES,
            _ => "{1,1,1,1,1}",
        };
        let script = self.cluster.home().join("floor.sql");
        std::fs::write(&script, statements()).expect("write the script");
        let mut command = Command::new(programs().join("pgbench"));
        command.args(["--no-vacuum", "--protocol=prepared", "--client=2", "--jobs=1"]);
        command.arg("--file").arg(&script);
        command.arg(format!("--time={}", self.seconds));
        let kind = "bench.trivial";
        for (name, value) in [
            (
                "kinds",
                format!("{{{kind},{kind},{kind},{kind},{kind}}}").as_str(),
            ),
            ("shares", shares),
            ("due", &due),
            ("slots", &batch.to_string()),
        ] {
            command.arg(format!("--define={name}={value}"));
        }
        for priority in 0..5 {
            command.arg(format!("--define=after{priority}=0"));
        }
        let session = between(SESSION, "SESSION: &str = \"");
        let options = session
            .split(';')
            .filter_map(|set| set.trim().strip_prefix("SET "));
        let options: Vec<String> = options
            .filter_map(|set| set.split_once(" = "))
            .map(|(name, value)| format!("-c {name}={}", value.replace('\'', "").replace(' ', "\\ ")))
            .collect();
        command.env("PGOPTIONS", options.join(" "));
        let output = command.arg(self.cluster.url()).output().expect("run pgbench");
        let said = String::from_utf8_lossy(&output.stdout);
        let number = |start: &str| {
            let number = said.lines().find_map(|line| line.strip_prefix(start));
            let number = number.and_then(|rest| rest.split([' ', '/']).next()?.parse::<f64>().ok());
            number.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
        };
        let seconds = number("number of transactions actually processed: ") / number("tps = ");
        let left: f64 = self.text("SELECT count(*)::text FROM job").await.parse().unwrap();
        (before - left) / seconds
    }
}

/// The claim, whose ids and attempts become variables, and the completion of these.
fn statements() -> String {
    let worker = "lpad(:client_id::text, 32, '0')::uuid";
    let claim = with_values(
        between(CLAIM, "CLAIM: &str = \""),
        &[
            "'{0,1,2,3,4}'",
            ":kinds",
            ":shares",
            ":shares",
            "ARRAY[:due, :due, :due, :due, :due]",
            "ARRAY[:after0, :after1, :after2, :after3, :after4]",
            ":build",
            ":slots",
            ":slots",
            worker,
            "true",
        ],
    )
    .replace(":build", "0");
    let complete = with_values(
        between(FINISH, "COMPLETE: &str = \""),
        &[":ids", ":attempts", worker],
    );
    let after: Vec<String> = (0..5)
        .map(|priority| {
            let newest = format!("max(id) FILTER (WHERE priority = {priority})");
            format!("coalesce({newest}, :after{priority}::bigint) AS after{priority}")
        })
        .collect();
    format!(
        "WITH claimed AS ({claim})
         SELECT coalesce(array_agg(id), '{{}}') AS ids, coalesce(array_agg(attempt), '{{}}') AS attempts, {}
         FROM claimed \\gset\n{complete};\n",
        after.join(", ")
    )
}

/// The text of a constant in a source file.
fn between(source: &'static str, start: &str) -> &'static str {
    let (_, rest) = source.split_once(start).expect("the constant is in the source");
    rest.split_once("\";").expect("the constant ends").0
}

/// A statement with its parameters replaced.
fn with_values(statement: &str, values: &[&str]) -> String {
    let numbered = values.iter().enumerate().rev();
    numbered.fold(statement.to_owned(), |statement, (index, value)| {
        statement.replace(&format!("${}", index + 1), value)
    })
}

/// The folder of PostgreSQL's programs, as `scripts/postgres/binaries.sh` finds it.
fn programs() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres/binaries.sh");
    let output = Command::new(script).output().expect("run binaries.sh");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
