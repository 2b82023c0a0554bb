//! Pages of the shop, as browsers ask for them, against the API's list of products.

use anyhow::Context;

use crate::figures::{Subject, alternate};
use crate::load::Requests;
use crate::report::Report;
use crate::server::Server;
use crate::setup::Setup;

const CONNECTIONS: u64 = 64;
/// The API key row of the sample data for which the storefront orders.
const SELLER: &str = "018f4e5a-0000-7000-8000-0000000000c0";
const MB: f64 = 1_000_000.0;

pub(crate) fn measure(setup: &Setup, report: &mut Report) -> anyhow::Result<()> {
    let database = setup.database("storefront")?;
    let shop = setup.order_food_with(&database, &[("STOREFRONT_KEY_ID", SELLER.to_owned())])?;
    let cart = cart(&shop)?;
    let load = |path, cookies| setup.load(&shop, CONNECTIONS, Requests::Page(path, cookies));
    let series = alternate(
        "storefront",
        setup.arguments.rounds,
        [
            Subject::new("GET /api/product", || load("/api/product", "")),
            Subject::new("GET / without a cart", || load("/", "")),
            Subject::new("GET / with a cart", || load("/", &cart)),
            Subject::new("GET /cart", || load("/cart", &cart)),
        ],
    )?;

    let [list, menu, with_cart, cart_page] = &series;
    report.at_least(
        "GET / without a cart, 64 connections, against GET /api/product",
        menu.rate_through(list),
        0.9,
        "×",
    );
    report.at_least(
        "GET / with a cart, 64 connections",
        with_cart.rate(),
        5_000.0,
        "/s",
    );
    report.told("GET /cart, 64 connections", cart_page.rate(), "/s");
    for series in &series {
        report.all_accepted(&series.name, series);
    }
    if let Some(before) = &setup.arguments.before {
        let [size, of_before] = [&setup.binary("order-food"), before].map(std::fs::metadata);
        let more = size?.len() as f64 - of_before?.len() as f64;
        report.at_most("Size of order-food over that of --before", more / MB, 1.5, "MB");
    }
    report.add(series);
    Ok(())
}

/// The cookie of a cart with three products, filled as a browser fills it.
fn cart(shop: &Server) -> anyhow::Result<String> {
    let config = ureq::Agent::config_builder().max_redirects(0);
    let agent = config.max_redirects_will_error(false).build().new_agent();
    let mut cookie = String::new();
    for product in ["1", "3", "7"] {
        let answer = agent
            .post(shop.url("/cart/change"))
            .header("Sec-Fetch-Site", "same-origin")
            .header("Cookie", &cookie)
            .send_form([("add", product), ("from", "menu")])?;
        let set = answer.headers().get("set-cookie").context("a cart")?.to_str()?;
        set.split(';').next().unwrap_or_default().clone_into(&mut cookie);
    }
    Ok(cookie)
}
