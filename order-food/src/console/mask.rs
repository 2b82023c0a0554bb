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

/// The payload with secrets and e-mail addresses hidden.
pub(super) fn masked(value: &Value) -> Value {
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
