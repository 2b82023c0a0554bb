//! Tests of the ids of cells, with the time as an argument.

use std::collections::HashSet;

use actix_web::ResponseError;
use proptest::prelude::*;

use super::*;

const SINCE: &str = "2026-01-01T00:00:00Z";

fn since() -> DateTime<Utc> {
    SINCE.parse().unwrap()
}

fn cells(cell: u16) -> Cells {
    Cells::new(cell, since())
}

/// The id that a cell makes at this time.
fn id_at(cells: &Cells, time_ms: u64) -> Uuid {
    let nanos = u32::try_from(time_ms % 1_000 * 1_000_000).unwrap();
    let own = cells.0.as_ref().unwrap();
    Uuid::new_v7(Timestamp::from_unix(own, time_ms / 1_000, nanos))
}

fn time_ms(id: Uuid) -> u64 {
    u64::try_from(id.as_u128() >> 80).unwrap()
}

fn rand_a(id: Uuid) -> u16 {
    u16::try_from(id.as_u128() >> 64 & 0xfff).unwrap()
}

fn is_v7(id: Uuid) -> bool {
    id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122
}

/// The cell that the answer names; `None`: 404.
fn named(cells: &Cells, id: Uuid) -> Option<u16> {
    match cells.missing(id) {
        ApiError::OtherCell(cell) => Some(cell),
        error => {
            assert_eq!(error.status_code(), 404);
            None
        }
    }
}

#[test]
fn a_million_ids_of_one_millisecond_ascend_and_hold_the_cell() {
    let cells = cells(1_023);
    let mut last = Uuid::nil();
    for count in 0..1_000_000_u32 {
        let id = id_at(&cells, 1_800_000_000_123);

        assert!(id > last, "{last} {id}");
        assert!(is_v7(id), "{id}");
        assert_eq!(time_ms(id), 1_800_000_000_123);
        assert_eq!(u32::from(rand_a(id)), 1_023 << 2 | count.min(3), "{id}");
        last = id;
    }
}

#[test]
fn four_threads_at_full_rate_make_no_id_twice() {
    let cells = cells(7);
    let made: Vec<Vec<Uuid>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..50_000).map(|_| cells.new_id()).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    assert!(made.iter().all(|ids| ids.is_sorted()));
    let different: HashSet<Uuid> = made.into_iter().flatten().collect();
    assert_eq!(different.len(), 200_000);
    assert!(different.iter().all(|id| is_v7(*id) && rand_a(*id) >> 2 == 7));
}

#[test]
fn two_processes_of_a_cell_make_different_ids_in_the_same_millisecond() {
    let (one, two) = (cells(5), cells(5));
    let ids = (0..100_000).flat_map(|_| [id_at(&one, 1_800_000_000_000), id_at(&two, 1_800_000_000_000)]);

    assert_eq!(ids.collect::<HashSet<_>>().len(), 200_000);
}

#[test]
fn without_a_cell_ids_are_as_before_and_nothing_is_elsewhere() {
    let none = Cells::default();
    let ids: Vec<Uuid> = (0..10_000).map(|_| none.new_id()).collect();

    assert!(ids.is_sorted() && ids.iter().all(|id| is_v7(*id)));
    // Ten random bits are not the same 10,000 times.
    assert!(
        ids.iter()
            .map(|id| rand_a(*id) >> 2)
            .collect::<HashSet<_>>()
            .len()
            > 1
    );
    assert_eq!(named(&none, id_at(&cells(3), 1_800_000_000_000)), None);
}

proptest! {
    #[test]
    fn ids_ascend_whatever_the_clock_does(
        cell in 0..=MAX_CELL,
        clock in proptest::collection::vec(1_700_000_000_000_u64..1_700_000_000_020, 1..200),
    ) {
        let cells = cells(cell);
        let ids: Vec<Uuid> = clock.iter().map(|time| id_at(&cells, *time)).collect();

        let mut latest = 0;
        for (id, time) in ids.iter().zip(&clock) {
            latest = latest.max(*time);
            prop_assert_eq!(time_ms(*id), latest);
            prop_assert!(is_v7(*id) && rand_a(*id) >> 2 == cell);
        }
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_cell_names_the_cell_of_an_id_unless_it_is_its_own(
        here in 0..=MAX_CELL,
        there in 0..=MAX_CELL,
        time in 1_600_000_000_000_u64..2_000_000_000_000,
    ) {
        let is_old = time < u64::try_from(since().timestamp_millis()).unwrap();
        let expected = (here != there && !is_old).then_some(there);

        prop_assert_eq!(named(&cells(here), id_at(&cells(there), time)), expected);
    }

    #[test]
    fn fuzz_of_any_id_never_panics_and_never_names_this_cell(bits: u128, here in 0..=MAX_CELL) {
        let id = Uuid::from_u128(bits);
        if let Some(cell) = named(&cells(here), id) {
            prop_assert!(cell != here && cell <= MAX_CELL && is_v7(id));
        }
    }
}
