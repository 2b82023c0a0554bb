//! Loads of data and migrations: what was compared, what is active, which runs there were.

use actix_web::HttpResponse;
use chrono::DateTime;
use diesel::sql_types::{Jsonb, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::cell::{Cell, has, text_of, utc};
use super::chart::Chart;
use super::view::{Section, Table};
use super::visit::{Refusal, Visit};

/// A row that the database gives as JSON.
#[derive(QueryableByName)]
pub(super) struct Json {
    #[diesel(sql_type = Jsonb)]
    pub(super) row: Value,
}

const PROFILES: &str = "
    SELECT jsonb_build_object('profile', profile, 'compared_at', max(finished_at) FILTER (WHERE outcome IN ('changed', 'unchanged')),
        'changed_at', max(finished_at) FILTER (WHERE outcome = 'changed'),
        'failed_at', max(finished_at) FILTER (WHERE outcome = 'failed')) AS row
    FROM bootstrap_runs WHERE task = 'database-load' AND profile IS NOT NULL GROUP BY profile ORDER BY profile";

/// With what the run that brought them added, changed and retired.
const VERSIONS: &str = "
    SELECT to_jsonb(newest) - 'fingerprint' - 'content_sha256' || jsonb_build_object('rows_added', rows_added,
        'rows_changed', rows_changed, 'rows_retired', rows_retired, 'host', host) AS row
    FROM (SELECT * FROM dataset_versions ORDER BY version DESC LIMIT 50) AS newest
    LEFT JOIN bootstrap_runs ON bootstrap_runs.id = newest.run_id ORDER BY newest.version DESC";

/// Every half hour of the last day: seconds since the profile that was compared longest ago was
/// compared with success.
const AGES: &str = "
    WITH compared AS MATERIALIZED (
        SELECT profile, finished_at FROM bootstrap_runs
        WHERE task = 'database-load' AND profile IS NOT NULL AND outcome IN ('changed', 'unchanged')
            AND finished_at > now() - interval '26 hours'
        UNION ALL
        SELECT profile, max(finished_at) FROM bootstrap_runs
        WHERE task = 'database-load' AND profile IS NOT NULL AND outcome IN ('changed', 'unchanged')
            AND finished_at <= now() - interval '26 hours'
        GROUP BY profile
    )
    SELECT jsonb_build_object('at', at, 'age_s', extract(epoch FROM at - min(last))) AS row
    FROM generate_series(now() - interval '24 hours', now(), interval '30 minutes') AS at
    LEFT JOIN LATERAL (
        SELECT max(finished_at) AS last FROM compared WHERE finished_at <= at GROUP BY profile
    ) AS profiles ON true
    GROUP BY at ORDER BY at";

const RUNS: &str = "
    SELECT to_jsonb(bootstrap_runs) || jsonb_build_object(
        'seconds', extract(epoch FROM coalesce(finished_at, now()) - started_at)) AS row
    FROM bootstrap_runs ORDER BY started_at DESC LIMIT 50";

const MIGRATIONS: &str = "
    SELECT jsonb_build_object('version', schema_migrations.version, 'name', name, 'applied_at', applied_at,
        'duration_ms', duration_ms, 'build', build) AS row
    FROM schema_migrations ORDER BY version DESC";

pub(super) async fn rows(connection: &mut AsyncPgConnection, sql: &str) -> QueryResult<Vec<Value>> {
    let rows: Vec<Json> = diesel::sql_query(sql).load(connection).await?;
    Ok(rows.into_iter().map(|row| row.row).collect())
}

/// The rows of a statement with one text.
pub(super) async fn rows_of(
    connection: &mut AsyncPgConnection,
    sql: &str,
    text: &str,
) -> QueryResult<Vec<Value>> {
    let rows: Vec<Json> = diesel::sql_query(sql)
        .bind::<Text, _>(text)
        .load(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.row).collect())
}

/// GET /loads.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let (profiles, ages, versions, runs, migrations) = visit
        .read(async |connection| {
            Ok((
                rows(connection, PROFILES).await?,
                rows(connection, AGES).await?,
                rows(connection, VERSIONS).await?,
                rows(connection, RUNS).await?,
                rows(connection, MIGRATIONS).await?,
            ))
        })
        .await?;
    let commands = profiles.iter().map(|row| {
        let name = text_of(row, "profile");
        [
            Cell::text(name),
            Cell::Code(format!("database-load plan -p {name}")),
            Cell::Code(format!("database-load rollback -p {name} --previous")),
        ]
    });
    let commands = Table::new(
        "Commands to type: this console carries none of them out",
        &[
            "Profile",
            "What a load would change",
            "Back to the version before",
        ],
        commands,
        "",
    );
    let sections = vec![
        Section::Table(Table::of(
            "Profiles",
            &[
                ("Profile", "profile"),
                ("Last compared", "compared_at"),
                ("Last changed", "changed_at"),
                ("Last failed", "failed_at"),
            ],
            &profiles,
            "Nothing was loaded yet.",
        )),
        Section::Chart(ages_chart(&ages)),
        Section::Table(commands),
        Section::Table(versions_table(&versions)),
        Section::Table(Table::of(
            "Runs, newest first",
            &[
                ("Task", "task"),
                ("Command", "command"),
                ("Profile", "profile"),
                ("Started", "started_at"),
                ("Seconds", "seconds"),
                ("Outcome", "outcome"),
                ("Exit code", "exit_code"),
                ("Added", "rows_added"),
                ("Changed", "rows_changed"),
                ("Retired", "rows_retired"),
                ("Trigger", "trigger"),
                ("Host", "host"),
                ("Message", "message"),
            ],
            &runs,
            "None.",
        )),
        Section::Table(Table::of(
            "Migrations, newest first",
            &[
                ("Version", "version"),
                ("Name", "name"),
                ("Applied", "applied_at"),
                ("Duration, ms", "duration_ms"),
                ("Build", "build"),
            ],
            &migrations,
            "None.",
        )),
    ];
    Ok(visit.page("Loads", sections))
}

/// The age of the data over the last day.
fn ages_chart(ages: &[Value]) -> Chart {
    let bar = |row: &Value| {
        let at = text_of(row, "at");
        let at = DateTime::parse_from_rfc3339(at).map_or_else(|_| at.to_owned(), |at| utc(&at.to_utc()));
        match row.get("age_s").and_then(Value::as_f64) {
            Some(age) => (at, age, duration(age)),
            None => (at, 0.0, "no data yet".to_owned()),
        }
    };
    Chart {
        title: "Time since the data were last compared with their sources, over the last 24 hours".into(),
        bars: ages.iter().map(bar).collect(),
    }
}

/// Seconds as people read them: `3 h 20 min`.
pub(super) fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    match (minutes / 60.0).floor() {
        0.0 if minutes < 1.0 => format!("{seconds:.0} s"),
        0.0 => format!("{minutes:.0} min"),
        hours => format!("{hours:.0} h {:.0} min", minutes - hours * 60.0),
    }
}

fn versions_table(versions: &[Value]) -> Table {
    let columns = [
        ("Version", "version"),
        ("Profile", "profile"),
        ("State", "state"),
        ("Rows", "row_counts"),
        ("Added", "rows_added"),
        ("Changed", "rows_changed"),
        ("Retired", "rows_retired"),
        ("Staged", "staged_at"),
        ("Active since", "activated_at"),
        ("Retired at", "retired_at"),
        ("By", "host"),
        ("Back to it", "command"),
    ];
    Table::of("Versions of the data, newest first", &columns, versions, "None.").with(
        versions,
        |version, row| {
            if text_of(version, "state") == "retired" && !has(version, "pruned_at") {
                let (profile, number) = (text_of(version, "profile"), version.get("version"));
                let number = number.map(Value::to_string).unwrap_or_default();
                row.set(
                    11,
                    Cell::Code(format!("database-load rollback -p {profile} --to {number}")),
                );
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_words() {
        for (seconds, words) in [
            (0.4, "0 s"),
            (59.0, "1 min"),
            (90.0, "2 min"),
            (3_599.0, "1 h 0 min"),
            (12_000.0, "3 h 20 min"),
        ] {
            assert_eq!(duration(seconds), words, "{seconds}");
        }
    }
}
