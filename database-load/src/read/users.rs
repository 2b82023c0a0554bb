use std::collections::HashMap;

use process::failure::Failure;
use serde::Serialize;
use uuid::Uuid;

use super::{Development, Seen};
use crate::input::Input;
use crate::table::{self, Column, Findings, optional, required, secret, text};

const COLUMNS: &[Column] = &[
    required("id"),
    secret("email"),
    required("name"),
    required("role"),
    optional("development"),
];
const ROLES: [&str; 3] = ["customer", "staff", "admin"];

/// A row of `users`, in the shape that `dataset_rows` keeps.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    email: String,
    name: String,
    role: String,
}

pub(super) fn read(
    inputs: &[Input],
    findings: &mut Findings,
    development: &mut Development,
) -> Result<Vec<User>, Failure> {
    let mut ids: Seen<Uuid> = HashMap::new();
    let mut emails: Seen<String> = HashMap::new();
    let mut users = Vec::new();
    table::read(inputs, COLUMNS, findings, |mut fields| {
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
        development.note(&mut fields);
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
