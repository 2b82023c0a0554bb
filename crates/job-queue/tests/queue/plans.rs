//! The plan of the claim.

use crate::harness::Place;

const CLAIM: &str = include_str!("../../src/store/claim.rs");

/// The statement as the source has it, and the session's settings.
fn statements() -> (&'static str, &'static str) {
    let between = |text: &'static str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from).unwrap();
        rest.split_once(to).unwrap().0
    };
    let session = include_str!("../../src/worker/mod.rs");
    (
        between(CLAIM, "CLAIM: &str = \"", "\";"),
        between(session, "SESSION: &str = \"", "\";"),
    )
}

/// 50,000 jobs wait; `soak` has a million.
#[tokio::test]
async fn the_claim_reads_no_table_as_a_whole() {
    look(50_000).await;
}

pub(crate) async fn look(jobs: usize) -> String {
    let place = Place::new().await;
    place
        .database
        .execute(&format!(
            "INSERT INTO job (kind, priority, timeout_ms, payload)
             SELECT 'test.scripted', number % 5, 1000, 'null' FROM generate_series(1, {jobs}) AS number;
             ANALYZE job"
        ))
        .await;
    let (claim, session) = statements();
    let client = place.database.client().await;
    client.batch_execute(session).await.unwrap();
    let prepared = format!(
        "PREPARE claim AS {claim};
         BEGIN"
    );
    client.batch_execute(&prepared).await.unwrap();
    let rows = client
        .simple_query(
            "EXPLAIN (ANALYZE, BUFFERS) EXECUTE claim ('{0,1,2,3,4}', array_fill('test.scripted'::text, '{5}'),
             '{20,20,20,20,20}', '{20,20,20,20,20}', array_fill('epoch'::timestamptz, '{5}'), '{0,0,0,0,0}',
             1, 100, 99, '00000000-0000-0000-0000-000000000001')",
        )
        .await
        .unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    let plan: Vec<String> = rows
        .iter()
        .filter_map(|row| match row {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .collect();
    let plan = plan.join("\n");
    assert!(plan.contains("Index Scan using job_claim_idx on job"), "{plan}");
    assert!(plan.contains("Index Scan using job_pkey on job"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
    assert!(!plan.contains("Sort Method: external"), "{plan}");
    plan
}
