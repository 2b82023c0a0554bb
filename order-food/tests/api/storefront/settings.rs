//! Settings of the storefront that cannot be used.

use test_support::{Output, Process};

const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://app:s3cret-word@127.0.0.1:1/food");
const PRODUCTION: [(&str, &str); 3] = [
    DATABASE,
    ("ENVIRONMENT", "production"),
    ("API_KEY_HASH_KEY", "a-secret-of-thirty-two-characters"),
];
const OWN_KEY: (&str, &str) = ("STOREFRONT_KEY_ID", "0191b3c4-0000-7000-8000-000000000001");
const ORIGIN: (&str, &str) = ("PUBLIC_ORIGIN", "https://food.example");

async fn run(environment: &[(&str, &str)]) -> Output {
    let program = env!("CARGO_BIN_EXE_order-food");
    Process::spawn(program, ["settings"], environment)
        .wait_output()
        .await
}

#[tokio::test]
async fn a_production_storefront_needs_an_origin_and_a_key_row_of_its_own() {
    let sample = ("STOREFRONT_KEY_ID", "018f4e5a-0000-7000-8000-0000000000c0");
    for (more, refused) in [
        (&[][..], None),
        (&[OWN_KEY], Some("PUBLIC_ORIGIN")),
        (&[OWN_KEY, ORIGIN], None),
        (&[sample, ORIGIN], Some("STOREFRONT_KEY_ID")),
        (&[OWN_KEY, ("PUBLIC_ORIGIN", "*")], Some("PUBLIC_ORIGIN")),
        (&[OWN_KEY, ("PUBLIC_ORIGIN", "null")], Some("PUBLIC_ORIGIN")),
        (
            &[OWN_KEY, ("PUBLIC_ORIGIN", "https://food.example/")],
            Some("PUBLIC_ORIGIN"),
        ),
    ] {
        let output = run(&[PRODUCTION.as_slice(), more].concat()).await;
        let code = if refused.is_some() { 2 } else { 0 };
        assert_eq!(output.code, Some(code), "{more:?}: {}", output.stderr);
        if let Some(setting) = refused {
            assert!(output.stderr.contains(setting), "{more:?}: {}", output.stderr);
            assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        }
    }
    let development = run(&[DATABASE, sample]).await;
    assert_eq!(development.code, Some(0), "{}", development.stderr);
}

#[tokio::test]
async fn settings_out_of_range_are_exit_2() {
    for (setting, value) in [
        ("STOREFRONT_KEY_ID", "apitest"),
        ("CURRENCY", "Euro"),
        ("CURRENCY", "eur"),
        ("CURRENCY", "XYZ"),
        ("STOREFRONT_IMAGE_HOSTS", "https://img.example.com"),
        ("STOREFRONT_IMAGE_HOSTS", "img.example.com,*"),
        ("STOREFRONT_ORDERS_PER_ADDRESS", "1000001"),
        ("STOREFRONT_ORDERS_PER_ADDRESS", "-1"),
        ("ORDER_LINK_DAYS", "0"),
        ("ORDER_LINK_DAYS", "3651"),
    ] {
        let output = run(&[DATABASE, (setting, value)]).await;
        assert_eq!(output.code, Some(2), "{setting}={value}: {}", output.stdout);
        assert!(
            output.stderr.contains(setting),
            "{setting}={value}: {}",
            output.stderr
        );
    }
}
