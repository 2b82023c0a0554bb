//! Reads and validates everything that a profile brings, before anything is written.

mod api_keys;
mod coupon_codes;
mod orders;
mod products;
mod promotions;
mod users;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use process::failure::{ExitCode, Failure};
use process::telemetry;
use serde::Serialize;
use shop::{HashKeys, Promotion};
use tracing::{Span, info_span};

pub(crate) use api_keys::ApiKey;
pub(crate) use coupon_codes::CouponCodes;

use crate::coupons;
use crate::input::Input;
use crate::profile::{Dataset, Operation, Profile, Source};
use crate::table::{Fields, Findings};

/// Where a value was met first: file and line.
type Seen<T> = HashMap<T, (Arc<str>, u64)>;

/// Everything that a profile brings, valid in itself.
#[derive(Debug, Default)]
pub struct Data {
    products: Vec<products::Product>,
    users: Vec<users::User>,
    pub(crate) api_keys: Vec<ApiKey>,
    promotions: Vec<Promotion>,
    orders: Vec<orders::Order>,
    pub(crate) coupon_codes: CouponCodes,
    /// One per operation, open until its rows are staged.
    pub(crate) spans: HashMap<Dataset, Span>,
}

/// A row for `dataset_rows`: its table, its key, itself as JSON.
pub(crate) struct StagedRow {
    pub(crate) table: &'static str,
    pub(crate) key: String,
    pub(crate) json: String,
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

/// Reads everything that the profile brings; `inputs` are what [`open`](crate::input::open) found.
///
/// # Errors
/// `InvalidData`, caused by [`Findings`], when rows are not valid; `Usage` for a kind of file that is not known, and for
/// development rows in production; `Input` when a file cannot be read.
pub fn read(profile: &Profile, inputs: &[Input], reading: &Reading) -> Result<Data, Failure> {
    let mut data = Data::default();
    let mut findings = Findings::default();
    let mut development = Development(None);
    let mut failed: Vec<Dataset> = Vec::new();
    for operation in &profile.operations {
        if operation.needs.iter().any(|need| failed.contains(need)) {
            failed.push(operation.dataset);
            continue;
        }
        let span = span(operation.dataset);
        let mut found = Findings::default();
        let inputs = Inputs::of(operation, profile, inputs);
        let read = span.in_scope(|| data.read(operation, &inputs, reading, &mut found, &mut development));
        if let Err(failure) = read {
            telemetry::fail(&span, &failure);
            return Err(failure);
        }
        if !found.is_empty() {
            telemetry::fail(&span, &found);
            failed.push(operation.dataset);
            findings.append(found);
        }
        span.record("rows", data.count(operation.dataset));
        data.spans.insert(operation.dataset, span);
    }
    if !findings.is_empty() {
        return Err(invalid(&profile.name, findings));
    }
    if let (true, Some(place)) = (reading.production, development.0) {
        let message = format!(
            "profile {}: {place} is marked `development` and ENVIRONMENT is production; \
             name another profile with -p or PROFILES",
            profile.name
        );
        return Err(Failure::new(ExitCode::Usage, message));
    }
    Ok(data)
}

/// Exit 10; every bad row is logged as a warning, the first stands in the failure's line too.
pub(crate) fn invalid(profile: &str, findings: Findings) -> Failure {
    for row in &findings.rows {
        tracing::warn!(profile, "{row}");
    }
    Failure::new(ExitCode::InvalidData, format!("profile {profile}")).context_from(findings)
}

/// Span names are constants, and each is part of the contract.
fn span(dataset: Dataset) -> Span {
    macro_rules! span {
        ($name:literal) => {
            info_span!(
                $name,
                dataset = dataset.name(),
                rows = tracing::field::Empty,
                version = tracing::field::Empty
            )
        };
    }
    match dataset {
        Dataset::Products => span!("dataload.loadProducts"),
        Dataset::Users => span!("dataload.loadUsers"),
        Dataset::Orders => span!("dataload.loadOrders"),
        Dataset::Promotions => span!("dataload.loadPromotions"),
        Dataset::CouponCodes => span!("dataload.loadCoupons"),
    }
}

/// The inputs of one operation.
struct Inputs {
    sources: Vec<Input>,
    api_keys: Vec<Input>,
}

impl Inputs {
    fn of(operation: &Operation, profile: &Profile, inputs: &[Input]) -> Inputs {
        let first: usize = Dataset::ALL
            .into_iter()
            .take_while(|dataset| *dataset != operation.dataset)
            .filter_map(|dataset| profile.operation(dataset))
            .map(|earlier| earlier.sources.len() + earlier.api_keys.len())
            .sum();
        // A source may stand for several files.
        let of = |first: usize, sources: &[Source]| -> Vec<Input> {
            let numbers = first..first + sources.len();
            let own = inputs.iter().filter(|input| numbers.contains(&input.source));
            own.cloned().collect()
        };
        Inputs {
            sources: of(first, &operation.sources),
            api_keys: of(first + operation.sources.len(), &operation.api_keys),
        }
    }
}

impl Data {
    fn read(
        &mut self,
        operation: &Operation,
        inputs: &Inputs,
        reading: &Reading,
        findings: &mut Findings,
        development: &mut Development,
    ) -> Result<(), Failure> {
        let Inputs { sources, api_keys } = inputs;
        match operation.dataset {
            Dataset::Products => self.products = products::read(sources, findings, development)?,
            Dataset::Users => {
                self.users = users::read(sources, findings, development)?;
                let keys = &reading.hash_keys;
                self.api_keys = api_keys::read(api_keys, &self.users, keys, findings, development)?;
            }
            Dataset::Promotions => self.promotions = promotions::read(sources, findings, development)?,
            Dataset::CouponCodes => {
                self.coupon_codes = coupon_codes::read(sources, operation.min_files, reading)?;
            }
            Dataset::Orders => {
                let known = orders::Known::new(&self.products, &self.api_keys, &self.promotions);
                self.orders = orders::read(sources, &known, findings, development)?;
            }
        }
        Ok(())
    }

    /// Rows of a dataset; API keys are not counted as users.
    pub fn count(&self, dataset: Dataset) -> usize {
        match dataset {
            Dataset::Products => self.products.len(),
            Dataset::Users => self.users.len(),
            Dataset::Promotions => self.promotions.len(),
            Dataset::CouponCodes => self.coupon_codes.len(),
            Dataset::Orders => self.orders.len(),
        }
    }

    /// Rows of everything that the profile brings, by the names under which `row_counts` has them.
    pub(crate) fn counts(&self, profile: &Profile) -> Vec<(&'static str, usize)> {
        let datasets = profile.datasets();
        let mut counts: Vec<_> = datasets
            .iter()
            .map(|dataset| (dataset.name(), self.count(*dataset)))
            .collect();
        if datasets.contains(&Dataset::Users) {
            counts.push(("api_keys", self.api_keys.len()));
        }
        counts
    }

    /// The rows of a dataset as `dataset_rows` keeps them; coupon codes have a table of their own.
    pub(crate) fn staged(&self, dataset: Dataset) -> Result<Vec<StagedRow>, Failure> {
        match dataset {
            Dataset::Products => staged("products", &self.products, |product| product.id.to_string()),
            Dataset::Users => {
                let mut rows = staged("users", &self.users, |user| user.id.to_string())?;
                rows.append(&mut staged("api_keys", &self.api_keys, |key| key.id.to_string())?);
                Ok(rows)
            }
            Dataset::Promotions => {
                let rows: Vec<promotions::PromotionRow<'_>> =
                    self.promotions.iter().map(Into::into).collect();
                staged("promotions", &rows, |row| row.code.to_owned())
            }
            Dataset::CouponCodes => Ok(Vec::new()),
            Dataset::Orders => staged("orders", &self.orders, |order| order.id.to_string()),
        }
    }
}

fn staged<T: Serialize>(
    table: &'static str,
    rows: &[T],
    key: impl Fn(&T) -> String,
) -> Result<Vec<StagedRow>, Failure> {
    let write = |row: &T| {
        let json = serde_json::to_string(row).map_err(anyhow::Error::from)?;
        Ok(StagedRow {
            table,
            key: key(row),
            json,
        })
    };
    rows.iter().map(write).collect()
}

/// The first row that is marked `development`.
struct Development(Option<String>);

impl Development {
    fn note(&mut self, fields: &mut Fields<'_>) {
        if fields.flag("development") == Some(true) && self.0.is_none() {
            self.0 = Some(format!("{}:{}", fields.row.file, fields.row.line));
        }
    }
}

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
