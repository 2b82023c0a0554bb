//! Hints: payloads of the channel, as values and as text.

use std::fmt::Write;

use uuid::Uuid;

/// An order has a new version, or there are new orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Orders were placed.
    Placed,
    /// The order has this version by now, or a higher one.
    Changed { order: Uuid, version: i32 },
}

/// Changes of one payload: 48 bytes each, and PostgreSQL takes less than 8,000.
const CHANGES: usize = 160;

/// The payloads for these changes.
pub(super) fn payloads(changes: &[(Uuid, i32)]) -> Vec<String> {
    let payload = |changes: &[(Uuid, i32)]| {
        let mut text = String::with_capacity(48 * changes.len());
        for (order, version) in changes {
            let separator = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{separator}{order} {version}");
        }
        text
    };
    changes.chunks(CHANGES).map(payload).collect()
}

/// The hints of a payload; a part that is none is left out.
pub(super) fn parse(payload: &str) -> impl Iterator<Item = Hint> {
    let placed = payload.is_empty().then_some(Hint::Placed);
    let changes = payload.split(',').filter_map(|part| {
        let (order, version) = part.split_once(' ')?;
        Some(Hint::Changed {
            order: order.parse().ok()?,
            version: version.parse().ok()?,
        })
    });
    placed.into_iter().chain(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_from_payloads_that_postgresql_takes() {
        let changes: Vec<(Uuid, i32)> = (0..1_000)
            .map(|number| (Uuid::from_u128(u128::MAX - number), i32::MAX))
            .collect();

        let payloads = payloads(&changes);

        assert!(payloads.iter().all(|payload| payload.len() < 8_000));
        let read: Vec<(Uuid, i32)> = payloads
            .iter()
            .flat_map(|payload| parse(payload))
            .map(|hint| match hint {
                Hint::Changed { order, version } => (order, version),
                Hint::Placed => panic!("not sent"),
            })
            .collect();
        assert_eq!(read, changes);
    }

    #[test]
    fn a_payload_of_another_build_is_left_out() {
        assert_eq!(parse("").collect::<Vec<_>>(), [Hint::Placed]);
        for payload in [
            "7",
            "x 1",
            "x 1,",
            ",",
            "00000000-0000-0000-0000-000000000001",
            "\u{0}",
        ] {
            assert_eq!(parse(payload).count(), 0, "{payload:?}");
        }
        let mixed = "rubbish,00000000-0000-0000-0000-000000000001 2,00000000-0000-0000-0000-000000000002";
        assert_eq!(parse(mixed).count(), 1);
    }
}
