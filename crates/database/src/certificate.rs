//! Verification of the server's certificate, and its problems in words.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

/// The DER form of the object identifier of a common name, 2.5.4.3.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];

/// Verifies as much as the mode asks for; that the server holds its key is always checked.
#[derive(Debug)]
pub(crate) struct Verifier {
    pub(crate) provider: Arc<CryptoProvider>,
    /// `None`: any certificate.
    pub(crate) trust: Option<Trust>,
    /// Whether the certificate must have been issued for the host's name.
    pub(crate) is_named: bool,
}

/// Whom to trust.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Verifies a chain up to one of the authorities, then the name.
    pub(crate) chains: Arc<WebPkiServerVerifier>,
    /// The certificates in the file of the authorities. As in libpq, the server's own may be one.
    pub(crate) own: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trust) = &self.trust else {
            return Ok(ServerCertVerified::assertion());
        };
        match trust
            .chains
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
        {
            // The name is checked last: chain and validity hold.
            Err(error) if !self.is_named && is_about_the_name(&error) => Ok(ServerCertVerified::assertion()),
            // So is this, after the validity.
            Err(error) if is_authority_itself(&error) && trust.own.contains(certificate) => {
                if self.is_named {
                    verify_own_name(certificate, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
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

fn is_about_the_name(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// The server showed the certificate of an authority as its own.
fn is_authority_itself(error: &Error) -> bool {
    is_other(error, "CaUsedAsEndEntity")
}

fn is_other(error: &Error, name: &str) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string() == name,
        _ => false,
    }
}

/// The name in a certificate that is in the file of the authorities, byte for byte. As in libpq,
/// the common name counts where no other is given.
fn verify_own_name(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    match verify_server_name(&ParsedCertificate::try_from(certificate)?, name) {
        Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }))
            if presented.is_empty()
                && common_name(certificate).is_some_and(|own| own.eq_ignore_ascii_case(&name.to_str())) =>
        {
            Ok(())
        }
        verdict => verdict,
    }
}

/// The first common name in a certificate: of one that signs itself, the issuer's is the subject's.
fn common_name<'a>(certificate: &'a CertificateDer<'_>) -> Option<&'a str> {
    let at = certificate
        .windows(COMMON_NAME.len())
        .position(|bytes| bytes == COMMON_NAME)?;
    // A tag of a string, its length in one byte, its text.
    let value = certificate.get(at + COMMON_NAME.len() + 1..)?;
    let (length, text) = value.split_first()?;
    std::str::from_utf8(text.get(..usize::from(*length))?).ok()
}

/// The name inside `DnsName("db.example")`.
fn bare(name: &str) -> &str {
    name.split('"').nth(1).unwrap_or(name)
}

/// The problem of a certificate in the words of an operator; `None` for what is not about one.
pub(crate) fn problem(error: &Error) -> Option<String> {
    use CertificateError as Problem;
    let Error::InvalidCertificate(problem) = error else {
        return match error {
            Error::AlertReceived(alert) => Some(format!(
                "the server ended the TLS handshake ({alert:?}): it may ask for a client certificate (sslcert, sslkey)"
            )),
            _ => None,
        };
    };
    Some(match problem {
        Problem::Expired | Problem::ExpiredContext { .. } => "it has expired".into(),
        Problem::NotValidYet | Problem::NotValidYetContext { .. } => {
            "it is not valid yet; is the clock of this machine right?".into()
        }
        Problem::Revoked => "it was revoked (sslcrl)".into(),
        Problem::UnknownRevocationStatus => "sslcrl holds no list of the authority that signed it".into(),
        Problem::UnknownIssuer => {
            "none of the trusted authorities signed it; name the file of the one that did in sslrootcert, \
             or for sslrootcert=system in SSL_CERT_FILE"
                .into()
        }
        Problem::NotValidForNameContext { expected, presented } if presented.is_empty() => format!(
            "it names no host (subjectAltName), so that sslmode=verify-full cannot compare {}; \
             make it anew with subjectAltName, or take sslmode=verify-ca",
            expected.to_str()
        ),
        Problem::NotValidForNameContext { expected, presented } => format!(
            "it is not for the host {} but for {}; correct the host, or take sslmode=verify-ca",
            expected.to_str(),
            presented
                .iter()
                .map(|name| bare(name))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        _ if is_authority_itself(error) => {
            "it is the certificate of an authority (CA:TRUE) and not the one in sslrootcert; \
             name the server's own certificate there, or make it anew with basicConstraints=CA:FALSE"
                .into()
        }
        _ if is_other(error, "UnsupportedCertVersion") => {
            "it is of X.509 version 1, which cannot be used; make it anew with an extension: \
             openssl x509 -req … -extfile <(echo subjectAltName=DNS:HOST)"
                .into()
        }
        Problem::BadEncoding => "it is damaged or not an X.509 certificate".into(),
        Problem::BadSignature => {
            "its signature is wrong: another authority of the same name signed it".into()
        }
        other => format!("{other}"),
    })
}
