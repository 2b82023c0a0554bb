//! Puts rows under a new version that nobody looks at yet.

use std::pin::pin;

use process::exit::{ExitCode, Failure, OrExit as _};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tracing::Instrument as _;

use super::progress::Progress;
use super::statement::traced;
use super::{Changes, ReadJob, failure};
use crate::ROW_FORMAT;
use crate::profile::Dataset;
use crate::read::StagedRow;

/// Rows sent in one statement.
const ROWS_AT_ONCE: usize = 5000;

const INSERT_VERSION: &str = "
    INSERT INTO dataset_versions
        (profile, datasets, source_version, fingerprint, content_sha256, hash_key_id, format, run_id, row_counts)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::uuid, $9::text::jsonb)
    RETURNING version";

const INSERT_ROWS: &str = "
    INSERT INTO dataset_rows (version, dataset, key, row, format)
    SELECT $1, dataset, key, row::jsonb, $2
    FROM UNNEST($3::text[], $4::text[], $5::text[]) AS rows (dataset, key, row)";

const COMPARE_CODES: &str = "
    WITH in_force AS (
        SELECT version FROM dataset_versions
        WHERE state = 'active' AND 'coupon_codes' = ANY (datasets)
        ORDER BY activated_at DESC LIMIT 1
    ), before AS (
        SELECT code FROM coupon_codes JOIN in_force USING (version)
    ), after AS (
        SELECT code FROM coupon_codes WHERE version = $1
    )
    SELECT (SELECT count(*) FROM (SELECT code FROM after EXCEPT ALL SELECT code FROM before) AS added),
           (SELECT count(*) FROM (SELECT code FROM before EXCEPT ALL SELECT code FROM after) AS retired)";

/// Writes all rows of the profile; returns the new version and how its coupon codes differ from those in force.
pub(super) async fn stage(
    client: &Client,
    read: &ReadJob,
    hash_key_id: &str,
    progress: &Progress,
) -> Result<(i64, Changes), Failure> {
    let ReadJob { job, data, .. } = read;
    let datasets = job.profile.datasets();
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name()).collect();
    let counts: serde_json::Map<String, serde_json::Value> = data
        .counts(&job.profile)
        .into_iter()
        .map(|(name, rows)| (name.to_owned(), rows.into()))
        .collect();
    let (name, stated) = (&job.profile.name, &job.profile.version);
    let (fingerprint, run_id) = (job.fingerprint.as_slice(), job.run_id.to_string());
    let counts = serde_json::Value::Object(counts).to_string();
    let inserted = client
        .query_one(
            INSERT_VERSION,
            &[
                name,
                &names,
                stated,
                &fingerprint,
                &read.content_sha256.as_slice(),
                &hash_key_id,
                &ROW_FORMAT,
                &run_id,
                &counts,
            ],
        )
        .await;
    let version: i64 = inserted.map_err(failure::database("stage a new version"))?.get(0);
    let mut changes = Changes::default();
    for dataset in datasets {
        let span = data
            .spans
            .get(&dataset)
            .cloned()
            .unwrap_or_else(tracing::Span::none);
        span.record("version", version);
        let staged = async {
            if dataset == Dataset::CouponCodes {
                let codes = Some("coupon_codes");
                let copy = copy_codes(client, version, &data.coupon_codes, progress);
                traced("COPY", codes, copy).await?;
                changes = traced("SELECT", codes, compare_codes(client, version)).await?;
                return Ok(());
            }
            let rows = data.staged(dataset)?;
            let insert = insert_rows(client, version, &rows, progress);
            traced("INSERT", Some("dataset_rows"), insert).await
        };
        if let Err(failure) = staged.instrument(span.clone()).await {
            process::telemetry::fail(&span, &failure);
            return Err(failure);
        }
    }
    Ok((version, changes))
}

async fn insert_rows(
    client: &Client,
    version: i64,
    rows: &[StagedRow],
    progress: &Progress,
) -> Result<(), Failure> {
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let tables: Vec<&str> = rows.iter().map(|row| row.table).collect();
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        let json: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
        let inserted = client
            .execute(INSERT_ROWS, &[&version, &ROW_FORMAT, &tables, &keys, &json])
            .await;
        inserted.map_err(failure::database("stage rows"))?;
        progress.staged(rows.len());
    }
    Ok(())
}

async fn copy_codes(
    client: &Client,
    version: i64,
    codes: &[String],
    progress: &Progress,
) -> Result<(), Failure> {
    let doing = || failure::database("stage coupon codes");
    let copy = "COPY coupon_codes (version, code) FROM STDIN (FORMAT binary)";
    let sink = client.copy_in(copy).await.map_err(doing())?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT8, Type::TEXT]));
    for codes in codes.chunks(ROWS_AT_ONCE) {
        for code in codes {
            writer.as_mut().write(&[&version, code]).await.map_err(doing())?;
        }
        progress.staged(codes.len());
    }
    let written = writer.finish().await.map_err(doing())?;
    let expected = u64::try_from(codes.len()).or_exit(ExitCode::Unexpected, "count the coupon codes")?;
    if written == expected {
        return Ok(());
    }
    Err(Failure::new(
        ExitCode::Unexpected,
        format!("{written} of {expected} coupon codes were stored"),
    ))
}

async fn compare_codes(client: &Client, version: i64) -> Result<Changes, Failure> {
    let row = client.query_one(COMPARE_CODES, &[&version]).await;
    let row = row.map_err(failure::database("compare the coupon codes"))?;
    let count = |column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    Ok(Changes {
        added: count(0),
        changed: 0,
        retired: count(1),
    })
}
