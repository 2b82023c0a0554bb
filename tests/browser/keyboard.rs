//! A person without a mouse.

use thirtyfour::{Key, TypingData};

use crate::browser::{Browser, Scripts};
use crate::shop::Shop;

/// The focused element: its text or label, and whether it can be seen: nothing covers it, and it
/// has an outline.
const FOCUSED: &str = "
    const element = document.activeElement;
    const { left, top, width, height } = element.getBoundingClientRect();
    const at = document.elementFromPoint(left + width / 2, top + height / 2);
    const isSeen = element.contains(at) && getComputedStyle(element).outlineStyle !== 'none';
    const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.innerText ?? element.innerText;
    return [name, isSeen];";

async fn press(browser: &Browser, keys: impl Into<TypingData>) {
    let actions = browser.driver().action_chain().send_keys(keys);
    actions.perform().await.unwrap();
}

async fn focused(browser: &Browser) -> (String, bool) {
    serde_json::from_value(browser.evaluate(FOCUSED, vec![]).await).unwrap()
}

/// Presses Tab until the element of this name has the focus; each one on the way must be seen.
async fn tab_to(browser: &Browser, name: &str) {
    for _ in 0..60 {
        press(browser, Key::Tab).await;
        let (found, is_seen) = focused(browser).await;
        assert!(is_seen, "the focus cannot be seen at {found:?}");
        if found.starts_with(name) {
            return;
        }
    }
    panic!("Tab does not lead to {name:?}");
}

#[tokio::test]
async fn tab_goes_through_the_menu_in_reading_order() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.screen(1440, 900, false).await;
    browser.open("/").await;
    let mut order = Vec::new();

    for _ in 0..15 {
        press(&browser, Key::Tab).await;
        let (name, is_seen) = focused(&browser).await;
        assert!(is_seen, "the focus cannot be seen at {name:?}");
        order.push(name);
    }

    let expected = [
        "Skip to the content",
        "Order Food",
        "Your orders",
        "Cart",
        "Search the menu",
        "Search",
        "Waffle",
        "Pancakes",
        "Salad",
        "Pizza",
        "Burger",
        "Waffle",
        "Add Chicken Waffle",
        "Add Belgian Waffle",
        "Pancakes",
    ];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn a_person_orders_by_the_keyboard_alone() {
    let shop = Shop::open().await;
    for (done, (scripts, width)) in [(Scripts::On, 1440), (Scripts::Off, 1440), (Scripts::On, 320)]
        .into_iter()
        .enumerate()
    {
        let browser = shop.visitor(scripts).await;
        browser.screen(width, 700, false).await;
        browser.open("/").await;

        tab_to(&browser, "Skip").await;
        press(&browser, Key::Enter).await;
        tab_to(&browser, "Add Chicken Waffle").await;
        press(&browser, Key::Space).await;
        browser.shows("#cart-link", "1").await;
        if scripts == Scripts::On {
            // The button that was pressed keeps the focus.
            press(&browser, Key::Enter).await;
            browser.shows("#cart-link", "$25.98").await;
            assert_eq!(focused(&browser).await.0, "Add Chicken Waffle");
        }
        browser.open("/cart").await;
        tab_to(&browser, "Quantity of Chicken Waffle").await;
        // Reached by Tab, the whole number is selected.
        press(&browser, "3").await;
        press(&browser, Key::Enter).await;
        browser.shows("#p1 .sum", "$38.97").await;
        tab_to(&browser, "Coupon code").await;
        press(&browser, "SAVE10").await;
        press(&browser, Key::Enter).await;
        browser.shows(".totals .total dd", "$35.07").await;
        tab_to(&browser, "Order now").await;
        press(&browser, Key::Enter).await;

        browser.shows(".receipt tbody th", "Chicken Waffle").await;
        browser.shows(".receipt tbody td", "3").await;
        assert_eq!(shop.orders().await, done + 1, "{scripts:?} {width}");
    }
}

#[tokio::test]
async fn what_is_removed_hands_its_focus_on() {
    let shop = Shop::open().await;
    let browser = shop.visitor(Scripts::On).await;
    browser.open("/").await;
    browser.click("#p1 .add").await;
    browser.shows("#cart-link", "1").await;
    browser.open("/cart").await;

    tab_to(&browser, "Remove Chicken Waffle").await;
    press(&browser, Key::Enter).await;
    browser.shows("main .notice", "was removed").await;

    assert_eq!(focused(&browser).await.0, "Undo");
    press(&browser, Key::Enter).await;
    browser.shows("#p1 .sum", "$12.99").await;
}
