//! Each request is a trace of its own, or joins the trace of its caller.

use test_support::TestDatabase;
use test_support::http::Request;
use test_support::otlp::{Receiver, Span};

use crate::pod::{API, Pod, order_request};
use crate::traces::{named, until};

const POD_UID: &str = "5d1c0b4e-7a52-4c1e-9a37-2f8b1f6f0e12";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

async fn traced(database: &TestDatabase, receiver: &Receiver) -> Pod {
    let pod = Pod::on(database)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint())
        .with("TRACE_HEADERS", "X-Tenant,referer")
        .with("POD_UID", POD_UID);
    pod.load().await;
    pod
}

fn has_exception(span: &Span) -> bool {
    span.events.iter().any(|event| event.name == "exception")
}

fn servers(spans: &[Span]) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == "server").collect()
}

#[tokio::test]
async fn an_order_is_a_server_span_of_a_trace_of_its_own_with_the_databases_spans_below() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let api = traced(&database, &receiver).await.serve().await;
    let order = r#"{"items":[{"productId":"1","quantity":2}],"couponCode":"SAVE10"}"#;

    let placed = api
        .send(
            &order_request(order)
                .header("User-Agent", "test/1")
                .header("X-Tenant", "north")
                .header("x-tenant", "south")
                .header("X-Unlisted", "hidden"),
        )
        .await;
    let refused = api.order("{}").await;
    let read = api
        .get_own(&format!("/api/order/{}?api_key=secret", placed.member("id")))
        .await;

    assert_eq!(
        (placed.status(), refused.status(), read.status()),
        (200, 422, 200)
    );
    assert_eq!(api.stop().await.code, Some(0));
    let spans = until(&receiver, "GET /api/order/{orderId}").await;
    let span = named(&spans, "POST /api/order").unwrap();
    assert_eq!(
        (
            span.kind.as_str(),
            span.parent_span_id.as_str(),
            span.status_error
        ),
        ("server", "", false)
    );
    assert_ne!(span.trace_id, POD_UID.replace('-', ""));
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/order"),
        ("http.response.status_code", "200"),
        ("url.path", "/api/order"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test/1"),
        ("http.request.header.x-tenant", "north,south"),
    ] {
        assert_eq!(
            span.attributes.get(name).map(String::as_str),
            Some(value),
            "{name}: {span:?}"
        );
    }

    let headers = span
        .attributes
        .keys()
        .filter(|name| name.starts_with("http.request.header."));
    assert_eq!(headers.count(), 1, "{span:?}");

    let below: Vec<&Span> = spans
        .iter()
        .filter(|child| child.parent_span_id == span.span_id)
        .collect();
    let names: Vec<&str> = below.iter().map(|child| child.name.as_str()).collect();
    assert_eq!(names, ["INSERT orders"]);
    for child in below {
        assert_eq!((child.kind.as_str(), &child.trace_id), ("client", &span.trace_id));
        assert_eq!(child.attributes["db.system.name"], "postgresql");
        assert!(child.name.starts_with(&child.attributes["db.operation.name"]));
    }

    // A client's mistake is no failure of ours, and it asked the database nothing.
    let refused = spans
        .iter()
        .find(|span| {
            span.attributes
                .get("http.response.status_code")
                .is_some_and(|code| code == "422")
        })
        .unwrap();
    assert!(!refused.status_error && !has_exception(refused), "{refused:?}");
    assert!(!spans.iter().any(|span| span.parent_span_id == refused.span_id));

    let read = named(&spans, "GET /api/order/{orderId}").unwrap();
    assert_eq!(
        read.attributes["url.path"],
        format!("/api/order/{}", placed.member("id"))
    );
    let select = spans
        .iter()
        .find(|span| span.parent_span_id == read.span_id)
        .unwrap();
    assert_eq!(
        (select.name.as_str(), select.kind.as_str()),
        ("SELECT orders", "client")
    );
    let ids: std::collections::HashSet<&str> = servers(&spans)
        .iter()
        .map(|span| span.trace_id.as_str())
        .collect();
    assert_eq!(
        ids.len(),
        servers(&spans).len(),
        "each request has a trace of its own"
    );
    for span in &spans {
        for (name, value) in &span.attributes {
            assert!(
                !value.contains("apitest") && !value.contains("secret") && !value.contains("SAVE10"),
                "{name}: {value}"
            );
        }
    }
}

#[tokio::test]
async fn a_coupon_code_is_looked_up_in_the_table_by_the_statement_that_stores_its_order() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let pod = traced(&database, &receiver).await;
    let many = "INSERT INTO coupon_codes (version, code)
                SELECT version, 'MANY' || lpad(number::text, 6, '0')
                FROM dataset_versions, generate_series(1, 10001) AS number WHERE state = 'active'";
    database.execute(many).await;
    let api = pod.serve().await;

    let order = r#"{"items":[{"productId":"1","quantity":1}],"couponCode":"MANY000007"}"#;
    assert_eq!(api.order(order).await.status(), 200);

    api.stop().await;
    let spans = until(&receiver, "POST /api/order").await;
    let request = named(&spans, "POST /api/order").unwrap();
    let below = spans.iter().filter(|span| span.parent_span_id == request.span_id);
    let below: Vec<(&str, &str)> = below
        .map(|span| (span.name.as_str(), span.kind.as_str()))
        .collect();
    assert_eq!(below, [("INSERT orders", "client")]);
}

#[tokio::test]
async fn an_incoming_traceparent_is_followed_and_its_sampling_decision_too() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let api = traced(&database, &receiver).await.serve().await;
    let product = |id: &str, traceparent: &str| {
        Request::get(&format!("/api/product/{id}")).header("traceparent", traceparent)
    };

    api.send(&product("1", &format!("00-{TRACE}-{CALLER}-01"))).await;
    api.send(&product("2", &format!("00-{TRACE}-{CALLER}-00"))).await;
    api.send(&product("3", &format!("00-{TRACE}-{}-01", "0".repeat(16))))
        .await;
    api.stop().await;

    let path = |id: &str| format!("/api/product/{id}");
    let spans = receiver
        .wait_for(|spans| {
            servers(spans)
                .iter()
                .any(|span| span.attributes["url.path"] == path("3"))
        })
        .await;
    let of = |id: &str| {
        servers(&spans)
            .into_iter()
            .find(|span| span.attributes["url.path"] == path(id))
    };
    let followed = of("1").unwrap();
    assert_eq!(
        (followed.trace_id.as_str(), followed.parent_span_id.as_str()),
        (TRACE, CALLER)
    );
    assert!(of("2").is_none(), "{:?}", of("2"));
    let invalid = of("3").unwrap();
    assert_ne!(invalid.trace_id, TRACE);
    assert_eq!(invalid.parent_span_id, "");
}

#[tokio::test]
async fn a_request_that_the_server_fails_is_an_error_with_an_exception() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let pod = traced(&database, &receiver).await.with("ORDER_DEADLINE", 1);
    let api = pod.serve().await;
    database.execute("ALTER TABLE order_items RENAME TO gone").await;

    let answer = api.order(r#"{"items":[{"productId":"1","quantity":1}]}"#).await;
    api.stop().await;

    assert_eq!((answer.status(), &*answer.member("type")), (503, "unavailable"));
    let spans = until(&receiver, "POST /api/order").await;
    let request = named(&spans, "POST /api/order").unwrap();
    assert_eq!(request.attributes["error.type"], "503");
    for span in [request, named(&spans, "INSERT orders").unwrap()] {
        assert!(span.status_error && has_exception(span), "{span:?}");
    }
    let stored = "SELECT count(*) FROM orders WHERE total = 12.99";
    assert_eq!(database.value(stored).await, "0");
}

#[tokio::test]
async fn a_sampler_that_is_off_leaves_no_span_of_any_request() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let pod = traced(&database, &receiver).await;
    until(&receiver, "dataload.execute").await;
    let api = pod
        .clone()
        .with("OTEL_TRACES_SAMPLER", "always_off")
        .serve()
        .await;
    let order = r#"{"items":[{"productId":"1","quantity":1}]}"#;

    let placed = api
        .send(&order_request(order).header("traceparent", format!("00-{TRACE}-{CALLER}-01")))
        .await;
    // Every span is sent before the end.
    assert_eq!(api.stop().await.code, Some(0));
    let last = pod.serve().await;
    last.get("/api/product").await;
    last.stop().await;

    assert_eq!(placed.status(), 200);
    let spans = until(&receiver, "GET /api/product").await;
    assert!(named(&spans, "POST /api/order").is_none());
    let stored = |span: &Span| span.service_name == "order-food" && span.name.starts_with("INSERT");
    assert!(!spans.iter().any(stored));
    assert!(!spans.iter().any(|span| span.trace_id == TRACE));
}

#[tokio::test]
async fn the_job_of_an_order_is_linked_to_the_request_that_placed_it() {
    let (database, receiver) = (TestDatabase::migrated().await, Receiver::start());
    let pod = traced(&database, &receiver)
        .await
        .with("WEBHOOK_ALLOW_PRIVATE", "true");
    // Nobody answers there: an attempt is a span all the same.
    let added = pod
        .run(
            API,
            &[
                "webhooks",
                "add",
                "http://127.0.0.1:9/",
                "--events",
                "order.placed,order.status_changed",
            ],
        )
        .await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let (api, worker) = (pod.serve().await, pod.work().await);

    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let order = order_request(r#"{"items":[{"productId":"1","quantity":1}]}"#);
    let placed = api.send(&order.header("traceparent", &traceparent)).await;

    assert_eq!(placed.status(), 200);
    let is_delivery = |span: &&Span| {
        span.name == "job.execute"
            && span
                .attributes
                .get("job.kind")
                .is_some_and(|kind| kind == "order.webhook")
    };
    let spans = receiver
        .wait_for(|spans| spans.iter().any(|span| is_delivery(&span)))
        .await;
    let job = spans.iter().find(is_delivery).unwrap();
    let request = servers(&spans)
        .into_iter()
        .find(|span| span.trace_id == TRACE)
        .unwrap();
    assert_eq!(job.links, [(TRACE.to_owned(), request.span_id.clone())]);
    assert_eq!(job.service_name, "order-food-workers");
    for (name, value) in [
        ("job.queue", "notification"),
        ("job.priority", "critical"),
        ("job.attempt", "1"),
    ] {
        assert_eq!(job.attributes[name], value, "{name}");
    }
    assert!(job.status_error && has_exception(job), "{job:?}");

    // A request that is not sampled leaves no context.
    let unsampled = order_request(r#"{"items":[{"productId":"1","quantity":1}]}"#);
    let placed = api
        .send(&unsampled.header("traceparent", format!("00-{TRACE}-{CALLER}-00")))
        .await;
    assert_eq!(placed.status(), 200);
    let contexts = "SELECT count(trace_ctx) || ' of ' || count(*) FROM job WHERE kind = 'order.webhook'";
    assert_eq!(database.value(contexts).await, "1 of 2");

    // A change of the order is a request of its own.
    let id = placed.json()["id"].as_str().unwrap().to_owned();
    let cancel = Request::post(&format!("/api/order/{id}/cancel"), "{}").header("api_key", "apitest");
    let cancelled = api.send(&cancel.header("traceparent", &traceparent)).await;
    assert_eq!(cancelled.status(), 200);
    let context = "SELECT trace_ctx FROM job WHERE payload ->> 'event' = 'order.status_changed'";
    let context = database.value(context).await;
    assert!(context.starts_with(&format!("00-{TRACE}-")), "{context}");
    worker.stop().await;
}
