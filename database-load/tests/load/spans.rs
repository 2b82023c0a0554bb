//! Spans of a load: one for the run, one for each operation, client spans for the database.

use test_support::otlp::{Receiver, Span};
use test_support::{Output, TestDatabase};

use crate::fixture::{Data, spawn};

const UID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const OPERATIONS: [(&str, &str, &str); 5] = [
    ("dataload.loadProducts", "products", "10"),
    ("dataload.loadUsers", "users", "2"),
    ("dataload.loadOrders", "orders", "3"),
    ("dataload.loadPromotions", "promotions", "11"),
    ("dataload.loadCoupons", "coupon_codes", "4"),
];

/// A load of the real binary, and the spans that it sent.
async fn traced(database: &TestDatabase, data: &Data, environment: &[(&str, &str)]) -> (Output, Vec<Span>) {
    let receiver = Receiver::start();
    let endpoint = receiver.endpoint();
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let process = spawn(database, data, &[], &[&own, environment].concat());
    let output = process.wait_output().await;
    let spans = receiver.wait_for(|spans| spans.iter().any(|span| span.name == "dataload.execute"));
    (output, spans.await)
}

fn span<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    spans
        .iter()
        .find(|span| span.name == name)
        .unwrap_or_else(|| panic!("no span {name}"))
}

#[tokio::test]
async fn a_load_is_one_span_with_one_below_for_each_operation() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let (output, spans) = traced(&database, &data, &[("POD_UID", UID)]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let root = span(&spans, "dataload.execute");
    assert_eq!(root.trace_id, UID.replace('-', ""));
    assert_eq!(root.service_name, "database-load");
    for (name, dataset, rows) in OPERATIONS {
        let span = span(&spans, name);
        assert_eq!(
            (&span.parent_span_id, &span.trace_id),
            (&root.span_id, &root.trace_id),
            "{name}"
        );
        assert_eq!(span.attributes["dataset"], dataset);
        assert_eq!(span.attributes["rows"], rows, "{name}");
        assert_eq!(span.attributes["version"], "1", "{name}");
        assert!(!span.status_error);
    }
}

#[tokio::test]
async fn a_failed_operation_has_status_error_and_an_exception() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit("default/products.csv", "9.99", "9.999");

    let (output, spans) = traced(&database, &data, &[]).await;

    assert_eq!(output.code, Some(10), "{}", output.stderr);
    for name in ["dataload.loadProducts", "dataload.execute"] {
        let span = span(&spans, name);
        assert!(span.status_error, "{name}");
        assert!(
            span.events.iter().any(|event| event.name == "exception"),
            "{name}"
        );
    }
    assert!(!span(&spans, "dataload.loadUsers").status_error);
}

#[tokio::test]
async fn the_load_names_its_run_and_the_database_has_client_spans() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());

    let (output, spans) = traced(&database, &data, &[]).await;

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let root = span(&spans, "dataload.execute");
    assert_eq!(
        root.attributes["run_id"],
        database
            .value("SELECT id FROM bootstrap_runs WHERE task = 'database-load'")
            .await
    );
    assert_eq!(root.attributes["outcome"], "changed");
    for (name, parent, operation) in [
        ("COPY coupon_codes", "dataload.loadCoupons", "COPY"),
        ("INSERT dataset_rows", "dataload.loadUsers", "INSERT"),
        ("BATCH products", "dataload.publish", "BATCH"),
        ("COMMIT", "dataload.publish", "COMMIT"),
    ] {
        let parent = &span(&spans, parent).span_id;
        let found = spans
            .iter()
            .find(|span| span.name == name && &span.parent_span_id == parent)
            .unwrap_or_else(|| panic!("no span {name}"));
        assert_eq!(found.kind, "client");
        assert_eq!(found.attributes["db.system.name"], "postgresql");
        assert_eq!(found.attributes["db.operation.name"], operation);
        assert_eq!(
            found.attributes.get("db.collection.name").map(String::as_str),
            name.split_once(' ').map(|(_, table)| table)
        );
    }
}
