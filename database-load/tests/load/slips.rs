//! A slip of each kind in each table is reported where it is, and changes nothing; those that every
//! format must report alike stand in `formats`.

use process::failure::ExitCode;
use test_support::TestDatabase;

use crate::fixture::{Data, findings, places};

/// A line for each: file, text in it, text instead, what is reported.
const SLIPS: &str = include_str!("slips.jsonl");

#[tokio::test]
async fn every_slip_is_reported_where_it_is() {
    let database = TestDatabase::migrated().await;
    for slip in SLIPS.lines() {
        let [file, from, to, says]: [String; 4] = serde_json::from_str(slip).unwrap();
        let data = Data::copy();
        data.edit(&file, &from, &to);

        let failure = data.try_load(&database).await.expect_err(slip);

        assert_eq!(failure.code, ExitCode::InvalidData, "{slip}: {}", failure.line());
        let found = findings(&failure);
        assert!(found.contains(&says), "{slip}\n{found}");
    }
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
}
