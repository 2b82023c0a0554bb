//! Makes a snapshot of the tables that could be read and of the last state of those that could not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use diesel::QueryResult;
use shop::Product;
use tracing::warn;

use super::Unusable;
use super::catalogue::Catalogue;
use super::rows::{ActiveVersions, Rows};
use super::snapshot::Snapshot;
use super::table::{SkippedRows, Table};

struct Merge<'a> {
    before: Option<&'a Snapshot>,
    began: Instant,
    unread: BTreeMap<Table, Instant>,
    skipped: BTreeMap<Table, SkippedRows>,
}

/// The snapshot of the rows that an attempt begun at `began` read. A table that could not be read
/// is taken over from the snapshot before.
///
/// # Errors
/// When a table could not be read and none was before.
pub(super) async fn merge(
    rows: Rows,
    before: Option<&Snapshot>,
    began: Instant,
) -> Result<Snapshot, Unusable> {
    let mut merge = Merge {
        before,
        began,
        unread: BTreeMap::new(),
        skipped: BTreeMap::new(),
    };
    merge.table(Table::Ledger, rows.ledger, |_| ())?;
    let active = merge.table(Table::DatasetVersions, rows.versions.map(Some), |_| None)?;
    let api_keys = rows.api_keys.map(|(keys, skipped)| (Arc::new(keys), skipped));
    let api_keys = merge.rows(Table::ApiKeys, api_keys, |kept| kept.api_keys.clone())?;
    let promotions = rows
        .promotions
        .map(|(promotions, skipped)| (Arc::new(promotions), skipped));
    let promotions = merge.rows(Table::Promotions, promotions, |kept| kept.promotions.clone())?;
    let products = rows.products.and_then(not_all_skipped);
    let products = merge.rows(Table::Products, products, |_| None)?;
    let coupon_codes = rows.coupon_codes.map(Arc::new);
    let coupon_codes = merge.table(Table::CouponCodes, coupon_codes, |kept| kept.coupon_codes.clone())?;
    let runs = rows.runs.map(Arc::from);
    let runs = merge.table(Table::BootstrapRuns, runs, |kept| kept.runs.clone())?;
    let endpoints = rows.webhook_endpoints.map(Arc::from);
    let endpoints = merge.table(Table::WebhookEndpoints, endpoints, |kept| {
        kept.webhook_endpoints.clone()
    })?;
    let versions = active.as_ref();
    let published_at = versions.map(|active| active.values().map(|(_, at)| *at).max());
    Ok(Snapshot {
        catalogue: catalogue(products, versions, before).await?,
        promotions,
        api_keys,
        // Without versions the active codes are not known.
        coupon_codes: match (versions, before) {
            (None, Some(before)) => before.coupon_codes.clone(),
            _ => coupon_codes,
        },
        runs,
        webhook_endpoints: endpoints,
        partitions_ahead: rows.partitions_ahead,
        published_at: published_at.unwrap_or(before.and_then(|before| before.published_at)),
        read_at: rows.read_at,
        unread: merge.unread,
        skipped: merge.skipped,
    })
}

/// The products and the rows left out. When none of several rows can be read, it is the table that
/// is unreadable: an empty catalogue would end the sale.
fn not_all_skipped(
    (products, skipped): (Vec<Product>, SkippedRows),
) -> QueryResult<(Option<Vec<Product>>, SkippedRows)> {
    if !products.is_empty() || skipped.count < 2 {
        return Ok((Some(products), skipped));
    }
    let first = skipped.named.first().map_or("", String::as_str);
    let problem = format!(
        "none of its {} rows can be read, the first: {first}",
        skipped.count
    );
    Err(diesel::result::Error::DeserializationError(problem.into()))
}

/// The catalogue of these products, or the one before; the bytes of an unchanged one are taken
/// over.
async fn catalogue(
    products: Option<Vec<Product>>,
    versions: Option<&ActiveVersions>,
    before: Option<&Snapshot>,
) -> Result<Arc<Catalogue>, Unusable> {
    let before = before.map(|before| &before.catalogue);
    let modified = match versions {
        Some(active) => active.get("products").map(|(_, at)| *at),
        None => before.and_then(|before| before.modified()),
    };
    match (products, before) {
        (Some(products), Some(before)) if before.is_of(&products, modified) => Ok(before.clone()),
        (None, Some(before)) => Ok(before.clone()),
        (products, _) => {
            let products = products.unwrap_or_default();
            let made = tokio::task::spawn_blocking(move || Catalogue::new(products, modified)).await;
            Ok(Arc::new(made?))
        }
    }
}

impl Merge<'_> {
    /// The new state of a table, or the one before.
    ///
    /// # Errors
    /// When there is neither.
    fn table<T>(
        &mut self,
        table: Table,
        read: QueryResult<T>,
        kept: impl FnOnce(&Snapshot) -> T,
    ) -> Result<T, Unusable> {
        let error = match read {
            Ok(rows) => return Ok(rows),
            Err(error) => error,
        };
        let Some(before) = self.before else {
            return Err(Unusable::Table(table.name(), error));
        };
        if !before.unread.contains_key(&table) {
            let error = process::failure::line(&error);
            warn!(
                table = table.name(),
                error, "a table cannot be read; its last state is served"
            );
        }
        self.unread.insert(table, before.unread_since(table, self.began));
        Ok(kept(before))
    }

    /// The same for a table whose rows are interpreted one by one. Each row that is left out is
    /// logged once, up to the number that is named.
    fn rows<T>(
        &mut self,
        table: Table,
        read: QueryResult<(T, SkippedRows)>,
        kept: impl FnOnce(&Snapshot) -> T,
    ) -> Result<T, Unusable> {
        let known = self.before.and_then(|before| before.skipped.get(&table));
        let known = known.cloned().unwrap_or_default();
        let kept = |before: &Snapshot| (kept(before), known.clone());
        let (rows, skipped) = self.table(table, read, kept)?;
        for row in skipped.named.iter().filter(|row| !known.named.contains(row)) {
            warn!(table = table.name(), row, "a row cannot be read and is left out");
        }
        if skipped.count > skipped.named.len() && skipped.count != known.count {
            warn!(
                table = table.name(),
                rows = skipped.count,
                "more rows cannot be read and are left out"
            );
        }
        self.skipped.insert(table, skipped);
        Ok(rows)
    }
}
