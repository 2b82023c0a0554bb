//! `plan`: what `up` or `down` would do.

use std::fmt;

use serde::Serialize;

use crate::data_loss::{self, DataLoss};
use crate::error::Error;
use crate::migrator::{Back, Migrator};
use crate::run_context::RunContext;
use crate::source::{Direction, Migration, purpose};
use crate::state::SchemaState;

/// What would be done.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// `host:port/name`
    pub database: String,
    /// The newest version applied.
    pub version: i32,
    /// The newest version of this build.
    pub newest: i32,
    /// The newest version that would be applied afterwards.
    pub to: i32,
    /// Whether the steps apply migrations or take them back.
    pub direction: Direction,
    /// What would be run, in this order.
    pub steps: Vec<Planned>,
    /// Whether the text for people shows the SQL; default no.
    #[serde(skip)]
    pub show_sql: bool,
}

/// One step of a plan.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// The migration's version.
    pub version: i32,
    /// The file that would be run.
    pub file: String,
    /// What its first line says.
    pub why: String,
    /// `createTables`, `createIndexes` or `alterTables`; of a step back, `revert`.
    pub kind: &'static str,
    /// Whether it is one transaction; else it runs statement by statement.
    pub transaction: bool,
    /// The oldest build that can work with the schema afterwards; of a step back none.
    pub min_compatible_schema: Option<i32>,
    /// The tables and columns that a step back drops: `down` refuses them without
    /// `--allow-destructive`.
    pub drops: Vec<DataLoss>,
    /// What would be run.
    pub sql: String,
}

impl Migrator {
    /// What [`up`](Self::up) to this version would do, or [`down`](Self::down) to an older one;
    /// changes nothing.
    ///
    /// # Errors
    /// What [`up`](Self::up) would meet before its first migration.
    pub async fn plan(&self, to: Option<i32>) -> Result<Plan, Error> {
        let wanted = self.target(to)?;
        let run = RunContext::start(self, "plan");
        let client = run.connect().await?;
        let ledger = run.ledger(&client, run.lock_wait()).await?;
        let state = SchemaState::of(&self.migrations, &ledger)?;
        // Without a version asked for it is `up`, which leaves a newer database alone.
        let is_up = to.is_none() || wanted >= state.version;
        let (direction, chosen) = match is_up {
            true => (Direction::Up, state.pending(&self.migrations, wanted)),
            false => (Direction::Down, self.to_revert(&state, Back::To(wanted))?),
        };
        Ok(Plan {
            database: self.database.target(),
            version: state.version,
            newest: state.newest,
            to: if is_up { state.version.max(wanted) } else { wanted },
            direction,
            steps: chosen.iter().map(|it| Planned::new(it, direction)).collect(),
            show_sql: false,
        })
    }
}

impl Planned {
    fn new(migration: &Migration, direction: Direction) -> Self {
        let (file, sql) = direction.file(migration);
        Self {
            version: migration.version,
            file,
            why: purpose(sql).to_owned(),
            kind: direction.kind(migration),
            transaction: migration.metadata.run_in_transaction,
            min_compatible_schema: (direction == Direction::Up)
                .then_some(migration.metadata.min_compatible_schema),
            drops: match direction {
                Direction::Up => Vec::new(),
                Direction::Down => data_loss::of(sql),
            },
            sql: sql.to_owned(),
        }
    }
}

/// For people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: version {} of {}",
            self.database, self.version, self.newest
        )?;
        if self.steps.is_empty() {
            return writeln!(f, "; nothing to do");
        }
        let command = match self.direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        writeln!(f, "; database-migration {command} --to {} would run", self.to)?;
        let of = self.steps.len();
        for (index, step) in self.steps.iter().enumerate() {
            let how = if step.transaction {
                "in one transaction"
            } else {
                "statement by statement"
            };
            let Planned { kind, file, why, .. } = step;
            writeln!(f, "  Step {} of {of}: {kind} {file}, {how}", index + 1)?;
            writeln!(f, "    {why}")?;
            if let Some(oldest) = step.min_compatible_schema {
                writeln!(f, "    builds from version {oldest} on work with it")?;
            }
            if !step.drops.is_empty() {
                let drops = data_loss::list(&step.drops);
                writeln!(f, "    drops {drops}: refused without --allow-destructive")?;
            }
            if self.show_sql {
                writeln!(f, "\n{}", step.sql)?;
            }
        }
        Ok(())
    }
}
