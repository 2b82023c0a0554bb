use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use process::failure::Failure;
use serde::Serialize;
use shop::{HashKeys, KeyHash, Scope, Scopes};
use uuid::Uuid;

use super::users::User;
use super::{Development, Seen};
use crate::input::Input;
use crate::table::{self, BadRow, Column, Fields, Findings, optional, required, secret, text};

const COLUMNS: &[Column] = &[
    required("id"),
    secret("key"),
    required("user"),
    required("scopes"),
    optional("expires_at"),
    optional("development"),
];

/// A row of `api_keys`, in the shape that `dataset_rows` keeps: the key itself is in no field.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ApiKey {
    pub(crate) id: Uuid,
    key_hash: String,
    hash_key_id: String,
    user_id: Uuid,
    scopes: Vec<&'static str>,
    expires_at: Option<DateTime<Utc>>,
    /// Under every hash key: to find out whether the key is stored already.
    #[serde(skip)]
    pub(crate) hashes: Vec<KeyHash>,
    #[serde(skip)]
    file: Arc<str>,
    #[serde(skip)]
    line: u64,
}

impl ApiKey {
    /// What is wrong when the same key is stored under another id.
    ///
    /// A key that was revoked would come to life again if its id could change.
    pub(crate) fn moved(&self, stored: Uuid) -> BadRow {
        BadRow::new(
            &self.file,
            self.line,
            format!("is stored under the id {stored}; a key keeps its id"),
        )
        .column("key")
    }
}

pub(super) fn read(
    inputs: &[Input],
    users: &[User],
    hash_keys: &HashKeys,
    findings: &mut Findings,
    development: &mut Development,
) -> Result<Vec<ApiKey>, Failure> {
    let mut ids: Seen<Uuid> = HashMap::new();
    let known: HashSet<Uuid> = users.iter().map(|user| user.id).collect();
    let mut hashes: Seen<KeyHash> = HashMap::new();
    let mut keys = Vec::new();
    // A user whose row is bad is missing from `users`: that is reported once.
    let all_users_known = findings.is_empty();
    table::read(inputs, COLUMNS, findings, |mut fields| {
        let id = fields.required("id", text::uuid);
        if let Some(id) = id {
            super::once(&mut ids, id, "id", &mut fields);
        }
        let hash = fields.required("key", |text| {
            key(text).map(|key| hash_keys.writer().hash(key.as_bytes()))
        });
        if let Some(hash) = hash {
            super::once(&mut hashes, hash, "key", &mut fields);
        }
        let all_hashes = fields.required("key", |text| {
            Ok::<_, String>(
                hash_keys
                    .iter()
                    .map(|by| by.hash(text.as_bytes()))
                    .collect::<Vec<_>>(),
            )
        });
        let user = fields.required("user", text::uuid);
        if all_users_known && user.is_some_and(|user| !known.contains(&user)) {
            fields.reject("user", "is no user of this profile");
        }
        let scopes = scopes(&mut fields);
        let expires_at = fields.optional("expires_at", text::time);
        development.note(&mut fields);
        if let (Some(id), Some(hash), Some(hashes), Some(user_id), Some(scopes), Some(expires_at)) =
            (id, hash, all_hashes, user, scopes, expires_at)
        {
            keys.push(ApiKey {
                id,
                key_hash: hex::encode(hash.0),
                hash_key_id: hash_keys.writer().id().into(),
                user_id,
                scopes: scopes.iter().map(Scope::name).collect(),
                expires_at,
                hashes,
                file: Arc::clone(&fields.row.file),
                line: fields.row.line,
            });
        }
    })?;
    Ok(keys)
}

/// What an HTTP header can carry, without blanks.
fn key(text: &str) -> Result<&str, &'static str> {
    let valid = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    valid
        .then_some(text)
        .ok_or("has not 1 to 255 printable ASCII characters")
}

fn scopes(fields: &mut Fields<'_>) -> Option<Scopes> {
    let names = fields.list("scopes")?;
    if names.is_empty() {
        fields.reject("scopes", "is empty: a key without scopes can do nothing");
        return None;
    }
    match names
        .iter()
        .map(|name| Scope::parse(name))
        .collect::<Result<Scopes, _>>()
    {
        Ok(scopes) => Some(scopes),
        Err(error) => {
            fields.reject("scopes", error.to_string());
            None
        }
    }
}
