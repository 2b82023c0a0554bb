//! The storefront: the shop for people, in HTML that works without JavaScript.
//!
//! `menu`, `cart_page`, `cart_changes`, `checkout`, `order_page`, `status`, `own_orders` answer its
//! routes; `error_pages` finishes what they answer. What a browser sends is read by `visit`,
//! `cart`, `form` and `links`; every price comes from the snapshot, by the function that prices
//! orders. Nothing is stored but orders, under the API key row that `STOREFRONT_KEY_ID` names.

pub(crate) mod cart;
pub(crate) mod cart_changes;
pub(crate) mod cart_page;
pub(crate) mod checkout;
pub(crate) mod error_pages;
mod form;
mod former;
mod frame;
mod links;
pub(crate) mod menu;
pub(crate) mod order_page;
pub(crate) mod own_orders;
mod picture;
mod pricing;
mod settings;
pub(crate) mod status;
mod texts;
pub(crate) mod visit;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use pages::{Assets, Currency, PageHeaders, ShownTime, Signer, Site};
use process::failure::Failure;
use shop::{HashKeys, Scope};
use tracing::error;
use uuid::Uuid;

use crate::http::ApiError;
use crate::orders::placed_at;
use crate::rate_limit::Limits;
use crate::reference_data::{ApiKeyId, Snapshot};
use cart::Cart;
use frame::{Badge, Frame};
pub(crate) use settings::{ENVIRONMENT, Settings};

/// What the pages share. Cheap to clone: each thread of the server has its own.
#[derive(Clone)]
pub(crate) struct Storefront(Arc<Parts>);

pub(crate) struct Parts {
    settings: Settings,
    currency: Currency,
    zone: Tz,
    signer: Signer,
    headers: PageHeaders,
    assets: Assets,
    limits: Arc<Limits>,
    keys_max_age: Duration,
    ready_menu: menu::ReadyMenu,
    /// The site of the last request that came without a proxy, by its `Host`: nearly all are alike.
    last_site: ArcSwapOption<(HeaderValue, Arc<Site>)>,
}

const ASSETS: [pages::assets::Source; 6] = [
    ("site.css", include_bytes!("../../assets/site.css")),
    ("cart.js", include_bytes!("../../assets/cart.js")),
    ("live.js", include_bytes!("../../assets/live.js")),
    ("time.js", include_bytes!("../../assets/time.js")),
    ("food.svg", include_bytes!("../../assets/food.svg")),
    ("icon.svg", include_bytes!("../../assets/icon.svg")),
];

impl std::ops::Deref for Storefront {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Storefront {
    /// The storefront of these settings, which shows times in `zone` and believes keys that could
    /// not be read for `keys_max_age`.
    ///
    /// # Errors
    /// Exit code 2 when a setting cannot be used.
    pub(crate) fn new(
        settings: Settings,
        (zone, keys_max_age): (Tz, Duration),
        limits: Arc<Limits>,
        hash_keys: &HashKeys,
    ) -> Result<Storefront, Failure> {
        let is_https = |origin: &crate::http::Origin| origin.as_str().starts_with("https://");
        let strict_transport = settings.public_origin.as_ref().is_some_and(is_https);
        Ok(Storefront(Arc::new(Parts {
            currency: settings.currency()?,
            zone,
            signer: Signer::new(hash_keys),
            headers: PageHeaders::new(&settings.image_hosts, strict_transport).with_trusted_types(),
            assets: Assets::new(&ASSETS),
            limits,
            keys_max_age,
            ready_menu: menu::ReadyMenu::default(),
            last_site: ArcSwapOption::default(),
            settings,
        })))
    }
}

impl Parts {
    /// The origin as the browser of this request sees it.
    pub(crate) fn site(&self, request: &HttpRequest) -> Arc<Site> {
        let headers = request.headers();
        let public = self
            .settings
            .public_origin
            .as_ref()
            .map(crate::http::Origin::as_str);
        let is_proxied = self.limits.trusts_peer(request.peer_addr());
        let host = headers.get(header::HOST).filter(|_| !is_proxied);
        let last = self.last_site.load();
        if let (Some(last), Some(host)) = (last.as_deref(), host)
            && last.0 == *host
        {
            return last.1.clone();
        }
        let site = Arc::new(Site::of(headers, public, is_proxied));
        if let Some(host) = host {
            self.last_site.store(Some(Arc::new((host.clone(), site.clone()))));
        }
        site
    }

    /// The cart that came with a request.
    fn cart(&self, request: &HttpRequest) -> Cart {
        if !request.headers().contains_key(header::COOKIE) {
            return Cart::default();
        }
        Cart::read(request.headers(), &self.site(request), &self.signer)
    }

    /// The API key row under which orders are stored; `None` while none is set, or it is revoked,
    /// expired, without the scope, or cannot be checked.
    pub(crate) fn seller(&self, snapshot: &Snapshot) -> Option<ApiKeyId> {
        let key = snapshot.api_keys.key(self.settings.key_id?)?;
        let is_valid = key.expires_at.is_none_or(|expiry| snapshot.now() < expiry);
        let may_order = key.scopes.contains(Scope::CreateOrder);
        (is_valid && may_order && !snapshot.has_stale_keys(self.keys_max_age)).then_some(key.id)
    }

    /// The order that a token leads to. A forged link is answered like one of an order that is not
    /// there.
    fn order_of(&self, token: &str, snapshot: &Snapshot) -> Result<Uuid, ApiError> {
        let days = self.settings.order_link_days;
        links::order_of(token, &self.signer, snapshot.now(), days).ok_or(ApiError::NotFound("order"))
    }

    /// What every page shows; `cart` is the badge of the cart.
    fn frame(&self, cart: Badge, open: bool) -> Frame<'_> {
        Frame {
            assets: &self.assets,
            money: self.currency,
            cart,
            open,
        }
    }

    fn time(&self, at: DateTime<Utc>) -> ShownTime {
        ShownTime::new(at, self.zone)
    }

    /// When an order was placed.
    fn placed_at(&self, order: Uuid) -> ShownTime {
        self.time(placed_at(order).unwrap_or_default())
    }
}

fn rendered(template: &impl askama::Template) -> Result<String, ApiError> {
    template.render().map_err(|problem| {
        error!(error = %problem, "a page cannot be written");
        ApiError::Internal
    })
}

/// Redirects after a form: the page is then fetched with GET, and reloading it sends nothing again.
fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

/// A style, script or picture of the pages.
pub(crate) async fn asset(
    request: HttpRequest,
    name: web::Path<String>,
    storefront: web::Data<Storefront>,
) -> Result<HttpResponse, ApiError> {
    let file = storefront
        .assets
        .file(&name)
        .ok_or(ApiError::NotFound("resource"))?;
    Ok(file.respond(&request))
}

/// Adds a `Set-Cookie`.
fn keep(response: &mut HttpResponse, cookie: String) {
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
