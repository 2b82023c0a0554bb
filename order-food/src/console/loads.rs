//! Loads of data and migrations: what was compared, what is active, which runs there were.

use actix_web::HttpResponse;
use diesel::sql_types::{Jsonb, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::view::{Cell, Row, Section, Table};
use super::visit::{Refusal, Visit};

#[derive(QueryableByName)]
struct Json {
    #[diesel(sql_type = Jsonb)]
    row: Value,
}

const PROFILES: &str = "
    SELECT jsonb_build_object('profile', profile, 'compared_at', max(finished_at) FILTER (WHERE outcome IN ('changed', 'unchanged')),
        'changed_at', max(finished_at) FILTER (WHERE outcome = 'changed'),
        'failed_at', max(finished_at) FILTER (WHERE outcome = 'failed')) AS row
    FROM bootstrap_runs WHERE task = 'data-load' AND profile IS NOT NULL GROUP BY profile ORDER BY profile";

const VERSIONS: &str = "
    SELECT to_jsonb(dataset_versions) - 'fingerprint' - 'content_sha256' AS row
    FROM dataset_versions ORDER BY version DESC LIMIT 50";

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

/// A table of rows, whose columns are members: heading and member.
pub(super) fn table(
    caption: &str,
    columns: &[(&'static str, &str)],
    rows: &[Value],
    empty: &'static str,
) -> Section {
    let members: Vec<&str> = columns.iter().map(|(_, member)| *member).collect();
    Section::Table(Table {
        caption: caption.into(),
        head: columns.iter().map(|(heading, _)| *heading).collect(),
        rows: rows
            .iter()
            .map(|row| Row {
                cells: Cell::row(row, &members),
                ..Row::default()
            })
            .collect(),
        empty,
        ..Table::default()
    })
}

/// GET /loads.
pub(super) async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let (profiles, versions, runs, migrations) = visit
        .read(async |connection| {
            Ok((
                rows(connection, PROFILES).await?,
                rows(connection, VERSIONS).await?,
                rows(connection, RUNS).await?,
                rows(connection, MIGRATIONS).await?,
            ))
        })
        .await?;
    let profile = |row: &Value| {
        row.get("profile")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let commands = profiles
        .iter()
        .map(|row| {
            let name = profile(row);
            Row {
                cells: vec![
                    Cell::Text(name.clone()),
                    Cell::Code(format!("database-load plan -p {name}")),
                    Cell::Code(format!("database-load rollback -p {name}")),
                ],
                ..Row::default()
            }
        })
        .collect();
    let sections = vec![
        table(
            "Profiles",
            &[
                ("Profile", "profile"),
                ("Last compared", "compared_at"),
                ("Last changed", "changed_at"),
                ("Last failed", "failed_at"),
            ],
            &profiles,
            "Nothing was loaded yet.",
        ),
        Section::Table(Table {
            caption: "Commands to type: this console carries none of them out".into(),
            head: vec![
                "Profile",
                "What a load would change",
                "Back to the version before",
            ],
            rows: commands,
            ..Table::default()
        }),
        table(
            "Versions of the data, newest first",
            &[
                ("Version", "version"),
                ("Profile", "profile"),
                ("State", "state"),
                ("Rows", "row_counts"),
                ("Staged", "staged_at"),
                ("Active since", "activated_at"),
                ("Retired", "retired_at"),
            ],
            &versions,
            "None.",
        ),
        table(
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
        ),
        table(
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
        ),
    ];
    Ok(visit.page("Loads", sections))
}
