//! Data of which every row names the edition that it belongs to.

use std::fmt::Write as _;

use serde_json::{Value, json};
use test_support::Data;
use test_support::http::{Answer, Request};

use crate::pod::order_request;

/// How many products each edition has.
pub(crate) const PRODUCTS: u64 = 10;

/// A code that takes the edition's number off.
const PROMOTION: &str = "OFFER";

/// What one edition of the data shows, as far as it was seen.
pub(crate) type Edition = u64;

/// The files of an edition: 20.01 is the price of product 1 of edition 20.
pub(crate) fn write(edition: Edition) -> Data {
    let data = Data::scratch();
    let mut products = "id,name,price,category\n".to_owned();
    for id in 1..=PRODUCTS {
        let _ = writeln!(products, "{id},Dish {edition},{edition}.{id:02},Food");
    }
    data.write("default.toml", test_support::PROFILE);
    data.write("products.csv", &products);
    let user = "00000000-0000-4000-8000-000000000001";
    data.write(
        "users.csv",
        &format!("id,email,name,role\n{user},user@example.com,{edition},staff\n"),
    );
    let key = "018f4e5a-0000-7000-8000-0000000000a1";
    data.write(
        "keys.csv",
        &format!("id,key,user,scopes\n{key},apitest,{user},create_order read_orders\n"),
    );
    data.write(
        "promotions.csv",
        &format!("code,kind,value\n{PROMOTION},fixed,{edition}\n"),
    );
    data.write("codes.txt", &format!("{}\n", code(edition)));
    data
}

/// The one bulk code of an edition.
fn code(edition: Edition) -> String {
    format!("C{edition:07}")
}

/// An order of one of each product.
fn order(coupon: &str) -> Request {
    let items: Vec<Value> = (1..=PRODUCTS)
        .map(|id| json!({ "productId": id.to_string(), "quantity": 1 }))
        .collect();
    order_request(json!({ "items": items, "couponCode": coupon }))
}

pub(crate) fn order_with_promotion() -> Request {
    order(PROMOTION)
}

pub(crate) fn order_with_code_of(edition: Edition) -> Request {
    order(&code(edition))
}

/// The one edition of a list of products, or what is wrong with it.
pub(crate) fn edition_of(products: &Value) -> Result<Edition, String> {
    let products = products
        .as_array()
        .ok_or_else(|| format!("no list: {products}"))?;
    if products.len() as u64 != PRODUCTS {
        return Err(format!("{} products", products.len()));
    }
    let mut found = None;
    for (product, id) in products.iter().zip(1..) {
        let edition = edition_of_one(product, id)?;
        if *found.get_or_insert(edition) != edition {
            return Err(format!("a mixture: {products:?}"));
        }
    }
    found.ok_or_else(|| "no products".into())
}

/// The edition of one product: name and price must be of the same.
pub(crate) fn edition_of_one(product: &Value, id: u64) -> Result<Edition, String> {
    let wrong = || format!("product {id}: {product}");
    let cents = (product["price"].as_f64().ok_or_else(wrong)? * 100.0).round() as u64;
    let edition = cents / 100;
    let is_id = product["id"].as_str() == Some(id.to_string().as_str()) && cents % 100 == id;
    let is_right = is_id && product["name"] == format!("Dish {edition}");
    is_right.then_some(edition).ok_or_else(wrong)
}

/// The edition by whose prices and promotion an order was taken.
pub(crate) fn edition_of_order(answer: &Answer, has_promotion: bool) -> Result<Edition, String> {
    let edition = edition_of(&answer.json()["products"])?;
    let cents = 100 * edition * PRODUCTS + (1..=PRODUCTS).sum::<u64>();
    let discount = if has_promotion { 100 * edition } else { 0 };
    let money = |cents: u64| format!("{}.{:02}", cents / 100, cents % 100);
    let (total, discount) = (money(cents - discount), money(discount));
    let written = format!("\"total\":{total},\"discounts\":{discount}}}");
    if answer.text().ends_with(&written) {
        Ok(edition)
    } else {
        Err(format!("{written} expected: {}", answer.text()))
    }
}
