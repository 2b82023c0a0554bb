use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use coupon_scan::{Options, Report, ScanError};
use process::exit::{ExitCode, Failure};
use shop::CouponCode;
use tracing::{info, warn};

use crate::input::Input;

/// The codes that stand in at least `min_files` of the files, sorted.
pub(super) fn read(
    inputs: &[Input],
    min_files: usize,
    interrupt: &Arc<AtomicBool>,
) -> Result<Vec<String>, Failure> {
    let scanned: Vec<coupon_scan::Input> = inputs.iter().map(Input::for_scan).collect();
    let options = Options {
        min_files,
        interrupt: Arc::clone(interrupt),
    };
    let Report { mut codes, counts } = coupon_scan::scan(&scanned, &options).map_err(failure)?;
    inputs.iter().try_for_each(Input::unchanged)?;
    let valid = codes.len();
    // A client cannot send controls, and the database cannot hold NUL.
    codes.retain(|code| CouponCode::parse(code.as_str()).is_ok());
    if codes.len() < valid {
        warn!(
            codes = valid - codes.len(),
            "coupon codes with control characters are left out: nobody can send them"
        );
    }
    info!(
        lines = counts.lines,
        in_range = counts.in_range,
        distinct = counts.distinct,
        repeats = counts.repeats,
        not_utf8 = counts.not_utf8,
        valid = codes.len(),
        "coupon files are read"
    );
    Ok(codes)
}

fn failure(error: ScanError) -> Failure {
    let code = match &error {
        ScanError::Files { .. } | ScanError::MinFiles { .. } | ScanError::SameFile { .. } => ExitCode::Usage,
        ScanError::Unreadable { .. } => ExitCode::Input,
        ScanError::Damaged { .. } => ExitCode::InvalidData,
        ScanError::Interrupted => ExitCode::Terminated,
    };
    Failure::new(code, "coupon codes").context_from(error)
}
