//! A model test: random interleavings of the statements against a state machine in memory.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use test_support::TestDatabase;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::operate::{self, DeadLetters};
use super::{CLAIM, CancelTarget, ClaimFilter, FailedAttempts, Finisher, RESCUE, cancel, claim, rescue};
use crate::worker::SESSION;

const KIND: &str = "model.kind";
const MOST: i16 = 4;
const WORKERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Claim(usize, usize),
    End(usize, usize, End),
    Crash(usize),
    Rescue,
    Replay,
    Cancel(usize),
}

#[derive(Clone, Debug)]
enum End {
    Complete,
    /// For the last time, or perhaps not.
    Fail(bool),
    Release,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Running(Uuid),
    Done,
    Dead,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    state: State,
    attempt: i16,
    rescues: i16,
    cancelled: bool,
}

/// A worker and the attempts that it believes to have, the stale ones too.
struct Agent {
    id: Uuid,
    finisher: Finisher,
    held: Vec<(i64, i16)>,
    /// Whether it has its row in `job_worker`.
    is_alive: bool,
}

/// Statements of the model itself, prepared once as those of a worker are.
struct Prepared {
    claim: Statement,
    rescue: Statement,
    insert: Statement,
    sign_on: Statement,
    sign_off: Statement,
    found: Statement,
}

const INSERT: &str = "
    INSERT INTO job (kind, priority, timeout_ms, payload, max_attempts)
    SELECT $1, 0, 60000, 'null', $2 FROM generate_series(1, 3) RETURNING id";
const SIGN_ON: &str =
    "INSERT INTO job_worker (id, pool, pod, version, filter, slots) VALUES ($1, '', '', '', '', 1)";
const SIGN_OFF: &str = "DELETE FROM job_worker WHERE id = $1";
/// What is there, and gone with it.
const FOUND: &str = "
    WITH jobs AS (DELETE FROM job RETURNING id, state::integer, attempt),
        dead AS (DELETE FROM job_dead RETURNING id, attempt, replayed_as)
    SELECT id, state, attempt FROM jobs UNION ALL SELECT id, 2, attempt FROM dead WHERE replayed_as IS NULL";

struct Model {
    client: Client,
    prepared: Prepared,
    agents: Vec<Agent>,
    jobs: HashMap<i64, Known>,
    stale: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let worker = 0..WORKERS;
    let end = prop_oneof![
        3 => Just(End::Complete),
        3 => any::<bool>().prop_map(End::Fail),
        1 => Just(End::Release),
    ];
    let step = prop_oneof![
        4 => (worker.clone(), 1usize..4).prop_map(|(worker, number)| Step::Claim(worker, number)),
        7 => (worker.clone(), 0usize..8, end).prop_map(|(worker, which, end)| Step::End(worker, which, end)),
        2 => worker.prop_map(Step::Crash),
        2 => Just(Step::Rescue),
        1 => Just(Step::Replay),
        1 => (0usize..8).prop_map(Step::Cancel),
    ];
    prop::collection::vec(step, 4..16)
}

/// 10,000 interleavings over four databases at once; each job ends exactly once, and no
/// stale attempt changes anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_job_ends_once_and_no_stale_attempt_changes_anything() {
    let each = 2_500;
    let runs = (0..4u8).map(|seed| tokio::spawn(interleavings(each, seed)));
    let mut stale = 0;
    for run in runs.collect::<Vec<_>>() {
        stale += run.await.unwrap();
    }
    assert!(stale > each / 4, "stale attempts were tried: {stale}");
}

async fn interleavings(number: usize, seed: u8) -> usize {
    let database = TestDatabase::migrated().await;
    let mut diesel = database.database().connect_diesel().await.unwrap();
    let client = database.client().await;
    client.batch_execute(SESSION).await.unwrap();
    let mut agents = Vec::new();
    for _ in 0..WORKERS {
        let (id, own) = (Uuid::now_v7(), database.client().await);
        own.batch_execute(SESSION).await.unwrap();
        let finisher = Finisher::prepare(own, id).await.unwrap();
        agents.push(Agent {
            id,
            finisher,
            held: Vec::new(),
            is_alive: false,
        });
    }
    let mut model = Model {
        prepared: Prepared {
            claim: client.prepare(CLAIM).await.unwrap(),
            rescue: client.prepare(RESCUE).await.unwrap(),
            insert: client.prepare(INSERT).await.unwrap(),
            sign_on: client.prepare(SIGN_ON).await.unwrap(),
            sign_off: client.prepare(SIGN_OFF).await.unwrap(),
            found: client.prepare(FOUND).await.unwrap(),
        },
        client,
        agents,
        jobs: HashMap::new(),
        stale: 0,
    };
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::from_seed(prop::test_runner::RngAlgorithm::ChaCha, &[seed; 32]),
    );
    for _ in 0..number {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        model.begin().await;
        for step in &steps {
            model.perform(step, &mut diesel).await;
        }
        model.end(&steps).await;
    }
    model.stale
}

impl Model {
    async fn begin(&mut self) {
        let parameters: [&(dyn ToSql + Sync); 2] = [&KIND, &MOST];
        let rows = self
            .client
            .query(&self.prepared.insert, &parameters)
            .await
            .unwrap();
        let known = Known {
            state: State::Queued,
            attempt: 0,
            rescues: 0,
            cancelled: false,
        };
        self.jobs = rows.iter().map(|row| (row.get(0), known)).collect();
        for agent in &mut self.agents {
            agent.held.clear();
            if !agent.is_alive {
                let rows = self.client.execute(&self.prepared.sign_on, &[&agent.id]).await;
                assert_eq!(rows.unwrap(), 1);
                agent.is_alive = true;
            }
        }
    }

    async fn perform(&mut self, step: &Step, diesel: &mut diesel_async::AsyncPgConnection) {
        match step {
            Step::Claim(worker, number) => self.claim(*worker, *number).await,
            Step::End(worker, which, end) => {
                let Some((id, attempt, current)) = self.held(*worker, *which) else {
                    return;
                };
                let finisher = &self.agents[*worker].finisher;
                let is_last = matches!(end, End::Fail(true)) || attempt >= MOST;
                let done = match end {
                    End::Complete => finisher.complete(&[id], &[attempt]).await,
                    End::Fail(_) => {
                        let failed = FailedAttempts {
                            id: vec![id],
                            attempt: vec![attempt],
                            delay_ms: vec![0],
                            reason: vec![is_last.then_some("exhausted")],
                            error: vec!["model"],
                        };
                        finisher.fail(&failed).await
                    }
                    End::Release => finisher.release(&[id], &[attempt], &[0]).await,
                };
                assert_eq!(!done.unwrap().is_empty(), current, "{step:?} of {id}");
                if current {
                    let known = self.known(id);
                    known.state = match end {
                        End::Complete => State::Done,
                        End::Fail(_) if is_last || known.cancelled => State::Dead,
                        End::Fail(_) | End::Release => State::Queued,
                    };
                    known.attempt -= i16::from(matches!(end, End::Release));
                }
            }
            Step::Crash(worker) => {
                let agent = &mut self.agents[*worker];
                let rows = self.client.execute(&self.prepared.sign_off, &[&agent.id]).await;
                assert_eq!(rows.unwrap(), u64::from(agent.is_alive));
                agent.is_alive = false;
            }
            Step::Rescue => self.rescue().await,
            Step::Replay => self.replay(diesel).await,
            Step::Cancel(which) => self.cancel(*which, diesel).await,
        }
    }

    fn known(&mut self, id: i64) -> &mut Known {
        self.jobs.get_mut(&id).unwrap()
    }

    /// An attempt that the worker believes to have, and whether it does.
    fn held(&mut self, worker: usize, which: usize) -> Option<(i64, i16, bool)> {
        let agent = self.agents.get(worker).unwrap();
        let (id, attempt) = *agent.held.get(which % agent.held.len().max(1))?;
        let known = self.jobs[&id];
        let current = known.state == State::Running(agent.id) && known.attempt == attempt;
        self.stale += usize::from(!current);
        Some((id, attempt, current))
    }

    async fn claim(&mut self, worker: usize, number: usize) {
        let Agent { id, is_alive, .. } = self.agents[worker];
        if !is_alive {
            return;
        }
        let wanted = ClaimFilter {
            priority: vec![0],
            kind: vec![KIND],
            quota: vec![8],
            share: vec![8],
            from_run_at: vec![chrono::DateTime::UNIX_EPOCH],
            from_id: vec![0],
            slots: number,
            patient: number,
            last_chance: true,
        };
        let claimed = claim(&self.client, &self.prepared.claim, &wanted, id)
            .await
            .unwrap();
        let waiting = |last: bool| {
            let jobs = self.jobs.values();
            jobs.filter(|known| known.state == State::Queued && (known.rescues >= 2) == last)
                .count()
        };
        assert_eq!(claimed.len(), number.min(waiting(false) + waiting(true).min(1)));
        for job in claimed {
            let known = self.known(job.id);
            assert_eq!(known.state, State::Queued);
            (known.state, known.attempt) = (State::Running(id), known.attempt + 1);
            assert_eq!(job.attempt, known.attempt);
            self.agents[worker].held.push((job.id, job.attempt));
        }
    }

    async fn rescue(&mut self) {
        let alive: Vec<Uuid> = self
            .agents
            .iter()
            .filter(|agent| agent.is_alive)
            .map(|agent| agent.id)
            .collect();
        let rescued = rescue(&self.client, &self.prepared.rescue, 600_000, 600_000, &[MOST; 5])
            .await
            .unwrap();
        let lost = |known: &Known| matches!(known.state, State::Running(id) if !alive.contains(&id));
        let expected = self.jobs.values().filter(|known| lost(known)).count();
        assert_eq!(rescued.len(), expected);
        for job in rescued {
            let known = self.known(job.id);
            let reason = match known {
                Known { cancelled: true, .. } => Some("cancelled"),
                Known { rescues: 2.., .. } => Some("poison"),
                Known { attempt: MOST.., .. } => Some("exhausted"),
                _ => None,
            };
            assert_eq!(job.reason.as_deref(), reason);
            known.rescues += 1;
            known.state = if reason.is_some() {
                State::Dead
            } else {
                State::Queued
            };
        }
    }

    async fn replay(&mut self, diesel: &mut diesel_async::AsyncPgConnection) {
        let dead: Vec<i64> = self
            .jobs
            .iter()
            .filter(|(_, known)| known.state == State::Dead)
            .map(|(id, _)| *id)
            .collect();
        let replayed = operate::replay(diesel, &DeadLetters::Ids(dead.clone()), None)
            .await
            .unwrap();
        assert_eq!(replayed.len(), dead.len());
        let again = operate::replay(diesel, &DeadLetters::Ids(dead), None)
            .await
            .unwrap();
        assert!(again.is_empty());
        for row in replayed {
            self.jobs.remove(&row["id"].as_i64().unwrap());
            let known = Known {
                state: State::Queued,
                attempt: 0,
                rescues: 0,
                cancelled: false,
            };
            self.jobs.insert(row["replayed_as"].as_i64().unwrap(), known);
        }
        let living: Vec<i64> = self.jobs.keys().copied().collect();
        for agent in &mut self.agents {
            agent.held.retain(|(id, _)| living.contains(id));
        }
    }

    async fn cancel(&mut self, which: usize, diesel: &mut diesel_async::AsyncPgConnection) {
        let mut ids: Vec<i64> = self.jobs.keys().copied().collect();
        ids.sort_unstable();
        let id = ids[which % ids.len()];
        let done = cancel(diesel, CancelTarget::Id(id)).await.unwrap();
        let known = self.known(id);
        match known.state {
            State::Queued => known.state = State::Dead,
            State::Running(_) => known.cancelled = true,
            State::Done | State::Dead => assert!(done.is_none()),
        }
    }

    /// What is in the tables is what the model knows, and nothing else.
    async fn end(&self, steps: &[Step]) {
        let rows = self.client.query(&self.prepared.found, &[]).await.unwrap();
        let mut found: Vec<(i64, i32, i16)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        let mut expected: Vec<(i64, i32, i16)> = self
            .jobs
            .iter()
            .filter_map(|(id, known)| {
                let state = match known.state {
                    State::Queued => 0,
                    State::Running(_) => 1,
                    State::Dead => 2,
                    State::Done => return None,
                };
                Some((*id, state, known.attempt))
            })
            .collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{steps:?}");
    }
}
