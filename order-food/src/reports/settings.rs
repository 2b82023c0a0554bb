//! The settings of reports and exports.

use process::failure::{ExitCode, Failure};
use serde::Deserialize;

/// Section `[reports]`; keys, units and defaults stand in `config/default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub time_zone: String,
    pub location: Option<String>,
    pub export_rows_per_second: u32,
    pub allow_http: bool,
    pub s3: objects::S3,
}

/// Environment variables and the settings that they set.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("REPORT_TIMEZONE", "reports.time_zone"),
    ("REPORT_LOCATION", "reports.location"),
    ("EXPORT_ROWS_PER_SECOND", "reports.export_rows_per_second"),
    ("EXPORT_ALLOW_HTTP", "reports.allow_http"),
    ("AWS_ENDPOINT_URL", "reports.s3.endpoint"),
    // The more specific one goes before the other.
    ("AWS_ENDPOINT_URL_S3", "reports.s3.endpoint"),
    ("AWS_DEFAULT_REGION", "reports.s3.region"),
    ("AWS_REGION", "reports.s3.region"),
    (
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "reports.s3.virtual_hosted_style",
    ),
    ("AWS_SKIP_SIGNATURE", "reports.s3.skip_signature"),
    ("AWS_ACCESS_KEY_ID", "reports.s3.access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "reports.s3.secret_access_key"),
    ("AWS_SESSION_TOKEN", "reports.s3.session_token"),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "reports.s3.web_identity_token_file",
    ),
    ("AWS_ROLE_ARN", "reports.s3.role_arn"),
    (
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "reports.s3.container_credentials_full_uri",
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "reports.s3.container_authorization_token_file",
    ),
];

impl Settings {
    /// Checks what can be checked without a request.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let usage = |message: String| Failure::new(ExitCode::Usage, message);
        if self.time_zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(usage(format!(
                "REPORT_TIMEZONE: {:?} is no time zone of the IANA database, such as Europe/Berlin",
                self.time_zone
            )));
        }
        self.store().map(drop)
    }

    /// Where exports are kept; `None`: nowhere, they are refused.
    ///
    /// # Errors
    /// Exit code 2, naming the setting.
    pub(crate) fn store(&self) -> Result<Option<objects::Store>, Failure> {
        let Some(location) = self.location.as_deref() else {
            return Ok(None);
        };
        objects::Store::open(location, &self.s3, self.allow_http)
            .map(Some)
            .map_err(|problem| Failure::new(ExitCode::Usage, format!("REPORT_LOCATION: {problem}")))
    }
}
