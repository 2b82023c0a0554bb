//! `plan`: what `up` or `down` would do.

use std::fmt;

use process::failure;
use serde::Serialize;
use tokio_postgres::Client;
use tracing::debug;

use crate::error::{Doing as _, Error};
use crate::execute::Direction;
use crate::migration::{Migration, Transaction};
use crate::migrator::{Back, Migrator};
use crate::rows::{self, Loss};
use crate::run::Run;
use crate::standing::Standing;

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
    /// `createTables`, `createIndexes` or `alterTables`; of a step back `revert`.
    pub kind: &'static str,
    /// Whether it is one transaction; else it runs statement by statement.
    pub transaction: bool,
    /// The oldest build that can work with the schema afterwards; of a step back none.
    pub min_compatible_schema: Option<i32>,
    /// What a step back drops; none when that cannot be found out here.
    pub drops: Option<Vec<Loss>>,
    /// Those of them that hold rows: `down` refuses them without `--allow-destructive`.
    pub holding_rows: Vec<Loss>,
    /// What would be run.
    pub sql: String,
}

impl Migrator {
    /// What [`up`](Self::up) to this version would do, or [`down`](Self::down) to an older one; changes nothing.
    ///
    /// # Errors
    /// What [`up`](Self::up) would meet before its first migration.
    pub async fn plan(&self, to: Option<i32>) -> Result<Plan, Error> {
        let wanted = self.asked(to)?;
        let run = self.start("plan");
        let mut client = run.connect().await?;
        let ledger = run.ledger(&client, run.patience()).await?;
        let standing = Standing::of(&self.migrations, &ledger.applied)?;
        let mut plan = Plan {
            database: self.database.target(),
            version: standing.version,
            newest: standing.newest,
            to: standing.version.max(wanted),
            direction: Direction::Up,
            steps: Vec::new(),
            show_sql: false,
        };
        // Without a version asked for it is `up`, which leaves a newer database alone.
        if to.is_none() || wanted >= standing.version {
            let pending = standing.pending(&self.migrations, wanted);
            plan.steps = pending.iter().map(|it| Planned::new(it, Direction::Up)).collect();
            return Ok(plan);
        }
        let chosen = self.to_take_back(&standing, Back::To(wanted))?;
        plan.direction = Direction::Down;
        plan.to = wanted;
        plan.steps = chosen
            .iter()
            .map(|it| Planned::new(it, Direction::Down))
            .collect();
        if !ledger.standby {
            foresee(&run, &mut client, &mut plan, &chosen).await?;
        }
        Ok(plan)
    }
}

/// Adds what the steps back drop, as far as that can be found out.
async fn foresee(
    run: &Run<'_>,
    client: &mut Client,
    plan: &mut Plan,
    chosen: &[&Migration],
) -> Result<(), Error> {
    let losses = match run.losses(client, plan.version, chosen).await {
        Ok(losses) => losses,
        Err(error @ Error::Database { .. }) => {
            debug!(
                error = failure::line(&error),
                "what would be dropped is not known"
            );
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for (step, losses) in plan.steps.iter_mut().zip(losses) {
        let look = async {
            let holding = rows::holding(client, &losses).await;
            holding.doing("look for rows")
        };
        step.holding_rows = run.briefly("look for rows", run.patience(), look).await?;
        step.drops = Some(losses);
    }
    Ok(())
}

impl Planned {
    fn new(migration: &Migration, direction: Direction) -> Self {
        let (file, sql) = direction.file(migration);
        let why = sql.lines().next().unwrap_or_default();
        Self {
            version: migration.version,
            file,
            why: why.trim_start_matches("-- ").to_owned(),
            kind: direction.kind(migration),
            transaction: migration.transaction == Transaction::Yes,
            min_compatible_schema: (direction == Direction::Up).then_some(migration.min_compatible_schema),
            drops: None,
            holding_rows: Vec::new(),
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
            if let Some(drops) = step.drops.as_ref().filter(|drops| !drops.is_empty()) {
                writeln!(f, "    drops {}", rows::list(drops))?;
            }
            if !step.holding_rows.is_empty() {
                let holding = rows::list(&step.holding_rows);
                writeln!(
                    f,
                    "    is refused without --allow-destructive, since there are rows: {holding}"
                )?;
            }
            if self.show_sql {
                writeln!(f, "\n{}", step.sql)?;
            }
        }
        Ok(())
    }
}
