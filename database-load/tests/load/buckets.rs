//! `s3://` sources, in a bucket that the test plays.

use test_support::{Output, TestDatabase};

use crate::fixture::{Data, run_with};
use crate::server::{Fault, Server, Validator};
use crate::sources::{PRODUCTS, products};

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
    run_with(database, data, &[], &environment).await
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

    let refused = load_s3(&database, &data, &server).await.exits(6);
    let empty = load_s3(&database, &data, &server).await.exits(2);

    refused.assert_stderr("403 Forbidden (SignatureDoesNotMatch)");
    assert!(!refused.stderr.contains("S3CRET"), "{}", refused.stderr);
    empty.assert_stderr("stands for no object");
}

/// Loads from the bucket with these variables in place of the usual ones.
async fn load_with(server: &Server, changed: &[(&str, String)]) -> Output {
    let (database, data) = (TestDatabase::migrated().await, products("s3://shop/a.csv"));
    let mut environment = s3(server);
    environment.retain(|(name, _)| changed.iter().all(|(other, _)| name != other));
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(changed.iter().map(|(name, value)| (*name, value.as_str())))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    run_with(&database, &data, &[], &environment).await
}

#[tokio::test]
async fn what_surrounds_a_value_is_cut_and_what_no_header_can_carry_is_refused_by_name() {
    let server = Server::start();
    server.put("/shop/a.csv", PRODUCTS, Validator::ETag);
    let value = |name: &str| {
        let environment = s3(&server);
        let value = environment.into_iter().find(|(other, _)| *other == name);
        value.map_or("TOKEN".into(), |(_, value)| value)
    };
    // What goes before a variable is taken away.
    let set = |name: &'static str, value: String| match name {
        "AWS_DEFAULT_REGION" => vec![(name, value), ("AWS_REGION", String::new())],
        _ => vec![(name, value)],
    };
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
    ] {
        let usual = match name {
            "AWS_ENDPOINT_URL_S3" => value("AWS_ENDPOINT_URL"),
            _ => value(name),
        };
        for around in [
            format!("{usual}\n"),
            format!(" {usual}"),
            format!("\u{feff}{usual}\r\n\n"),
        ] {
            let output = load_with(&server, &set(name, around)).await;
            assert_eq!(output.code, Some(0), "{name}: {}", output.stderr);
        }
        for inside in [
            format!("{usual}\nx"),
            format!("{usual} x"),
            format!("{usual}é"),
            format!("{usual}\u{7f}x"),
        ] {
            let output = load_with(&server, &set(name, inside)).await;
            assert_eq!(output.code, Some(2), "{name}: {}", output.stderr);
            let general = name
                .replace("_DEFAULT_REGION", "_REGION")
                .replace("_URL_S3", "_URL");
            let last = output.stderr.lines().last().unwrap();
            assert!(last.contains(name) || last.contains(&general), "{name}: {last}");
            assert!(!output.stderr.contains("panicked"), "{name}: {}", output.stderr);
        }
    }
    for (name, value) in [
        ("AWS_REGION", "\"eu-central-1\""),
        ("AWS_REGION", "eu/central"),
        ("AWS_ENDPOINT_URL", "\"http://localhost:1\""),
        ("AWS_ENDPOINT_URL", "localhost:9000"),
        ("AWS_ENDPOINT_URL", "http://localhost:1/?x=1"),
    ] {
        let output = load_with(&server, &[(name, value.into())]).await;
        assert_eq!(output.code, Some(2), "{name}: {}", output.stderr);
        assert!(
            output.stderr.lines().last().unwrap().contains(name),
            "{}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn tokens_in_files_are_cut_or_refused_by_the_name_of_the_variable() {
    let server = Server::start();
    server.put("/shop/a.csv", PRODUCTS, Validator::ETag);
    let expiration = "2999-01-01T00:00:00Z";
    let credentials = format!(
        "{{\"AccessKeyId\": \"AKIAPOD\", \"SecretAccessKey\": \"S\", \"Token\": \"T\", \"Expiration\": \"{expiration}\"}}"
    );
    server.put("/credentials", credentials, Validator::ETag);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token").display().to_string();
    let pod = [
        ("AWS_ACCESS_KEY_ID", String::new()),
        ("AWS_SECRET_ACCESS_KEY", String::new()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.url("/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path.clone()),
    ];
    for token in ["T0KEN", "T0KEN\n", "\u{feff}T0KEN\r\n\n"] {
        std::fs::write(&path, token).unwrap();
        let output = load_with(&server, &pod).await;
        assert_eq!(output.code, Some(0), "{token:?}: {}", output.stderr);
        assert!(server.authorizations().contains(&"T0KEN".to_owned()), "{token:?}");
    }
    let identity = [
        ("AWS_ACCESS_KEY_ID", String::new()),
        ("AWS_SECRET_ACCESS_KEY", String::new()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x".into()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", path.clone()),
    ];
    for token in [Some("S3\nCRET"), Some("S3\u{e9}CRET"), None] {
        match token {
            Some(token) => std::fs::write(&path, token).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for (environment, name) in [
            (&pod, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
            (&identity, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ] {
            let output = load_with(&server, environment).await;
            assert_eq!(output.code, Some(2), "{token:?}: {}", output.stderr);
            let last = output.stderr.lines().last().unwrap();
            assert!(
                last.contains(name) && last.contains(&path) && !last.contains("CRET"),
                "{last}"
            );
        }
    }
}

#[tokio::test]
async fn an_object_that_is_always_cut_off_says_how_much_of_it_came() {
    let (database, server, data) = (
        TestDatabase::migrated().await,
        Server::start(),
        products("s3://shop/a.csv"),
    );
    let says = format!("cut off after {} of {} bytes", PRODUCTS.len() / 2, PRODUCTS.len());
    for validator in [Validator::ETag, Validator::SecondsOld(60)] {
        server.put("/shop/a.csv", PRODUCTS, validator);
        server.fail(vec![Fault::CutOff; 9]);

        let output = load_s3(&database, &data, &server).await.exits(6);

        assert!(
            output.stderr.contains(&says),
            "{validator:?}: {says}: {}",
            output.stderr
        );
        assert!(!output.stderr.contains("not supported"), "{}", output.stderr);
        server.recover();
    }
}
