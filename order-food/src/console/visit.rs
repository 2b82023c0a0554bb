//! One request to the console: who makes it, what it sends, and how pages are answered.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use pages::Site;
use serde_json::Value;
use tracing::warn;

use super::right::Right;
use super::session::{self, Session};
use super::view::{Banner, Frame, Page, Section};
use super::{Console, PAGES};
use crate::operator_actions::{OperatorAction, recorded};
use crate::reference_data::Snapshot;

/// A request that was let in.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) console: Arc<Console>,
    pub(super) request: HttpRequest,
    pub(super) site: Site,
    /// `None` on the log-in page only.
    pub(super) session: Option<Session>,
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// What stands in the path for `{id}`.
    pub(super) id: String,
    /// Fields of the query, or of the form that was sent.
    pub(super) fields: Vec<(String, String)>,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 404.
    Missing,
    /// 422, with what is wrong with the form.
    Invalid(String),
    /// 503: the database did not answer in time.
    Database(String),
}

impl Refusal {
    /// 422.
    pub(super) fn invalid(problem: impl ToString) -> Refusal {
        Refusal::Invalid(problem.to_string())
    }

    /// 503.
    pub(super) fn database(error: impl ToString) -> Refusal {
        Refusal::Database(error.to_string())
    }
}

/// Statements of pages that run longer are ended.
const STATEMENT_LIMIT: &str = "SET LOCAL statement_timeout = '2s'";

impl Visit {
    /// The first field with this name; empty fields count as none.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, value)| field == name && !value.trim().is_empty())
            .map(|(_, value)| value.trim())
    }

    /// The same, to be kept.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        self.field(name).map(str::to_owned)
    }

    /// The address of the same page with one field set.
    pub(super) fn with_field(&self, path: &str, name: &str, value: &str) -> String {
        let kept = self
            .fields
            .iter()
            .filter(|(field, _)| field != name && field != "done");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair(name, value)
            .finish();
        format!("{path}?{query}")
    }

    /// The address of the rows below this id.
    pub(super) fn older(&self, path: &str, id: Option<i64>) -> Option<String> {
        id.map(|id| self.with_field(path, "before", &id.to_string()))
    }

    /// Whether the session could still log in: for answers that last.
    pub(super) fn is_still_in(&self) -> bool {
        let state = &self.console.state;
        let session = state.snapshots.get().and_then(|snapshot| {
            let headers = self.request.headers();
            session::of(&self.console.signer, &self.site, headers, &snapshot)
        });
        session.is_some()
    }

    /// The fields `id` that are numbers: what was ticked. In order and each once, so that two
    /// presses lock rows in the same order.
    pub(super) fn ids(&self) -> Vec<i64> {
        let ids = self.fields.iter().filter(|(name, _)| name == "id");
        let ids: BTreeSet<i64> = ids.filter_map(|(_, id)| id.parse().ok()).collect();
        ids.into_iter().collect()
    }

    /// The id of the path: a number, or a UUID.
    pub(super) fn id<T: FromStr>(&self) -> Result<T, Refusal> {
        self.id.parse().map_err(|_| Refusal::Missing)
    }

    /// Whether buttons that need the right are shown.
    pub(super) fn may(&self, right: Right) -> bool {
        !(right.changes() && self.console.read_only)
            && self.session.as_ref().is_some_and(|session| session.may(right))
    }

    /// Reads in a transaction of one state of the database, bounded to 2 s a statement.
    pub(super) async fn read<T>(
        &self,
        query: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, Refusal> {
        let limited = async |connection: &mut AsyncPgConnection| {
            connection.batch_execute(STATEMENT_LIMIT).await?;
            query(connection).await
        };
        let pool = &self.console.state.pool;
        let read = pool.read_one_state(self.console.state.order_deadline, limited);
        read.await.map_err(Refusal::database)
    }

    /// Acts in a transaction that also records the action; `act` answers the states before and
    /// after, and `None` after where nothing was there to act on.
    pub(super) async fn act(
        &self,
        action: &'static str,
        target: &str,
        act: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<(Option<Value>, Option<Value>)>,
    ) -> Result<Option<Value>, Refusal> {
        let request_id = crate::spans::request_id();
        let record = OperatorAction {
            key_id: self.session.as_ref().map(|session| session.key),
            request_id: request_id.as_deref(),
            ..OperatorAction::new("console", action, target.to_owned())
        };
        let work = async {
            let pool = &self.console.state.pool;
            let mut connection = pool.get().await.map_err(Refusal::database)?;
            let acted = recorded(&mut connection, record, async |connection, record| {
                connection.batch_execute(STATEMENT_LIMIT).await?;
                QueryResult::Ok(record.changed(act(connection).await?))
            });
            let after = acted.await.map_err(Refusal::database)?;
            // Given back only in a known state: after an error it is closed.
            connection.release();
            Ok(after)
        };
        tokio::time::timeout(self.console.state.order_deadline, work)
            .await
            .unwrap_or_else(|_| Err(Refusal::database("no answer in time")))
    }

    /// The frame of this visit's pages.
    pub(super) fn frame(&self) -> Frame {
        let session = self.session.as_ref();
        let pages = PAGES
            .iter()
            .filter(|(_, _, right)| session.is_some_and(|session| session.may(*right)))
            .map(|(path, name, _)| (*path, *name));
        let assets = &self.console.assets;
        Frame {
            style: assets.address("console.css").to_owned(),
            script: assets.address("console.js").to_owned(),
            icon: assets.address("icon.svg").to_owned(),
            pages: pages.collect(),
            here: self
                .request
                .path()
                .split('/')
                .nth(1)
                .unwrap_or_default()
                .to_owned(),
            visitor: session.map(|session| {
                // Whole ids stand in the audit.
                let key = session.key.simple().to_string();
                let end = key.get(key.len() - 6..).unwrap_or_default();
                let may = [Right::Operate, Right::ManageOrders, Right::SeeOperations];
                let may = may.into_iter().find(|right| session.may(*right));
                format!("key …{end}, {}", may.map_or("", Right::words))
            }),
            read_only: self.console.read_only,
        }
    }

    /// What the last press did.
    pub(super) fn banner(&self) -> Option<Banner> {
        let done = self.field("done")?;
        let (_, text) = DONE.iter().find(|(name, _)| *name == done)?;
        Some(Banner {
            text: (*text).into(),
            bad: false,
        })
    }

    /// A page of sections; above them what the last press did.
    pub(super) fn page(&self, title: impl Into<String>, sections: Vec<Section>) -> HttpResponse {
        self.write(StatusCode::OK, title, self.banner(), sections)
    }

    /// A page that tells of a refusal.
    pub(super) fn refuse(&self, refusal: Refusal) -> HttpResponse {
        let (status, title, text) = match refusal {
            Refusal::Missing => (
                StatusCode::NOT_FOUND,
                "Not found",
                "There is nothing at this address: it may be done and gone.".to_owned(),
            ),
            Refusal::Invalid(problem) => (StatusCode::UNPROCESSABLE_ENTITY, "Not done", problem),
            Refusal::Database(error) => {
                warn!(
                    error,
                    path = self.request.path(),
                    request_id = crate::spans::request_id(),
                    "a page of the console cannot be read"
                );
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Not available",
                    "The database did not answer within 2 seconds; nothing was changed. Load the page again."
                        .to_owned(),
                )
            }
        };
        self.told(status, title, &text)
    }

    /// A page with a sentence and nothing else.
    pub(super) fn told(&self, status: StatusCode, title: &str, text: &str) -> HttpResponse {
        self.write(status, title, Some(Banner::bad(text)), Vec::new())
    }

    /// A page with this status and line above it.
    pub(super) fn write(
        &self,
        status: StatusCode,
        title: impl Into<String>,
        banner: Option<Banner>,
        sections: Vec<Section>,
    ) -> HttpResponse {
        let page = Page {
            frame: self.frame(),
            title: title.into(),
            banner,
            sections,
        };
        render(status, &page)
    }

    /// After a press: back to where it was pressed, which is read anew.
    pub(super) fn back(&self, path: &str, done: &'static str) -> HttpResponse {
        let separator = if path.contains('?') { '&' } else { '?' };
        see_other(&format!("{path}{separator}done={done}"))
    }
}

/// What presses did, by their name in the address.
const DONE: [(&str, &str); 14] = [
    ("moved", "Done."),
    ("faster", "Somebody was faster: this is the order's state now."),
    ("paused", "Paused: workers know of it within a second."),
    ("resumed", "Resumed."),
    ("cancelled", "Cancelled, or asked to end within 5 seconds."),
    ("run", "Due now."),
    ("replayed", "Queued again."),
    ("purged", "Removed for good."),
    ("bulk", "Begun in the background: this page shows its progress."),
    ("nothing", "Nothing was left to act on: somebody was faster."),
    (
        "tested",
        "A test event was queued: its outcome is shown with the endpoint.",
    ),
    ("changed", "Changed."),
    ("exported", "The export has begun: this page shows its progress."),
    ("stopped", "Asked to stop: what is done stays done."),
];

/// Writes a template.
pub(super) fn render(status: StatusCode, page: &impl Template) -> HttpResponse {
    match page.render() {
        Ok(html) => HttpResponseBuilder::new(status)
            .insert_header((
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            ))
            .body(html),
        Err(problem) => {
            tracing::error!(error = %problem, "a page of the console cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// 303: the browser asks for `path` next.
pub(super) fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, path))
        .finish()
}
