//! A queue in 40 lines: `cargo run -p job-queue --example greeting -- postgres://…/food`, on a
//! database that `database-migration up` has prepared.
#![expect(clippy::print_stdout, reason = "an example")]

use std::sync::Arc;
use std::time::Duration;

use database::{Database, Settings, pool::Pool};
use job_queue::*;
use tokio_util::sync::CancellationToken;

struct Greet(CancellationToken);

impl Job for Greet {
    const KIND: Kind = Kind::new("example.greet", "example", Priority::High);
    type Payload = String;

    async fn run(&self, run: &Run, name: String) -> Result<Outcome, JobError> {
        println!("Hello, {name}! (job {}, attempt {})", run.id(), run.attempt());
        self.0.cancel();
        Ok(Outcome::Done)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let settings: Settings = serde_json::from_value(serde_json::json!({ "url": url }))?;
    let (database, metrics) = (Database::new(&settings, "greeting")?, prometheus::Registry::new());
    let pool = Pool::new(&database, 1, Duration::from_secs(5));
    let queue = Queue::new([1_000; 5], &metrics)?;

    let mut connection = pool.get().await?;
    enqueue(&mut connection, &[NewJob::of::<Greet>(&"world".to_owned())?]).await?;
    connection.release();

    let stop = CancellationToken::new();
    let kinds = Registry::new().job(Greet(stop.clone()));
    let spans = Arc::new(PlainSpans);
    let worker = Worker::new(WorkerSettings::default(), kinds, database, queue, &metrics, spans)?;
    worker.run(stop).await;
    Ok(())
}
