//! One trace per pod start.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use test_support::otlp::{Receiver, Span};
use test_support::{Data, TestDatabase};

use crate::pod::{LOAD, MIGRATION, Pod};

const POD_UID: &str = "5d1c0b4e-7a52-4c1e-9a37-2f8b1f6f0e11";

/// What the collector has got once a span of this name is there.
pub(crate) async fn until(receiver: &Receiver, name: &str) -> Vec<Span> {
    receiver.wait_for(|spans| named(spans, name).is_some()).await
}

pub(crate) fn named<'a>(spans: &'a [Span], name: &str) -> Option<&'a Span> {
    spans.iter().find(|span| span.name == name)
}

/// The spans with which the three programs start, as the collector got them.
async fn start_of(pod: &Pod, receiver: &Receiver) -> Vec<Span> {
    let api = pod.bring_up().await;
    assert_eq!(api.stop().await.code, Some(0));
    receiver
        .wait_for(|spans| {
            ["migration.execute", "dataload.execute", "api.start"]
                .iter()
                .all(|name| named(spans, name).is_some())
        })
        .await
}

fn start_up(spans: &[Span]) -> [&Span; 3] {
    ["migration.execute", "dataload.execute", "api.start"].map(|name| named(spans, name).unwrap())
}

#[tokio::test]
async fn a_pods_start_is_one_trace_whose_id_is_the_pods_uid_and_whose_root_is_the_migration() {
    let (database, receiver) = (TestDatabase::empty().await, Receiver::start());
    let pod = Pod::on(&database)
        .with("JAEGER_ENDPOINT", receiver.endpoint())
        .with("POD_UID", POD_UID)
        .with("SERVICE_VERSION", "1.2.3")
        .with("ENVIRONMENT", "staging");

    let spans = start_of(&pod, &receiver).await;

    let [migration, load, api] = start_up(&spans);
    assert_eq!(migration.parent_span_id, "");
    for (span, service) in [(migration, MIGRATION), (load, LOAD), (api, "order-food")] {
        assert_eq!(span.trace_id, POD_UID.replace('-', ""), "{service}");
        assert_eq!(span.service_name, service);
        assert_eq!(span.resource["service.version"], "1.2.3", "{service}");
        assert_eq!(
            span.resource["deployment.environment.name"], "staging",
            "{service}"
        );
        assert!(!span.status_error, "{span:?}");
    }
    assert_eq!(
        (&load.parent_span_id, &api.parent_span_id),
        (&migration.span_id, &migration.span_id)
    );
    let below = |parent: &Span| {
        let mut names: Vec<&str> = spans
            .iter()
            .filter(|span| span.parent_span_id == parent.span_id && span.service_name == parent.service_name)
            .map(|span| span.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    assert_eq!(
        below(migration),
        [
            "migration.alterTables",
            "migration.createIndexes",
            "migration.createTables"
        ]
    );
    for operation in [
        "dataload.loadCoupons",
        "dataload.loadOrders",
        "dataload.loadProducts",
        "dataload.loadPromotions",
        "dataload.loadUsers",
    ] {
        assert!(below(load).contains(&operation), "{operation}: {:?}", below(load));
    }
    // The start's trace holds the start alone, and nothing of it hangs in the air.
    let start: Vec<&Span> = spans
        .iter()
        .filter(|span| span.trace_id == migration.trace_id)
        .collect();
    for span in &start {
        assert_ne!(span.kind, "server", "{span:?}");
        let has_parent = start.iter().any(|other| other.span_id == span.parent_span_id);
        assert!(has_parent || span.span_id == migration.span_id, "{span:?}");
    }
}

#[tokio::test]
async fn a_start_joins_the_trace_that_traceparent_names_even_if_there_is_a_pod_uid() {
    let (database, receiver) = (TestDatabase::empty().await, Receiver::start());
    let pod = Pod::on(&database)
        .with(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            format!("{}/v1/traces", receiver.endpoint()),
        )
        .with("JAEGER_ENDPOINT", "http://127.0.0.1:1")
        .with("POD_UID", POD_UID)
        .with(
            "TRACEPARENT",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );

    let spans = start_of(&pod, &receiver).await;

    for span in start_up(&spans) {
        assert_eq!(span.trace_id, "0af7651916cd43dd8448eb211c80319c", "{}", span.name);
        assert_eq!(span.parent_span_id, "b7ad6b7169203331", "{}", span.name);
    }
}

#[tokio::test]
async fn a_failed_start_is_an_error_with_an_exception_in_the_pods_trace() {
    let (database, data, receiver) = (TestDatabase::empty().await, Data::copy(), Receiver::start());
    let pod = Pod::on(&database)
        .data(data.folder())
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .with("POD_UID", POD_UID);
    pod.migrate().await;
    data.write("default/users.json", "[{\"id\": 1}]");

    let load = pod.run(LOAD, &[]).await;
    let api = pod
        .with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing")
        .with("WAIT_TIMEOUT", 0)
        .run("order-food", &[])
        .await;

    assert_eq!(
        (load.code, api.code),
        (Some(10), Some(3)),
        "{}{}",
        load.stderr,
        api.stderr
    );
    let spans = receiver
        .wait_for(|spans| named(spans, "api.start").is_some() && named(spans, "dataload.execute").is_some())
        .await;
    for name in ["dataload.loadUsers", "dataload.execute", "api.start"] {
        let span = named(&spans, name).unwrap();
        assert_eq!(span.trace_id, POD_UID.replace('-', ""), "{name}");
        assert!(span.status_error, "{name}");
        let exception = span.events.iter().find(|event| event.name == "exception");
        let exception = exception.unwrap_or_else(|| panic!("no exception: {span:?}"));
        assert!(exception.attributes.contains_key("exception.type"), "{name}");
        assert!(exception.attributes.contains_key("exception.message"), "{name}");
    }
    assert!(!named(&spans, "migration.execute").unwrap().status_error);
}

#[tokio::test]
async fn malformed_headers_are_one_warning_and_the_others_reach_the_collector() {
    let (database, receiver) = (TestDatabase::empty().await, Receiver::start());
    let list = "s3cret,authorization=Bearer%20abc, bad name=s3cret ,x-team=a%0As3cret,x-scope=50%,,x-last=1";
    let pod = Pod::on(&database)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .with("OTEL_EXPORTER_OTLP_HEADERS", list);

    let migration = pod.migrate().await;
    until(&receiver, "migration.execute").await;
    let of_migration = receiver.headers();
    let load = pod.load().await;
    let api = pod.serve().await;
    until(&receiver, "api.start").await;
    let of_api = receiver.headers();
    let api = api.stop().await;

    for sent in [of_migration, of_api] {
        let found = |name: &str| sent.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(found("authorization"), Some("Bearer abc"));
        assert_eq!((found("x-scope"), found("x-last")), (Some("50%"), Some("1")));
        assert_eq!(found("x-team"), None);
    }
    for output in [migration, load, api] {
        let said = "OTEL_EXPORTER_OTLP_HEADERS: entry 1 has no `=`; it is left out, \
                    entry 3 has a name that is no HTTP header name; it is left out, \
                    entry 4 has a control character in its value; it is left out, \
                    entry 5 is not percent-encoded; it is sent as it is written";
        assert_eq!(output.stderr.matches("OTEL_").count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    }
}

/// What a collector that is away may cost in all, and what slow test machines need.
const DELAY: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_secs(3);

async fn is_not_held_up(endpoint: &str) {
    let database = TestDatabase::empty().await;
    let pod = Pod::on(&database).with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let mut began = Instant::now();
    let mut lap = |what: &str| {
        let took = began.elapsed();
        assert!(took < DELAY + SLACK, "{endpoint}: {what} took {took:?}");
        began = Instant::now();
    };

    pod.migrate().await;
    lap("the migration");
    pod.load().await;
    lap("the load");
    let api = pod.serve().await;
    lap("the start");
    for _ in 0..5 {
        let placed = api.order(r#"{"items":[{"productId":"1","quantity":1}]}"#).await;
        assert_eq!(placed.status(), 200);
    }
    lap("the requests");
    let output = api.stop().await;
    lap("the end");

    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said = output.stderr.matches("spans are lost").count();
    assert!(said <= 1, "{}", output.stderr);
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    is_not_held_up("http://127.0.0.1:1").await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();

    is_not_held_up(&format!("http://{}", silent.local_addr().unwrap())).await;
}
