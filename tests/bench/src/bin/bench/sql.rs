//! SQL over one connection, without async around it.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

pub(crate) struct Sql {
    runtime: Runtime,
    client: Client,
}

impl Sql {
    pub(crate) fn connect(url: &str) -> anyhow::Result<Sql> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            anyhow::Ok(client)
        })?;
        Ok(Sql { runtime, client })
    }

    /// Runs statements that answer nothing; one statement alone is no transaction block (VACUUM).
    pub(crate) fn run(&self, statements: &str) -> anyhow::Result<()> {
        self.runtime
            .block_on(self.client.batch_execute(statements))
            .with_context(|| statements.chars().take(80).collect::<String>())
    }

    /// Runs one statement with parameters.
    pub(crate) fn execute(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> anyhow::Result<u64> {
        Ok(self
            .runtime
            .block_on(self.client.execute(statement, parameters))?)
    }

    /// The only value of the only row.
    pub(crate) fn number(&self, query: &str) -> anyhow::Result<i64> {
        self.number_of(query, &[])
    }

    /// The only value of the only row, for a query with parameters.
    pub(crate) fn number_of(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> anyhow::Result<i64> {
        let row = self.runtime.block_on(self.client.query_one(query, parameters))?;
        Ok(row.try_get(0)?)
    }

    /// The only text of the only row.
    pub(crate) fn text(&self, query: &str) -> anyhow::Result<String> {
        let row = self.runtime.block_on(self.client.query_one(query, &[]))?;
        Ok(row.try_get(0)?)
    }

    /// Orders, their lines and their Idempotency-Keys, once no more come: what was in progress when
    /// a load ended is counted.
    pub(crate) fn stored(&self) -> anyhow::Result<Stored> {
        let mut last = self.count()?;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.count()?;
            if now == last {
                return Ok(now);
            }
            last = now;
        }
    }

    fn count(&self) -> anyhow::Result<Stored> {
        Ok(Stored {
            orders: self.number("SELECT count(*) FROM orders")?,
            lines: self.number("SELECT count(*) FROM order_items")?,
            keys: self.number("SELECT count(*) FROM idempotency_keys")?,
        })
    }
}

/// What is in the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stored {
    pub(crate) orders: i64,
    pub(crate) lines: i64,
    pub(crate) keys: i64,
}

impl Stored {
    pub(crate) fn since(self, before: Stored) -> Stored {
        Stored {
            orders: self.orders - before.orders,
            lines: self.lines - before.lines,
            keys: self.keys - before.keys,
        }
    }
}
