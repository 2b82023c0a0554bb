//! Long tests under a stream of orders; `make soak` runs them whole.

mod clients;
mod cold;
mod database;
mod load;
mod migrations;
mod refreshes;
mod sessions;
mod slow_client;
