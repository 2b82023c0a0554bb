//! Tests of spans, of their export and of the time that it may take.

mod headers;
mod lines;
mod standard;

use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};
use std::time::{Duration, Instant};

use opentelemetry_sdk::trace::SpanExporter;
use test_support::otlp::Receiver;
use test_support::webhooks;
use tracing::{dispatcher, info_span};

use super::*;

const UID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Log lines, kept.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn json(&self) -> Vec<serde_json::Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn sending_to(endpoint: &str) -> Settings {
    Settings {
        otlp_endpoint: endpoint.into(),
        log_format: LogFormat::Json,
        ..Settings::default()
    }
}

/// Runs `work` under telemetry of its own, as a process would, and returns what was logged.
fn run(role: Role, settings: &Settings, work: impl FnOnce(&Telemetry)) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let sink = lines.clone();
    let prepared = prepare("shop-test", settings, move || sink.clone()).unwrap();
    dispatcher::with_default(&prepared.dispatch.clone(), || {
        let provider = prepared.provider.clone();
        work(&prepared.telemetry(role, settings));
        if let Some(provider) = provider {
            let _ = provider.shutdown_with_timeout(export::SHUTDOWN_TIMEOUT);
        }
    });
    lines.json()
}

fn first_and_child(telemetry: &Telemetry, first: tracing::Span) {
    telemetry.adopt(&first);
    first.in_scope(|| info_span!("child").in_scope(|| assert!(recording())));
}

#[test]
fn the_root_of_a_pod_has_its_uid_as_trace_and_the_members_stand_below_it() {
    let collector = Receiver::start();
    let settings = Settings {
        pod_uid: UID.into(),
        ..sending_to(&collector.endpoint())
    };

    run(Role::Root, &settings, |telemetry| {
        first_and_child(telemetry, info_span!("migration.execute"));
        let second = info_span!("second");
        telemetry.adopt(&second);
    });
    run(Role::Member, &settings, |telemetry| {
        telemetry.adopt(&info_span!("dataload.execute"))
    });

    let (root, child) = (collector.span("migration.execute"), collector.span("child"));
    assert_eq!(root.trace_id, UID.replace('-', ""));
    assert!(root.parent_span_id.is_empty());
    assert_eq!(child.parent_span_id, root.span_id);
    assert_ne!(child.span_id, root.span_id);
    for member in [collector.span("second"), collector.span("dataload.execute")] {
        assert_eq!(
            (&member.trace_id, &member.parent_span_id),
            (&root.trace_id, &root.span_id)
        );
        assert_ne!(member.span_id, root.span_id);
    }
}

#[test]
fn a_given_traceparent_goes_before_the_uid_for_every_role() {
    let collector = Receiver::start();
    let settings = Settings {
        pod_uid: UID.into(),
        traceparent: CALLER.into(),
        ..sending_to(&collector.endpoint())
    };

    run(Role::Root, &settings, |telemetry| {
        telemetry.adopt(&info_span!("migration.execute"))
    });
    run(Role::Member, &settings, |telemetry| {
        telemetry.adopt(&info_span!("dataload.execute"))
    });

    for span in [
        collector.span("migration.execute"),
        collector.span("dataload.execute"),
    ] {
        assert_eq!(span.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(span.parent_span_id, "b7ad6b7169203331");
    }
}

#[test]
fn without_a_usable_uid_or_traceparent_the_trace_is_fresh_and_the_log_says_so() {
    let collector = Receiver::start();
    let settings = Settings {
        pod_uid: "00000000-0000-0000-0000-000000000000".into(),
        traceparent: "garbage".into(),
        ..sending_to(&collector.endpoint())
    };

    let lines = run(Role::Member, &settings, |telemetry| {
        first_and_child(telemetry, info_span!("start"))
    });

    let (start, child) = (collector.span("start"), collector.span("child"));
    assert!(start.parent_span_id.is_empty());
    assert_eq!(
        (child.trace_id, child.parent_span_id),
        (start.trace_id, start.span_id)
    );
    let warned = |name: &str| {
        lines
            .iter()
            .any(|line| line["level"] == "WARN" && line["message"].as_str().unwrap().starts_with(name))
    };
    assert!(warned("POD_UID") && warned("TRACEPARENT"));
}

#[test]
fn the_start_is_kept_in_production_unless_a_sampler_says_otherwise() {
    let collector = Receiver::start();
    let production = Settings {
        environment: Environment::parse("production").unwrap(),
        pod_uid: UID.into(),
        ..sending_to(&collector.endpoint())
    };
    let off = Settings {
        sampler: "always_off".into(),
        ..production.clone()
    };

    run(Role::Root, &production, |telemetry| {
        telemetry.adopt(&info_span!("kept"))
    });
    for role in [Role::Root, Role::Member] {
        run(role, &off, |telemetry| {
            let first = info_span!("dropped");
            telemetry.adopt(&first);
            first.in_scope(|| info_span!("dropped below").in_scope(|| assert!(!recording())));
        });
    }

    let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["kept"]);
}

#[test]
fn a_failed_span_has_status_error_and_an_exception_event() {
    let collector = Receiver::start();
    let settings = sending_to(&collector.endpoint());

    run(Role::Member, &settings, |_| {
        let span = info_span!("dataload.loadProducts", rows = 3, dataset = "products");
        let failure = Failure::new(ExitCode::InvalidData, "load products")
            .context_from(anyhow::anyhow!("line 3: no price"));
        fail(&span, &failure);
        fail(&info_span!("number"), &"x".parse::<u8>().unwrap_err());
    });

    let span = collector.span("dataload.loadProducts");
    assert_eq!(
        (span.status_error, span.status_message.as_str()),
        (true, "load products: line 3: no price")
    );
    assert_eq!(
        (&*span.attributes["rows"], &*span.attributes["dataset"]),
        ("3", "products")
    );
    let [event] = span.events.as_slice() else {
        panic!("{} events", span.events.len())
    };
    assert_eq!(event.name, "exception");
    assert_eq!(event.attributes["exception.type"], "InvalidData");
    assert_eq!(
        event.attributes["exception.message"],
        "load products: line 3: no price"
    );
    let number = collector.span("number");
    assert_eq!(number.events[0].attributes["exception.type"], "ParseIntError");
}

#[test]
fn a_request_that_was_decided_for_is_kept_whatever_its_caller_flagged() {
    let collector = Receiver::start();
    let settings = Settings {
        sampler: "always_on".into(),
        ..sending_to(&collector.endpoint())
    };

    run(Role::Member, &settings, |telemetry| {
        let caller = RequestSampler::parse(&CALLER.replace("-01", "-00")).unwrap();
        assert!(telemetry.request_sampler().decide(Some(&caller)));
        let span = info_span!("request", otel.name = "GET /api/product", otel.kind = "server");
        span.set_parent(Context::new().with_remote_span_context(caller))
            .unwrap();
    });

    let span = collector.span("GET /api/product");
    assert_eq!(span.parent_span_id, "b7ad6b7169203331");
    assert_eq!(span.kind, "server");
}

#[test]
fn with_tracing_off_nothing_is_recorded_and_the_log_goes_on() {
    let lines = run(Role::Root, &sending_to("none"), |telemetry| {
        let first = info_span!("start");
        telemetry.adopt(&first);
        first.in_scope(|| {
            assert!(!recording());
            tracing::info!("inside");
        });
        assert!(!telemetry.request_sampler().decide(None));
    });

    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].get("trace_id"), None);
}

/// Exports nothing, which still is a request.
fn export(exporter: &impl SpanExporter) {
    let mut export = pin!(exporter.export(Vec::new()));
    assert!(
        export
            .as_mut()
            .poll(&mut task::Context::from_waker(Waker::noop()))
            .is_ready()
    );
}

#[test]
fn a_broken_collector_is_said_once_and_again_only_after_it_recovered() {
    let collector = Receiver::start();
    let exporter = export::exporter(
        &format!("{}/v1/traces", collector.endpoint()).parse().unwrap(),
        export::Request::default(),
    )
    .unwrap();

    let lines = run(Role::Member, &sending_to("none"), |_| {
        for broken in [false, true, true, true, false, false, true, true] {
            collector.set_unavailable(broken);
            export(&exporter);
        }
    });

    let levels: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["WARN", "INFO", "WARN"]);
}

/// How long the start and the end of a process take that leaves many spans to this collector.
fn delay(endpoint: &str) -> Duration {
    let begin = Instant::now();
    run(Role::Root, &sending_to(endpoint), |_| {
        for _ in 0..10_000 {
            drop(info_span!("span"));
        }
    });
    begin.elapsed()
}

#[test]
fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());

    let elapsed = delay(&endpoint);

    // 2 s are promised; the rest is for a busy machine.
    assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
}

#[test]
fn a_collector_that_is_not_there_does_not_hold_up_the_end() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let elapsed = delay(&format!("http://{closed}"));

    assert!(elapsed < Duration::from_secs(4), "{elapsed:?}");
}

#[test]
fn https_endpoints_are_accepted() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let lines = run(
        Role::Root,
        &sending_to(&format!("https://{closed}")),
        |telemetry| {
            assert!(telemetry.request_sampler().decide(None));
        },
    );

    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_certificate_that_is_refused_names_the_variable_of_the_authorities() {
    let collector = webhooks::Receiver::start_tls();
    let exporter = export::exporter(&collector.url.parse().unwrap(), export::Request::default()).unwrap();

    let lines = run(Role::Member, &sending_to("none"), |_| export(&exporter));

    let said = lines[0]["error"].as_str().unwrap();
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
}
