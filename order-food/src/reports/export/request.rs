//! The body of `POST /api/report/export`, and the payload of the job.

use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::http::ApiError;
use crate::reports::days::parse_day;
use crate::reports::{Days, Dimension};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Data {
    /// The orders of the days, a line each.
    Orders,
    /// The counted sales, a line for each day and key.
    Sales,
}

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// RFC 4180, with a line of names.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

/// What a client asks for.
#[derive(ToSchema)]
#[schema(as = ExportRequest)]
#[expect(dead_code, reason = "describes the request; `ExportRequest` reads it")]
pub(crate) struct ExportRequestSchema {
    data: Data,
    /// The first day, in the time zone of the shop's reports.
    #[schema(example = "2026-01-01")]
    from: chrono::NaiveDate,
    /// The last day, included.
    #[schema(example = "2026-01-31")]
    to: chrono::NaiveDate,
    /// With `data: sales`: how they are divided beside the day; default `day`.
    #[schema(required = false)]
    by: Dimension,
    format: Format,
    /// Whether the file is compressed with gzip.
    #[schema(required = false, default = true)]
    gzip: bool,
}

/// A checked request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportRequest {
    pub(crate) data: Data,
    pub(crate) days: Days,
    #[serde(default)]
    pub(crate) by: Dimension,
    pub(crate) format: Format,
    #[serde(default = "yes")]
    pub(crate) gzip: bool,
}

#[derive(Deserialize)]
struct Body {
    data: Option<String>,
    from: Option<String>,
    to: Option<String>,
    by: Option<String>,
    format: Option<String>,
    gzip: Option<bool>,
}

fn yes() -> bool {
    true
}

impl ExportRequest {
    pub(crate) fn example() -> Value {
        json!({"data": "orders", "from": "2026-01-01", "to": "2026-01-31", "format": "csv", "gzip": true})
    }

    /// Parses a body; unknown fields are ignored.
    ///
    /// # Errors
    /// 400 for what is not JSON or has a value of the wrong type; 422 for a missing value, one that
    /// is not known, and a range without days.
    pub(crate) fn parse(body: &[u8]) -> Result<ExportRequest, ApiError> {
        let body: Body = serde_json::from_slice(body).map_err(|problem| {
            let kind = if problem.is_data() {
                "wrong_type"
            } else {
                "malformed_json"
            };
            ApiError::malformed(kind, format!("the request body cannot be read: {problem}"))
        })?;
        let days = Days::new(day("from", body.from)?, day("to", body.to)?)
            .map_err(|problem| ApiError::rejected("invalid_range", problem))?;
        let data = named("data", &required("data", body.data)?, "orders, sales")?;
        let format = named("format", &required("format", body.format)?, "csv, jsonl")?;
        let by = match body.by {
            Some(_) if data == Data::Orders => return Err(invalid("by is for data: sales")),
            Some(name) => named("by", &name, "day, product, category, promotion")?,
            None => Dimension::default(),
        };
        Ok(ExportRequest {
            data,
            days,
            by,
            format,
            gzip: body.gzip.unwrap_or(true),
        })
    }

    /// The name of the file of the job with this id: the same for each attempt.
    pub(crate) fn object_name(&self, job: &str) -> String {
        let data = match (self.data, self.by) {
            (Data::Orders, _) => "orders".to_owned(),
            (Data::Sales, by) => format!("sales-by-{}", by.name()),
        };
        let format = match self.format {
            Format::Csv => "csv",
            Format::Jsonl => "jsonl",
        };
        let end = if self.gzip { ".gz" } else { "" };
        let (from, to) = (self.days.from(), self.days.to());
        format!("{data}-{from}-{to}-{job}.{format}{end}")
    }

    /// The media type of the file.
    pub(crate) fn content_type(&self) -> &'static str {
        match (self.gzip, self.format) {
            (true, _) => "application/gzip",
            (false, Format::Csv) => "text/csv; charset=utf-8",
            (false, Format::Jsonl) => "application/x-ndjson",
        }
    }
}

fn required(name: &str, value: Option<String>) -> Result<String, ApiError> {
    value.ok_or_else(|| ApiError::rejected("field_required", format!("{name} is required")))
}

/// The value with this name, one of those that are `known`.
fn named<'a, T: Deserialize<'a>>(field: &str, name: &'a str, known: &str) -> Result<T, ApiError> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    T::deserialize(name).map_err(|_| invalid(&format!("{field} is one of {known}")))
}

fn day(name: &str, value: Option<String>) -> Result<chrono::NaiveDate, ApiError> {
    let value = required(name, value)?;
    parse_day(&value).ok_or_else(|| invalid(&format!("{name} is a day that exists, as YYYY-MM-DD")))
}

fn invalid(problem: &str) -> ApiError {
    ApiError::rejected("field_invalid", problem)
}
