//! GET /api/report/sales and POST /api/report/export.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::NaiveDate;
use job_queue::NewJob;
use shop::Scope;
use tracing::error;
use utoipa::IntoParams;
use uuid::Uuid;

use super::answer::SalesReport;
use super::days::parse_day;
use super::export::{ExportRequest, ExportRequestSchema};
use super::{Days, Dimension, queries};
use crate::http::representation::{JSON, Representation};
use crate::http::{ApiError, ErrorBody, body};
use crate::job_status::JobAnswer;
use crate::jobs::reporting_export::ReportingExport;
use crate::paging::Parameters;
use crate::spans;
use crate::state::AppState;

/// Days of a report, at most: a year and a leap day.
pub(crate) const MAX_DAYS: i64 = 366;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read one by one")]
pub(crate) struct SalesParameters {
    /// The first day, `YYYY-MM-DD`, in the time zone of the shop's reports.
    #[param(example = "2026-01-01")]
    from: NaiveDate,
    /// The last day, included; at most 366 days.
    #[param(example = "2026-01-31")]
    to: NaiveDate,
    /// How the sales are divided.
    #[param(required = false, default = "day")]
    by: Dimension,
}

/// Sales of a range of days, as background jobs have counted them.
#[utoipa::path(
    get, path = "/api/report/sales", tag = "report", operation_id = "getSales", params(SalesParameters),
    security(("api_key" = ["view_reports"]), ("X-API-Key" = ["view_reports"])),
    responses(
        (status = 200, description = "The sums", body = SalesReport, example = json!(SalesReport::example())),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "A parameter is missing or cannot be read", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_parameter",
                "from: is a day that exists, as YYYY-MM-DD").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not see reports", body = ErrorBody),
        (status = 422, description = "The range is empty or too long", body = ErrorBody, examples(
            ("invalid_range" = (value = json!(ApiError::rejected("invalid_range",
                "the last day, 2026-01-01, comes before the first, 2026-01-31").example()))),
            ("range_too_long" = (value = json!(ApiError::rejected("range_too_long",
                "a report has at most 366 days, not 400").example()))),
        )),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn get_sales(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.authenticator.authorize(&request, &[Scope::ViewReports])?;
    let parameters = Parameters::parse(request.query_string())?;
    let invalid = |problem: &str| ApiError::malformed("invalid_parameter", problem);
    let day = |name: &str| {
        let day = parameters.text(name).and_then(parse_day);
        day.ok_or_else(|| invalid(&format!("{name}: is a day that exists, as YYYY-MM-DD")))
    };
    let by = match parameters.text("by") {
        Some(name) => Dimension::parse(name)
            .ok_or_else(|| invalid("by: is one of day, product, category, promotion"))?,
        None => Dimension::default(),
    };
    let days = Days::new(day("from")?, day("to")?)
        .map_err(|problem| ApiError::rejected("invalid_range", problem))?;
    if days.count() > MAX_DAYS {
        let problem = format!("a report has at most {MAX_DAYS} days, not {}", days.count());
        return Err(ApiError::rejected("range_too_long", problem));
    }
    let sales = state
        .read("SELECT sales_daily", async |connection| {
            queries::sales(connection, days, by, &state.report_time_zone).await
        })
        .await?;
    let report = serde_json::to_vec(&SalesReport::new(days, by, &sales)).map_err(unwritable)?;
    Ok(Representation::private(report).respond(&request))
}

/// Starts an export of orders or sales, which a background job writes to a file.
#[utoipa::path(
    post, path = "/api/report/export", tag = "report", operation_id = "startExport",
    request_body(content = ExportRequestSchema, example = json!(ExportRequest::example())),
    security(("api_key" = ["view_reports"]), ("X-API-Key" = ["view_reports"])),
    responses(
        (status = 202, description = "Enqueued; the header Location says where its state is", body = JobAnswer,
            headers(("Location" = String, description = "/api/job/{jobId}")),
            example = json!(JobAnswer::example("queued"))),
        (status = 400, description = "The body is not JSON or has a value of the wrong type", body = ErrorBody,
            example = json!(ApiError::malformed("malformed_json",
                "the request body cannot be read: EOF while parsing an object at line 1 column 1").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid or may not see reports", body = ErrorBody),
        (status = 408, description = "The body did not arrive in time", body = ErrorBody),
        (status = 413, description = "The body is larger than 1 MiB", body = ErrorBody),
        (status = 415, description = "The body is not application/json", body = ErrorBody),
        (status = 422, description = "A value is missing or not one of those that are known", body = ErrorBody, examples(
            ("field_required" = (value = json!(ApiError::rejected("field_required",
                "data is required").example()))),
            ("field_invalid" = (value = json!(ApiError::rejected("field_invalid",
                "format is one of csv, jsonl").example()))),
            ("invalid_range" = (value = json!(ApiError::rejected("invalid_range",
                "the last day, 2026-01-01, comes before the first, 2026-01-31").example()))),
        )),
        (status = 503, description = "Exports are not configured, too many jobs wait, or the database cannot be reached",
            body = ErrorBody, examples(
            ("exports_not_configured" = (value = json!(ApiError::ExportsNotConfigured.example()))),
            ("queue_full" = (value = json!(ApiError::QueueFull.example()))),
            ("unavailable" = (value = json!(ApiError::Unavailable.example()))),
        )),
    )
)]
pub(crate) async fn start_export(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let caller = state.authenticator.authorize(&request, &[Scope::ViewReports])?;
    let body = body::read_json(&request, payload, state.body_timeout).await?;
    let export = ExportRequest::parse(&body)?;
    if state.exports.is_none() {
        return Err(ApiError::ExportsNotConfigured);
    }
    let id = Uuid::now_v7();
    // Unique, so that the statement may be repeated when its answer was lost.
    let job = NewJob::of::<ReportingExport>(&export)
        .map_err(unwritable)?
        .owner(caller.key)
        .trace(spans::traceparent())
        .public(id)
        .unique(id.to_string());
    let job = state.queue.admit(job).map_err(|_| ApiError::QueueFull)?;
    let jobs: Vec<NewJob> = job.into_iter().collect();
    let enqueue = async |connection: &mut _| job_queue::enqueue(connection, &jobs).await;
    state.read("INSERT job", enqueue).await?;
    state.queue.wake();
    let job = state
        .read("SELECT job", async |connection| {
            job_queue::find_public(connection, id).await
        })
        .await?
        .ok_or(ApiError::Unavailable)?;
    let answer = serde_json::to_vec(&JobAnswer::of(id, job)).map_err(unwritable)?;
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("/api/job/{id}")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_TYPE, JSON))
        .body(answer))
}

fn unwritable(problem: serde_json::Error) -> ApiError {
    error!(error = %problem, "a report cannot be written as JSON");
    ApiError::Internal
}
