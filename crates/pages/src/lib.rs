//! What HTML pages need on the server, whatever they show: assets, headers, the check of unsafe
//! requests, signed values, formats of money and time.

pub mod assets;
pub mod headers;
pub mod money;
pub mod representation;
pub mod signed;
pub mod site;
pub mod time;

pub use assets::Assets;
pub use headers::PageHeaders;
pub use money::Currency;
pub use representation::{Representation, accepts_gzip};
pub use signed::Signer;
pub use site::Site;
pub use time::ShownTime;
