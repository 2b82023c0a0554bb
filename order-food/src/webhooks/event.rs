//! The events that are sent, and how they look on the wire.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A type of events that an endpoint can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventType {
    /// An order was stored.
    OrderPlaced,
    /// The status of an order changed, or the time at which it is expected to be ready.
    OrderStatusChanged,
}

/// The text names no type of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is one of {}", EventType::NAMES.join(", "))]
pub(crate) struct NotAnEventType;

/// What happened, as the payload of a job holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event")]
pub(crate) enum Event {
    /// An order was stored.
    #[serde(rename = "order.placed")]
    OrderPlaced {
        /// The order.
        order: Uuid,
    },
    /// The status of an order changed; `orders/status/statement` writes it.
    #[serde(rename = "order.status_changed")]
    OrderStatusChanged {
        /// The order.
        order: Uuid,
        /// As the API names it.
        status: String,
        /// Of the status: receivers leave lower ones aside.
        version: u32,
        changed_at: DateTime<Utc>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ready_at: Option<DateTime<Utc>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An operator tries an endpoint, or the worker one that was switched off.
    #[serde(rename = "endpoint.test")]
    Test {
        /// A UUID of version 7, made for this test.
        test: Uuid,
    },
}

/// An event in its final form: the same bytes for each attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// `webhook-id`: the same for each attempt and each replay.
    pub(super) id: String,
    pub(super) body: Bytes,
}

/// What receivers are told: little, so that it need not be trusted; the rest is asked for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderData<'a> {
    order_id: Uuid,
    status: &'a str,
    version: u32,
    changed_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Order(OrderData<'a>),
    Test {
        #[serde(rename = "testId")]
        test: Uuid,
    },
}

impl EventType {
    /// Every type, in the order in which they are written.
    pub(crate) const ALL: [EventType; 2] = [EventType::OrderPlaced, EventType::OrderStatusChanged];

    const NAMES: [&'static str; 2] = [
        EventType::OrderPlaced.name(),
        EventType::OrderStatusChanged.name(),
    ];

    /// The name in commands, in the database and on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            EventType::OrderPlaced => "order.placed",
            EventType::OrderStatusChanged => "order.status_changed",
        }
    }

    /// The type with this name.
    ///
    /// # Errors
    /// [`NotAnEventType`] for every other text.
    pub(crate) fn parse(name: &str) -> Result<EventType, NotAnEventType> {
        EventType::ALL
            .into_iter()
            .find(|known| known.name() == name.trim())
            .ok_or(NotAnEventType)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Event {
    /// A test of an endpoint.
    pub(crate) fn test() -> Event {
        Event::Test { test: Uuid::now_v7() }
    }

    /// When it happened, as far as the event itself says: a test was made when its id says; the
    /// time of an order that was placed stands with the order.
    pub(super) fn made_at(&self) -> Option<DateTime<Utc>> {
        match self {
            Event::OrderPlaced { .. } => None,
            Event::OrderStatusChanged { changed_at, .. } => Some(*changed_at),
            Event::Test { test } => {
                let (seconds, nanoseconds) = test.get_timestamp().map_or((0, 0), |time| time.to_unix());
                let seconds = i64::try_from(seconds).unwrap_or_default();
                Some(DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default())
            }
        }
    }

    /// The order that was placed.
    pub(super) fn placed_order(&self) -> Option<Uuid> {
        match self {
            Event::OrderPlaced { order } => Some(*order),
            Event::OrderStatusChanged { .. } | Event::Test { .. } => None,
        }
    }

    /// The name of its type.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Event::OrderPlaced { .. } => EventType::OrderPlaced.name(),
            Event::OrderStatusChanged { .. } => EventType::OrderStatusChanged.name(),
            Event::Test { .. } => "endpoint.test",
        }
    }

    /// Whether an endpoint is only tried.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self, Event::Test { .. })
    }

    /// The message about it; `at` is when it happened, in database time.
    ///
    /// # Errors
    /// None in practice: the fields are texts and numbers.
    pub(super) fn message(&self, at: DateTime<Utc>) -> Result<Message, serde_json::Error> {
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let placed = |order: &Uuid| OrderData {
            order_id: *order,
            status: "placed",
            version: 1,
            changed_at: text(at),
            ready_at: None,
            reason: None,
        };
        let data = match self {
            Event::OrderPlaced { order } => Data::Order(placed(order)),
            Event::OrderStatusChanged {
                order,
                status,
                version,
                ready_at,
                reason,
                ..
            } => Data::Order(OrderData {
                status,
                version: *version,
                ready_at: ready_at.map(text),
                reason: reason.as_deref(),
                ..placed(order)
            }),
            Event::Test { test } => Data::Test { test: *test },
        };
        let id = match &data {
            Data::Order(data) => format!("msg_{}_{}", data.order_id.simple(), data.version),
            Data::Test { test } => format!("msg_{}", test.simple()),
        };
        let envelope = Envelope {
            r#type: self.name(),
            timestamp: text(at),
            data,
        };
        let body = serde_json::to_vec(&envelope)?.into();
        Ok(Message { id, body })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_order_placed_is_told_in_four_fields_and_always_the_same_bytes() {
        let order = Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0001);
        let at = DateTime::from_timestamp(1_750_000_000, 123_456_000).unwrap();
        let event = Event::OrderPlaced { order };

        let message = event.message(at).unwrap();

        assert_eq!(message.id, "msg_01970000000070008000000000000001_1");
        assert_eq!(message, event.message(at).unwrap());
        assert_eq!(
            serde_json::from_slice::<Value>(&message.body).unwrap(),
            json!({
                "type": "order.placed",
                "timestamp": "2025-06-15T15:06:40.123456Z",
                "data": {
                    "orderId": "01970000-0000-7000-8000-000000000001",
                    "status": "placed",
                    "version": 1,
                    "changedAt": "2025-06-15T15:06:40.123456Z"
                }
            })
        );
    }

    #[test]
    fn a_changed_status_is_told_with_its_version_and_without_what_it_has_not() {
        let order = "01970000-0000-7000-8000-000000000001";
        let event: Event = serde_json::from_value(json!({
            "event": "order.status_changed", "order": order, "status": "accepted", "version": 2,
            "changed_at": "2025-06-15T15:06:40.123456+00:00", "ready_at": "2025-06-15T15:26:40.123456+00:00",
        }))
        .unwrap();

        let message = event.message(event.made_at().unwrap()).unwrap();

        assert_eq!(message.id, "msg_01970000000070008000000000000001_2");
        assert_eq!(
            serde_json::from_slice::<Value>(&message.body).unwrap(),
            json!({
                "type": "order.status_changed",
                "timestamp": "2025-06-15T15:06:40.123456Z",
                "data": {
                    "orderId": order,
                    "status": "accepted",
                    "version": 2,
                    "changedAt": "2025-06-15T15:06:40.123456Z",
                    "readyAt": "2025-06-15T15:26:40.123456Z"
                }
            })
        );
    }

    #[test]
    fn names_are_read_back_and_others_are_refused_with_the_list() {
        for event in EventType::ALL {
            assert_eq!(EventType::parse(event.name()), Ok(event));
        }
        let refusal = EventType::parse("order.eaten").unwrap_err().to_string();
        assert!(refusal.contains("order.placed"), "{refusal}");
    }
}
