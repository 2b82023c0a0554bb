//! What deploying says before it touches anything.

use std::path::PathBuf;
use std::process::{Command, Output};

use charts_tests::repository;

/// Runs a script with these programs and no others.
fn run(script: &str, programs: &[&str], environment: &[(&str, &str)]) -> Output {
    let path = std::env::temp_dir().join(format!("path-{}-{}", std::process::id(), programs.join("-")));
    std::fs::create_dir_all(&path).unwrap();
    for program in programs {
        let found = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(program));
        let found = found.iter().find(|file| file.exists()).unwrap();
        // Another test may have made it.
        let _ = std::os::unix::fs::symlink(found, path.join(program));
    }
    Command::new("/bin/bash")
        .arg(repository().join(script))
        .env_clear()
        .env("PATH", &path)
        .env("KUBECONFIG", "/dev/null")
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// The one line that a script ends with; it must not have succeeded, nor said anything else.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(
        (output.status.code(), text.lines().count()),
        (Some(1), 1),
        "{output:?}"
    );
    assert!(output.stdout.is_empty(), "{output:?}");
    text.trim().to_owned()
}

#[test]
fn a_missing_tool_is_named_with_what_to_do() {
    for script in [
        "scripts/deploy/deploy.sh",
        "scripts/deploy/undeploy.sh",
        "scripts/deploy/job.sh",
    ] {
        let output = run(script, &["dirname"], &[("JOB", "database-load")]);
        let line = complaint(&output);
        assert!(
            line.starts_with("error: kubectl is missing; install it"),
            "{script}: {line}"
        );
    }
}

#[test]
fn a_job_needs_a_name() {
    let line = complaint(&run("scripts/deploy/job.sh", &["dirname"], &[]));
    assert_eq!(line, "error: JOB is missing; type: make job JOB=database-load");
}

#[test]
fn deploy_and_cleanup_are_the_make_targets() {
    for (script, target) in [
        ("deploy.sh", "scripts/deploy/deploy.sh"),
        ("cleanup.sh", "scripts/deploy/undeploy.sh"),
    ] {
        // `-n` prints what would be run.
        let output = Command::new(repository().join(script))
            .args(["-n", "NAMESPACE=shop"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(target),
            "{output:?}"
        );
    }
}
