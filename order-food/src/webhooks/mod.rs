//! Webhooks: endpoints that operators add, and the signed delivery of events to them.
//!
//! `endpoints` are the rows that operators change; `url` checks their addresses · `delivery` sends
//! one event to one endpoint: `permits` bound what it occupies, `health` reads the endpoint and
//! stores the outcome, `states` counts endpoints for metrics, `event` and `secret` make the signed
//! message, `client` and `connect` send it to addresses that `address` allows.

mod address;
mod client;
mod connect;
mod delivery;
pub(crate) mod endpoints;
mod event;
mod health;
mod metrics;
mod permits;
mod secret;
mod settings;
mod states;
mod url;

pub(crate) use connect::refused_address;
pub(crate) use delivery::{Attempt, Deliverer, Delivery};
pub(crate) use endpoints::EndpointId;
pub(crate) use event::{Event, EventType};
pub(crate) use secret::WebhookSecret;
pub(crate) use settings::{ENVIRONMENT, Settings};
pub(crate) use states::EndpointStates;
pub(crate) use url::EndpointUrl;
