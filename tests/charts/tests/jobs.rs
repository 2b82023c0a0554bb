//! Jobs and CronJobs: schedules, attempts, deadlines and what exit codes decide.

use charts_tests::helm::render;
use charts_tests::object::variable;
use serde_json::{Value, json};

#[test]
fn the_default_is_a_cronjob_without_a_job() {
    let objects = render("database-load").objects();
    assert!(objects.of("Job").is_empty());
    objects.only("CronJob").has([
        ("/spec/schedule", json!("0 */6 * * *")),
        ("/spec/timeZone", json!("Etc/UTC")),
        ("/spec/concurrencyPolicy", json!("Forbid")),
        ("/spec/startingDeadlineSeconds", json!(600)),
        ("/spec/successfulJobsHistoryLimit", json!(3)),
        ("/spec/failedJobsHistoryLimit", json!(3)),
        ("/spec/suspend", json!(false)),
        ("/spec/jobTemplate/spec/backoffLimit", json!(2)),
        (
            "/spec/jobTemplate/spec/template/spec/restartPolicy",
            json!("OnFailure"),
        ),
    ]);
}

#[test]
fn every_run_knows_what_starts_it() {
    let load = render("database-load")
        .sets(&["job.enabled=true", "cronjob.enabled=true"])
        .objects();
    let migration = render("database-migration").objects();
    let food = render("order-food").objects();
    for (pod, container, trigger) in [
        (load.pod("Job"), "database-load", "job"),
        (load.pod("CronJob"), "database-load", "cronjob"),
        (migration.pod("Job"), "database-migration", "job"),
        (food.pod("Deployment"), "database-migration", "init"),
        (food.pod("Deployment"), "database-load", "init"),
    ] {
        assert_eq!(
            variable(pod.container(container), "RUN_TRIGGER"),
            trigger,
            "{container}"
        );
    }
    let api = food.pod("Deployment").container("order-food").clone();
    assert!(variable(&api, "RUN_TRIGGER").is_null(), "it is no run");
}

#[test]
fn the_commands_of_daily_work_render_what_they_say() {
    let load = render("database-load")
        .set("image.pullPolicy=Never")
        .set("job.enabled=false")
        .set("cronjob.enabled=true")
        .objects();
    let pod = load.pod("CronJob");
    assert_eq!(pod.container("database-load")["imagePullPolicy"], "Never");

    let food = render("order-food")
        .set("image.pullPolicy=Never")
        .set("initContainers.databaseMigration.image.pullPolicy=Never")
        .set("initContainers.databaseLoad.image.pullPolicy=Never")
        .objects();
    for object in &food.0 {
        for container in object.pod().iter().flat_map(|pod| pod.containers()) {
            assert_eq!(
                container["imagePullPolicy"],
                "Never",
                "{} {}",
                object.kind(),
                container["name"]
            );
        }
    }
    let without = render("order-food")
        .set("initContainers.databaseLoad.enabled=false")
        .objects();
    let names: Vec<_> = without
        .pod("Deployment")
        .containers()
        .into_iter()
        .map(|container| &container["name"])
        .collect();
    assert_eq!(names, ["database-migration", "order-food"]);
}

/// The spec of the Job that a chart makes, or its CronJob.
fn spec(chart: &str, which: &str, assignments: &[&str]) -> Value {
    let objects = render(chart).sets(assignments).objects();
    match which {
        "job" => objects.only("Job").at("/spec").clone(),
        _ => objects.only("CronJob").at("/spec/jobTemplate/spec").clone(),
    }
}

const JOBS: [(&str, &str); 3] = [
    ("database-load", "job"),
    ("database-load", "cronjob"),
    ("database-migration", "job"),
];

#[test]
fn exit_codes_decide_only_where_each_attempt_is_a_pod() {
    for (chart, which) in JOBS {
        let on = format!("{which}.enabled=true");
        let default = spec(chart, which, &[&on]);
        assert_eq!(default["template"]["spec"]["restartPolicy"], "OnFailure");
        assert!(default["podFailurePolicy"].is_null(), "{chart} {which}");

        let never = spec(chart, which, &[&on, &format!("{which}.restartPolicy=Never")]);
        let container = never["template"]["spec"]["containers"][0]["name"].clone();
        assert_eq!(
            never["podFailurePolicy"]["rules"],
            json!([
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {
                    "containerName": container, "operator": "In", "values": [2, 5, 7, 9, 10, 11],
                }},
            ]),
            "{chart} {which}"
        );
        assert_eq!(container, chart);
    }
}

#[test]
fn only_jobs_of_their_own_are_removed_after_a_time() {
    let ttl = |which, assignments: &[&str]| {
        spec("database-load", which, assignments)["ttlSecondsAfterFinished"].clone()
    };
    assert_eq!(ttl("job", &["job.enabled=true"]), 3600);
    assert_eq!(
        ttl("job", &["job.enabled=true", "job.ttlSecondsAfterFinished=0"]),
        0
    );
    assert!(ttl("cronjob", &[]).is_null());
    render("database-load")
        .set("cronjob.ttlSecondsAfterFinished=60")
        .refuses("ttlSecondsAfterFinished");
}

#[test]
fn kubernetes_kills_no_run_that_could_still_end_by_itself() {
    for (chart, which) in JOBS {
        let on = format!("{which}.enabled=true");
        for seconds in [60, 900, 7200] {
            let job = spec(chart, which, &[&on, &format!("timeoutSeconds={seconds}")]);
            let attempts = job["backoffLimit"].as_i64().unwrap() + 1;
            let deadline = job["activeDeadlineSeconds"].as_i64().unwrap();
            assert!(deadline > attempts * seconds, "{chart} {which}: {deadline}");
        }
        let set = format!("{which}.activeDeadlineSeconds=900");
        render(chart)
            .set(&on)
            .set("timeoutSeconds=900")
            .set(&set)
            .refuses("is not above timeoutSeconds");
        let own = spec(chart, which, &[&on, "timeoutSeconds=899", &set]);
        assert_eq!(own["activeDeadlineSeconds"], 900);
    }
}

#[test]
fn the_test_of_database_load_runs_verify_and_that_of_the_migration_status() {
    for (chart, command) in [("database-load", "verify"), ("database-migration", "status")] {
        let objects = render(chart).objects();
        let test = objects.named("Pod", &format!("{chart}-test"));
        assert_eq!(test.at("/metadata/annotations")["helm.sh/hook"], "test");
        assert_eq!(test.at("/spec/restartPolicy"), "Never");
        assert_eq!(test.pod().unwrap().container(chart)["args"][0], command);
        let without = render(chart).set("tests.enabled=false").objects();
        assert!(without.of("Pod").is_empty());
    }
}

#[test]
fn a_job_that_hangs_is_found_by_a_probe_of_its_own_program() {
    let renderings = [
        render("database-migration").objects(),
        render("database-load").set("job.enabled=true").objects(),
        render("init-jobs")
            .own_values("ci/everything-values.yaml")
            .objects(),
    ];
    let mut probed = 0;
    for object in renderings.iter().flat_map(|objects| &objects.0) {
        let Some(pod) = object.pod().filter(|_| object.kind() != "Pod") else {
            continue;
        };
        for container in pod.spec["initContainers"].as_array().into_iter().flatten() {
            assert!(
                container["livenessProbe"].is_null(),
                "{}: Kubernetes takes none",
                pod.of
            );
        }
        let container = &pod.spec["containers"][0];
        let image = container["image"].as_str().unwrap();
        let program = image.split(':').next().unwrap();
        if !["database-migration", "database-load"].contains(&program) {
            continue;
        }
        let command = json!([format!("/usr/local/bin/{program}"), "alive"]);
        assert_eq!(
            container["livenessProbe"]["exec"]["command"], command,
            "{}",
            pod.of
        );
        let file = variable(container, "ALIVE_FILE").as_str().unwrap();
        let mounts = container["volumeMounts"].as_array().unwrap();
        let folder = mounts.iter().find(|mount| mount["mountPath"] == "/tmp");
        assert!(folder.is_some() && file.starts_with("/tmp/"), "{}", pod.of);
        probed += 1;
    }
    assert!(probed > 10, "{probed}");
}
