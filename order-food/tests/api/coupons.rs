//! Coupon codes: which are good, and what they are worth to the cent.

use serde_json::{Value, json};

use crate::fixtures::{PIZZA, WAFFLE};
use crate::harness::TestApp;

/// More codes than are held in memory.
pub(crate) const MANY_CODES: &str = "
    INSERT INTO coupon_codes SELECT version, 'M' || lpad(n::text, 8, '0')
    FROM dataset_versions, generate_series(1, 10001) AS n";

#[tokio::test]
async fn a_discount_is_never_above_the_subtotal() {
    let app = TestApp::start().await;

    let order = app.place_order([(5, 1)]).coupon("OVER9000").accepted().await;

    assert_eq!(
        (&order["total"], &order["discounts"]),
        (&json!(0.0), &json!(8.99))
    );
    let rows = "SELECT subtotal, discount, total FROM orders";
    assert_eq!(app.database.rows(rows).await, [["8.99", "8.99", "0.00"]]);
    // The cheapest item of one is all of it.
    let alone = app.place_order([(WAFFLE, 1)]).coupon("BIRTHDAY").accepted().await;
    assert_eq!(alone["total"], 0.0);
}

#[tokio::test]
async fn a_discount_is_rounded_once_half_up_and_then_capped() {
    let app = TestApp::start().await;
    app.publish("INSERT INTO products VALUES (11, 'Olive', 0.05, 'Extras'), (12, 'Caper', 0.10, 'Extras')")
        .await;
    app.promotion("CAPPED")
        .kind("percentage", "50")
        .max_discount("0.02")
        .insert()
        .await;
    app.promotion("THIRD").kind("percentage", "33.33").insert().await;

    for (code, product, units, discounts) in [
        ("SAVE10", 11, 1, 0.01),
        ("SAVE10", 11, 3, 0.02),
        ("FIFTYOFF", 11, 1, 0.03),
        ("THIRD", 12, 1, 0.03),
        ("THIRD", 12, 1000, 33.33),
        ("CAPPED", 12, 1, 0.02),
        ("CAPPED", 11, 1, 0.02),
    ] {
        let order = app.place_order([(product, units)]).coupon(code).accepted().await;
        assert_eq!(order["discounts"], discounts, "{code} on {units} of {product}");
    }
}

#[tokio::test]
async fn too_few_units_are_refused_and_quantities_count() {
    let app = TestApp::start().await;
    app.promotion("FIVEUP").min_items(5).insert().await;

    for (lines, code) in [
        (vec![(PIZZA, 1)], "BUYGETONE"),
        (vec![(PIZZA, 2), (WAFFLE, 2)], "FIVEUP"),
    ] {
        app.rejects(app.place_order(lines).coupon(code), "coupon_too_few_items")
            .await;
    }
    app.place_order([(PIZZA, 2)]).coupon("BUYGETONE").accepted().await;
    app.place_order([(PIZZA, 2), (WAFFLE, 2), (PIZZA, 1)])
        .coupon("FIVEUP")
        .accepted()
        .await;
}

#[tokio::test]
async fn an_expired_coupon_is_rejected_and_nothing_is_stored() {
    let app = TestApp::start().await;
    app.promotion("OLDTIMES").ended_days_ago(1).insert().await;

    let answer = app.place_order([(PIZZA, 2)]).coupon("OLDTIMES").send().await;

    assert_eq!(answer.error(), (422, "coupon_expired".into()));
    assert_eq!(app.order_count().await, 0);
}

#[tokio::test]
async fn a_coupon_is_good_from_its_first_instant_on() {
    let app = TestApp::start().await;
    app.promotion("TOMORROW").starts_in_days(1).insert().await;
    app.promotion("ASOFNOW").begins_now().insert().await;

    app.rejects(
        app.place_order([(PIZZA, 2)]).coupon("TOMORROW"),
        "coupon_not_started",
    )
    .await;
    app.place_order([(PIZZA, 2)]).coupon("ASOFNOW").accepted().await;
}

#[tokio::test]
async fn a_promotion_that_was_withdrawn_is_unknown() {
    let app = TestApp::start().await;

    app.publish("UPDATE promotions SET active = false WHERE code = 'SAVE10'")
        .await;

    app.rejects(app.place_order([(PIZZA, 2)]).coupon("SAVE10"), "coupon_unknown")
        .await;
}

async fn refuses(app: &TestApp, code: impl Into<Value>, kind: &str) {
    app.rejects(app.place_order([(PIZZA, 2)]).coupon(code), kind)
        .await;
}

#[tokio::test]
async fn a_code_is_matched_exactly_and_counts_in_its_active_version_alone() {
    let app = TestApp::start().await;

    for code in [
        "save10",
        "SAVE10 ",
        " SAVE10",
        "SAVE1",
        "SAVE100",
        "ＳＡＶＥ１０",
        "NOSUCHCODE",
        "happyhrs",
        "' OR 1=1 --",
        "%",
        "SUPER100",
        "STAGEDONE",
        "bulkcode",
        "BULKCOD",
        "BULKCODE100",
    ] {
        refuses(&app, code, "coupon_unknown").await;
    }
}

#[tokio::test]
async fn a_code_has_1_to_64_characters_without_controls() {
    let app = TestApp::start().await;
    app.promotion(&"é".repeat(64)).insert().await;

    for code in [
        "X".repeat(65),
        "X".repeat(10_000),
        "SAVE10\n".into(),
        "\t".into(),
        "SAVE\u{85}10".into(),
    ] {
        refuses(&app, code, "coupon_invalid").await;
    }
    app.place_order([(PIZZA, 2)])
        .coupon("é".repeat(64))
        .accepted()
        .await;
}

#[tokio::test]
async fn a_bulk_code_is_accepted_without_a_discount() {
    let app = TestApp::start().await;

    for code in ["BULKCODE", "BULKCODE10"] {
        let order = app.place_order([(PIZZA, 2)]).coupon(code).accepted().await;
        assert_eq!(
            (&order["couponCode"], &order["total"], &order["discounts"]),
            (&json!(code), &json!(27.98), &json!(0.0))
        );
    }
    assert_eq!(
        app.database
            .rows("SELECT coupon_code FROM orders ORDER BY 1")
            .await
            .concat(),
        ["BULKCODE", "BULKCODE10"]
    );
}

#[tokio::test]
async fn a_promotion_decides_although_the_code_is_a_bulk_code_too() {
    let app = TestApp::start().await;
    app.promotion("BULKCODE").ended_days_ago(1).insert().await;

    let worth = app.place_order([(PIZZA, 2)]).coupon("HAPPYHRS").accepted().await;
    let refused = app.place_order([(PIZZA, 2)]).coupon("BULKCODE").send().await;

    assert_eq!(worth["discounts"], 5.04);
    assert_eq!(refused.error(), (422, "coupon_expired".into()));
}

#[tokio::test]
async fn many_bulk_codes_are_looked_up_in_the_table() {
    let app = TestApp::start().await;

    app.publish(MANY_CODES).await;

    for code in ["BULKCODE", "M00000001", "M00010001"] {
        let order = app.place_order([(PIZZA, 2)]).coupon(code).accepted().await;
        assert_eq!(order["discounts"], 0.0);
    }
    for code in ["M00010002", "STAGEDONE", "m00000001"] {
        let answer = app.place_order([(PIZZA, 2)]).coupon(code).send().await;
        assert_eq!(answer.error(), (422, "coupon_unknown".into()), "{code}");
    }
}

#[tokio::test]
async fn orders_written_together_are_each_told_about_their_own_code() {
    let app = TestApp::start().await;
    app.publish(MANY_CODES).await;
    app.promotion("LIMITED").max_uses(5).insert().await;
    let kinds = [
        ("", None),
        ("SAVE10", None),
        ("M00000007", None),
        ("M99999999", None),
        ("M00000008", Some("listed")),
        ("M99999998", Some("not listed")),
        ("LIMITED", None),
    ];
    let orders = (0..70).map(|n| {
        let (code, key) = kinds[n % kinds.len()];
        let order = app.place_order([(PIZZA, 2)]).coupon(code);
        let order = match key {
            Some(key) => order.idempotency_key(&format!("{key} {n}")),
            None => order,
        };
        async move { (code, order.send().await) }
    });

    for (code, answer) in futures_util::future::join_all(orders).await {
        match code {
            "M99999999" | "M99999998" => assert_eq!(answer.error(), (422, "coupon_unknown".into())),
            "LIMITED" => assert!([200, 422].contains(&answer.status()), "{}", answer.text()),
            _ => assert_eq!(answer.status(), 200, "{code}: {}", answer.text()),
        }
    }

    let stored = "SELECT coupon_code, count(*), (SELECT count(*) FROM order_items) FROM orders
                  GROUP BY 1 ORDER BY 1 NULLS FIRST";
    assert_eq!(
        app.database.rows(stored).await,
        [
            ["∅", "10", "45"],
            ["LIMITED", "5", "45"],
            ["M00000007", "10", "45"],
            ["M00000008", "10", "45"],
            ["SAVE10", "10", "45"],
        ]
    );
    assert_eq!(
        app.database.value("SELECT count(*) FROM idempotency_keys").await,
        "10"
    );
}
