//! The catalogue changes under a stream of orders.

use test_support::scaled;

use super::load::Load;
use crate::harness::TestApp;

#[tokio::test]
async fn refreshes_of_the_catalogue_cost_no_request_and_orders_stand_at_one_edition() {
    let app = TestApp::start().await;
    app.promotion("LIMITED").max_uses(1_000_000).insert().await;
    app.publish("UPDATE products SET price = 1 WHERE id IN (3, 7)")
        .await;
    let load = Load::start(app.server.address(), 4);

    let refreshes = scaled(100);
    for edition in 2..2 + refreshes {
        app.publish(&format!(
            "UPDATE products SET price = {edition} WHERE id IN (3, 7)"
        ))
        .await;
        load.goes_on(5).await;
    }

    let books = load.close().await;
    books.are_all_accepted();
    books.agree_with(&app.database.client().await).await;
    let mixed = "SELECT count(*) FROM (SELECT FROM order_items GROUP BY order_id HAVING count(DISTINCT unit_price) > 1) AS mixed";
    assert_eq!(app.database.value(mixed).await, "0");
    let editions = "SELECT count(DISTINCT unit_price) FROM order_items";
    assert!(app.database.value(editions).await.parse::<usize>().unwrap() > refreshes / 2);
}
