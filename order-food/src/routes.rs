//! Every route: path, methods, handlers, and the operations of the OpenAPI description, in one
//! table.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use utoipa::OpenApi;

use crate::docs::page;
use crate::health::handlers as health;
use crate::http::resource::Methods;
use crate::job_status::handlers as jobs;
use crate::metrics::handler as metrics;
use crate::orders::events as order_events;
use crate::orders::handlers as orders;
use crate::orders::list as order_list;
use crate::orders::status::handlers as status;
use crate::products::handlers as products;
use crate::reports::handlers as reports;
use crate::{docs, rate_limit, storefront};

/// Makes of each group of the table a function that adds its resources to a service, and of all
/// described groups together the operations of the description.
macro_rules! routes {
    (
        described { $($group:ident { $($path:literal: $($method:ident $($handler:ident)::+),+;)+ })+ }
        undescribed { $($other:ident { $($other_path:literal: $($other_method:ident $($other_handler:ident)::+),+;)+ })+ }
    ) => {
        $(routes!(@group $group { $($path: $($method $($handler)::+),+;)+ });)+
        $(routes!(@group $other { $($other_path: $($other_method $($other_handler)::+),+;)+ });)+

        #[derive(OpenApi)]
        #[openapi(paths($($($($($handler)::+,)+)+)+))]
        struct Operations;
    };
    (@group $group:ident { $($path:literal: $($method:ident $($handler:ident)::+),+;)+ }) => {
        fn $group() -> Vec<actix_web::Resource> {
            vec![$(Methods::at($path)$(.on(Method::$method, $($handler)::+))+.resource()),+]
        }
    };
}

// The first match counts: paths without parameters come first, because they need no regular
// expression.
routes! {
    described {
        api {
            "/order": GET order_list::list_orders, POST orders::place_order;
            "/product": GET products::list_products;
            "/product/{productId}": GET products::get_product;
            "/order/{orderId}": GET orders::get_order;
            "/order/{orderId}/events": GET order_events::follow_order;
            "/order/{orderId}/status": GET status::get_status, PUT status::put_status;
            "/order/{orderId}/cancel": POST status::cancel_order;
            "/report/sales": GET reports::get_sales;
            "/report/export": POST reports::start_export;
            "/job/{jobId}": GET jobs::get_job, DELETE jobs::cancel_job;
            "/job/{jobId}/result": GET jobs::get_result;
        }
        probes {
            "/health": GET health::health;
            "/ready": GET health::ready;
        }
        description {
            "/openapi.json": GET docs::openapi_json;
            "/openapi.yaml": GET docs::openapi_yaml;
        }
        measurements {
            "/metrics": GET metrics::metrics;
        }
    }
    undescribed {
        shop {
            "/": GET storefront::menu::menu;
            "/cart": GET storefront::cart_page::cart;
            "/cart/change": POST storefront::cart_changes::change;
            "/cart/quantity": POST storefront::cart_changes::quantity;
            "/cart/remove": POST storefront::cart_changes::remove;
            "/cart/tidy": POST storefront::cart_changes::tidy;
            "/cart/clear": POST storefront::cart_changes::clear;
            "/cart/coupon": POST storefront::cart_changes::coupon;
            "/checkout": GET storefront::checkout::checking, POST storefront::checkout::checkout;
            "/orders": GET storefront::own_orders::own_orders;
            "/order/{token}": GET storefront::order_page::order;
            "/order/{token}/events": GET storefront::status::follow;
            "/order/{token}/cancel": POST storefront::status::cancel;
            "/order/{token}/again": POST storefront::order_page::again;
            "/assets/{file}": GET storefront::asset;
        }
        pages {
            "/docs": GET page::index;
            "/docs/{file}": GET page::file;
        }
    }
}

/// Adds every resource: the API below `/api`, counted by address where `limit_addresses`.
pub(crate) fn configure(service: &mut ServiceConfig, enable_metrics: bool, limit_addresses: bool) {
    let scope = api()
        .into_iter()
        .fold(web::scope("/api"), |scope, resource| scope.service(resource));
    match limit_addresses {
        true => service.service(scope.wrap(from_fn(rate_limit::count))),
        false => service.service(scope),
    };
    let metrics = if enable_metrics {
        measurements()
    } else {
        Vec::new()
    };
    for resource in probes()
        .into_iter()
        .chain(description())
        .chain(pages())
        .chain(metrics)
    {
        service.service(resource);
    }
    // Last, because it takes every other path: what is not found there is a page, too.
    let storefront = shop()
        .into_iter()
        .fold(web::scope(""), |scope, resource| scope.service(resource));
    service.service(storefront.wrap(from_fn(storefront::error_pages::finish)));
}

/// The description of the API as JSON.
pub fn openapi_json() -> String {
    docs::describe(Operations::openapi())
        .to_pretty_json()
        .unwrap_or_default()
        + "\n"
}

/// The description of the API as YAML.
pub fn openapi_yaml() -> String {
    docs::describe(Operations::openapi())
        .to_yaml()
        .unwrap_or_default()
}
