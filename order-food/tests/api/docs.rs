//! The page that shows the API.

use crate::client::Answer;
use crate::harness::TestApp;

const INITIALIZER: &str = "/docs/swagger-initializer.js";

/// The values of these attributes are addresses.
const LINKS: [&str; 2] = [" href=\"", " src=\""];

/// What an address in a page means to a browser that has opened the page at `base`.
fn resolve(base: &str, link: &str) -> String {
    if link.starts_with('/') {
        return link.into();
    }
    let folder = &base[..=base.rfind('/').unwrap()];
    format!("{folder}{}", link.trim_start_matches("./"))
}

/// Every address that the page names.
fn links(page: &str) -> Vec<&str> {
    let after = |attribute: &&str| {
        let starts = page.match_indices(*attribute);
        let values = starts.map(|(start, _)| page[start + attribute.len()..].split('"').next().unwrap());
        values.collect::<Vec<_>>()
    };
    LINKS.iter().flat_map(after).collect()
}

/// The value of a setting of the page's script.
fn setting<'a>(script: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = script.split_once(&format!("\"{name}\": \""))?;
    rest.split('"').next()
}

fn assert_is(answer: &Answer, media_type: &str, what: &str) {
    assert_eq!(answer.status(), 200, "{what}");
    let found = answer.header("content-type").unwrap_or_default();
    assert!(found.starts_with(media_type), "{what}: {found}");
    assert!(!answer.bytes().is_empty(), "{what}");
}

#[tokio::test]
async fn the_page_and_everything_that_it_names_is_there_with_and_without_a_trailing_slash() {
    let app = TestApp::start().await;

    for address in ["/docs", "/docs/"] {
        let page = app.get(address).await;
        assert_is(&page, "text/html", address);

        let text = page.text();
        let links = links(&text);
        assert!(links.len() >= 5, "{links:?}");
        for link in links {
            let target = resolve(address, link);
            let media_type = match target.rsplit('.').next().unwrap() {
                "css" => "text/css",
                "js" => "text/javascript",
                _ => "image/png",
            };
            assert_is(&app.get(&target).await, media_type, &target);
        }
        let script = app.get(INITIALIZER).await.text();
        let description = resolve(address, setting(&script, "url").unwrap());
        let description = app.get(&description).await;
        assert_eq!(description.text(), order_food::openapi_json(), "{address}");
    }
}

#[tokio::test]
async fn the_page_is_named_after_the_api_and_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;

    let page = app.get("/docs").await.text();
    let script = app.get(INITIALIZER).await.text();

    assert!(page.contains("<title>order-food API</title>"), "{page}");
    assert_eq!(setting(&script, "layout"), Some("BaseLayout"), "{script}");
    assert_eq!(setting(&script, "validatorUrl"), Some("none"), "{script}");
    for text in [page, script] {
        assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
    }
}

#[tokio::test]
async fn there_is_no_other_file() {
    let app = TestApp::start().await;

    for name in ["nothing.js", "..%2fCargo.toml", "%00", "index.html%00"] {
        let answer = app.get(&format!("/docs/{name}")).await;
        assert_eq!(answer.error(), (404, "not_found".into()), "{name}");
    }
}
