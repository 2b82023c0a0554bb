//! Sources in a bucket: objects, folders and patterns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use glob::{MatchOptions, Pattern};
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
};
use object_store::path::Path;
use object_store::{ClientOptions, GetOptions, ObjectMeta, ObjectStore};
use objects::{Tokens, builder, is_this_machine};
use process::failure::{self, ExitCode, Failure, OrExit as _};
use reqwest::header::CONTENT_DISPOSITION;
use reqwest::{StatusCode, Url};

use super::https;
use super::location::{Source, is_pattern};
use super::object::{Answer, ObjectVersion};
use super::settings::Settings;
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
    _tokens: Tokens,
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
        let (s3, tokens) = settings
            .s3
            .prepared()
            .or_exit(ExitCode::Usage, "settings of S3")?;
        let endpoint = s3.endpoint.as_deref().and_then(|text| Url::parse(text).ok());
        if let Some(endpoint) = &endpoint {
            https::check_scheme("AWS_ENDPOINT_URL", endpoint, settings.allow_http)?;
        }
        let timeout = Duration::from_secs(settings.connect_timeout_s);
        let is_here = endpoint.as_ref().is_some_and(is_this_machine);
        let client = RecordingClient {
            client: https::client(settings, tls, timeout, is_here)?,
            credentials: https::client(settings, tls, Duration::from_secs(1), true)?,
            problem: Arc::default(),
        };
        let store = builder(&s3, settings.retries)
            .with_bucket_name(bucket)
            .with_http_connector(client.clone())
            .build();
        Ok(Bucket {
            objects: Arc::new(store.or_exit(ExitCode::Usage, "settings of S3")?),
            client,
            is_anonymous: !s3.skip_signature
                && s3.access_key_id.is_none()
                && s3.web_identity_token_file.is_none()
                && s3.container_credentials_full_uri.is_none(),
            _tokens: tokens,
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
    for cause in failure::causes(error) {
        let text = cause.to_string();
        if parts.iter().all(|part| !part.contains(&text)) {
            parts.push(text);
        }
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
            Err(error) => Some(Problem::NoAnswer(https::causes(error))),
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
