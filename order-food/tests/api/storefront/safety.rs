//! Foreign sites, hostile names, and the headers that keep them out.

use crate::client::Request;
use crate::harness::TestApp;
use crate::storefront::browser::Browser;

/// The content security policy of pages without pictures of other hosts.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'; \
     require-trusted-types-for 'script'; trusted-types shop";

/// Every form, with fields that would do something.
const FORMS: [(&str, &str); 9] = [
    ("/cart/change", "add=1"),
    ("/cart/quantity", "product=1&quantity=5"),
    ("/cart/remove", "product=1"),
    ("/cart/tidy", ""),
    ("/cart/clear", ""),
    ("/cart/coupon", "code=SAVE10"),
    ("/checkout", ""),
    ("/order/x/again", ""),
    ("/order/x/cancel", ""),
];

fn form(browser: &Browser<'_>, target: &str, body: &str) -> Request {
    browser
        .request("POST", target)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body)
}

#[tokio::test]
async fn only_pages_of_this_site_change_anything() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let cookies = browser.cookies.clone();

    for (target, body) in FORMS {
        for (headers, allowed) in [
            (&[("Sec-Fetch-Site", "cross-site")][..], false),
            (
                &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://shop")],
                false,
            ),
            (&[("Sec-Fetch-Site", "none")], false),
            (&[("Origin", "http://evil.example")], false),
            (&[("Origin", "https://shop")], false),
            (&[("Origin", "null")], false),
            (&[], false),
            (&[("Origin", "http://shop")], true),
            (&[("Sec-Fetch-Site", "same-origin")], true),
        ] {
            let mut stranger = app.browser().header("Sec-Fetch-Site", "");
            stranger.cookies = cookies.clone();
            for (name, value) in headers {
                stranger = stranger.header(name, value);
            }
            let answer = stranger.send(&form(&stranger, target, body)).await;
            assert_eq!(
                answer.status() != 403,
                allowed,
                "{target} {headers:?}: {answer:?}"
            );
            assert!(
                allowed || answer.header("set-cookie").is_none(),
                "{target} {headers:?}"
            );
        }
    }
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn the_own_origin_is_the_public_one_or_that_of_a_trusted_proxy() {
    for (public, proxies, headers, cookie) in [
        (None, "10.0.0.0/8", &[("Origin", "http://shop")][..], "cart="),
        (
            None,
            "127.0.0.0/8",
            &[("X-Forwarded-Proto", "https"), ("Origin", "https://shop")],
            "__Host-cart=",
        ),
        (
            Some("https://food.example"),
            "10.0.0.0/8",
            &[("Origin", "https://food.example")],
            "__Host-cart=",
        ),
        (
            Some("http://food.example"),
            "10.0.0.0/8",
            &[("Origin", "http://food.example")],
            "cart=",
        ),
    ] {
        let app = TestApp::open_shop_with(|settings| {
            settings.storefront.public_origin =
                public.map(|origin: &str| origin.to_owned().try_into().unwrap());
            settings.rate_limit.trusted_proxies = vec![proxies.parse().unwrap()];
        })
        .await;
        let mut browser = app.browser().header("Sec-Fetch-Site", "");
        for (name, value) in headers {
            browser = browser.header(name, value);
        }

        let answer = browser.submit("/cart/change", &[("add", "1")]).await;

        let set = answer
            .header("set-cookie")
            .unwrap_or_else(|| panic!("{public:?} {headers:?}: {answer:?}"));
        assert!(set.starts_with(cookie), "{set}");
        assert_eq!(set.contains("; Secure"), cookie.starts_with("__Host-"), "{set}");
        assert!(
            set.contains("; HttpOnly; SameSite=Lax") && set.contains("Path=/; Max-Age=2592000"),
            "{set}"
        );
        assert!(!set.contains("Domain"), "{set}");
        let page = browser.get("/cart").await;
        assert!(page.says("Chicken Waffle"), "{headers:?}: {}", page.words());
        let opener = page.answer.header("cross-origin-opener-policy");
        assert_eq!(opener.is_some(), cookie.starts_with("__Host-"), "{headers:?}");
        let transport = page.answer.header("strict-transport-security").is_some();
        assert_eq!(
            transport,
            public.is_some_and(|origin| origin.starts_with("https")),
            "{public:?}"
        );
        // An untrusted scheme is not believed.
        if proxies == "10.0.0.0/8" && public.is_none() {
            let lied = app
                .browser()
                .header("Sec-Fetch-Site", "")
                .header("Origin", "https://shop");
            let lied = lied
                .header("X-Forwarded-Proto", "https")
                .submit("/cart/change", &[("add", "1")])
                .await;
            assert_eq!(lied.status(), 403);
        }
    }
}

#[tokio::test]
async fn every_page_has_the_headers_and_no_inline_script_or_style() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 2).await;
    browser.post("/cart/coupon", &[("code", "SAVE10")]).await;
    let order = browser.ordered().await;
    browser.add(7, 1).await;

    let link = order.order_link();
    for target in [
        "/",
        "/?q=x",
        "/cart",
        "/cart?removed=7x1&cleared=1",
        "/orders",
        &link,
        "/nowhere",
        "/checkout?since=0",
    ] {
        let page = browser.get(target).await;
        for (name, value) in [
            ("content-security-policy", Some(POLICY)),
            ("x-content-type-options", Some("nosniff")),
            ("referrer-policy", Some("no-referrer")),
            ("access-control-allow-credentials", None),
        ] {
            assert_eq!(page.answer.header(name), value, "{name} of {target}");
        }
        assert!(page.answer.header("permissions-policy").is_some(), "{target}");
        let html = page.html();
        for (number, script) in html.split("<script").enumerate().skip(1) {
            assert!(
                script.starts_with(" type=\"module\" src=\"/assets/"),
                "{target} {number}: {script}"
            );
        }
        for inline in [
            " style=",
            " onclick",
            " onload",
            " onerror",
            "<style",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!html.contains(inline), "{target}: {inline}");
        }
    }
}

#[tokio::test]
async fn credentials_are_for_the_api_alone() {
    let app = TestApp::with(|settings| {
        settings.cors_allowed_origins = vec!["https://app.example".to_owned().try_into().unwrap()];
        settings.cors_allow_credentials = true;
    })
    .await;

    for (target, allowed) in [
        ("/api/product", Some("true")),
        ("/", None),
        ("/cart", None),
        ("/orders", None),
    ] {
        let answer = app
            .send(&Request::get(target).header("Origin", "https://app.example"))
            .await;
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            allowed,
            "{target}"
        );
    }
}

/// Names as nobody would give them to food.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "</style><img src=x>",
    "' autofocus onfocus='alert(1)",
    "\u{202e}right to left",
    "🍕🥗 pizza & <b>more</b>",
    "{{ 7 * 7 }}",
];

#[tokio::test]
async fn hostile_names_are_text_on_every_page() {
    let app = TestApp::open_shop().await;
    let row = |(id, name): (usize, &&str)| {
        let name = name.replace('\'', "''");
        format!("({}, '{name}', 1.00, '{name}')", id + 100)
    };
    let rows: Vec<String> = HOSTILE.iter().enumerate().map(row).collect();
    app.publish(&format!(
        "INSERT INTO products (id, name, price, category) VALUES {}",
        rows.join(", ")
    ))
    .await;
    let mut browser = app.browser();
    let menu = browser.get("/").await;
    for id in 100..100 + HOSTILE.len() as u64 {
        browser.add(id, 1).await;
    }
    let cart = browser.get("/cart").await;
    let removed = browser.get("/cart?removed=100x1").await;
    let order = browser.order(&cart).await;
    let orders = browser.get("/orders").await;

    for (page, what) in [
        (&menu, "menu"),
        (&cart, "cart"),
        (&removed, "removed"),
        (&order, "order"),
        (&orders, "orders"),
    ] {
        assert_eq!(page.status(), 200, "{what}");
        let html = page.html();
        for forbidden in [
            "<script>",
            "<img src=x",
            "</style>",
            "<b>",
            "\" onload=\"",
            "onfocus='",
        ] {
            assert!(!html.contains(forbidden), "{what}: {forbidden}");
        }
    }
    for (page, what) in [(&menu, "menu"), (&cart, "cart"), (&order, "order")] {
        assert!(
            page.html().contains("🍕🥗") && page.html().contains("{{ 7 * 7 }}"),
            "{what}"
        );
    }
    // The same for what a visitor types.
    for hostile in HOSTILE {
        let mut typing = app.browser();
        typing.add(1, 1).await;
        let page = typing.post("/cart/coupon", &[("code", hostile)]).await;
        assert!(
            !page.html().contains("<script>") && !page.html().contains("\" onload=\""),
            "{hostile}"
        );
        let query = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect::<String>();
        let found = typing.get(&format!("/?q={query}&category={query}")).await;
        assert!(
            !found.html().contains("<script>") && !found.html().contains("\" onload=\""),
            "{hostile}"
        );
    }
}

#[tokio::test]
async fn tokens_stand_in_no_metric() {
    let app = TestApp::open_shop().await;
    let mut browser = app.browser();
    browser.add(1, 1).await;
    let link = browser.ordered().await.order_link();
    browser.get(&link).await;

    let metrics = app.get("/metrics").await.text();

    assert!(metrics.contains("/order/{token}"), "{metrics}");
    assert!(!metrics.contains(link.split('.').nth(1).unwrap()));
}
