//! `validate`: whether ledger, files and schema are what they should be.

use std::fmt;

use process::failure::{self, ExitCode};
use serde::Serialize;
use tokio_postgres::Client;

use crate::error::{Doing as _, Error};
use crate::migrator::Migrator;
use crate::run_context::RunContext;
use crate::schema_snapshot;
use crate::state::{SchemaState, problems, unverified};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Validation {
    /// `host:port/name`
    pub database: String,
    /// The newest version applied.
    pub version: i32,
    /// The newest version of this build.
    pub newest: i32,
    /// What is wrong with the ledger or the files, a sentence each.
    pub ledger: Vec<String>,
    /// How the schema differs from what the applied migrations make, a sentence each; none if it
    /// was not compared.
    pub schema: Option<Vec<String>>,
    /// How many tables were compared, or why none were.
    pub compared: String,
    /// How the process ends: 0, 5 or 7.
    #[serde(skip)]
    pub exit_code: ExitCode,
}

impl Migrator {
    /// Compares the ledger with the files of this build, and the schema with what these files make;
    /// changes nothing.
    ///
    /// # Errors
    /// What keeps it from looking; whatever it finds is part of the answer.
    pub async fn validate(&self) -> Result<Validation, Error> {
        let run = RunContext::start(self, "validate");
        let mut client = run.connect().await?;
        let ledger = run.ledger(&client, run.lock_wait()).await?;
        let mut problems = problems(&self.migrations, &ledger.applied);
        let incompatible = SchemaState::of(&self.migrations, &ledger)
            .err()
            .filter(|_| problems.is_empty());
        let (version, newest) = (ledger.version(), self.newest());
        let why_not = if !problems.is_empty() {
            Some("not compared: the files are not those that were applied")
        } else if version > newest {
            Some("not compared: this build does not have all that was applied")
        } else if ledger.standby {
            Some("not compared: a standby is compared on its primary")
        } else {
            None
        };
        let unverified = unverified(&self.migrations, &ledger.applied);
        problems.extend(unverified.map(|it| Error::Unverified {
            migration: it.to_string(),
        }));
        let (schema, compared) = match why_not {
            Some(why) => (None, why.to_owned()),
            None => compare(&run, &mut client, version).await?,
        };
        let code = match (&incompatible, &schema) {
            (Some(error), _) => error.exit_code(),
            (None, Some(differences)) if !differences.is_empty() => ExitCode::Drift,
            _ if !problems.is_empty() => ExitCode::Drift,
            _ => ExitCode::Done,
        };
        let ledger = problems.iter().chain(&incompatible);
        Ok(Validation {
            database: self.database.target(),
            version,
            newest,
            ledger: ledger.map(|error| failure::line(error)).collect(),
            schema,
            compared,
            exit_code: code,
        })
    }
}

/// Makes the schema anew beside the one in use, in a transaction that is rolled back.
async fn compare(
    run: &RunContext<'_>,
    client: &mut Client,
    version: i32,
) -> Result<(Option<Vec<String>>, String), Error> {
    let migrations = run.migrator.up_to(version);
    let compare = run.unless_stopped(async {
        let look = async {
            let found = schema_snapshot::read(client).await?;
            Ok((schema_snapshot::of_migrations(client, migrations).await?, found))
        };
        look.await.doing("compare the schema")
    });
    match compare.await {
        Ok((expected, found)) => {
            let compared = format!("{} tables", expected.tables());
            Ok((Some(expected.differences(&found)), compared))
        }
        Err(error) if error.exit_code() == ExitCode::Prerequisite => {
            let Error::Database { source, .. } = &error else {
                return Err(error);
            };
            Ok((None, format!("not compared: {}", failure::line(source))))
        }
        Err(error) => Err(error),
    }
}

impl Validation {
    /// Everything that is wrong.
    pub fn findings(&self) -> impl Iterator<Item = &str> {
        let schema = self.schema.iter().flatten();
        self.ledger.iter().chain(schema).map(String::as_str)
    }
}

/// For people.
impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: version {} of {}",
            self.database, self.version, self.newest
        )?;
        match self.ledger.as_slice() {
            [] => writeln!(f, "  ledger: as the files of this build")?,
            problems => problems
                .iter()
                .try_for_each(|problem| writeln!(f, "  ledger: {problem}"))?,
        }
        match self.schema.as_deref() {
            None => writeln!(f, "  schema: {}", self.compared),
            Some([]) => writeln!(f, "  schema: {} as the migrations make them", self.compared),
            Some(differences) => differences
                .iter()
                .try_for_each(|difference| writeln!(f, "  schema: {difference}")),
        }
    }
}
