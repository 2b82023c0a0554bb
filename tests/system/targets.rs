//! `--targets`: several databases one after the other, and standbys that replay.

use test_support::{Data, Output, OwnCluster, json_lines};

use crate::pod::{LOAD, MIGRATION, Pod};

/// The file of the targets, each with a file of its URL beside it.
fn targets(folder: &Data, targets: &[(&str, &str)]) -> String {
    let target = |(name, url): &(&str, &str)| {
        folder.write(&format!("{name}.url"), url);
        format!("[[target]]\nname = \"{name}\"\nregion = \"region-{name}\"\nurl_file = \"{name}.url\"\n")
    };
    folder.write("targets.toml", &targets.iter().map(target).collect::<String>())
}

/// Its own database cannot be reached.
fn pod() -> Pod {
    Pod::without_database()
}

async fn run(program: &str, file: &str, more: &[&str]) -> Output {
    let arguments = [&["--targets", file, "--wait-timeout", "20"], more].concat();
    pod().run(program, &arguments).await
}

/// The lines with run ids and positions left out.
fn said(output: &Output) -> Vec<String> {
    let without = |line: &str| {
        let words = line
            .split(' ')
            .filter(|word| word.len() < 30 && !word.contains('/'));
        words.collect::<Vec<_>>().join(" ")
    };
    output.stdout.lines().map(without).collect()
}

async fn products(cluster: &OwnCluster) -> i64 {
    let query = "SELECT count(*) FROM products";
    cluster.client().await.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn primaries_are_brought_up_one_by_one_and_a_standby_has_it_all_in_the_end() {
    let (mut first, second, folder) = (OwnCluster::start(), OwnCluster::start(), Data::scratch());
    let standby = first.standby();
    let urls = [standby.url(), first.url(), second.url()];
    let file = targets(
        &folder,
        &[("replica", &urls[0]), ("west", &urls[1]), ("north", &urls[2])],
    );

    let migrated = run(MIGRATION, &file, &[]).await;
    let again = run(MIGRATION, &file, &[]).await;
    let loaded = run(LOAD, &file, &[]).await;
    let has_replayed = products(&standby).await;
    let loaded_again = run(LOAD, &file, &[]).await;

    for output in [&migrated, &again, &loaded, &loaded_again] {
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
        assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
        output.assert_stderr("done: 3 of 3 targets");
    }
    let (changed, unchanged) = (said(&migrated), said(&again));
    assert!(
        changed[0].starts_with("west (region-west, primary): run outcome changed, version "),
        "{changed:?}"
    );
    assert!(
        changed[1].starts_with("north (region-north, primary): run outcome changed"),
        "{changed:?}"
    );
    assert_eq!(changed[2], "replica (region-replica, standby): replayed");
    assert!(unchanged[1].contains("outcome unchanged"), "{unchanged:?}");
    assert!(has_replayed > 0 && has_replayed == products(&second).await);
    let log = json_lines(&migrated.stderr);
    for (region, at_least) in [("region-west", 3), ("region-north", 3)] {
        let of_region = log.iter().filter(|line| line["target_region"] == region);
        assert!(of_region.count() >= at_least, "{}", migrated.stderr);
    }
}

#[tokio::test]
async fn the_first_failure_ends_it_and_the_next_call_does_the_rest() {
    let (first, last, folder) = (OwnCluster::start(), OwnCluster::start(), Data::scratch());
    let urls = [
        first.url(),
        "postgres://nobody:hunter2@127.0.0.1:1/x".into(),
        last.url(),
    ];
    let file = targets(&folder, &[("a", &urls[0]), ("b", &urls[1]), ("c", &urls[2])]);

    let stopped = pod()
        .run(MIGRATION, &["--targets", &file, "--wait-timeout", "1"])
        .await;
    let none: i64 = last
        .client()
        .await
        .query_one("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", &[])
        .await
        .unwrap()
        .get(0);
    targets(&folder, &[("a", &urls[0]), ("b", &urls[0]), ("c", &urls[2])]);
    let resumed = run(MIGRATION, &file, &[]).await;

    assert_eq!(stopped.code, Some(3), "{}", stopped.stderr);
    let last_line = stopped.stderr.lines().last().unwrap();
    for part in [
        "target b (region-b): ",
        "cannot be reached",
        "Not done: c; run it again for the rest",
    ] {
        assert!(last_line.contains(part), "{last_line}");
    }
    assert!(!(stopped.stderr + &stopped.stdout).contains("hunter2"));
    assert_eq!((none, stopped.stdout.lines().count()), (0, 1));
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    let outcomes: Vec<bool> = said(&resumed)
        .iter()
        .map(|line| line.contains("outcome changed"))
        .collect();
    assert_eq!(outcomes, [false, false, true], "{}", resumed.stdout);
}

#[tokio::test]
async fn a_standby_that_does_not_replay_is_named_and_so_is_one_without_its_primary() {
    let (mut primary, folder) = (OwnCluster::start(), Data::scratch());
    let standby = primary.standby();
    let urls = [primary.url(), standby.url()];
    let file = targets(&folder, &[("west", &urls[0]), ("replica", &urls[1])]);
    let pause = "SELECT pg_wal_replay_pause()";
    standby.client().await.execute(pause, &[]).await.unwrap();

    let held = pod()
        .run(MIGRATION, &["--targets", &file, "--wait-timeout", "2"])
        .await;
    let resume = "SELECT pg_wal_replay_resume()";
    standby.client().await.execute(resume, &[]).await.unwrap();
    let replayed = run(MIGRATION, &file, &[]).await;
    targets(&folder, &[("replica", &urls[1])]);
    let alone = run(LOAD, &file, &[]).await;

    assert_eq!(held.code, Some(6), "{}", held.stderr);
    held.assert_stderr("target replica (region-replica): it has not replayed ");
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    assert_eq!(alone.code, Some(9), "{}", alone.stderr);
    alone.assert_stderr("its primary is none of the targets");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_ends_with_2_and_nothing_is_tried() {
    let folder = Data::scratch();
    let target = |name: &str| format!("[[target]]\nname = \"{name}\"\nregion = \"r\"\nurl_file = \"u\"\n");
    for (text, expected) in [
        (String::new(), "missing field `target`"),
        ("target = []".into(), "names no [[target]]"),
        (target("a") + &target("a"), "two targets are called a"),
        (target(" "), "a name or a region is empty"),
        (
            target("a") + "url = \"postgres://u:hunter2@h/d\"",
            "unknown field `url`",
        ),
    ] {
        let file = folder.write("targets.toml", &text);
        for program in [MIGRATION, LOAD] {
            let output = run(program, &file, &[]).await;
            assert_eq!(output.code, Some(2), "{text}: {}", output.stderr);
            assert!(output.stderr.contains(expected), "{text}: {}", output.stderr);
            assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        }
    }
    for (program, command) in [(MIGRATION, "status"), (LOAD, "verify")] {
        let output = pod().run(program, &[command, "--targets", "/nowhere"]).await;
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        output.assert_stderr("--targets goes with");
    }
}

#[tokio::test]
async fn the_region_stands_on_lines_of_text_too() {
    let pod = Pod::without_database().with("LOG_FORMAT", "text");
    for region in ["westeurope", "us east"] {
        let pod = pod.clone().with("TARGET_REGION", region);
        for program in [MIGRATION, LOAD] {
            let log = pod.run(program, &["--wait-timeout", "1"]).await.stderr;
            let is_event = |line: &&str| {
                [" INFO ", " WARN ", "ERROR "]
                    .iter()
                    .any(|level| line.contains(level))
            };
            let events: Vec<&str> = log.lines().filter(is_event).collect();
            let end = format!(" target_region=\"{region}\"");
            assert!(!events.is_empty(), "{log}");
            assert!(events.iter().all(|line| line.ends_with(&end)), "{log}");
        }
    }
    let log = pod.run(MIGRATION, &["--wait-timeout", "1"]).await.stderr;
    assert!(!log.contains("target_region"), "{log}");
}
