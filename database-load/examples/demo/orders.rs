//! 10,000 orders of 90 days, from 2025-10-01 on: fixed days, so that the same data are loaded
//! whenever that is.

use std::fmt::Write as _;

use test_support::Random;

const ORDERS: u64 = 10_000;
const DAYS: u64 = 90;
/// 2025-10-01T00:00:00Z, a Wednesday; seconds since 1970.
const FIRST_DAY: u64 = 1_759_276_800;
/// Orders by the hour (UTC) of a day: little breakfast, lunch, and most in the evening.
const HOURS: [u64; 24] = [
    2, 1, 0, 0, 0, 1, 3, 8, 14, 12, 14, 38, 60, 44, 20, 14, 18, 36, 66, 78, 60, 34, 16, 6,
];

/// Numbers of the keys of `api_keys.json`, from 1, and their share of the orders in percent.
const KEYS: [(u64, u64); 6] = [(1, 2), (2, 40), (3, 33), (4, 12), (5, 8), (6, 5)];

/// Codes of `promotions.csv` that orders were placed with: how often compared with the others,
/// fewest units, first and last day of the 90. A code with `max_uses` is none of them: sample
/// orders are not counted as uses.
const COUPONS: [(&str, u64, u64, u64, u64); 17] = [
    ("SAVE10", 30, 1, 0, 89),
    ("HAPPYHOURS", 12, 1, 0, 89),
    ("BUYGETONE", 12, 2, 0, 89),
    ("BIRTHDAY", 4, 1, 0, 89),
    ("GNULINUX", 2, 1, 0, 89),
    ("FAMILY4", 8, 4, 0, 89),
    ("OFFICE8", 3, 8, 0, 89),
    ("LUNCH3", 10, 2, 0, 89),
    ("STUDENT7", 8, 1, 0, 89),
    ("LATEBIRD", 4, 1, 0, 89),
    ("PICKUP2", 6, 1, 0, 89),
    ("APPONLY6", 8, 1, 0, 89),
    ("OCTOBER5", 10, 1, 0, 30),
    ("PUMPKIN", 6, 1, 0, 60),
    ("NOVEMBER5", 10, 1, 31, 60),
    ("ADVENT24", 10, 1, 61, 84),
    ("DECEMBER5", 8, 1, 61, 89),
];

struct Order {
    time_ms: u64,
    key: u64,
    /// Ids and quantities.
    items: Vec<(u64, u64)>,
    coupon: Option<&'static str>,
}

/// One order a line, of the products in the lines of `products.csv`.
pub(crate) fn lines(products: &str) -> String {
    let mut random = Random::new(0x0f00d);
    let popularity: Vec<(u64, u64)> = products
        .lines()
        .skip(1)
        .filter_map(|product| popularity(product, &mut random))
        .collect();
    let mut orders: Vec<Order> = (0..ORDERS).map(|_| order(&mut random, &popularity)).collect();
    orders.sort_by_key(|order| order.time_ms);
    let mut lines = String::new();
    for (number, order) in (0..).zip(orders) {
        let state = state(number);
        let items: Vec<String> = order
            .items
            .iter()
            .map(|(product, quantity)| format!(r#"{{"product":"{product}","quantity":{quantity}}}"#))
            .collect();
        let coupon = order
            .coupon
            .map(|code| format!(r#""coupon":"{code}","#))
            .unwrap_or_default();
        let _ = writeln!(
            lines,
            r#"{{"id":"{}","api_key":"018f4e5a-0000-7000-8000-{:012x}","items":[{}],{coupon}{state}"development":true}}"#,
            id(order.time_ms, number),
            0xa0 + order.key,
            items.join(",")
        );
    }
    lines
}

/// The status of an order, for those that have one: some ended early, and the last ones have their
/// whole history. None is open: it would stand on a board for months after its day.
fn state(number: u64) -> String {
    const WITH_HISTORY: u64 = 12;
    if number >= ORDERS - WITH_HISTORY {
        return r#""status":"picked_up","#.to_owned();
    }
    let (status, every) = if number.is_multiple_of(2) {
        ("rejected", 70)
    } else {
        ("cancelled", 45)
    };
    if !number.is_multiple_of(every) {
        return String::new();
    }
    let reason = match status {
        "cancelled" => "customer_asked",
        _ => match number / every % 3 {
            0 => "item_unavailable",
            1 => "too_busy",
            _ => "kitchen_closed",
        },
    };
    format!(r#""status":"{status}","reason":"{reason}","#)
}

/// A UUID of version 7 that counts where others have random bits.
fn id(time_ms: u64, number: u64) -> String {
    let (high, low) = (time_ms >> 16, time_ms & 0xffff);
    format!("{high:08x}-{low:04x}-7000-8000-{number:012x}")
}

/// Id of a product and how often it is ordered: a few often, most seldom.
fn popularity(product: &str, random: &mut Random) -> Option<(u64, u64)> {
    let mut fields = product.split(',');
    let (id, _name, price) = (fields.next()?, fields.next()?, fields.next()?);
    let category = match fields.next()? {
        "Pizza" | "Burger" | "Drinks" => 3,
        "Waffle" | "Pasta" | "Curry" => 2,
        _ => 1,
    };
    // The dearest dishes are ordered least.
    let price = if price.parse::<f64>().ok()? > 17.0 { 1 } else { 3 };
    Some((
        id.parse().ok()?,
        category * price * (2 + 60 / (1 + random.below(40))),
    ))
}

fn order(random: &mut Random, popularity: &[(u64, u64)]) -> Order {
    // Friday to Sunday there are more, and a little more each week.
    let days: Vec<(u64, u64)> = (0..DAYS)
        .map(|day| {
            let weekday = day % 7;
            let weekend = if (2..=4).contains(&weekday) { 14 } else { 10 };
            (day, weekend * (100 + day / 2))
        })
        .collect();
    let hours: Vec<(u64, u64)> = (0..).zip(HOURS).collect();
    let (day, hour) = (random.weighted(&days, 0), random.weighted(&hours, 12));
    let time_ms = (FIRST_DAY + day * 86_400 + hour * 3600) * 1000 + random.below(3_600_000);
    let distinct = random.weighted(&[(1, 26), (2, 34), (3, 22), (4, 11), (5, 5), (6, 2)], 1);
    let mut items: Vec<(u64, u64)> = Vec::new();
    while items.len() < distinct {
        let product = random.weighted(popularity, 1);
        if items.iter().all(|(earlier, _)| *earlier != product) {
            items.push((product, random.weighted(&[(1, 70), (2, 22), (3, 6), (4, 2)], 1)));
        }
    }
    let units = items.iter().map(|(_, quantity)| quantity).sum();
    Order {
        time_ms,
        key: random.weighted(&KEYS, 1),
        coupon: coupon(random, day, units),
        items,
    }
}

/// One order in seven has one.
fn coupon(random: &mut Random, day: u64, units: u64) -> Option<&'static str> {
    if random.below(7) > 0 {
        return None;
    }
    let fitting: Vec<(&str, u64)> = COUPONS
        .into_iter()
        .filter(|(_, _, fewest, first, last)| units >= *fewest && (*first..=*last).contains(&day))
        .map(|(code, weight, ..)| (code, weight))
        .collect();
    Some(random.weighted(&fitting, "SAVE10"))
}
