//! What is measured while a million jobs wait.

use std::time::{Duration, Instant};

use job_queue::Priority;

use crate::{BATCH, Bench, SLOTS, line};

/// Waiting jobs of all five priorities.
const FIVE: &str = "number % 5";
/// Most seconds that a worker may take to come back to its rate.
const RECOVERY: Duration = Duration::from_secs(60);

impl Bench {
    /// Jobs claimed, run and completed, in turns with pgbench.
    pub(crate) async fn throughput(&self) {
        let (mut ratios, mut rates, mut floors, mut claims) = (vec![], vec![], vec![], vec![]);
        for _ in 0..self.rounds {
            self.fill(FIVE, self.waiting).await;
            let floor = self.floor(BATCH).await;
            self.fill(FIVE, self.waiting).await;
            let worker = self.worker(SLOTS, true);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let rate = worker.rate(Duration::from_secs(self.seconds)).await;
            claims.push(worker.claim_ms(99.0));
            worker.stop().await;
            ratios.push(rate / floor);
            rates.push(rate);
            floors.push(floor);
        }
        self.fill(FIVE, self.waiting).await;
        let single = self.floor(1).await;
        let what = format!("pgbench, the same statements, batches of {BATCH}");
        line(&what, &format!("{:.0}/s", median(&mut floors)));
        line("pgbench, one by one", &format!("{single:.0}/s"));
        line("worker, five priorities", &format!("{:.0}/s", median(&mut rates)));
        line(
            "worker against pgbench in the same round",
            &format!("{:.2}", median(&mut ratios)),
        );
        line("claim p99", &format!("{:.1} ms", median(&mut claims)));
    }

    /// How long CRITICAL jobs wait while the others are BULK.
    pub(crate) async fn critical(&self) {
        self.fill("4", self.waiting).await;
        let worker = self.worker(SLOTS, true);
        let waits = self.latencies(&worker, 200, Priority::Critical).await;
        let p95 = waits[waits.len() * 95 / 100];
        line(
            "CRITICAL wait p95 while a million BULK wait",
            &format!("{p95:.1} ms"),
        );
        worker.stop().await;
    }

    /// The rate beside a transaction that stays open for so many seconds, and afterwards.
    pub(crate) async fn open_transaction(&self, open_s: u64) {
        self.fill(FIVE, self.waiting).await;
        let worker = self.worker(SLOTS, true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let window = Duration::from_secs(self.seconds.min(open_s / 2));
        let before = worker.rate(window).await;
        // Enough for all that follows.
        let needed = before * (window * 2 + Duration::from_secs(open_s) + RECOVERY).as_secs_f64();
        worker.stop().await;
        self.fill(FIVE, self.waiting + needed as u64).await;
        let worker = self.worker(SLOTS, true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = worker.rate(window).await;

        let held = self.cluster.client().await;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM job_dead";
        held.batch_execute(begin).await.unwrap();
        tokio::time::sleep(Duration::from_secs(open_s) - window).await;
        let during = worker.rate(window).await;
        held.batch_execute("COMMIT").await.unwrap();

        let ended = Instant::now();
        let mut after = 0.0;
        while after < 0.9 * before && ended.elapsed() < RECOVERY {
            after = worker.rate(Duration::from_secs(2)).await;
        }
        line("worker before the open transaction", &format!("{before:.0}/s"));
        let what = format!("its last seconds beside one of {open_s} s");
        line(&what, &format!("{during:.0}/s, {:.2} of it", during / before));
        let what = "and after it, until 0.9 of the rate";
        line(
            what,
            &format!("{after:.0}/s, {:.0} s", ended.elapsed().as_secs_f64()),
        );
        worker.stop().await;
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
