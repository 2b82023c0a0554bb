//! Escrow: never over-issued, whatever becomes of messages and cells.
#![expect(clippy::indexing_slicing, reason = "the indexes are of cells that are there")]

use proptest::prelude::*;
use scale_simulator::escrow::{Escrow, Give, Take};

const CELLS: usize = 3;
const SHARE: u64 = 7;
const LIMIT: u64 = SHARE * CELLS as u64;

#[derive(Clone, Debug)]
enum Step {
    Order(usize),
    /// The job asks one cell for another.
    Ask(usize, usize, u64),
    /// A message arrives, in any order, and may arrive again.
    Arrive(usize, bool),
    Lose(usize),
    /// Cells send again what they owe.
    Resend(usize),
    Backup(usize),
    Restore(usize),
}

#[derive(Clone, Debug)]
enum Message {
    Take(Take),
    Give(Give),
    Given(usize, u64),
}

struct World {
    cells: Vec<Escrow>,
    backups: Vec<Escrow>,
    network: Vec<Message>,
    /// Orders that were acknowledged, also those that a restore lost.
    issued: u64,
    transfers: u64,
    restores: u64,
}

impl World {
    fn new() -> World {
        let cells: Vec<Escrow> = (0..CELLS).map(|cell| Escrow::new(cell, SHARE)).collect();
        World {
            backups: cells.clone(),
            cells,
            network: Vec::new(),
            issued: 0,
            transfers: 0,
            restores: 0,
        }
    }

    fn unused(&self) -> u64 {
        self.cells.iter().map(Escrow::unused).sum()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Order(cell) => self.issued += u64::from(self.cells[cell].redeem()),
            Step::Ask(from, to, wanted) => {
                self.transfers += 1;
                self.network.push(Message::Take(Take {
                    id: self.transfers,
                    from: self.cells[from].own,
                    to: self.cells[to].own,
                    wanted,
                }));
            }
            Step::Arrive(index, again) if !self.network.is_empty() => {
                let index = index % self.network.len();
                let message = if again {
                    self.network[index].clone()
                } else {
                    self.network.swap_remove(index)
                };
                self.arrive(&message);
            }
            Step::Lose(index) if !self.network.is_empty() => {
                self.network.swap_remove(index % self.network.len());
            }
            Step::Arrive(..) | Step::Lose(_) => {}
            Step::Resend(cell) => {
                let owed: Vec<Give> = self.cells[cell].owed().collect();
                self.network.extend(owed.into_iter().map(Message::Give));
            }
            Step::Backup(cell) => self.backups[cell] = self.cells[cell].clone(),
            Step::Restore(cell) => {
                self.restores += 1;
                self.cells[cell] = self.backups[cell].clone().restored(self.restores);
            }
        }
    }

    fn arrive(&mut self, message: &Message) {
        match message {
            Message::Take(take) => {
                let give = self.cells[take.from.cell].take_back(take);
                self.network.extend(give.map(Message::Give));
            }
            Message::Give(give) => {
                self.cells[give.to.cell].give(give);
                self.network.push(Message::Given(give.from, give.id));
            }
            Message::Given(cell, id) => self.cells[*cell].arrived(*id),
        }
    }

    /// What is left when every message arrives at last.
    fn settle(&mut self) {
        (0..CELLS).for_each(|cell| self.step(&Step::Resend(cell)));
        while let Some(message) = self.network.pop() {
            self.arrive(&message);
        }
    }
}

fn steps(with_restores: bool) -> impl Strategy<Value = Vec<Step>> {
    let cell = 0..CELLS;
    let step = prop_oneof![
        6 => cell.clone().prop_map(Step::Order),
        3 => (cell.clone(), cell.clone(), 0..10_u64).prop_map(|(from, to, wanted)| Step::Ask(from, to, wanted)),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(index, again)| Step::Arrive(index, again)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => cell.clone().prop_map(Step::Resend),
        1 => cell.clone().prop_map(Step::Backup),
        1 => cell.prop_map(move |cell| if with_restores { Step::Restore(cell) } else { Step::Resend(cell) }),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn never_more_than_the_limit_whatever_is_lost_repeated_reordered_or_restored(steps in steps(true)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
            prop_assert!(world.issued + world.unused() <= LIMIT, "{:?}", world.cells);
        }
        world.settle();
        prop_assert!(world.issued + world.unused() <= LIMIT, "{:?}", world.cells);
    }

    #[test]
    fn without_a_restore_no_use_is_lost_for_good(steps in steps(false)) {
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.settle();
        prop_assert_eq!(world.issued + world.unused(), LIMIT);
        prop_assert!(world.cells.iter().all(|cell| cell.owed().next().is_none()));
    }
}

/// Why a restored cell gives up its share, and what is under way to it.
#[test]
fn a_backup_that_is_used_as_it_is_issues_too_many() {
    let mut world = World::new();
    world.step(&Step::Backup(1));
    (0..SHARE).for_each(|_| world.step(&Step::Order(1)));
    assert_eq!(world.issued + world.unused(), LIMIT);

    world.cells[1] = world.backups[1].clone();
    assert_eq!(world.issued + world.unused(), LIMIT + SHARE);
    world.step(&Step::Restore(1));
    assert_eq!(world.issued + world.unused(), LIMIT);
}

#[test]
fn both_steps_repeated_move_the_uses_once() {
    let (mut from, mut to) = (Escrow::new(0, 10), Escrow::new(1, 0));
    let take = Take {
        id: 1,
        from: from.own,
        to: to.own,
        wanted: 4,
    };
    for _ in 0..3 {
        let give = from.take_back(&take).unwrap();
        to.give(&give);
        to.give(&give);
    }
    assert_eq!((from.unused(), to.unused()), (6, 4));

    // A use that was redeemed is not taken back.
    (0..6).for_each(|_| assert!(from.redeem()));
    assert!(!from.redeem());
    let rest = from.take_back(&Take { id: 2, ..take }).unwrap();
    assert_eq!(rest.uses, 0);
}

#[test]
fn a_request_from_before_a_restore_takes_nothing_from_the_cell_after_it() {
    let (from, to) = (Escrow::new(0, 10), Escrow::new(1, 10));
    let take = |id, from: &Escrow, to: &Escrow| Take {
        id,
        from: from.own,
        to: to.own,
        wanted: 4,
    };
    let late = take(1, &from, &to);
    let (mut from, mut to) = (from.restored(1), to);
    assert_eq!(from.unused(), 0);
    let give = to.take_back(&take(2, &to, &from)).unwrap();
    from.give(&give);

    assert!(from.take_back(&late).is_none());
    assert_eq!((from.unused(), to.unused()), (4, 6));
}
