//! The page that shows the API.

use crate::harness::TestApp;

#[tokio::test]
async fn the_page_and_everything_that_it_names_is_there() {
    let app = TestApp::start().await;

    let page = app.get("/docs").await;
    assert_eq!(page.status(), 200);
    let page_type = page.header("content-type").unwrap_or_default();
    assert!(page_type.starts_with("text/html"), "{page_type}");

    let text = page.text();
    let linked = text.split(['"', '\'']).filter(|text| {
        text.starts_with("docs/") || text.starts_with("./") || text.ends_with(".js") || text.ends_with(".css")
    });
    let linked: Vec<&str> = linked.collect();
    assert!(linked.len() >= 5, "{linked:?}");
    for link in &linked {
        assert!(link.starts_with("docs/"), "{link}");
        let file = app.get(&format!("/{link}")).await;
        assert_eq!(file.status(), 200, "{link}");
        assert!(!file.bytes().is_empty(), "{link}");
    }
}

#[tokio::test]
async fn the_page_shows_this_description_and_loads_nothing_from_elsewhere() {
    let app = TestApp::start().await;

    let page = app.get("/docs").await.text();
    let initializer = app.get("/docs/swagger-initializer.js").await.text();

    assert!(initializer.contains("openapi.json"), "{initializer}");
    for text in [page, initializer] {
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
