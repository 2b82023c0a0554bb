//! The settings section `[database]`, the same in every service.

use std::path::PathBuf;

use process::settings::Written;
use secrecy::SecretString;

/// Section `[database]` of every service's settings: `url`, or the parts.
///
/// Each of `url`, `direct_url`, `host`, `port`, `user`, `password`, `name` and `sslmode` may come
/// from a file instead (`url_file`, …); such files, and those of certificates, are read again for
/// each new connection, so that a rotated password needs no restart. A password, or with
/// `auth = "azure"` a token, also completes a URL that has none.
///
/// The section of the default file:
/// ```toml
#[doc = include_str!("defaults.toml")]
/// ```
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `postgres://user:password@host:port/name?sslmode=…`; wins over the parts.
    pub url: Option<SecretString>,
    /// File that holds the URL.
    pub url_file: Option<PathBuf>,
    /// URL of the server itself, for what needs a session of its own; default `url` or the parts.
    pub direct_url: Option<SecretString>,
    /// File that holds the direct URL.
    pub direct_url_file: Option<PathBuf>,
    /// Host name or address; several, separated by commas, are tried almost at once.
    pub host: Option<String>,
    /// File that holds the host.
    pub host_file: Option<PathBuf>,
    /// TCP port, or one for each host; default 5432. Read only where the parts are used, not beside
    /// a URL.
    pub port: Option<Written>,
    /// File that holds the port.
    pub port_file: Option<PathBuf>,
    /// Role to connect as; default `postgres`.
    pub user: Option<String>,
    /// File that holds the user.
    pub user_file: Option<PathBuf>,
    /// The role's password.
    pub password: Option<SecretString>,
    /// File that holds the password.
    pub password_file: Option<PathBuf>,
    /// `password` (default), or `azure`: a token of Microsoft Entra ID for a managed identity, in
    /// place of the password.
    pub auth: Option<String>,
    /// Which managed identity; default the one that the machine has.
    pub azure_client_id: Option<String>,
    /// The directory of a workload identity.
    pub azure_tenant_id: Option<String>,
    /// File with the token of a Kubernetes service account, which a workload identity shows.
    pub azure_federated_token_file: Option<PathBuf>,
    /// Where a workload identity asks; default `https://login.microsoftonline.com`.
    pub azure_authority_host: Option<String>,
    /// Where Container Apps and App Service answer for their identities.
    pub azure_identity_endpoint: Option<String>,
    /// What they want to be shown.
    pub azure_identity_secret: Option<SecretString>,
    /// Where a virtual machine asks; default `http://169.254.169.254`.
    pub azure_imds_endpoint: Option<String>,
    /// What the token is for; default PostgreSQL in the public cloud.
    pub azure_audience: Option<String>,
    /// Name of the database; default the user's name.
    pub name: Option<String>,
    /// File that holds the name.
    pub name_file: Option<PathBuf>,
    /// `disable`, `prefer` (default), `require`, `verify-ca` or `verify-full`; the URL's own
    /// `sslmode` wins.
    pub sslmode: Option<String>,
    /// File that holds the mode.
    pub sslmode_file: Option<PathBuf>,
    /// PEM file of the authorities to trust; unset or `system` means the system's. The URL's own
    /// `sslrootcert` wins.
    pub sslrootcert: Option<PathBuf>,
    /// Seconds that one attempt to connect may take; default 2. The URL's own `connect_timeout`
    /// wins.
    pub connect_timeout_s: u64,
    /// Seconds that one statement of the API may take before the server cancels it; default 5.
    pub statement_timeout_s: u64,
}

/// A setting that cannot be used. The message names the setting, never a secret value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct Invalid {
    setting: String,
    problem: String,
}

/// Environment variables and the settings that they set.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("DATABASE_URL_FILE", "database.url_file"),
    ("DATABASE_DIRECT_URL", "database.direct_url"),
    ("DATABASE_DIRECT_URL_FILE", "database.direct_url_file"),
    ("DB_HOST", "database.host"),
    ("DB_HOST_FILE", "database.host_file"),
    ("DB_PORT", "database.port"),
    ("DB_PORT_FILE", "database.port_file"),
    ("DB_USER", "database.user"),
    ("DB_USER_FILE", "database.user_file"),
    ("DB_PASSWORD", "database.password"),
    ("DB_PASSWORD_FILE", "database.password_file"),
    ("DB_AUTH", "database.auth"),
    ("AZURE_CLIENT_ID", "database.azure_client_id"),
    ("AZURE_TENANT_ID", "database.azure_tenant_id"),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        "database.azure_federated_token_file",
    ),
    ("AZURE_AUTHORITY_HOST", "database.azure_authority_host"),
    ("IDENTITY_ENDPOINT", "database.azure_identity_endpoint"),
    ("IDENTITY_HEADER", "database.azure_identity_secret"),
    ("AZURE_IMDS_ENDPOINT", "database.azure_imds_endpoint"),
    ("DB_AZURE_AUDIENCE", "database.azure_audience"),
    ("DB_NAME", "database.name"),
    ("DB_NAME_FILE", "database.name_file"),
    ("DB_SSLMODE", "database.sslmode"),
    ("DB_SSLMODE_FILE", "database.sslmode_file"),
    ("PGSSLROOTCERT", "database.sslrootcert"),
    ("PGCONNECT_TIMEOUT", "database.connect_timeout_s"),
];

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            url: None,
            url_file: None,
            direct_url: None,
            direct_url_file: None,
            host: None,
            host_file: None,
            port: None,
            port_file: None,
            user: None,
            user_file: None,
            password: None,
            password_file: None,
            auth: None,
            azure_client_id: None,
            azure_tenant_id: None,
            azure_federated_token_file: None,
            azure_authority_host: None,
            azure_identity_endpoint: None,
            azure_identity_secret: None,
            azure_imds_endpoint: None,
            azure_audience: None,
            name: None,
            name_file: None,
            sslmode: None,
            sslmode_file: None,
            sslrootcert: None,
            connect_timeout_s: 2,
            statement_timeout_s: 5,
        }
    }
}

impl Invalid {
    pub(crate) fn new(setting: &str, problem: impl Into<String>) -> Invalid {
        Invalid {
            setting: setting.into(),
            problem: problem.into(),
        }
    }
}
