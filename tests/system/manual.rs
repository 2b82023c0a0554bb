//! The commands of docs/OPERATIONS.md and of the runbook of jobs work on a running system.
//!
//! Their kubectl commands need a cluster: `make e2e-k8s` runs them.

use test_support::{Data, TestDatabase};

use crate::pod::Pod;
use crate::repository;

/// A block of code of the manual.
struct Block {
    section: String,
    language: String,
    text: String,
}

fn blocks(manual: &str) -> Vec<Block> {
    let (mut found, mut section) = (Vec::new(), String::new());
    let mut lines = manual.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            section = line.trim_start_matches(['#', ' ']).to_owned();
        }
        let Some(language) = line.strip_prefix("```").map(str::to_owned) else {
            continue;
        };
        let text: Vec<&str> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .collect();
        found.push(Block {
            section: section.clone(),
            language,
            text: text.join("\n") + "\n",
        });
    }
    found
}

fn manual() -> String {
    repository::text("docs/OPERATIONS.md")
}

fn runbook() -> String {
    repository::text("docs/operations/job_runbook.md")
}

/// The chapters that say what to type for an alert or a question.
fn on_call(manual: &str) -> &str {
    let (_, rest) = manual.split_once("\n## Alerts\n").unwrap();
    let (chapters, _) = rest.split_once("\n## Exit codes").unwrap();
    chapters
}

fn is_for_a_cluster(block: &Block) -> bool {
    block.text.contains("kubectl ")
}

/// The blocks of commands for a cluster, in their order.
pub(crate) fn cluster_commands() -> Vec<String> {
    let found = blocks(on_call(&manual())).into_iter().filter(is_for_a_cluster);
    found.map(|block| block.text).collect()
}

/// The blocks of the runbook for a cluster, in their order; its namespace is `order-food`.
pub(crate) fn cluster_commands_of_the_runbook() -> Vec<String> {
    let blocks = blocks(&runbook()).into_iter();
    let found = blocks.filter(|block| block.language == "sh" && is_for_a_cluster(block));
    found.map(|block| block.text).collect()
}

/// The expressions of the runbook, a line each.
pub(crate) fn expressions_of_the_runbook() -> Vec<String> {
    let blocks = blocks(&runbook()).into_iter();
    let found = blocks.filter(|block| block.language == "promql");
    found
        .flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

const ORDER: &str = r#"{"items":[{"productId":"1","quantity":1}]}"#;
const PRICE: &str = "SELECT price FROM products WHERE id = 1";

/// Commands of the manual, and what must be so afterwards.
const EFFECTS: [(&str, &str, &str); 4] = [
    ("database-load run -p default\n", PRICE, "13.09"),
    ("database-load rollback -p default --previous\n", PRICE, "12.99"),
    ("database-load run -p default --force\n", PRICE, "13.09"),
    (
        "SET revoked_at = now()",
        "SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL",
        "1",
    ),
];

#[tokio::test]
async fn every_command_for_an_alert_or_a_question_works_on_a_running_system() {
    let (database, data) = (TestDatabase::empty().await.as_superuser(), Data::copy());
    let mut pod = Pod::on(&database).data(data.folder());
    for role in [
        "ROLE_OWNER",
        "ROLE_MIGRATOR",
        "ROLE_APP",
        "ROLE_LOADER",
        "ROLE_WORKER",
        "ROLE_READONLY",
    ] {
        pod = pod.with(role, format!("{}_{}", database.name(), role.to_lowercase()));
    }
    pod.migrate().await;
    pod.load().await;
    let cheaper = data.read("default/products.csv");
    data.write("default/products.csv", &cheaper.replace("12.99", "13.09"));
    pod.load().await;
    let api = pod.serve().await;
    let placed = api.order(ORDER).await;
    let pod = pod
        .with("API", format!("http://127.0.0.1:{}", api.port))
        .with("API_KEY", "apitest")
        .with("ORDER_ID", placed.member("id"))
        .with("NEW_PASSWORD", "new");
    let key = database
        .value("SELECT id FROM api_keys ORDER BY id LIMIT 1")
        .await;
    let manual = manual();

    let (mut commands, mut statements, mut effects) = (0, 0, 0);
    for block in blocks(on_call(&manual)) {
        if is_for_a_cluster(&block) {
            continue;
        }
        match block.language.as_str() {
            "sh" => {
                let output = pod.shell(data.folder(), &block.text).await;
                let what = format!("{}: {}{}", block.section, block.text, output.stderr);
                assert_eq!(output.code, Some(0), "{what}");
                assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{what}");
                commands += 1;
            }
            "sql" => {
                database
                    .execute(&block.text.replace("'…'", &format!("'{key}'")))
                    .await;
                statements += 1;
            }
            other => panic!("{}: a block of {other:?}", block.section),
        }
        for (command, question, answer) in EFFECTS {
            if block.text.contains(command) {
                let value = database.value(question).await;
                assert_eq!(value, answer, "{}: {command}", block.section);
                effects += 1;
            }
        }
    }

    assert!(commands >= 15 && statements >= 6, "{commands} {statements}");
    assert!(effects >= EFFECTS.len(), "{effects}");
    assert_eq!(api.order(ORDER).await.status(), 403);
    let password = format!(
        "SELECT rolcanlogin FROM pg_roles WHERE rolname = '{}_role_app'",
        database.name()
    );
    assert_eq!(database.value(&password).await, "t");
}

#[tokio::test]
async fn every_statement_of_the_manual_is_understood_by_the_database() {
    let database = TestDatabase::migrated().await;
    let manual = manual();

    let mut count = 0;
    for block in blocks(&manual).iter().filter(|block| block.language == "sql") {
        database
            .execute(&block.text.replace("'…'", "gen_random_uuid()"))
            .await;
        count += 1;
    }

    assert!(count >= 8, "{count}");
}

/// A job whose payload does not fit its kind: the worker makes a dead letter of it.
const UNFIT: &str = "INSERT INTO job (kind, priority, payload, timeout_ms) VALUES ('maintenance.job_retention', 4, '\"?\"', 1000)";

#[tokio::test]
async fn every_command_of_the_runbook_works_on_a_running_system() {
    let database = TestDatabase::migrated().await;
    let pod = Pod::on(&database);
    let worker = pod.work().await;
    database.execute(UNFIT).await;
    let dead = "SELECT count(*) FROM job_dead WHERE reason = 'permanent'";
    database.until("a dead letter", dead, "1").await;
    let id = database.value("SELECT id FROM job_dead").await;
    let pod = pod.with("DEAD", id);

    let mut commands = 0;
    for block in blocks(&runbook()) {
        if block.language != "sh" || is_for_a_cluster(&block) {
            assert!(["sh", "text", "yaml", "promql"].contains(&block.language.as_str()));
            continue;
        }
        let output = pod.shell(&repository::path(""), &block.text).await;
        let what = format!("{}: {}{}", block.section, block.text, output.stderr);
        assert_eq!(output.code, Some(0), "{what}");
        for (command, question, answer) in EFFECTS_OF_JOBS {
            if block.text.contains(command) {
                assert_eq!(database.value(question).await, answer, "{command}");
            }
        }
        commands += block.text.lines().count();
    }

    assert!(commands >= 18, "{commands}");
    database
        .until("the replayed job has failed again", dead, "2")
        .await;
    worker.stop().await;
}

/// Commands of the runbook, and what must be so afterwards.
const EFFECTS_OF_JOBS: [(&str, &str, &str); 3] = [
    ("drain --wait 60s", "SELECT count(*) FROM job_control", "3"),
    ("resume '*'", "SELECT count(*) FROM job_control", "0"),
    (
        "dead-letters replay $DEAD",
        "SELECT count(*) FROM job_dead WHERE replayed_as IS NOT NULL",
        "1",
    ),
];

#[test]
fn every_link_of_the_runbook_leads_to_a_file_and_a_heading() {
    let folder = repository::path("docs/operations");
    let text = runbook();
    let links = text
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap());
    let mut count = 0;
    for link in links.filter(|link| !link.starts_with("http")) {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = match file {
            "" => folder.join("job_runbook.md"),
            file => folder.join(file),
        };
        let target = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{link}"));
        let mut headings = target.lines().filter(|line| line.starts_with('#')).map(anchor);
        assert!(
            heading.is_empty() || headings.any(|found| found == heading),
            "{link}"
        );
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

/// What GitHub calls a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches(['#', ' ']).to_lowercase();
    let kept = kept
        .chars()
        .filter(|next| next.is_alphanumeric() || " -_".contains(*next));
    kept.map(|next| if next == ' ' { '-' } else { next }).collect()
}

#[test]
fn every_link_within_the_manual_leads_somewhere() {
    let manual = manual();
    let anchors: Vec<String> = manual
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(anchor)
        .collect();

    let links = manual
        .split("](#")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap());
    let broken: Vec<&str> = links
        .filter(|link| !anchors.iter().any(|anchor| anchor == link))
        .collect();

    assert_eq!(broken, Vec::<&str>::new());
}
