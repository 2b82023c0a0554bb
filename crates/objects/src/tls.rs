//! TLS for requests to buckets.

use std::sync::Arc;

use rustls::crypto::ring;

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct NoTls(#[from] rustls::Error);

/// Trusts the authorities that the system trusts, or those of `SSL_CERT_FILE`; reads them each
/// time, which blocks.
///
/// # Errors
/// [`NoTls`].
pub fn tls() -> Result<rustls::ClientConfig, NoTls> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
