//! TLS to the database: libpq's modes, the trusted authorities and certificate verification.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

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
    /// The mode with libpq's name.
    ///
    /// # Errors
    /// A sentence with the accepted names.
    pub fn parse(name: &str) -> Result<SslMode, &'static str> {
        match name {
            "disable" => Ok(SslMode::Disable),
            "prefer" => Ok(SslMode::Prefer),
            "require" => Ok(SslMode::Require),
            "verify-ca" => Ok(SslMode::VerifyCa),
            "verify-full" => Ok(SslMode::VerifyFull),
            _ => Err("is none of disable, prefer, require, verify-ca, verify-full"),
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

/// The client side of TLS for a mode and the PEM file of the trusted authorities (`None` or
/// `system`: the system's).
pub(crate) fn client(mode: SslMode, authorities: Option<&str>) -> Result<ClientConfig, Invalid> {
    let provider = Arc::new(ring::default_provider());
    let lenient = |authorities| Lenient {
        provider: provider.clone(),
        authorities,
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (mode, authorities) {
        (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => Arc::new(lenient(None)),
        (SslMode::Require | SslMode::VerifyCa, _) => {
            Arc::new(lenient(Some(trusted(&provider, authorities)?)))
        }
        (SslMode::VerifyFull, _) => trusted(&provider, authorities)?,
    };
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Invalid::new("DB_SSLMODE", error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

fn trusted(
    provider: &Arc<CryptoProvider>,
    authorities: Option<&str>,
) -> Result<Arc<WebPkiServerVerifier>, Invalid> {
    let invalid = |problem: String| Invalid::new("PGSSLROOTCERT", problem);
    let mut roots = RootCertStore::empty();
    match authorities.filter(|path| *path != "system") {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| invalid(format!("cannot read {path}: {error}")))?;
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| invalid(format!("{path}: {error}")))?;
            }
            if roots.is_empty() {
                return Err(invalid(format!("{path} holds no certificate")));
            }
        }
        None => {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                return Err(invalid(
                    "is not set, and the system has no trusted authorities".into(),
                ));
            }
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| invalid(error.to_string()))
}

/// Verifies less than rustls does by itself; that the server holds its key is always checked.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    /// Verifies the chain, whatever host the certificate was issued for; `None`: any certificate.
    authorities: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is checked last: chain and validity hold.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
