//! The spans that a run sends to the collector.

use test_support::otlp::{Receiver, Span};
use test_support::{Output, TestDatabase};

use crate::program::start_with;

const POD_UID: &str = "0af76519-16cd-43dd-8448-eb211c80319c";

async fn migrate(database: &TestDatabase, receiver: &Receiver) -> Output {
    let endpoint = receiver.endpoint();
    let environment = [
        ("DATABASE_URL", database.url()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("POD_UID", POD_UID),
    ];
    start_with(&["up", "--to", "4"], &environment).wait_output().await
}

fn root(spans: &[Span]) -> Option<&Span> {
    spans.iter().find(|span| span.name == "migration.execute")
}

#[tokio::test]
async fn a_run_is_the_root_of_the_pods_trace_with_a_span_per_migration() {
    let (database, receiver) = (TestDatabase::empty().await, Receiver::start());

    migrate(&database, &receiver).await.exits(0);

    let spans = receiver.wait_for(|spans| root(spans).is_some()).await;
    let root = root(&spans).unwrap();
    assert_eq!(root.parent_span_id, "");
    assert_eq!(root.trace_id, POD_UID.replace('-', ""));
    assert_eq!(root.service_name, "database-migration");
    assert_eq!(
        (
            &*root.attributes["migration.outcome"],
            &*root.attributes["migration.version"]
        ),
        ("changed", "4")
    );

    let steps: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent_span_id == root.span_id)
        .collect();
    let names: Vec<_> = steps
        .iter()
        .map(|span| (&*span.name, &*span.attributes["migration.name"]))
        .collect();
    assert_eq!(
        names,
        [
            ("migration.createTables", "shop"),
            ("migration.createTables", "orders"),
            ("migration.createTables", "datasets"),
            ("migration.createIndexes", "look_ups"),
        ]
    );
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(step.attributes["migration.version"], (index + 1).to_string());
        assert_eq!(step.trace_id, root.trace_id);
        assert!(
            !step.status_error && step.attributes.contains_key("duration_ms"),
            "{step:?}"
        );
        let statements: Vec<&Span> = spans
            .iter()
            .filter(|span| span.parent_span_id == step.span_id)
            .collect();
        let [statement] = *statements else {
            panic!("one client span below {step:?}: {statements:?}")
        };
        let file = format!("{:04}_{}/up.sql", index + 1, step.attributes["migration.name"]);
        assert_eq!((&*statement.kind, &statement.name), ("client", &file));
        assert_eq!(statement.attributes["db.system.name"], "postgresql");
    }
}

#[tokio::test]
async fn a_run_with_nothing_to_do_is_one_span() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());

    migrate(&database, &receiver).await.exits(0);

    let spans = receiver.wait_for(|spans| root(spans).is_some()).await;
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(spans[0].attributes["migration.outcome"], "unchanged");
}

#[tokio::test]
async fn a_failed_migration_is_an_error_with_an_exception_on_its_span_and_the_root() {
    let (database, receiver) = (TestDatabase::empty().await, Receiver::start());
    database.execute("CREATE TABLE orders ()").await;

    migrate(&database, &receiver).await.exits(1);

    let spans = receiver.wait_for(|spans| root(spans).is_some()).await;
    let step = spans.iter().find(|span| {
        span.attributes
            .get("migration.name")
            .is_some_and(|name| name == "orders")
    });
    for span in [step.unwrap(), root(&spans).unwrap()] {
        assert!(span.status_error, "{span:?}");
        let exception = span
            .events
            .iter()
            .find(|event| event.name == "exception")
            .unwrap();
        assert!(
            exception.attributes["exception.message"].contains("already exists"),
            "{exception:?}"
        );
    }
}
