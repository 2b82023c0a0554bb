//! A client that sends its order byte by byte beside the others.

use test_support::scaled;

use super::load::Load;
use crate::fixtures::APITEST;
use crate::harness::TestApp;

const ORDER: &str = r#"{"items":[{"productId":"7","quantity":1},{"productId":"3","quantity":1}]}"#;

#[tokio::test]
async fn clients_that_send_byte_by_byte_hold_up_no_others_and_are_served() {
    let app = TestApp::with(|settings| settings.body_timeout_s = 300).await;
    app.promotion("LIMITED").max_uses(1_000_000).insert().await;
    let load = Load::start(app.server.address(), 4);
    let head = format!(
        "POST /api/order HTTP/1.1\r\nHost: shop\r\napi_key: {APITEST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        ORDER.len()
    );
    let mut slow = Vec::new();
    for _ in 0..scaled(50) {
        let mut connection = app.connection().await;
        connection.send(&head).await;
        slow.push(connection);
    }

    // Whole orders are placed between any two bytes.
    for byte in ORDER.bytes() {
        load.goes_on(4).await;
        for connection in &mut slow {
            connection.send([byte]).await;
        }
    }

    let books = load.close().await;
    books.are_all_accepted();
    let mut others = 0;
    for connection in &mut slow {
        let answer = connection.answer().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let id = answer.member("id");
        app.database
            .execute(&format!(
                "DELETE FROM order_items WHERE order_id = '{id}'; DELETE FROM orders WHERE id = '{id}'"
            ))
            .await;
        others += 1;
    }
    assert_eq!(others, scaled(50));
    books.agree_with(&app.database.client().await).await;
}
