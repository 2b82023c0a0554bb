//! Users, and with them their API keys.

use std::collections::HashMap;

use process::failure::Failure;
use serde::Serialize;
use tracing::Span;
use uuid::Uuid;

use super::api_keys;
use super::table::{Table, column};
use super::{Data, Dataset, Inputs, Notes, Reading, Seen, StagedRow};
use crate::formats::{self, Column, optional, required, secret, text};
use crate::sources::Input;

const COLUMNS: &[Column] = &[
    required("id"),
    secret("email"),
    required("name"),
    required("role"),
    optional("development"),
];
const ROLES: [&str; 3] = ["customer", "staff", "admin"];

const TABLES: &[Table; 2] = &[
    Table {
        is_secret: true,
        // Two users may swap their addresses: only active ones have to be unique.
        prepare: Some(
            "UPDATE users SET active = false
             FROM dataset_rows
             WHERE version = $1 AND dataset = 'users' AND key = users.id::text
               AND active AND lower(email) <> lower(row ->> 'email')",
        ),
        ..Table::new(
            "users",
            &[
                column("id", "uuid"),
                column("email", "text"),
                column("name", "text"),
                column("role", "text"),
            ],
            Some("active"),
        )
    },
    api_keys::TABLE,
];

pub(super) struct Users;

impl Dataset for Users {
    fn name(&self) -> &'static str {
        "users"
    }

    fn tables(&self) -> &'static [Table] {
        TABLES
    }

    fn own_keys(&self) -> &'static [&'static str] {
        &["api_keys"]
    }

    fn span(&self) -> Span {
        super::span!("dataload.loadUsers", self.name())
    }

    fn parse(
        &self,
        inputs: &Inputs,
        reading: &Reading,
        data: &mut Data,
        notes: &mut Notes,
    ) -> Result<(), Failure> {
        data.users = read(&inputs.sources, notes)?;
        let users = data.users.iter().map(|user| user.id).collect();
        data.api_keys = api_keys::read(&inputs.api_keys, &users, &reading.hash_keys, notes)?;
        Ok(())
    }

    fn count(&self, data: &Data) -> usize {
        data.users.len()
    }

    fn counts(&self, data: &Data) -> Vec<(&'static str, usize)> {
        vec![("users", data.users.len()), ("api_keys", data.api_keys.len())]
    }

    fn staged(&self, data: &Data) -> Result<Vec<StagedRow>, Failure> {
        let [users, api_keys] = TABLES;
        let keys = data.api_keys.iter().map(|key| &key.row);
        let mut rows = super::staged(users, &data.users, |user| user.id.to_string())?;
        rows.append(&mut super::staged(api_keys, keys, |key| key.id.to_string())?);
        Ok(rows)
    }
}

/// A row of `users`, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    email: String,
    name: String,
    role: String,
}

fn read(inputs: &[Input], notes: &mut Notes) -> Result<Vec<User>, Failure> {
    let mut ids: Seen<Uuid> = HashMap::new();
    let mut emails: Seen<String> = HashMap::new();
    let mut users = Vec::new();
    formats::read(inputs, COLUMNS, &mut notes.findings, |mut fields| {
        let id = fields.required("id", text::uuid);
        if let Some(id) = id {
            super::once(&mut ids, id, "id", &mut fields);
        }
        let email = fields.required("email", text::email);
        if let Some(email) = &email {
            super::once(&mut emails, email.to_ascii_lowercase(), "email", &mut fields);
        }
        let name = fields.required("name", text::words(200));
        let role = fields.required("role", role);
        notes.development.note(&mut fields);
        if let (Some(id), Some(email), Some(name), Some(role)) = (id, email, name, role) {
            users.push(User {
                id,
                email,
                name,
                role,
            });
        }
    })?;
    Ok(users)
}

fn role(text: &str) -> Result<String, &'static str> {
    ROLES
        .contains(&text)
        .then(|| text.to_owned())
        .ok_or("is none of customer, staff, admin")
}
