//! The partitions of `orders` and `order_items`: what there is, and settings for what should be.

mod make;
mod plan;
mod retention;

use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use process::failure::{ExitCode, Failure};
use serde::Deserialize;
use tokio_postgres::GenericClient;

pub(crate) use make::Make;
pub(crate) use retention::retain;

/// The section `[partitions]` of the configuration, which describes each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config/default.toml says what they are")]
pub struct Settings {
    pub ahead: u32,
    pub interval: Interval,
    pub retain_days: u32,
    pub export_dir: Option<PathBuf>,
}

/// The settings' environment variables.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("PARTITIONS_AHEAD", "partitions.ahead"),
    ("PARTITIONS_INTERVAL", "partitions.interval"),
    ("PARTITIONS_RETAIN_DAYS", "partitions.retain_days"),
    ("PARTITIONS_EXPORT_DIR", "partitions.export_dir"),
];

/// Fewer than two ahead raise an alert; more than 60 in all make every plan slower.
pub const AHEAD: std::ops::RangeInclusive<u32> = 2..=60;

/// Days that orders are kept at least: idempotency keys and open orders are younger.
pub const RETAIN_DAYS: std::ops::RangeInclusive<u32> = 7..=36_500;

impl Settings {
    /// # Errors
    /// A key that is out of its range.
    pub fn check(&self) -> Result<(), Failure> {
        let message = if !AHEAD.contains(&self.ahead) {
            format!("partitions.ahead: {} is not 2 to 60", self.ahead)
        } else if self.retain_days != 0 && !RETAIN_DAYS.contains(&self.retain_days) {
            format!(
                "partitions.retain_days: {} is not 0, or 7 to 36500",
                self.retain_days
            )
        } else {
            return Ok(());
        };
        Err(Failure::new(ExitCode::Usage, message))
    }
}

/// How long a new partition is, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// To the first of a month.
    Month,
    /// To a Monday.
    Week,
}

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "month" => Ok(Self::Month),
            "week" => Ok(Self::Week),
            _ => Err("month or week is expected"),
        }
    }
}

/// A partition of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    /// `orders` or `order_items`.
    pub(crate) table: &'static str,
    pub(crate) name: String,
    /// First time of its ids; none for the oldest partition, which takes everything earlier.
    pub(crate) from: Option<DateTime<Utc>>,
    /// First time that is no longer its.
    pub(crate) to: DateTime<Utc>,
    /// An interrupted `DETACH CONCURRENTLY` left it.
    pub(crate) is_detaching: bool,
}

/// In the order in which orders lock them, with the column that divides them.
pub(crate) const TABLES: [(&str, &str); 2] = [("orders", "id"), ("order_items", "order_id")];

const READ: &str = r"
SELECT whole.relname::text, part.relname::text,
    ('x' || left(replace(substring(bound FROM 'FROM \(''([0-9a-f-]{36})'), '-', ''), 12))::bit(48)::bigint,
    ('x' || left(replace(substring(bound FROM 'TO \(''([0-9a-f-]{36})'), '-', ''), 12))::bit(48)::bigint,
    inhdetachpending
FROM pg_inherits
JOIN pg_class AS whole ON whole.oid = inhparent AND whole.relkind = 'p'
JOIN pg_namespace ON pg_namespace.oid = whole.relnamespace AND nspname = current_schema()
JOIN pg_class AS part ON part.oid = inhrelid
CROSS JOIN LATERAL pg_get_expr(part.relpartbound, part.oid) AS bound
WHERE whole.relname IN ('orders', 'order_items') AND bound LIKE '%TO (''%'
ORDER BY 1 DESC, 4
";

/// The partitions of both tables, the oldest first; none before the migration that divides them.
pub(crate) async fn read(
    client: &(impl GenericClient + Sync),
) -> Result<Vec<Partition>, tokio_postgres::Error> {
    let rows = client.query_typed(READ, &[]).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let table: &str = row.try_get(0)?;
        let (from, to): (Option<i64>, i64) = (row.try_get(2)?, row.try_get(3)?);
        let (Some((table, _)), Some(to)) = (
            TABLES.into_iter().find(|(name, _)| *name == table),
            DateTime::from_timestamp_millis(to),
        ) else {
            continue;
        };
        found.push(Partition {
            table,
            name: row.try_get(1)?,
            from: from.and_then(DateTime::from_timestamp_millis),
            to,
            is_detaching: row.try_get(4)?,
        });
    }
    Ok(found)
}

/// The database's time.
pub(crate) async fn now(
    client: &(impl GenericClient + Sync),
) -> Result<DateTime<Utc>, tokio_postgres::Error> {
    let question = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
    let row = client.query_typed_one(question, &[]).await?;
    Ok(DateTime::from_timestamp_millis(row.try_get(0)?).unwrap_or_default())
}

/// How many partitions begin after `now`, of the table that has fewer, and until when they reach.
pub(crate) fn ahead(found: &[Partition], now: DateTime<Utc>) -> (usize, Option<DateTime<Utc>>) {
    let of = |table| found.iter().filter(move |it| it.table == table);
    let count = |(table, _)| of(table).filter(|it| it.from > Some(now)).count();
    let until = TABLES
        .into_iter()
        .filter_map(|(table, _)| of(table).map(|it| it.to).max());
    (
        TABLES.into_iter().map(count).min().unwrap_or_default(),
        until.min(),
    )
}
