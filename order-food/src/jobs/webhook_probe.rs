//! `webhook.endpoint_probe`: tries the endpoints that were switched off because they failed.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{Job, JobError, Kind, NewJob, Outcome, Overflow, Priority, Run};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::webhooks::Deliverer;

/// Probes all endpoints whose time has come, and switches on those that answer with 2xx.
pub(super) struct EndpointProbe(pub(super) Arc<Deliverer>);

/// Nothing: the endpoints say when they are due.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Job for EndpointProbe {
    const KIND: Kind = Kind::new("webhook.endpoint_probe", "notification", Priority::Low)
        .timeout(Duration::from_secs(60))
        .overflow(Overflow::Skip);

    type Payload = Option<Nothing>;

    async fn run(&self, _: &Run, _: Option<Nothing>) -> Result<Outcome, JobError> {
        let (probed, switched_on) = self.0.probe().await?;
        Ok(Outcome::DoneWith(
            json!({ "probed": probed, "switchedOn": switched_on }),
        ))
    }
}

/// The periodic job; never two at the same time.
pub(super) fn job() -> Result<NewJob, serde_json::Error> {
    Ok(NewJob::of::<EndpointProbe>(&Some(Nothing {}))?.unique("all"))
}
