//! The three services together, as the programs of a pod, on a real PostgreSQL.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails in a test's helper is a failed test"
)]

mod acknowledged;
mod crash;
mod customers;
mod database_urls;
mod e2e;
mod editions;
mod exits;
mod failover;
mod identity;
mod init_jobs;
mod logs;
mod manual;
mod observability;
mod operations;
mod orders;
mod pod;
mod pooler;
mod previous;
mod probe;
mod process_list;
mod repository;
mod roles;
mod rotation;
mod settings;
mod soak;
mod start;
mod stop;
mod targets;
mod tls;
mod traces;
mod traces_requests;
mod wording;
