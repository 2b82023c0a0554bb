//! How sources that lie elsewhere are reached, and how large they may be.

pub use objects::S3;
use serde::Deserialize;

/// What to do when a source cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnUnreachable {
    /// The run fails; exit 6.
    #[default]
    Fail,
    /// While a version of the profile is active, it stays; exit 0.
    Keep,
}

/// The section `sources`; the comments stand in the default file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What to do when a source cannot be reached.
    pub on_unreachable: OnUnreachable,
    /// Most MiB of a source that is not a file of this machine.
    pub max_download_mib: u64,
    /// Most MiB of a table's text, unpacked.
    pub max_table_mib: u64,
    /// How often a request is repeated that failed.
    pub retries: u32,
    /// Seconds that connecting to a server may take.
    pub connect_timeout_s: u64,
    /// Seconds without a byte after which a server counts as gone.
    pub read_timeout_s: u64,
    /// Whether `http://` is allowed beyond this machine.
    pub allow_http: bool,
    /// Where buckets are.
    pub s3: S3,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            on_unreachable: OnUnreachable::Fail,
            max_download_mib: 2048,
            max_table_mib: 128,
            retries: 3,
            connect_timeout_s: 5,
            read_timeout_s: 30,
            allow_http: false,
            s3: S3::default(),
        }
    }
}

/// The environment variables and the keys they set.
pub(crate) const ENVIRONMENT: [(&str, &str); 18] = [
    ("ON_UNREACHABLE", "sources.on_unreachable"),
    ("MAX_DOWNLOAD_MIB", "sources.max_download_mib"),
    ("MAX_TABLE_MIB", "sources.max_table_mib"),
    ("SOURCE_RETRIES", "sources.retries"),
    ("SOURCE_ALLOW_HTTP", "sources.allow_http"),
    ("AWS_ENDPOINT_URL", "sources.s3.endpoint"),
    // The more specific one goes before the other.
    ("AWS_ENDPOINT_URL_S3", "sources.s3.endpoint"),
    ("AWS_DEFAULT_REGION", "sources.s3.region"),
    ("AWS_REGION", "sources.s3.region"),
    (
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "sources.s3.virtual_hosted_style",
    ),
    ("AWS_SKIP_SIGNATURE", "sources.s3.skip_signature"),
    ("AWS_ACCESS_KEY_ID", "sources.s3.access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "sources.s3.secret_access_key"),
    ("AWS_SESSION_TOKEN", "sources.s3.session_token"),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "sources.s3.web_identity_token_file",
    ),
    ("AWS_ROLE_ARN", "sources.s3.role_arn"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "sources.s3.container_credentials_full_uri",
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "sources.s3.container_authorization_token_file",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DEFAULTS;

    #[test]
    fn the_default_file_has_the_defaults_of_the_code() {
        let file: toml::Table = toml::from_str(DEFAULTS).unwrap();
        let of_file = Settings::deserialize(file["sources"].clone()).unwrap();
        let of_code = Settings::default();

        // An empty text of the file means "not set".
        let text = |settings: &Settings| format!("{settings:?}").replace("Some(\"\")", "None");
        let without_secrets = |text: String| text.split("access_key_id").next().map(str::to_owned);
        assert_eq!(without_secrets(text(&of_file)), without_secrets(text(&of_code)));
    }

    #[test]
    fn every_variable_stands_with_its_key_in_the_default_file() {
        for (variable, key) in ENVIRONMENT {
            let key = key.rsplit('.').next().unwrap();
            let described = DEFAULTS.split("\n\n").find(|part| {
                let has_key = part.lines().any(|line| line.starts_with(&format!("{key} = ")));
                has_key && part.contains(variable)
            });
            assert!(described.is_some(), "{variable}: {key}");
        }
    }
}
