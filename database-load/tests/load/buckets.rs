//! `s3://` sources, in a bucket that the test plays.

use test_support::{Output, TestDatabase};

use crate::fixture::{Data, spawn};
use crate::server::{Fault, Server, Validator};
use crate::sources::products;

/// The environment of a bucket that the server plays.
fn s3(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", server.url("")),
        ("AWS_ACCESS_KEY_ID", "AKIATEST".into()),
        ("AWS_SECRET_ACCESS_KEY", "S3CRET".into()),
        ("AWS_REGION", "eu-central-1".into()),
        ("SOURCE_RETRIES", "0".into()),
    ]
}

async fn load_s3(database: &TestDatabase, data: &Data, server: &Server) -> Output {
    let environment = s3(server);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    spawn(database, data, &[], &environment).wait_output().await
}

#[tokio::test]
async fn objects_folders_and_patterns_of_a_bucket_are_sources() {
    let server = Server::start();
    let row = |id: u32| format!("id,name,price,category\n{id},Tea {id},1.00,Drinks\n");
    for (path, id) in [
        ("/shop/a.csv", 1),
        ("/shop/menu/b.csv", 2),
        ("/shop/menu/c 3.csv", 3),
        ("/shop/menu/old/d.csv", 4),
    ] {
        server.put(path, row(id), Validator::ETag);
    }
    server.put("/shop/menu/README.md", "not a table", Validator::ETag);
    server.put("/shop/menu/.hidden.csv", "not a table", Validator::ETag);
    for (source, ids) in [
        ("s3://shop/a.csv", "1"),
        ("s3://shop/menu/", "2,3"),
        ("s3://shop/menu/[bc]*.csv", "2,3"),
        ("s3://shop/*/b.csv", "2"),
        ("s3://shop/**/[a-d]*.csv", "1,2,3,4"),
    ] {
        let (database, data) = (TestDatabase::migrated().await, products(source));

        let first = load_s3(&database, &data, &server).await;
        let authorizations = server.authorizations();
        server.requests();
        let second = load_s3(&database, &data, &server).await;

        assert_eq!(first.code, Some(0), "{source}: {}", first.stderr);
        let loaded = database
            .value("SELECT string_agg(id::text, ',' ORDER BY id) FROM products")
            .await;
        assert_eq!(loaded, ids, "{source}");
        assert!(
            second.stderr.contains("outcome unchanged"),
            "{source}: {}",
            second.stderr
        );
        let fetched: Vec<String> = server
            .requests()
            .into_iter()
            .filter(|request| request.contains(".csv"))
            .collect();
        assert!(
            fetched.iter().all(|request| request.starts_with("HEAD")),
            "{source}: {fetched:?}"
        );
        let signed = "AWS4-HMAC-SHA256 Credential=AKIATEST/";
        assert!(
            authorizations.iter().all(|header| header.starts_with(signed)),
            "{authorizations:?}"
        );
        assert!(!authorizations.is_empty());
    }
}

#[tokio::test]
async fn what_a_bucket_refuses_is_said_without_what_was_sent() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    let data = products("s3://shop/menu/");
    let body = "<Error><Code>SignatureDoesNotMatch</Code><StringToSign>S3CRET</StringToSign></Error>";
    server.fail([Fault::Status(403, body)]);

    let refused = load_s3(&database, &data, &server).await;
    let empty = load_s3(&database, &data, &server).await;

    assert_eq!(refused.code, Some(6), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("403 Forbidden (SignatureDoesNotMatch)"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("S3CRET"), "{}", refused.stderr);
    assert_eq!(empty.code, Some(2), "{}", empty.stderr);
    assert!(empty.stderr.contains("stands for no object"), "{}", empty.stderr);
}
