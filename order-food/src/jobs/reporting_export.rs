//! `reporting.export`: orders or sales of a range of days, to a file.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use database::pool::Pool;
use job_queue::{Job, JobError, Kind, Outcome, Overflow, Priority, Run};
use objects::Store;
use serde_json::json;

use crate::reports::export::{Chunk, Data, Encoder, ExportRequest, Source};
use crate::reports::{Dimension, queries};

/// Writes orders or sales of a range of days to a file.
pub(crate) struct ReportingExport {
    pub(crate) pool: Pool,
    /// `None`: exports are not configured.
    pub(crate) store: Option<Store>,
    /// `REPORT_TIMEZONE`
    pub(crate) time_zone: String,
    /// `EXPORT_ROWS_PER_SECOND`; 0: as fast as it can.
    pub(crate) rows_per_second: u32,
}

/// Until the sales of the days are counted for the first time.
const NOT_COUNTED: Duration = Duration::from_secs(10);

impl Job for ReportingExport {
    const KIND: Kind = Kind::new("reporting.export", "export", Priority::Low).overflow(Overflow::Reject);

    type Payload = ExportRequest;

    async fn run(&self, run: &Run, request: ExportRequest) -> Result<Outcome, JobError> {
        let Some(store) = &self.store else {
            return Err(JobError::Permanent(anyhow::anyhow!("REPORT_LOCATION is not set")));
        };
        if request.data == Data::Sales && !self.is_counted(&request).await? {
            return Ok(Outcome::Snooze(NOT_COUNTED));
        }
        let job = run
            .public_id()
            .map_or_else(|| run.id().to_string(), |id| id.to_string());
        let name = request.object_name(&job);
        let mut source = self.source(&request).await?;
        let mut upload = store.create(&name).await?;
        let mut encoder = Encoder::new(request)?;
        let (began, mut rows, mut bytes) = (Instant::now(), 0_u64, 0_u64);
        while let Some(chunk) = self.next(&mut source).await? {
            run.check()?;
            rows += chunk.len() as u64;
            // Compression takes its time, which is no other task's.
            encoder = tokio::task::spawn_blocking(move || encoder.write(&chunk).map(|()| encoder))
                .await
                .context("write rows")??;
            let written = encoder.take();
            bytes += written.len() as u64;
            upload.write(&written).await?;
            run.progress(json!({"rows": rows, "percent": source.percent()}));
            self.pace(run, began, rows).await?;
        }
        let end = encoder.finish()?;
        bytes += end.len() as u64;
        upload.write(&end).await?;
        run.check()?;
        upload.finish().await?;
        run.progress(json!({"rows": rows, "percent": 100}));
        Ok(Outcome::DoneWith(json!({
            "object": name,
            "contentType": request.content_type(),
            "rows": rows,
            "bytes": bytes,
        })))
    }
}

impl ReportingExport {
    async fn is_counted(&self, request: &ExportRequest) -> anyhow::Result<bool> {
        let days = request.days;
        let mut connection = self.pool.get().await?;
        let sales = queries::sales(&mut connection, days, Dimension::Day, &self.time_zone).await?;
        connection.release();
        Ok(sales.as_of.is_some())
    }

    async fn source(&self, request: &ExportRequest) -> anyhow::Result<Source> {
        let mut connection = self.pool.get().await?;
        let source = Source::of(&mut connection, request, &self.time_zone).await?;
        connection.release();
        Ok(source)
    }

    async fn next(&self, source: &mut Source) -> anyhow::Result<Option<Chunk>> {
        let mut connection = self.pool.get().await?;
        let chunk = source.next(&mut connection).await.context("read rows")?;
        connection.release();
        Ok(chunk)
    }

    /// Waits until so many rows may have been read.
    async fn pace(&self, run: &Run, began: Instant, rows: u64) -> Result<(), JobError> {
        if self.rows_per_second == 0 {
            return Ok(());
        }
        let due = Duration::from_secs_f64(rows as f64 / f64::from(self.rows_per_second));
        tokio::select! {
            () = tokio::time::sleep(due.saturating_sub(began.elapsed())) => Ok(()),
            () = run.cancelled().cancelled() => Err(JobError::Cancelled),
        }
    }
}
