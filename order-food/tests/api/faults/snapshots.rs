//! The shop changes between the check of an order and its COMMIT.

use super::{Gate, patient};
use crate::fixtures::{APITEST, PIZZA};
use crate::harness::TestApp;

#[tokio::test]
async fn a_product_that_is_retired_between_check_and_commit_is_sold_as_it_was_checked() {
    let app = TestApp::with(patient).await;
    let gate = Gate::closed(&app.database).await;
    let changing = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = 'order-food' AND state = 'active'
                         AND query LIKE '%INSERT INTO orders %'";
        app.database
            .until("the order is being stored", waiting, "1")
            .await;
        app.publish("UPDATE products SET name = 'Gone', price = 99.00, available = false WHERE id = 7")
            .await;
        assert_eq!(app.get("/api/product/7").await.status(), 404);
        gate.open().await;
    };

    let (order, ()) = tokio::join!(app.place_order([(PIZZA, 2)]).accepted(), changing);

    assert_eq!(order["total"], 27.98);
    assert_eq!(order["products"][0]["name"], "Margherita Pizza");
    let lines = "SELECT product_name, unit_price, quantity FROM order_items";
    assert_eq!(app.database.value(lines).await, "Margherita Pizza|13.99|2");
    let path = format!("/api/order/{}", order["id"].as_str().unwrap());
    assert_eq!(app.get_as(APITEST, &path).await.json(), order);
    let next = app.place_order([(PIZZA, 2)]).send().await;
    assert_eq!(next.error(), (422, "unknown_product".into()));
    assert_eq!(app.order_count().await, 1);
}
