//! The init jobs as their containers run them: each may run twice, and none shows a password.

use test_support::{Cluster, Data, Output, OwnCluster, TestDatabase, json_lines};

use crate::pod::{LOAD, MIGRATION, Pod};

pub(crate) const ADMIN_PASSWORD: &str = "correct-horse-battery";

/// What the second run of each job says in its last line or its answer.
pub(crate) const STEPS: [(&str, &[&str], &str); 7] = [
    (MIGRATION, &["roles", "apply"], "outcome unchanged"),
    (MIGRATION, &["up"], "outcome unchanged"),
    (LOAD, &["run", "-p", "default"], "outcome unchanged"),
    (MIGRATION, &["roles", "check"], "the roles are as they should be"),
    (MIGRATION, &["status", "--exit-code"], ""),
    (MIGRATION, &["validate"], ""),
    (LOAD, &["verify"], ""),
];

/// Rows of every table but the record of runs, and who owns and may do what.
const STATE: &str = "
SELECT md5(string_agg(state, ',' ORDER BY state)) FROM (
    SELECT format('%s %s %s', relname, relowner::regrole, relacl) || coalesce(
        (xpath('//row/hash/text()', query_to_xml(format(
            'SELECT md5(string_agg(t::text, '','' ORDER BY t::text)) AS hash FROM %s AS t', pg_class.oid::regclass
        ), true, false, '')))[1]::text, '') AS state
    FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'public'::regnamespace AND relname <> 'bootstrap_runs'
) AS states
";

/// An environment whose administrator has a password.
pub(crate) struct Environment {
    database: TestDatabase,
    pub(crate) data: Data,
    admin: String,
}

impl Environment {
    pub(crate) async fn new() -> Environment {
        let database = TestDatabase::empty().await.as_superuser();
        let admin = format!("{}_admin", database.name());
        let make = format!("CREATE ROLE {admin} SUPERUSER LOGIN PASSWORD '{ADMIN_PASSWORD}'");
        database.execute(&make).await;
        let data = Data::copy();
        data.write("postgres-admin-password", ADMIN_PASSWORD);
        std::fs::create_dir_all(data.folder().join("passwords")).unwrap();
        Environment {
            database,
            data,
            admin,
        }
    }

    /// The variables of the CronJob `grant-db-roles`; the other jobs read a URL.
    pub(crate) fn pod(&self, program: &str, arguments: &[&str]) -> Pod {
        let name = self.database.name();
        let file = |file: &str| self.data.folder().join(file).display().to_string();
        let mut pod = Pod::on(&self.database)
            .data(self.data.folder())
            .with("LOG_LEVEL", "trace")
            .with("ROLE_OWNER", format!("{name}_owner"));
        for (role, variable) in [
            ("migrator", "ROLE_MIGRATOR"),
            ("app", "ROLE_APP"),
            ("loader", "ROLE_LOADER"),
            ("worker", "ROLE_WORKER"),
            ("readonly", "ROLE_READONLY"),
        ] {
            pod = pod.with(variable, format!("{name}_{role}"));
            self.data
                .write(&format!("passwords/{role}"), &format!("{role}-staple-4711"));
        }
        let port = Cluster::shared().port();
        if arguments == ["roles", "apply"] {
            return pod
                .without("DATABASE_URL")
                .with("DB_HOST", "127.0.0.1")
                .with("DB_PORT", port)
                .with("DB_NAME", name)
                .with("DB_USER", &self.admin)
                .with("DB_SSLMODE", "prefer")
                .with("ROLE_PASSWORDS_DIR", file("passwords"))
                .with("DB_PASSWORD_FILE", file("postgres-admin-password"));
        }
        let role = if program == LOAD { "loader" } else { "migrator" };
        let url = format!("postgres://{name}_{role}:{role}-staple-4711@127.0.0.1:{port}/{name}");
        pod.with("DATABASE_URL", url)
    }

    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.pod(program, arguments).run(program, arguments).await
    }

    async fn state(&self) -> String {
        self.database.value(STATE).await
    }
}

#[tokio::test]
async fn every_job_may_run_twice_and_the_second_run_changes_nothing_and_says_so() {
    let environment = Environment::new().await;
    let mut said = String::new();
    for (program, arguments, _) in STEPS {
        let output = environment.run(program, arguments).await;
        assert_eq!(
            output.code,
            Some(0),
            "{arguments:?}: {}{}",
            output.stdout,
            output.stderr
        );
        said = said + &output.stdout + &output.stderr;
    }
    let before = environment.state().await;
    for (program, arguments, expected) in STEPS {
        let output = environment.run(program, arguments).await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
        let answer = output.stdout.clone() + &output.stderr;
        assert!(answer.contains(expected), "{arguments:?}: {answer}");
        said += &answer;
    }
    assert_eq!(environment.state().await, before);
    for secret in [ADMIN_PASSWORD, "staple-4711"] {
        let leaks: Vec<&str> = said.lines().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{secret}: {leaks:#?}");
    }
}

#[tokio::test]
async fn a_wrong_administrators_password_is_one_clear_line_and_changes_nothing() {
    let environment = Environment::new().await;
    environment
        .data
        .write("postgres-admin-password", "wrong-password-4711");

    let output = environment
        .pod(MIGRATION, &["roles", "apply"])
        .with("LOG_LEVEL", "info")
        .run(MIGRATION, &["roles", "apply"])
        .await;

    // Settings: no repetition mends it.
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let all = json_lines(&output.stderr);
    let errors: Vec<&str> = all
        .iter()
        .filter(|line| line["level"] == "ERROR")
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("password"), "{errors:?}");
    assert!(
        !output.stderr.contains("wrong-password-4711"),
        "{}",
        output.stderr
    );
    let made = format!(
        "SELECT count(*) FROM pg_roles WHERE rolname = '{}_app'",
        environment.database.name()
    );
    assert_eq!(environment.database.value(&made).await, "0");
}

#[tokio::test]
async fn the_second_region_is_set_up_on_its_standby_twice_and_nothing_changes_there() {
    let mut primary = OwnCluster::start();
    let on_primary = Pod::at(&primary.url());
    let standby = primary.standby();
    let region = Pod::at(&standby.url()).with("TARGET_REGION", "westeurope");
    let wait = &["wait", "--wait-timeout=60"][..];
    let too_early = region.run(MIGRATION, &["wait", "--wait-timeout=1"]).await;
    assert_eq!(too_early.code, Some(8), "{}", too_early.stderr);

    let apply = on_primary.run(MIGRATION, &["roles", "apply"]).await;
    assert_eq!(apply.code, Some(0), "{}", apply.stderr);
    on_primary.migrate().await;

    for _ in ["first", "second"] {
        for arguments in [wait, &["roles", "check"]] {
            let output = region.run(MIGRATION, arguments).await;
            assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
            let log = json_lines(&output.stderr);
            assert!(
                log.iter().all(|line| line["target_region"] == "westeurope"),
                "{log:?}"
            );
        }
    }
    let missing = "REVOKE SELECT ON orders FROM order_food_app";
    primary.client().await.batch_execute(missing).await.unwrap();
    test_support::eventually("the check on the standby names what is missing", async || {
        let output = region.run(MIGRATION, &["roles", "check"]).await;
        output.code == Some(9) && (output.stdout + &output.stderr).contains("orders")
    })
    .await;
}

#[tokio::test]
async fn a_probe_finds_out_whether_a_run_is_alive() {
    let (database, data) = (TestDatabase::empty().await, Data::copy());
    let file = data.folder().join("alive");
    let pod = Pod::on(&database).with("ALIVE_FILE", file.display());
    for (program, arguments) in [(MIGRATION, ["up"]), (LOAD, ["run"])] {
        let before = pod.run(program, &["alive"]).await;
        assert_eq!(before.code, Some(1), "{program}: {}", before.stderr);
        before.assert_stderr("no run writes");

        assert_eq!(pod.run(program, &arguments).await.code, Some(0));

        let after = pod.run(program, &["alive"]).await;
        assert_eq!(after.code, Some(0), "{program}: {}", after.stderr);
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(90);
        let handle = std::fs::File::options().write(true).open(&file).unwrap();
        handle.set_modified(old).unwrap();
        let hung = pod.run(program, &["alive"]).await;
        assert_eq!(hung.code, Some(1), "{program}: {}", hung.stderr);
        hung.assert_stderr("the run hangs");
        std::fs::remove_file(&file).unwrap();
        let unset = pod.clone().without("ALIVE_FILE").run(program, &["alive"]).await;
        assert_eq!(unset.code, Some(2), "{program}: {}", unset.stderr);
    }
}
