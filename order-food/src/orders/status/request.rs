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

/// The change that is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = OrderStatusRequest)]
pub(crate) struct Sent<'a> {
    #[serde(borrow, default)]
    #[schema(value_type = StatusName, required = true)]
    status: Option<Text<'a>>,
    /// With `accepted` and `preparing`: minutes from now until the order is expected to be ready.
    /// Without it, `accepted` takes the setting ORDER_READY_MINUTES, and other changes keep the
    /// time.
    #[serde(default, rename = "readyInMinutes", deserialize_with = "minutes")]
    #[schema(value_type = Option<u16>, required = false, nullable = true, minimum = 1, maximum = 1440, example = 20)]
    ready_in_minutes: Option<i64>,
    /// Needed for `rejected`, and for `cancelled` once the order was accepted.
    #[serde(borrow, default)]
    #[schema(value_type = Option<ReasonName>, required = false, nullable = true)]
    reason: Option<Text<'a>>,
    /// For the staff; clients never see it.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>, required = false, nullable = true, max_length = 500)]
    note: Option<Text<'a>>,
}

/// The body, checked.
#[derive(Debug, Default)]
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

    proptest! {
        #[test]
        fn any_if_match_is_read_or_refused(value in "[\\t -~]{0,20}") {
            let mut headers = HeaderMap::new();
            headers.append(header::IF_MATCH, HeaderValue::from_str(&value).unwrap());
            let _ = versions(&headers);
        }
    }
}
