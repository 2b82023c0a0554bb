//! A collector whose certificate nobody has signed.

use std::net::TcpListener;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

use super::super::{Role, export};
use super::{export as send, run, sending_to};

/// Answers each connection with its own certificate.
fn collector() -> u16 {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut server = ServerConnection::new(config.clone()).unwrap();
            let _ = server.complete_io(&mut stream);
        }
    });
    port
}

#[test]
fn a_certificate_that_is_refused_names_the_variable_of_the_authorities() {
    let endpoint = format!("https://localhost:{}/v1/traces", collector());
    let exporter = export::exporter(&endpoint.parse().unwrap(), export::Request::default()).unwrap();

    let lines = run(Role::Member, &sending_to("none"), |_| send(&exporter));

    let said = lines[0]["error"].as_str().unwrap();
    assert!(said.contains("invalid peer certificate"), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
}
