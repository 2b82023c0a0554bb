//! The address that a request counts against: peers, proxies, and many at once.

use super::{forwarded, limited, limited_per_address, products};
use crate::client::Connection;
use crate::harness::TestApp;

/// Limited per address, behind a proxy on this machine.
async fn behind_a_proxy(requests: u32) -> TestApp {
    TestApp::with(|settings| {
        settings.rate_limit.per_address = requests;
        settings.rate_limit.trusted_proxies =
            vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    })
    .await
}

#[tokio::test]
async fn each_peer_has_an_allowance_of_its_own_and_a_forged_header_gives_no_more() {
    let app = limited_per_address(2).await;
    let mut one = Connection::open_from([127, 0, 0, 1], app.server.address()).await;
    let mut other = Connection::open_from([127, 0, 0, 2], app.server.address()).await;
    for _ in 0..2 {
        assert_eq!(one.exchange(&products()).await.status(), 200);
    }

    for n in 0..20 {
        let forged = forwarded(&[&format!("203.0.113.{n}")]).header("X-Real-IP", "203.0.113.1");
        limited(&one.exchange(&forged).await);
    }

    for _ in 0..2 {
        assert_eq!(other.exchange(&products()).await.status(), 200);
    }
    limited(&other.exchange(&products()).await);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_an_allowance_of_its_own() {
    let app = behind_a_proxy(1).await;

    // One spends the allowance, the others share it.
    for same in [
        &[
            &["203.0.113.1"][..],
            &["198.51.100.1, 203.0.113.1"],
            &["198.51.100.2", "203.0.113.1"],
            &["198.51.100.3, unknown, 203.0.113.1, 127.0.0.9"],
            &["unknown", "203.0.113.1", "fd00::5"],
            &["203.0.113.1:4711"],
            &["::ffff:203.0.113.1"],
            &[" \t 203.0.113.1 , [fd00::1]:443 "],
        ][..],
        &[
            &["2001:db8:0:1::1"],
            &["2001:db8:0:1:ffff::2"],
            &["[2001:db8:0:1::3]:443"],
            &["2001:db8:9::1, 2001:db8:0:1::4"],
        ],
        &[&["2001:db8:0:2::1"], &["[2001:db8:0:2::1]"]],
        // What is no address falls to the proxy that reported it.
        &[
            &[],
            &["unknown"],
            &["203.0.113.9, garbage"],
            &["203.0.113.9", "\"203.0.113.9\""],
            &["203.0.113.999"],
            &["[203.0.113.9"],
            &[""],
            &[", ,"],
            &["\u{fffd}"],
        ],
    ] {
        for (index, lines) in same.iter().enumerate() {
            let answer = app.send(&forwarded(lines)).await;
            let status = if index == 0 { 200 } else { 429 };
            assert_eq!(answer.status(), status, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_addresses_neither_locks_others_out_nor_forgets_who_is_limited() {
    let app = TestApp::with(|settings| {
        settings.rate_limit.per_address = 1;
        settings.rate_limit.per_address_burst = 5;
        settings.rate_limit.table_size = 8;
        settings.rate_limit.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    })
    .await;
    let mut connection = app.connection().await;
    for _ in 0..5 {
        connection.exchange(&forwarded(&["203.0.113.1"])).await;
    }

    for n in 0..500 {
        let address = format!("198.51.{}.{}", n / 250, n % 250);
        assert_eq!(connection.exchange(&forwarded(&[&address])).await.status(), 200);
    }

    limited(&connection.exchange(&forwarded(&["203.0.113.1"])).await);
}
