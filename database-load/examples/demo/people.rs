//! 50 users, of whom a few hold the keys of the places where orders come from. All of it is made
//! up.

use std::fmt::Write as _;

const GIVEN: [&str; 16] = [
    "Ada", "Ben", "Carla", "Deniz", "Elena", "Farid", "Grace", "Hugo", "Ines", "Jamal", "Kira", "Liam",
    "Mei", "Noah", "Olga", "Pedro",
];
const FAMILY: [&str; 12] = [
    "Almeida", "Brown", "Costa", "Dubois", "Eriksson", "Fischer", "García", "Haddad", "Ito", "Jensen",
    "Kowalski", "Lopez",
];
const USERS: usize = 50;

/// Key, number of the user who holds it, scopes, share of the orders in percent.
const KEYS: [(&str, usize, &str, u64); 8] = [
    ("apitest", 2, r#""create_order", "read_orders""#, 2),
    ("demo-web-3f9c2a71", 3, r#""create_order", "read_orders""#, 40),
    ("demo-app-84d1be06", 4, r#""create_order", "read_orders""#, 33),
    ("demo-kiosk-1c77e5d2", 5, r#""create_order""#, 12),
    ("demo-phone-a60b93f4", 6, r#""create_order", "read_orders""#, 8),
    ("demo-partner-5be8d01c", 7, r#""create_order", "read_orders""#, 5),
    (
        "demo-back-office-e2417f9a",
        1,
        r#""read_orders", "read_all_orders""#,
        0,
    ),
    (
        "stafftest",
        1,
        r#""read_all_orders", "view_reports", "manage_orders", "view_operations", "operate""#,
        0,
    ),
];

fn user_id(number: usize) -> String {
    format!("018f4e5a-0000-7000-8000-{number:012x}")
}

/// The first and the last are those of the profile `default`: the same key keeps its id.
fn key_id(number: usize) -> String {
    format!("018f4e5a-0000-7000-8000-{:012x}", 0xa0 + number)
}

/// Ids of the keys and their share of the orders.
pub(crate) fn shares() -> Vec<(usize, u64)> {
    (1..)
        .zip(KEYS)
        .map(|(number, (.., share))| (number, share))
        .collect()
}

/// The id of the key with this number.
pub(crate) fn key(number: usize) -> String {
    key_id(number)
}

pub(crate) fn users() -> String {
    let mut lines = String::new();
    for number in 1..=USERS {
        let (name, email) = match number {
            1 => ("Sample Kitchen".to_owned(), "kitchen".to_owned()),
            2 => ("Sample Customer".to_owned(), "customer".to_owned()),
            _ => {
                // Different strides: the same name comes again after 48 users only.
                let given = GIVEN.get(number % GIVEN.len()).copied().unwrap_or_default();
                let family = FAMILY
                    .get((number * 5 + number / 16) % FAMILY.len())
                    .copied()
                    .unwrap_or_default();
                let email = format!("{given}.{family}{number}")
                    .to_lowercase()
                    .replace('í', "i");
                (format!("{given} {family}"), email)
            }
        };
        let role = match number {
            1 | 4..=9 => "staff",
            3 | 10 => "admin",
            _ => "customer",
        };
        let id = user_id(number);
        let _ = writeln!(
            lines,
            r#"{{"id": "{id}", "email": "{email}@example.com", "name": "{name}", "role": "{role}"}}"#
        );
    }
    lines
}

pub(crate) fn api_keys() -> String {
    let keys: Vec<String> = (1..)
        .zip(KEYS)
        .map(|(number, (key, user, scopes, _))| {
            let (id, user) = (key_id(number), user_id(user));
            format!(
                "  {{\n    \"id\": \"{id}\",\n    \"key\": \"{key}\",\n    \"user\": \"{user}\",\n    \
                 \"scopes\": [{scopes}],\n    \"development\": true\n  }}"
            )
        })
        .collect();
    let storefront = format!(
        "  {{\n    \"id\": \"018f4e5a-0000-7000-8000-0000000000c0\",\n    \"key\": null,\n    \"user\": \"{}\",\n    \
         \"scopes\": [\"create_order\"],\n    \"development\": true\n  }}",
        user_id(2)
    );
    format!("[\n{},\n{storefront}\n]\n", keys.join(",\n"))
}
