//! The schema as the migrations of this build make it, without rows: in a transaction that is rolled back.
//!
//! It shows what a migration does without touching a table that anybody uses.

use std::collections::HashSet;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Transaction};

use crate::concurrently::{statements, without_concurrency};
use crate::migration::{self, Migration};
use crate::rows::Loss;
use crate::shape::{self, Shape};

/// Who may not make schemas uses the session's own temporary one.
const BEGIN: &str = "
SELECT has_database_privilege(current_database(), 'CREATE'), format('rehearsal_%s', pg_backend_pid())
";

const SCHEMA: &str = "
SELECT coalesce(to_regnamespace(format('rehearsal_%s', pg_backend_pid()))::oid, pg_my_temp_schema())
";

/// Rolled back when dropped.
pub(crate) struct Rehearsal<'a> {
    transaction: Transaction<'a>,
}

impl<'a> Rehearsal<'a> {
    /// Applies the migrations to an empty schema.
    pub(crate) async fn of(
        client: &'a mut Client,
        migrations: &[Migration],
    ) -> Result<Self, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let rehearsal = Self { transaction };
        let row = rehearsal.transaction.query_typed_one(BEGIN, &[]).await?;
        let (may_create, schema): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
        let place = if may_create {
            format!("CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}")
        } else {
            "SET LOCAL search_path = pg_temp".to_owned()
        };
        rehearsal.transaction.batch_execute(&place).await?;
        for migration in migrations {
            rehearsal.run(migration.transaction, &migration.up).await?;
        }
        Ok(rehearsal)
    }

    /// Takes the newest migration back; returns what is lost by it.
    pub(crate) async fn take_back(&self, migration: &Migration) -> Result<Vec<Loss>, tokio_postgres::Error> {
        let before = self.places().await?;
        self.run(migration.transaction, &migration.down).await?;
        let left: HashSet<(u32, i16)> = self.places().await?.into_iter().map(|(id, _)| id).collect();
        let gone = |id: &(u32, i16)| !left.contains(id);
        Ok(before
            .into_iter()
            // Where the whole table goes, its columns need no mention.
            .filter(|((table, column), _)| gone(&(*table, *column)) && (*column == 0 || !gone(&(*table, 0))))
            .map(|(_, loss)| loss)
            .collect())
    }

    /// What the schema looks like.
    pub(crate) async fn shape(&self) -> Result<Shape, tokio_postgres::Error> {
        let row = self.transaction.query_typed_one(SCHEMA, &[]).await?;
        shape::read(&self.transaction, row.try_get(0)?).await
    }

    async fn run(&self, how: migration::Transaction, sql: &str) -> Result<(), tokio_postgres::Error> {
        if how == migration::Transaction::Yes {
            return self.transaction.batch_execute(sql).await;
        }
        for statement in statements(sql) {
            self.transaction.batch_execute("SAVEPOINT statement").await?;
            let result = self
                .transaction
                .batch_execute(&without_concurrency(statement))
                .await;
            match result {
                // VACUUM and the like change no shape.
                Err(error) if error.code() == Some(&SqlState::ACTIVE_SQL_TRANSACTION) => {
                    self.transaction
                        .batch_execute("ROLLBACK TO SAVEPOINT statement")
                        .await?;
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Every table (column 0) and every column that holds values of its own.
    async fn places(&self) -> Result<Vec<((u32, i16), Loss)>, tokio_postgres::Error> {
        let schema = self.transaction.query_typed_one(SCHEMA, &[]).await?;
        let schema: u32 = schema.try_get(0)?;
        let rows = self
            .transaction
            .query_typed(PLACES, &[(&schema, Type::OID)])
            .await?;
        rows.iter()
            .map(|row| {
                let loss = Loss {
                    table: row.try_get(2)?,
                    column: row.try_get(3)?,
                };
                Ok(((row.try_get(0)?, row.try_get(1)?), loss))
            })
            .collect()
    }
}

const PLACES: &str = "
SELECT oid, 0::int2, relname::text, NULL::text
FROM pg_class
WHERE relnamespace = $1 AND relkind IN ('r', 'p')
UNION ALL
SELECT attrelid, attnum, relname::text, attname::text
FROM pg_attribute
JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = $1 AND relkind IN ('r', 'p')
WHERE attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY 3, 2
";
