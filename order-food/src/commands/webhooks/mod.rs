//! `order-food webhooks …`: what operators do with endpoints.

mod change;
mod connection;
mod show;
mod test;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use process::failure::Failure;

use crate::settings::Settings;
use crate::webhooks::{EndpointId, EventType, endpoints};
use connection::Operator;

/// Manage the endpoints that events are sent to.
#[derive(Args)]
pub(super) struct Webhooks {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

/// An action on endpoints.
#[derive(Subcommand)]
enum Action {
    /// Add an endpoint; prints its id and, once, the secret that verifies what it is sent.
    #[command(
        after_help = "Example: order-food webhooks add https://shop.example/hooks --events order.placed --json"
    )]
    Add {
        /// Where events are sent: https and an address of the public internet
        url: String,
        /// Events that it wants, separated by commas
        #[arg(long, value_name = "EVENTS", value_delimiter = ',', value_parser = event, default_value = "order.placed")]
        events: Vec<EventType>,
    },
    /// List the endpoints with their state.
    #[command(after_help = "Example: order-food webhooks list --json")]
    List,
    /// Have a worker send a signed test event (endpoint.test), and tell what the receiver answered.
    #[command(after_help = "Example: order-food webhooks test 01980000-0000-7000-8000-000000000000")]
    Test {
        /// The endpoint's id
        id: EndpointId,
        /// How long to wait for a worker and the answer
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = process::duration::within(Duration::from_secs(1)..=HOUR))]
        wait: Duration,
    },
    /// Give an endpoint a new secret, printed once; the former signs beside it for a while.
    #[command(
        after_help = "Example: order-food webhooks rotate 01980000-0000-7000-8000-000000000000 --overlap 2h"
    )]
    Rotate {
        /// The endpoint's id
        id: EndpointId,
        /// How long the former secret goes on signing [default: WEBHOOK_SECRET_OVERLAP, 1 day]
        #[arg(long, value_name = "DURATION", value_parser = process::duration::within(Duration::ZERO..=30 * DAY))]
        overlap: Option<Duration>,
    },
    /// Switch an endpoint off; events that happen from then on are not sent to it.
    #[command(after_help = "Example: order-food webhooks disable 01980000-0000-7000-8000-000000000000")]
    Disable {
        /// The endpoint's id
        id: EndpointId,
    },
    /// Switch an endpoint on again, also one that was switched off because it failed.
    #[command(after_help = "Example: order-food webhooks enable 01980000-0000-7000-8000-000000000000")]
    Enable {
        /// The endpoint's id
        id: EndpointId,
    },
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs the action; returns what is to be printed.
///
/// # Errors
/// Exit code 2 for a URL or an endpoint that cannot be used, 3 when the database cannot be reached,
/// 9 when its schema is too old, 1 when a test is not answered with 2xx.
pub(super) fn run(webhooks: Webhooks, config: Option<PathBuf>) -> Result<String, Failure> {
    let settings = Settings::load(config)?;
    let json = webhooks.json;
    super::block_on(async {
        match webhooks.action {
            Action::Add { url, events } => change::add(&settings, &url, &events, json).await,
            Action::List => {
                let mut operator = Operator::connect(&settings).await?;
                show::list(&operator.endpoints().await?, json)
            }
            Action::Test { id, wait } => test::test(&settings, id, wait, json).await,
            Action::Rotate { id, overlap } => {
                let default = Duration::from_secs(settings.webhooks.secret_overlap_s);
                change::rotate(&settings, id, overlap.unwrap_or(default), json).await
            }
            Action::Disable { id } => {
                let disable = ("webhooks.disable", endpoints::disable);
                change::switch(&settings, id, disable, json).await
            }
            Action::Enable { id } => {
                let enable = ("webhooks.enable", endpoints::enable);
                change::switch(&settings, id, enable, json).await
            }
        }
    })
}

fn event(name: &str) -> Result<EventType, String> {
    EventType::parse(name).map_err(|problem| problem.to_string())
}
