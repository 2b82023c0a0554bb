//! Sources in a bucket: objects, folders and patterns.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use glob::{MatchOptions, Pattern};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, GetOptions, ObjectMeta, ObjectStore, RetryConfig};
use process::failure::{ExitCode, Failure, OrExit as _};
use process::settings::text::{self, Blanks};
use reqwest::header::CONTENT_DISPOSITION;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::NamedTempFile;

use super::https;
use super::location::{Source, is_pattern};
use super::object::{Answer, ObjectVersion};
use super::settings::{S3, Settings};
use super::unreachable;
use crate::format::Format;

/// More would be a slip.
const MAX_OBJECTS: usize = 10_000;

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A bucket, and how it is asked.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    client: RecordingClient,
    /// Whether no setting says who asks.
    is_anonymous: bool,
    /// Tokens without what surrounded them in their files; the store reads them.
    _tokens: Arc<[NamedTempFile]>,
}

impl Bucket {
    /// No request is sent yet.
    ///
    /// # Errors
    /// `Usage` for settings that make no sense.
    pub(super) fn new(
        bucket: &str,
        settings: &Settings,
        tls: &rustls::ClientConfig,
    ) -> Result<Bucket, Failure> {
        let (s3, tokens) = prepared(&settings.s3)?;
        let endpoint = s3.endpoint.as_deref().map(Url::parse).transpose();
        let endpoint = endpoint.or_exit(ExitCode::Usage, ENDPOINT)?;
        if let Some(endpoint) = &endpoint {
            https::check_scheme(ENDPOINT, endpoint, settings.allow_http)?;
        }
        let timeout = Duration::from_secs(settings.connect_timeout_s);
        let is_here = endpoint.as_ref().is_some_and(https::is_this_machine);
        let client = RecordingClient {
            client: https::client(settings, tls, timeout, is_here)?,
            credentials: https::client(settings, tls, Duration::from_secs(1), true)?,
            problem: Arc::default(),
        };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(5),
                base: 2.,
            },
            max_retries: usize::try_from(settings.retries).unwrap_or(usize::MAX),
            retry_timeout: Duration::from_secs(60),
        };
        let store = builder(&s3)
            .with_bucket_name(bucket)
            .with_retry(retry)
            .with_http_connector(client.clone())
            .build();
        Ok(Bucket {
            objects: Arc::new(store.or_exit(ExitCode::Usage, "settings of S3")?),
            client,
            is_anonymous: !s3.skip_signature
                && s3.access_key_id.is_none()
                && s3.web_identity_token_file.is_none()
                && s3.container_credentials_full_uri.is_none(),
            _tokens: tokens.into(),
        })
    }

    /// Asks for the version of an object, without its content.
    ///
    /// # Errors
    /// `Usage` when it is not there, else `Input`; `name` may be shown.
    pub(super) async fn version(&self, name: &str, key: &Path) -> Result<Option<ObjectVersion>, Failure> {
        let head = self
            .objects
            .get_opts(key, GetOptions::new().with_head(true))
            .await;
        head.map(|answer| version(&answer.meta))
            .map_err(|error| self.failure(name, &error))
    }

    /// Asks for the content of an object.
    ///
    /// # Errors
    /// As [`version`](Self::version).
    pub(super) async fn get(&self, name: &str, key: &Path) -> Result<Answer, Failure> {
        let answer = self.objects.get_opts(key, GetOptions::new()).await;
        let answer = answer.map_err(|error| self.failure(name, &error))?;
        let bucket = self.clone();
        Ok(Answer {
            version: version(&answer.meta),
            size: Some(answer.meta.size),
            body: answer
                .into_stream()
                .map_err(move |error| match bucket.client.problem() {
                    Some(Problem::NoAnswer(problem)) => problem,
                    // The store asks for the rest of an object only if that has an ETag.
                    _ if matches!(error, object_store::Error::NotSupported { .. }) => {
                        "the server does not send the rest".into()
                    }
                    _ => causes(&error),
                })
                .boxed(),
        })
    }

    /// Names and objects of a folder or a pattern, sorted by name.
    ///
    /// A folder stands for the objects right in it, of which a table's must have a known ending;
    /// hidden ones are left out.
    ///
    /// # Errors
    /// `Usage` when there is none; as for any request else.
    pub(super) async fn list(
        &self,
        source: &Source,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<(String, Path, Option<ObjectVersion>)>, Failure> {
        let usage =
            |problem: &str| Failure::new(ExitCode::Usage, format!("source {}: {problem}", source.name));
        let pattern = match is_pattern(key) {
            true => Some(Pattern::new(key).map_err(|error| usage(&error.to_string()))?),
            false => None,
        };
        // Listing begins at the last folder that has no wildcard.
        let folders = key.split('/').filter(|part| !part.is_empty());
        let prefix = Path::from_iter(folders.take_while(|part| !is_pattern(part)));
        let wanted = |meta: &ObjectMeta| {
            let name = meta.location.filename().unwrap_or_default();
            let is_known = !source.is_table || source.format.is_some() || Format::of(name).is_some();
            match &pattern {
                Some(pattern) => pattern.matches_with(meta.location.as_ref(), MATCHING),
                None => !name.starts_with('.') && is_known,
            }
        };
        let mut found = Vec::new();
        if pattern.is_some() {
            // Every level below may match.
            let mut all = self.objects.list(Some(&prefix));
            while let Some(meta) = all.next().await {
                let meta = meta.map_err(|error| self.failure(&source.name, &error))?;
                found.extend(Some(meta).filter(wanted));
                if found.len() > MAX_OBJECTS {
                    return Err(usage("matches more than 10000 objects"));
                }
            }
        } else {
            let listed = self.objects.list_with_delimiter(Some(&prefix)).await;
            let listed = listed.map_err(|error| self.failure(&source.name, &error))?;
            found.extend(listed.objects.into_iter().filter(wanted));
        }
        if found.is_empty() {
            return Err(usage("stands for no object"));
        }
        found.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        let named = |meta: ObjectMeta| {
            let version = version(&meta);
            (format!("s3://{bucket}/{}", meta.location), meta.location, version)
        };
        Ok(found.into_iter().map(named).collect())
    }

    /// `Usage` for what is not there, else `Input`; the code of the answer may be shown.
    fn failure(&self, name: &str, error: &object_store::Error) -> Failure {
        let problem = match self.client.problem() {
            Some(Problem::Status(status @ (StatusCode::NOT_FOUND | StatusCode::GONE))) => {
                return unreachable::absent(name, status.as_u16());
            }
            Some(Problem::Status(status)) => {
                let code = code(error).map(|code| format!(" ({code})")).unwrap_or_default();
                format!("the server answers {status}{code}")
            }
            Some(Problem::NoAnswer(problem)) if self.is_anonymous => {
                format!("{problem}; neither AWS_ACCESS_KEY_ID nor anything else says who asks")
            }
            Some(Problem::NoAnswer(problem)) => problem,
            None => causes(error),
        };
        unreachable::failure(name, problem)
    }
}

fn version(meta: &ObjectMeta) -> Option<ObjectVersion> {
    let modified = meta.last_modified.timestamp();
    ObjectVersion {
        e_tag: meta.e_tag.clone(),
        size: Some(meta.size),
        // An answer without a time gets this one.
        modified: Some(modified).filter(|modified| *modified != 0),
    }
    .known()
}

/// The settings as requests can carry them: the store panics at others.
fn prepared(s3: &S3) -> Result<(S3, Vec<NamedTempFile>), Failure> {
    let mut s3 = s3.clone();
    for (variable, value) in [
        ("AWS_REGION", &mut s3.region),
        ("AWS_ROLE_ARN", &mut s3.role_arn),
        (ENDPOINT, &mut s3.endpoint),
        (CREDENTIALS, &mut s3.container_credentials_full_uri),
    ] {
        carried(variable, value)?;
    }
    for (variable, value) in [
        ("AWS_ACCESS_KEY_ID", &mut s3.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &mut s3.secret_access_key),
        ("AWS_SESSION_TOKEN", &mut s3.session_token),
    ] {
        let mut text = value.take().map(|secret| secret.expose_secret().to_owned());
        carried(variable, &mut text)?;
        *value = text.map(SecretString::from);
    }
    let is_word = |region: &String| {
        region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !s3.region.as_ref().is_none_or(is_word) {
        let message = "AWS_REGION: a name like eu-central-1 is expected, without quotes";
        return Err(Failure::new(ExitCode::Usage, message));
    }
    for (variable, value) in [
        (ENDPOINT, &mut s3.endpoint),
        (CREDENTIALS, &mut s3.container_credentials_full_uri),
    ] {
        if let Some(text) = value {
            *text = address(variable, text)?;
        }
    }
    let mut tokens = Vec::new();
    for (variable, path) in [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &mut s3.web_identity_token_file),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            &mut s3.container_authorization_token_file,
        ),
    ] {
        if let Some(path) = path
            && let Some(file) = token(variable, path)?
        {
            *path = file.path().display().to_string();
            tokens.push(file);
        }
    }
    Ok((s3, tokens))
}

const ENDPOINT: &str = "AWS_ENDPOINT_URL";
const CREDENTIALS: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// Cuts what surrounds a value by accident, and refuses what no header can carry.
fn carried(variable: &str, value: &mut Option<String>) -> Result<(), Failure> {
    let Some(text) = value.take() else { return Ok(()) };
    let text = text::value(text.as_bytes(), Blanks::Cut).or_exit(ExitCode::Usage, variable)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!("{variable}: has blanks or characters that are not ASCII inside");
        return Err(Failure::new(ExitCode::Usage, message));
    }
    *value = Some(text).filter(|text| !text.is_empty());
    Ok(())
}

/// An address as the URL standard writes it, without a slash at its end.
fn address(variable: &str, text: &str) -> Result<String, Failure> {
    let is_usable = |url: &Url| {
        let is_http = url.has_host() && url.scheme().starts_with("http");
        let is_plain = url.query().is_none() && url.fragment().is_none();
        is_http
            && (is_plain || variable == CREDENTIALS)
            && url.username().is_empty()
            && url.password().is_none()
    };
    let url = Url::parse(text).ok().filter(is_usable);
    url.map(|url| url.as_str().trim_end_matches('/').to_owned())
        .ok_or_else(|| {
            let message = format!(
                "{variable}: an address like https://s3.example.com is expected, without user and password"
            );
            Failure::new(ExitCode::Usage, message)
        })
}

/// A copy of a file with a token, unless the store can read it as it is.
fn token(variable: &str, path: &str) -> Result<Option<NamedTempFile>, Failure> {
    let bytes = std::fs::read(path).or_exit(ExitCode::Usage, format!("{variable}: cannot read {path}"))?;
    let mut token = Some(String::from_utf8_lossy(&bytes).into_owned());
    carried(&format!("{variable}: {path}"), &mut token)?;
    let token = token.unwrap_or_default();
    if token.as_bytes() == bytes {
        return Ok(None);
    }
    let doing = || format!("copy the token of {variable}");
    let file = NamedTempFile::new().or_exit(ExitCode::Input, doing())?;
    std::fs::write(file.path(), token).or_exit(ExitCode::Input, doing())?;
    Ok(Some(file))
}

fn builder(s3: &S3) -> AmazonS3Builder {
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
    let builder = AmazonS3Builder::new()
        .with_virtual_hosted_style_request(s3.virtual_hosted_style)
        .with_skip_signature(s3.skip_signature);
    given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value))
}

/// The code of an S3 error in an answer; the rest of it may quote what was sent.
fn code(error: &object_store::Error) -> Option<String> {
    let text = causes(error);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

fn causes(error: &object_store::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if parts.iter().all(|part| !part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    parts.join(": ")
}

/// What went wrong in the last request, in words that may be shown.
#[derive(Clone, Debug)]
enum Problem {
    Status(StatusCode),
    NoAnswer(String),
}

/// An HTTP client that keeps what went wrong: errors of the store quote whole answers.
#[derive(Clone, Debug)]
struct RecordingClient {
    client: reqwest::Client,
    /// For servers in the same room: credentials of a machine or pod.
    credentials: reqwest::Client,
    problem: Arc<Mutex<Option<Problem>>>,
}

impl RecordingClient {
    /// Takes what went wrong in the last request.
    fn problem(&self) -> Option<Problem> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl HttpService for RecordingClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut result = self.client.call(request).await;
        let problem = match &mut result {
            Ok(response) => {
                // The store refuses a whole answer whose file name is not ASCII.
                response.headers_mut().remove(CONTENT_DISPOSITION);
                let status = response.status();
                (!status.is_success()).then_some(Problem::Status(status))
            }
            Err(error) => {
                let mut parts = Vec::new();
                let mut cause = error.source();
                while let Some(error) = cause {
                    parts.push(error.to_string());
                    cause = error.source();
                }
                parts.dedup();
                Some(Problem::NoAnswer(parts.join(": ")))
            }
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        result
    }
}

impl HttpConnector for RecordingClient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // Only requests for credentials allow it; outside of a cloud no server answers them.
        let is_credentials = options.get_config_value(&ClientConfigKey::AllowHttp).as_deref() == Some("true");
        let mut client = self.clone();
        if is_credentials {
            client.client = client.credentials.clone();
        }
        Ok(HttpClient::new(client))
    }
}
