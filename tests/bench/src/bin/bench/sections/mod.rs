//! One file for each measurement: its servers, their turns, and its targets.

pub(crate) mod before;
pub(crate) mod cold;
pub(crate) mod console;
pub(crate) mod coupons;
pub(crate) mod export;
pub(crate) mod keyed;
pub(crate) mod large;
pub(crate) mod latency;
pub(crate) mod order_reads;
pub(crate) mod partitions;
pub(crate) mod post256;
pub(crate) mod post64;
pub(crate) mod promotions;
pub(crate) mod reads;
pub(crate) mod single;
pub(crate) mod status;
pub(crate) mod storefront;
pub(crate) mod webhooks;

const FLOOR: &str = "floor: checks, prices, stores nothing";
const ORDER_FOOD: &str = "order-food";
const ONE_TRANSACTION: &str = "one transaction per order";
const PGBENCH: &str = "pgbench, bare INSERT";
