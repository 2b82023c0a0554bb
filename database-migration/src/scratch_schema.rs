//! The schema as the migrations of this build make it, without rows: in a transaction that is
//! rolled back.
//!
//! It shows what the migrations make without touching a table in use.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::concurrent_index::{statements, without_concurrency};
use crate::schema_snapshot::{self, SchemaSnapshot};
use crate::source::Migration;

/// Without the right to make schemas the session's own temporary one is used.
const BEGIN: &str = "
SELECT has_database_privilege(current_database(), 'CREATE'), format('scratch_%s', pg_backend_pid())
";

const SCHEMA: &str = "
SELECT coalesce(to_regnamespace(format('scratch_%s', pg_backend_pid()))::oid, pg_my_temp_schema())
";

/// Rolled back when dropped.
pub(crate) struct ScratchSchema<'a> {
    transaction: Transaction<'a>,
}

impl<'a> ScratchSchema<'a> {
    /// Applies the migrations to an empty schema.
    pub(crate) async fn of(
        client: &'a mut Client,
        migrations: &[Migration],
    ) -> Result<Self, tokio_postgres::Error> {
        let transaction = client.transaction().await?;
        let scratch = Self { transaction };
        let row = scratch.transaction.query_typed_one(BEGIN, &[]).await?;
        let (may_create, schema): (bool, String) = (row.try_get(0)?, row.try_get(1)?);
        let place = if may_create {
            format!("CREATE SCHEMA {schema}; SET LOCAL search_path = {schema}")
        } else {
            "SET LOCAL search_path = pg_temp".to_owned()
        };
        scratch.transaction.batch_execute(&place).await?;
        for migration in migrations {
            scratch.run(migration).await?;
        }
        Ok(scratch)
    }

    /// The tables and the rest, as the catalog has them.
    pub(crate) async fn snapshot(&self) -> Result<SchemaSnapshot, tokio_postgres::Error> {
        let row = self.transaction.query_typed_one(SCHEMA, &[]).await?;
        schema_snapshot::read(&self.transaction, row.try_get(0)?).await
    }

    async fn run(&self, migration: &Migration) -> Result<(), tokio_postgres::Error> {
        if migration.metadata.run_in_transaction {
            return self.transaction.batch_execute(&migration.up).await;
        }
        for statement in statements(&migration.up) {
            self.transaction.batch_execute("SAVEPOINT statement").await?;
            let result = self
                .transaction
                .batch_execute(&without_concurrency(statement))
                .await;
            match result {
                // VACUUM and the like change no schema.
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
}
