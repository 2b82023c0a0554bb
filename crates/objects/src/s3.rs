//! Where buckets are, and who asks.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{BackoffConfig, RetryConfig};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tempfile::NamedTempFile;

/// Where buckets are, and who asks: a section of a service's settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3 {
    /// Address of the service; unset: Amazon's.
    pub endpoint: Option<String>,
    /// Region; unset: `us-east-1`.
    pub region: Option<String>,
    /// Whether the bucket is a part of the host's name instead of the path.
    pub virtual_hosted_style: bool,
    /// Whether requests go without a signature: for public buckets.
    pub skip_signature: bool,
    /// Access key.
    pub access_key_id: Option<SecretString>,
    /// Its secret.
    pub secret_access_key: Option<SecretString>,
    /// Token of a temporary access key.
    pub session_token: Option<SecretString>,
    /// File with a web identity token, with `role_arn`: what Kubernetes gives service accounts.
    pub web_identity_token_file: Option<String>,
    /// Role to take on with the web identity.
    pub role_arn: Option<String>,
    /// Address that hands out credentials to a pod.
    pub container_credentials_full_uri: Option<String>,
    /// File with the token for it.
    pub container_authorization_token_file: Option<String>,
}

/// A setting that no request can carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct NotS3 {
    variable: String,
    problem: String,
}

/// Copies of tokens without what surrounded them in their files: a store reads them as long as it
/// is used.
#[derive(Clone, Debug)]
pub struct Tokens(#[expect(dead_code, reason = "the files go with the value")] Arc<[NamedTempFile]>);

const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const CREDENTIALS: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

impl NotS3 {
    fn new(variable: &str, problem: impl Into<String>) -> NotS3 {
        NotS3 {
            variable: variable.into(),
            problem: problem.into(),
        }
    }
}

impl S3 {
    /// The settings as requests can carry them: what surrounds a value or a token by accident is
    /// cut. The builder's requests panic at what is refused here.
    ///
    /// # Errors
    /// [`NotS3`] names the variable and does not show the value.
    pub fn prepared(&self) -> Result<(S3, Tokens), NotS3> {
        let mut s3 = self.clone();
        for (variable, value) in [
            ("AWS_REGION", &mut s3.region),
            ("AWS_ROLE_ARN", &mut s3.role_arn),
            (ENDPOINT, &mut s3.endpoint),
            (CREDENTIALS, &mut s3.container_credentials_full_uri),
        ] {
            *value = value.take().map(|text| carried(variable, &text)).transpose()?;
        }
        for (variable, value) in [
            ("AWS_ACCESS_KEY_ID", &mut s3.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &mut s3.secret_access_key),
            ("AWS_SESSION_TOKEN", &mut s3.session_token),
        ] {
            let text = value.take().map(|text| carried(variable, text.expose_secret()));
            *value = text.transpose()?.map(SecretString::from);
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !s3
            .region
            .as_ref()
            .is_none_or(|region| region.bytes().all(is_name))
        {
            return Err(NotS3::new(
                "AWS_REGION",
                "a name like eu-central-1 is expected, without quotes",
            ));
        }
        for (variable, value) in [
            (ENDPOINT, &mut s3.endpoint),
            (CREDENTIALS, &mut s3.container_credentials_full_uri),
        ] {
            *value = value.take().map(|text| address(variable, &text)).transpose()?;
        }
        let mut tokens = Vec::new();
        for (variable, value) in [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &mut s3.web_identity_token_file),
            (
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                &mut s3.container_authorization_token_file,
            ),
        ] {
            if let Some(path) = value
                && let Some(file) = token(variable, path)?
            {
                *path = file.path().display().to_string();
                tokens.push(file);
            }
        }
        Ok((s3, Tokens(tokens.into())))
    }
}

fn carried(variable: &str, text: &str) -> Result<String, NotS3> {
    let is_around =
        |character: char| character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}');
    let text = text.trim_matches(is_around);
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.into());
    }
    let problem = "has blanks, line breaks or characters that are not ASCII inside";
    Err(NotS3::new(variable, problem))
}

/// An address as the URL standard writes it, without a slash at its end.
fn address(variable: &str, text: &str) -> Result<String, NotS3> {
    let is_usable = |url: &Url| {
        let is_bare = url.query().is_none() && url.fragment().is_none();
        url.has_host()
            && ["http", "https"].contains(&url.scheme())
            && (is_bare || variable == CREDENTIALS)
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(is_usable);
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(|| {
            let problem = "an address like https://s3.example.com is expected, without user and password";
            NotS3::new(variable, problem)
        })
}

/// A copy of a file with a token, unless it can be read as it is.
fn token(variable: &str, path: &str) -> Result<Option<NamedTempFile>, NotS3> {
    let unreadable = |error: std::io::Error| NotS3::new(variable, format!("{path}: {error}"));
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let token = carried(&format!("{variable}: {path}"), &text)?;
    if token.as_bytes() == bytes {
        return Ok(None);
    }
    let file = NamedTempFile::new().map_err(unreadable)?;
    std::fs::write(file.path(), token).map_err(unreadable)?;
    Ok(Some(file))
}

/// Whether an address leads to this machine, by its name alone.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A builder with what the settings say; bucket and HTTP client are the caller's.
#[must_use]
pub fn builder(s3: &S3, retries: u32) -> AmazonS3Builder {
    use AmazonS3ConfigKey as Key;
    let secret =
        |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let given = [
        (Key::Endpoint, s3.endpoint.clone()),
        (Key::Region, s3.region.clone()),
        (Key::AccessKeyId, secret(&s3.access_key_id)),
        (Key::SecretAccessKey, secret(&s3.secret_access_key)),
        (Key::Token, secret(&s3.session_token)),
        (Key::WebIdentityTokenFile, s3.web_identity_token_file.clone()),
        (Key::RoleArn, s3.role_arn.clone()),
        (
            Key::ContainerCredentialsFullUri,
            s3.container_credentials_full_uri.clone(),
        ),
        (
            Key::ContainerAuthorizationTokenFile,
            s3.container_authorization_token_file.clone(),
        ),
    ];
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.,
        },
        max_retries: usize::try_from(retries).unwrap_or(usize::MAX),
        retry_timeout: Duration::from_secs(60),
    };
    let builder = AmazonS3Builder::new()
        .with_retry(retry)
        .with_virtual_hosted_style_request(s3.virtual_hosted_style)
        .with_skip_signature(s3.skip_signature);
    given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_value_is_cut_and_what_no_request_can_carry_is_refused() {
        let region = |region: &str| S3 {
            region: Some(region.into()),
            ..S3::default()
        };
        for text in ["eu-central-1", " eu-central-1\r\n", "\u{feff}eu-central-1"] {
            let (s3, _) = region(text).prepared().unwrap();
            assert_eq!(s3.region.as_deref(), Some("eu-central-1"));
        }
        for text in ["\"eu\"", "eu central", "eu\ncentral", "eü", "eu/central"] {
            let problem = region(text).prepared().unwrap_err().to_string();
            assert!(problem.starts_with("AWS_REGION: "), "{problem}");
        }
        for text in [
            "https://user:secret@s3.example.com",
            "ftp://s3.example.com",
            "nonsense",
        ] {
            let s3 = S3 {
                endpoint: Some(text.into()),
                ..S3::default()
            };
            let problem = s3.prepared().unwrap_err().to_string();
            assert!(
                problem.starts_with("AWS_ENDPOINT_URL: an address like"),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_token_is_read_as_it_is_or_from_a_copy_that_goes_with_the_value() {
        let file = NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let s3 = S3 {
            web_identity_token_file: Some(path.clone()),
            ..S3::default()
        };
        std::fs::write(&path, "T0KEN").unwrap();
        assert_eq!(
            s3.prepared().unwrap().0.web_identity_token_file,
            Some(path.clone())
        );
        std::fs::write(&path, "T0KEN\n").unwrap();
        let (prepared, tokens) = s3.prepared().unwrap();
        let copy = prepared.web_identity_token_file.unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "T0KEN");
        drop(tokens);
        assert!(!std::path::Path::new(&copy).exists());
    }
}
