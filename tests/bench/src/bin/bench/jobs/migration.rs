//! database-migration: nothing to do, and an empty database.

use super::{Arguments, Bench, case};

/// Measures; a target that was missed is no error.
pub(crate) fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let bench = Bench::start(arguments, "database-migration")?;
    let up = |database: &str| Ok(bench.run("database-migration", database, &["up"])?.1);
    bench.admin.run("CREATE DATABASE migrated")?;
    for number in 1..=arguments.runs {
        bench.admin.run(&format!("CREATE DATABASE empty_{number}"))?;
    }
    bench.admin.run("CHECKPOINT")?;
    up("migrated")?;
    let (status, _) = bench.run("database-migration", "migrated", &["status", "--json"])?;
    let status: serde_json::Value = serde_json::from_str(&status)?;

    bench.title()?;
    case("nothing to do", 50, arguments.runs, |_| up("migrated"))?;
    let newest = status.get("newest").map(ToString::to_string).unwrap_or_default();
    let title = format!("empty database to version {newest}");
    case(&title, 1000, arguments.runs, |number| {
        up(&format!("empty_{number}"))
    })?;
    Ok(())
}
