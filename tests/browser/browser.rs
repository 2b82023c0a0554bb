//! A browser, as a person uses it: pages are opened, read, clicked and typed into.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::error::{WebDriverError, WebDriverErrorInner};
use thirtyfour::{By, Capabilities, Key, WebDriver, WebElement};

use crate::driver::{Driver, program};

/// How long a page may take to show what a test waits for: much longer than a page that renews
/// itself every 15 s on a machine with other work.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a script may run; the driver's client waits for 120 s.
const SCRIPT: Duration = Duration::from_secs(110);

/// What the driver says of a page that another has just replaced.
const REPLACED: [&str; 4] = [
    "aborted by navigation",
    "document unloaded",
    "execution context",
    "navigated or closed",
];

/// Whether the cart's script has sent all changes and shown the answers: it holds a lock meanwhile.
const SETTLED: &str = "
    const done = arguments[0];
    const locks = navigator.locks?.query() ?? Promise.resolve({ held: [], pending: [] });
    locks.then(({ held, pending }) => done(held.length + pending.length === 0), () => done(true))";

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
        let driver = driver.expect("a browser starts");
        // axe looks at a large page for tens of seconds where the processor has other work.
        let patient = driver.set_script_timeout(SCRIPT).await;
        patient.expect("a limit of scripts");
        Browser {
            driver,
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
        let found = found.or_else(|error| is_replaced(&error).then(Vec::new).ok_or(error));
        found.unwrap_or_else(|error| panic!("find {css}: {error}"))
    }

    /// Asks again and again until the page is as a test waits for; fails the test with what
    /// `problem` says.
    pub(crate) async fn until<T>(
        &self,
        mut found: impl AsyncFnMut() -> Option<T>,
        problem: impl AsyncFnOnce() -> String,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found().await {
                return found;
            }
            if Instant::now() > deadline {
                panic!("{} on {}", problem().await, self.path().await);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The first element that matches, waited for.
    pub(crate) async fn find(&self, css: &str) -> WebElement {
        let first = async || self.all(css).await.into_iter().next();
        self.until(first, async || format!("no {css} in {}", self.text("body").await))
            .await
    }

    /// The text of the first element that matches, as it is shown; empty where none is seen.
    pub(crate) async fn text(&self, css: &str) -> String {
        let script =
            "const e = document.querySelector(arguments[0]); return e?.checkVisibility() ? e.innerText : ''";
        match self.driver.execute(script, vec![json!(css)]).await {
            Ok(text) => text.json().as_str().unwrap_or_default().to_owned(),
            Err(error) if is_replaced(&error) => String::new(),
            Err(error) => panic!("the text of {css}: {error}"),
        }
    }

    /// Waits until the text of an element contains `text`.
    pub(crate) async fn shows(&self, css: &str, text: &str) {
        let is_shown = async || self.text(css).await.contains(text).then_some(());
        let problem = async || format!("{css} does not show {text:?}, but {:?}", self.text(css).await);
        self.until(is_shown, problem).await;
    }

    /// Waits until no element matches.
    pub(crate) async fn lacks(&self, css: &str) {
        let script = "return document.querySelector(arguments[0]) === null";
        let is_gone = async || {
            let gone = self.driver.execute(script, vec![json!(css)]).await;
            gone.is_ok_and(|gone| *gone.json() == true).then_some(())
        };
        self.until(is_gone, async || format!("{css} is still there"))
            .await;
    }

    /// Waits until a function's body, run in the page as by [`Browser::evaluate`], returns true.
    pub(crate) async fn holds(&self, body: &str) {
        let holds = async || {
            let value = self.driver.execute(body, Vec::new()).await;
            value.is_ok_and(|value| *value.json() == true).then_some(())
        };
        self.until(holds, async || format!("{body} is not true")).await;
    }

    /// Waits until the changes of the cart are sent and shown: until then elements are replaced and
    /// move, and a click on one may miss it.
    async fn settle(&self) {
        let is_settled = async || {
            let settled = self.driver.execute_async(SETTLED, Vec::new()).await;
            settled.is_ok_and(|settled| *settled.json() == true).then_some(())
        };
        self.until(is_settled, async || "changes are still sent".to_owned())
            .await;
    }

    /// Clicks as a mouse does, in the middle of the screen: what covers the element takes it,
    /// and fails the test. Waits for the changes of the cart before and after it.
    pub(crate) async fn click(&self, css: &str) {
        self.settle().await;
        loop {
            self.find(css).await;
            let scroll = "document.querySelector(arguments[0])?.scrollIntoView({ block: 'center' })";
            if let Err(error) = self.driver.execute(scroll, vec![json!(css)]).await {
                assert!(is_replaced(&error), "scroll to {css}: {error}");
            }
            match self.find(css).await.click().await {
                Err(error) if is_stale(&error) => continue,
                clicked => {
                    clicked.unwrap_or_else(|error| panic!("click {css}: {error}"));
                    return self.settle().await;
                }
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
        self.settle().await;
        loop {
            let field = self.find(css).await;
            let typed = async {
                field.send_keys(Key::Control + "a").await?;
                field.send_keys(text).await
            };
            match typed.await {
                Err(error) if is_stale(&error) => continue,
                typed => {
                    typed.unwrap_or_else(|error| panic!("fill {css}: {error}"));
                    return self.settle().await;
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

    /// Takes messages of the console until each of these texts was among them.
    pub(crate) async fn complains(&self, texts: &[&str]) {
        let mut said = String::new();
        let deadline = Instant::now() + PATIENCE;
        while !texts.iter().all(|text| said.contains(text)) {
            assert!(Instant::now() < deadline, "{texts:?} are not all in {said}");
            said.push_str(&self.console().await.join("\n"));
        }
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

/// Whether a script has just put another element in its place.
fn is_stale(error: &WebDriverError) -> bool {
    matches!(**error, WebDriverErrorInner::StaleElementReference(_))
        || error.to_string().contains("does not belong to the document")
}

/// Whether the page was replaced while it was asked.
fn is_replaced(error: &WebDriverError) -> bool {
    let text = error.to_string();
    is_stale(error) || REPLACED.iter().any(|words| text.contains(words))
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
