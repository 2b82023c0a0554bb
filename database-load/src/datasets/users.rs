//! Users, and with them their API keys.

use process::failure::Failure;
use serde::Serialize;
use uuid::Uuid;

use super::api_keys;
use super::table::{Table, column};
use super::{Dataset, Notes, Seen};
use crate::formats::{Column, optional, required, secret, text};
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

pub(super) const USERS: Dataset = Dataset {
    name: "users",
    tables: TABLES,
    own_keys: &["api_keys"],
    refers_to: &[],
    span: || super::span!("dataload.loadUsers", "users"),
    parse: |inputs, reading, data, notes| {
        data.users = read(&inputs.sources, notes)?;
        let users = data.users.iter().map(|user| user.id).collect();
        data.api_keys = api_keys::read(&inputs.api_keys, &users, &reading.hash_keys, notes)?;
        Ok(())
    },
    counts: |data| vec![("users", data.users.len()), ("api_keys", data.api_keys.len())],
    staged: |data| {
        let [users, api_keys] = TABLES;
        let keys = data.api_keys.iter().map(|key| &key.row);
        let mut rows = super::staged(users, &data.users, |user| user.id.to_string())?;
        rows.append(&mut super::staged(api_keys, keys, |key| key.id.to_string())?);
        Ok(rows)
    },
};

/// A row of `users`, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    email: String,
    name: String,
    role: String,
}

fn read(inputs: &[Input], notes: &mut Notes) -> Result<Vec<User>, Failure> {
    let (mut ids, mut emails) = (Seen::new(), Seen::new());
    super::table(inputs, COLUMNS, notes, |fields| {
        let id = super::unique(&mut ids, "id", fields, text::uuid);
        let email = fields.required("email", text::email);
        if let Some(email) = &email {
            super::once(&mut emails, email.to_ascii_lowercase(), "email", fields);
        }
        let name = fields.required("name", text::words(200));
        let role = fields.required("role", role);
        Some(User {
            id: id?,
            email: email?,
            name: name?,
            role: role?,
        })
    })
}

fn role(text: &str) -> Result<String, &'static str> {
    ROLES
        .contains(&text)
        .then(|| text.to_owned())
        .ok_or("is none of customer, staff, admin")
}
