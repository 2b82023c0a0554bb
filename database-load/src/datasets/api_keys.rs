//! API keys of users: only hashes are kept.

use std::collections::HashSet;
use std::sync::Arc;

use database::rows::{self, ApiKeyRow};
use process::failure::Failure;
use shop::{HashKeys, KeyHash, Scope, Scopes};
use uuid::Uuid;

use super::table::{Table, bytes, column};
use super::{Notes, Seen};
use crate::formats::{BadRow, Column, Fields, optional, required, secret_or_null, text};
use crate::sources::Input;

const COLUMNS: &[Column] = &[
    required("id"),
    secret_or_null("key"),
    required("user"),
    required("scopes"),
    optional("expires_at"),
    optional("development"),
];

/// `revoked_at` belongs to run time.
pub(super) const TABLE: Table = Table {
    is_secret: true,
    is_served: Some(|row| rows::served::<ApiKeyRow, rows::ApiKey>(row).map(drop)),
    // Keys may have changed hands since: another row that holds one of them gets a hash that no key
    // has, so that what is restored is unique again. A load refuses a key that is stored under
    // another id.
    prepare_restore: Some(
        "UPDATE api_keys SET key_hash = sha256(convert_to('released ' || id || clock_timestamp(), 'UTF8'))
         FROM dataset_rows
         WHERE version = $1 AND dataset = 'api_keys' AND api_keys.key_hash = decode(row ->> 'key_hash', 'hex')
           AND key <> api_keys.id::text",
    ),
    ..Table::new(
        "api_keys",
        &[
            column("id", "uuid"),
            bytes(
                "key_hash",
                "encode(key_hash, 'hex')",
                "decode(new.key_hash, 'hex')",
            ),
            column("hash_key_id", "text"),
            column("user_id", "uuid"),
            column("scopes", "text[]"),
            column("expires_at", "timestamptz"),
        ],
        Some("active"),
    )
};

/// An API key that was read: the key itself is in no field.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) row: ApiKeyRow,
    /// Under every hash key: to find out whether the key is stored already.
    pub(crate) hashes: Vec<KeyHash>,
    file: Arc<str>,
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
    users: &HashSet<Uuid>,
    hash_keys: &HashKeys,
    notes: &mut Notes,
) -> Result<Vec<ApiKey>, Failure> {
    let (mut ids, mut hashes) = (Seen::new(), Seen::new());
    // A user whose row is bad is missing from `users`: that is reported once.
    let all_users_known = notes.findings.is_empty();
    super::table(inputs, COLUMNS, notes, |fields| {
        let id = super::unique(&mut ids, "id", fields, text::uuid);
        let mut every_hash = Vec::new();
        let hash = match id.filter(|_| fields.is_null("key")) {
            // Nobody has its key: a part of the service stores orders under its id.
            Some(id) => {
                let id = id.as_u128();
                every_hash.extend(hash_keys.iter().map(|by| by.hash_without_key(id)));
                Some(hash_keys.writer().hash_without_key(id))
            }
            None => super::unique(&mut hashes, "key", fields, |text| {
                let key = key(text)?.as_bytes();
                every_hash.extend(hash_keys.iter().map(|by| by.hash(key)));
                Ok::<_, &str>(hash_keys.writer().hash(key))
            }),
        };
        let user = fields.required("user", text::uuid);
        if all_users_known && user.is_some_and(|user| !users.contains(&user)) {
            fields.reject("user", "is no user of this profile");
        }
        let scopes = scopes(fields);
        let expires_at = fields.optional("expires_at", text::time);
        Some(ApiKey {
            row: ApiKeyRow {
                id: id?,
                key_hash: hash?.0.into(),
                hash_key_id: hash_keys.writer().id().into(),
                user_id: user?,
                scopes: scopes?.iter().map(|scope| scope.name().into()).collect(),
                expires_at: expires_at?,
            },
            hashes: every_hash,
            file: Arc::clone(&fields.row.file),
            line: fields.row.line,
        })
    })
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
    let scopes = names.iter().map(|name| Scope::parse(name));
    let scopes = scopes.collect::<Result<Scopes, _>>();
    scopes
        .map_err(|error| fields.reject("scopes", error.to_string()))
        .ok()
}
