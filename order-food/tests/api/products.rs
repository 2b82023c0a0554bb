//! The catalogue: order, exact prices, pages.

use crate::client::{Request, next_page};
use crate::fixtures::PRODUCTS;
use crate::harness::TestApp;

#[tokio::test]
async fn products_come_in_numeric_order_with_exact_prices_and_without_a_key() {
    let app = TestApp::start().await;

    let answer = app.get("/api/product").await;

    let expected: Vec<String> = PRODUCTS
        .iter()
        .map(|(id, name, cents, category)| {
            let (whole, hundredths) = (cents / 100, cents % 100);
            format!(
                r#"{{"id":"{id}","name":"{name}","price":{whole}.{hundredths:02},"category":"{category}"}}"#
            )
        })
        .collect();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.text(), format!("[{}]", expected.join(",")));
}

#[tokio::test]
async fn a_wrong_key_does_not_hide_the_catalogue() {
    let app = TestApp::start().await;

    for target in ["/api/product", "/api/product/1"] {
        let wrong = Request::get(target)
            .header("api_key", "wrong")
            .header("X-API-Key", "other");
        assert_eq!(app.send(&wrong).await.status(), 200, "{target}");
    }
}

#[tokio::test]
async fn one_product_is_found_by_its_id() {
    let app = TestApp::start().await;

    let answer = app.get("/api/product/10").await;

    assert_eq!(
        answer.text(),
        r#"{"id":"10","name":"Veggie Burger","price":10.49,"category":"Burger"}"#
    );
}

#[tokio::test]
async fn only_a_canonical_id_is_an_id() {
    let app = TestApp::start().await;

    for id in [
        "abc",
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e1",
        "%20",
        "1%20",
        "9223372036854775808",
        "99999999999999999999999999",
        "%00",
        "1%00",
        "%FF",
        "%F0%9F%8D%95",
        "%D9%A1",
    ] {
        let answer = app.get(&format!("/api/product/{id}")).await;
        assert_eq!(answer.error(), (400, "invalid_product_id".into()), "{id}");
    }
    for id in ["11", "9223372036854775807"] {
        let answer = app.get(&format!("/api/product/{id}")).await;
        assert_eq!(answer.error(), (404, "not_found".into()), "{id}");
    }
}

#[tokio::test]
async fn pictures_are_shown_when_they_are_known() {
    let app = TestApp::start().await;
    app.publish(
        r#"UPDATE products SET image = '{"desktop": "https://pictures/d.png", "tablet": "https://pictures/t.png",
           "mobile": "https://pictures/m.png", "thumbnail": "https://pictures/s.png"}' WHERE id = 2"#,
    )
    .await;

    let products = app.get("/api/product").await.json();

    assert_eq!(
        products[1]["image"],
        serde_json::json!({"thumbnail": "https://pictures/s.png", "mobile": "https://pictures/m.png",
            "tablet": "https://pictures/t.png", "desktop": "https://pictures/d.png"})
    );
    assert_eq!(products[0].get("image"), None);
    assert_eq!(app.get("/api/product/2").await.json(), products[1]);
}

#[tokio::test]
async fn a_category_is_matched_exactly() {
    let app = TestApp::start().await;
    app.publish("UPDATE products SET category = 'Pizza & Co' WHERE id = 8")
        .await;

    for (category, ids) in [
        ("Burger", vec!["9", "10"]),
        ("Pizza", vec!["7"]),
        ("Pizza%20%26%20Co", vec!["8"]),
        ("Pizza+%26+Co", vec!["8"]),
        ("burger", vec![]),
        ("", vec![]),
    ] {
        let answer = app.get(&format!("/api/product?category={category}")).await;
        assert_eq!(ids_of(&answer.json()), ids, "{category}");
        assert_eq!(next_page(&answer), None);
    }
}

#[tokio::test]
async fn pages_joined_are_the_whole_list() {
    let app = TestApp::start().await;
    app.publish("UPDATE products SET category = 'Pizza & Co' WHERE id IN (2, 5, 8, 9, 10)")
        .await;

    for (query, whole) in [
        ("", vec!["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]),
        ("&category=Pizza+%26+Co", vec!["2", "5", "8", "9", "10"]),
    ] {
        for limit in [1, 2, 3, 5, 9, 10, 11, 100] {
            let mut next = Some(format!("/api/product?limit={limit}{query}"));
            let mut ids = Vec::new();
            while let Some(target) = next {
                let answer = app.get(&target).await;
                let page = ids_of(&answer.json());
                assert!((1..=limit).contains(&page.len()), "{target}");
                ids.extend(page);
                next = next_page(&answer);
            }
            assert_eq!(ids, whole, "limit {limit}{query}");
        }
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_refused_by_name() {
    let app = TestApp::start().await;

    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=+1",
        "limit=1.5",
        "limit=ten",
        "limit=1&limit=2",
        "cursor=abc",
        "cursor=0",
        "category=a%00b",
        "category=%FF",
        "nobody=asked%00",
        "%00=1",
    ] {
        let answer = app.get(&format!("/api/product?{query}")).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".into()), "{query}");
    }
    for query in [
        "nobody=asked",
        "",
        "&",
        "cursor=",
        "cursor",
        "category=&limit=&cursor=",
        "cursor=9223372036854775807",
    ] {
        assert_eq!(
            app.get(&format!("/api/product?{query}")).await.status(),
            200,
            "{query}"
        );
    }
}

fn ids_of(products: &serde_json::Value) -> Vec<String> {
    let id = |product: &serde_json::Value| product["id"].as_str().unwrap().to_owned();
    products.as_array().unwrap().iter().map(id).collect()
}
