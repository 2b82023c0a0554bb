//! The tables of the reference data, each read or kept as one, and the rows left out of them.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgValue};

/// A table that the snapshot is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    Ledger,
    DatasetVersions,
    ApiKeys,
    Promotions,
    Products,
    CouponCodes,
    BootstrapRuns,
    WebhookEndpoints,
}

impl Table {
    pub(super) const ALL: [Table; 8] = [
        Table::Ledger,
        Table::DatasetVersions,
        Table::ApiKeys,
        Table::Promotions,
        Table::Products,
        Table::CouponCodes,
        Table::BootstrapRuns,
        Table::WebhookEndpoints,
    ];

    /// The tables with rows that are interpreted one by one.
    pub(crate) const INTERPRETED: [Table; 3] = [Table::ApiKeys, Table::Promotions, Table::Products];

    /// The name in the database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Table::Ledger => "__diesel_schema_migrations",
            Table::DatasetVersions => "dataset_versions",
            Table::ApiKeys => "api_keys",
            Table::Promotions => "promotions",
            Table::Products => "products",
            Table::CouponCodes => "coupon_codes",
            Table::BootstrapRuns => "bootstrap_runs",
            Table::WebhookEndpoints => "webhook_endpoints",
        }
    }
}

/// The rows of a table that this build cannot read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SkippedRows {
    pub(crate) count: usize,
    /// Key and problem of the first [`MAX_NAMED`].
    pub(super) named: Vec<String>,
}

const MAX_NAMED: usize = 20;

/// The readable rows, and the others with their problems.
pub(super) fn readable<T, C: FromIterator<T>>(
    rows: impl Iterator<Item = Result<T, String>>,
) -> (C, SkippedRows) {
    let mut skipped = SkippedRows::default();
    let mut skip = |problem| {
        skipped.count += 1;
        if skipped.named.len() < MAX_NAMED {
            skipped.named.push(problem);
        }
    };
    let rows = rows.filter_map(|row| row.map_err(&mut skip).ok()).collect();
    (rows, skipped)
}

/// The value of a column, or the reason why it cannot be read: so one value does not fail the
/// whole query.
#[derive(Debug, FromSqlRow)]
pub(super) struct Column<T>(pub(super) Result<T, String>);

impl<T, ST> FromSql<ST, Pg> for Column<T>
where
    T: FromSql<ST, Pg>,
{
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Column(T::from_sql(value).map_err(|problem| problem.to_string())))
    }
}

impl<T> Column<T> {
    /// # Errors
    /// The problem, with the column's name.
    pub(super) fn value(self, name: &str) -> Result<T, String> {
        self.0.map_err(|problem| format!("{name}: {problem}"))
    }
}
