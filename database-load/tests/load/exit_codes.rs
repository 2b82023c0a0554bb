//! Exit codes of the program and the failures that lead to them.

use test_support::TestDatabase;

use crate::fixture::{Data, load_binary, loaded, outcomes, places, products_lock, run_with, spawn};

#[tokio::test]
async fn each_sample_key_is_refused_in_production() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let environment = [
        ("ENVIRONMENT", "production"),
        ("API_KEY_HASH_KEY", "a secret of production"),
    ];

    for line in [2, 9] {
        let output = run_with(&database, &data, &[], &environment).await.exits(2);

        let refused = format!("api_keys.json:{line} is marked `development`");
        output.assert_stderr(&refused);
        output.assert_stderr("; name another profile with -p or PROFILES");
        assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
        data.edit(
            "default/api_keys.json",
            "\"development\": true",
            "\"development\": false",
        );
    }
    assert_eq!(outcomes(&database).await, ["failed", "failed"]);
}

#[tokio::test]
async fn production_wants_a_hash_key_of_its_own() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    for key in ["", "order-food-development-hash-key", "short"] {
        let environment = [("ENVIRONMENT", "production"), ("API_KEY_HASH_KEY", key)];
        let output = run_with(&database, &data, &[], &environment).await;
        assert_eq!(output.code, Some(2), "{key}: {}", output.stderr);
        output.assert_stderr("API_KEY_HASH_KEY");
    }
}

#[tokio::test]
async fn usage_and_missing_sources_exit_2() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.write(
        "lost.toml",
        "[operations.products]\nsources = [\"nowhere.csv\"]\n",
    );
    data.write(
        "odd.toml",
        "[operations.products]\nsources = [\"default.toml\"]\n",
    );
    data.write(
        "cycle.toml",
        "[operations.products]\nneeds = [\"products\"]\nsources = [\"default/products.csv\"]\n",
    );
    for (arguments, says) in [
        (["-p", "lost"], "nowhere.csv"),
        (["-p", "odd"], "the name ends in none of"),
        (["-p", "cycle"], "cycle"),
        (["-p", "nothing"], "nothing.toml"),
        (["--no-such", "flag"], "--no-such"),
        (["--wait-timeout", "soon"], "seconds"),
        (["--config", "/nowhere.toml"], "/nowhere.toml"),
    ] {
        let output = load_binary(&database, &data, &arguments).await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.contains(says), "{arguments:?}: {}", output.stderr);
    }
    assert_eq!(places(&database).await, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn a_failed_load_logs_its_bad_rows_and_one_error_the_last_line() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.write(
        "default/products.csv",
        "id,name,price,category\n1,,-1,Waffle\n2,,-1,Waffle\n",
    );

    let output = run_with(&database, &data, &[], &[("LOG_FORMAT", "json")])
        .await
        .exits(10);

    let is_error = |line: &str| line.contains(r#""level":"ERROR""#);
    let errors = output.stderr.lines().filter(|line| is_error(line)).count();
    assert_eq!(errors, 1, "{}", output.stderr);
    for row in ["products.csv:2", "products.csv:3"] {
        output.assert_stderr(row);
    }
    assert!(
        is_error(output.stderr.lines().last().unwrap()),
        "{}",
        output.stderr
    );
    assert_eq!(outcomes(&database).await, ["failed"]);
}

#[tokio::test]
async fn a_missing_schema_exits_9_after_the_wait() {
    let (database, data) = (TestDatabase::empty().await, Data::copy());

    let output = load_binary(&database, &data, &["--wait-timeout", "0"])
        .await
        .exits(9);

    output.assert_stderr("database-migration up");
}

#[tokio::test]
async fn a_schema_that_arrives_while_waiting_is_enough() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    database
        .execute("ALTER TABLE migration_details RENAME TO later")
        .await;
    let mut process = spawn(&database, &data, &[], &[]);
    process.wait_for_text("waiting for the schema").await;

    database
        .execute("ALTER TABLE later RENAME TO migration_details")
        .await;

    process.wait_output().await.exits(0);
    assert_eq!(database.value("SELECT count(*) FROM products").await, "10");
}

#[tokio::test]
async fn a_newer_schema_is_used_while_it_says_that_it_is_compatible() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('0999');
                 INSERT INTO migration_details SELECT '0999', 'newer', up_sha256, down_sha256, 1, build,
                 min_compatible_schema FROM migration_details WHERE version = '0001'";
    database.execute(newer).await;
    load_binary(&database, &data, &[]).await.exits(0);

    database
        .execute("UPDATE migration_details SET min_compatible_schema = 999 WHERE version = '0999'")
        .await;
    load_binary(&database, &data, &[]).await.exits(7);
}

#[tokio::test]
async fn status_shows_versions_and_runs() {
    let (database, data) = loaded().await;
    data.load(&database).await;

    let output = load_binary(&database, &data, &["status"]).await.exits(0);

    for text in ["default", "products 10", "changed", "unchanged"] {
        output.assert_stdout(text);
    }
    assert!(!output.stdout.contains("sum"), "{}", output.stdout);
}

#[tokio::test]
async fn neither_keys_nor_addresses_are_logged() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    data.edit(
        "default/users.json",
        "kitchen@example.com",
        "kitchen@example.com and more",
    );
    data.edit("default/api_keys.json", "\"apitest\"", "\"apitest \"");

    let output = run_with(&database, &data, &[], &[("LOG_LEVEL", "trace")])
        .await
        .exits(10);

    for secret in ["apitest", "kitchen@"] {
        assert!(!output.stderr.contains(secret), "{}", output.stderr);
    }
}

#[tokio::test]
async fn what_is_no_regular_file_exits_2_at_once() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let pipe = std::process::Command::new("mkfifo")
        .arg(data.path("pipe.csv"))
        .status()
        .unwrap();
    assert!(pipe.success());
    std::fs::create_dir(data.path("folder.csv")).unwrap();
    std::fs::rename(data.path("pipe.csv"), data.path("pipe.toml")).unwrap();
    std::os::unix::fs::symlink(data.path("pipe.toml"), data.path("pipe.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", data.path("zero.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", data.path("zero.toml")).unwrap();
    for (name, says) in [
        ("pipe", "is no regular file"),
        ("zero", "is no regular file"),
        ("folder", "is a directory"),
    ] {
        data.bring_products(&format!("\"{name}.csv\""));
        let source = load_binary(&database, &data, &[]).await;
        assert_eq!(source.code, Some(2), "{name}: {}", source.stderr);
        assert!(source.stderr.contains(says), "{name}: {}", source.stderr);
    }
    for name in ["pipe", "zero"] {
        let profile = load_binary(&database, &data, &["-p", name]).await;
        assert_eq!(profile.code, Some(2), "{name}: {}", profile.stderr);
        profile.assert_stderr("is no regular file");
    }
}

#[tokio::test]
async fn a_missing_source_is_recorded_and_the_last_line_names_its_run() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    std::fs::remove_file(data.path("default/products.csv")).unwrap();

    let output = run_with(&database, &data, &[], &[("LOG_FORMAT", "json")])
        .await
        .exits(2);

    let recorded = "SELECT id, profile, outcome, exit_code, message LIKE '%products.csv%' FROM bootstrap_runs
                    WHERE task = 'database-load'";
    let recorded = database.rows(recorded).await;
    assert_eq!(recorded[0][1..], ["default", "failed", "2", "t"]);
    for part in [
        recorded[0][0].as_str(),
        "failed",
        "\"exit_code\":2",
        "products.csv",
    ] {
        output.assert_last_line(part);
    }
}

#[tokio::test]
async fn options_before_a_command_count_or_are_refused() {
    let (database, data) = (TestDatabase::migrated().await, Data::copy());
    let _holder = products_lock(&database).await;

    load_binary(&database, &data, &["--lock-timeout", "1", "run"])
        .await
        .exits(4);
    let status = load_binary(&database, &data, &["--force", "status"])
        .await
        .exits(2);

    status.assert_stderr("options of `run`");
}
