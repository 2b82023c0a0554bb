//! Puts rows under new versions that are not active yet.

use std::pin::pin;

use database::Database;
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use process::failure::{ExitCode, Failure, OrExit as _};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use tracing::Instrument as _;

use super::progress::Progress;
use super::publish::{Origin, Publication};
use super::statement::traced;
use super::{Changes, ValidatedProfile, failure, session};
use crate::ROW_FORMAT;
use crate::datasets::{CouponCodes, Data, DatasetKind, StagedRow};

/// Rows sent in one statement.
const ROWS_AT_ONCE: usize = 2000;

/// From so many rows on an operation gets connections of its own, so that it is staged beside the
/// others: one for each half of its rows.
const ROWS_OF_A_LARGE_OPERATION: usize = 1000;

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
    WITH active_data AS (
        SELECT version FROM dataset_versions
        WHERE state = 'active' AND 'coupon_codes' = ANY (datasets)
        ORDER BY activated_at DESC LIMIT 1
    ), before AS (
        SELECT code FROM coupon_codes JOIN active_data USING (version)
    ), after AS (
        SELECT code FROM coupon_codes WHERE version = $1
    )
    SELECT (SELECT count(*) FROM (SELECT code FROM after EXCEPT ALL SELECT code FROM before) AS added),
           (SELECT count(*) FROM (SELECT code FROM before EXCEPT ALL SELECT code FROM after) AS retired)";

/// A sum over all codes of a version, whatever their order: what `verify` asks for again.
pub(crate) const SUM_OF_CODES: &str = "
    SELECT count(*),
           coalesce(sum(('x' || substr(encode(sha256(convert_to(code, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint), 0)::text
    FROM coupon_codes WHERE version = $1";

/// Beside the counts; it is a text, they are numbers.
const REMEMBER_SUM: &str = "
    UPDATE dataset_versions SET row_counts = row_counts || jsonb_build_object('coupon_codes_sum', $2::text)
    WHERE version = $1";

/// Writes all rows of all profiles, every operation beside the others; returns what is to be
/// published.
///
/// `client` has inserted the versions, and stages what is small. A large operation has connections
/// of its own, if the server has room for them.
pub(super) async fn stage(
    database: &Database,
    client: &Client,
    changed: &[ValidatedProfile],
    hash_key_id: &str,
    progress: &Progress,
) -> Result<Vec<Publication>, Failure> {
    let mut publications = Vec::with_capacity(changed.len());
    for read in changed {
        publications.push(insert_version(client, read, hash_key_id).await?);
    }
    let operations = changed.iter().zip(&publications).map(|(read, publication)| {
        let staged = publication.datasets.iter().map(|dataset| {
            operation(
                database,
                client,
                &read.data,
                *dataset,
                publication.version,
                progress,
            )
        });
        try_join_all(staged)
    });
    let codes = try_join_all(operations).await?;
    for (publication, codes) in publications.iter_mut().zip(codes) {
        publication.coupon_codes = codes.into_iter().flatten().next().unwrap_or_default();
    }
    Ok(publications)
}

async fn insert_version(
    client: &Client,
    read: &ValidatedProfile,
    hash_key_id: &str,
) -> Result<Publication, Failure> {
    let ValidatedProfile { job, data, .. } = read;
    let datasets = job.profile.datasets();
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name()).collect();
    let counts: serde_json::Map<String, serde_json::Value> = datasets
        .iter()
        .flat_map(|kind| (kind.dataset().counts)(data))
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
    Ok(Publication {
        run_id: job.run_id,
        profile: name.clone(),
        datasets,
        version,
        active: read.active,
        origin: Origin::Staged,
        coupon_codes: Changes::default(),
        message: None,
    })
}

/// Stages one dataset; returns how coupon codes differ from the active ones.
async fn operation(
    database: &Database,
    client: &Client,
    data: &Data,
    dataset: DatasetKind,
    version: i64,
    progress: &Progress,
) -> Result<Option<Changes>, Failure> {
    let span = data
        .spans
        .get(&dataset)
        .cloned()
        .unwrap_or_else(tracing::Span::none);
    span.record("version", version);
    let staged = async {
        let is_large = data.count(dataset) >= ROWS_OF_A_LARGE_OPERATION;
        let own = connection(database, is_large).await;
        let client = own.as_ref().unwrap_or(client);
        if dataset == DatasetKind::CouponCodes {
            let codes = Some("coupon_codes");
            let copy = copy_codes(client, version, &data.coupon_codes, progress);
            traced("COPY", codes, copy).await?;
            remember_sum(client, version).await?;
            return traced("SELECT", codes, compare_codes(client, version))
                .await
                .map(Some);
        }
        let rows = (dataset.dataset().staged)(data)?;
        let insert = async {
            let (one, other) = rows.split_at(if is_large { rows.len() / 2 } else { rows.len() });
            let second = connection(database, is_large).await;
            let second = second.as_ref().unwrap_or(client);
            try_join(
                insert_rows(client, version, one, progress),
                insert_rows(second, version, other, progress),
            )
            .await
        };
        traced("INSERT", Some("dataset_rows"), insert).await.map(|_| None)
    };
    let result = staged.instrument(span.clone()).await;
    if let Err(failure) = &result {
        process::telemetry::fail(&span, failure);
    }
    result
}

/// Another connection, if one is wanted and the server has room for it.
async fn connection(database: &Database, is_wanted: bool) -> Option<Client> {
    if is_wanted {
        session::open(database).await.ok()
    } else {
        None
    }
}

async fn insert_rows(
    client: &Client,
    version: i64,
    rows: &[StagedRow],
    progress: &Progress,
) -> Result<(), Failure> {
    // One statement is written while the server works on the one before.
    stream::iter(rows.chunks(ROWS_AT_ONCE))
        .map(|rows| insert_some(client, version, rows, progress))
        .buffered(2)
        .try_collect()
        .await
}

async fn insert_some(
    client: &Client,
    version: i64,
    rows: &[StagedRow],
    progress: &Progress,
) -> Result<(), Failure> {
    let tables: Vec<&str> = rows.iter().map(|row| row.table).collect();
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let json: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
    let inserted = client
        .execute(INSERT_ROWS, &[&version, &ROW_FORMAT, &tables, &keys, &json])
        .await;
    inserted.map_err(failure::database("stage rows"))?;
    progress.staged(rows.len());
    Ok(())
}

async fn copy_codes(
    client: &Client,
    version: i64,
    codes: &CouponCodes,
    progress: &Progress,
) -> Result<(), Failure> {
    let doing = || failure::database("stage coupon codes");
    let copy = "COPY coupon_codes (version, code) FROM STDIN (FORMAT binary)";
    let sink = client.copy_in(copy).await.map_err(doing())?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT8, Type::TEXT]));
    let mut staged = 0;
    for code in codes.iter() {
        let code = code.as_str();
        writer.as_mut().write(&[&version, &code]).await.map_err(doing())?;
        staged += 1;
        if staged == ROWS_AT_ONCE {
            progress.staged(std::mem::take(&mut staged));
        }
    }
    progress.staged(staged);
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

async fn remember_sum(client: &Client, version: i64) -> Result<(), Failure> {
    let doing = || failure::database("sum up the coupon codes");
    let row = client
        .query_one(SUM_OF_CODES, &[&version])
        .await
        .map_err(doing())?;
    let sum: String = row.get(1);
    let remembered = client.execute(REMEMBER_SUM, &[&version, &sum]).await;
    remembered.map(drop).map_err(doing())
}

/// How the coupon codes of a version differ from the active ones.
pub(crate) async fn compare_codes(client: &Client, version: i64) -> Result<Changes, Failure> {
    let row = client.query_one(COMPARE_CODES, &[&version]).await;
    let row = row.map_err(failure::database("compare the coupon codes"))?;
    let count = |column| u64::try_from(row.get::<_, i64>(column)).unwrap_or_default();
    Ok(Changes {
        added: count(0),
        changed: 0,
        retired: count(1),
    })
}
