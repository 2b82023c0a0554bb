//! The cart: a cookie that the browser keeps and that is read like a request.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pages::{Signer, Site};
use shop::{CouponCode, ProductId, Quantity};

use crate::orders::{Item, OrderRequest, Text};

/// Products with quantities, and a coupon code that was accepted.
///
/// As a cookie: `v1.{attempt}.{id}x{quantity}-…~{coupon}`. What is not as it was written is left
/// out; prices are never part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cart {
    pub(crate) attempt: Option<Attempt>,
    /// Each product once, in the order in which they were added.
    lines: Vec<(ProductId, Quantity)>,
    pub(crate) coupon: Option<CouponCode>,
}

/// The name of one attempt to order: 128 random bits and a signature, so that no browser chooses
/// or guesses one. It is the Idempotency-Key of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt(String);

/// The cart has room for no further product.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CartFull;

/// The most lines of a cart: those of an order.
pub(crate) const MAX_LINES: usize = 100;
/// No cart is longer.
const MAX_COOKIE: usize = 3_072;
const MAX_AGE_S: u32 = 30 * 24 * 60 * 60;

const NAME: &str = "cart";
const ATTEMPT: &str = "order-attempt v1";
const COUPON: &str = "cart-coupon v1";

impl Attempt {
    /// A new one.
    pub(crate) fn new(signer: &Signer) -> Attempt {
        let random = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        let signature = signer.sign(ATTEMPT, random.as_bytes());
        Attempt(format!("{random}{signature}"))
    }

    /// An attempt that this shop has named.
    pub(crate) fn parse(text: &str, signer: &Signer) -> Option<Attempt> {
        let (random, signature) = text.split_at_checked(22)?;
        signer
            .verify(ATTEMPT, random.as_bytes(), signature)
            .then(|| Attempt(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Cart {
    /// The order of it, as a client of the API would send it.
    pub(super) fn order_request(&self) -> OrderRequest<'_> {
        let item = |(id, quantity): &(ProductId, Quantity)| Item {
            product_id: Some(Text(Cow::Owned(id.to_string()))),
            quantity: Some(quantity.units().into()),
        };
        OrderRequest {
            items: Some(self.lines().iter().map(item).collect()),
            coupon_code: self
                .coupon
                .as_ref()
                .map(|code| Text(Cow::Borrowed(code.as_str()))),
        }
    }

    /// The cart of a request's cookie; an empty one when it has none that can be used.
    pub(crate) fn read(headers: &actix_web::http::header::HeaderMap, site: &Site, signer: &Signer) -> Cart {
        site.cookie(headers, NAME)
            .and_then(|text| Cart::parse(text, signer))
            .unwrap_or_default()
    }

    fn parse(text: &str, signer: &Signer) -> Option<Cart> {
        if text.len() > MAX_COOKIE {
            return None;
        }
        let (attempt, rest) = text.strip_prefix("v1.")?.split_once('.')?;
        let (lines, coupon) = rest.split_once('~').unwrap_or((rest, ""));
        let mut cart = Cart {
            attempt: Some(Attempt::parse(attempt, signer)?),
            ..Cart::default()
        };
        for line in lines.split('-').filter(|line| !line.is_empty()) {
            let (id, quantity) = line.split_once('x')?;
            let (id, quantity) = (ProductId::parse(id).ok()?, quantity.parse().ok()?);
            cart.set(id, Quantity::new(quantity).ok()?).ok()?;
        }
        cart.coupon = coupon_of(coupon, attempt, signer);
        Some(cart)
    }

    /// The header `Set-Cookie` that keeps this cart.
    pub(crate) fn cookie(&self, site: &Site, signer: &Signer) -> String {
        let attempt = match &self.attempt {
            Some(attempt) => attempt.clone(),
            None => Attempt::new(signer),
        };
        let mut text = format!("v1.{}.{}", attempt.as_str(), self.lines_text());
        if let Some(code) = &self.coupon {
            let code = URL_SAFE_NO_PAD.encode(code.as_str());
            let signature = signer.sign(COUPON, format!("{}|{code}", attempt.as_str()).as_bytes());
            text.push_str(&format!("~{code}.{signature}"));
        }
        site.set_cookie(NAME, &text, MAX_AGE_S)
    }

    /// Lines and coupon, as the Idempotency-Key of an order remembers them.
    pub(crate) fn canonical(&self) -> String {
        let coupon = self.coupon.as_ref().map_or("", CouponCode::as_str);
        format!("{}~{coupon}", self.lines_text())
    }

    fn lines_text(&self) -> String {
        let line = |(id, quantity): &(ProductId, Quantity)| format!("{id}x{}", quantity.units());
        self.lines.iter().map(line).collect::<Vec<_>>().join("-")
    }

    pub(crate) fn lines(&self) -> &[(ProductId, Quantity)] {
        &self.lines
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Units of all products.
    pub(crate) fn units(&self) -> u32 {
        self.lines
            .iter()
            .map(|(_, quantity)| u32::from(quantity.units()))
            .sum()
    }

    /// Units of one product.
    pub(crate) fn units_of(&self, id: ProductId) -> u16 {
        let line = self.lines.iter().find(|(known, _)| *known == id);
        line.map_or(0, |(_, quantity)| quantity.units())
    }

    /// Adds units (or takes them away), within the range of a quantity; none left removes the
    /// product.
    pub(crate) fn add(&mut self, id: ProductId, units: i32) -> Result<(), CartFull> {
        let wanted = i64::from(self.units_of(id)) + i64::from(units);
        match Quantity::new(wanted.min(Quantity::MAX.into())) {
            Ok(quantity) => self.set(id, quantity),
            Err(_) => {
                self.remove(id);
                Ok(())
            }
        }
    }

    pub(crate) fn set(&mut self, id: ProductId, quantity: Quantity) -> Result<(), CartFull> {
        if let Some((_, units)) = self.lines.iter_mut().find(|(known, _)| *known == id) {
            *units = quantity;
            return Ok(());
        }
        if self.lines.len() >= MAX_LINES {
            return Err(CartFull);
        }
        self.lines.push((id, quantity));
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: ProductId) {
        self.lines.retain(|(known, _)| *known != id);
    }

    /// Keeps the products that `keep` says.
    pub(crate) fn retain(&mut self, keep: impl Fn(ProductId) -> bool) {
        self.lines.retain(|(id, _)| keep(*id));
    }

    /// The same cart, to be ordered by an attempt of its own.
    pub(crate) fn renewed(self) -> Cart {
        // The cookie gets a new one.
        Cart {
            attempt: None,
            ..self
        }
    }

    /// Empties it; the attempt goes on.
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.coupon = None;
    }
}

fn coupon_of(text: &str, attempt: &str, signer: &Signer) -> Option<CouponCode> {
    let (code, signature) = text.split_once('.')?;
    if !signer.verify(COUPON, format!("{attempt}|{code}").as_bytes(), signature) {
        return None;
    }
    let code = URL_SAFE_NO_PAD.decode(code).ok()?;
    CouponCode::parse(String::from_utf8(code).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shop::HashKeys;

    use super::*;

    fn signer(secret: &str) -> Signer {
        Signer::new(&HashKeys::parse(Some(secret), true).unwrap())
    }

    fn ours() -> Signer {
        signer("the secret of this test")
    }

    fn product(id: i64) -> ProductId {
        ProductId::new(id).unwrap()
    }

    fn site() -> Site {
        Site::of(
            &actix_web::http::header::HeaderMap::new(),
            Some("https://shop.example"),
            false,
        )
    }

    fn value(cart: &Cart) -> String {
        let cookie = cart.cookie(&site(), &ours());
        let value = cookie.strip_prefix("__Host-cart=").unwrap();
        value.split(';').next().unwrap().to_owned()
    }

    fn full(coupon: Option<&str>) -> Cart {
        let mut cart = Cart {
            attempt: Some(Attempt::new(&ours())),
            coupon: coupon.map(|code| CouponCode::parse(code).unwrap()),
            ..Cart::default()
        };
        for line in 0..100 {
            cart.set(product(i64::MAX - line), Quantity::new(1000).unwrap())
                .unwrap();
        }
        cart
    }

    #[test]
    fn the_largest_cart_fits_into_a_cookie_and_comes_back() {
        let longest = "🍕".repeat(64);
        let mut cart = full(Some(&longest));

        let text = value(&cart);
        assert!(text.len() < MAX_COOKIE, "{}", text.len());
        assert_eq!(Cart::parse(&text, &ours()), Some(cart.clone()));
        assert_eq!(cart.set(product(1), Quantity::new(1).unwrap()), Err(CartFull));
        assert_eq!(cart.add(product(i64::MAX), 1), Ok(()));
        assert_eq!(cart.units(), 100_000);
    }

    #[test]
    fn a_cart_of_another_key_or_with_another_attempt_is_none() {
        let text = value(&full(None));

        assert_eq!(Cart::parse(&text, &signer("the secret of others")), None);
        assert_eq!(Cart::parse(&text.replacen("v1.", "v2.", 1), &ours()), None);
        assert_eq!(Cart::parse(&format!("v1.{}.1x1", "A".repeat(44)), &ours()), None);
        assert_eq!(
            Cart::parse(&format!("{text}-{}", "1x1-".repeat(1_000)), &ours()),
            None
        );
    }

    #[test]
    fn a_coupon_that_was_not_accepted_here_is_left_out() {
        let mut cart = full(Some("SAVE10"));
        let text = value(&cart);
        let other = value(&Cart {
            attempt: Some(Attempt::new(&ours())),
            ..cart.clone()
        });
        let guess = URL_SAFE_NO_PAD.encode("FIFTYOFF");

        let coupon_part = text.split_once('~').unwrap().1;
        let code = coupon_part.split_once('.').unwrap().0;
        let moved = format!("{}~{coupon_part}", other.split_once('~').unwrap().0);
        cart.coupon = None;
        for forged in [
            text.replace(code, &guess),
            text.replace(coupon_part, "SAVE10"),
            moved,
        ] {
            let read = Cart::parse(&forged, &ours()).unwrap();
            assert_eq!((read.lines(), &read.coupon), (cart.lines(), &None), "{forged}");
        }
    }

    #[test]
    fn quantities_stay_in_their_range() {
        let mut cart = Cart::default();
        cart.add(product(1), 2).unwrap();
        cart.add(product(1), 999).unwrap();
        assert_eq!(cart.units_of(product(1)), 1000);
        cart.add(product(1), -1).unwrap();
        assert_eq!(cart.units_of(product(1)), 999);
        cart.add(product(1), -2000).unwrap();
        assert!(cart.is_empty());
        cart.add(product(2), -1).unwrap();
        assert!(cart.is_empty());
    }

    proptest! {
        #[test]
        fn fuzz_any_cookie_is_read_without_harm(text in "\\PC{0,300}") {
            let _ = Cart::parse(&text, &ours());
            let _ = Cart::parse(&format!("v1.{}.{text}", Attempt::new(&ours()).as_str()), &ours());
        }

        #[test]
        fn fuzz_a_cart_cut_anywhere_never_gains_anything(cut in 0_usize..3_000) {
            let cart = full(Some("SAVE10"));
            let text = value(&cart);
            if let Some(read) = text.get(..cut).and_then(|text| Cart::parse(text, &ours())) {
                prop_assert!(read.lines().len() <= 100);
                prop_assert!(read.coupon.is_none() || read == cart);
            }
        }
    }
}
