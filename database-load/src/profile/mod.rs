//! Profiles: which datasets are brought, and from where.

mod graph;

use std::collections::BTreeMap;
use std::path::Path;

use process::failure::{ExitCode, Failure, OrExit as _};
use serde::Deserialize;

use crate::datasets::DatasetKind;
use crate::regular_file;
use crate::sources::{Entry, Source};

/// A profile: operations, each of which brings one dataset.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The file's name without `.toml`: 1 to 63 characters.
    pub name: String,
    /// The file as it is.
    pub text: String,
    /// The version that the profile states of itself.
    pub version: Option<i64>,
    /// Every operation after all that it needs.
    pub operations: Vec<Operation>,
}

/// Brings one dataset.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it brings.
    pub dataset: DatasetKind,
    /// Operations that are read before it.
    pub needs: Vec<DatasetKind>,
    /// Where the rows are.
    pub sources: Vec<Source>,
    /// Where the API keys are; for `users` only.
    pub api_keys: Vec<Source>,
    /// In how many of the files a valid code stands at least; for `coupon_codes` only.
    pub min_files: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "description")]
    _description: Option<String>,
    version: Option<i64>,
    operations: BTreeMap<DatasetKind, OperationTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationTable {
    #[serde(default)]
    needs: Vec<String>,
    sources: Vec<Entry>,
    api_keys: Option<Vec<Entry>>,
    min_files: Option<usize>,
}

/// `min_files` of a profile that does not say it.
const MIN_FILES: usize = 2;

impl Profile {
    /// Reads the profile file. Its sources are not looked at.
    ///
    /// # Errors
    /// `Usage`, naming file and line: not there, not TOML, an unknown key, needs that cannot be
    /// met.
    pub fn read(path: &Path) -> Result<Profile, Failure> {
        let text = regular_file::check(path)
            .and_then(|_| std::fs::read_to_string(path))
            .or_exit(ExitCode::Usage, format!("profile {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Profile::parse(&Profile::name_of(path), text, folder).map_err(|problem| {
            Failure::new(ExitCode::Usage, format!("profile {}: {problem}", path.display()))
        })
    }

    /// The name of the profile in this file, whatever the file holds.
    pub fn name_of(path: &Path) -> String {
        path.file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The datasets that it brings, in the order in which they are published.
    pub fn datasets(&self) -> Vec<DatasetKind> {
        DatasetKind::ALL
            .into_iter()
            .filter(|dataset| self.operation(*dataset).is_some())
            .collect()
    }

    /// The operation that brings this dataset.
    pub fn operation(&self, dataset: DatasetKind) -> Option<&Operation> {
        self.operations
            .iter()
            .find(|operation| operation.dataset == dataset)
    }

    /// Every source, in a fixed order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let ordered = DatasetKind::ALL
            .into_iter()
            .filter_map(|dataset| self.operation(dataset));
        ordered.flat_map(|operation| operation.sources.iter().chain(&operation.api_keys))
    }

    fn parse(name: &str, text: String, folder: &Path) -> Result<Profile, String> {
        let length = name.chars().count();
        if !(1..=63).contains(&length) || name.chars().any(char::is_control) {
            return Err("the name of a profile has 1 to 63 characters".into());
        }
        let File {
            version, operations, ..
        } = toml::from_str(&text).map_err(|error| one_line(&error, &text))?;
        let mut found = Vec::with_capacity(operations.len());
        for (dataset, table) in operations {
            let operation = Operation::parse(dataset, table, folder);
            found.push(operation.map_err(|problem| format!("operations.{dataset}{problem}"))?);
        }
        if found.is_empty() {
            return Err("operations is empty".into());
        }
        if let Some(codes) = found
            .iter()
            .find(|found| found.dataset == DatasetKind::CouponCodes)
        {
            // How many files a folder holds is not known before it is looked at.
            let may_be_more = codes.sources.iter().any(|source| source.location.is_plural());
            codes.check_files(if may_be_more {
                coupon_scan::MAX_FILES
            } else {
                codes.sources.len()
            })?;
        }
        Ok(Profile {
            name: name.into(),
            text,
            version,
            operations: graph::order(found)?,
        })
    }
}

impl Operation {
    /// The error continues `operations.name`.
    fn parse(dataset: DatasetKind, table: OperationTable, folder: &Path) -> Result<Operation, String> {
        let has_rows = !dataset.tables().is_empty();
        let own = [
            (table.api_keys.is_some(), "api_keys"),
            (table.min_files.is_some(), "min_files"),
        ];
        for (is_given, key) in own {
            if is_given && !dataset.dataset().own_keys.contains(&key) {
                return Err(format!(": unknown field `{key}`"));
            }
        }
        let sources = |entries: Vec<Entry>| -> Result<Vec<Source>, String> {
            let parse = |entry| Source::parse(entry, has_rows, folder);
            let parsed: Result<_, String> = entries.into_iter().map(parse).collect();
            parsed.map_err(|problem| format!(": {problem}"))
        };
        let needs: Result<_, _> = table.needs.iter().map(|need| graph::need(need)).collect();
        let operation = Operation {
            dataset,
            needs: needs?,
            sources: sources(table.sources)?,
            api_keys: sources(table.api_keys.unwrap_or_default())?,
            min_files: table.min_files.unwrap_or(MIN_FILES),
        };
        if operation.sources.is_empty() {
            return Err(".sources is empty".into());
        }
        Ok(operation)
    }

    /// Whether a code can be valid with so many coupon files.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn check_files(&self, files: usize) -> Result<(), String> {
        if files <= coupon_scan::MAX_FILES && (1..=files).contains(&self.min_files) {
            return Ok(());
        }
        Err(format!(
            "operations.coupon_codes: min_files is 1 to the number of sources, which is at most {}; \
             the name of a folder ends in /",
            coupon_scan::MAX_FILES
        ))
    }
}

fn one_line(error: &toml::de::Error, text: &str) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
    format!("line {line}: {}", error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profile, String> {
        Profile::parse("test", text.into(), Path::new("/data"))
    }

    #[test]
    fn operations_stand_after_what_they_need() {
        let profile = parse(
            r#"
            [operations.users]
            needs = ["products"]
            sources = ["users.json"]
            [operations.products]
            needs = ["promotions"]
            sources = ["products.csv"]
            [operations.promotions]
            sources = ["promotions.csv"]
            "#,
        )
        .unwrap();
        let order: Vec<DatasetKind> = profile
            .operations
            .iter()
            .map(|operation| operation.dataset)
            .collect();
        assert_eq!(
            order,
            [DatasetKind::Promotions, DatasetKind::Products, DatasetKind::Users]
        );
        let promotions = &profile.operations[0].sources[0].location;
        assert!(
            matches!(promotions, crate::sources::Location::Local(path) if path == Path::new("/data/promotions.csv")),
            "{promotions:?}"
        );
    }

    #[test]
    fn what_cannot_be_met_is_refused() {
        let products = "[operations.products]\nsources = [\"p.csv\"]\n";
        let users = "[operations.users]\nsources = [\"u.json\"]\n";
        for (text, says) in [
            (
                format!("{products}needs = [\"users\"]\n{users}needs = [\"products\"]"),
                "cycle",
            ),
            (format!("{products}needs = [\"products\"]"), "cycle"),
            (
                format!("{products}needs = [\"user\"]"),
                "unknown operation `user`",
            ),
            (
                format!("{products}needs = [\"users\"]"),
                "the profile does not have",
            ),
            (format!("{products}sauces = []"), "line 3: unknown field `sauces`"),
            (
                format!("{products}[operations.drinks]\nsources = []"),
                "unknown variant `drinks`",
            ),
            ("[operations.products]\nsources = []".into(), "sources is empty"),
            ("[operations]".into(), "operations is empty"),
            ("version = \"1\"".into(), "line 1: invalid type"),
            (
                "[operations.products]\nsources = [{ location = \"p.csv\", sum = \"\" }]".into(),
                "line 2: unknown field `sum`",
            ),
            (
                "[operations.products]\nsources = [{ location = \"p.csv\", sha256 = \"\" }]".into(),
                "64 hexadecimal digits",
            ),
            (
                format!(
                    "[operations.products]\nsources = [{{ location = \"*.csv\", sha256 = \"{}\" }}]",
                    "0".repeat(64)
                ),
                "sha256 is for a single file",
            ),
            (
                "[operations.products]\nsources = [{ location = \"p\", format = \"xml\" }]".into(),
                "unknown variant `xml`",
            ),
            ("[operations.coupon_codes]\nsources = [\"a\"]".into(), "min_files"),
            (
                "[operations.orders]\nsources = [\"o.jsonl\"]".into(),
                "orders needs products, which the profile does not have",
            ),
        ] {
            let problem = parse(&text).unwrap_err();
            assert!(problem.contains(says), "{text}\n{problem}");
        }
    }
}
