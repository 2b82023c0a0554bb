//! Tests of the log lines: fields, levels and quiet libraries.

use super::*;

#[test]
fn a_log_line_carries_the_ids_of_a_kept_span_only() {
    let collector = Receiver::start();
    let settings = sending_to(&collector.endpoint());

    let lines = run(Role::Member, &settings, |telemetry| {
        tracing::info!(rows = 3, "outside");
        let first = info_span!("start", dataset = "products");
        telemetry.adopt(&first);
        first.in_scope(|| tracing::info!("inside"));
    });

    let span = collector.span("start");
    assert_eq!(
        (&lines[0]["message"], &lines[0]["rows"]),
        (&"outside".into(), &3.into())
    );
    assert_eq!((lines[0].get("trace_id"), lines[0].get("span")), (None, None));
    assert_eq!(lines[1]["span_id"], span.span_id);
    assert_eq!(lines[1]["trace_id"], span.trace_id);
    assert_eq!(
        lines[1]["span"],
        serde_json::json!({"name": "start", "dataset": "products"})
    );
}

#[test]
fn the_level_filters_lines_but_not_spans_and_libraries_stay_quiet() {
    let collector = Receiver::start();
    let settings = Settings {
        log_level: "debug".into(),
        ..sending_to(&collector.endpoint())
    };
    let silent = Settings {
        log_level: "off".into(),
        ..settings.clone()
    };

    let lines = run(Role::Member, &settings, |_| {
        tracing::debug!("own");
        tracing::debug!(target: "hyper_util::client", "quiet");
        tracing::error!(target: "opentelemetry_sdk", "never");
        drop(tracing::error_span!(target: "reqwest::blocking", "request of the exporter"));
    });
    let none = run(Role::Member, &silent, |_| drop(info_span!("start")));

    let messages: Vec<&str> = lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages, ["own"]);
    assert!(none.is_empty());
    let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["start"]);
}

#[test]
fn no_level_shows_the_values_that_go_to_the_database() {
    let settings = Settings {
        log_level: "trace,tokio_postgres=trace".into(),
        ..sending_to("none")
    };

    let lines = run(Role::Member, &settings, |_| {
        tracing::debug!(target: "tokio_postgres::query", "executing statement with parameters: [secret]");
        tracing::info!(target: "tokio_postgres::connection", "NOTICE: shown");
    });

    let messages: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["NOTICE: shown"]);
}

#[test]
fn a_wrong_log_level_is_named() {
    for wrong in ["inof", "warning", "info,order_food", "order_food=loud"] {
        let failure = prepare(
            "shop-test",
            &Settings {
                log_level: wrong.into(),
                ..Settings::default()
            },
            io::sink,
        );
        let failure = failure.err().unwrap();
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(
            failure
                .line()
                .starts_with(&format!("LOG_LEVEL: `{wrong}` is not ")),
            "{}",
            failure.line()
        );
    }
    for right in ["", "INFO", "off", "info,order_food=debug", "warn, database=trace"] {
        prepare(
            "shop-test",
            &Settings {
                log_level: right.into(),
                ..Settings::default()
            },
            io::sink,
        )
        .unwrap();
    }
}
