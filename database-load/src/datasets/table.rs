//! A table of a dataset: its columns, and the statements that publish the rows of a version.

use database::rows::Unserved;

/// Whether the API can serve a row as `dataset_rows` keeps it.
type IsServed = fn(&str) -> Result<(), Unserved>;

/// A table whose rows a version says.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Columns that the data say; the first is the key. Others belong to run time.
    pub(crate) columns: &'static [StoredColumn],
    /// The column that says whether a row is active; rows of a table without one are added once and
    /// never touched again, for they belong to run time.
    pub(crate) active: Option<&'static str>,
    /// Values are never shown.
    pub(crate) is_secret: bool,
    /// Whether the API can serve a staged row, for tables that it reads.
    pub(crate) is_served: Option<IsServed>,
    /// Statement that makes room for changed and added rows.
    pub(crate) prepare: Option<&'static str>,
    /// As `prepare`, only when a version is restored.
    pub(crate) prepare_restore: Option<&'static str>,
    /// Statement that adds what belongs to the rows.
    pub(crate) complete: Option<&'static str>,
}

/// A column of a [`Table`].
pub(crate) struct StoredColumn {
    pub(crate) name: &'static str,
    /// Its type in the JSON of a staged row.
    pub(crate) staged_type: &'static str,
    /// How the staged row's JSON shows the stored value, if not as it is.
    pub(crate) read: Option<&'static str>,
    /// The stored value of the staged row `new`, if not as it is.
    write: Option<&'static str>,
}

/// A column with the same type in the table and in the JSON of a staged row.
pub(crate) const fn column(name: &'static str, staged_type: &'static str) -> StoredColumn {
    StoredColumn {
        name,
        staged_type,
        read: None,
        write: None,
    }
}

/// A column of bytes, in hexadecimal digits in a staged row: `read` and `write` convert it.
pub(crate) const fn bytes(name: &'static str, read: &'static str, write: &'static str) -> StoredColumn {
    StoredColumn {
        name,
        staged_type: "text",
        read: Some(read),
        write: Some(write),
    }
}

/// What the rows count as that a statement writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Retired,
    Changed,
    Added,
    /// Nothing: they belong to rows that are counted.
    None,
}

impl Table {
    /// An ordinary table: it shows its values, and has no statements of its own.
    pub(super) const fn new(
        name: &'static str,
        columns: &'static [StoredColumn],
        active: Option<&'static str>,
    ) -> Table {
        Table {
            name,
            columns,
            active,
            is_secret: false,
            is_served: None,
            prepare: None,
            prepare_restore: None,
            complete: None,
        }
    }

    /// The statements that bring the rows of version `$1` into the table, in the order in which
    /// they run. Rows that stay as they are are neither written nor locked.
    pub(crate) fn publish(&self, is_restore: bool) -> Vec<(Effect, String)> {
        let mut statements = Vec::new();
        if self.active.is_none() && is_restore {
            return statements;
        }
        let own = |statement: Option<&str>| statement.map(|sql| (Effect::None, sql.to_owned()));
        statements.extend(self.retire().map(|sql| (Effect::Retired, sql)));
        statements.extend(own(self.prepare));
        statements.extend(own(self.prepare_restore.filter(|_| is_restore)));
        statements.extend(self.change().map(|sql| (Effect::Changed, sql)));
        statements.push((Effect::Added, self.add()));
        statements.extend(own(self.complete));
        statements
    }

    /// `id bigint, name text`
    pub(crate) fn staged_columns(&self) -> String {
        let column = |column: &StoredColumn| format!("{} {}", column.name, column.staged_type);
        self.list(self.columns, column)
    }

    pub(crate) fn list(&self, columns: &[StoredColumn], text: impl Fn(&StoredColumn) -> String) -> String {
        columns.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    /// The staged rows of version `$1` as `new`, to be followed by more conditions.
    fn staged(&self) -> String {
        let columns = self.staged_columns();
        format!(
            "FROM dataset_rows, jsonb_to_record(row) AS new ({columns}) WHERE version = $1 AND dataset = '{}'",
            self.name
        )
    }

    /// Name of the key column.
    pub(crate) fn key(&self) -> &'static str {
        self.columns.first().map_or("id", |key| key.name)
    }

    fn retire(&self) -> Option<String> {
        let (name, key) = (self.name, self.key());
        self.active.map(|active| {
            format!(
                "UPDATE {name} SET {active} = false
                 WHERE {active} AND NOT EXISTS (
                     SELECT FROM dataset_rows WHERE version = $1 AND dataset = '{name}' AND key = {name}.{key}::text
                 )"
            )
        })
    }

    fn change(&self) -> Option<String> {
        let (name, key) = (self.name, self.key());
        let active = self.active?;
        let (_, values) = self.columns.split_first()?;
        let set = self.list(values, |column| format!("{} = {}", column.name, column.written()));
        let stored = self.list(values, |column| format!("{name}.{}", column.name));
        let wanted = self.list(values, StoredColumn::written);
        Some(format!(
            "UPDATE {name} SET {set}, {active} = true
             {} AND new.{key} = {name}.{key}
               AND ({stored}, {name}.{active}) IS DISTINCT FROM ({wanted}, true)",
            self.staged()
        ))
    }

    /// Rows that are there are told by the staged key: most are, and need not be taken apart.
    fn add(&self) -> String {
        let (name, key) = (self.name, self.key());
        let key_type = self.columns.first().map_or("text", |key| key.staged_type);
        let columns = self.list(self.columns, |column| column.name.to_owned());
        let values = self.list(self.columns, StoredColumn::written);
        format!(
            "INSERT INTO {name} ({columns}) SELECT {values} {}
             AND NOT EXISTS (SELECT FROM {name} WHERE {name}.{key} = dataset_rows.key::{key_type})",
            self.staged()
        )
    }
}

impl StoredColumn {
    fn written(&self) -> String {
        self.write
            .map_or_else(|| format!("new.{}", self.name), str::to_owned)
    }
}
