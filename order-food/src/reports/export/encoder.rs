//! Orders and sales as CSV or JSON Lines, compressed or not.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::chunks::{Chunk, DailyRow};
use super::{Data, ExportRequest, Format};
use crate::orders::{Order, OrderAnswer};
use crate::reports::Dimension;
use crate::reports::answer::KeyedRow;

/// Writes pieces into a buffer that the caller takes away.
pub(crate) struct Encoder {
    request: ExportRequest,
    output: Output,
}

enum Output {
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Plain(output) => output.write(bytes),
            Output::Gzip(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const ORDER_COLUMNS: &str = "id,created_at,coupon_code,items,units,subtotal,discounts,total";
const SUM_COLUMNS: &str = "orders,units,gross,discounts,total,cancelled_orders,cancelled_total";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderLine<'a> {
    created_at: String,
    #[serde(flatten)]
    order: OrderAnswer<'a>,
}

impl Encoder {
    /// An encoder that has written the names of a CSV file's columns.
    pub(crate) fn new(request: ExportRequest) -> io::Result<Encoder> {
        let output = match request.gzip {
            false => Output::Plain(Vec::new()),
            true => Output::Gzip(Box::new(GzEncoder::new(Vec::new(), Compression::fast()))),
        };
        let mut encoder = Encoder { request, output };
        let by = request.by;
        match (request.format, request.data) {
            (Format::Jsonl, _) => {}
            (Format::Csv, Data::Orders) => encoder.record(ORDER_COLUMNS.split(','))?,
            (Format::Csv, Data::Sales) => {
                let key = (by != Dimension::Day).then_some(by.name());
                encoder.record(["day"].into_iter().chain(key).chain(SUM_COLUMNS.split(',')))?;
            }
        }
        Ok(encoder)
    }

    /// Appends a piece.
    pub(crate) fn write(&mut self, chunk: &Chunk) -> io::Result<()> {
        match (chunk, self.request.format) {
            (Chunk::Orders(orders), Format::Csv) => orders
                .iter()
                .try_for_each(|(created_at, order)| self.order_record(*created_at, order)),
            (Chunk::Orders(orders), Format::Jsonl) => orders.iter().try_for_each(|(created_at, order)| {
                self.json(&OrderLine {
                    created_at: instant(*created_at),
                    order: OrderAnswer::of(order),
                })
            }),
            (Chunk::Sales(rows), Format::Csv) => rows.iter().try_for_each(|row| self.sales_record(row)),
            (Chunk::Sales(rows), Format::Jsonl) => rows.iter().try_for_each(|row| {
                self.json(&KeyedRow::of(Some(row.day), self.request.by, &row.key, &row.sums))
            }),
        }
    }

    /// What was written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.output {
            Output::Plain(output) => output,
            Output::Gzip(output) => output.get_mut(),
        })
    }

    /// The last bytes.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self.output {
            Output::Plain(output) => Ok(output),
            Output::Gzip(output) => output.finish(),
        }
    }

    /// Items as `product:quantity`, separated by blanks.
    fn order_record(&mut self, created_at: DateTime<Utc>, order: &Order) -> io::Result<()> {
        let items: Vec<String> = order
            .lines
            .iter()
            .map(|line| format!("{}:{}", line.product, line.quantity.units()))
            .collect();
        let units = order.lines.iter().map(|line| u64::from(line.quantity.units()));
        self.record([
            order.id.to_string().as_str(),
            &instant(created_at),
            order.coupon_code.as_ref().map_or("", |code| code.as_str()),
            &items.join(" "),
            &units.sum::<u64>().to_string(),
            &order.totals.subtotal.to_string(),
            &order.totals.discount.to_string(),
            &order.totals.total.to_string(),
        ])
    }

    fn sales_record(&mut self, row: &DailyRow) -> io::Result<()> {
        let (day, sums) = (row.day.to_string(), &row.sums);
        let key = (self.request.by != Dimension::Day).then(|| row.key.clone());
        let sums = [
            sums.orders.to_string(),
            sums.units.to_string(),
            sums.gross.0.to_string(),
            sums.discounts.0.to_string(),
            sums.total.0.to_string(),
            sums.cancelled_orders.to_string(),
            sums.cancelled_total.0.to_string(),
        ];
        self.record([day].into_iter().chain(key).chain(sums))
    }

    fn json(&mut self, line: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.output.write_all(b"\n")
    }

    fn record<T: AsRef<str>>(&mut self, fields: impl IntoIterator<Item = T>) -> io::Result<()> {
        let fields: Vec<String> = fields.into_iter().map(|field| quoted(field.as_ref())).collect();
        self.output.write_all((fields.join(",") + "\r\n").as_bytes())
    }
}

/// A field of CSV (RFC 4180): in quotes where it has to be.
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
