//! A password that is rotated while the API serves.

use test_support::{Data, OwnCluster, eventually};

use crate::pod::Pod;

const ORDER: &str = r#"{"items":[{"productId":"9","quantity":1}]}"#;

#[tokio::test]
async fn a_password_that_is_rotated_needs_no_restart() {
    let (cluster, folder) = (OwnCluster::start(), Data::scratch());
    let file = folder.write("password", cluster.password());
    let pod = Pod::at("")
        .with("DB_HOST", "127.0.0.1")
        .with("DB_PORT", cluster.port())
        .with("DB_USER", "postgres")
        .with("DB_NAME", "postgres")
        .with("DB_PASSWORD_FILE", file);
    let api = pod.bring_up().await;
    assert_eq!(api.order(ORDER).await.status(), 200);

    folder.write("password", "rotated\n");
    cluster
        .client()
        .await
        .batch_execute(
            "ALTER ROLE postgres PASSWORD 'rotated';
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'order-food'",
        )
        .await
        .unwrap();

    eventually("orders are taken again", async || {
        api.order(ORDER).await.status() == 200
    })
    .await;
    assert_eq!(api.get("/ready").await.status(), 200);
}
