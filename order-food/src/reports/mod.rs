//! Sales reports: counting the orders of a day, reading what was counted, exporting it.
//!
//! `count` finds the days with news and counts them into `sales_daily`, for the jobs
//! `reporting.*`; `handlers` (HTTP) → `queries` reads them; `export` writes orders or sales to a
//! file.

mod answer;
pub(crate) mod count;
mod days;
mod dimension;
pub(crate) mod export;
pub(crate) mod handlers;
pub(crate) mod queries;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use days::Days;
pub(crate) use dimension::Dimension;
pub(crate) use handlers::MAX_DAYS;
pub(crate) use queries::{SalesRow, Sums, newest_day, sales};
pub(crate) use settings::{ENVIRONMENT, Settings};
