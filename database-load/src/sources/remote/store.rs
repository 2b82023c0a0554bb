//! From the place that a profile names to the object store that has it.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use process::failure::{ExitCode, Failure, OrExit as _};
use reqwest::Url;
use rustls::crypto::ring;
use secrecy::{ExposeSecret as _, SecretString};

use super::wire::{Wire, is_this_machine};
use crate::sources::location::{Location, Source};
use crate::sources::settings::{S3, Settings};

/// A store, and what is known of how it is asked.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) wire: Wire,
    /// Where the source is in it; the folder or pattern of several.
    pub(super) key: Path,
    pub(super) is_bucket: bool,
    /// Whether nothing says who asks for an object of a bucket.
    pub(super) is_nobody: bool,
}

/// The authorities that the system trusts, or those of `SSL_CERT_FILE`; read once for all sources.
pub(super) fn tls() -> Result<rustls::ClientConfig, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .or_exit(ExitCode::Unexpected, "TLS")?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Makes the store of a source that is not on this machine; nobody is asked yet.
///
/// # Errors
/// `Usage` for plain text where it is not allowed, and for settings that make no sense.
pub(super) fn of(source: &Source, settings: &Settings, tls: rustls::ClientConfig) -> Result<Store, Failure> {
    let name = &source.name;
    match &source.location {
        Location::Web { url, query, user } => {
            encrypted(name, url, settings.allow_http)?;
            let wire = Wire::new(settings, tls, Some(url))?.with_secrets(query.as_ref(), user.as_ref())?;
            let store = HttpBuilder::new()
                .with_url(url.as_str())
                .with_retry(retry(settings.retries))
                .with_http_connector(wire.clone())
                .build();
            Ok(Store {
                objects: Arc::new(store.or_exit(ExitCode::Usage, format!("source {name}"))?),
                wire,
                // The address is whole: nothing is appended to it.
                key: Path::default(),
                is_bucket: false,
                is_nobody: false,
            })
        }
        Location::Bucket { bucket, key } => {
            let (s3, endpoint) = (&settings.s3, endpoint(&settings.s3)?);
            if let Some(endpoint) = &endpoint {
                encrypted("AWS_ENDPOINT_URL", endpoint, settings.allow_http)?;
            }
            let wire = Wire::new(settings, tls, endpoint.as_ref())?;
            let store = builder(s3)
                .with_bucket_name(bucket)
                .with_retry(retry(settings.retries))
                .with_http_connector(wire.clone())
                .build();
            let is_nobody = !s3.skip_signature
                && s3.access_key_id.is_none()
                && s3.web_identity_token_file.is_none()
                && s3.container_credentials_full_uri.is_none();
            let key =
                Path::parse(key.trim_matches('/')).or_exit(ExitCode::Usage, format!("source {name}"))?;
            Ok(Store {
                objects: Arc::new(store.or_exit(ExitCode::Usage, "settings of S3")?),
                wire,
                key,
                is_bucket: true,
                is_nobody,
            })
        }
        Location::Local(_) => Err(Failure::new(
            ExitCode::Unexpected,
            format!("source {name} is a file of this machine"),
        )),
    }
}

fn encrypted(name: &str, url: &Url, allow_http: bool) -> Result<(), Failure> {
    if url.scheme() != "http" || allow_http || is_this_machine(url) {
        return Ok(());
    }
    let message = format!(
        "{name}: http:// is for this machine only; use https://, or allow it with SOURCE_ALLOW_HTTP=true"
    );
    Err(Failure::new(ExitCode::Usage, message))
}

fn endpoint(s3: &S3) -> Result<Option<Url>, Failure> {
    let parse = |text: &String| {
        Url::parse(text)
            .ok()
            .filter(|url| url.has_host() && url.scheme().starts_with("http"))
    };
    match s3.endpoint.as_ref().map(parse) {
        None => Ok(None),
        Some(Some(url)) if url.username().is_empty() && url.password().is_none() => Ok(Some(url)),
        Some(_) => Err(Failure::new(
            ExitCode::Usage,
            "AWS_ENDPOINT_URL: an address like https://s3.example.com is expected, without user and password",
        )),
    }
}

fn builder(s3: &S3) -> AmazonS3Builder {
    let secret =
        |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    let given = [
        (AmazonS3ConfigKey::Endpoint, s3.endpoint.clone()),
        (AmazonS3ConfigKey::Region, s3.region.clone()),
        (AmazonS3ConfigKey::AccessKeyId, secret(&s3.access_key_id)),
        (AmazonS3ConfigKey::SecretAccessKey, secret(&s3.secret_access_key)),
        (AmazonS3ConfigKey::Token, secret(&s3.session_token)),
        (
            AmazonS3ConfigKey::WebIdentityTokenFile,
            s3.web_identity_token_file.clone(),
        ),
        (AmazonS3ConfigKey::RoleArn, s3.role_arn.clone()),
        (
            AmazonS3ConfigKey::ContainerCredentialsFullUri,
            s3.container_credentials_full_uri.clone(),
        ),
        (
            AmazonS3ConfigKey::ContainerAuthorizationTokenFile,
            s3.container_authorization_token_file.clone(),
        ),
    ];
    let builder = AmazonS3Builder::new()
        .with_virtual_hosted_style_request(s3.virtual_hosted_style)
        .with_skip_signature(s3.skip_signature);
    given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
}

fn retry(retries: u32) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(5),
            base: 2.,
        },
        max_retries: usize::try_from(retries).unwrap_or(usize::MAX),
        retry_timeout: Duration::from_secs(60),
    }
}
