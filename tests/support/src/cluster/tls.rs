//! A certificate authority and a server certificate, made anew for each cluster.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};

use crate::certificate::authority;

/// The certificates that a cluster with TLS was given, as files that the test may read.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authority that signed the server's certificate (PEM), for `PGSSLROOTCERT`.
    pub ca: PathBuf,
    /// Another authority (PEM) that signed nothing: a root that must not be accepted.
    pub other_ca: PathBuf,
}

/// Makes the certificates in the cluster's folder; the server's is for `names`.
pub(super) fn make(home: &Path, names: &[&str]) -> Tls {
    let (ca_pem, ca) = authority("order-food test authority");
    let (other_pem, _) = authority("another test authority");
    let key = KeyPair::generate().expect("a key pair");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &ca))
        .expect("a certificate for the server");

    let write = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).expect("write a certificate");
        // PostgreSQL reads a key only if it belongs to its own user alone.
        let owner = std::fs::metadata(home).expect("the cluster's folder exists");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("give a certificate to the server's user");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
            .expect("protect a certificate");
        path
    };
    write("server.crt", &certificate.pem());
    write("server.key", &key.serialize_pem());
    Tls {
        ca: write("ca.crt", &ca_pem),
        other_ca: write("other-ca.crt", &other_pem),
    }
}
