//! Datasets: sets of rows that are read, published and taken back as one.
//!
//! A dataset is a file with its columns, its rules and its tables, all of them in a `Dataset`, and
//! a line in each list of this file.

pub(crate) mod api_keys;
pub(crate) mod coupon_codes;
#[cfg(test)]
mod fuzz;
mod orders;
mod products;
mod promotions;
mod table;
mod users;

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use process::failure::Failure;
use serde::{Deserialize, Serialize};
use shop::{HashKeys, Product, Promotion};
use tracing::Span;

pub(crate) use api_keys::ApiKey;
pub(crate) use coupon_codes::CouponCodes;
pub(crate) use table::{Effect, StoredColumn, Table};

use crate::coupons;
use crate::formats::{self, Column, Fields, Findings};
use crate::sources::Input;

/// The name of a dataset, in the order in which datasets are published: first those that others
/// refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// Users with their API keys.
    Users,
    /// The catalogue.
    Products,
    /// Codes that change a price.
    Promotions,
    /// Valid codes out of bulk files.
    CouponCodes,
    /// Sample orders.
    Orders,
}

impl DatasetKind {
    /// Every dataset, in the order in which they are published.
    pub const ALL: [DatasetKind; 5] = [
        DatasetKind::Users,
        DatasetKind::Products,
        DatasetKind::Promotions,
        DatasetKind::CouponCodes,
        DatasetKind::Orders,
    ];

    pub(crate) const fn dataset(self) -> &'static Dataset {
        match self {
            DatasetKind::Users => &users::USERS,
            DatasetKind::Products => &products::PRODUCTS,
            DatasetKind::Promotions => &promotions::PROMOTIONS,
            DatasetKind::CouponCodes => &coupon_codes::COUPON_CODES,
            DatasetKind::Orders => &orders::ORDERS,
        }
    }

    /// The name in profiles and in the database.
    pub const fn name(self) -> &'static str {
        self.dataset().name
    }

    /// The dataset of this name, if this build knows it.
    pub(crate) fn named(name: &str) -> Option<DatasetKind> {
        DatasetKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) const fn tables(self) -> &'static [Table] {
        self.dataset().tables
    }

    /// Whether its rows are added once and belong to run time afterwards.
    pub(crate) fn is_append_only(self) -> bool {
        let tables = self.tables();
        !tables.is_empty() && tables.iter().all(|table| table.active.is_none())
    }
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// How one dataset is read, staged and published.
pub(crate) struct Dataset {
    /// The name in profiles and in the database.
    name: &'static str,
    /// Tables of its rows, in the order in which they are published; none when its rows are not
    /// kept in `dataset_rows`.
    tables: &'static [Table],
    /// Keys that its operation has in a profile beside those of every operation.
    pub(crate) own_keys: &'static [&'static str],
    /// Datasets that are read before it whether the profile says so or not; only those marked
    /// `true` must be in the profile.
    pub(crate) refers_to: &'static [(DatasetKind, bool)],
    /// A span that is open until the rows are staged, with `dataset` and the empty fields `rows`
    /// and `version`. Span names are constants, and each is part of the contract.
    pub(crate) span: fn() -> Span,
    /// Reads and validates the rows into the data; what is wrong with them goes to the notes. Fails
    /// when a source cannot be read.
    pub(crate) parse: fn(&Inputs, &Reading, &mut Data, &mut Notes) -> Result<(), Failure>,
    /// Rows by the names under which `row_counts` has them; first its own, without those of a
    /// second table.
    pub(crate) counts: fn(&Data) -> Vec<(&'static str, usize)>,
    /// The rows as `dataset_rows` keeps them. Fails when a row cannot be written as JSON.
    pub(crate) staged: fn(&Data) -> Result<Vec<StagedRow>, Failure>,
}

/// The span of a dataset; a macro, since names of spans are constants.
macro_rules! span {
    ($name:literal, $dataset:expr) => {
        tracing::info_span!(
            $name,
            dataset = $dataset,
            rows = tracing::field::Empty,
            version = tracing::field::Empty
        )
    };
}
use span;

/// Everything that a profile brings, valid in itself.
#[derive(Debug, Default)]
pub struct Data {
    products: Vec<Product>,
    users: Vec<users::User>,
    pub(crate) api_keys: Vec<ApiKey>,
    promotions: Vec<Promotion>,
    orders: Vec<orders::Order>,
    pub(crate) coupon_codes: CouponCodes,
    /// One per operation, open until its rows are staged.
    pub(crate) spans: HashMap<DatasetKind, Span>,
}

impl Data {
    /// Rows of a dataset; API keys are not counted as users.
    pub fn count(&self, kind: DatasetKind) -> usize {
        let counts = (kind.dataset().counts)(self);
        counts.first().map_or(0, |(_, rows)| *rows)
    }

    /// The rows of a dataset as JSON, in the shape in which `dataset_rows` keeps them; none for
    /// coupon codes.
    ///
    /// # Errors
    /// A row that cannot be written as JSON.
    pub fn rows(&self, kind: DatasetKind) -> Result<Vec<String>, Failure> {
        let rows = (kind.dataset().staged)(self)?;
        Ok(rows.into_iter().map(|row| row.json).collect())
    }
}

/// The inputs of one operation.
pub(crate) struct Inputs {
    pub(crate) sources: Vec<Input>,
    /// Of `users` only.
    pub(crate) api_keys: Vec<Input>,
    /// Of `coupon_codes` only: in how many of the files a valid code stands at least.
    pub(crate) min_files: usize,
}

/// What reading needs to know besides the profile.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Under which API keys are hashed.
    pub hash_keys: HashKeys,
    /// Whether rows marked `development` are refused.
    pub production: bool,
    /// How coupon files are scanned.
    pub coupons: coupons::Settings,
    /// How far the scan of coupon files is.
    pub progress: Arc<coupon_scan::Progress>,
    /// Set from another thread, it ends a long scan.
    pub interrupt: Arc<AtomicBool>,
}

/// What is found while rows are read.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) findings: Findings,
    pub(crate) development: Development,
}

/// The first row that is marked `development`.
#[derive(Default)]
pub(crate) struct Development(pub(crate) Option<String>);

impl Development {
    fn note(&mut self, fields: &mut Fields<'_>) {
        if fields.flag("development") == Some(true) && self.0.is_none() {
            self.0 = Some(format!("{}:{}", fields.row.file, fields.row.line));
        }
    }
}

/// A row for `dataset_rows`: its table, its key, itself as JSON.
pub(crate) struct StagedRow {
    pub(crate) table: &'static str,
    pub(crate) key: String,
    pub(crate) json: String,
}

fn staged<T: Serialize>(
    table: &Table,
    rows: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> String,
) -> Result<Vec<StagedRow>, Failure> {
    let write = |row: T| {
        let json = serde_json::to_string(&row).map_err(anyhow::Error::from)?;
        Ok(StagedRow {
            table: table.name,
            key: key(&row),
            json,
        })
    };
    rows.into_iter().map(write).collect()
}

/// Where a value was met first: file and line.
type Seen<T> = HashMap<T, (Arc<str>, u64)>;

/// Notes a value that stood in an earlier row already.
fn once<T: Hash + Eq>(seen: &mut Seen<T>, value: T, column: &str, fields: &mut Fields<'_>) {
    let here = (Arc::clone(&fields.row.file), fields.row.line);
    match seen.get(&value) {
        Some((file, line)) => {
            let (file, line) = (Arc::clone(file), *line);
            fields.duplicate(column, &file, line);
        }
        None => {
            seen.insert(value, here);
        }
    }
}

/// A value that must be there, and in no other row.
fn unique<T: Clone + Hash + Eq, E: fmt::Display>(
    seen: &mut Seen<T>,
    column: &str,
    fields: &mut Fields<'_>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let value = fields.required(column, parse)?;
    once(seen, value.clone(), column, fields);
    Some(value)
}

/// The rows of a table: `row` takes the values out of one, and notes what is wrong with them.
fn table<T>(
    inputs: &[Input],
    columns: &[Column],
    notes: &mut Notes,
    mut row: impl FnMut(&mut Fields<'_>) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let Notes {
        findings,
        development,
    } = notes;
    let mut rows = Vec::new();
    formats::read(inputs, columns, findings, |mut fields| {
        rows.extend(row(&mut fields));
        development.note(&mut fields);
    })?;
    Ok(rows)
}
