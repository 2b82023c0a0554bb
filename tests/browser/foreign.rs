//! Pages of other origins post to the shop, frame it and open it: none of it works.

use serde_json::json;
use test_support::{Reply, serve};

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;

/// Serves one page at a port of its own.
pub(crate) fn attacker(page: String) -> u16 {
    let answer = move |_| Reply {
        status: "200 OK".to_owned(),
        headers: "Content-Type: text/html\r\n".to_owned(),
        body: page.clone().into_bytes(),
    };
    serve(None, answer).port()
}

#[tokio::test]
async fn another_origin_cannot_change_the_cart_or_order() {
    let shop = Shop::open().await;
    let origin = shop.origin();
    let page = format!(
        "<form id=add method=post action='{origin}/cart/change'><input name=add value=1></form>
         <form id=order method=post action='{origin}/checkout'><input name=attempt value=x></form>"
    );
    let port = attacker(page);
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.click("#p7 .add").await;
    browser.shows("#cart-link", "$13.99").await;

    // Another site; and another port, which is another origin of the same site.
    for host in ["localhost", "127.0.0.1"] {
        for form in ["add", "order"] {
            browser.open(&format!("http://{host}:{port}/")).await;
            browser
                .evaluate(
                    "document.getElementById(arguments[0]).submit()",
                    vec![json!(form)],
                )
                .await;
            browser.shows("h1", "Not done").await;
        }
        browser.open(&format!("http://{host}:{port}/")).await;
        let fetched = "
            const done = arguments[1];
            fetch(arguments[0] + '/cart/change', { method: 'POST', credentials: 'include', body: new URLSearchParams({ add: 1 }) })
                .then(answer => done('read ' + answer.status), error => done('refused'))";
        let fetched = browser
            .driver()
            .execute_async(fetched, vec![json!(origin)])
            .await
            .unwrap();
        assert_eq!(*fetched.json(), json!("refused"));
    }

    browser.open("/cart").await;
    browser.shows(".totals .total dd", "$13.99").await;
    assert!(browser.all("#p1").await.is_empty());
    assert_eq!(shop.orders().await, 0);
}

#[tokio::test]
async fn another_origin_can_neither_frame_the_shop_nor_reach_into_its_window() {
    let shop = Shop::open().await;
    let origin = shop.origin();
    let port = attacker(format!("<p>bait</p><iframe src='{origin}/cart'></iframe>"));
    let browser = shop.visitor(Scripts::On).await;

    browser.open(&format!("http://localhost:{port}/")).await;
    browser.complains(&["frame-ancestors"]).await;
    let opened = "
        const done = arguments[1];
        const shop = window.open(arguments[0]);
        const look = () => shop.closed ? done(true) : setTimeout(look, 20);
        look()";
    let cut_off = browser
        .driver()
        .execute_async(opened, vec![json!(origin)])
        .await
        .unwrap();

    // Cross-Origin-Opener-Policy: for its opener, the window is as good as closed.
    assert_eq!(*cut_off.json(), json!(true));
}

#[tokio::test]
async fn scripts_of_others_do_not_run_in_pages() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;

    nothing_can_be_injected(&browser).await;
}

/// Tries everything that a planted script would; the page that is open runs none of it.
pub(crate) async fn nothing_can_be_injected(browser: &Browser) {
    let inject = "
        const script = document.createElement('script');
        const image = document.createElement('img');
        const refused = [
            () => { script.textContent = 'attacked = 1' },
            () => { script.src = 'http://127.0.0.1:1/attack.js' },
            () => document.body.setAttribute('onclick', 'attacked = 2'),
            () => { document.body.innerHTML = '<img src=x onerror=attacked=3>' },
            () => new DOMParser().parseFromString('<p>', 'text/html'),
            () => trustedTypes.createPolicy('shop', { createScript: text => text }),
            () => trustedTypes.createPolicy('mine', { createScript: text => text }),
        ].filter(attempt => { try { attempt(); return false } catch { return true } });
        script.append('attacked = 4');
        image.src = 'http://127.0.0.1:1/spy.png';
        document.body.append(script, image);
        document.body.click();
        return [typeof attacked, refused.length]";
    let attacked = browser.evaluate(inject, vec![]).await;

    assert_eq!(attacked, json!(["undefined", 7]));
    browser.complains(&["TrustedScript", "img-src"]).await;
    let attacked = browser.evaluate("return typeof attacked", vec![]).await;
    assert_eq!(attacked, json!("undefined"));
}
