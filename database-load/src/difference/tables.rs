//! What is compared of each table, and the statements for it.

use std::collections::BTreeMap;

use super::Column;
use crate::profile::Dataset;

/// A table whose rows a version says.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Columns that are compared, as they are stored: the select list.
    stored: &'static str,
    /// The row's key as text, over the stored row.
    key: &'static str,
    /// The columns of a staged row, with their types.
    staged: &'static str,
    /// The columns of a staged row in the shape of `stored`: the select list, over `staged`.
    wanted: &'static str,
    /// The column that says whether a row is in force.
    flag: Option<&'static str>,
    /// Its values are shown to nobody.
    is_secret: bool,
}

const PRODUCTS: Table = Table {
    name: "products",
    stored: "id, name, price, category, image",
    key: "id::text",
    staged: "id bigint, name text, price numeric(10, 2), category text, image jsonb",
    wanted: "id, name, price, category, image",
    flag: Some("available"),
    is_secret: false,
};

const USERS: Table = Table {
    name: "users",
    stored: "id, email, name, role",
    key: "id::text",
    staged: "id uuid, email text, name text, role text",
    wanted: "id, email, name, role",
    flag: Some("active"),
    is_secret: true,
};

/// `revoked_at` is run time's own.
const API_KEYS: Table = Table {
    name: "api_keys",
    stored: "id, encode(key_hash, 'hex') AS key_hash, hash_key_id, user_id, scopes, expires_at",
    key: "id::text",
    staged: "id uuid, key_hash text, hash_key_id text, user_id uuid, scopes text[], expires_at timestamptz",
    wanted: "id, key_hash, hash_key_id, user_id, scopes, expires_at",
    flag: Some("active"),
    is_secret: true,
};

const PROMOTIONS: Table = Table {
    name: "promotions",
    stored: "code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses",
    key: "code",
    staged: "code text, kind text, value numeric(10, 2), min_items integer, max_discount numeric(10, 2),
             starts_at timestamptz, ends_at timestamptz, max_uses bigint",
    wanted: "code, kind, value, min_items, max_discount, starts_at, ends_at, max_uses",
    flag: Some("active"),
    is_secret: false,
};

/// Run time owns orders: sample orders are there or not, whatever the products cost today.
const ORDERS: Table = Table {
    name: "orders",
    stored: "id",
    key: "id::text",
    staged: "id uuid",
    wanted: "id",
    flag: None,
    is_secret: false,
};

/// The tables of a dataset that have rows in `dataset_rows`.
pub(super) fn of(dataset: Dataset) -> &'static [&'static Table] {
    match dataset {
        Dataset::Users => &[&USERS, &API_KEYS],
        Dataset::Products => &[&PRODUCTS],
        Dataset::Promotions => &[&PROMOTIONS],
        Dataset::Orders => &[&ORDERS],
        Dataset::CouponCodes => &[],
    }
}

/// The staged rows of version `$1` of table `$2`.
const OF_VERSION: &str = "SELECT key, row FROM dataset_rows WHERE version = $1 AND dataset = $2";

/// The rows with the keys `$1` and the values `$2`.
const OF_ROWS: &str = "SELECT key, row::jsonb FROM unnest($1::text[], $2::text[]) AS staged (key, row)";

impl Table {
    /// The rows of version `$1` that this table, whose name is `$2`, has not, or otherwise: key, whether it is missing,
    /// columns.
    pub(super) fn differing_from_version(&self) -> String {
        self.differing(OF_VERSION)
    }

    /// As [`Table::differing_from_version`], of the rows with the keys `$1` and the values `$2`.
    pub(super) fn differing_from_rows(&self) -> String {
        self.differing(OF_ROWS)
    }

    /// Keys of rows in force that version `$1` of the table `$2` has not; none of a table that keeps all rows.
    pub(super) fn beyond_version(&self) -> Option<String> {
        self.beyond("SELECT key FROM dataset_rows WHERE version = $1 AND dataset = $2")
    }

    /// As [`Table::beyond_version`], with the keys `$1`.
    pub(super) fn beyond_keys(&self) -> Option<String> {
        self.beyond("SELECT key FROM unnest($1::text[]) AS staged (key)")
    }

    fn differing(&self, staged: &str) -> String {
        let Table {
            name,
            stored,
            key,
            wanted,
            ..
        } = self;
        let columns = self.staged;
        let (is, must_be) = match self.flag {
            Some(flag) => (format!(", {flag}"), format!(", true AS {flag}")),
            None => (String::new(), String::new()),
        };
        // Both sides have the types of the table, so that 9.9 is 9.90 and an instant has one spelling.
        format!(
            "WITH staged AS ({staged}), wanted AS (
                 SELECT key, to_jsonb(shaped) AS row
                 FROM staged
                 CROSS JOIN LATERAL (
                     SELECT {wanted}{must_be} FROM jsonb_to_record(staged.row) AS typed ({columns})
                 ) AS shaped
             ), stored AS (
                 SELECT {key} AS key, to_jsonb(shaped) AS row
                 FROM (SELECT {stored}{is} FROM {name}) AS shaped
             )
             SELECT key, stored.row IS NULL,
                    (SELECT jsonb_object_agg(old.key, jsonb_build_array(old.value #>> '{{}}', new.value #>> '{{}}'))::text
                     FROM jsonb_each(stored.row) AS old JOIN jsonb_each(wanted.row) AS new USING (key)
                     WHERE old.value <> new.value)
             FROM wanted LEFT JOIN stored USING (key)
             WHERE wanted.row IS DISTINCT FROM stored.row
             ORDER BY length(key), key"
        )
    }

    fn beyond(&self, keys: &str) -> Option<String> {
        let Table { name, key, flag, .. } = self;
        flag.map(|flag| {
            format!(
                "SELECT key FROM (SELECT {key} AS key FROM {name} WHERE {flag}) AS stored
                 WHERE NOT EXISTS (SELECT FROM ({keys}) AS wanted WHERE wanted.key = stored.key)
                 ORDER BY length(key), key"
            )
        })
    }

    /// The columns of a row that differs, from `{"price": ["9.99", "10.49"]}`.
    pub(super) fn columns(&self, json: &str) -> Vec<Column> {
        let columns: BTreeMap<String, (Option<String>, Option<String>)> =
            serde_json::from_str(json).unwrap_or_default();
        let column = |(column, (stored, wanted))| {
            let (stored, wanted) = if self.is_secret {
                (None, None)
            } else {
                (stored, wanted)
            };
            Column {
                column,
                stored,
                wanted,
            }
        };
        columns.into_iter().map(column).collect()
    }
}
