//! The trigger scripts of the init jobs, with a `kubectl` and an `az` that record their arguments.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use charts_tests::repository;

/// Answers as a cluster in which the Job ends as `OUTCOME` says.
const KUBECTL: &str = r#"#!/bin/bash
echo "$*" >>"$FAKE/calls"
case "$*" in
  "config current-context") echo here ;;
  *"get --raw /readyz") ;;
  *"get cronjob "*" -o go-template"*) echo "order-food-postgres-admin postgres-admin-password" ;;
  *"get cronjob "*) [[ -z ${NO_CRONJOB:-} ]] ;;
  *"get secret "*) [[ -z ${FORBIDDEN:-} ]] || { echo "Error from server (Forbidden): secrets" >&2; exit 1; }
    [[ -n ${NO_SECRET:-} || "$*" == *"get secret ${ABSENT:-none} "* ]] || echo "there ${KEYS-postgres-admin-password url}" ;;
  *"create --dry-run=client -o go-template"*secretName*) echo "${SECRETS-order-food-database url}" ;;
  *"create --dry-run=client -o go-template"*) echo "$JOBS" ;;
  *"-f -"*) cat >/dev/null; echo changed ;;
  *"create -f "* | *"apply -f "* | *"delete job "*) echo changed ;;
  *"create job "*) echo "job created" ;;
  *"get pods "*restartCount*) echo "pod-1 job 0 2026-01-01T00:00:00Z" ;;
  *"get pods "*exitCode*) [[ $OUTCOME != Failed ]] || echo "job ended with 9: the schema is missing" ;;
  *"logs "*) echo "granted to order_food_app" ;;
  *"get job ${FAILS:-none} "*range*True*) echo Failed ;;
  *"get job "*range*True*) echo "$OUTCOME" ;;
  *"get job "*) echo "BackoffLimitExceeded: too many failures" ;;
  *"get jobs "*) printf '%s\n' 'order-food-init-grant-db-roles-dev a-run Complete a b' 'order-food-init-grant-db-roles-staging another Failed a b' ;;
  *) exit 1 ;;
esac
"#;

/// Answers as a subscription in which the execution ends as `OUTCOME` says.
const AZ: &str = r#"#!/bin/bash
echo "$*" >>"$FAKE/calls"
case "$*" in
  "account show"*) ;;
  "containerapp job show"*) [[ -z ${NO_CRONJOB:-} ]] ;;
  "containerapp job start"*) echo execution-1 ;;
  "containerapp job execution show"*) echo "$OUTCOME" ;;
  "containerapp job execution list"*) echo "Status StartTime EndTime" ;;
  "containerapp job logs show"*) echo "granted to order_food_app" ;;
  *) exit 1 ;;
esac
"#;

/// A folder of programs that stand in for the command line of a cluster.
pub(crate) struct Fake(PathBuf);

/// What a script printed.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Fake {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("init-jobs-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (program, text) in [("kubectl", KUBECTL), ("az", AZ)] {
            let file = folder.join(program);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = Command::new(repository().join("scripts").join(script))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.0.display()))
            .env("FAKE", &self.0)
            .env("OUTCOME", "Complete")
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn calls(&self) -> String {
        std::fs::read_to_string(self.0.join("calls")).unwrap_or_default()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every trigger script with the purpose of its job.
const SCRIPTS: [(&str, &str); 5] = [
    ("trigger-db-role-grant-job.sh", "grant-db-roles"),
    ("trigger-db-migration-job.sh", "db-migration"),
    ("trigger-seed-data-job.sh", "seed-data"),
    ("trigger-multi-region-setup-job.sh", "multi-region-setup"),
    (
        "trigger-validate-infrastructure-job.sh",
        "validate-infrastructure",
    ),
];

#[test]
fn a_trigger_prints_its_four_lines_around_the_log_of_the_job() {
    for (script, purpose) in SCRIPTS {
        for (given, short) in [("dev", "dev"), ("test", "staging"), ("production", "prod")] {
            let fake = Fake::new(&format!("{purpose}-{given}"));
            let said = fake.run(script, &[given], &[]);
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.error);
            let expected = [
                format!("=== Starting Job: {purpose} ==="),
                "Step 1: Checking prerequisites...".to_owned(),
                "Step 2: Executing task...".to_owned(),
                "granted to order_food_app".to_owned(),
                "✓ Job completed successfully!".to_owned(),
            ];
            let lines: Vec<&str> = said.out.lines().collect();
            let places: Vec<usize> = expected
                .iter()
                .map(|line| lines.iter().position(|found| found == line).unwrap())
                .collect();
            assert!(places.is_sorted(), "{lines:?}");
            let job = format!("order-food-init-{purpose}-{short}");
            let created = fake.calls();
            let created = created
                .lines()
                .find(|line| line.contains("create job"))
                .unwrap()
                .to_owned();
            assert!(created.contains(&format!("--from=cronjob/{job}")), "{created}");
            let name = created.split_whitespace().last().unwrap();
            assert!(name.len() <= 63 && name.starts_with("order-food-init-"), "{name}");
        }
    }
}

#[test]
fn what_is_missing_is_one_line_and_nothing_is_started() {
    let no_cronjob = ("NO_CRONJOB", "1");
    let (azure, moon) = (("PLATFORM", "azure"), ("PLATFORM", "moon"));
    let (grant, status) = ("trigger-db-role-grant-job.sh", "init-job-status.sh");
    for (name, script, arguments, environment, hint) in [
        ("none", grant, &[][..], &[][..], "expected an environment"),
        ("unknown", grant, &["qa"], &[], "not \"qa\""),
        (
            "cronjob",
            grant,
            &["dev"],
            &[no_cronjob],
            "helm upgrade --install init-jobs",
        ),
        (
            "secret",
            grant,
            &["dev"],
            &[("NO_SECRET", "1")],
            "there is no Secret order-food-postgres-admin",
        ),
        (
            "key",
            grant,
            &["dev"],
            &[("KEYS", "url")],
            "has no key postgres-admin-password",
        ),
        (
            "platform",
            grant,
            &["dev"],
            &[moon],
            "expected kubernetes or azure",
        ),
        (
            "azure",
            grant,
            &["dev"],
            &[azure, no_cronjob],
            "no Container Apps job order-food-init-grant-db-roles-dev",
        ),
        (
            "purpose",
            status,
            &["nothing", "dev"],
            &[no_cronjob],
            "there is no CronJob",
        ),
        (
            "region",
            status,
            &["multi-region-setup", "dev"],
            &[no_cronjob],
            "multiRegionSetup.enabled=true",
        ),
        ("place", status, &["seed-data", "dev"], &[moon], "not moon"),
    ] {
        let fake = Fake::new(name);
        let said = fake.run(script, arguments, environment);
        let lines = said.error.lines().count();
        assert_eq!((said.code, lines), (Some(1), 1), "{}", said.error);
        assert!(said.error.contains(hint), "{}", said.error);
        let calls = fake.calls();
        assert!(
            !calls.contains("create job") && !calls.contains("job start"),
            "{calls}"
        );
    }
}

#[test]
fn a_job_that_fails_fails_the_script() {
    for (platform, outcome) in [("kubernetes", "Failed"), ("azure", "Failed")] {
        let fake = Fake::new(&format!("fails-{platform}"));
        let said = fake.run(
            "trigger-seed-data-job.sh",
            &["staging"],
            &[("PLATFORM", platform), ("OUTCOME", outcome)],
        );
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(!said.out.contains('✓'), "{}", said.out);
        assert!(said.out.contains("granted to"), "{}", said.out);
        if platform == "kubernetes" {
            let (message, reason) = ("job ended with 9: the schema is missing", "BackoffLimitExceeded");
            assert!(said.error.contains(message), "{}", said.error);
            assert!(said.error.contains(reason), "{}", said.error);
        }
    }
}

#[test]
fn azure_starts_the_job_of_the_resource_group() {
    let fake = Fake::new("azure-starts");
    let said = fake.run(
        "trigger-db-migration-job.sh",
        &["dev"],
        &[("PLATFORM", "azure"), ("OUTCOME", "Succeeded")],
    );
    assert_eq!(said.code, Some(0), "{}", said.error);
    let start =
        "containerapp job start --name order-food-init-db-migration-dev --resource-group order-food-rg-dev";
    assert!(fake.calls().contains(start), "{}", fake.calls());
}

#[test]
fn azure_shows_the_log_of_the_container_of_each_job() {
    let terraform = repository().join("deploy/terraform/azure-container-apps/init-jobs.tf");
    let terraform = std::fs::read_to_string(terraform).unwrap();
    for (script, purpose) in SCRIPTS {
        // A job's container is named before the job's tags, where its name stands last.
        let Some((before, _)) = terraform.rsplit_once(&format!("(local.init_job_name, \"{purpose}\")"))
        else {
            continue;
        };
        let container = before.rsplit_once("container {").unwrap().1;
        let container = container.split('"').nth(1).unwrap();
        let fake = Fake::new(&format!("azure-log-{purpose}"));
        let on_azure = [("PLATFORM", "azure"), ("OUTCOME", "Succeeded")];
        let said = fake.run(script, &["dev"], &on_azure);
        assert_eq!(said.code, Some(0), "{}", said.error);
        let log = format!("--container {container}\n");
        assert!(fake.calls().contains(&log), "{log}: {}", fake.calls());
    }
}

#[test]
fn the_status_is_a_table_of_the_environment_alone() {
    let fake = Fake::new("status");
    let said = fake.run("init-job-status.sh", &["grant-db-roles", "dev"], &[]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    let rows: Vec<Vec<&str>> = said
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let job = "a-run";
    assert_eq!(
        rows,
        [
            ["Job", "Status", "StartTime", "EndTime"],
            [job, "Complete", "a", "b"]
        ]
    );
    let said = fake.run(
        "init-job-status.sh",
        &["seed-data", "prod"],
        &[("PLATFORM", "azure")],
    );
    assert!(said.out.contains("Status StartTime EndTime"), "{}", said.out);
}

#[test]
fn who_may_not_read_secrets_may_start_a_job_and_is_told() {
    let fake = Fake::new("forbidden");
    let said = fake.run("trigger-db-role-grant-job.sh", &["dev"], &[("FORBIDDEN", "1")]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    let note = "Whether the Secret order-food-postgres-admin is there cannot be seen";
    assert!(said.error.contains(note), "{}", said.error);
}

#[test]
fn the_workflow_has_the_step_of_the_migration_and_every_script() {
    let text =
        std::fs::read_to_string(Path::new(&repository()).join(".github/workflows/init-job.yml")).unwrap();
    assert!(text.contains("- name: Run Database Migration Job"));
    for (script, _) in SCRIPTS {
        let job = script.trim_start_matches("trigger-").trim_end_matches("-job.sh");
        assert!(text.contains(job), "{job}");
    }
}
