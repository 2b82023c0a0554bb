//! Links to orders, and the cookie that remembers a browser's own.

use actix_web::http::header::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use pages::{Signer, Site};
use uuid::Uuid;

use crate::orders::placed_at;

/// The orders of a browser, the newest first, at most [`MOST`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnOrders(Vec<Uuid>);

/// Orders that a browser's cookie remembers.
pub(crate) const MOST: usize = 20;

const LINK: &str = "order-link v1";
const OWN: &str = "own-orders v1";
const NAME: &str = "orders";
const MAX_AGE_S: u32 = 365 * 24 * 60 * 60;

/// The path of an order's page.
pub(crate) fn link(order: Uuid, signer: &Signer) -> String {
    let id = order.hyphenated().to_string();
    let signature = signer.sign(LINK, id.as_bytes());
    format!("/order/{id}.{signature}")
}

/// The order that a link's token leads to; `None` for one that is forged, or older than `days`.
pub(crate) fn order_of(token: &str, signer: &Signer, now: DateTime<Utc>, days: u32) -> Option<Uuid> {
    let (id, signature) = token.split_once('.')?;
    let order = Uuid::try_parse(id).ok().filter(|_| id.len() == 36)?;
    let id = order.hyphenated().to_string();
    let is_signed = signer.verify(LINK, id.as_bytes(), signature);
    let is_young = placed_at(order).is_some_and(|at| now - at < TimeDelta::days(days.into()));
    (is_signed && is_young).then_some(order)
}

impl OwnOrders {
    /// Those of a request's cookie; none when it is not as it was written.
    pub(crate) fn read(headers: &HeaderMap, site: &Site, signer: &Signer) -> OwnOrders {
        site.cookie(headers, NAME)
            .and_then(|text| OwnOrders::parse(text, signer))
            .unwrap_or_default()
    }

    fn parse(text: &str, signer: &Signer) -> Option<OwnOrders> {
        let (ids, signature) = text.strip_prefix("v1.")?.split_once('.')?;
        if !signer.verify(OWN, ids.as_bytes(), signature) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(ids).ok()?;
        let ids = bytes.chunks_exact(16).map(Uuid::from_slice);
        Some(OwnOrders(ids.take(MOST).collect::<Result<_, _>>().ok()?))
    }

    /// The header `Set-Cookie` that keeps them.
    pub(crate) fn cookie(&self, site: &Site, signer: &Signer) -> String {
        let bytes: Vec<u8> = self.0.iter().flat_map(|id| *id.as_bytes()).collect();
        let ids = URL_SAFE_NO_PAD.encode(bytes);
        let signature = signer.sign(OWN, ids.as_bytes());
        site.set_cookie(NAME, &format!("v1.{ids}.{signature}"), MAX_AGE_S)
    }

    /// Remembers an order; the oldest beyond [`MOST`] is forgotten.
    pub(crate) fn remember(&mut self, order: Uuid) {
        if !self.0.contains(&order) {
            self.0.insert(0, order);
            self.0.truncate(MOST);
        }
    }

    pub(crate) fn ids(&self) -> &[Uuid] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use shop::HashKeys;

    use super::*;

    fn signer(secrets: &str) -> Signer {
        Signer::new(&HashKeys::parse(Some(secrets), true).unwrap())
    }

    fn ours() -> Signer {
        signer("the secret of this test")
    }

    #[test]
    fn a_link_leads_to_its_order_alone_and_for_its_time() {
        let (order, now) = (Uuid::now_v7(), Utc::now());
        let path = link(order, &ours());
        let token = path.strip_prefix("/order/").unwrap();
        let opens = |token: &str, now| order_of(token, &ours(), now, 30);

        assert_eq!(opens(token, now), Some(order));
        assert_eq!(opens(token, now + TimeDelta::days(29)), Some(order));
        assert_eq!(opens(token, now + TimeDelta::days(31)), None);
        let other = token.replacen(&order.to_string(), &Uuid::now_v7().to_string(), 1);
        for forged in [
            other.as_str(),
            &order.to_string(),
            &token[..token.len() - 1],
            &format!("{token}A"),
            &token.to_uppercase(),
            &token.replace('-', ""),
            "",
            ".",
        ] {
            assert_eq!(opens(forged, now), None, "{forged}");
        }
    }

    #[test]
    fn links_outlive_the_rotation_of_the_secret() {
        let (old, new) = ("the first secret of this test", "the second secret of this test");
        let order = Uuid::now_v7();
        let path = link(order, &signer(old));
        let token = path.strip_prefix("/order/").unwrap();

        let both = signer(&format!("{new},{old}"));
        assert_eq!(order_of(token, &both, Utc::now(), 30), Some(order));
        assert_eq!(order_of(token, &signer(new), Utc::now(), 30), None);
    }

    #[test]
    fn the_last_twenty_orders_are_remembered_and_no_others() {
        let site = Site::of(&HeaderMap::new(), Some("https://shop.example"), false);
        let mut own = OwnOrders::default();
        let orders: Vec<Uuid> = (0..25).map(|_| Uuid::now_v7()).collect();
        for order in &orders {
            own.remember(*order);
            own.remember(*order);
        }

        let cookie = own.cookie(&site, &ours());
        let text = cookie
            .strip_prefix("__Host-orders=")
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        assert!(text.len() < 500, "{}", text.len());
        let read = OwnOrders::parse(text, &ours()).unwrap();
        let newest: Vec<Uuid> = orders.iter().rev().take(MOST).copied().collect();
        assert_eq!(read.ids(), newest);
        assert_eq!(OwnOrders::parse(text, &signer("the secret of others")), None);
        assert_eq!(OwnOrders::parse(&text.replacen('A', "B", 1), &ours()), None);
    }
}
