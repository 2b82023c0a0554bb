//! Exports of real orders to a real folder.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::time::{Duration, Instant};

use database::pool::Pool;
use flate2::read::MultiGzDecoder;
use job_queue::{Job as _, JobError, Outcome, Run};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::{TestDatabase, scaled};

use super::{Data, ExportRequest, Format};
use crate::jobs::reporting_export::ReportingExport;
use crate::reports::days::parse_day;
use crate::reports::{Days, Dimension};

struct Fixture {
    database: TestDatabase,
    folder: TempDir,
    export: ReportingExport,
}

/// Orders of two lines from the first of March 2026 on, `apart` one after the other, their ids in
/// no order; each of the first `together` is of the same instant.
fn orders(count: usize, apart: &str, together: usize) -> String {
    format!(
        "INSERT INTO orders (id, created_at, api_key_id, coupon_code, subtotal, discount, total)
         SELECT overlay(md5(n::text) PLACING '0190000000007' FROM 1)::uuid, '2026-03-01T00:00:00Z'::timestamptz + greatest(n - {together}, 0) * interval '{apart}',
             gen_random_uuid(), CASE WHEN n % 10 = 0 THEN 'A,\"B\"' END, 30 + n % 7, n % 3, 30 + n % 7 - n % 3
         FROM generate_series(1, {count}) AS n;
         INSERT INTO order_items (order_id, line, product_id, product_name, category, unit_price, quantity)
         SELECT overlay(md5(n::text) PLACING '0190000000007' FROM 1)::uuid, line, line * 3, 'Waffle \"X\"', 'Waffle', 10 + (line - 1) * (n % 7), 3 - line
         FROM generate_series(1, {count}) AS n, generate_series(1, 2) AS line; ANALYZE orders; ANALYZE order_items"
    )
}

impl Fixture {
    async fn new(rows_per_second: u32) -> Fixture {
        let database = TestDatabase::migrated().await;
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().to_str().unwrap();
        let store = objects::Store::open(location, &objects::S3::default(), false).unwrap();
        let export = ReportingExport {
            pool: Pool::new(&database.database(), 2, Duration::from_secs(2)),
            store: Some(store),
            time_zone: "UTC".into(),
            rows_per_second,
        };
        Fixture {
            database,
            folder,
            export,
        }
    }

    async fn run(&self, run: &Run, request: ExportRequest) -> Result<Value, JobError> {
        match self.export.run(run, request).await? {
            Outcome::DoneWith(result) => Ok(result),
            other => panic!("{other:?}"),
        }
    }

    /// The file of an export, unpacked, and its result.
    async fn file(&self, request: ExportRequest) -> (String, Value) {
        let result = self
            .run(&Run::detached("reporting.export"), request)
            .await
            .unwrap();
        let bytes = std::fs::read(self.folder.path().join(result["object"].as_str().unwrap())).unwrap();
        assert_eq!(result["bytes"], bytes.len());
        let mut text = String::new();
        match request.gzip {
            true => MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap(),
            false => (&bytes[..]).read_to_string(&mut text).unwrap(),
        };
        (text, result)
    }

    fn files(&self) -> Vec<std::ffi::OsString> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.map(|file| file.unwrap().file_name()).collect()
    }
}

fn request(data: Data, from: &str, to: &str, format: Format, gzip: bool) -> ExportRequest {
    ExportRequest {
        data,
        days: Days::new(parse_day(from).unwrap(), parse_day(to).unwrap()).unwrap(),
        by: Dimension::Day,
        format,
        gzip,
    }
}

#[tokio::test]
async fn every_order_of_the_days_is_exported_once_by_time() {
    let fixture = Fixture::new(0).await;
    // More at one instant than a piece holds, and two days more than are asked for.
    fixture.database.execute(&orders(9_000, "30 s", 4_500)).await;

    let csv = request(Data::Orders, "2026-03-01", "2026-03-01", Format::Csv, false);
    let (text, result) = fixture.file(csv).await;

    let expected = fixture
        .database
        .rows(
            "SELECT id::text, to_char(created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                 coalesce('\"A,\"\"B\"\"\"' || left(coupon_code, 0), ''), '3:2 6:1', '3', subtotal::text, discount::text, total::text
             FROM orders WHERE created_at < '2026-03-02T00:00:00Z' ORDER BY created_at, id",
        )
        .await;
    let mut lines = text.strip_suffix("\r\n").unwrap().split("\r\n");
    assert_eq!(
        lines.next(),
        Some("id,created_at,coupon_code,items,units,subtotal,discounts,total")
    );
    let lines: Vec<&str> = lines.collect();
    let expected: Vec<String> = expected.iter().map(|row| row.join(",")).collect();
    assert_eq!(lines.len(), 4_500 + 24 * 120 - 1);
    assert_eq!(lines, expected);
    assert_eq!(result["rows"], lines.len());
    assert_eq!(result["contentType"], "text/csv; charset=utf-8");
}

#[tokio::test]
async fn json_lines_hold_orders_as_the_api_answers_them() {
    let fixture = Fixture::new(0).await;
    fixture.database.execute(&orders(40, "1 hour", 0)).await;

    let jsonl = request(Data::Orders, "2026-03-02", "2026-03-31", Format::Jsonl, true);
    let (text, result) = fixture.file(jsonl).await;

    let orders: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: BTreeSet<&str> = orders.iter().map(|order| order["id"].as_str().unwrap()).collect();
    assert_eq!((orders.len(), ids.len(), &result["rows"]), (17, 17, &json!(17)));
    assert!(result["object"].as_str().unwrap().ends_with(".jsonl.gz"));
    let third: Vec<&str> = text.lines().collect();
    let order = "SELECT id FROM orders WHERE created_at = '2026-03-02T06:00:00Z'";
    let id = fixture.database.value(order).await;
    // The thirtieth: coupon, 20 + 12 less nothing.
    assert_eq!(
        third[6],
        format!(
            r#"{{"createdAt":"2026-03-02T06:00:00.000000Z","id":"{id}","items":[{{"productId":"3","quantity":2}},{{"productId":"6","quantity":1}}],"products":[{{"id":"3","name":"Waffle \"X\"","price":10.00,"category":"Waffle"}},{{"id":"6","name":"Waffle \"X\"","price":12.00,"category":"Waffle"}}],"couponCode":"A,\"B\"","total":32.00,"discounts":0.00}}"#
        )
    );
}

#[tokio::test]
async fn counted_sales_are_exported_by_day_and_key_and_not_before_they_are_counted() {
    let fixture = Fixture::new(0).await;
    let mut sales = request(Data::Sales, "2026-03-01", "2026-03-02", Format::Csv, false);
    sales.by = Dimension::Promotion;

    let early = fixture
        .export
        .run(&Run::detached("reporting.export"), sales)
        .await;
    fixture
        .database
        .execute(
            "INSERT INTO sales_watermark (time_zone, cluster, xid, as_of) VALUES ('UTC', 1, 1, now());
             INSERT INTO sales_daily
                 (dimension, day, key, orders, units, gross, discounts, total, cancelled_orders, cancelled_total) VALUES
                 ('promotion', '2026-02-28', 'SAVE10', 9, 9, 9, 9, 0, 9, 9), ('promotion', '2026-03-01', '', 1, 2, 3, 0, 3, 0, 0),
                 ('promotion', '2026-03-01', 'SAVE10', 2, 4, 30, 3.05, 26.95, 1, 12.5),
                 ('promotion', '2026-03-02', 'SAVE10', 1, 1, 5, 1, 4, 0, 0),
                 ('promotion', '2026-03-03', 'SAVE10', 9, 9, 9, 9, 0, 9, 9), ('day', '2026-03-01', '2026-03-01', 9, 9, 9, 9, 0, 9, 9)",
        )
        .await;
    let (text, _) = fixture.file(sales).await;
    let (lines, _) = fixture
        .file(ExportRequest {
            format: Format::Jsonl,
            ..sales
        })
        .await;

    assert!(matches!(early, Ok(Outcome::Snooze(_))), "{early:?}");
    assert_eq!(
        text,
        "day,promotion,orders,units,gross,discounts,total,cancelled_orders,cancelled_total\r\n\
         2026-03-01,,1,2,3.00,0.00,3.00,0,0.00\r\n2026-03-01,SAVE10,2,4,30.00,3.05,26.95,1,12.50\r\n\
         2026-03-02,SAVE10,1,1,5.00,1.00,4.00,0,0.00\r\n"
    );
    assert_eq!(
        lines.lines().take(2).collect::<Vec<_>>(),
        [
            r#"{"day":"2026-03-01","promotion":null,"orders":1,"units":2,"gross":3.00,"discounts":0.00,"total":3.00,"cancelledOrders":0,"cancelledTotal":0.00}"#,
            r#"{"day":"2026-03-01","promotion":"SAVE10","orders":2,"units":4,"gross":30.00,"discounts":3.05,"total":26.95,"cancelledOrders":1,"cancelledTotal":12.50}"#,
        ]
    );
}

#[tokio::test]
async fn a_cancelled_export_ends_at_once_and_leaves_no_file() {
    let fixture = Fixture::new(100).await;
    fixture.database.execute(&orders(3_000, "1 s", 0)).await;
    let run = Run::detached("reporting.export");
    let cancel = run.cancelled().clone();

    let began = Instant::now();
    let request = request(Data::Orders, "2026-03-01", "2026-03-01", Format::Csv, true);
    let (outcome, ()) = tokio::join!(fixture.run(&run, request), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });

    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    test_support::eventually("the file is gone", async || fixture.files().is_empty()).await;
}

#[tokio::test]
async fn an_export_reads_no_faster_than_it_may() {
    let fixture = Fixture::new(3_000).await;
    fixture.database.execute(&orders(1_500, "1 s", 0)).await;

    let began = Instant::now();
    fixture
        .file(request(
            Data::Orders,
            "2026-03-01",
            "2026-03-01",
            Format::Csv,
            true,
        ))
        .await;

    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "{:?}",
        began.elapsed()
    );
}

mod soak {
    use super::*;

    /// Most MiB that this process has used at any time.
    fn peak_mib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    #[tokio::test]
    async fn memory_does_not_grow_with_the_orders() {
        let count = scaled(500_000);
        let fixture = Fixture::new(0).await;
        fixture.database.execute(&orders(4_000, "1 s", 0)).await;
        let jsonl = request(Data::Orders, "2026-03-01", "2026-12-31", Format::Jsonl, true);
        fixture
            .run(&Run::detached("reporting.export"), jsonl)
            .await
            .unwrap();
        let before = peak_mib();
        fixture.database.execute("TRUNCATE orders, order_items").await;
        fixture.database.execute(&orders(count, "20 s", 0)).await;

        let result = fixture
            .run(&Run::detached("reporting.export"), jsonl)
            .await
            .unwrap();

        let more = peak_mib() - before;
        let asked = "SELECT count(*) FROM orders WHERE created_at < least(now(), '2027-01-01T00:00:00Z'::timestamptz)";
        let stored = fixture.database.value(asked).await;
        assert_eq!(result["rows"].to_string(), stored);
        assert!(more <= 64, "{more} MiB more for {count} orders");
    }
}
