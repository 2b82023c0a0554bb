//! The operator console over HTTP.

mod access;
mod board;
mod demo;
mod operations;
mod pages;
mod queues;
mod roles;
mod soak;

use order_food::Settings;

use crate::client::{Answer, Connection, Request};
use crate::harness::TestApp;

/// A browser: the console's address and the cookie of a session.
pub(crate) struct Browser {
    cookie: Option<String>,
}

impl Browser {
    /// Without a session.
    fn stranger() -> Browser {
        Browser { cookie: None }
    }

    /// Logged in with this key.
    async fn logged_in(app: &TestApp, key: &str) -> Browser {
        let mut browser = Browser::stranger();
        let answer = browser.post(app, "/login", &format!("key={key}")).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        let cookie = answer.header("set-cookie").expect("a session");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        browser.cookie = Some(cookie.split(';').next().unwrap().to_owned());
        browser
    }

    async fn get(&self, app: &TestApp, path: &str) -> Answer {
        self.send(app, Request::get(path)).await
    }

    async fn post(&self, app: &TestApp, path: &str, form: &str) -> Answer {
        let request = Request::new("POST", path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .header("Sec-Fetch-Site", "same-origin")
            .body(form);
        self.send(app, request).await
    }

    /// Presses a button: where the browser is sent, or the status of an answer that leads nowhere.
    async fn press(&self, app: &TestApp, path: &str, form: &str) -> String {
        let answer = self.post(app, path, form).await;
        let target = answer.header("location").map(str::to_owned);
        target.unwrap_or_else(|| answer.status().to_string())
    }

    async fn send(&self, app: &TestApp, mut request: Request) -> Answer {
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        Connection::open(app.server.console()).await.visit(&request).await
    }
}

/// A server with a console.
async fn app() -> TestApp {
    app_with(|_| ()).await
}

async fn app_with(change: impl FnOnce(&mut Settings)) -> TestApp {
    TestApp::with(|settings| {
        settings.console.port = Some(0);
        change(settings);
    })
    .await
}
