//! Tests of certificates as PostgreSQL's manual makes them, and of problems in words.

use std::path::{Path, PathBuf};

use database::ConnectError;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use test_support::{OwnCluster, Stop};

use crate::{database, said, settings};

/// A cluster whose server shows this certificate, and the file with it.
struct Server {
    cluster: OwnCluster,
    certificate: PathBuf,
}

impl Server {
    fn with(certificate: &str, key: &str) -> Self {
        let mut cluster = OwnCluster::with_tls();
        let path = cluster.home().join("server.crt");
        // Files of the server's user stay its files.
        std::fs::write(&path, certificate).unwrap();
        std::fs::write(cluster.home().join("server.key"), key).unwrap();
        cluster.stop(Stop::Fast);
        cluster.start_again();
        Self {
            cluster,
            certificate: path,
        }
    }

    async fn connect(
        &self,
        host: &str,
        sslmode: &str,
        authorities: Option<&Path>,
    ) -> Result<(), ConnectError> {
        let url = self.cluster.url().replace("127.0.0.1", host);
        let settings = settings(&url, |settings| {
            settings.sslmode = Some(sslmode.into());
            settings.sslrootcert = authorities.map(Into::into);
        });
        database(&settings).connect().await.map(drop)
    }

    async fn refusal(&self, host: &str, sslmode: &str, authorities: Option<&Path>) -> String {
        match self.connect(host, sslmode, authorities).await {
            Err(error @ ConnectError::Certificate { .. }) => said(&error),
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// As `openssl req -x509 -subj /CN=NAME` makes them: an authority of its own, without other names.
fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_server_that_signs_itself_is_trusted_where_its_certificate_is_named() {
    let (certificate, key) = self_signed("localhost", |_| ());
    let server = Server::with(&certificate, &key);
    let own = Some(server.certificate.as_path());

    for sslmode in ["require", "verify-ca", "verify-full"] {
        server.connect("localhost", sslmode, own).await.unwrap();
    }
    for sslmode in ["require", "verify-ca"] {
        server.connect("127.0.0.1", sslmode, own).await.unwrap();
    }
    server.connect("localhost", "require", None).await.unwrap();
    let other_name = server.refusal("127.0.0.1", "verify-full", own).await;
    assert!(
        other_name.contains("names no host (subjectAltName)"),
        "{other_name}"
    );
}

#[tokio::test]
async fn another_server_that_signs_itself_under_the_same_name_is_not_trusted() {
    let (certificate, key) = self_signed("localhost", |_| ());
    let server = Server::with(&certificate, &key);
    let (other, _) = self_signed("localhost", |_| ());
    let other = crate::file(&other);

    for sslmode in ["require", "verify-ca", "verify-full"] {
        let refusal = server.refusal("localhost", sslmode, Some(other.path())).await;
        assert!(refusal.contains("not accepted"), "{refusal}");
    }
}

#[tokio::test]
async fn a_server_that_signed_itself_long_ago_has_expired() {
    let (certificate, key) = self_signed("localhost", |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2011, 1, 1);
    });
    let server = Server::with(&certificate, &key);

    for sslmode in ["require", "verify-ca", "verify-full"] {
        let refusal = server
            .refusal("localhost", sslmode, Some(&server.certificate))
            .await;
        assert!(refusal.contains("it has expired"), "{sslmode}: {refusal}");
    }
}

#[tokio::test]
async fn names_of_a_certificate_go_before_its_common_name() {
    let (certificate, key) = self_signed("localhost", |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("db.example".try_into().unwrap())];
    });
    let server = Server::with(&certificate, &key);

    let refusal = server
        .refusal("localhost", "verify-full", Some(&server.certificate))
        .await;

    assert!(
        refusal.contains("not for the host localhost but for db.example"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_certificate_of_version_1_is_named_with_what_to_do() {
    let server = Server::with(
        include_str!("certificates/version-1.crt"),
        include_str!("certificates/version-1.key"),
    );
    let authority = crate::file(include_str!("certificates/version-1-ca.crt"));

    for (sslmode, authorities) in [
        ("require", None),
        ("require", Some(authority.path())),
        ("verify-ca", Some(authority.path())),
        ("verify-full", Some(authority.path())),
    ] {
        let refusal = server.refusal("localhost", sslmode, authorities).await;
        assert!(refusal.contains("X.509 version 1"), "{sslmode}: {refusal}");
        assert!(refusal.contains("openssl x509 -req"), "{sslmode}: {refusal}");
    }
}

#[tokio::test]
async fn a_client_certificate_of_the_url_lets_its_role_in() {
    let (authority, key) = (
        rcgen::KeyPair::generate().unwrap(),
        rcgen::KeyPair::generate().unwrap(),
    );
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "clients");
    let authority_pem = params.self_signed(&authority).unwrap().pem();
    let issuer = Issuer::new(params, authority);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "postgres");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = crate::file(&params.signed_by(&key, &issuer).unwrap().pem());
    let key = crate::file(&key.serialize_pem());
    let mut cluster = OwnCluster::with_tls();
    let home = cluster.home().to_owned();
    std::fs::write(home.join("other-ca.crt"), authority_pem).unwrap();
    std::fs::write(
        home.join("data/pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 cert\n",
    )
    .unwrap();
    let settings_file = home.join("data/postgresql.conf");
    let more = format!("\nssl_ca_file = '{}'\n", home.join("other-ca.crt").display());
    let text = std::fs::read_to_string(&settings_file).unwrap() + &more;
    std::fs::write(&settings_file, text).unwrap();
    cluster.stop(Stop::Fast);
    cluster.start_again();
    let (certificate, key) = (certificate.path().display(), key.path().display());

    let url = format!(
        "{}?sslmode=require&sslcert={certificate}&sslkey={key}",
        cluster.url()
    );
    let client = database(&test_support::settings(&url)).connect().await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();

    let without = database(&test_support::settings(&format!(
        "{}?sslmode=require",
        cluster.url()
    )));
    let refusal = said(&without.connect().await.err().unwrap());
    assert!(refusal.contains("certificate"), "{refusal}");
    let missing = format!("{}?sslmode=require&sslcert=/nowhere&sslkey={key}", cluster.url());
    let invalid = database::Database::new(&test_support::settings(&missing), "test")
        .err()
        .unwrap();
    assert!(
        invalid.to_string().starts_with("sslcert: cannot read /nowhere"),
        "{invalid}"
    );
}
