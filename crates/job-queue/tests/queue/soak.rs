//! The long versions; a tenth of each runs with the other tests.

use crate::claiming::each_once;
use crate::plans::{beside_a_paused_kind, look};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_workers_run_twenty_thousand_jobs_once_each() {
    each_once(test_support::scaled(50), test_support::scaled(20_000)).await;
}

#[tokio::test]
async fn the_claim_reads_no_table_as_a_whole_with_a_million_jobs() {
    println!("{}", look(test_support::scaled(1_000_000)).await);
}

#[tokio::test]
async fn a_million_jobs_of_a_paused_kind_are_not_read() {
    beside_a_paused_kind(test_support::scaled(1_000_000)).await;
}
