//! What commands answer, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::difference::{Column, Difference, Row, Rows};
use crate::load::{Outcome, Plan, ProfilePlan, ProfileRun, Summary};
use crate::output::Answer;
use crate::versions::Pruned;
use crate::versions::Verification;

/// Most rows of one kind that the text names; the JSON names more.
const SHOWN_ROWS: usize = 20;

impl From<&Summary> for Answer {
    fn from(summary: &Summary) -> Answer {
        let runs: Vec<Value> = summary.profiles.iter().map(run).collect();
        Answer {
            text: summary.profiles.iter().map(|run| format!("{run}\n")).collect(),
            json: json!({ "runs": runs }),
        }
    }
}

fn run(run: &ProfileRun) -> Value {
    let changes: Map<String, Value> = run
        .changes
        .iter()
        .map(|(table, changes)| ((*table).to_owned(), json!(changes)))
        .collect();
    json!({
        "run_id": run.run_id,
        "profile": run.profile,
        "outcome": run.outcome.name(),
        "version": run.version,
        "changes": changes,
        "elapsed_s": run.elapsed.as_secs_f64(),
    })
}

impl From<&Plan> for Answer {
    fn from(plan: &Plan) -> Answer {
        let profiles: Vec<Value> = plan
            .profiles
            .iter()
            .map(|plan| {
                json!({
                    "run_id": plan.run_id,
                    "profile": plan.profile,
                    "outcome": plan.outcome.name(),
                    "version": plan.version,
                    "tables": plan.tables.iter().map(planned).collect::<Vec<_>>(),
                })
            })
            .collect();
        Answer {
            text: plan.profiles.iter().map(plan_text).collect(),
            json: json!({ "profiles": profiles }),
        }
    }
}

fn planned(table: &Difference) -> Value {
    json!({ "table": table.table, "add": table.missing, "change": table.different, "retire": table.extra })
}

fn plan_text(plan: &ProfilePlan) -> String {
    let active = match plan.version {
        Some(version) => format!("version {version} is active"),
        None => "nothing is active".into(),
    };
    let what = match plan.outcome {
        Outcome::Changed => "a run would publish a new version",
        Outcome::Unchanged => "unchanged; a run would do nothing",
        Outcome::Kept => "a source cannot be reached; a run would leave the data alone",
        _ => "held; a run would leave the data alone, unless --force is given",
    };
    let mut text = format!("Profile {}: {what}; {active}\n", plan.profile);
    for table in &plan.tables {
        let Difference {
            missing,
            different,
            extra,
            ..
        } = table;
        let counts = format!("+{} ~{} -{}", missing.count, different.count, extra.count);
        let _ = writeln!(text, "  {:<13} {counts}", table.table);
        for (mark, rows) in [("+", missing), ("~", different), ("-", extra)] {
            let line = |key: &str, columns: &str| format!("{mark} {key}  {columns}");
            list(&mut text, rows, line, |left| format!("{mark} and {left} more"));
        }
    }
    text
}

/// A line for each of the first rows, and one that counts the others.
fn list(text: &mut String, rows: &Rows, line: impl Fn(&str, &str) -> String, more: impl Fn(u64) -> String) {
    let shown = rows.rows.iter().take(SHOWN_ROWS);
    let left = rows.count.saturating_sub(shown.len() as u64);
    for Row { key, columns } in shown {
        let columns: Vec<String> = columns.iter().map(column).collect();
        let _ = writeln!(text, "    {}", line(key, &columns.join(", ")).trim_end());
    }
    if left > 0 {
        let _ = writeln!(text, "    {}", more(left));
    }
}

/// `price 9.99 → 10.49`, or the name alone of a value that is never shown.
fn column(column: &Column) -> String {
    let Column {
        column,
        stored,
        wanted,
    } = column;
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
    match (stored, wanted) {
        (None, None) => column.clone(),
        _ => format!("{column} {} → {}", value(stored), value(wanted)),
    }
}

impl From<&Verification> for Answer {
    fn from(verification: &Verification) -> Answer {
        let mut text = String::new();
        for verified in &verification.datasets {
            let is_clean = verified.differences.is_empty() && verified.damage.is_empty();
            let _ = writeln!(
                text,
                "{:<13} version {} of profile {}: {}",
                verified.dataset,
                verified.version,
                verified.profile,
                if is_clean { "as loaded" } else { "changed since" }
            );
            for damage in &verified.damage {
                let _ = writeln!(text, "    ! {damage}");
            }
            for table in &verified.differences {
                let name = table.table;
                for (what, rows) in [
                    ("missing", &table.missing),
                    ("changed", &table.different),
                    ("not of the version", &table.extra),
                ] {
                    // What is restored stands behind the arrow: `price 1.00 → 9.99`.
                    let line = |key: &str, columns: &str| match columns {
                        "" => format!("{name} {key} {what}"),
                        columns => format!("{name} {key} {what}: {columns}"),
                    };
                    list(&mut text, rows, line, |left| {
                        format!("{name}: {left} more rows {what}")
                    });
                }
            }
        }
        Answer {
            text,
            json: json!({ "drift": !verification.is_clean(), "datasets": verification.datasets }),
        }
    }
}

impl From<&Pruned> for Answer {
    fn from(pruned: &Pruned) -> Answer {
        let mut text = String::new();
        for version in &pruned.versions {
            let _ = writeln!(text, "version {} of profile {}", version.version, version.profile);
        }
        let _ = writeln!(
            text,
            "{} versions given up, {} rows and {} coupon codes deleted",
            pruned.versions.len(),
            pruned.rows,
            pruned.coupon_codes
        );
        let mut json = json!(pruned);
        if let Some(fields) = json.as_object_mut() {
            fields.insert("outcome".into(), pruned.outcome().name().into());
        }
        Answer { text, json }
    }
}
