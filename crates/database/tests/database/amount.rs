//! Tests of money in `numeric` columns: stored and read to the cent, refused if not exact.

use database::amount::Amount;
use diesel::sql_types::{Numeric, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use shop::Money;
use test_support::TestDatabase;

async fn connection() -> AsyncPgConnection {
    TestDatabase::empty()
        .await
        .database()
        .connect_diesel()
        .await
        .unwrap()
}

#[derive(diesel::QueryableByName)]
struct Row {
    #[diesel(sql_type = Numeric)]
    amount: Amount,
    #[diesel(sql_type = Text)]
    written: String,
}

#[tokio::test]
async fn amounts_are_stored_as_they_are_written_and_come_back_the_same() {
    let mut connection = connection().await;
    let table = [
        (0, "0.00"),
        (1, "0.01"),
        (10, "0.10"),
        (-1, "-0.01"),
        (99, "0.99"),
        (100, "1.00"),
        (3597, "35.97"),
        (999_999, "9999.99"),
        (1_000_000, "10000.00"),
        (1_000_001, "10000.01"),
        (100_000_000, "1000000.00"),
        (9_999_999_999, "99999999.99"),
        (10_000_000_000, "100000000.00"),
        (99_999_999_999_999, "999999999999.99"),
        (-99_999_999_999_999, "-999999999999.99"),
        (i64::MAX, "92233720368547758.07"),
        (-i64::MAX, "-92233720368547758.07"),
    ];

    for (cents, written) in table {
        let row: Row = diesel::sql_query("SELECT $1 AS amount, $1::numeric(30, 2)::text AS written")
            .bind::<Numeric, _>(Amount(Money::from_cents(cents)))
            .get_result(&mut connection)
            .await
            .unwrap();
        assert_eq!(row.written, written);
        assert_eq!(row.amount, Amount(Money::from_cents(cents)), "{written}");
    }
}

#[derive(diesel::QueryableByName)]
struct Read {
    #[diesel(sql_type = Numeric)]
    amount: Amount,
}

/// The result of a query with one column, `amount`.
async fn read(connection: &mut AsyncPgConnection, sql: &str) -> diesel::QueryResult<Money> {
    let row: Read = diesel::sql_query(sql).get_result(connection).await?;
    Ok(row.amount.0)
}

#[tokio::test]
async fn what_the_database_computes_is_read_to_the_cent() {
    let mut connection = connection().await;
    let table = [
        ("SELECT 12.99::numeric(10,2) * 3 AS amount", 3897),
        ("SELECT 100::numeric AS amount", 10_000),
        ("SELECT 1e12::numeric AS amount", 100_000_000_000_000),
        ("SELECT 0.1::numeric AS amount", 10),
        ("SELECT 0.5000::numeric AS amount", 50),
        ("SELECT -0.00::numeric AS amount", 0),
        ("SELECT round(10.005, 2) AS amount", 1001),
        (
            "SELECT sum(v) AS amount FROM (VALUES (0.10), (0.20), (99999999.70)) AS t (v)",
            10_000_000_000,
        ),
    ];

    for (sql, cents) in table {
        assert_eq!(read(&mut connection, sql).await.unwrap().cents(), cents, "{sql}");
    }
}

#[tokio::test]
async fn what_is_no_amount_in_cents_is_an_error_not_another_amount() {
    let mut connection = connection().await;

    for expression in [
        "0.001::numeric",
        "'NaN'::numeric",
        "92233720368547758.08::numeric",
        "1e30::numeric",
        "1e-30::numeric",
    ] {
        let sql = format!("SELECT {expression} AS amount");
        let error = read(&mut connection, &sql).await.unwrap_err();
        assert!(
            error.to_string().contains("not an amount in cents"),
            "{sql}: {error}"
        );
    }
}
