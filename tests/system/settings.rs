//! Wrong settings: exit code 2 and one line that names the setting and hides what is secret.

use std::net::TcpListener;

use test_support::{Data, Output};

use crate::pod::{ALL, API, LOAD, Pod};

fn pod() -> Pod {
    Pod::without_database()
}

/// The one line that the program said.
fn only_line(program: &str, output: &Output) -> String {
    assert_eq!(
        output.code,
        Some(2),
        "{program}: {}{}",
        output.stdout,
        output.stderr
    );
    assert_eq!(output.stderr.lines().count(), 1, "{program}: {}", output.stderr);
    assert_eq!(output.stdout, "", "{program}");
    assert!(!output.stderr.contains("hunter2"), "{program}: {}", output.stderr);
    output.stderr.clone()
}

async fn names(program: &str, pod: &Pod, setting: &str) {
    let line = only_line(program, &pod.run(program, &[]).await);
    assert!(line.contains(setting), "{program}: {setting}: {line}");
}

#[tokio::test]
async fn a_typo_in_the_settings_file_is_named() {
    let folder = Data::scratch();
    let typo = folder.write("typo.toml", "[database]\npasword = \"hunter2\"\n");
    for program in ALL {
        let output = pod().run(program, &["--config", &typo]).await;
        let line = only_line(program, &output);
        assert!(line.contains("pasword"), "{program}: {line}");
    }
}

#[tokio::test]
async fn a_settings_file_that_is_missing_or_no_toml_is_named() {
    let folder = Data::scratch();
    let broken = folder.write("broken.toml", "[database]\npassword = \"hunter2\n");
    for program in ALL {
        for file in [broken.as_str(), "/nowhere/settings.toml"] {
            let line = only_line(program, &pod().run(program, &["--config", file]).await);
            assert!(line.contains(file), "{program}: {line}");
        }
    }
}

#[tokio::test]
async fn a_database_url_that_cannot_be_parsed_is_named_and_not_shown() {
    for url in [
        "mysql://app:hunter2@db/food",
        "postgres://app:hunter2@db:port/food",
        "hunter2",
    ] {
        for program in ALL {
            names(program, &pod().with("DATABASE_URL", url), "DATABASE_URL").await;
        }
    }
}

#[tokio::test]
async fn no_database_at_all_and_half_of_one_is_said() {
    for program in ALL {
        let pod = pod().with("DATABASE_URL", "");
        names(program, &pod, "DATABASE_URL").await;
        let parts = pod.with("DB_HOST", "127.0.0.1").with("DB_PORT", "70000");
        names(program, &parts, "DB_PORT").await;
    }
}

#[tokio::test]
async fn a_wrong_value_for_what_all_programs_share_is_named() {
    for (setting, value) in [
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("JAEGER_ENDPOINT", "jaeger:hunter2"),
        ("DB_SSLMODE", "on"),
        ("PGSSLROOTCERT", "/nowhere/ca.pem"),
    ] {
        let pod = pod().with("DB_SSLMODE", "verify-full").with(setting, value);
        for program in ALL {
            names(program, &pod, setting).await;
        }
    }
}

#[tokio::test]
async fn what_opentelemetry_is_told_never_stops_a_program() {
    let database = test_support::TestDatabase::migrated().await;
    let pod = Pod::on(&database)
        .with("JAEGER_ENDPOINT", "http://127.0.0.1:1")
        .with("OTEL_TRACES_EXPORTER", "otlp,console")
        .with("OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote")
        .with("OTEL_TRACES_SAMPLER_ARG", "endpoint=http://jaeger:14250")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .with("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli")
        .with("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")
        .with("OTEL_RESOURCE_ATTRIBUTES", "team=a\nb")
        .with("OTEL_SERVICE_NAME", "shop\u{7}")
        .with("OTEL_SPAN_EVENT_COUNT_LIMIT", "many")
        .with("OTEL_EXPORTER_OTLP_TIMEOUT", "10000")
        .with("OTEL_PROPAGATORS", "b3")
        .with("OTEL_SDK_DISABLED", "no!");

    let api = pod.bring_up().await;

    let api = api.stop().await;
    assert_eq!(api.code, Some(0));
    for said in [
        "OTEL_EXPORTER_OTLP_COMPRESSION: neither gzip nor none; ignored",
        "OTEL_EXPORTER_OTLP_HEADERS: entry 1 has no `=`; it is left out",
        "OTEL_RESOURCE_ATTRIBUTES: the value (not shown) holds a line break; ignored",
        "OTEL_SERVICE_NAME: the value (not shown) holds a control character; ignored",
        "OTEL_SPAN_EVENT_COUNT_LIMIT: not a whole number; ignored",
    ] {
        assert_eq!(api.stderr.matches(said).count(), 1, "{said}: {}", api.stderr);
    }
    assert!(!api.stderr.contains("s3cret"), "{}", api.stderr);
    // Octets that are no text of any kind.
    let commands = "export OTEL_SERVICE_NAME=$'\\xff' OTEL_EXPORTER_OTLP_TRACES_HEADERS=$'a=\\xff,b=2'
        for program in database-migration database-load; do $program; done";
    let output = pod.shell(&std::env::temp_dir(), commands).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    for said in [
        "OTEL_SERVICE_NAME: the value (not shown) is not UTF-8; ignored",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS: entry 1 is not UTF-8; it is left out",
    ] {
        assert_eq!(
            output.stderr.matches(said).count(),
            2,
            "{said}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn credentials_for_any_origin_are_refused() {
    let pod = pod().with("CORS_ALLOW_CREDENTIALS", "true");

    names(API, &pod, "CORS_ALLOW_CREDENTIALS").await;
    names(
        API,
        &pod.with("CORS_ALLOWED_ORIGINS", "https://shop.example,*"),
        "CORS_ALLOW_CREDENTIALS",
    )
    .await;
}

#[tokio::test]
async fn production_has_no_default_hash_key() {
    for environment in ["production", "Production\n", "prod", "PROD"] {
        let pod = pod().with("ENVIRONMENT", environment);
        for program in [LOAD, API] {
            names(program, &pod, "API_KEY_HASH_KEY").await;
        }
    }
}

#[tokio::test]
async fn an_environment_that_begins_like_production_is_refused() {
    for environment in ["prod-eu", "Productions", "prod2"] {
        let pod = pod().with("ENVIRONMENT", environment);
        for program in ALL {
            names(
                program,
                &pod,
                &format!("ENVIRONMENT: `{environment}` begins with `prod`"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();

    let output = pod().with("PORT", port).run(API, &[]).await;

    assert_eq!(output.code, Some(6), "{}", output.stderr);
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    let message = format!("PORT: cannot listen on 127.0.0.1:{port}");
    output.assert_stderr(&message);
}

#[tokio::test]
async fn secrets_may_come_from_files() {
    let database = test_support::TestDatabase::empty().await;
    let folder = Data::scratch();
    let url = folder.write("url", &format!("{}\n", database.url()));

    let pod = pod().with("DATABASE_URL", "").with("DATABASE_URL_FILE", url);

    pod.migrate().await;
}
