//! The words of the shop, pure: money, ids, coupon codes, promotions, prices, scopes, key hashing.
//!
//! Nothing here knows HTTP, SQL, clocks or files; time and data are arguments.

mod coupon_code;
mod key_hash;
mod money;
pub mod order_status;
mod pick_up_code;
mod pricing;
mod product;
mod product_id;
mod promotion;
mod quantity;
mod scope;

pub use coupon_code::{CouponCode, NotACouponCode};
pub use key_hash::{DEVELOPMENT_HASH_KEY, HashKey, HashKeys, KeyHash, NotHashKeys};
pub use money::{Money, NotMoney};
pub use order_status::{Actor, OrderStatus, Reason, Transition};
pub use pick_up_code::pick_up_code;
pub use pricing::{PricedLine, TotalTooLarge, Totals, subtotal};
pub use product::{Image, NotAPicture, Product};
pub use product_id::{NotAProductId, ProductId};
pub use promotion::{NotAPromotion, Promotion, PromotionKind, Refusal};
pub use quantity::{NotAQuantity, Quantity};
pub use scope::{NotAScope, Scope, Scopes};
