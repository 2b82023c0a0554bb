//! A browser, as a person uses it: pages are opened, read, clicked and typed into.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::error::{WebDriverError, WebDriverErrorInner};
use thirtyfour::{By, Capabilities, Key, WebDriver, WebElement};

use crate::driver::{Driver, program};

/// How long a page may take to show what a test waits for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// One browser with one tab and no cookies.
pub(crate) struct Browser {
    driver: WebDriver,
    origin: String,
    process: Driver,
}

impl Browser {
    /// Starts a browser; `origin` (`http://127.0.0.1:8080`) stands before the paths opened.
    pub(crate) async fn start(origin: &str, scripts: Scripts) -> Browser {
        let process = Driver::start().await;
        let driver = WebDriver::new(process.url(), capabilities(&process, scripts)).await;
        Browser {
            driver: driver.expect("a browser starts"),
            origin: origin.to_owned(),
            process,
        }
    }

    pub(crate) fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Opens a path of the shop, or a whole address.
    pub(crate) async fn open(&self, path: &str) {
        let address = match path.starts_with('/') {
            true => format!("{}{path}", self.origin),
            false => path.to_owned(),
        };
        let opened = self.driver.goto(address).await;
        opened.unwrap_or_else(|error| panic!("open {path}: {error}"));
    }

    /// The path and query of the page that is shown.
    pub(crate) async fn path(&self) -> String {
        let url = self.driver.current_url().await.expect("an address");
        url.query().map_or_else(
            || url.path().to_owned(),
            |query| format!("{}?{query}", url.path()),
        )
    }

    /// All elements that match now.
    pub(crate) async fn all(&self, css: &str) -> Vec<WebElement> {
        let found = self.driver.find_all(By::Css(css)).await;
        found.unwrap_or_else(|error| panic!("find {css}: {error}"))
    }

    /// The first element that matches, waited for.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(element) = self.all(css).await.into_iter().next() {
                return element;
            }
            if Instant::now() > deadline {
                panic!("no {css} on {}:\n{}", self.path().await, self.text("body").await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The text of the first element that matches, as it is shown; empty where none is seen.
    pub(crate) async fn text(&self, css: &str) -> String {
        let script =
            "const e = document.querySelector(arguments[0]); return e?.checkVisibility() ? e.innerText : ''";
        let text = self.evaluate(script, vec![json!(css)]).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element contains `text`.
    pub(crate) async fn shows(&self, css: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.text(css).await;
            if shown.contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{css} does not show {text:?} on {}, but {shown:?}",
                self.path().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no element matches.
    pub(crate) async fn lacks(&self, css: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.all(css).await.is_empty() {
            assert!(
                Instant::now() < deadline,
                "{css} is still there on {}",
                self.path().await
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Clicks as a mouse does, in the middle of the screen: what covers the element takes it,
    /// and fails the test.
    pub(crate) async fn click(&self, css: &str) {
        loop {
            self.find(css).await;
            let scroll = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center' })";
            self.evaluate(scroll, vec![json!(css)]).await;
            match self
                .find(css)
                .await
                .click()
                .await
                .map_err(WebDriverError::into_inner)
            {
                // A script has just put another in its place.
                Err(WebDriverErrorInner::StaleElementReference(_)) => continue,
                clicked => return clicked.unwrap_or_else(|error| panic!("click {css}: {error}")),
            }
        }
    }

    /// Clicks what leads to another page, and waits for that page: it may look like this one.
    pub(crate) async fn follow(&self, css: &str) {
        self.evaluate("document.documentElement.dataset.left = ''", Vec::new())
            .await;
        self.click(css).await;
        self.lacks("html[data-left]").await;
    }

    /// Replaces the text of a field.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        loop {
            let field = self.find(css).await;
            let typed = async {
                field.send_keys(Key::Control + "a").await?;
                field.send_keys(text).await
            };
            match typed.await.map_err(WebDriverError::into_inner) {
                // A script, or the next page, has just put another in its place.
                Err(WebDriverErrorInner::StaleElementReference(_)) => continue,
                typed => {
                    return typed.unwrap_or_else(|error| panic!("fill {css}: {error}"));
                }
            }
        }
    }

    /// The value of a function's body, run in the page by the debugger: it needs no scripts of the
    /// page's own, and no Content-Security-Policy holds for it.
    pub(crate) async fn evaluate(&self, body: &str, arguments: Vec<Value>) -> Value {
        let result = self.driver.execute(body, arguments).await;
        let result = result.unwrap_or_else(|error| panic!("{body}: {error}"));
        result.json().clone()
    }

    /// Sends a command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(command, parameters).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Shows pages on a screen `width` CSS pixels wide, in the dark or not.
    pub(crate) async fn screen(&self, width: u32, height: u32, dark: bool) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Takes the messages of the console since the last call: errors of scripts, of the network, of
    /// the Content-Security-Policy.
    pub(crate) async fn console(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("the browser's log");
        log.into_iter()
            .map(|entry| format!("{} {}", entry.level, entry.message))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to quit by a test that fails, the client would wait for minutes.
        let _ = self.driver.clone().leak();
        self.process.stop();
    }
}

fn capabilities(process: &Driver, scripts: Scripts) -> Capabilities {
    let mut capabilities = Capabilities::new();
    let allowed = match scripts {
        Scripts::On => 1,
        Scripts::Off => 2,
    };
    // Without a sandbox, since root has none; /dev/shm of a container is too small.
    let options = json!({
        "binary": program("chromium"),
        "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe",
            format!("--user-data-dir={}", process.folder().display()),
        ],
        "prefs": { "profile.managed_default_content_settings.javascript": allowed },
    });
    for (name, value) in [
        ("browserName", json!("chrome")),
        ("goog:chromeOptions", options),
        ("goog:loggingPrefs", json!({ "browser": "ALL" })),
    ] {
        capabilities.set(name, value).expect("a value of JSON");
    }
    capabilities
}
