//! TLS for requests to services elsewhere.

use std::sync::Arc;

use rustls::crypto::ring;

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// The versions and ciphers do not fit.
    #[error("TLS cannot be set up")]
    Protocol(#[from] rustls::Error),
    /// The authorities that the environment names cannot be used.
    #[error("{variables}: {problem}")]
    Authorities {
        /// Those of `SSL_CERT_FILE` and `SSL_CERT_DIR` that are set.
        variables: String,
        /// The first problem, with the path.
        problem: String,
    },
}

/// Trusts the authorities that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`;
/// reads them each time, which blocks.
///
/// # Errors
/// [`NoTls`].
pub fn client() -> Result<rustls::ClientConfig, NoTls> {
    Ok(trusting(roots()?)?)
}

/// Trusts these authorities; none for requests that are not encrypted.
///
/// # Errors
/// When rustls refuses its own defaults.
pub fn trusting(roots: rustls::RootCertStore) -> Result<rustls::ClientConfig, rustls::Error> {
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The authorities that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
///
/// # Errors
/// [`NoTls::Authorities`] when the variables name something that cannot be used.
pub fn roots() -> Result<rustls::RootCertStore, NoTls> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(loaded.certs);
    #[expect(
        clippy::disallowed_methods,
        reason = "rustls-native-certs reads them; they are only named here"
    )]
    let is_set = |name: &&str| std::env::var_os(name).is_some();
    let variables: Vec<&str> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .filter(is_set)
        .collect();
    let problem = loaded.errors.first().map(ToString::to_string);
    let problem = problem.or_else(|| (usable == 0).then(|| "holds no certificate".into()));
    if let Some(problem) = problem.filter(|_| !variables.is_empty()) {
        return Err(NoTls::Authorities {
            variables: variables.join(", "),
            problem,
        });
    }
    Ok(roots)
}
