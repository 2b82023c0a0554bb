//! How a claim is shared among priorities.

use crate::priority::{Priority, PriorityFilter};

/// Jobs of each priority, in the order of [`Priority::ALL`].
pub(crate) type Shares = [usize; 5];

const WEIGHTS: Shares = [16, 8, 4, 2, 1];

/// Shares `slots` among `priorities` by 16 : 8 : 4 : 2 : 1: each has at least 1 while there are
/// five slots. Fewer rotate: over 31 slots of consecutive turns, each priority has its weight.
pub(crate) fn shares(slots: usize, priorities: &[Priority], turn: usize) -> Shares {
    match slots >= priorities.len() && slots >= WEIGHTS.len() {
        true => by_weight(slots, priorities),
        false => by_turn(slots, priorities, turn),
    }
}

/// Priorities of the filter, without the patient ones if no slot may be given to them.
pub(crate) fn claimable(filter: &PriorityFilter, patient: usize) -> Vec<Priority> {
    filter
        .iter()
        .filter(|priority| priority.is_urgent() || patient > 0)
        .collect()
}

fn by_weight(slots: usize, priorities: &[Priority]) -> Shares {
    let mut shares = Shares::default();
    let total: usize = priorities.iter().map(weight).sum();
    let mut left = slots;
    for (position, priority) in priorities.iter().enumerate() {
        let others = priorities.len() - position - 1;
        let share = match others {
            0 => left,
            _ => (slots * weight(priority) / total).max(1).min(left - others),
        };
        add(&mut shares, *priority, share);
        left -= share;
    }
    shares
}

/// Smooth weighted round-robin: the slots of a turn follow those of the turn before.
fn by_turn(slots: usize, priorities: &[Priority], turn: usize) -> Shares {
    let mut shares = Shares::default();
    let total: usize = priorities.iter().map(weight).sum();
    if total == 0 {
        return shares;
    }
    let mut credit: Vec<(Priority, isize)> = priorities.iter().map(|priority| (*priority, 0)).collect();
    let start = turn.wrapping_mul(slots) % total;
    for pick in 0..start + slots {
        for (priority, credit) in &mut credit {
            *credit += weight(priority).cast_signed();
        }
        // The first of equals, which is the most urgent.
        let next = credit.iter_mut().rev().max_by_key(|(_, credit)| *credit);
        if let Some((priority, credit)) = next {
            *credit -= total.cast_signed();
            if pick >= start {
                add(&mut shares, *priority, 1);
            }
        }
    }
    shares
}

fn weight(priority: &Priority) -> usize {
    WEIGHTS.get(*priority as usize).copied().unwrap_or(1)
}

fn add(shares: &mut Shares, priority: Priority, number: usize) {
    if let Some(share) = shares.get_mut(priority as usize) {
        *share += number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Priority] = &Priority::ALL;

    #[test]
    fn a_claim_is_shared_by_weight() {
        assert_eq!(shares(31, ALL, 0), [16, 8, 4, 2, 1]);
        assert_eq!(shares(310, ALL, 7), [160, 80, 40, 20, 10]);
        assert_eq!(shares(31, &[Priority::Low, Priority::Bulk], 0), [0, 0, 0, 20, 11]);
    }

    #[test]
    fn from_five_slots_on_each_priority_has_one() {
        for slots in 5..200 {
            let shares = shares(slots, ALL, 0);

            assert!(shares.iter().all(|share| *share >= 1), "{slots}: {shares:?}");
            assert_eq!(shares.iter().sum::<usize>(), slots);
        }
    }

    #[test]
    fn fewer_slots_rotate_and_keep_the_weights() {
        for slots in 1..5 {
            let mut sum = Shares::default();
            for turn in 0..31 {
                let shares = shares(slots, ALL, turn);
                assert_eq!(shares.iter().sum::<usize>(), slots);
                for (sum, share) in sum.iter_mut().zip(shares) {
                    *sum += share;
                }
            }
            assert_eq!(sum, WEIGHTS.map(|weight| weight * slots), "{slots}");
        }
    }

    #[test]
    fn only_urgent_jobs_get_a_slot_that_is_kept_for_them() {
        let none = claimable(&PriorityFilter::default(), 0);
        let some = claimable(&PriorityFilter::default(), 1);

        assert_eq!(none, [Priority::Critical, Priority::High]);
        assert_eq!(some, ALL);
    }
}
