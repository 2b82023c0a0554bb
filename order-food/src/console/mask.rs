//! Payloads as people may see them: without secrets, and without names of people's mailboxes.

use serde_json::Value;

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

/// The payload over several lines, with secrets and e-mail addresses hidden. Numbers are texts on
/// the way, so that they keep all their digits.
pub(super) fn pretty(payload: &str) -> String {
    let value: Value = serde_json::from_str(&marked(payload)).unwrap_or_default();
    let text = serde_json::to_string_pretty(&masked(&value)).unwrap_or_default();
    text.replace("\"\\u0001", "").replace("\\u0001\"", "")
}

/// The JSON with each number as a text between two marks.
fn marked(json: &str) -> String {
    let mut marked = String::with_capacity(json.len());
    let (mut in_text, mut escaped, mut in_number) = (false, false, false);
    for character in json.chars() {
        let is_number = !in_text
            && (character.is_ascii_digit() || in_number && "+-.eE".contains(character) || character == '-');
        if is_number != in_number {
            marked.push_str(if is_number { "\"\\u0001" } else { "\\u0001\"" });
            in_number = is_number;
        }
        if character == '"' && !escaped {
            in_text = !in_text;
        }
        escaped = in_text && character == '\\' && !escaped;
        marked.push(character);
    }
    if in_number {
        marked.push_str("\\u0001\"");
    }
    marked
}

/// The payload with secrets and e-mail addresses hidden.
fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mask = |(name, value): (&String, &Value)| {
                let lower = name.to_ascii_lowercase();
                let value = match SECRETS.iter().any(|secret| lower.contains(secret)) && !value.is_null() {
                    true => HIDDEN.into(),
                    false => masked(value),
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(mask).collect())
        }
        Value::Array(values) => Value::Array(values.iter().map(masked).collect()),
        Value::String(text) => Value::String(without_addresses(text)),
        other => other.clone(),
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
    use serde_json::json;

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
    }

    #[test]
    fn secrets_and_addresses_are_hidden_and_the_rest_is_not() {
        let payload = json!({
            "orderId": 17, "webhookSecret": "whsec_x", "list": [{ "Password": [1] }, "write to ann@example.org now"],
            "url": "https://ann:pw@host.example/", "none": null, "apiKeyToken": null,
        });

        assert_eq!(
            masked(&payload),
            json!({
                "orderId": 17, "webhookSecret": HIDDEN,
                "list": [{ "Password": HIDDEN }, "write to ••••@example.org now"],
                "url": HIDDEN, "none": null, "apiKeyToken": null,
            })
        );
    }
}
