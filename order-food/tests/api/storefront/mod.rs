//! The storefront over HTTP, as a browser without JavaScript uses it.

mod addresses;
mod browser;
mod cart;
mod checkout;
mod coupons;
mod errors;
mod faults;
mod menu;
mod order_page;
pub(crate) mod safety;
mod settings;
mod status;
mod texts;
mod totals;
