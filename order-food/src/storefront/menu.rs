//! The menu: all products by category, and the search.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwapOption;
use askama::Template;
use pages::Representation;
use shop::Product;

use super::cart::Cart;
use super::form::{Form, menu_address};
use super::frame::{Badge, Frame};
use super::picture::{Picture, tint};
use super::texts as t;
use super::visit::Visit;
use super::{Storefront, rendered};
use crate::http::ApiError;
use crate::reference_data::{Catalogue, Snapshot};

/// The menu of visitors without a cart, made once for each state of the catalogue.
#[derive(Default)]
pub(crate) struct ReadyMenu(ArcSwapOption<Ready>);

struct Ready {
    catalogue: Arc<Catalogue>,
    open: bool,
    page: Representation,
}

#[derive(Template)]
#[template(path = "menu.html")]
struct MenuPage<'a> {
    frame: Frame<'a>,
    query: &'a str,
    category: Option<&'a str>,
    filtered: bool,
    /// How many are shown.
    products: usize,
    sections: Vec<Section<'a>>,
}

struct Section<'a> {
    number: usize,
    name: &'a str,
    link: String,
    cards: Vec<Card<'a>>,
}

/// A product on the menu.
pub(super) struct Card<'a> {
    pub(super) product: &'a Product,
    pub(super) picture: Picture<'a>,
    pub(super) tint: i64,
    /// Units in the cart.
    pub(super) quantity: u16,
}

/// The longest search, in characters.
const LONGEST_QUERY: usize = 64;

/// GET /
pub(crate) async fn menu(visit: Visit) -> Result<HttpResponse, ApiError> {
    let (request, storefront) = (&visit.request, &visit.storefront);
    let cart = visit.cart();
    let is_plain = cart.is_empty() && request.query_string().is_empty();
    if is_plain {
        let ready = |snapshot: &Snapshot| storefront.ready_menu.respond(request, storefront, snapshot);
        if let Some(response) = visit.state.snapshots.read(ready).flatten() {
            return Ok(response);
        }
    }
    let Some(snapshot) = visit.state.snapshots.get() else {
        return unprepared(&visit);
    };
    if is_plain {
        let ready = ReadyMenu::made(&visit, &snapshot)?;
        let response = ready.page.respond(request);
        storefront.ready_menu.0.store(Some(Arc::new(ready)));
        return Ok(response);
    }
    let query = Form::query(request);
    let text = query.text("q").unwrap_or_default().trim();
    let text: String = text.chars().take(LONGEST_QUERY).collect();
    let category = query.text("category").filter(|category| !category.is_empty());
    let frame = visit.frame(Badge::of(&cart, &snapshot), &snapshot);
    visit.page(&MenuPage::of(
        storefront,
        frame,
        &snapshot,
        (&text, category),
        &cart,
    ))
}

/// The menu before any data: not there yet, and asked for again by the browser.
fn unprepared(visit: &Visit) -> Result<HttpResponse, ApiError> {
    let menu = MenuPage {
        frame: visit.storefront.frame(Badge::default(), false),
        query: "",
        category: None,
        filtered: false,
        products: 0,
        sections: Vec::new(),
    };
    super::error_pages::unavailable(&visit.request, visit.page(&menu)?)
}

impl ReadyMenu {
    /// The ready page, if it was made of this state.
    fn respond(
        &self,
        request: &HttpRequest,
        storefront: &Storefront,
        snapshot: &Snapshot,
    ) -> Option<HttpResponse> {
        let ready = self.0.load();
        let ready = ready.as_deref()?;
        let is_of = Arc::ptr_eq(&ready.catalogue, &snapshot.catalogue)
            && ready.open == storefront.seller(snapshot).is_some();
        is_of.then(|| ready.page.respond(request))
    }

    fn made(visit: &Visit, snapshot: &Snapshot) -> Result<Ready, ApiError> {
        let frame = visit.frame(Badge::default(), snapshot);
        let open = frame.open;
        let menu = MenuPage::of(&visit.storefront, frame, snapshot, ("", None), &Cart::default());
        Ok(Ready {
            catalogue: snapshot.catalogue.clone(),
            open,
            page: Representation::shared_page(rendered(&menu)?.into_bytes()),
        })
    }
}

impl<'a> MenuPage<'a> {
    fn of(
        storefront: &'a Storefront,
        frame: Frame<'a>,
        snapshot: &'a Snapshot,
        (query, category): (&'a str, Option<&'a str>),
        cart: &Cart,
    ) -> MenuPage<'a> {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let mut sections: Vec<Section<'a>> = Vec::new();
        let mut products = 0;
        for product in snapshot.catalogue.products() {
            let is_shown =
                category.is_none_or(|category| *category == *product.category) && finds(&words, product);
            if !is_shown {
                continue;
            }
            products += 1;
            let card = Card::of(storefront, product, cart);
            match sections
                .iter_mut()
                .find(|section| *section.name == *product.category)
            {
                Some(section) => section.cards.push(card),
                None => sections.push(Section {
                    number: sections.len() + 1,
                    name: &product.category,
                    link: menu_address("", Some(&product.category)),
                    cards: vec![card],
                }),
            }
        }
        MenuPage {
            frame,
            query,
            category,
            filtered: !query.is_empty() || category.is_some(),
            products,
            sections,
        }
    }
}

impl<'a> Card<'a> {
    pub(super) fn of(storefront: &Storefront, product: &'a Product, cart: &Cart) -> Card<'a> {
        Card {
            product,
            picture: Picture::of(product, &storefront.settings.image_hosts),
            tint: tint(product.id),
            quantity: cart.units_of(product.id),
        }
    }
}

/// Whether name or category hold every word, in capital or small letters.
fn finds(words: &[String], product: &Product) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = format!("{} {}", product.name, product.category).to_lowercase();
    words.iter().all(|word| text.contains(word))
}
