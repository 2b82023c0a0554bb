//! Orders to be placed and promotions to be offered, so that a test says only what matters.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::client::{Answer, Request};
use crate::fixtures::APITEST;
use crate::harness::{Server, TestApp, keyless_order_request};

/// An order that is about to be placed.
pub(crate) struct OrderBuilder<'a> {
    server: &'a Server,
    key: String,
    idempotency_key: Option<String>,
    body: Value,
}

/// A promotion that is about to be offered.
pub(crate) struct PromotionBuilder<'a> {
    app: &'a TestApp,
    code: String,
    kind: &'static str,
    value: String,
    columns: Vec<(&'static str, String)>,
}

impl Server {
    /// An order of (product, quantity) lines with the key `apitest`.
    pub(crate) fn place_order<P: Display>(
        &self,
        lines: impl IntoIterator<Item = (P, i64)>,
    ) -> OrderBuilder<'_> {
        let item =
            |(product, quantity): (P, i64)| json!({"productId": product.to_string(), "quantity": quantity});
        let items: Vec<Value> = lines.into_iter().map(item).collect();
        OrderBuilder {
            server: self,
            key: APITEST.into(),
            idempotency_key: None,
            body: json!({ "items": items }),
        }
    }
}

impl TestApp {
    /// An order of (product, quantity) lines with the key `apitest`.
    pub(crate) fn place_order<P: Display>(
        &self,
        lines: impl IntoIterator<Item = (P, i64)>,
    ) -> OrderBuilder<'_> {
        self.server.place_order(lines)
    }

    /// A promotion of 10 % without any condition.
    pub(crate) fn promotion(&self, code: &str) -> PromotionBuilder<'_> {
        PromotionBuilder {
            app: self,
            code: code.into(),
            kind: "percentage",
            value: "10".into(),
            columns: Vec::new(),
        }
    }
}

impl OrderBuilder<'_> {
    pub(crate) fn coupon(mut self, code: impl Into<Value>) -> Self {
        self.body["couponCode"] = code.into();
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = key.into();
        self
    }

    pub(crate) fn idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    pub(crate) fn request(&self) -> Request {
        let request = keyless_order_request(self.body.to_string()).header("api_key", &self.key);
        match &self.idempotency_key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    }

    pub(crate) async fn send(self) -> Answer {
        self.server.send(&self.request()).await
    }

    /// The id of an order that must succeed.
    pub(crate) async fn id(self) -> String {
        self.accepted().await["id"].as_str().unwrap().to_owned()
    }

    /// Places an order that must succeed.
    pub(crate) async fn accepted(self) -> Value {
        let body = self.body.clone();
        let answer = self.send().await;
        assert_eq!(answer.status(), 200, "{body}: {}", answer.text());
        answer.json()
    }
}

impl PromotionBuilder<'_> {
    pub(crate) fn kind(mut self, kind: &'static str, value: &str) -> Self {
        self.kind = kind;
        self.value = value.into();
        self
    }

    pub(crate) fn min_items(self, units: u32) -> Self {
        self.column("min_items", units.to_string())
    }

    pub(crate) fn max_discount(self, amount: &str) -> Self {
        self.column("max_discount", amount.into())
    }

    pub(crate) fn max_uses(self, uses: u32) -> Self {
        self.column("max_uses", uses.to_string())
    }

    pub(crate) fn ended_days_ago(self, days: u32) -> Self {
        self.column("ends_at", format!("now() - interval '{days} days'"))
    }

    pub(crate) fn starts_in_days(self, days: u32) -> Self {
        self.column("starts_at", format!("now() + interval '{days} days'"))
    }

    /// Valid from now on, for a day.
    pub(crate) fn begins_now(self) -> Self {
        self.column("starts_at", "now()".into())
            .column("ends_at", "now() + interval '1 day'".into())
    }

    fn column(mut self, name: &'static str, value: String) -> Self {
        self.columns.push((name, value));
        self
    }

    /// Offers it, and waits until the server knows.
    pub(crate) async fn insert(self) {
        let names: String = self.columns.iter().map(|(name, _)| format!(", {name}")).collect();
        let values: String = self
            .columns
            .iter()
            .map(|(_, value)| format!(", {value}"))
            .collect();
        let (code, kind, value) = (&self.code, self.kind, &self.value);
        self.app
            .publish(&format!(
                "INSERT INTO promotions (code, kind, value{names}) VALUES ('{code}', '{kind}', {value}{values})"
            ))
            .await;
    }
}
