//! Certificates of authorities that nobody knows.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority of this name: its certificate (PEM), and what signs others.
pub(crate) fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key pair");
    let pem = params.self_signed(&key).expect("a self-signed certificate").pem();
    (pem, Issuer::new(params, key))
}

/// A certificate for a server of these names, and its key.
pub(crate) fn signed(names: &[&str], authority: &Issuer<'_, KeyPair>) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().expect("a key pair");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, authority))
        .expect("a certificate for the server");
    (certificate, key)
}

/// TLS for a server of these names, and the authority that signed its certificate (PEM).
#[must_use]
pub fn tls_server(names: &[&str]) -> (Arc<ServerConfig>, String) {
    let (pem, authority) = authority("test authority");
    let (certificate, key) = signed(names, &authority);
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate with its key");
    (Arc::new(config), pem)
}
