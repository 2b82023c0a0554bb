//! Settings out of their range.

use futures_util::future::join_all;
use serde_json::Value;
use test_support::{Output, Process};

async fn run(command: &str, environment: &[(&str, &str)]) -> Output {
    let mut all = vec![("DATABASE_URL", "postgres://app:s3cret-word@127.0.0.1:1/food")];
    all.extend_from_slice(environment);
    Process::spawn(env!("CARGO_BIN_EXE_order-food"), [command], &all)
        .wait_output()
        .await
}

/// Exit code 2, and one line that names the setting.
fn assert_refused((name, value): (&str, &str), output: &Output) {
    assert_eq!(output.code, Some(2), "{name}={value}: {output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{name}={value}: {output:?}");
    assert!(lines[0].contains(name), "{name}={value}: {output:?}");
    assert!(!output.stderr.contains("s3cret-word"), "{output:?}");
}

#[tokio::test]
async fn a_setting_out_of_its_range_is_exit_2_and_one_line_that_names_it() {
    let refused = [
        ("PORT", "70000"),
        ("PORT", "http"),
        ("ENABLE_METRICS", "perhaps"),
        ("CORS_ALLOW_CREDENTIALS", "true"),
        ("API_KEY_HASH_KEY", "s3cret-word"),
        ("REPORT_TIMEZONE", "Mars/Olympus"),
        ("REPORT_TIMEZONE", "+02:00"),
        ("REPORT_LOCATION", "gs://bucket"),
        ("REPORT_LOCATION", "s3://"),
        ("ORDER_DEADLINE", "9223372036854775807"),
        ("ORDER_DEADLINE", "18446744073709551615"),
        ("DRAIN_WAIT", "3601"),
        ("DRAIN_WAIT", "5s"),
        ("SHUTDOWN_TIMEOUT", "3601"),
        ("RATE_LIMIT_PER_ADDRESS", "1.5"),
        ("TRUSTED_PROXIES", "localhost"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,*"),
        ("SNAPSHOT_STALE", "never"),
        ("SNAPSHOT_STALE", "Unready"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com"),
        ("CORS_ALLOWED_ORIGINS", "*,http://localhost:*"),
        ("CORS_ALLOWED_ORIGINS", "https://user@a"),
        ("CORS_ALLOWED_HEADERS", "X-Shop,X Shop"),
        ("CORS_ALLOWED_HEADERS", "X-Shop: 1"),
        ("TRACE_HEADERS", "x-tenant,x tenant"),
        ("TRACE_HEADERS", "api_key"),
        ("TRACE_HEADERS", "X-Tenant,X-API-Key"),
        ("TRACE_HEADERS", "authorization"),
        ("TRACE_HEADERS", "Cookie"),
        ("TRACE_HEADERS", "x-amz-security-token"),
        ("CORS_ALLOWED_ORIGINS", "foo"),
        ("CORS_ALLOWED_ORIGINS", "https://a/"),
        ("CORS_ALLOWED_ORIGINS", "https://"),
        ("CORS_ALLOWED_ORIGINS", "ftp://a"),
        ("CORS_ALLOWED_ORIGINS", "https://a?b"),
        ("CORS_ALLOWED_ORIGINS", "https://one.example,foo"),
        ("CELL", "1.5"),
        ("CELL", "berlin"),
        // Without CELL_SINCE.
        ("CELL", "0"),
        ("CELL_SINCE", "yesterday"),
        ("CELL_SINCE", "2026-01-31"),
        ("CELL_SINCE", "2026-02-30T12:00:00Z"),
        ("CELL_SINCE", "1769860800"),
    ];

    for some in refused.chunks(5) {
        let outputs = join_all(some.iter().map(async |setting| run("serve", &[*setting]).await)).await;
        for (setting, output) in some.iter().zip(outputs) {
            assert_refused(*setting, &output);
        }
    }
}

#[tokio::test]
async fn the_ends_of_ranges_that_no_chart_has_can_be_set() {
    let lowest = [
        ("SNAPSHOT_STALE", "ready"),
        ("CORS_ALLOWED_HEADERS", ""),
        ("TRACE_HEADERS", ""),
        ("DRAIN_WAIT", "0"),
        ("SHUTDOWN_TIMEOUT", "0"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CELL", "0"),
        ("CELL_SINCE", "1970-01-01T00:00:00Z"),
    ];
    let highest = [
        ("SNAPSHOT_STALE", "unready"),
        ("CORS_ALLOWED_HEADERS", "X-Shop,Authorization"),
        ("TRACE_HEADERS", "X-Tenant,referer"),
        ("DRAIN_WAIT", "3600"),
        ("SHUTDOWN_TIMEOUT", "3600"),
        (
            "CORS_ALLOWED_ORIGINS",
            "http://localhost:3000,https://One.example:443",
        ),
        ("CELL", "1023"),
        ("CELL_SINCE", "2026-01-31T12:00:00.5+05:30"),
    ];

    for ends in [lowest, highest] {
        // The probe reads the settings, and finds the port closed.
        let output = run("health", &[&ends[..], &[("PORT", "1")]].concat()).await;
        assert_eq!(output.code, Some(1), "{output:?}");
    }
}

/// The integers of `settings` in the chart's schema: variable, least and greatest value.
fn ranges_of_the_chart() -> Vec<(String, i64, i64)> {
    let schema = include_str!("../../../charts/order-food/values.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let settings = schema["properties"]["settings"]["properties"]
        .as_object()
        .unwrap();
    let variable = |name: &str| -> String {
        let parts = name.chars().map(|next| match next.is_uppercase() {
            true => format!("_{next}"),
            false => next.to_uppercase().to_string(),
        });
        parts.collect()
    };
    let integers = settings
        .iter()
        .filter(|(_, kind)| kind["type"].to_string().contains("integer"));
    let range = |kind: &Value, end: &str| kind[end].as_i64().unwrap_or_else(|| panic!("{kind}: no {end}"));
    integers
        .map(|(name, kind)| (variable(name), range(kind, "minimum"), range(kind, "maximum")))
        .collect()
}

#[tokio::test]
async fn the_chart_takes_what_the_program_takes_and_nothing_else() {
    let ranges = ranges_of_the_chart();

    assert!(ranges.len() >= 16, "{ranges:?}");
    for (name, least, greatest) in ranges {
        let values = [least - 1, least, greatest, greatest + 1].map(|value| value.to_string());
        let outputs = values.iter().map(async |value| {
            // A cell needs it.
            let since = ("CELL_SINCE", "2026-01-31T12:00:00Z");
            run("health", &[(name.as_str(), value), ("PORT", "1"), since]).await
        });
        let outputs = join_all(outputs).await;
        for (value, output) in values.iter().zip(&outputs) {
            // A probe whose settings are good finds no server at the port.
            match (least..=greatest).contains(&value.parse().unwrap()) {
                true => assert_eq!(output.code, Some(1), "{name}={value}: {output:?}"),
                false => assert_refused((&*name, &**value), output),
            }
        }
    }
}
