//! A request of a browser, with what its answer is made of.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::future::LocalBoxFuture;
use pages::{Representation, Site};

use super::cart::Cart;
use super::form::Form;
use super::frame::{Badge, Frame};
use super::links::OwnOrders;
use super::{Storefront, keep, rendered, see_other};
use crate::http::{ApiError, body};
use crate::orders::{Order, orders_of};
use crate::rate_limit::Action;
use crate::reference_data::Snapshot;
use crate::state::AppState;

/// A request of a browser.
pub(crate) struct Visit {
    pub(super) request: HttpRequest,
    pub(super) state: web::Data<AppState>,
    pub(super) storefront: web::Data<Storefront>,
}

/// A form that a page of ours sent, counted as a change of the cart.
pub(crate) struct Posted {
    pub(super) visit: Visit,
    pub(super) form: Form,
}

impl FromRequest for Visit {
    type Error = ApiError;
    type Future = Ready<Result<Visit, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Visit::of(request).ok_or(ApiError::Internal))
    }
}

impl FromRequest for Posted {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Posted, ApiError>>;

    /// 403 for a request of another site; 408, 413 and 415, as for every body; 429 for too many
    /// changes.
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let payload = web::Payload::from_request(request, payload);
        let visit = Visit::of(request);
        Box::pin(async move {
            let visit = visit.ok_or(ApiError::Internal)?;
            let request = &visit.request;
            if !visit.site().may_change(request.method(), request.headers()) {
                return Err(ApiError::Forbidden("only pages of this site may ask for this"));
            }
            let payload = payload.await.map_err(|_| ApiError::Internal)?;
            let body = body::read_form(request, payload, visit.state.body_timeout).await?;
            visit
                .storefront
                .limits
                .admit_action(request, Action::CartChange)?;
            let form = Form::parse(&body);
            Ok(Posted { visit, form })
        })
    }
}

impl Visit {
    fn of(request: &HttpRequest) -> Option<Visit> {
        Some(Visit {
            state: request.app_data::<web::Data<AppState>>()?.clone(),
            storefront: request.app_data::<web::Data<Storefront>>()?.clone(),
            request: request.clone(),
        })
    }

    /// The data that are served.
    ///
    /// # Errors
    /// 503 before there are any.
    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, ApiError> {
        self.state.snapshots.get().ok_or(ApiError::Unavailable)
    }

    /// The origin as this browser sees it.
    pub(super) fn site(&self) -> Arc<Site> {
        self.storefront.site(&self.request)
    }

    /// The cart that came with the request.
    pub(super) fn cart(&self) -> Cart {
        self.storefront.cart(&self.request)
    }

    /// The orders that this browser placed.
    pub(super) fn own_orders(&self) -> OwnOrders {
        OwnOrders::read(self.request.headers(), &self.site(), &self.storefront.signer)
    }

    /// The order that a token leads to.
    ///
    /// # Errors
    /// 404 for a forged link as for an order that is not there, 503 when it cannot be read.
    pub(super) async fn order(&self, token: &str, snapshot: &Snapshot) -> Result<Order, ApiError> {
        let id = self.storefront.order_of(token, snapshot)?;
        let read = async |connection: &mut _| orders_of(connection, &[id]).await;
        let mut found = self.state.read("SELECT orders", read).await?;
        found.pop().ok_or_else(|| self.state.cells.missing(id))
    }

    /// What every page shows; `cart` is the badge of the cart.
    pub(super) fn frame(&self, cart: Badge, snapshot: &Snapshot) -> Frame<'_> {
        let open = self.storefront.seller(snapshot).is_some();
        self.storefront.frame(cart, open)
    }

    /// A page made for this request.
    pub(super) fn page(&self, template: &impl Template) -> Result<HttpResponse, ApiError> {
        let request = &self.request;
        let page = Representation::page(request, rendered(template)?.into_bytes());
        Ok(match *request.method() {
            Method::GET | Method::HEAD => page.respond(request),
            _ => page.whole(request),
        })
    }

    /// To this address, with a cart to be kept.
    pub(super) fn with_cart(&self, cart: &Cart, address: &str) -> HttpResponse {
        let mut response = see_other(address);
        keep(&mut response, self.cookie(cart));
        response
    }

    /// The header `Set-Cookie` that keeps the cart.
    pub(super) fn cookie(&self, cart: &Cart) -> String {
        cart.cookie(&self.site(), &self.storefront.signer)
    }
}
