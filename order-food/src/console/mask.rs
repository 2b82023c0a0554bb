//! Payloads as people may see them: without secrets, and without names of people's mailboxes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

/// What stands for a value that is not shown.
const HIDDEN: &str = "••••";

/// Parts of member names whose values are secrets.
const SECRETS: [&str; 6] = [
    "secret",
    "password",
    "token",
    "signature",
    "authorization",
    "api_key",
];

/// A payload as it is shown. Numbers stay as they were written, with all their digits.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Object(BTreeMap<String, Shown>),
    List(Vec<Shown>),
    Text(String),
    Other(Box<RawValue>),
}

/// What lies deeper is hidden.
const MOST_LEVELS: usize = 100;

/// The payload over several lines, with secrets and e-mail addresses hidden.
pub(super) fn pretty(payload: &str) -> String {
    let payload: &RawValue = serde_json::from_str(payload).unwrap_or(RawValue::NULL);
    serde_json::to_string_pretty(&shown(payload, MOST_LEVELS)).unwrap_or_default()
}

fn shown(value: &RawValue, levels: usize) -> Shown {
    let Some(levels) = levels.checked_sub(1) else {
        return Shown::Text(HIDDEN.to_owned());
    };
    let json = value.get();
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
        let member = |(name, value): (String, &RawValue)| {
            let lower = name.to_ascii_lowercase();
            let is_secret = SECRETS.iter().any(|secret| lower.contains(secret)) && value.get() != "null";
            let levels = if is_secret { 0 } else { levels };
            (name, shown(value, levels))
        };
        Shown::Object(members.into_iter().map(member).collect())
    } else if let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(json) {
        Shown::List(values.into_iter().map(|value| shown(value, levels)).collect())
    } else if let Ok(text) = serde_json::from_str::<String>(json) {
        Shown::Text(without_addresses(&text))
    } else {
        Shown::Other(value.to_owned())
    }
}

/// Words with an @ between other characters are hidden but for their host.
fn without_addresses(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| match word.split_once('@') {
            Some((name, host)) if !name.is_empty() && host.contains('.') && !name.contains("://") => {
                format!("{HIDDEN}@{host}")
            }
            _ if word.contains("://") && word.contains('@') => HIDDEN.to_owned(),
            _ => word.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_texts_that_look_like_numbers_their_quotes() {
        let payload =
            r#"{"a": 12345678901234567890.123, "b": [-1e-7, 0], "c": "17 \" -3\\", "d": null, "token": 5}"#;

        assert_eq!(
            pretty(payload).split_whitespace().collect::<Vec<_>>().join(" "),
            r#"{ "a": 12345678901234567890.123, "b": [ -1e-7, 0 ], "c": "17 \" -3\\", "d": null, "token": "••••" }"#
        );
        assert_eq!(pretty("42"), "42");
        assert_eq!(pretty(""), "null");
        let deep = pretty(&("[".repeat(10_000) + "\"secret\"" + &"]".repeat(10_000)));
        assert!(deep.contains(HIDDEN) && !deep.contains("secret"), "{deep}");
    }

    #[test]
    fn secrets_and_addresses_are_hidden_and_the_rest_is_not() {
        let payload = json!({
            "orderId": 17, "webhookSecret": "whsec_x", "list": [{ "Password": [1] }, "write to ann@example.org now"],
            "url": "https://ann:pw@host.example/", "none": null, "apiKeyToken": null,
        });

        let shown: Value = serde_json::from_str(&pretty(&payload.to_string())).unwrap();
        assert_eq!(
            shown,
            json!({
                "orderId": 17, "webhookSecret": HIDDEN,
                "list": [{ "Password": HIDDEN }, "write to ••••@example.org now"],
                "url": HIDDEN, "none": null, "apiKeyToken": null,
            })
        );
    }
}
