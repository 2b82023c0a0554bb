//! A limited promotion over several cells with unequal demand: shares that stay as they are, and
//! shares that a job moves by escrow, over a network that loses and repeats messages.

use crate::agenda::{Agenda, Random};
use crate::escrow::{Escrow, Give, Take, TransferId};

/// The promotion and the world around it.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// Cells; cell i has 1 / (i + 1) of the demand of the first.
    pub cells: usize,
    /// Uses in all.
    pub limit: u64,
    /// Orders per second that ask for it, in all cells.
    pub demand: f64,
    /// Seconds between two rounds of the job; `None`: shares stay as they are.
    pub round_s: Option<f64>,
    /// Part of the messages that is lost, and part that arrives twice.
    pub lossy: f64,
    /// Every minute a cell cannot be reached by messages for so many seconds; its orders go on.
    pub partition_s: f64,
}

/// What became of it after the demand was one and a half times the limit.
#[derive(Clone, Copy, Debug)]
pub struct Result {
    /// Orders that had it.
    pub issued: u64,
    /// Orders that were refused while another cell had some left.
    pub refused: u64,
    /// Messages that were sent.
    pub messages: u64,
}

enum Event {
    Order,
    Round,
    Partition,
    Take(Take),
    Give(Give),
    Given(usize, TransferId),
}

struct World {
    agenda: Agenda<Event>,
    random: Random,
    campaign: Campaign,
    cells: Vec<Escrow>,
    /// Orders of each cell since the last round.
    asked: Vec<f64>,
    /// The cell that is cut off, and until when.
    cut_off: (usize, f64),
    transfers: TransferId,
    result: Result,
}

/// Runs a campaign.
pub fn run(campaign: Campaign, seed: u64) -> Result {
    let count = campaign.cells as u64;
    let share = |cell: usize| campaign.limit / count + u64::from((cell as u64) < campaign.limit % count);
    let mut world = World {
        agenda: Agenda::new(),
        random: Random(seed),
        campaign,
        cells: (0..campaign.cells)
            .map(|cell| Escrow::new(cell, share(cell)))
            .collect(),
        asked: vec![0.0; campaign.cells],
        cut_off: (0, 0.0),
        transfers: 0,
        result: Result {
            issued: 0,
            refused: 0,
            messages: 0,
        },
    };
    let orders = campaign.limit + campaign.limit / 2;
    world.agenda.after(0.0, Event::Order);
    world.agenda.after(60e6, Event::Partition);
    if let Some(round_s) = campaign.round_s {
        world.agenda.after(round_s * 1e6, Event::Round);
    }
    let mut seen = 0;
    while let Some(event) = world.agenda.pop() {
        if matches!(event, Event::Order) {
            seen += 1;
            if seen > orders {
                break;
            }
        }
        world.happen(event);
    }
    world.result
}

impl World {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Order => self.order(),
            Event::Round => self.round(),
            Event::Partition => {
                let until = self.agenda.now_us() + self.campaign.partition_s * 1e6;
                self.cut_off = (self.random.below(self.cells.len()), until);
                self.agenda.after(60e6, Event::Partition);
            }
            Event::Take(take) => {
                if let Some(give) = self.cells[take.from.cell].take_back(&take) {
                    self.send(give.to.cell, || Event::Give(give));
                }
            }
            Event::Give(give) => {
                self.cells[give.to.cell].give(&give);
                self.send(give.from, || Event::Given(give.from, give.id));
            }
            Event::Given(cell, id) => self.cells[cell].arrived(id),
        }
    }

    fn order(&mut self) {
        let weights: f64 = (1..=self.cells.len()).map(|rank| 1.0 / rank as f64).sum();
        let mut drawn = self.random.between(0.0, weights);
        let mut cell = 0;
        while cell + 1 < self.cells.len() && drawn >= 1.0 / (cell + 1) as f64 {
            drawn -= 1.0 / (cell + 1) as f64;
            cell += 1;
        }
        self.asked[cell] += 1.0;
        if self.cells[cell].redeem() {
            self.result.issued += 1;
        } else {
            let is_left = self.cells.iter().any(|other| other.unused() > 0);
            self.result.refused += u64::from(is_left);
        }
        self.agenda.after(1e6 / self.campaign.demand, Event::Order);
    }

    /// Each cell is to have the part of all unused uses that it has of the demand.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "uses, not negative"
    )]
    fn round(&mut self) {
        let owed: Vec<Give> = self.cells.iter().flat_map(Escrow::owed).collect();
        for give in owed {
            self.send(give.to.cell, || Event::Give(give));
        }
        let unused: u64 = self.cells.iter().map(Escrow::unused).sum();
        let asked: f64 = self.asked.iter().sum::<f64>().max(1.0);
        let wanted = |world: &World, cell: usize| (unused as f64 * world.asked[cell] / asked) as u64;
        for to in 0..self.cells.len() {
            let mut lacks = wanted(self, to).saturating_sub(self.cells[to].unused());
            for from in 0..self.cells.len() {
                let spare = self.cells[from].unused().saturating_sub(wanted(self, from));
                let uses = lacks.min(spare);
                if uses > 0 {
                    self.transfers += 1;
                    let take = Take {
                        id: self.transfers,
                        from: self.cells[from].own,
                        to: self.cells[to].own,
                        wanted: uses,
                    };
                    self.send(from, || Event::Take(take));
                    lacks -= uses;
                }
            }
        }
        self.asked.fill(0.0);
        self.agenda
            .after(self.campaign.round_s.unwrap_or(60.0) * 1e6, Event::Round);
    }

    /// Sends a message to a cell: 20 to 200 ms, perhaps never, perhaps twice.
    fn send(&mut self, to: usize, message: impl Fn() -> Event) {
        self.result.messages += 1;
        let is_cut_off = self.cut_off.0 == to && self.agenda.now_us() < self.cut_off.1;
        let is_lost = self.random.fraction() < self.campaign.lossy;
        if is_cut_off || is_lost {
            return;
        }
        let is_repeated = self.random.fraction() < self.campaign.lossy;
        for _ in 0..=usize::from(is_repeated) {
            let way = self.random.between(20e3, 200e3);
            self.agenda.after(way, message());
        }
    }
}
