//! The files of the profile `demo`.

use super::{menu, orders, people, promotions};

/// A file of the folder `demo`.
pub(crate) struct File {
    pub(crate) name: &'static str,
    /// Before it is packed.
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn all() -> Vec<File> {
    let file = |name, text| File { name, text };
    vec![
        file("products.csv", menu::csv()),
        file("users.jsonl", people::users()),
        file("api_keys.json", people::api_keys()),
        file("promotions.csv", promotions::csv()),
        file("orders.jsonl.gz", orders::lines()),
    ]
}
