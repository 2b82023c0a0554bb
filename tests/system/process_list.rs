//! The process list has no secret in it, neither while init jobs run nor while the scripts run that
//! start them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::init_jobs::{ADMIN_PASSWORD, Environment, STEPS};
use crate::pod::MIGRATION;
use crate::repository;

/// As a Secret holds the administrator's password.
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";

/// A cluster of one CronJob, which runs as a process of this machine.
const KUBECTL: &str = r#"#!/bin/bash
case "$*" in
  "config current-context") echo here ;;
  *"get cronjob "*"go-template"*) echo "order-food-postgres-admin postgres-admin-password" ;;
  *"get secret "*) echo "there postgres-admin-password" ;;
  *"get pods "*restartCount*) echo "pod-1 job 0 2026-01-01T00:00:00Z" ;;
  *"get pods "*) ;;
  *"logs "*) exec database-migration roles apply ;;
  *"get job "*) echo Complete ;;
esac
"#;

/// Looks at the arguments of every process, over and over.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    seen: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn start() -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let seen = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !until.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc").unwrap().flatten() {
                    let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                    seen.insert(String::from_utf8_lossy(&arguments).replace('\0', " "));
                }
            }
            seen
        });
        Watch { stop, seen }
    }

    pub(crate) fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.seen.join().unwrap()
    }
}

const SECRETS: [&str; 3] = [ADMIN_PASSWORD, ENCODED, "staple-4711"];

fn with_any_of<'seen>(secrets: &[&str], seen: &'seen BTreeSet<String>) -> Vec<&'seen String> {
    let is_secret = |arguments: &&String| secrets.iter().any(|secret| arguments.contains(secret));
    seen.iter().filter(is_secret).collect()
}

#[tokio::test]
async fn no_secret_is_an_argument_of_an_init_job() {
    let environment = Environment::new().await;
    let watch = Watch::start();

    for (program, arguments, _) in STEPS {
        let output = environment.run(program, arguments).await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
    }

    let seen = watch.stop();
    assert_eq!(with_any_of(&SECRETS, &seen), Vec::<&String>::new());
    for (program, arguments, _) in STEPS {
        let command = format!("{program} {} ", arguments.join(" "));
        assert!(
            seen.iter().any(|seen| seen.ends_with(&command)),
            "{command}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn no_secret_is_an_argument_of_what_a_trigger_script_starts() {
    let environment = Environment::new().await;
    let folder = environment.data.folder();
    let kubectl = folder.join("kubectl");
    std::fs::write(&kubectl, KUBECTL).unwrap();
    std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = repository::path("scripts/trigger-db-role-grant-job.sh");
    let commands = format!("PATH=$PWD:$PATH {} dev", script.display());
    let watch = Watch::start();

    let pod = environment.pod(MIGRATION, &["roles", "apply"]);
    let output = pod.shell(folder, &commands).await;

    let seen = watch.stop();
    assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    output.assert_stdout("Job completed successfully!");
    assert_eq!(with_any_of(&SECRETS, &seen), Vec::<&String>::new());
    for command in [
        "kubectl --namespace default ",
        "init-job.sh grant-db-roles dev ",
        "database-migration roles apply ",
    ] {
        assert!(
            seen.iter().any(|seen| seen.contains(command)),
            "{command}: {seen:?}"
        );
    }
}

#[test]
fn a_secret_that_is_an_argument_is_found() {
    let watch = Watch::start();

    let status = Command::new("sh")
        .args(["-c", "sleep 0.3", "canary-4711"])
        .status();

    assert!(status.unwrap().success());
    assert!(!with_any_of(&["canary-4711"], &watch.stop()).is_empty());
}
