//! The settings section `coupons`.

use std::path::PathBuf;

use serde::Deserialize;

use super::Memory;

/// The section `coupons`: how a run scans bulk coupon files; the comments stand in the default
/// file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Working memory of a scan.
    pub memory: Memory,
    /// Folder for what does not fit; unset: the system's.
    pub temp_dir: Option<PathBuf>,
}

/// The environment variables and the keys they set.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [
    ("COUPON_MEMORY", "coupons.memory"),
    ("COUPON_TEMP_DIR", "coupons.temp_dir"),
];

impl Settings {
    /// What the scanner is asked for, as far as the settings decide it.
    pub(crate) fn options(&self) -> coupon_scan::Options {
        let mut options = coupon_scan::Options {
            memory: self.memory.bytes(),
            ..coupon_scan::Options::default()
        };
        if let Some(folder) = &self.temp_dir {
            options.temp_dir.clone_from(folder);
        }
        options
    }
}
