//! The tables of the reference data, each read or kept as one, and the rows left out of them.

use std::fmt::Display;

use database::rows::{Attempt, Unserved};

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

/// The values that are served of these rows with their keys, and the others with their problems.
pub(super) fn served<K: Display, R, T, C>(rows: Vec<(K, Attempt<R>)>) -> (C, SkippedRows)
where
    T: TryFrom<R, Error = Unserved>,
    C: FromIterator<T>,
{
    let mut skipped = SkippedRows::default();
    let values = rows.into_iter().filter_map(|(key, row)| {
        row.served()
            .inspect_err(|problem| {
                skipped.count += 1;
                if skipped.named.len() < MAX_NAMED {
                    skipped.named.push(format!("{key}: {problem}"));
                }
            })
            .ok()
    });
    (values.collect(), skipped)
}
