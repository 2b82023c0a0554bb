//! Number of repetitions in long tests.

/// Repetitions of a long test: a tenth of `whole`, at least one; all under `make soak`, which sets
/// `SOAK=1`, and three times as many with `SOAK=3`.
///
/// # Panics
/// When `SOAK` is not a number.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "how long a test is, is no setting of a service"
)]
pub fn scaled(whole: usize) -> usize {
    let Some(soak) = std::env::var_os("SOAK").filter(|soak| !soak.is_empty()) else {
        return whole.div_ceil(10);
    };
    let times = soak.to_str().and_then(|soak| soak.parse::<f64>().ok());
    let times = times.filter(|times| *times >= 0.0 && times.is_finite());
    let times = times.unwrap_or_else(|| panic!("SOAK: {soak:?} is no number"));
    // Counts of tests are far below what a float can hold.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small whole numbers"
    )]
    let count = (whole as f64 * times).ceil() as usize;
    count.max(1)
}
