//! The database goes away, comes back, or takes an answer with it.

mod commit_lost;
mod database_away;
mod proxy;
