//! A certificate authority and a server certificate, made anew for each cluster.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::programs::give_to_owner;
use crate::certificate::{authority, signed};

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
    let (certificate, key) = signed(names, &ca);

    let write = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).expect("write a certificate");
        // PostgreSQL reads a key only if it belongs to its own user alone.
        give_to_owner(&path);
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
