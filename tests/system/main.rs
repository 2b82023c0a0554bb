//! The three services together, as the programs of a pod, on a real PostgreSQL.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod acknowledged;
mod customers;
mod data;
mod e2e;
mod editions;
mod pod;
mod repository;

mod crash;
mod database_urls;
mod exits;
mod failover;
mod identity;
mod init_jobs;
mod logs;
mod lost;
mod manual;
mod observability;
mod operations;
mod orders;
mod pooler;
mod previous;
mod probe;
mod process_list;
mod refresh;
mod roles;
mod settings;
mod soak;
mod start;
mod stop;
mod targets;
mod tls;
mod traces;
mod traces_requests;
mod wording;
