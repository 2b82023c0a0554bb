//! The order writer: group commit.
//!
//! Orders that arrive while a batch is being committed make up the next one. A batch is one
//! statement and one transaction, and each order is answered after its COMMIT. No batch waits to
//! become larger; a second one is sent behind the first, so that the database goes from one to the
//! next.
//!
//! `queue` takes orders and returns their outcomes · `worker` collects and writes batches ·
//! `connection` sends a batch, `statement` is its SQL · `retry` finishes lost and refused batches.
//!
//! Two workers: orders with a limited promotion queue for its row, and the others must not queue
//! with them.

mod connection;
mod queue;
mod retry;
mod statement;
mod worker;

pub(crate) use queue::{Writer, WriterParts, WriterStopped, Written};
