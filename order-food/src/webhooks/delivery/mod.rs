//! The delivery of one event to one endpoint: one attempt, with its outcome stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::pool::Pool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

use super::client::{Answer, Post, SendError, WebhookClient};
use super::endpoints::EndpointId;
use super::event::Event;
use super::health::{self, EndpointState};
use super::metrics::DeliveryMetrics;
use super::permits::Permits;
use super::secret::{WebhookSecret, signatures};
use super::settings::Settings;

/// What is to be delivered, as the payload of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The endpoint.
    pub(crate) endpoint: EndpointId,
    /// What happened.
    #[serde(flatten)]
    pub(crate) event: Event,
}

impl Delivery {
    /// The outcome with what was sent where: pages find deliveries by it.
    pub(crate) fn note(&self, mut outcome: Value) -> Value {
        if let Some(members) = outcome.as_object_mut() {
            members.insert("endpoint".into(), json!(self.endpoint));
            members.insert("event".into(), self.event.name().into());
        }
        outcome
    }
}

/// The end of an attempt.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Answered with 2xx.
    Delivered(Value),
    /// The endpoint was off when the event happened: nothing is owed to it.
    NotOwed,
    /// Nothing was sent; to be tried after this delay.
    Later(Duration),
    /// To be tried again; `after` is what the receiver or the circuit breaker asks for, at least.
    Failed {
        after: Option<Wait>,
        error: anyhow::Error,
    },
    /// No attempt can succeed.
    Impossible(anyhow::Error),
}

/// A delay before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// `Retry-After`: in place of the planned delay.
    Asked(Duration),
    /// The circuit is open: the planned delay, but not less.
    AtLeast(Duration),
}

impl Wait {
    /// The delay in place of `planned`; `None`: the planned one.
    pub(crate) fn beyond(self, planned: Duration) -> Option<Duration> {
        match self {
            Wait::Asked(delay) => Some(delay),
            Wait::AtLeast(delay) => (delay > planned).then_some(delay),
        }
    }
}

/// Delivers events; one per worker.
pub(crate) struct Deliverer {
    /// Connections are released before anything is sent: the handlers of a worker share a few.
    pool: Pool,
    client: WebhookClient,
    permits: Permits,
    metrics: DeliveryMetrics,
    switch_off_after: Duration,
}

/// Limit of one request: below the time limit of a job, so that the outcome is stored.
const REQUEST_LIMIT: Duration = Duration::from_secs(18);

impl Deliverer {
    /// A deliverer of a worker with so many slots.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the registry has other metrics of these names.
    pub(crate) fn new(
        settings: &Settings,
        pool: Pool,
        slots: usize,
        registry: &prometheus::Registry,
    ) -> anyhow::Result<Deliverer> {
        Ok(Deliverer {
            pool,
            metrics: DeliveryMetrics::new(registry)?,
            client: WebhookClient::new(settings.allow_private, REQUEST_LIMIT)?,
            permits: Permits::new(settings.endpoint_concurrency, slots / 4),
            switch_off_after: Duration::from_secs(settings.switch_off_after_s),
        })
    }

    /// Makes one attempt of the job with this id, which also varies delays: deliveries that are put
    /// off together do not come back together.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn deliver(&self, delivery: &Delivery, job: i64) -> anyhow::Result<Attempt> {
        let pause = Duration::from_millis(500 + job.unsigned_abs() % 1000);
        let Some(_permit) = self.permits.acquire(delivery.endpoint).await else {
            return Ok(Attempt::Later(pause));
        };
        let Some(state) = self.read(delivery).await? else {
            return Ok(Attempt::Impossible(anyhow::anyhow!("there is no such endpoint")));
        };
        let Some(at) = delivery.event.made_at().or(state.ordered_at) else {
            let order = delivery.event.placed_order().unwrap_or_default();
            return Ok(Attempt::Impossible(anyhow::anyhow!("there is no order {order}")));
        };
        match held(&state, &delivery.event, at) {
            None => {}
            Some(Held::Off { owed: false }) => return Ok(Attempt::NotOwed),
            Some(Held::Off { owed: true }) => {
                let reason = state.disabled_reason.unwrap_or_default();
                let error = anyhow::anyhow!("the endpoint is switched off ({reason})");
                return Ok(Attempt::Impossible(error));
            }
            Some(Held::Open(left)) => {
                return Ok(Attempt::Failed {
                    after: Some(Wait::AtLeast(left + pause)),
                    error: anyhow::anyhow!("not sent: the last attempts to reach the endpoint failed"),
                });
            }
            Some(Held::OnTrial) => return Ok(Attempt::Later(pause)),
        }
        let slot = match state.failures {
            0 => None,
            _ => self.permits.acquire_failing(),
        };
        if state.failures > 0 && slot.is_none() {
            return Ok(Attempt::Later(pause));
        }
        if state.open_ms.is_some() && !delivery.event.is_test() && !self.take_trial(delivery).await? {
            return Ok(Attempt::Later(pause));
        }
        self.send(delivery, &state, at, job).await
    }

    /// Tries the switched-off endpoints whose probe is due, and switches on those that answer with
    /// 2xx; returns how many were tried, and how many are on again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn probe(&self) -> anyhow::Result<(usize, usize)> {
        let mut connection = self.pool.get().await?;
        let due = health::take_probes(&mut connection, MOST_PROBES).await?;
        connection.release();
        let probes = due.iter().map(|endpoint| self.probe_one(*endpoint));
        let outcomes = futures_util::future::join_all(probes).await;
        let mut on = 0;
        for outcome in outcomes {
            on += usize::from(outcome?);
        }
        Ok((due.len(), on))
    }

    async fn probe_one(&self, endpoint: EndpointId) -> anyhow::Result<bool> {
        let delivery = Delivery {
            endpoint,
            event: Event::test(),
        };
        let Some(state) = self.read(&delivery).await? else {
            return Ok(false);
        };
        let made_at = delivery.event.made_at().unwrap_or_default();
        let posted = self.post(&delivery, &state, made_at).await?;
        if !posted.is_ok_and(|answer| answer.status.is_success()) {
            return Ok(false);
        }
        let mut connection = self.pool.get().await?;
        let on = health::switch_on(&mut connection, endpoint).await?;
        connection.release();
        if on {
            info!(%endpoint, "a webhook endpoint answers again; switched on");
        }
        Ok(on)
    }

    async fn read(&self, delivery: &Delivery) -> anyhow::Result<Option<EndpointState>> {
        let mut connection = self.pool.get().await?;
        let state = health::read(&mut connection, delivery.endpoint, delivery.event.placed_order()).await?;
        connection.release();
        Ok(state)
    }

    async fn take_trial(&self, delivery: &Delivery) -> anyhow::Result<bool> {
        let mut connection = self.pool.get().await?;
        let taken = health::take_trial(&mut connection, delivery.endpoint).await?;
        connection.release();
        Ok(taken)
    }

    async fn send(
        &self,
        delivery: &Delivery,
        state: &EndpointState,
        at: DateTime<Utc>,
        job: i64,
    ) -> anyhow::Result<Attempt> {
        let began = Instant::now();
        let posted = self.post(delivery, state, at).await?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.metrics.attempt(&posted, began.elapsed());
        let endpoint = delivery.endpoint;
        match posted {
            Ok(Answer { status, .. }) if status.is_success() => {
                let outcome = delivery.note(json!({ "status": status.as_u16(), "ms": took_ms }));
                if state.failures > 0 || state.delivered_long_ago {
                    // The job of a test keeps its result by itself.
                    let noted = (!delivery.event.is_test()).then_some((job, &outcome));
                    let mut connection = self.pool.get().await?;
                    health::succeeded(&mut connection, endpoint, noted).await?;
                    connection.release();
                }
                Ok(Attempt::Delivered(outcome))
            }
            Ok(Answer { status, .. }) if status == hyper::StatusCode::GONE => {
                let mut connection = self.pool.get().await?;
                let switched_off = health::gone(&mut connection, endpoint).await?;
                connection.release();
                if switched_off {
                    self.metrics.switched_off("gone");
                    warn!(%endpoint, "a webhook endpoint answered 410 and is switched off");
                }
                Ok(Attempt::Impossible(anyhow::anyhow!(
                    "HTTP 410: the receiver is gone, and the endpoint switched off"
                )))
            }
            Ok(Answer { status, retry_after }) => {
                let error = anyhow::anyhow!("HTTP {}", status.as_u16());
                self.failed(endpoint, retry_after, error, false).await
            }
            Err(error) => {
                let late = matches!(error, SendError::Late(_));
                self.failed(endpoint, None, error.into(), late).await
            }
        }
    }

    async fn failed(
        &self,
        endpoint: EndpointId,
        retry_after: Option<Duration>,
        error: anyhow::Error,
        late: bool,
    ) -> anyhow::Result<Attempt> {
        let line = process::failure::line(error.as_ref());
        let mut connection = self.pool.get().await?;
        let switched_off =
            health::failed(&mut connection, endpoint, &line, late, self.switch_off_after).await?;
        connection.release();
        if switched_off {
            self.metrics.switched_off("failing");
            warn!(%endpoint, error = line, "a webhook endpoint failed for too long and is switched off");
        }
        let after = retry_after.map(Wait::Asked);
        Ok(Attempt::Failed { after, error })
    }

    async fn post(
        &self,
        delivery: &Delivery,
        state: &EndpointState,
        at: DateTime<Utc>,
    ) -> anyhow::Result<Result<Answer, SendError>> {
        let message = delivery.event.message(at)?;
        let secrets: Vec<WebhookSecret> = state.secrets.iter().cloned().map(WebhookSecret::of).collect();
        anyhow::ensure!(!secrets.is_empty(), "the endpoint has no secret");
        let signatures = signatures(&secrets, &message.id, state.timestamp, &message.body);
        let post = Post {
            url: &state.url,
            id: &message.id,
            timestamp: state.timestamp,
            signatures,
            body: message.body.clone(),
        };
        Ok(self.client.send(post).await)
    }
}

/// Endpoints that one run probes.
const MOST_PROBES: i64 = 10;

/// Why a delivery is not sent now.
enum Held {
    /// The endpoint is switched off; `owed`: since after the event.
    Off { owed: bool },
    /// Another delivery tries the circuit.
    OnTrial,
    /// The circuit is open for so long.
    Open(Duration),
}

/// The reason for which the endpoint's state holds a delivery back. A test is always sent: it tells
/// what the receiver does.
fn held(state: &EndpointState, event: &Event, at: DateTime<Utc>) -> Option<Held> {
    if event.is_test() {
        return None;
    }
    if let Some(off) = state.disabled_at {
        return Some(Held::Off { owed: at < off });
    }
    match u64::try_from(state.open_ms?) {
        Ok(left @ 1..) => Some(Held::Open(Duration::from_millis(left))),
        _ => state.on_trial.then_some(Held::OnTrial),
    }
}

#[cfg(test)]
mod tests;
