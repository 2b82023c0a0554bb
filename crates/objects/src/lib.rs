//! Objects in a bucket (`s3://`) or a folder: written whole or not at all, read, signed, removed.

mod location;
mod s3;
mod store;
mod store_error;
mod upload;

pub use location::{Location, NotALocation};
pub use s3::{NotS3, S3, Tokens, builder, is_this_machine};
pub use store::{Content, Store};
pub use store_error::StoreError;
pub use upload::Upload;
