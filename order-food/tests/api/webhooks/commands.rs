//! `order-food webhooks`: what it changes, what it prints, and its exit codes.

use serde_json::{Value, json};
use test_support::{Process, TestDatabase};

use super::{PROGRAM, add, webhooks, webhooks_json};

const URL: &str = "http://127.0.0.1:9/hooks?team=1";

#[tokio::test]
async fn an_endpoint_is_added_listed_disabled_and_enabled_and_each_change_is_recorded() {
    let database = TestDatabase::migrated().await;

    let added = webhooks_json(&database, &["add", URL, "--events", "order.placed,order.placed"]).await;
    let id = added["id"].as_str().unwrap();
    let listed = webhooks_json(&database, &["list"]).await;
    let disabled = webhooks_json(&database, &["disable", id]).await;
    let again = webhooks_json(&database, &["disable", id]).await;
    let enabled = webhooks_json(&database, &["enable", id]).await;

    assert_eq!(
        (&added["url"], &added["events"]),
        (&json!(URL), &json!(["order.placed"]))
    );
    let secret = added["secret"].as_str().unwrap();
    assert!(standardwebhooks::Webhook::new(secret).is_ok() && secret.starts_with("whsec_"));
    assert_eq!(listed[0]["id"], id);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(listed[0].get("secret").is_none());
    for (answer, state) in [
        (&listed[0], "active"),
        (&disabled, "off (operator)"),
        (&again, "off (operator)"),
        (&enabled, "active"),
    ] {
        assert_eq!(answer["state"], state, "{answer}");
    }
    let actions = "SELECT action, via, outcome, before ->> 'disabled', after ->> 'disabled', target, key_id IS NULL, \
                   request_id <> '' FROM operator_actions ORDER BY id";
    let target = format!("endpoint {id}");
    let row = |action: &str, outcome: &str, before: &str, after: &str| -> Vec<String> {
        [action, "cli", outcome, before, after, &target, "t", "t"]
            .map(str::to_owned)
            .to_vec()
    };
    assert_eq!(
        database.rows(actions).await,
        [
            row("webhooks.add", "done", "∅", "∅"),
            row("webhooks.disable", "done", "∅", "operator"),
            row("webhooks.disable", "unchanged", "operator", "operator"),
            row("webhooks.enable", "done", "operator", "∅"),
        ]
    );
}

#[tokio::test]
async fn the_secret_is_printed_once_and_stands_nowhere_else_in_the_database() {
    let database = TestDatabase::migrated().await;

    let output = webhooks(&database, &["add", URL]).await;
    let text = output.stdout;
    let secret = text
        .split_whitespace()
        .find(|word| word.starts_with("whsec_"))
        .unwrap();
    let id = text.split_whitespace().nth(1).unwrap();
    let rotated = webhooks_json(&database, &["rotate", id, "--overlap", "2h"]).await;

    assert_ne!(rotated["secret"], secret);
    let stored = database
        .rows("SELECT encode(secret, 'base64'), expires_at - now() BETWEEN '119 min' AND '2 h' FROM webhook_secrets ORDER BY created_at")
        .await;
    let plain = |text: &str| text.trim_start_matches("whsec_").to_owned();
    assert_eq!(
        stored,
        [
            [plain(secret), "t".into()],
            [plain(rotated["secret"].as_str().unwrap()), "∅".into()]
        ]
    );
    for table in [
        "webhook_endpoints",
        "operator_actions",
        "job",
        "job_dead",
        "job_result",
    ] {
        let rows = database
            .value(&format!(
                "SELECT coalesce(string_agg(row::text, ''), '') FROM {table} AS row"
            ))
            .await;
        for known in [secret, rotated["secret"].as_str().unwrap()] {
            assert!(!rows.contains(&plain(known)), "{table}: {rows}");
        }
    }
    for arguments in [&["list"][..], &["disable", id], &["enable", id]] {
        let output = webhooks(&database, arguments).await;
        assert!(
            !(output.stdout + &output.stderr).contains("whsec_"),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn a_second_rotation_keeps_both_former_secrets_for_their_time_and_no_overlap_ends_them() {
    let database = TestDatabase::migrated().await;
    let endpoint = add(&database, URL).await;
    let live = "SELECT count(*) FROM webhook_secrets WHERE expires_at IS NULL OR expires_at > now()";

    webhooks_json(&database, &["rotate", &endpoint.id]).await;
    webhooks_json(&database, &["rotate", &endpoint.id]).await;
    assert_eq!(database.value(live).await, "3");

    database
        .execute("UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
        .await;
    webhooks_json(&database, &["rotate", &endpoint.id, "--overlap", "0"]).await;
    assert_eq!(database.value("SELECT count(*) FROM webhook_secrets").await, "1");
}

#[tokio::test]
async fn what_cannot_be_done_has_its_exit_code_one_line_and_no_effect() {
    let database = TestDatabase::migrated().await;
    let unknown = "01980000-0000-7000-8000-000000000000";

    for (arguments, named) in [
        (&["add", "ftp://shop.example/"][..], "URL"),
        (
            &["add", "https://user:pass@shop.example/"],
            "user name or password",
        ),
        (&["add", "http://8.8.8.8/"], "private addresses only"),
        (&["disable", unknown], unknown),
        (&["enable", unknown], unknown),
        (&["rotate", unknown], unknown),
        (&["test", unknown], unknown),
    ] {
        let output = webhooks(&database, arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
        assert!(output.stderr.contains(named), "{output:?}");
    }
    for arguments in [
        &["add", URL, "--events", "order.eaten"][..],
        &["rotate", "1"],
        &["rotate", unknown, "--overlap", "31d"],
        &["test", unknown, "--wait", "0"],
        &["forget"],
    ] {
        let output = webhooks(&database, arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
    }
    assert_eq!(database.value("SELECT count(*) FROM operator_actions").await, "0");
    assert_eq!(
        database.value("SELECT count(*) FROM webhook_endpoints").await,
        "0"
    );
}

#[tokio::test]
async fn private_addresses_are_refused_without_the_setting_and_the_setting_in_production() {
    let database = TestDatabase::migrated().await;
    let run = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let all = [&[("DATABASE_URL", database.url())], environment].concat();
        Process::spawn(PROGRAM, arguments, &all).wait_output().await
    };

    for url in [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
    ] {
        let output = run(&["webhooks", "add", url], &[]).await;
        assert_eq!(output.code, Some(2), "{url}: {output:?}");
    }
    let production = [
        ("ENVIRONMENT", "production"),
        ("API_KEY_HASH_KEY", "a-secret-of-production-that-is-long"),
        ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ];
    for arguments in [&["webhooks", "list"][..], &["serve"]] {
        let output = run(arguments, &production).await;
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("WEBHOOK_ALLOW_PRIVATE"), "{output:?}");
    }
}

#[tokio::test]
async fn a_database_away_is_exit_3_and_one_without_the_schema_exit_9() {
    let empty = TestDatabase::empty().await;

    let without_schema = webhooks(&empty, &["list"]).await;
    let away = [("DATABASE_URL", "postgres://app:s3cret-word@127.0.0.1:1/food")];
    let away = Process::spawn(PROGRAM, ["webhooks", "list"], &away)
        .wait_output()
        .await;

    assert_eq!(without_schema.code, Some(9), "{without_schema:?}");
    assert!(without_schema.stderr.contains("database-migration up"));
    assert_eq!(away.code, Some(3), "{away:?}");
    assert!(!away.stderr.contains("s3cret-word"), "{away:?}");
}

#[tokio::test]
async fn without_a_worker_a_test_says_so_and_leaves_no_job() {
    let database = TestDatabase::migrated().await;
    let endpoint = add(&database, URL).await;

    let output = webhooks(&database, &["test", &endpoint.id, "--wait", "1"]).await;

    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("no worker"), "{output:?}");
    assert_eq!(database.value("SELECT count(*) FROM job").await, "0");
}

#[tokio::test]
async fn the_list_is_readable_without_json() {
    let database = TestDatabase::migrated().await;
    let none = webhooks(&database, &["list"]).await;
    let endpoint = add(&database, URL).await;

    let one = webhooks(&database, &["list"]).await;

    assert!(none.stdout.contains("no endpoints"), "{none:?}");
    let lines: Vec<&str> = one.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{one:?}");
    for part in [&*endpoint.id, "active", "order.placed", URL] {
        assert!(lines[1].contains(part), "{part}: {one:?}");
    }
    let json: Value = webhooks_json(&database, &["list"]).await;
    assert_eq!(json[0]["failures"], 0);
}
