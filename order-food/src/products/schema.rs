//! Products in the description of the API; `shop::Product` writes them.

use utoipa::ToSchema;

/// Something that can be ordered.
#[derive(ToSchema)]
#[schema(as = Product)]
#[expect(dead_code, reason = "describes the answer")]
pub(super) struct ProductSchema {
    /// Decimal digits of a positive 64-bit integer.
    #[schema(example = "1", pattern = "^[1-9][0-9]{0,18}$")]
    id: String,
    #[schema(example = "Chicken Waffle")]
    name: String,
    /// Price of one unit, with two decimals.
    #[schema(example = 12.99, minimum = 0)]
    price: f64,
    #[schema(example = "Waffle")]
    category: String,
    /// Addresses of pictures, when one is known.
    #[schema(required = false, nullable = false)]
    image: Option<ImageSchema>,
}

/// Addresses of a product's pictures by the size of the screen, as far as they are known.
#[derive(ToSchema)]
#[schema(as = Image)]
#[expect(dead_code, reason = "describes the answer")]
struct ImageSchema {
    #[schema(required = false, nullable = false)]
    thumbnail: Option<String>,
    #[schema(required = false, nullable = false)]
    mobile: Option<String>,
    #[schema(required = false, nullable = false)]
    tablet: Option<String>,
    #[schema(required = false, nullable = false)]
    desktop: Option<String>,
}
