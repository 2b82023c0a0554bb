//! A handler that ends its whole process.

use std::sync::Arc;

use database::Database;
use job_queue::{
    Job, JobError, Kind, NewJob, Outcome, PlainSpans, Priority, Queue, Registry, Run, Worker, WorkerSettings,
};
use test_support::{Process, TestDatabase, eventually};
use tokio_util::sync::CancellationToken;

use crate::harness::{Done, Other, Place, settings};

/// Aborts the process that runs it.
struct Abort;

impl Job for Abort {
    const KIND: Kind = Kind::new("test.abort", "test", Priority::Critical);
    type Payload = ();

    async fn run(&self, _: &Run, (): ()) -> Result<Outcome, JobError> {
        std::process::abort()
    }
}

/// Where [`worker_process`] finds its database.
const URL: &str = "ABORTING_WORKER_DATABASE_URL";

/// The worker of the test below, in a process of its own; nothing without the variable.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "what a child of a test is told is no setting of a service"
)]
async fn worker_process() {
    let Ok(url) = std::env::var(URL) else { return };
    let metrics = prometheus::Registry::new();
    let worker = Worker::new(
        WorkerSettings {
            slots: 2,
            ..settings()
        },
        Registry::new().job(Abort).job(Other(Done::default())),
        Database::new(&test_support::settings(&url), "aborting").unwrap(),
        Queue::new([1_000; 5], &metrics).unwrap(),
        &metrics,
        Arc::new(PlainSpans),
    );
    worker.unwrap().run(CancellationToken::new()).await;
}

#[tokio::test]
async fn a_handler_that_aborts_three_processes_is_poison_and_other_jobs_are_done() {
    let place = Place::new().await;
    let others: Vec<NewJob> = (0..50).map(|_| NewJob::of::<Other>(&()).unwrap()).collect();
    place.enqueue(&[NewJob::of::<Abort>(&()).unwrap()]).await;
    place.enqueue(&others).await;
    let start = |database: &TestDatabase| {
        let program = std::env::current_exe().unwrap();
        let arguments = ["aborting::worker_process", "--exact", "--nocapture"];
        Process::spawn(program, arguments, &[(URL, database.url())])
    };

    let (mut aborted, mut process) = (0, start(&place.database));
    eventually("it is a dead letter, and the others are done", async || {
        if !process.running() {
            let ended = std::mem::replace(&mut process, start(&place.database));
            assert_eq!(ended.wait_output().await.signal, Some(6));
            aborted += 1;
        }
        place.count("job").await == 0
    })
    .await;

    let dead = "SELECT string_agg(concat_ws(' ', kind, reason, attempt, rescues), ',') FROM job_dead";
    assert_eq!(place.database.value(dead).await, "test.abort poison 3 3");
    assert_eq!(aborted, 3);
    assert!(process.running(), "the last worker goes on");
}
