//! GET /api/product and GET /api/product/{productId}.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use shop::ProductId;
use utoipa::IntoParams;

use super::schema::ProductSchema;
use crate::http::{ApiError, ErrorBody};
use crate::paging;
use crate::reference_data::{Catalogue, Snapshot};
use crate::state::AppState;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are read one by one")]
pub(crate) struct ListParameters {
    /// Only products of this category.
    #[param(required = false)]
    category: Option<String>,
    /// At most this many products; all without it.
    #[param(required = false, minimum = 1, maximum = 100)]
    limit: Option<u8>,
    /// Where to go on: taken from the `Link` header of the page before.
    #[param(required = false)]
    cursor: Option<String>,
}

/// All products, in numeric id order.
#[utoipa::path(
    get, path = "/api/product", tag = "product", operation_id = "listProducts", params(ListParameters),
    responses(
        (status = 200, description = "The products", body = [ProductSchema], example = json!([
            {"id": "1", "name": "Chicken Waffle", "price": 12.99, "category": "Waffle"},
            {"id": "2", "name": "Belgian Waffle", "price": 10.99, "category": "Waffle"},
            {"id": "3", "name": "Blueberry Pancakes", "price": 9.99, "category": "Pancakes"},
        ])),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 503, description = "No data yet", body = ErrorBody),
    )
)]
pub(crate) async fn list_products(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.limits.admit(&request)?;
    let answer = |snapshot: &Snapshot| list(&snapshot.catalogue, &request);
    state.snapshots.read(answer).ok_or(ApiError::Unavailable)?
}

fn list(catalogue: &Catalogue, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
    let parameters = paging::Parameters::parse(request.query_string())?;
    let category = parameters.text("category");
    let limit = parameters.limit()?;
    let after = parameters.cursor(|text| ProductId::parse(text).ok())?;
    if category.is_none() && limit.is_none() && after.is_none() {
        return Ok(catalogue.whole().respond(request));
    }
    let (page, next) = catalogue.page(category, after, limit.unwrap_or(usize::MAX));
    let mut response = page.respond(request);
    if let Some(next) = next {
        let limit = limit.map_or_else(String::new, |limit| format!("limit={limit}&"));
        let category = category.map_or_else(String::new, |category| {
            format!("category={}&", utf8_percent_encode(category, NON_ALPHANUMERIC))
        });
        let link = paging::next_link(&format!("/api/product?{category}{limit}cursor={next}"));
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// One product.
#[utoipa::path(
    get, path = "/api/product/{productId}", tag = "product", operation_id = "getProduct",
    params(("productId" = String, Path, description = "The product's id",
        example = "1", pattern = "^[1-9][0-9]{0,18}$")),
    responses(
        (status = 200, description = "The product", body = ProductSchema,
            example = json!({"id": "1", "name": "Chicken Waffle", "price": 12.99, "category": "Waffle"})),
        (status = 304, description = "The client's copy is still good"),
        (status = 400, description = "Not a product id", body = ErrorBody,
            example = json!(ApiError::malformed("invalid_product_id", shop::NotAProductId).example())),
        (status = 404, description = "No such product", body = ErrorBody,
            example = json!(ApiError::NotFound("product").example())),
        (status = 503, description = "No data yet", body = ErrorBody),
    )
)]
pub(crate) async fn get_product(
    request: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    state.limits.admit(&request)?;
    let id = request.match_info().query("productId");
    let id = ProductId::parse(id).map_err(|problem| ApiError::malformed("invalid_product_id", problem))?;
    let answer = |snapshot: &Snapshot| Some(snapshot.catalogue.one(id)?.respond(&request));
    let found = state.snapshots.read(answer).ok_or(ApiError::Unavailable)?;
    found.ok_or(ApiError::NotFound("product"))
}
