//! How sources come: over TLS, through proxies, whole, and packed.

use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, refused, run_with};
use crate::packing::{gzip, zstd};
use crate::server::{Fault, Server, Validator};
use crate::sources::{DEARER, PRICE, PRODUCTS, load, products, settings};

#[tokio::test]
async fn tls_is_required_elsewhere_and_its_certificates_are_checked() {
    let (database, server, plain) = (
        TestDatabase::migrated().await,
        Server::start_tls(),
        Server::start(),
    );
    server.put("/menu.csv", PRODUCTS, Validator::ETag);
    plain.put("/menu.csv", DEARER, Validator::ETag);
    let data = products(&server.url("/menu.csv"));
    let authority = [
        ("SSL_CERT_FILE", server.authority.to_str().unwrap()),
        ("SOURCE_RETRIES", "0"),
    ];

    let unknown = run_with(&database, &data, &[], &[("SOURCE_RETRIES", "0")])
        .await
        .exits(6);
    server.fail([Fault::Redirect("http://192.0.2.1/menu.csv".into())]);
    let redirected = run_with(&database, &data, &[], &authority).await.exits(6);
    let elsewhere = products("http://192.0.2.1/menu.csv");
    let elsewhere = run_with(&database, &elsewhere, &[], &authority).await.exits(2);
    run_with(&database, &data, &[], &authority).await.exits(0);

    unknown.assert_stderr("UnknownIssuer");
    redirected.assert_stderr("a redirect to http://");
    elsewhere.assert_stderr("SOURCE_ALLOW_HTTP");
    assert_eq!(database.value(PRICE).await, "2.50");
    let (folder, empty) = (data.path("authorities"), data.path("empty.pem"));
    std::fs::create_dir(&folder).unwrap();
    data.write("empty.pem", "not a certificate");
    for (name, value) in [
        ("SSL_CERT_FILE", "/missing.pem"),
        ("SSL_CERT_FILE", folder.to_str().unwrap()),
        ("SSL_CERT_FILE", empty.to_str().unwrap()),
        ("SSL_CERT_DIR", "/missing"),
        ("SSL_CERT_DIR", folder.to_str().unwrap()),
    ] {
        let output = run_with(&database, &data, &[], &[(name, value)]).await;
        assert_eq!(output.code, Some(2), "{name}={value}: {}", output.stderr);
        let last = output.stderr.lines().last().unwrap();
        assert!(last.contains(name), "{name}={value}: {last}");
    }
    let proxy = ("HTTPS_PROXY", "proxy example");
    let output = run_with(&database, &elsewhere_tls(), &[], &[proxy])
        .await
        .exits(2);
    output.assert_stderr("HTTPS_PROXY: an address like");
}

#[tokio::test]
async fn a_download_that_is_always_cut_off_says_how_much_of_it_came() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    let data = products(&server.url("/menu.csv"));
    let half = PRODUCTS.len() / 2;
    for (validator, says) in [
        (
            Validator::ETag,
            format!("cut off after {half} of {} bytes", PRODUCTS.len()),
        ),
        (
            Validator::SecondsOld(60),
            format!("cut off after {half} of {} bytes", PRODUCTS.len()),
        ),
        (Validator::Chunked, "cut off after ".into()),
    ] {
        server.put("/menu.csv", PRODUCTS, validator);
        server.fail(vec![Fault::CutOff; 9]);

        let failure = load(&data, &database, settings()).await.unwrap_err();

        refused(&failure, ExitCode::Input, &says);
        server.recover();
    }
}

#[tokio::test]
async fn padding_is_ignored_and_what_else_follows_or_needs_too_much_is_named() {
    let (database, data) = (TestDatabase::migrated().await, products("menu.csv"));
    let packed = gzip(PRODUCTS);
    for zeros in [1, 511, 20_000] {
        data.write("menu.csv", [packed.clone(), vec![0; zeros]].concat());
        load(&data, &database, settings()).await.unwrap();
    }
    let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(31).unwrap();
    std::io::Write::write_all(&mut wide, PRODUCTS.as_bytes()).unwrap();
    for (bytes, says) in [
        ([packed.clone(), b"garbage".to_vec()].concat(), "trailing data"),
        ([packed.clone(), b"\0\0x".to_vec()].concat(), "trailing data"),
        ([zstd(PRODUCTS), b"garbage".to_vec()].concat(), "trailing data"),
        (wide.finish().unwrap(), "a window of 2048 MiB, which is too large"),
    ] {
        data.write("menu.csv", bytes);

        let failure = load(&data, &database, settings()).await.unwrap_err();

        refused(&failure, ExitCode::InvalidData, says);
    }
}

/// Products from a machine that is not this one.
fn elsewhere_tls() -> Data {
    products("https://files.example.com/menu.csv")
}
