//! GET and DELETE /api/job/{jobId}, GET /api/job/{jobId}/result.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use diesel_async::AsyncPgConnection;
use job_queue::{CancelTarget, PublicJob};
use serde_json::json;
use shop::Scope;
use uuid::Uuid;

use super::answer::{JobAnswer, State};
use crate::auth::Caller;
use crate::http::{ApiError, ErrorBody, uncached};
use crate::operator_actions::{OperatorAction, record};
use crate::spans;
use crate::state::AppState;

/// How long a signed address of a result is good.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// The state of a job that the same key has started, or of any for a key with the scope `operate`.
#[utoipa::path(
    get, path = "/api/job/{jobId}", tag = "job", operation_id = "getJob",
    params(("jobId" = Uuid, Path, description = "The job's id")),
    security(("api_key" = []), ("X-API-Key" = [])),
    responses(
        (status = 200, description = "The job", body = JobAnswer, example = json!(JobAnswer::example("done"))),
        (status = 400, description = "Not a job id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_job_id", "a job id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid", body = ErrorBody),
        (status = 404, description = "The key may see no such job, or it ended too long ago", body = ErrorBody,
            example = json!(ApiError::NotFound("job").example())),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn get_job(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (id, _, job) = visible(&request, &id, &state).await?;
    uncached(StatusCode::OK, &JobAnswer::of(id, job))
}

/// Cancels a job that waits or runs.
#[utoipa::path(
    delete, path = "/api/job/{jobId}", tag = "job", operation_id = "cancelJob",
    params(("jobId" = Uuid, Path, description = "The job's id")),
    security(("api_key" = []), ("X-API-Key" = [])),
    responses(
        (status = 200, description = "It is cancelled", body = JobAnswer, example = json!(JobAnswer::example("cancelled"))),
        (status = 202, description = "It runs, and was asked to end within seconds", body = JobAnswer,
            example = json!(JobAnswer::example("running"))),
        (status = 400, description = "Not a job id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_job_id", "a job id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid", body = ErrorBody),
        (status = 404, description = "The key may see no such job", body = ErrorBody,
            example = json!(ApiError::NotFound("job").example())),
        (status = 409, description = "It has ended", body = ErrorBody, example = json!(ENDED.example())),
        (status = 503, description = "The database cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn cancel_job(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (id, caller, _) = visible(&request, &id, &state).await?;
    let cancel = async |connection: &mut AsyncPgConnection| cancel(connection, id, &caller).await;
    let job = state
        .read("UPDATE job", cancel)
        .await?
        .ok_or(ApiError::NotFound("job"))?;
    let status = match State::of(&job.state) {
        State::Cancelled => StatusCode::OK,
        State::Queued | State::Running => StatusCode::ACCEPTED,
        State::Done | State::Failed => return Err(ENDED),
    };
    uncached(status, &JobAnswer::of(id, job))
}

const ENDED: ApiError = ApiError::Conflict {
    kind: "job_ended",
    message: "the job has ended",
};

const NO_RESULT: ApiError = ApiError::Conflict {
    kind: "no_result",
    message: "the job has no result, or none yet",
};

/// The file that a job has written: its bytes, or where they are.
#[utoipa::path(
    get, path = "/api/job/{jobId}/result", tag = "job", operation_id = "getJobResult",
    params(("jobId" = Uuid, Path, description = "The job's id")),
    security(("api_key" = []), ("X-API-Key" = [])),
    responses(
        (status = 200, description = "The file", content(
            (Vec<u8> = "application/gzip"), (Vec<u8> = "text/csv"), (Vec<u8> = "application/x-ndjson"),
        )),
        (status = 302, description = "The file is at the address in Location, which is good for 5 minutes",
            headers(("Location" = String, description = "A signed address"))),
        (status = 400, description = "Not a job id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_job_id", "a job id is a UUID").example())),
        (status = 401, description = "No API key", body = ErrorBody),
        (status = 403, description = "The key is not valid", body = ErrorBody),
        (status = 404, description = "The key may see no such job, or its file is gone", body = ErrorBody,
            example = json!(ApiError::NotFound("result").example())),
        (status = 409, description = "There is no result, or none yet", body = ErrorBody, example = json!(NO_RESULT.example())),
        (status = 503, description = "The database or the file cannot be reached", body = ErrorBody),
    )
)]
pub(crate) async fn get_result(
    request: HttpRequest,
    id: web::Path<String>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (_, _, job) = visible(&request, &id, &state).await?;
    file_of(&job, &state).await
}

/// The file that a job has written.
pub(crate) async fn file_of(job: &PublicJob, state: &AppState) -> Result<HttpResponse, ApiError> {
    let text = |name: &str| job.result.as_ref()?.get(name)?.as_str();
    let (Some(name), Some(content_type)) = (text("object"), text("contentType")) else {
        return Err(NO_RESULT);
    };
    let store = state.exports.as_ref().ok_or(ApiError::ExportsNotConfigured)?;
    let unreadable = |problem: objects::StoreError| match problem.is_not_found() {
        true => ApiError::NotFound("result"),
        false => {
            spans::failed(&problem, "a result cannot be read");
            ApiError::Unavailable
        }
    };
    if let Some(url) = store.signed_url(name, SIGNED_FOR).await.map_err(unreadable)? {
        return Ok(HttpResponse::Found()
            .insert_header((header::LOCATION, url))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish());
    }
    let content = store.read(name).await.map_err(unreadable)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, content_type))
        .insert_header((
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .no_chunking(content.size)
        .streaming(content.body))
}

/// The job, if the caller may see it: whether there is another one is not told.
async fn visible(
    request: &HttpRequest,
    id: &str,
    state: &AppState,
) -> Result<(Uuid, Caller, PublicJob), ApiError> {
    let caller = state.authenticator.authorize(request, &Scope::ALL)?;
    let id = Uuid::try_parse(id)
        .ok()
        .filter(|_| id.len() == 36)
        .ok_or_else(|| ApiError::malformed("invalid_job_id", "a job id is a UUID"))?;
    let job = state
        .read("SELECT job", async |connection| {
            job_queue::find_public(connection, id).await
        })
        .await?;
    let job = job
        .filter(|job| caller.scopes.contains(Scope::Operate) || job.api_key_id == Some(caller.key))
        .ok_or(ApiError::NotFound("job"))?;
    Ok((id, caller, job))
}

/// Cancels and records it in one transaction; the job as it is then.
async fn cancel(
    connection: &mut AsyncPgConnection,
    id: Uuid,
    caller: &Caller,
) -> diesel::QueryResult<Option<PublicJob>> {
    let request_id = spans::request_id();
    let mut transaction = connection.build_transaction().read_committed();
    transaction
        .run(async |connection| {
            let cancelled = job_queue::cancel(connection, CancelTarget::Public(id)).await?;
            let after = job_queue::find_public(connection, id).await?;
            if cancelled.is_some() {
                let action = OperatorAction {
                    key_id: Some(caller.key),
                    after: after.as_ref().map(|job| json!({"state": job.state})),
                    request_id: request_id.as_deref(),
                    ..OperatorAction::new("api", "jobs.cancel", format!("job {id}"))
                };
                record(connection, &action).await?;
            }
            Ok(after)
        })
        .await
}
