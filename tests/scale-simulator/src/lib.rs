//! Discrete events, no database: what commits over a network, failovers, cells and escrowed
//! promotions come to. The same seed gives the same figures on every machine.

#![expect(
    clippy::indexing_slicing,
    reason = "indexes of processes, connections, clients and cells, all made here"
)]

mod agenda;
pub mod commits;
pub mod escrow;
pub mod failover;
pub mod measured;
pub mod promotions;
pub mod report;

pub use agenda::Random;
