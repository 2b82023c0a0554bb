//! TLS to the database: libpq's modes, the files of certificates and the protocol.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::certificate::{Trust, Verifier};
use crate::settings::Invalid;

/// Encryption of the connection and verification of the certificate; names and meanings of libpq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Plain text only.
    Disable,
    /// TLS if the server offers it; any certificate. The default.
    #[default]
    Prefer,
    /// TLS or nothing; any certificate, unless authorities are named: then as
    /// [`SslMode::VerifyCa`].
    Require,
    /// TLS, certificate signed by a trusted authority.
    VerifyCa,
    /// TLS, certificate signed by a trusted authority and issued for the host's name.
    VerifyFull,
}

impl SslMode {
    /// The mode with libpq's name. `allow`, which never verifies either, is taken for `prefer`, and
    /// `no-verify` of node-postgres for `require`.
    ///
    /// # Errors
    /// A sentence with the accepted names.
    pub fn parse(name: &str) -> Result<SslMode, &'static str> {
        match name {
            "disable" => Ok(SslMode::Disable),
            "prefer" | "allow" => Ok(SslMode::Prefer),
            "require" | "no-verify" => Ok(SslMode::Require),
            "verify-ca" => Ok(SslMode::VerifyCa),
            "verify-full" => Ok(SslMode::VerifyFull),
            _ => Err("is none of disable, prefer, require, verify-ca, verify-full"),
        }
    }

    /// libpq's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SslMode::Disable => "disable",
            SslMode::Prefer => "prefer",
            SslMode::Require => "require",
            SslMode::VerifyCa => "verify-ca",
            SslMode::VerifyFull => "verify-full",
        }
    }

    pub(crate) fn negotiation(self) -> tokio_postgres::config::SslMode {
        match self {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                tokio_postgres::config::SslMode::Require
            }
        }
    }
}

/// What the URL says of TLS beside the mode; paths are those of PEM files.
#[derive(Clone, Default)]
pub(crate) struct TlsOptions {
    /// The trusted authorities; `None` or `system`: the system's.
    pub(crate) authorities: Option<String>,
    /// Certificates that were revoked.
    pub(crate) revocations: Option<String>,
    /// The certificate of this client, and its key.
    pub(crate) certificate: Option<String>,
    pub(crate) key: Option<String>,
    /// Whether the server is not told which host is meant.
    pub(crate) without_name: bool,
    /// Whether TLS begins at once, without asking whether the server offers it.
    pub(crate) direct: bool,
    pub(crate) without_1_2: bool,
    pub(crate) without_1_3: bool,
}

/// The client side of TLS for a mode.
pub(crate) fn client(mode: SslMode, options: &TlsOptions) -> Result<ClientConfig, Invalid> {
    let provider = Arc::new(ring::default_provider());
    let trust = match (mode, options.authorities.is_some()) {
        (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, false) => None,
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, _) => Some(trusted(&provider, options)?),
    };
    let versions: Vec<&'static SupportedProtocolVersion> =
        [(&TLS12, options.without_1_2), (&TLS13, options.without_1_3)]
            .into_iter()
            .filter_map(|(version, is_out)| (!is_out).then_some(version))
            .collect();
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|error| Invalid::new("ssl_min_protocol_version", error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            provider,
            trust,
            is_named: mode == SslMode::VerifyFull,
        }));
    let mut config = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates("sslcert", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| Invalid::new("sslkey", format!("cannot use {key}: {error}")))?;
            config
                .with_client_auth_cert(chain, key)
                .map_err(|error| Invalid::new("sslcert", format!("cannot use {certificate}: {error}")))?
        }
        _ => config.with_no_client_auth(),
    };
    config.enable_sni = !options.without_name;
    if options.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

fn trusted(provider: &Arc<CryptoProvider>, options: &TlsOptions) -> Result<Trust, Invalid> {
    let invalid = |problem: String| Invalid::new("PGSSLROOTCERT", problem);
    let mut roots = RootCertStore::empty();
    let mut own = Vec::new();
    match options.authorities.as_deref().filter(|path| *path != "system") {
        Some(path) => {
            own = certificates("PGSSLROOTCERT", path)?;
            for certificate in &own {
                roots
                    .add(certificate.clone())
                    .map_err(|error| invalid(format!("{path}: {error}")))?;
            }
        }
        None => {
            roots = process::tls::roots()
                .map_err(|error| invalid(format!("the system's authorities: {error}")))?;
            if roots.is_empty() {
                let problem =
                    "is not set, and the system has no trusted authorities; name a file in SSL_CERT_FILE";
                return Err(invalid(problem.into()));
            }
        }
    }
    let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if let Some(path) = &options.revocations {
        let lists = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let lists = lists.map_err(|error| Invalid::new("sslcrl", format!("cannot read {path}: {error}")))?;
        builder = builder.with_crls(lists);
    }
    let chains = builder.build().map_err(|error| invalid(error.to_string()))?;
    Ok(Trust { chains, own })
}

/// The certificates in a PEM file, at least one.
fn certificates(setting: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, Invalid> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| Invalid::new(setting, format!("cannot read {path}: {error}")))?;
    match certificates.is_empty() {
        true => Err(Invalid::new(setting, format!("{path} holds no certificate"))),
        false => Ok(certificates),
    }
}
