//! Answers to requests for a token, good ones and others.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;

/// A token and its life.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) secret: SecretString,
    pub(super) ends: Instant,
    /// From here on another one is asked for.
    pub(super) renewal: Instant,
}

/// There is no token. One line, without any secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct NoToken {
    pub(super) problem: String,
    /// Whether asking again later makes sense.
    pub(crate) is_passing: bool,
    /// How long nobody may ask again.
    pub(super) wait: Duration,
}

/// Fields that the three places have in common. Numbers come as numbers or as texts.
#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    expires_in: Option<Value>,
    expires_on: Option<Value>,
    refresh_in: Option<Value>,
    resource: Option<String>,
}

/// A token is renewed this long before its end, one that lives shortly after half of its life.
const MARGIN: Duration = Duration::from_secs(300);

/// `Retry-After` is not obeyed beyond this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Characters of a text of the service that a message shows.
const SHOWN: usize = 300;

/// The token in an answer.
///
/// # Errors
/// [`NoToken`]; without the token.
pub(super) fn token(body: &[u8], audience: &str) -> Result<Token, NoToken> {
    let unusable = |problem: &str| NoToken {
        problem: format!("answers without a usable token: {problem}"),
        is_passing: true,
        wait: Duration::ZERO,
    };
    // The error of serde may quote the body.
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| unusable("it is no JSON with access_token"))?;
    let secret = answer.access_token.expose_secret();
    if secret.is_empty() || secret.contains(|char: char| !char.is_ascii_graphic()) {
        return Err(unusable("access_token is empty or no token"));
    }
    let given = [answer.resource.clone(), audience_of(secret)];
    let is_other = |given: &&String| {
        // An application's id may stand for its address.
        given.contains("://") && given.trim_end_matches('/') != audience.trim_end_matches('/')
    };
    if let Some(other) = given.iter().flatten().find(is_other) {
        return Err(NoToken {
            is_passing: false,
            ..unusable(&format!(
                "it is for {}, not for {audience} (DB_AZURE_AUDIENCE)",
                shown(other)
            ))
        });
    }
    let left = seconds(answer.expires_in.as_ref()).or_else(|| {
        let ends = UNIX_EPOCH + seconds(answer.expires_on.as_ref())?;
        Some(ends.duration_since(SystemTime::now()).unwrap_or_default())
    });
    let life = left.ok_or_else(|| unusable("it does not say when it ends (expires_in, expires_on)"))?;
    if life.is_zero() {
        return Err(unusable(
            "it has expired already; is the clock of this machine right?",
        ));
    }
    let now = Instant::now();
    let renewal = life - MARGIN.min(life / 2);
    let renewal = seconds(answer.refresh_in.as_ref()).map_or(renewal, |early| early.min(renewal));
    Ok(Token {
        ends: now + life,
        renewal: now + renewal,
        secret: answer.access_token,
    })
}

fn seconds(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// The audience that a JSON Web Token names, if it is one.
fn audience_of(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    Some(claims.get("aud")?.as_str()?.to_owned())
}

/// An answer that is none.
pub(super) fn refusal(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> NoToken {
    let asked = retry_after.and_then(wait);
    let mut problem = format!("answers {status}");
    if let Some(text) = explanation(body) {
        problem = format!("{problem}: {}", shown(&text));
    }
    if let Some(wait) = asked {
        problem = format!("{problem} (asks to wait {} s)", wait.as_secs());
    }
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        // Of the metadata service: the identity is being assigned, or the service is renewed.
        StatusCode::NOT_FOUND,
        StatusCode::GONE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    let is_passing = passing.contains(&status) || status.is_server_error();
    let least = match status {
        StatusCode::TOO_MANY_REQUESTS => Duration::from_secs(1),
        _ => Duration::ZERO,
    };
    NoToken {
        problem,
        is_passing,
        wait: asked.unwrap_or(least),
    }
}

/// Seconds, or the time until a date.
fn wait(text: &str) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text)
            .ok()?
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The reason that the service gives, in each of its forms.
fn explanation(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let places = ["/error_description", "/error/message", "/message", "/error"];
    let text = places
        .iter()
        .find_map(|place| body.pointer(place)?.as_str().filter(|text| !text.is_empty()))?;
    // Ids for Microsoft's support follow.
    Some(text.split(" Trace ID:").next().unwrap_or(text).to_owned())
}

/// One line, cut, and without anything that looks like a token.
fn shown(text: &str) -> String {
    let word = |word: &str| match word.contains("eyJ") || word.len() > 200 {
        true => "…".to_owned(),
        false => word.replace(char::is_control, ""),
    };
    let line = text.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN).collect()
}
