//! All programs with a token of a managed identity in place of a password.

use test_support::identity::{self, AUDIENCE, Identities, Place};
use test_support::{Data, OwnCluster, eventually};

use crate::pod::{ALL, API, LOAD, MIGRATION, Pod};

const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1}]}"#;

async fn set_token(cluster: &OwnCluster, token: &str) {
    let make = format!(
        "DO $$ BEGIN CREATE ROLE entra SUPERUSER LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER ROLE entra PASSWORD '{token}'"
    );
    cluster.client().await.batch_execute(&make).await.unwrap();
}

/// A URL without a password, and the identity.
fn pod(cluster: &OwnCluster, identities: &Identities) -> Pod {
    let url = format!("postgres://entra@127.0.0.1:{}/postgres", cluster.port());
    let pod = Pod::at(&url).with("DB_AUTH", "azure").with("LOG_LEVEL", "trace");
    identities
        .variables()
        .into_iter()
        .fold(pod, |pod, (name, value)| pod.with(name, value))
}

#[tokio::test]
async fn a_pod_and_a_worker_log_in_with_tokens_that_change_and_are_never_shown() {
    let (cluster, folder) = (OwnCluster::start(), Data::scratch());
    let identities = Identities::start(Place::Workload);
    let [first, second] = [1, 2].map(|number| identity::token(AUDIENCE, number));
    set_token(&cluster, &first).await;
    let assertion = folder.write("assertion", identity::ASSERTION);
    let pod = pod(&cluster, &identities).with("AZURE_FEDERATED_TOKEN_FILE", assertion);
    let mut said = vec![pod.migrate().await, pod.load().await];
    let mut worker = pod.start(API, &["worker"]);
    worker.wait_for_text(r#""message":"listening""#).await;
    let api = pod.serve().await;
    assert_eq!(api.order(ORDER).await.status(), 200);

    // Sessions stay; each new one needs the new token.
    identities.give(&second, 3600);
    set_token(&cluster, &second).await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entra'";
    cluster.client().await.execute(end, &[]).await.unwrap();

    eventually("orders are placed again", async || {
        api.order(ORDER).await.status() == 200
    })
    .await;
    let listens = "SELECT count(DISTINCT pid) > 2 FROM pg_stat_activity WHERE usename = 'entra'";
    let client = cluster.client().await;
    eventually("both are connected again", async || {
        client.query_one(listens, &[]).await.unwrap().get(0)
    })
    .await;
    worker.signal("TERM");
    said.extend([worker.wait_output().await, api.stop().await]);
    for output in said {
        let text = output.stdout + &output.stderr;
        assert!(text.contains("got a token for the database"), "{text}");
        for secret in [&first, &second, identity::ASSERTION] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn without_an_identity_each_program_ends_with_one_line_that_says_so() {
    let identities = Identities::start(Place::Machine);
    let cluster = OwnCluster::start();
    let pod = pod(&cluster, &identities)
        .with("AZURE_CLIENT_ID", "another")
        .with("LOG_LEVEL", "info");
    let worker = (API, &["worker"][..]);

    for (program, arguments) in ALL.map(|program| (program, &[][..])).into_iter().chain([worker]) {
        let output = pod.run(program, arguments).await;

        assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
        let last = output.stderr.lines().last().unwrap();
        assert!(
            last.contains("no token: the identity service http://127.0.0.1")
                && last.contains("answers 400 Bad Request: Identity not found"),
            "{program}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn a_password_file_completes_a_url_for_each_program() {
    let (cluster, folder) = (OwnCluster::start(), Data::scratch());
    let file = folder.write("password", &format!("{}\n", cluster.password()));
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", cluster.port());
    let pod = Pod::at(&url).with("DB_PASSWORD_FILE", file);

    for program in [MIGRATION, LOAD] {
        let output = pod.run(program, &[]).await;
        assert_eq!(output.code, Some(0), "{program}: {}", output.stderr);
    }
    let api = pod.serve().await;

    assert_eq!(api.order(ORDER).await.status(), 200);
}
