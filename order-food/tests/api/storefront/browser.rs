//! A browser: it keeps cookies, follows redirects, says where its requests come from.

use std::collections::BTreeMap;

use order_food::Settings;
use url::form_urlencoded;

use crate::client::{Answer, Request};
use crate::fixtures::STOREFRONT;
use crate::harness::{Server, TestApp, settings};

/// One visitor of one server.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Sent with each request.
    headers: Vec<(String, String)>,
}

/// A page and the address at which it was found.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) address: String,
    pub(crate) answer: Answer,
}

impl TestApp {
    /// A server whose storefront takes orders.
    pub(crate) async fn open_shop() -> TestApp {
        TestApp::open_shop_with(|_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn open_shop_with(change: impl FnOnce(&mut Settings)) -> TestApp {
        TestApp::with(|settings| {
            settings.storefront.key_id = Some(STOREFRONT);
            change(settings);
        })
        .await
    }

    /// Another ready server whose storefront takes orders, over the same database.
    pub(crate) async fn open_replica(&self) -> Server {
        let mut settings = settings(self.database.settings());
        settings.storefront.key_id = Some(STOREFRONT);
        let server = Server::start(settings);
        server.until_ready_is(200).await;
        server
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        self.server.browser()
    }
}

impl Server {
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            server: self,
            cookies: BTreeMap::new(),
            headers: vec![
                (
                    "Accept".into(),
                    "text/html,application/xhtml+xml,*/*;q=0.8".into(),
                ),
                ("Sec-Fetch-Site".into(), "same-origin".into()),
            ],
        }
    }
}

impl<'a> Browser<'a> {
    /// The same with a header more, or another value of it; an empty one is left out.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Browser<'a> {
        self.headers.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Another tab of the same browser, as it is now.
    pub(crate) fn tab(&self) -> Browser<'a> {
        Browser {
            server: self.server,
            cookies: self.cookies.clone(),
            headers: self.headers.clone(),
        }
    }

    /// The same browser at another replica.
    pub(crate) fn at<'b>(&self, server: &'b Server) -> Browser<'b> {
        Browser {
            server,
            cookies: self.cookies.clone(),
            headers: self.headers.clone(),
        }
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        let mut request = Request::new(method, target);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        match cookies.is_empty() {
            true => request,
            false => request.header("Cookie", cookies.join("; ")),
        }
    }

    /// What the server answers, cookies kept, redirects not followed.
    pub(crate) async fn send(&mut self, request: &Request) -> Answer {
        let answer = self.server.send(request).await;
        for cookie in answer.all("set-cookie") {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        answer
    }

    pub(crate) async fn get(&mut self, target: &str) -> Page {
        let answer = self.send(&self.request("GET", target)).await;
        self.follow(target, answer).await
    }

    /// A form without following where it leads.
    pub(crate) async fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.form(target, fields);
        self.send(&request).await
    }

    pub(crate) fn form(&self, target: &str, fields: &[(&str, &str)]) -> Request {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.request("POST", target)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
    }

    pub(crate) async fn post(&mut self, target: &str, fields: &[(&str, &str)]) -> Page {
        let answer = self.submit(target, fields).await;
        self.follow(target, answer).await
    }

    async fn follow(&mut self, target: &str, mut answer: Answer) -> Page {
        let mut address = target.to_owned();
        while answer.status() == 303 {
            address = answer.header("location").unwrap().to_owned();
            let target = address.split('#').next().unwrap();
            answer = self.send(&self.request("GET", target)).await;
        }
        Page { address, answer }
    }

    /// Puts products into the cart, one click for each unit.
    pub(crate) async fn add(&mut self, product: u64, units: u32) -> Page {
        let (product, mut page) = (product.to_string(), None);
        for _ in 0..units {
            page = Some(
                self.post("/cart/change", &[("add", &product), ("from", "menu")])
                    .await,
            );
        }
        page.expect("one unit at least")
    }

    /// One unit more (`add`) or less (`less`) on the page of the cart.
    pub(crate) async fn step(&mut self, button: &str, product: u64) -> Page {
        let fields = [(button, product.to_string()), ("from", "cart".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.post("/cart/change", &fields).await
    }

    /// Clicks on the button that orders, on the page as it is.
    pub(crate) async fn order(&mut self, page: &Page) -> Page {
        let fields = page.order_fields();
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.post("/checkout", &fields).await
    }

    /// Orders what is in the cart, which must succeed.
    pub(crate) async fn ordered(&mut self) -> Page {
        let cart = self.get("/cart").await;
        let page = self.order(&cart).await;
        assert!(page.address.starts_with("/order/"), "{page:?}");
        page
    }
}

impl Page {
    pub(crate) fn status(&self) -> u16 {
        self.answer.status()
    }

    pub(crate) fn html(&self) -> String {
        self.answer.text()
    }

    /// The text of the page without its markup.
    pub(crate) fn words(&self) -> String {
        let html = self.html();
        let body = html.split_once("<body>").map_or(html.as_str(), |(_, body)| body);
        let mut words = String::new();
        let mut depth = false;
        for character in body.chars() {
            match character {
                '<' => depth = true,
                '>' => {
                    depth = false;
                    words.push(' ');
                }
                other if !depth => words.push(other),
                _ => {}
            }
        }
        let words = words
            .replace("&#38;", "&")
            .replace("&#39;", "'")
            .replace("&#34;", "\"");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.words().contains(words)
    }

    /// Expects these words on the page.
    #[track_caller]
    pub(crate) fn expects(&self, words: &str) {
        assert!(self.says(words), "{words}: {}", self.words());
    }

    /// The value of the hidden field `name`.
    pub(crate) fn hidden(&self, name: &str) -> Option<String> {
        let html = self.html();
        let marker = format!("name=\"{name}\" value=\"");
        let (_, rest) = html.split_once(&marker)?;
        Some(rest.split('"').next().unwrap().to_owned())
    }

    /// What the form that orders would send.
    pub(crate) fn order_fields(&self) -> Vec<(&'static str, String)> {
        ["attempt", "expected_total", "seen"]
            .into_iter()
            .map(|name| {
                let value = self.hidden(name);
                (
                    name,
                    value.unwrap_or_else(|| panic!("no {name}: {}", self.words())),
                )
            })
            .collect()
    }

    pub(crate) fn can_order(&self) -> bool {
        self.hidden("attempt").is_some()
    }

    /// The path of the order, without the query.
    pub(crate) fn order_link(&self) -> String {
        self.address.split('?').next().unwrap().to_owned()
    }
}
