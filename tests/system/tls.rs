//! All three programs over TLS, and with a password that changes.

use test_support::{Data, OwnCluster};

use crate::pod::{ALL, Pod};

const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1}]}"#;

/// The parts instead of the URL, the password from a file.
fn pod(cluster: &OwnCluster, folder: &Data) -> Pod {
    let file = folder.write("password", &format!("{}\n", cluster.password()));
    Pod::at("")
        .with("DB_HOST", "localhost")
        .with("DB_PORT", cluster.port())
        .with("DB_USER", "postgres")
        .with("DB_NAME", "postgres")
        .with("DB_PASSWORD_FILE", file)
}

#[tokio::test]
async fn a_pod_whose_database_has_to_prove_its_name_encrypts_every_connection() {
    let (cluster, folder) = (OwnCluster::with_tls(), Data::scratch());
    let pod = pod(&cluster, &folder)
        .with("DB_SSLMODE", "verify-full")
        .with("PGSSLROOTCERT", cluster.tls().ca.display());
    let api = pod.bring_up().await;

    let placed = api.order(ORDER).await;

    assert_eq!(placed.status(), 200, "{placed:?}");
    let mut settings = cluster.settings();
    settings.sslmode = Some("require".into());
    let database = database::Database::new(&settings, "test").unwrap();
    let client = database.connect().await.unwrap();
    let query = "SELECT bool_and(ssl), count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE application_name = 'order-food'";
    let row = client.query_one(query, &[]).await.unwrap();
    assert!(row.get::<_, bool>(0) && row.get::<_, i64>(1) >= 2);

    let distrustful = pod.with("PGSSLROOTCERT", cluster.tls().other_ca.display());
    for program in ALL {
        let output = distrustful.run(program, &[]).await;
        assert_eq!(output.code, Some(2), "{program}: {}", output.stderr);
        assert!(
            output.stderr.contains("certificate"),
            "{program}: {}",
            output.stderr
        );
    }
}
