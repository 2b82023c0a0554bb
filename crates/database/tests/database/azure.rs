//! Tests of logging in with a token of a managed identity.

use std::time::{Duration, Instant};

use database::{ConnectError, Database, Settings};
use test_support::identity::{self, AUDIENCE, Identities, Place};
use test_support::{Cluster, OwnCluster, eventually};

use crate::{as_admin, database, file, said, settings};

/// Settings for a role of its own whose password is `token`, by the identity server at `place`.
async fn login(role: &str, token: &str, identities: &Identities) -> Settings {
    set_password(role, token).await;
    let port = Cluster::shared().port();
    with(
        &format!("postgres://{role}@127.0.0.1:{port}/postgres"),
        identities,
    )
}

async fn set_password(role: &str, token: &str) {
    let make = format!(
        "DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER ROLE {role} PASSWORD '{token}'"
    );
    as_admin(&make).await;
}

/// The settings that the variables of the identity server give.
fn with(url: &str, identities: &Identities) -> Settings {
    settings(url, |settings| {
        settings.auth = Some("azure".into());
        for (variable, value) in identities.variables() {
            match variable {
                "AZURE_CLIENT_ID" => settings.azure_client_id = Some(value),
                "AZURE_TENANT_ID" => settings.azure_tenant_id = Some(value),
                "AZURE_AUTHORITY_HOST" => settings.azure_authority_host = Some(value),
                "AZURE_IMDS_ENDPOINT" => settings.azure_imds_endpoint = Some(value),
                "IDENTITY_ENDPOINT" => settings.azure_identity_endpoint = Some(value),
                "IDENTITY_HEADER" => settings.azure_identity_secret = Some(value.into()),
                other => panic!("{other}"),
            }
        }
    })
}

/// What a case changes.
type Change<'a> = dyn Fn(&Identities, &mut Settings) + 'a;

async fn failure(settings: &Settings) -> ConnectError {
    database(settings).connect().await.unwrap_err()
}

#[tokio::test]
async fn each_place_gives_a_token_that_logs_in_and_is_asked_once() {
    let assertion = file(&format!("{}\n", identity::ASSERTION));
    for (place, role) in [
        (Place::Machine, "by_machine"),
        (Place::Platform, "by_platform"),
        (Place::Workload, "by_workload"),
    ] {
        let identities = Identities::start(place);
        let mut settings = login(role, &identity::token(AUDIENCE, 1), &identities).await;
        if place == Place::Workload {
            settings.azure_federated_token_file = Some(assertion.path().into());
        }
        let database = database(&settings);

        let (first, second) = tokio::join!(database.connect(), database.connect());

        let query = "SELECT session_user::text";
        let user: String = first.unwrap().query_one(query, &[]).await.unwrap().get(0);
        assert_eq!(user, role);
        second.unwrap();
        assert_eq!(identities.asked(), 1, "{place:?}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let identities = Identities::start(Place::Machine);
    identities.give(&identity::token(AUDIENCE, 1), 4);
    let database = database(&login("renewed", &identity::token(AUDIENCE, 1), &identities).await);
    database.connect().await.unwrap();
    let received = Instant::now();

    let next = identity::token(AUDIENCE, 2);
    identities.give(&next, 3600);
    // The first one would still be taken by the identity server's clock.
    eventually("another token is asked for", async || {
        let _ = database.connect().await;
        identities.asked() == 2
    })
    .await;
    assert!(received.elapsed() < Duration::from_secs(4));
    set_password("renewed", &next).await;

    database.connect().await.unwrap();
    assert_eq!(identities.asked(), 2);
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_at_once() {
    let identities = Identities::start(Place::Platform);
    let database = database(&login("replaced", &identity::token(AUDIENCE, 1), &identities).await);
    database.connect().await.unwrap();
    let next = identity::token(AUDIENCE, 7);
    set_password("replaced", &next).await;

    let refused = database.connect().await.unwrap_err();
    identities.give(&next, 3600);
    database.connect().await.unwrap();

    assert!(matches!(refused, ConnectError::Refused { .. }), "{refused:?}");
    assert!(
        said(&refused).contains("pgaadauth_create_principal"),
        "{}",
        said(&refused)
    );
    assert_eq!(identities.asked(), 3, "refused: once more; then the next one");
}

#[tokio::test]
async fn the_token_in_use_outlives_a_failing_service() {
    let identities = Identities::start(Place::Platform);
    let token = identity::token(AUDIENCE, 1);
    identities.give(&token, 24);
    let database = database(&login("outlives", &token, &identities).await);
    database.connect().await.unwrap();
    for _ in 0..9 {
        identities.answer_once(503, "", "");
    }

    tokio::time::sleep(Duration::from_millis(12_200)).await;
    for _ in 0..3 {
        database.connect().await.unwrap();
    }

    assert_eq!(identities.asked(), 2, "no more than one request in 10 s");
}

#[tokio::test]
async fn a_service_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let identities = Identities::start(Place::Machine);
    identities.answer_once(
        429,
        "Retry-After: 2\r\n",
        r#"{"error":"too_many_requests","error_description":"slow down"}"#,
    );
    let database = database(&login("busy", &identity::token(AUDIENCE, 1), &identities).await);

    let started = Instant::now();
    let (first, again) = (
        database.connect().await.unwrap_err(),
        database.connect().await.unwrap_err(),
    );
    let waited = database.wait(Duration::from_secs(20)).await.unwrap();

    for error in [first, again] {
        assert!(error.is_unreachable(), "{error:?}");
        let text = said(&error);
        assert!(
            text.contains("answers 429 Too Many Requests: slow down (asks to wait 2 s)"),
            "{text}"
        );
    }
    assert!(started.elapsed() >= Duration::from_secs(2) && waited < Duration::from_secs(10));
    assert_eq!(identities.asked(), 2);
}

#[tokio::test]
async fn a_service_that_fails_is_waited_for() {
    let identities = Identities::start(Place::Machine);
    for status in [500, 503, 410, 404] {
        identities.answer_once(status, "", "<html>not JSON</html>");
    }
    identities.answer_once(200, "", r#"{"access_token":""}"#);
    let database = database(&login("waits", &identity::token(AUDIENCE, 1), &identities).await);

    database.wait(Duration::from_secs(20)).await.unwrap();

    assert_eq!(identities.asked(), 6);
}

#[tokio::test]
async fn what_waiting_cannot_help_is_one_clear_line() {
    let wrong = identity::token("https://management.azure.com", 1);
    let cases: [(Place, &Change, &str); 5] = [
        (
            Place::Machine,
            &|_, settings| settings.azure_client_id = Some("another".into()),
            "answers 400 Bad Request: Identity not found",
        ),
        (
            Place::Platform,
            &|_, settings| settings.azure_identity_secret = Some("hunter2".to_owned().into()),
            "answers 401 Unauthorized: Unauthorized",
        ),
        (
            Place::Workload,
            &|_, _| (),
            "answers 401 Unauthorized: AADSTS700211: No matching federated identity record found.",
        ),
        (
            Place::Machine,
            &|_, settings| settings.azure_audience = Some("https://other.example".into()),
            "AADSTS500011",
        ),
        (
            Place::Platform,
            &|identities, _| identities.give(&wrong, 3600),
            "it is for https://management.azure.com, not for https://ossrdbms-aad.database.windows.net (DB_AZURE_AUDIENCE)",
        ),
    ];
    let assertion = file("eyJhbGciOiJSUzI1NiJ9.hunter2.c2ln");
    for (place, change, expected) in cases {
        let identities = Identities::start(place);
        let mut settings = with("postgres://nobody@127.0.0.1:1/postgres", &identities);
        if place == Place::Workload {
            settings.azure_federated_token_file = Some(assertion.path().into());
        }
        change(&identities, &mut settings);

        let started = Instant::now();
        let error = database(&settings)
            .wait(Duration::from_secs(300))
            .await
            .unwrap_err();

        let text = said(&error);
        assert!(matches!(error, ConnectError::NoToken { .. }), "{error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(
            !text.contains('\n') && !text.contains("eyJ") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(!text.contains("Trace ID"), "{text}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn a_machine_without_identities_is_told_where_they_come_from() {
    let port = {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        socket.local_addr().unwrap().port()
    };
    let settings = settings("postgres://u@127.0.0.1:1/postgres", |settings| {
        settings.auth = Some("azure".into());
        settings.azure_imds_endpoint = Some(format!("http://127.0.0.1:{port}"));
    });

    let error = failure(&settings).await;

    assert!(error.is_unreachable(), "{error:?}");
    let text = said(&error);
    for part in [
        "no token",
        "IDENTITY_ENDPOINT",
        "AZURE_FEDERATED_TOKEN_FILE",
        "Connection refused",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_has_ended_already_is_not_used() {
    for place in [Place::Platform, Place::Machine] {
        let identities = Identities::start(place);
        identities.give(&identity::token(AUDIENCE, 1), -5);

        let text = said(&failure(&with("postgres://u@127.0.0.1:1/postgres", &identities)).await);

        assert!(
            text.contains("it has expired already; is the clock of this machine right?"),
            "{text}"
        );
    }
}

#[test]
fn settings_that_do_not_go_together_are_named() {
    let identities = Identities::start(Place::Machine);
    let refusal = |url: &str, change: &dyn Fn(&mut Settings)| {
        let mut settings = with(url, &identities);
        change(&mut settings);
        Database::new(&settings, "test").err().expect(url).to_string()
    };
    let (far, here) = ("postgres://u@db.example/d", "postgres://u@127.0.0.1/d");
    let nothing = &|_: &mut Settings| ();
    for (url, change, expected) in [
        (
            far,
            &|it: &mut Settings| it.auth = Some("entra".into()),
            "DB_AUTH: is neither password nor azure",
        ),
        (
            "postgres://u:secret@db.example/d",
            nothing,
            "DB_AUTH: azure logs in with a token, and a password is set",
        ),
        (
            far,
            &|it| it.password = Some("secret".to_owned().into()),
            "DB_AUTH: azure logs in with a token",
        ),
        (
            "postgres://u@db.example/d?sslmode=prefer",
            nothing,
            "DATABASE_URL: sslmode=prefer could send the token in plain text",
        ),
        (
            far,
            &|it| it.sslmode = Some("disable".into()),
            "DB_SSLMODE: sslmode=disable could send the token",
        ),
        (
            here,
            &|it| it.azure_federated_token_file = Some("/f".into()),
            "AZURE_TENANT_ID: is needed beside AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            here,
            &|it| it.azure_identity_endpoint = Some("http://127.0.0.1:1".into()),
            "IDENTITY_ENDPOINT: is set without IDENTITY_HEADER",
        ),
        (
            here,
            &|it| it.azure_imds_endpoint = Some("169.254.169.254".into()),
            "AZURE_IMDS_ENDPOINT: is not an address",
        ),
        (
            here,
            &|it| {
                it.azure_federated_token_file = Some("/f".into());
                it.azure_tenant_id = Some("t".into());
                it.azure_authority_host = Some("http://login.example".into());
            },
            "AZURE_AUTHORITY_HOST: does not begin with https://",
        ),
    ] as [(&str, &dyn Fn(&mut Settings), &str); 9]
    {
        let text = refusal(url, change);
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn another_machine_is_spoken_to_in_tls_only() {
    let identities = Identities::start(Place::Machine);
    let encrypted = OwnCluster::with_tls();
    let plain = OwnCluster::start();
    let make = |token: &str| format!("CREATE ROLE token LOGIN PASSWORD '{token}'");
    let token = identity::token(AUDIENCE, 1);
    let superuser = database(&encrypted.settings()).connect().await.unwrap();
    superuser.batch_execute(&make(&token)).await.unwrap();
    plain.client().await.batch_execute(&make(&token)).await.unwrap();
    // A name that leads here and does not look as if it did.
    let url = |port| format!("postgres://token@db.example:{port}/postgres?hostaddr=127.0.0.1");

    let client = database(&with(&url(encrypted.port()), &identities))
        .connect()
        .await
        .unwrap();
    let refused = failure(&with(&url(plain.port()), &identities)).await;

    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(client.query_one(query, &[]).await.unwrap().get::<_, bool>(0));
    assert!(
        said(&refused).contains("server does not support TLS"),
        "{}",
        said(&refused)
    );
}
