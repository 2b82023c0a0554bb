//! What a client sends to change the status of an order, and the header If-Match.

use actix_web::http::header::{self, HeaderMap};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use shop::{OrderStatus, Reason};
use utoipa::ToSchema;

use crate::http::ApiError;
use crate::orders::request::{self, Text, whole_number};

use super::answer::{ReasonName, StatusName};

/// Minutes until an order is expected to be ready: 1 to 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadyIn(u16);

/// A number of minutes outside of 1 to 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("readyInMinutes is from 1 to {}", ReadyIn::MAX)]
pub(crate) struct NotReadyIn;

/// The change that is asked for.
#[derive(ToSchema)]
#[schema(as = OrderStatusRequest)]
#[expect(dead_code, reason = "describes the request; the parts are read one by one")]
pub(crate) struct StatusRequestSchema {
    status: StatusName,
    /// With `accepted` and `preparing`: minutes from now until the order is expected to be ready.
    /// Without it, `accepted` takes the setting ORDER_READY_MINUTES, and other changes keep the
    /// time.
    #[schema(
        rename = "readyInMinutes",
        required = false,
        nullable = true,
        minimum = 1,
        maximum = 1440,
        example = 20
    )]
    ready_in_minutes: Option<u16>,
    /// Needed for `rejected`, and for `cancelled` once the order was accepted.
    #[schema(value_type = Option<ReasonName>, required = false, nullable = true)]
    reason: Option<ReasonName>,
    /// For the staff; clients never see it.
    #[schema(required = false, nullable = true, max_length = 500)]
    note: Option<String>,
}

/// Why an order is cancelled.
#[derive(ToSchema)]
#[schema(as = OrderCancelRequest)]
#[expect(dead_code, reason = "describes the request; the parts are read one by one")]
pub(crate) struct CancelRequestSchema {
    /// Needed once the order was accepted; `customer_asked` unless the staff says otherwise.
    #[schema(value_type = Option<ReasonName>, required = false, nullable = true)]
    reason: Option<ReasonName>,
    /// For the staff; clients never see it.
    #[schema(required = false, nullable = true, max_length = 500)]
    note: Option<String>,
}

/// The body as it was sent: JSON types are right.
#[derive(Debug, Default, Deserialize)]
struct Sent<'a> {
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(default, rename = "readyInMinutes", deserialize_with = "minutes")]
    ready_in_minutes: Option<i64>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    note: Option<Text<'a>>,
}

/// The body, checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StatusRequest {
    /// `None` where the request names none: for a cancellation.
    pub(super) status: Option<OrderStatus>,
    pub(super) ready_in: Option<ReadyIn>,
    pub(super) reason: Option<Reason>,
    pub(super) note: Option<String>,
}

const LONGEST_NOTE: usize = 500;

impl ReadyIn {
    /// What an order takes by default, within the range.
    pub(crate) fn by_default(minutes: u16) -> ReadyIn {
        ReadyIn(minutes.clamp(1, ReadyIn::MAX))
    }

    const MAX: u16 = 1440;

    /// So many minutes.
    ///
    /// # Errors
    /// [`NotReadyIn`] outside of 1 to 1440.
    pub(crate) fn new(minutes: i64) -> Result<ReadyIn, NotReadyIn> {
        u16::try_from(minutes)
            .ok()
            .filter(|minutes| (1..=ReadyIn::MAX).contains(minutes))
            .map(ReadyIn)
            .ok_or(NotReadyIn)
    }

    /// The number of minutes.
    pub(crate) fn minutes(self) -> i32 {
        self.0.into()
    }
}

impl StatusRequest {
    /// Parses a body; unknown fields are ignored, null is as good as nothing.
    ///
    /// # Errors
    /// 400 for what is not JSON or has a value of the wrong type, 422 for a value outside of its
    /// range.
    pub(super) fn parse(body: &[u8]) -> Result<StatusRequest, ApiError> {
        let sent: Sent<'_> = request::object(body)?;
        let status = sent
            .status
            .map(|Text(name)| OrderStatus::parse(&name))
            .transpose()
            .map_err(|problem| ApiError::rejected("status_unknown", problem))?;
        let ready_in = sent
            .ready_in_minutes
            .map(ReadyIn::new)
            .transpose()
            .map_err(|problem| ApiError::rejected("ready_in_minutes_out_of_range", problem))?;
        let reason = sent
            .reason
            .map(|Text(name)| Reason::parse(&name))
            .transpose()
            .map_err(|problem| ApiError::rejected("reason_unknown", problem))?;
        Ok(StatusRequest {
            status,
            ready_in,
            reason,
            note: sent.note.map(note).transpose()?.flatten(),
        })
    }
}

/// A note that the database can hold; `None` for an empty one.
fn note(Text(text): Text<'_>) -> Result<Option<String>, ApiError> {
    let is_odd = |character: char| character.is_control() && character != '\n' && character != '\t';
    if text.chars().count() > LONGEST_NOTE || text.contains(is_odd) {
        return Err(ApiError::rejected(
            "note_invalid",
            format!("a note has at most {LONGEST_NOTE} characters and no controls but line ends and tabs"),
        ));
    }
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

fn minutes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match <&RawValue>::deserialize(deserializer)?.get() {
        "null" => Ok(None),
        token => whole_number(token).map(Some),
    }
}

/// The versions that If-Match names; `None` when it is missing or `*`, which every order matches.
///
/// # Errors
/// 400 for a header that is no list of entity tags.
pub(super) fn versions(headers: &HeaderMap) -> Result<Option<Vec<i32>>, ApiError> {
    let mut versions = Vec::new();
    let mut sent = headers.get_all(header::IF_MATCH).peekable();
    if sent.peek().is_none() {
        return Ok(None);
    }
    let mut any = false;
    for value in sent {
        let list = value.as_bytes().trim_ascii();
        if list == b"*" {
            any = true;
            continue;
        }
        tags(list, &mut versions).ok_or_else(|| {
            ApiError::malformed(
                "invalid_if_match",
                "the header If-Match holds * or entity tags in quotes, such as \"3\"",
            )
        })?;
    }
    Ok((!any).then_some(versions))
}

/// Adds the versions of a list of entity tags, RFC 9110 section 8.8.3. A weak one matches nothing,
/// and neither does one that no version has.
fn tags(list: &[u8], versions: &mut Vec<i32>) -> Option<()> {
    let mut rest = list;
    loop {
        let (is_weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let opened = quoted.strip_prefix(b"\"")?;
        let end = opened.iter().position(|byte| *byte == b'"')?;
        let (tag, after) = opened.split_at(end);
        if !tag
            .iter()
            .all(|byte| *byte == 0x21 || (0x23..=0x7e).contains(byte) || *byte >= 0x80)
        {
            return None;
        }
        let is_plain = tag.first().is_some_and(|first| (b'1'..=b'9').contains(first));
        let version = std::str::from_utf8(tag)
            .ok()
            .filter(|_| is_plain)
            .and_then(|tag| tag.parse::<i32>().ok());
        versions.extend(version.filter(|_| !is_weak));
        rest = after.strip_prefix(b"\"")?.trim_ascii_start();
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn if_match(values: &[&str]) -> Result<Option<Vec<i32>>, ()> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        versions(&headers).map_err(drop)
    }

    #[test]
    fn versions_are_read_from_strong_tags() {
        assert_eq!(if_match(&[]), Ok(None));
        assert_eq!(if_match(&["*"]), Ok(None));
        assert_eq!(if_match(&["\"3\""]), Ok(Some(vec![3])));
        assert_eq!(if_match(&["\"3\", \"5\"", "\"7\""]), Ok(Some(vec![3, 5, 7])));
        assert_eq!(if_match(&["\"3\" ,\t\"5\""]), Ok(Some(vec![3, 5])));
        for nobody in [
            "W/\"3\"",
            "\"abc\"",
            "\"03\"",
            "\"-3\"",
            "\"+3\"",
            "\"\"",
            "\"99999999999999\"",
            "\"3,4\"",
        ] {
            assert_eq!(if_match(&[nobody]), Ok(Some(vec![])), "{nobody}");
        }
    }

    #[test]
    fn rubbish_is_refused() {
        for rubbish in [
            "",
            "3",
            "\"3",
            "3\"",
            "w/\"3\"",
            "\"3\" \"4\"",
            "\"3\",",
            ",\"3\"",
            "*, \"3\"",
            "\"3 4\"",
            "'3'",
        ] {
            assert_eq!(if_match(&[rubbish]), Err(()), "{rubbish}");
        }
    }

    #[test]
    fn a_body_is_read_with_its_limits() {
        let parse = |body: &str| StatusRequest::parse(body.as_bytes()).map_err(|error| error.kind());

        assert_eq!(
            parse(r#"{"status":"accepted","readyInMinutes":2e1,"note":"","eta":1}"#),
            Ok(StatusRequest {
                status: Some(OrderStatus::Accepted),
                ready_in: Some(ReadyIn(20)),
                reason: None,
                note: None,
            })
        );
        assert_eq!(
            parse(r#"{"status":"rejected","reason":"too_busy","note":"no\nstaff","readyInMinutes":null}"#),
            Ok(StatusRequest {
                status: Some(OrderStatus::Rejected),
                ready_in: None,
                reason: Some(Reason::TooBusy),
                note: Some("no\nstaff".into()),
            })
        );
        for (body, kind) in [
            (r#"{"status":"eaten"}"#, "status_unknown"),
            (r#"{"status":7}"#, "wrong_type"),
            (r#"{"status":"accepted","readyInMinutes":"20"}"#, "wrong_type"),
            (r#"{"status":"accepted","readyInMinutes":1.5}"#, "wrong_type"),
            (
                r#"{"status":"accepted","readyInMinutes":0}"#,
                "ready_in_minutes_out_of_range",
            ),
            (
                r#"{"status":"accepted","readyInMinutes":1441}"#,
                "ready_in_minutes_out_of_range",
            ),
            (
                r#"{"status":"accepted","readyInMinutes":3e99}"#,
                "ready_in_minutes_out_of_range",
            ),
            (r#"{"status":"rejected","reason":"rain"}"#, "reason_unknown"),
            (r#"{"status":"rejected","reason":["other"]}"#, "wrong_type"),
            (r#"{"note":"\u0000"}"#, "note_invalid"),
            ("[]", "wrong_type"),
            ("{", "malformed_json"),
            ("", "malformed_json"),
        ] {
            assert_eq!(parse(body), Err(kind), "{body}");
        }
        assert!(parse(&format!(r#"{{"note":"{}"}}"#, "ä".repeat(500))).is_ok());
        assert_eq!(
            parse(&format!(r#"{{"note":"{}"}}"#, "ä".repeat(501))),
            Err("note_invalid")
        );
    }

    proptest! {
        #[test]
        fn any_if_match_is_read_or_refused(value in "[\\t -~]{0,20}") {
            let _ = if_match(&[&value]);
        }
    }
}
