//! Group commit behind a network: closed-loop clients, order writers, one PostgreSQL and its
//! synchronous standby.
//!
//! An order costs its server and its client processor time, then waits for a batch. A batch costs
//! PostgreSQL processor time, a flush of the primary and, with a standby, the way there, work and a
//! flush there, and the way back. Flushes and the standby take all that waits at once.

use std::collections::VecDeque;

use crate::agenda::{Agenda, Processor, Random};

/// The costs of the machine; processor time is shared by all that runs on it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Processors that are left to the programs.
    pub cores: f64,
    /// Processor time of the server and of the client for an order.
    pub serve_us: f64,
    /// Processor time of PostgreSQL for an order.
    pub store_us: f64,
    /// Processor time of a batch, whatever its size.
    pub batch_us: f64,
    /// Processor time from the primary's flush to the standby's answer, network excluded.
    pub replicate_us: f64,
    /// One flush of the write-ahead log, on either machine.
    pub flush_us: f64,
    /// How long other programs take all processors at a time, and for which part of the time.
    pub stall_us: f64,
    /// 0 to 1.
    pub stalled: f64,
}

/// The way to the standby.
#[derive(Clone, Copy, Debug)]
pub enum Standby {
    /// COMMIT does not wait for one.
    None,
    /// COMMIT waits for one that is so far away, one way.
    At {
        /// Microseconds.
        one_way_us: f64,
    },
}

/// How orders wait.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Server processes with a writer each.
    pub processes: usize,
    /// Clients of each process; each sends its next order when it has an answer.
    pub clients: usize,
    /// Connections of each writer.
    pub links: usize,
}

/// What the clients saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Orders answered per second.
    pub rate: f64,
    /// Median latency.
    pub p50_ms: f64,
    /// 99th percentile of the latency.
    pub p99_ms: f64,
}

/// The most orders of a batch, and the fewest that are sent behind another batch.
const MAX_BATCH: usize = 256;
const SMALL: usize = 16;
const MEMORY: usize = 64;

enum Task {
    Serve(usize),
    Store(usize),
    Replicate,
}

enum Event {
    PrimaryFlushed,
    ReachedStandby(Vec<usize>),
    StandbyFlushed,
    Committed(Vec<usize>),
    Stall,
    StallOver,
}

#[derive(Default)]
struct Process {
    /// Clients whose orders wait to be sent, and clients being answered.
    queue: VecDeque<usize>,
    answered: VecDeque<usize>,
    is_serving: bool,
    /// The most orders that waited lately.
    lately: usize,
    in_flight: usize,
}

struct Simulation {
    machine: Machine,
    standby: Standby,
    load: Load,
    random: Random,
    agenda: Agenda<Event>,
    processor: Processor<Task>,
    processes: Vec<Process>,
    /// Batches of each connection; those of process p are p × links and the following.
    links: Vec<VecDeque<Vec<usize>>>,
    /// Connections whose commit waits for a flush, and those that it covers.
    to_flush: Vec<usize>,
    flushing: Vec<usize>,
    to_replicate: Vec<usize>,
    replicating: Vec<usize>,
    asked_us: Vec<f64>,
    latencies_us: Vec<f64>,
}

/// Runs for `seconds` of simulated time, after a fifth of that as a warm-up.
pub fn run(machine: Machine, standby: Standby, load: Load, seconds: f64) -> Seen {
    let clients = load.processes * load.clients;
    let mut simulation = Simulation {
        machine,
        standby,
        load,
        random: Random(1),
        agenda: Agenda::new(),
        processor: Processor::new(machine.cores),
        processes: (0..load.processes).map(|_| Process::default()).collect(),
        links: vec![VecDeque::new(); load.processes * load.links],
        to_flush: Vec::new(),
        flushing: Vec::new(),
        to_replicate: Vec::new(),
        replicating: Vec::new(),
        asked_us: vec![0.0; clients],
        latencies_us: Vec::new(),
    };
    for client in 0..clients {
        simulation.answer(client / load.clients, vec![client]);
    }
    simulation.next_stall();
    let warm_up_us = seconds * 0.2e6;
    simulation.until(warm_up_us);
    simulation.latencies_us.clear();
    simulation.until(warm_up_us + seconds * 1e6);
    let mut latencies = simulation.latencies_us;
    latencies.sort_by(f64::total_cmp);
    let at = |part: usize| {
        latencies
            .get(latencies.len() * part / 100)
            .copied()
            .unwrap_or(f64::NAN)
            / 1e3
    };
    Seen {
        rate: latencies.len() as f64 / seconds,
        p50_ms: at(50),
        p99_ms: at(99),
    }
}

impl Simulation {
    fn until(&mut self, end_us: f64) {
        loop {
            let (event, task) = (self.agenda.next_us(), self.processor.next_us());
            if event.min(task) > end_us {
                return;
            }
            if event <= task {
                if let Some(event) = self.agenda.pop() {
                    self.happen(event);
                }
            } else {
                self.agenda.pass_until(task);
                if let Some(task) = self.processor.pop(task) {
                    self.done(task);
                }
            }
        }
    }

    fn done(&mut self, task: Task) {
        match task {
            Task::Serve(process) => self.served(process),
            Task::Store(link) => {
                self.to_flush.push(link);
                self.flush();
            }
            Task::Replicate => self.agenda.after(self.machine.flush_us, Event::StandbyFlushed),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::PrimaryFlushed => {
                let flushed = std::mem::take(&mut self.flushing);
                self.flush();
                match self.standby {
                    Standby::None => self.committed(flushed),
                    Standby::At { one_way_us } => {
                        self.agenda.after(one_way_us, Event::ReachedStandby(flushed));
                    }
                }
            }
            Event::ReachedStandby(links) => {
                self.to_replicate.extend(links);
                self.replicate();
            }
            Event::StandbyFlushed => {
                let links = std::mem::take(&mut self.replicating);
                if let Standby::At { one_way_us } = self.standby {
                    self.agenda.after(one_way_us, Event::Committed(links));
                }
                self.replicate();
            }
            Event::Committed(links) => self.committed(links),
            Event::Stall => {
                self.processor.set_cores(self.agenda.now_us(), 0.0);
                self.agenda.after(self.machine.stall_us, Event::StallOver);
            }
            Event::StallOver => {
                self.processor.set_cores(self.agenda.now_us(), self.machine.cores);
                self.next_stall();
            }
        }
    }

    fn next_stall(&mut self) {
        if self.machine.stalled > 0.0 {
            let pause = self.machine.stall_us * (1.0 / self.machine.stalled - 1.0);
            let pause = self.random.between(0.5 * pause, 1.5 * pause);
            self.agenda.after(pause, Event::Stall);
        }
    }

    fn flush(&mut self) {
        if self.flushing.is_empty() && !self.to_flush.is_empty() {
            self.flushing = std::mem::take(&mut self.to_flush);
            self.agenda.after(self.machine.flush_us, Event::PrimaryFlushed);
        }
    }

    fn replicate(&mut self) {
        if self.replicating.is_empty() && !self.to_replicate.is_empty() {
            self.replicating = std::mem::take(&mut self.to_replicate);
            let now = self.agenda.now_us();
            self.processor
                .start(now, self.machine.replicate_us, Task::Replicate);
        }
    }

    /// The batch in front of each of these connections is committed.
    fn committed(&mut self, links: Vec<usize>) {
        for link in links {
            let process = link / self.load.links;
            let Some(batch) = self.links[link].pop_front() else {
                continue;
            };
            self.processes[process].in_flight -= batch.len();
            if !self.links[link].is_empty() {
                self.store(link);
            }
            self.send(process);
            self.answer(process, batch);
        }
    }

    fn answer(&mut self, process: usize, clients: Vec<usize>) {
        self.processes[process].answered.extend(clients);
        self.serve(process);
    }

    fn serve(&mut self, process: usize) {
        let server = &mut self.processes[process];
        if !server.is_serving && !server.answered.is_empty() {
            server.is_serving = true;
            let now = self.agenda.now_us();
            self.processor
                .start(now, self.machine.serve_us, Task::Serve(process));
        }
    }

    /// A client has its answer, and its next order waits to be sent.
    fn served(&mut self, process: usize) {
        let now = self.agenda.now_us();
        self.processes[process].is_serving = false;
        if let Some(client) = self.processes[process].answered.pop_front() {
            self.latencies_us.push(now - self.asked_us[client]);
            self.asked_us[client] = now;
            self.processes[process].queue.push_back(client);
            let links = process * self.load.links..(process + 1) * self.load.links;
            if self.links[links].iter().any(VecDeque::is_empty) {
                self.send(process);
            }
        }
        self.serve(process);
    }

    /// Sends what is queued. Over one connection as `orders::writer` does: half of what waits, a
    /// second batch behind the first when it is worth it. Over several, each has one batch at a
    /// time, of its part of what waits.
    fn send(&mut self, process: usize) {
        let server = &mut self.processes[process];
        let waiting = server.in_flight + server.queue.len();
        server.lately = waiting.max(server.lately - server.lately.div_ceil(MEMORY));
        let (most, worth_it, depth) = if self.load.links == 1 {
            let most = (server.lately / 2).clamp(SMALL, MAX_BATCH);
            (most, SMALL.max(most / 2), 2)
        } else {
            let part = server.lately.div_ceil(self.load.links).clamp(1, MAX_BATCH);
            (part, part.div_ceil(2), 1)
        };
        let first = process * self.load.links;
        while let Some(link) = (first..first + self.load.links).min_by_key(|link| self.links[*link].len()) {
            let server = &mut self.processes[process];
            let is_full = self.links[link].len() >= depth;
            let is_behind = server.in_flight > 0;
            if is_full || server.queue.is_empty() || (is_behind && server.queue.len() < worth_it) {
                return;
            }
            let size = most.min(server.queue.len());
            let batch: Vec<usize> = server.queue.drain(..size).collect();
            server.in_flight += batch.len();
            self.links[link].push_back(batch);
            if self.links[link].len() == 1 {
                self.store(link);
            }
        }
    }

    /// PostgreSQL begins with the batch in front.
    fn store(&mut self, link: usize) {
        let orders = self.links[link].front().map_or(0, Vec::len);
        let work = self.machine.batch_us + orders as f64 * self.machine.store_us;
        self.processor
            .start(self.agenda.now_us(), work, Task::Store(link));
    }
}
