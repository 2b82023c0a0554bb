//! Every text of the storefront, in one file to be translated.

use std::fmt::Display;

use shop::{OrderStatus, Quantity, Reason};

/// The language of these texts, as HTML's `lang` names it.
pub(crate) const LANGUAGE: &str = "en";

// On every page.
pub(crate) const SHOP: &str = "Order Food";
pub(crate) const DESCRIPTION: &str = "Order now, pay and pick up at the counter.";
pub(crate) const SKIP: &str = "Skip to the content";
pub(crate) const CART: &str = "Cart";
pub(crate) const MY_ORDERS: &str = "Your orders";
pub(crate) const PAY_AT_COUNTER: &str = "You pay at the counter.";
pub(crate) const NO_PERSONAL_DATA: &str =
    "No name and no address is asked for; two cookies remember your cart and your orders.";
pub(crate) const NO_CONNECTION: &str = "There is no connection to the shop. Your last change was not kept.";
pub(crate) const REQUEST_ID: &str = "If you ask us about this, tell us the request id";
pub(crate) const TO_MENU: &str = "To the menu";
pub(crate) const TO_CART: &str = "To your cart";

// The menu.
pub(crate) const MENU: &str = "Menu";
pub(crate) const CATEGORIES: &str = "Categories";
pub(crate) const SEARCH_LABEL: &str = "Search the menu";
pub(crate) const SEARCH: &str = "Search";
pub(crate) const SHOW_ALL: &str = "Show the whole menu";
pub(crate) const NOTHING_FOUND: &str = "Nothing on the menu matches.";
pub(crate) const NO_MENU_YET: &str = "The menu is being prepared. Please come back in a moment.";
pub(crate) const MENU_ONLY: &str = "This is our menu. Orders are not taken here at the moment.";
pub(crate) const ADD: &str = "Add";
pub(crate) const IN_CART: &str = "in your cart";

// The cart.
pub(crate) const YOUR_CART: &str = "Your cart";
pub(crate) const CART_EMPTY: &str = "Your cart is empty.";
pub(crate) const CHANGED: &str =
    "Nothing was ordered: something changed since you last looked. Check your cart and order again.";
pub(crate) const NOT_STORED: &str = "Your order was not stored. Your cart is kept: please order again.";
pub(crate) const STALE_FORM: &str = "Your cart changed in another tab. Check it and order again.";
pub(crate) const CLEARED: &str = "Your cart was cleared.";
pub(crate) const CART_FULL: &str = "A cart has room for 100 different products.";
pub(crate) const NOT_SOLD: &str = "This product is not on the menu.";
pub(crate) const UNDO: &str = "Undo";
pub(crate) const REMOVE: &str = "Remove";
pub(crate) const CLEAR: &str = "Clear cart";
pub(crate) const FORMER_PRODUCT: &str = "A product that left the menu";
pub(crate) const IS_GONE: &str = "A product of your cart is no longer on the menu.";
pub(crate) const MEND_FIRST: &str = "To order, first remove what is no longer on the menu.";
pub(crate) const GONE: &str = "No longer on the menu: not in the total.";
pub(crate) const REMOVE_GONE: &str = "Remove what is no longer on the menu";
pub(crate) const APPLY_QUANTITY: &str = "Set";
pub(crate) const SUBTOTAL: &str = "Subtotal";
pub(crate) const TOTAL: &str = "Total";
pub(crate) const ORDER_NOW: &str = "Order now";
pub(crate) const TOO_LARGE: &str = "This order is too large to be taken: take fewer of something.";

// Coupons: a sentence for each reason.
pub(crate) const COUPON: &str = "Coupon code";
pub(crate) const APPLY_COUPON: &str = "Apply";
pub(crate) const REMOVE_COUPON: &str = "Remove coupon";
pub(crate) const COUPON_INVALID: &str = "A coupon code has 1 to 64 characters.";
pub(crate) const COUPON_UNKNOWN: &str = "We do not know this code. Capital and small letters differ.";
pub(crate) const COUPON_NOT_STARTED: &str = "This code is not valid yet.";
pub(crate) const COUPON_EXPIRED: &str = "This code has expired.";
pub(crate) const COUPON_SOLD_OUT: &str = "This code has been used up.";
pub(crate) const COUPON_LATER: &str = "This code cannot be checked right now. It is checked when you order.";
pub(crate) const COUPON_WORTHLESS: &str = "This code is valid; it changes no price.";

// An order.
pub(crate) const PICK_UP_CODE: &str = "Your pick-up code";
pub(crate) const ORDERED_AT: &str = "Ordered:";
pub(crate) const YOU_ORDERED: &str = "Your order";
pub(crate) const PRODUCT: &str = "Product";
pub(crate) const QUANTITY: &str = "Qty";
pub(crate) const PRICE: &str = "Price";
pub(crate) const SUM: &str = "Sum";
pub(crate) const KEEP_LINK: &str = "Keep this link to come back:";
pub(crate) const LINK_TO_ORDER: &str = "your order";
pub(crate) const ORDER_AGAIN: &str = "Order again";
pub(crate) const ORDERS_OF_BROWSER: &str = "The last 20 orders of this browser.";
pub(crate) const NO_ORDERS: &str = "You have not ordered anything yet.";
pub(crate) const ORDERED: &str = "Thank you! Your order is stored.";
pub(crate) const AGAIN_SAME: &str = "The products of your order are in the cart.";

// The states of an order.
pub(crate) const READY_AT: &str = "Ready at about";
pub(crate) const CANCEL: &str = "Cancel this order";
pub(crate) const CANCELLED: &str = "Your order was cancelled. There is nothing to pay.";
pub(crate) const TOO_LATE: &str =
    "Your order was answered in the meantime and can no longer be cancelled here. Please ask at the counter.";
pub(crate) const NOT_LIVE_SINCE: &str = "The connection is cut off. What you see is from";

pub(crate) const fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Placed => "We have your order and will answer it in a moment.",
        OrderStatus::Accepted => "Your order is accepted.",
        OrderStatus::Preparing => "Your order is being prepared.",
        OrderStatus::Ready => "Your order is ready: please pick it up.",
        OrderStatus::OutForDelivery => "Your order is on its way.",
        OrderStatus::PickedUp => "Your order was picked up. Enjoy!",
        OrderStatus::Delivered => "Your order was delivered. Enjoy!",
        OrderStatus::Rejected => "We are sorry: your order cannot be taken.",
        OrderStatus::Cancelled => "Your order was cancelled.",
    }
}

pub(crate) const fn step(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Placed => "Ordered",
        OrderStatus::Accepted => "Accepted",
        OrderStatus::Preparing => "In preparation",
        OrderStatus::Ready => "Ready",
        OrderStatus::OutForDelivery => "On its way",
        OrderStatus::PickedUp => "Picked up",
        OrderStatus::Delivered => "Delivered",
        OrderStatus::Rejected => "Not taken",
        OrderStatus::Cancelled => "Cancelled",
    }
}

pub(crate) const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::ItemUnavailable => "Something of it is not to be had any more.",
        Reason::KitchenClosed => "The kitchen is closed.",
        Reason::TooBusy => "There are too many orders right now.",
        Reason::CustomerAsked => "You asked for it.",
        Reason::NotCollected => "It was not picked up.",
        Reason::NotAnswered => "Nobody could answer it in time.",
        Reason::Other => "Please ask at the counter.",
    }
}

// Pages of their own for what went wrong: heading, then sentence.
pub(crate) const NOT_FOUND: [&str; 2] = ["Not found", "There is no such page, or its link has expired."];
pub(crate) const ELSEWHERE: [&str; 2] = [
    "Ordered elsewhere",
    "This order was placed with another of our shops. Open its link where you ordered.",
];
pub(crate) const FOREIGN: [&str; 2] = [
    "Not done",
    "This was asked for by another site, or by a browser that may not do it. Open the shop and try again.",
];
pub(crate) const UNAVAILABLE: [&str; 2] = [
    "Back in a moment",
    "We cannot do this right now; nothing was stored. Please try again.",
];
pub(crate) const UNREADABLE: [&str; 2] = [
    "Back in a moment",
    "We cannot show this right now. Please try again.",
];
pub(crate) const STORED_UNREADABLE: [&str; 2] = [
    "Your order was stored",
    "We cannot show it right now. This page tries again by itself; do not order again.",
];
pub(crate) const BROKEN: [&str; 2] = ["Something went wrong", "This is our fault. Please try again."];
pub(crate) const NOT_UNDERSTOOD: [&str; 2] = [
    "Not understood",
    "The browser sent something that we cannot read.",
];
pub(crate) const CHECKING: [&str; 2] = [
    "We are checking your order",
    "The answer was lost on its way. This page finds out by itself whether your order was stored; you will not be charged twice.",
];
pub(crate) const TOO_MANY: &str = "Too many tries";

pub(crate) fn too_many(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("Please wait {seconds} s and try again."),
        _ => format!("Please wait {} minutes and try again.", seconds.div_ceil(60)),
    }
}

pub(crate) fn found(products: &usize) -> String {
    match products {
        1 => "1 product found.".into(),
        _ => format!("{products} products found."),
    }
}

pub(crate) fn one_more(name: impl Display) -> String {
    format!("Add {name}")
}

pub(crate) fn one_less(name: impl Display) -> String {
    format!("One {name} less")
}

pub(crate) fn quantity_of(name: impl Display) -> String {
    format!("Quantity of {name}")
}

pub(crate) fn remove(name: impl Display) -> String {
    format!("Remove {name}")
}

pub(crate) fn removed(name: impl Display) -> String {
    format!("{} was removed.", isolated(name))
}

pub(crate) fn quantity_range(name: impl Display) -> String {
    format!(
        "{}: a quantity is a whole number from 1 to {}.",
        isolated(name),
        Quantity::MAX
    )
}

pub(crate) fn discount(code: impl Display) -> String {
    format!("Coupon {code}")
}

pub(crate) fn too_few_items(min_items: u32) -> String {
    format!("This code needs at least {min_items} items in the cart.")
}

pub(crate) fn order_title(code: impl Display) -> String {
    format!("Order {code}")
}

pub(crate) fn order_again(code: impl Display) -> String {
    format!("{ORDER_AGAIN}: {code}")
}

pub(crate) fn already_ordered(time: impl Display) -> String {
    format!("You already ordered this at {time}; it was not ordered a second time.")
}

pub(crate) fn costs_now(name: impl Display, old: impl Display, new: impl Display) -> String {
    format!("{} costs {new} now, not {old}.", isolated(name))
}

pub(crate) fn is_gone(name: impl Display) -> String {
    format!("{} is no longer on the menu.", isolated(name))
}

pub(crate) fn total_is(old: impl Display, new: impl Display) -> String {
    format!("The total is {new} now, not {old}.")
}

/// Units of a product, in a list of them.
pub(crate) fn units(units: u16, name: impl Display) -> String {
    format!("{units} × {}", isolated(name))
}

/// A name within a sentence. Written from right to left, or with marks of direction, it would
/// reorder the words and numbers around it: then it stands between FSI and PDI (Unicode, UAX 9).
fn isolated(name: impl Display) -> String {
    let name = name.to_string();
    let is_directed = |letter: char| {
        matches!(letter,
            '\u{590}'..='\u{8ff}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
    };
    match name.chars().any(is_directed) {
        true => format!("\u{2068}{name}\u{2069}"),
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_right_to_left_leave_the_sentence_as_it_is() {
        assert_eq!(units(2, "Salad"), "2 × Salad");
        assert_eq!(removed("宫保鸡丁 🍕"), "宫保鸡丁 🍕 was removed.");
        assert_eq!(units(1, "فلافل"), "1 × \u{2068}فلافل\u{2069}");
        assert_eq!(
            costs_now("\u{202e}pizza", "$1", "$2"),
            "\u{2068}\u{202e}pizza\u{2069} costs $2 now, not $1."
        );
    }
}
