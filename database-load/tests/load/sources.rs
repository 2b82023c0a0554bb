//! Sources by address: fetched when they have changed, and never half.

use database_load::Outcome;
use database_load::sources::{OnUnreachable, Settings};
use process::failure::{ExitCode, Failure};
use sha2::{Digest as _, Sha256};
use test_support::{Output, TestDatabase, eventually};

use crate::fixture::{Data, outcomes, refused, run_with, spawn};
use crate::packing::{gzip, zstd};
use crate::server::{Fault, Server, Validator};

pub(crate) const PRODUCTS: &str = "id,name,price,category\n1,Tea,2.50,Drinks\n";
pub(crate) const DEARER: &str = "id,name,price,category\n1,Tea,3.50,Drinks\n";
pub(crate) const PRICE: &str = "SELECT price FROM products WHERE id = 1";

/// A profile with products from there.
pub(crate) fn products(source: &str) -> Data {
    let data = Data::copy();
    let source = if source.starts_with('{') {
        source.to_owned()
    } else {
        format!("\"{source}\"")
    };
    data.bring_products(&source);
    data
}

pub(crate) async fn load(
    data: &Data,
    database: &TestDatabase,
    sources: Settings,
) -> Result<Outcome, Failure> {
    let mut options = data.options();
    options.sources = sources;
    let summary = database_load::run(&database.database(), &options).await?;
    Ok(summary.profiles[0].outcome)
}

pub(crate) fn settings() -> Settings {
    Settings {
        retries: 1,
        ..Settings::default()
    }
}

pub(crate) fn keep() -> Settings {
    Settings {
        on_unreachable: OnUnreachable::Keep,
        ..settings()
    }
}

async fn outcome(data: &Data, database: &TestDatabase) -> Outcome {
    load(data, database, settings()).await.unwrap()
}

fn gets(server: &Server) -> usize {
    let requests = server.requests();
    requests
        .iter()
        .filter(|request| request.starts_with("GET"))
        .count()
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[tokio::test]
async fn an_unchanged_source_is_not_fetched_again_and_a_changed_one_is() {
    for validator in [Validator::ETag, Validator::SecondsOld(60)] {
        let (database, server) = (TestDatabase::migrated().await, Server::start());
        let data = products(&server.url("/menu.csv"));
        server.put("/menu.csv", PRODUCTS, validator);

        assert_eq!(outcome(&data, &database).await, Outcome::Changed);
        assert_eq!(gets(&server), 1, "{validator:?}");
        assert_eq!(outcome(&data, &database).await, Outcome::Unchanged);
        assert_eq!(server.requests(), ["HEAD /menu.csv"], "{validator:?}");
        let as_old_as = |seconds| match validator {
            Validator::ETag => validator,
            _ => Validator::SecondsOld(seconds),
        };
        server.put("/menu.csv", DEARER, as_old_as(30));
        assert_eq!(outcome(&data, &database).await, Outcome::Changed);

        assert_eq!(gets(&server), 1, "{validator:?}");
        assert_eq!(database.value(PRICE).await, "3.50");
        // What was active before is not brought back by itself.
        server.put("/menu.csv", PRODUCTS, as_old_as(10));
        assert_eq!(outcome(&data, &database).await, Outcome::Held);
        assert_eq!(database.value(PRICE).await, "3.50");
    }
}

#[tokio::test]
async fn what_nothing_tells_from_its_successor_is_compared_by_content() {
    // A time as young as that does not tell two changes within a second apart.
    for validator in [Validator::Chunked, Validator::SecondsOld(0)] {
        let (database, server) = (TestDatabase::migrated().await, Server::start());
        let data = products(&server.url("/menu.csv"));
        server.put("/menu.csv", PRODUCTS, validator);
        assert_eq!(outcome(&data, &database).await, Outcome::Changed);
        server.put("/menu.csv", PRODUCTS, validator);
        assert_eq!(outcome(&data, &database).await, Outcome::Unchanged);
        server.put("/menu.csv", DEARER, validator);

        assert_eq!(outcome(&data, &database).await, Outcome::Changed);

        assert_eq!(gets(&server), 3, "{validator:?}");
        assert_eq!(database.value(PRICE).await, "3.50");
    }
}

#[tokio::test]
async fn packed_and_large_sources_and_coupon_files_come_whole() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    let data = Data::copy();
    let codes: String = (0..1_200_000).map(|number| format!("C{number:08}\n")).collect();
    server.put("/menu.csv.gz", gzip(PRODUCTS), Validator::ETag);
    server.put("/one.txt", format!("ONECODE1\n{codes}"), Validator::ETag);
    server.put("/two.txt.gz", gzip("ONECODE1\nTWOCODES\n"), Validator::Chunked);
    server.put("/three", zstd("TWOCODES\n"), Validator::ETag);
    let source = |path: &str| format!("\"{}\"", server.url(path));
    data.write(
        "default.toml",
        format!(
            "[operations.products]\nsources = [{}]\n[operations.coupon_codes]\nsources = [{}, {}, {}]\n",
            source("/menu.csv.gz"),
            source("/one.txt"),
            source("/two.txt.gz"),
            source("/three")
        ),
    );
    let folder = data.path("tmp");
    std::fs::create_dir(&folder).unwrap();
    let environment = [("TMPDIR", folder.to_str().unwrap())];

    run_with(&database, &data, &[], &environment).await.exits(0);

    let codes = database.rows("SELECT code FROM coupon_codes ORDER BY code").await;
    assert_eq!(codes, [["ONECODE1"], ["TWOCODES"]]);
    assert_eq!(database.value("SELECT name FROM products").await, "Tea");
    assert_eq!(folder.read_dir().unwrap().count(), 0);
    let again = run_with(&database, &data, &[], &environment).await;
    again.assert_stderr("outcome unchanged");
    assert_eq!(outcomes(&database).await, ["changed", "unchanged"]);
}

#[tokio::test]
async fn a_request_that_fails_is_repeated_also_in_the_middle_of_the_content() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    for (validator, price) in [(Validator::ETag, "2.50"), (Validator::Chunked, "3.50")] {
        let data = products(&server.url("/menu.csv"));
        let text = PRODUCTS.replace("2.50", price);
        server.put("/menu.csv", text, validator);
        server.fail([Fault::Status(503, ""), Fault::CutOff]);

        assert_eq!(outcome(&data, &database).await, Outcome::Changed);

        assert_eq!(database.value(PRICE).await, price);
    }
}

#[tokio::test]
async fn a_stated_checksum_is_kept_to_and_saves_asking() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    server.put("/menu.csv", PRODUCTS, Validator::Chunked);
    let entry = |text: &str| {
        format!(
            "{{ location = \"{}\", sha256 = \"{}\" }}",
            server.url("/menu.csv"),
            sha256(text)
        )
    };
    let data = products(&entry(PRODUCTS));

    assert_eq!(outcome(&data, &database).await, Outcome::Changed);
    server.requests();
    assert_eq!(outcome(&data, &database).await, Outcome::Unchanged);
    assert_eq!(server.requests(), Vec::<String>::new());
    // A changed profile must bring what it states.
    let other = products(&entry(DEARER));
    let failure = load(&other, &database, keep()).await.unwrap_err();

    refused(&failure, ExitCode::InvalidData, &sha256(PRODUCTS));
    assert_eq!(database.value(PRICE).await, "2.50");
    for file in [DEARER.to_owned(), format!("{DEARER}{}", "\n".repeat(9 << 20))] {
        let local = products(&format!(
            "{{ location = \"menu.csv\", sha256 = \"{}\" }}",
            sha256(PRODUCTS)
        ));
        local.write("menu.csv", file);
        let failure = load(&local, &database, settings()).await.unwrap_err();
        refused(&failure, ExitCode::InvalidData, "SHA-256");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_fills_anything() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    let small = Settings {
        max_download_mib: 1,
        max_table_mib: 1,
        ..keep()
    };
    let two_mib = format!("{PRODUCTS}{}", "\n".repeat(2 << 20));
    for (validator, bytes, says) in [
        (Validator::ETag, two_mib.clone().into_bytes(), "MAX_DOWNLOAD_MIB"),
        (
            Validator::Chunked,
            two_mib.clone().into_bytes(),
            "MAX_DOWNLOAD_MIB",
        ),
        (Validator::ETag, gzip(&two_mib), "MAX_TABLE_MIB"),
        (Validator::ETag, zstd(&two_mib), "MAX_TABLE_MIB"),
    ] {
        server.put("/menu.csv", bytes, validator);
        let data = products(&server.url("/menu.csv"));

        let failure = load(&data, &database, small.clone()).await.unwrap_err();

        refused(&failure, ExitCode::InvalidData, says);
    }
    assert_eq!(database.value("SELECT count(*) FROM products").await, "0");
}

#[tokio::test]
async fn secrets_of_an_address_are_sent_and_never_said() {
    let (database, server) = (TestDatabase::migrated().await, Server::start());
    server.put("/menu.csv", PRODUCTS, Validator::ETag);
    let url = server
        .url("/menu.csv?signature=S3CRET")
        .replace("http://", "http://me:S3CRET@");
    let data = products(&url);
    let trace = [
        (
            "LOG_LEVEL",
            "trace,h2=trace,hyper=trace,hyper_util=trace,reqwest=trace",
        ),
        ("SOURCE_RETRIES", "1"),
    ];

    let loaded = run_with(&database, &data, &[], &trace).await.exits(0);
    let (requests, authorizations) = (server.requests(), server.authorizations());
    server.fail(vec![Fault::Status(500, "S3CRET"); 2]);
    let refused = run_with(&database, &data, &[], &trace).await;
    drop(server);
    let gone = run_with(&database, &data, &[], &trace).await;

    assert_eq!(
        requests,
        [
            "HEAD /menu.csv?signature=S3CRET",
            "GET /menu.csv?signature=S3CRET"
        ]
    );
    // me:S3CRET
    assert_eq!(authorizations, ["Basic bWU6UzNDUkVU"; 2]);
    assert_eq!((refused.code, gone.code), (Some(6), Some(6)), "{}", gone.stderr);
    for Output { stderr, .. } in [&loaded, &refused, &gone] {
        let shown = ["S3CRET", "bWU6UzNDUkVU"]
            .into_iter()
            .find(|secret| stderr.contains(secret));
        assert_eq!(shown, None, "{stderr}");
    }
    let told = "SELECT count(*) FROM bootstrap_runs WHERE message LIKE '%S3CRET%'";
    assert_eq!(database.value(told).await, "0");
}

#[tokio::test]
async fn a_signal_ends_a_download_and_nothing_is_left() {
    let (database, server, data) = (TestDatabase::migrated().await, Server::start(), Data::copy());
    server.put("/codes.txt", "ONECODE1\n", Validator::ETag);
    let source = server.url("/codes.txt");
    data.write(
        "default.toml",
        format!("[operations.coupon_codes]\nsources = [\"{source}\"]\nmin_files = 1\n"),
    );
    let folder = data.path("tmp");
    std::fs::create_dir(&folder).unwrap();
    server.fail([Fault::Stall]);
    let process = spawn(&database, &data, &[], &[("TMPDIR", folder.to_str().unwrap())]);
    eventually("a part of it has come", async || {
        folder.read_dir().unwrap().count() == 1
    })
    .await;

    process.signal("TERM");
    process.wait_output().await.exits(143);

    assert_eq!(folder.read_dir().unwrap().count(), 0);
    assert_eq!(outcomes(&database).await, ["canceled"]);
}
