//! `order-food jobs dead-letters`.

use job_queue::operate::{self, DeadLetters};
use process::failure::{ExitCode, Failure, OrExit};
use serde_json::{Value, json};

use super::arguments::{Chosen, DeadLetterAction};
use super::{Desk, found};
use crate::jobs::operator_bulk::BulkAction;

impl Desk {
    pub(super) async fn dead_letters(&mut self, action: DeadLetterAction) -> Result<ExitCode, Failure> {
        match action {
            DeadLetterAction::List {
                kind,
                replayed,
                limit,
            } => {
                let rows = operate::list_dead(&mut self.connection, kind.as_deref(), replayed, limit)
                    .await
                    .or_exit(ExitCode::Unexpected, "dead-letters list")?;
                let columns = "id kind priority reason attempt died_at replayed_as last_error";
                self.output.table(columns, &rows)
            }
            DeadLetterAction::Show { id } => {
                let row = operate::show_dead(&mut self.connection, id)
                    .await
                    .or_exit(ExitCode::Unexpected, "dead-letters show")?;
                self.output.object(found(row, "dead letter", id)?)
            }
            DeadLetterAction::Replay {
                chosen,
                since,
                limit,
                kind,
            } => {
                let chosen = match kind {
                    Some(kind) => DeadLetters::Kind {
                        kind,
                        since_s: since.map(|since| since.as_secs_f64()),
                        limit,
                    },
                    None => by_id_or_all(chosen)?,
                };
                self.change_dead(BulkAction::Replay, chosen).await
            }
            DeadLetterAction::Purge {
                chosen, older_than, ..
            } => {
                let chosen = match older_than {
                    Some(age) => DeadLetters::OlderThan {
                        kind: None,
                        age_s: age.as_secs_f64(),
                    },
                    None => by_id_or_all(chosen)?,
                };
                self.change_dead(BulkAction::Purge, chosen).await
            }
        }
    }

    /// Changes them in pieces, each a transaction with its record, until none is left that died
    /// before the first: those that are replayed may be dead letters again meanwhile.
    async fn change_dead(
        &mut self,
        action: BulkAction,
        mut chosen: DeadLetters,
    ) -> Result<ExitCode, Failure> {
        let (name, member) = (action.name(), action.done());
        let target = format!("dead letters {}", describe(&chosen));
        let before = operate::time_of(&mut self.connection, None)
            .await
            .or_exit(ExitCode::Unexpected, name)?;
        let mut changed: Vec<Value> = Vec::new();
        loop {
            let piece = self
                .recorded(name, &target, async |connection| {
                    let piece = action.apply(connection, &chosen, Some(before)).await?;
                    Ok((None, (!piece.is_empty()).then_some(Value::Array(piece))))
                })
                .await?;
            let Some(Value::Array(piece)) = piece else { break };
            let number = i64::try_from(piece.len()).unwrap_or(i64::MAX);
            changed.extend(piece);
            match &mut chosen {
                DeadLetters::Ids(_) => break,
                DeadLetters::Kind {
                    limit: Some(limit), ..
                } => {
                    *limit -= number;
                    if *limit <= 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        if let (DeadLetters::Ids(ids), true) = (&chosen, changed.is_empty()) {
            let problem = format!("none of {ids:?} is a dead letter that can be {member}");
            return Err(Failure::new(ExitCode::Prerequisite, problem));
        }
        if self.output.is_json() {
            let answer = json!({ member: changed.len(), "jobs": changed });
            return self.output.object(answer);
        }
        let columns = match action {
            BulkAction::Replay => "id kind replayed_as",
            BulkAction::Purge => "id kind",
        };
        self.output.table(columns, &changed)?;
        self.output.line(&format!("{} {member}", changed.len()))
    }
}

fn by_id_or_all(chosen: Chosen) -> Result<DeadLetters, Failure> {
    match (chosen.ids.is_empty(), chosen.all) {
        (false, _) => Ok(DeadLetters::Ids(chosen.ids)),
        (true, true) => Ok(DeadLetters::All),
        (true, false) => Err(Failure::new(
            ExitCode::Usage,
            "which dead letters? Give ids, --all, or another choice of --help",
        )),
    }
}

fn describe(chosen: &DeadLetters) -> String {
    match chosen {
        DeadLetters::Ids(ids) => ids.iter().map(i64::to_string).collect::<Vec<_>>().join(" "),
        DeadLetters::Kind { kind, .. } => format!("kind:{kind}"),
        DeadLetters::OlderThan { age_s, .. } => format!("older than {age_s} s"),
        DeadLetters::Matching { .. } | DeadLetters::All => "all".to_owned(),
    }
}
