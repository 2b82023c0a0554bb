//! Exports: what is asked for, reading it in small pieces, writing it to a file.

mod chunks;
mod encoder;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use chunks::{Chunk, Source};
pub(crate) use encoder::Encoder;
pub(crate) use request::{Data, ExportRequest, ExportRequestSchema, Format};
