//! Coupon codes: those that stand in enough of several bulk files.

use std::sync::Arc;

use coupon_scan::{Code, Codes, Options, Report};
use process::failure::Failure;
use shop::CouponCode;
use tracing::{info, warn};

use super::{Dataset, Reading};
use crate::coupons;
use crate::sources::Input;

/// The codes have a table of their own, in which a version's rows are active with the version.
pub(super) const COUPON_CODES: Dataset = Dataset {
    name: "coupon_codes",
    tables: &[],
    own_keys: &["min_files"],
    refers_to: &[],
    span: || super::span!("dataload.loadCoupons", "coupon_codes"),
    parse: |inputs, reading, data, _| {
        data.coupon_codes = read(&inputs.sources, inputs.min_files, reading)?;
        Ok(())
    },
    counts: |data| vec![("coupon_codes", data.coupon_codes.len())],
    staged: |_| Ok(Vec::new()),
};

/// The codes that stand in enough of the files and that a client can send: packed, a few bytes
/// each.
#[derive(Debug, Default)]
pub(crate) struct CouponCodes {
    codes: Codes,
    count: usize,
}

impl CouponCodes {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The codes in the order of their bytes, unpacked one at a time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Code> + '_ {
        self.codes.iter().filter(can_be_sent)
    }
}

/// A client cannot send controls, and the database cannot hold NUL.
fn can_be_sent(code: &Code) -> bool {
    let text = code.as_str();
    text.bytes().all(|byte| byte.is_ascii_alphanumeric()) || CouponCode::parse(text).is_ok()
}

/// The codes that stand in at least `min_files` of the files.
fn read(inputs: &[Input], min_files: usize, reading: &Reading) -> Result<CouponCodes, Failure> {
    let scanned: Vec<coupon_scan::Input> = inputs.iter().map(Input::for_scan).collect();
    let options = Options {
        min_files,
        interrupt: Arc::clone(&reading.interrupt),
        progress: Arc::clone(&reading.progress),
        ..reading.coupons.options()
    };
    let Report {
        codes,
        counts,
        files,
        stats,
    } = coupon_scan::scan(&scanned, &options).map_err(coupons::failure)?;
    inputs.iter().try_for_each(Input::unchanged)?;
    for file in files.iter().filter(|file| file.in_range == 0) {
        warn!(
            file = file.name,
            lines = file.lines,
            "a coupon file holds no line of 8 to 10 characters, and so no code"
        );
    }
    let count = codes.iter().filter(can_be_sent).count();
    if count < codes.len() {
        warn!(
            codes = codes.len() - count,
            "coupon codes with control characters are left out: clients cannot send them"
        );
    }
    info!(
        lines = counts.lines,
        in_range = counts.in_range,
        not_utf8 = counts.not_utf8,
        valid = count,
        text_bytes = counts.text_bytes,
        spilled_bytes = stats.spilled_bytes,
        elapsed_ms = u64::try_from(stats.elapsed.as_millis()).unwrap_or(u64::MAX),
        "coupon files are read"
    );
    Ok(CouponCodes { codes, count })
}
