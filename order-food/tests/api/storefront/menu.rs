//! The menu: categories, search, prices, pictures, and how it is sent.

use flate2::read::GzDecoder;
use std::io::Read;

use crate::client::Request;
use crate::fixtures::{PRODUCTS, STOREFRONT};
use crate::harness::TestApp;
use crate::storefront::browser::Browser;

fn cards(html: &str) -> Vec<u64> {
    let ids = html.split("class=\"card\" id=\"p").skip(1);
    ids.map(|rest| rest.split('"').next().unwrap().parse().unwrap())
        .collect()
}

async fn found(browser: &mut Browser<'_>, target: &str) -> Vec<u64> {
    let page = browser.get(target).await;
    assert_eq!(page.status(), 200, "{target}");
    cards(&page.html())
}

#[tokio::test]
async fn every_product_stands_in_its_category_with_name_and_price() {
    let app = TestApp::open_shop().await;

    let page = app.browser().get("/").await;

    let html = page.html();
    let mut shown = cards(&html);
    shown.sort_unstable();
    assert_eq!(shown, PRODUCTS.map(|product| product.0));
    for (_, name, cents, category) in PRODUCTS {
        let section = html
            .split("<section")
            .find(|section| section.contains(name))
            .unwrap();
        assert!(section.contains(&format!(">{category}</a></h2>")), "{section}");
        let price = format!("€{}.{:02}", cents / 100, cents % 100);
        let card = section.split("<li").find(|card| card.contains(name)).unwrap();
        assert!(card.contains(&price), "{card}");
    }
    // A jump link for each category, to where it is.
    for number in 1..=4 {
        assert!(
            html.contains(&format!("href=\"#c{number}\"")) && html.contains(&format!("id=\"c{number}\""))
        );
    }
    assert!(html.contains("<html lang=\"en\">"));
    assert!(html.contains(".svg#waffle\"") && html.contains(".svg#burger\""));
}

#[tokio::test]
async fn search_and_category_find_without_javascript() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();

    assert_eq!(found(&mut browser, "/?q=waffle").await, [1, 2]);
    assert_eq!(found(&mut browser, "/?q=WAFFLE+chick").await, [1]);
    assert_eq!(found(&mut browser, "/?q=pizza").await, [7, 8]);
    assert_eq!(found(&mut browser, "/?category=Salad").await, [5, 6]);
    assert_eq!(found(&mut browser, "/?category=Salad&q=greek").await, [6]);
    assert_eq!(found(&mut browser, "/?category=salad").await, [0_u64; 0]);
    assert_eq!(found(&mut browser, "/?q=%3Cscript%3E").await, [0_u64; 0]);
    browser
        .get("/?q=sushi")
        .await
        .expects("Nothing on the menu matches.");
    assert_eq!(found(&mut browser, "/?q=&category=").await.len(), PRODUCTS.len());
    let long = format!("/?q={}", "x".repeat(5_000));
    assert_eq!(found(&mut browser, &long).await, [0_u64; 0]);
}

#[tokio::test]
async fn the_menu_without_a_cart_is_the_same_ready_bytes_for_all_and_revalidated() {
    let app = TestApp::open_shop().await;
    let get = |encoding: &str| {
        app.browser()
            .request("GET", "/")
            .header("Accept-Encoding", encoding)
    };

    let plain = app.send(&get("identity")).await;
    let gzip = app.send(&get("gzip")).await;

    assert_eq!(plain.header("cache-control"), Some("private, no-cache"));
    assert!(plain.header("vary").unwrap().contains("Cookie"));
    assert!(plain.header("set-cookie").is_none());
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    let mut unpacked = Vec::new();
    GzDecoder::new(gzip.bytes()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.bytes());
    assert_eq!(app.send(&get("identity")).await.bytes(), plain.bytes());
    for answer in [&plain, &gzip] {
        let again = get(if answer.header("content-encoding").is_some() {
            "gzip"
        } else {
            "identity"
        });
        let same = app
            .send(&again.header("If-None-Match", answer.header("etag").unwrap()))
            .await;
        assert_eq!((same.status(), same.bytes().len()), (304, 0));
    }
    // 10 products and everything around them, in one flight.
    assert!(gzip.bytes().len() < 14_000, "{}", gzip.bytes().len());
}

#[tokio::test]
async fn a_new_price_and_a_product_that_left_are_on_the_menu_with_the_next_refresh() {
    let app = TestApp::open_shop().await;
    let before = app.browser().get("/").await;
    before.expects("€13.99");

    app.publish(
        "UPDATE products SET price = 21.50 WHERE id = 7; UPDATE products SET available = false WHERE id = 8",
    )
    .await;

    let after = app.browser().get("/").await;
    assert!(after.says("€21.50") && !after.says("Pepperoni"));
    assert_ne!(after.answer.header("etag"), before.answer.header("etag"));
}

#[tokio::test]
async fn with_a_cart_the_menu_shows_it() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();

    let page = browser.add(1, 2).await;

    assert_eq!(page.address, "/#p1");
    page.expects("Cart 2 €25.98");
    let html = page.html();
    let card = html.split("<li").find(|card| card.contains("id=\"p1\"")).unwrap();
    assert!(
        card.contains("name=\"less\" value=\"1\"") && card.contains(">2<"),
        "{card}"
    );
    let found = browser
        .post(
            "/cart/change",
            &[
                ("add", "7"),
                ("from", "menu"),
                ("q", "pi zza&x"),
                ("category", "Pizza"),
            ],
        )
        .await;
    assert_eq!(found.address, "/?q=pi+zza%26x&category=Pizza#p7");
}

#[tokio::test]
async fn a_script_gets_the_parts_that_changed_alone() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();

    let request = browser
        .form("/cart/change", &[("add", "7"), ("from", "menu")])
        .header("X-Fragment", "card");
    let answer = browser.send(&request).await;

    assert_eq!(answer.status(), 200);
    let html = answer.text();
    assert!(
        html.contains("id=\"cart-link\"") && html.contains("id=\"p7\"") && html.contains("€13.99"),
        "{html}"
    );
    assert!(!html.contains("<html") && html.len() < 1_500, "{html}");
    browser.get("/cart").await.expects("Margherita Pizza");
}

#[tokio::test]
async fn before_any_data_the_menu_is_not_there_yet_and_says_so() {
    let app = TestApp::over(test_support::TestDatabase::migrated().await, |_| ());
    app.server.until_ready_is(503).await;

    let page = app.browser().get("/").await;

    assert_eq!(page.status(), 503);
    page.expects("The menu is being prepared.");
    // Without a hand: browsers come back by themselves, to pages and not to forms.
    assert_eq!(page.answer.header("refresh"), Some("5"));
    let cart = app.browser().get("/cart").await;
    assert_eq!((cart.status(), cart.answer.header("refresh")), (503, Some("5")));
    let form = app.browser().submit("/cart/tidy", &[]).await;
    assert_eq!((form.status(), form.header("refresh")), (503, None));
}

#[tokio::test]
async fn two_hundred_products_are_one_small_page() {
    let app = TestApp::open_shop().await;
    app.publish(
        "INSERT INTO products (id, name, price, category)
         SELECT 1000 + n, 'Plain product number ' || n, 5 + n % 7, 'Category ' || n % 12 FROM generate_series(1, 190) AS n",
    )
    .await;

    let page = app
        .send(
            &app.browser()
                .request("GET", "/")
                .header("Accept-Encoding", "gzip"),
        )
        .await;

    assert_eq!(cards(&app.browser().get("/").await.html()).len(), 200);
    assert!(page.bytes().len() < 20_000, "{}", page.bytes().len());
}

#[tokio::test]
async fn pictures_of_other_hosts_are_loaded_only_if_they_are_listed() {
    let image = r#"{"thumbnail": "https://img.example.com/1.jpg"}"#;
    let sql = format!("UPDATE products SET image = '{image}' WHERE id = 1");
    for (hosts, policy, shown) in [
        (vec![], "img-src 'self';", false),
        (
            vec!["img.example.com".to_owned()],
            "img-src 'self' https://img.example.com;",
            true,
        ),
    ] {
        let app = TestApp::with(|settings| settings.storefront.image_hosts = hosts).await;
        app.publish(&sql).await;

        let page = app.browser().get("/").await;

        assert!(
            page.answer
                .header("content-security-policy")
                .unwrap()
                .contains(policy)
        );
        assert_eq!(page.html().contains("<img"), shown);
    }
}

#[tokio::test]
async fn prices_are_shown_in_the_currency_that_is_set() {
    let app = TestApp::with(|settings| {
        settings.storefront.currency = "CHF".into();
        settings.storefront.key_id = Some(STOREFRONT);
    })
    .await;

    let page = app.browser().get("/").await;

    assert!(page.says("CHF\u{a0}12.99") || page.html().contains("CHF\u{a0}12.99"));
    assert!(!page.html().contains('€'));
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_names_that_change_with_them() {
    let app = TestApp::open_shop().await;
    let html = app.browser().get("/").await.html();
    let addresses: Vec<&str> = html
        .split('"')
        .filter(|text| text.starts_with("/assets/"))
        .map(|text| text.split('#').next().unwrap())
        .collect();

    assert!(addresses.len() > 4);
    for address in addresses {
        let asset = app
            .send(&Request::get(address).header("Accept-Encoding", "gzip"))
            .await;
        assert_eq!(asset.status(), 200, "{address}");
        assert_eq!(
            asset.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
    }
    for name in ["site.css", "site.000000000000.css", "..%2fsite.css", "%00"] {
        let answer = app.get(&format!("/assets/{name}")).await;
        assert_eq!(answer.error(), (404, "not_found".into()), "{name}");
    }
}

#[tokio::test]
async fn the_shop_answers_where_it_used_to_lead_to_the_documentation() {
    let app = TestApp::start().await;

    for method in ["GET", "HEAD"] {
        let answer = app.send(&Request::new(method, "/")).await;
        assert_eq!(answer.status(), 200, "{method}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    for method in ["POST", "DELETE", "BREW"] {
        let answer = app.send(&Request::new(method, "/")).await;
        assert_eq!(answer.error(), (405, "method_not_allowed".into()), "{method}");
    }
    assert_eq!(app.get("/docs").await.status(), 200);
}
