//! Tests of TLS: `sslmode`, authorities and names, as the server sees the connection.

use std::path::Path;
use std::sync::LazyLock;

use database::{ConnectError, Database, Settings};
use test_support::{Cluster, OwnCluster};

use crate::{database, file, said, settings};

/// Takes nothing but TLS; its certificate is for `localhost` and `127.0.0.1`.
static ENCRYPTED: LazyLock<OwnCluster> = LazyLock::new(OwnCluster::with_tls);

/// The same, with a certificate for a name that is not its address.
static NAMED: LazyLock<OwnCluster> = LazyLock::new(|| OwnCluster::with_certificate_for(&["db.example"]));

/// `sslmode` and the file of the authorities, as settings.
fn with(url: &str, sslmode: &str, authorities: Option<&Path>) -> Settings {
    settings(url, |settings| {
        settings.sslmode = Some(sslmode.into());
        settings.sslrootcert = authorities.map(Into::into);
    })
}

/// Whether the connection is encrypted, as the server sees it.
async fn encrypted(settings: &Settings) -> Result<bool, ConnectError> {
    let client = database(settings).connect().await?;
    let row = client
        .query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[])
        .await
        .expect("ask about TLS");
    Ok(row.get(0))
}

async fn refused(settings: &Settings) -> String {
    match encrypted(settings).await {
        Err(error @ (ConnectError::Refused { .. } | ConnectError::Certificate { .. })) => said(&error),
        other => panic!("not refused: {other:?}"),
    }
}

fn invalid(settings: &Settings) -> String {
    Database::new(settings, "test")
        .err()
        .expect("settings that cannot be used")
        .to_string()
}

#[tokio::test]
async fn prefer_and_require_encrypt_with_a_certificate_of_any_signer() {
    for sslmode in ["prefer", "require"] {
        let settings = with(&NAMED.url(), sslmode, None);
        assert!(encrypted(&settings).await.unwrap(), "{sslmode}");
    }
    let unset = settings(&NAMED.url(), |_| ());
    assert!(encrypted(&unset).await.unwrap(), "unset");
}

#[tokio::test]
async fn prefer_does_not_look_at_the_authorities() {
    let other = &ENCRYPTED.tls().other_ca;

    assert!(
        encrypted(&with(&ENCRYPTED.url(), "prefer", Some(other)))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn the_right_authority_satisfies_require_verify_ca_and_verify_full() {
    let right = &ENCRYPTED.tls().ca;
    for sslmode in ["require", "verify-ca", "verify-full"] {
        for host in ["127.0.0.1", "localhost"] {
            let url = ENCRYPTED.url().replace("127.0.0.1", host);
            let settings = with(&url, sslmode, Some(right));
            assert!(encrypted(&settings).await.unwrap(), "{sslmode} {host}");
        }
    }
}

#[tokio::test]
async fn another_authority_is_refused_as_soon_as_one_is_named() {
    let other = &ENCRYPTED.tls().other_ca;
    for sslmode in ["require", "verify-ca", "verify-full"] {
        let said = refused(&with(&ENCRYPTED.url(), sslmode, Some(other))).await;
        assert!(said.contains("certificate"), "{sslmode}: {said}");
        assert!(!said.contains(ENCRYPTED.password()), "{said}");
    }
}

#[tokio::test]
async fn without_an_authority_verify_ca_and_verify_full_do_not_trust_the_certificate() {
    for sslmode in ["verify-ca", "verify-full"] {
        let settings = with(&ENCRYPTED.url(), sslmode, None);
        // A system without any authority says so before a connection is made.
        let said = match Database::new(&settings, "test") {
            Ok(_) => refused(&settings).await,
            Err(invalid) => invalid.to_string(),
        };
        assert!(said.contains("SSL_CERT_FILE"), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_satisfies_verify_ca_but_not_verify_full() {
    let right = &NAMED.tls().ca;

    assert!(
        encrypted(&with(&NAMED.url(), "verify-ca", Some(right)))
            .await
            .unwrap()
    );
    let said = refused(&with(&NAMED.url(), "verify-full", Some(right))).await;
    assert!(said.contains("name") || said.contains("127.0.0.1"), "{said}");
}

#[tokio::test]
async fn the_name_that_is_verified_is_the_host_even_if_the_address_is_given() {
    let url = NAMED.url().replace("@127.0.0.1", "@db.example") + "?hostaddr=127.0.0.1";

    let settings = with(&url, "verify-full", Some(&NAMED.tls().ca));

    assert!(encrypted(&settings).await.unwrap());
}

#[tokio::test]
async fn disable_is_refused_by_a_server_that_takes_tls_only() {
    let said = refused(&with(&ENCRYPTED.url(), "disable", None)).await;

    assert!(said.contains("no encryption"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls_is_spoken_to_in_plain_text_by_disable_and_prefer_only() {
    let url = Cluster::shared().admin_url();
    for sslmode in ["disable", "prefer"] {
        assert!(!encrypted(&with(url, sslmode, None)).await.unwrap(), "{sslmode}");
    }

    let authority = &ENCRYPTED.tls().ca;
    for (sslmode, authority) in [
        ("require", None),
        ("verify-ca", Some(authority)),
        ("verify-full", Some(authority)),
    ] {
        let said = refused(&with(url, sslmode, authority.map(AsRef::as_ref))).await;
        assert!(said.contains("does not support TLS"), "{sslmode}: {said}");
    }
}

#[tokio::test]
async fn prefer_falls_back_to_plain_text_where_the_server_lets_a_role_in_that_way_only() {
    let cluster = OwnCluster::with_tls();
    let admin = database(&with(&cluster.url(), "require", None))
        .connect()
        .await
        .unwrap();
    let file: String = admin.query_one("SHOW hba_file", &[]).await.unwrap().get(0);
    admin
        .batch_execute(&format!(
            "CREATE ROLE plain LOGIN PASSWORD 'plain';
             COPY (SELECT 'hostnossl all plain 127.0.0.1/32 scram-sha-256') TO '{file}';
             SELECT pg_reload_conf()"
        ))
        .await
        .unwrap();
    let url = format!("postgres://plain:plain@127.0.0.1:{}/postgres", cluster.port());

    test_support::eventually("the new rules are active", async || {
        encrypted(&with(&url, "disable", None)).await.is_ok()
    })
    .await;
    assert!(!encrypted(&with(&url, "prefer", None)).await.unwrap());
    refused(&with(&url, "require", None)).await;
}

#[tokio::test]
async fn what_the_url_says_wins_over_the_settings() {
    let (plain, tls) = (Cluster::shared().admin_url(), ENCRYPTED.tls());

    let prefer = with(&format!("{plain}?sslmode=prefer"), "require", None);
    let disable = with(&format!("{plain}?sslmode=disable"), "require", None);
    let authority = with(
        &format!("{}?sslrootcert={}", ENCRYPTED.url(), tls.ca.display()),
        "verify-full",
        Some(&tls.other_ca),
    );

    assert!(!encrypted(&prefer).await.unwrap());
    assert!(!encrypted(&disable).await.unwrap());
    assert!(encrypted(&authority).await.unwrap());
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_a_setting_that_is_named() {
    let missing = with(&ENCRYPTED.url(), "verify-ca", Some(Path::new("/nowhere/ca.pem")));
    let garbage = file("not a certificate");
    let no_certificate = with(&ENCRYPTED.url(), "verify-full", Some(garbage.path()));
    let broken = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let no_x509 = with(&ENCRYPTED.url(), "require", Some(broken.path()));

    for settings in [&missing, &no_certificate, &no_x509] {
        let said = invalid(settings);
        assert!(said.starts_with("PGSSLROOTCERT: "), "{said}");
    }
    assert!(invalid(&missing).contains("/nowhere/ca.pem"));
}

#[tokio::test]
async fn a_mode_that_is_none_is_a_setting_that_is_named() {
    let accepted = "disable, prefer, require, verify-ca, verify-full";

    let setting = invalid(&with(&ENCRYPTED.url(), "verify_full", None));
    let parameter = invalid(&settings(&format!("{}?sslmode=on", ENCRYPTED.url()), |_| ()));

    assert_eq!(setting, format!("DB_SSLMODE: is none of {accepted}"));
    assert_eq!(
        parameter,
        format!("DATABASE_URL: sslmode: is none of {accepted} (value redacted)")
    );
}

#[tokio::test]
async fn a_mode_or_an_authority_that_a_file_changes_holds_for_the_next_connection() {
    let mode = file("require\n");
    let authority = file(&std::fs::read_to_string(&ENCRYPTED.tls().other_ca).unwrap());
    let url = file(&NAMED.url());
    let settings = Settings {
        url_file: Some(url.path().into()),
        sslmode_file: Some(mode.path().into()),
        ..Settings::default()
    };
    let database = database(&settings);
    database.connect().await.unwrap();

    std::fs::write(&mode, "verify-full\n").unwrap();
    let named = format!("{}?sslrootcert={}", NAMED.url(), authority.path().display());
    std::fs::write(&url, named).unwrap();
    assert!(matches!(
        database.connect().await,
        Err(ConnectError::Certificate { .. })
    ));

    std::fs::copy(&NAMED.tls().ca, &authority).unwrap();
    std::fs::write(&mode, "verify-ca\n").unwrap();
    database.connect().await.unwrap();
}

#[tokio::test]
async fn diesel_and_the_listener_speak_tls_as_well() {
    let settings = with(&ENCRYPTED.url(), "verify-full", Some(&ENCRYPTED.tls().ca));
    let database = database(&settings);

    let _diesel = database.connect_diesel().await.unwrap();
    let _listener = database.listen("channel").await.unwrap();

    let query = "SELECT bool_and(ssl) AND count(*) >= 2 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE application_name = 'test'";
    let row = database
        .connect()
        .await
        .unwrap()
        .query_one(query, &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, Option<bool>>(0), Some(true));
}
