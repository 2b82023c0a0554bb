//! The chart init-jobs: names, labels, sizes, and what each job runs.

use charts_tests::helm::{Objects, render};
use charts_tests::object::{Object, variable};
use serde_json::{Value, json};

/// Every job, in an environment.
fn all_jobs(environment: &str) -> Objects {
    render("init-jobs")
        .own_values("ci/everything-values.yaml")
        .set(&format!("environment={environment}"))
        .objects()
}

/// The CronJob of a purpose.
fn job<'objects>(objects: &'objects Objects, purpose: &str, environment: &str) -> &'objects Object {
    objects.named("CronJob", &format!("order-food-init-{purpose}-{environment}"))
}

#[test]
fn the_names_are_project_init_purpose_and_environment() {
    let grant = render("init-jobs").set("environment=dev").objects();
    let _ = grant.named("CronJob", "order-food-init-grant-db-roles-dev");
    for production in ["prod", "production"] {
        let objects = render("init-jobs")
            .set(&format!("environment={production}"))
            .objects();
        let _ = objects.named("CronJob", "order-food-init-db-migration-prod");
    }
    for staging in ["staging", "test"] {
        let objects = render("init-jobs")
            .set(&format!("environment={staging}"))
            .objects();
        let _ = objects.named("CronJob", "order-food-init-seed-data-staging");
    }
    render("init-jobs").set("environment=qa").refuses("/environment");
    let long = r#"initJobs.extra=[{"purpose":"a-purpose-whose-name-is-much-too-long","category":"other",
        "description":"x","image":"databaseLoad"}]"#;
    render("init-jobs").json(long).refuses("at most 52 characters");
}

#[test]
fn no_job_starts_by_itself_and_one_runs_at_a_time() {
    let objects = all_jobs("prod");
    assert_eq!(objects.of("CronJob").len(), 7);
    for cronjob in objects.of("CronJob") {
        cronjob.has([
            ("/spec/suspend", json!(true)),
            ("/spec/schedule", json!("0 0 31 2 *")),
            ("/spec/concurrencyPolicy", json!("Forbid")),
            ("/spec/jobTemplate/spec/parallelism", json!(1)),
            ("/spec/jobTemplate/spec/completions", json!(1)),
            (
                "/spec/jobTemplate/spec/template/spec/restartPolicy",
                json!("Never"),
            ),
        ]);
    }
    let default = render("init-jobs").objects();
    assert_eq!(
        default.of("CronJob").len(),
        4,
        "multi-region-setup is off by default"
    );
}

#[test]
fn labels_and_annotations_tell_jobs_apart() {
    let objects = all_jobs("staging");
    for (purpose, category) in [
        ("grant-db-roles", "database"),
        ("db-migration", "database"),
        ("seed-data", "data"),
        ("multi-region-setup", "infrastructure"),
        ("validate-infrastructure", "infrastructure"),
        ("rollback-data", "data"),
        ("warm-cache", "other"),
    ] {
        let cronjob = job(&objects, purpose, "staging");
        for labels in [
            "/metadata/labels",
            "/spec/jobTemplate/metadata/labels",
            "/spec/jobTemplate/spec/template/metadata/labels",
        ] {
            let labels = cronjob.at(labels);
            assert_eq!(
                (
                    &labels["JobType"],
                    &labels["JobCategory"],
                    &labels["app.kubernetes.io/component"]
                ),
                (&json!("init"), &json!(category), &json!(purpose)),
            );
        }
        let annotations = cronjob.at("/metadata/annotations");
        assert_eq!(annotations["Name"], cronjob.name());
        assert!(annotations["Purpose"].as_str().unwrap().starts_with("Init job: "));
    }
}

#[test]
fn sizes_are_requests_and_limits_alike() {
    let objects = all_jobs("prod");
    for (purpose, cpu, memory) in [
        ("grant-db-roles", "250m", "512Mi"),
        ("db-migration", "500m", "1Gi"),
        ("multi-region-setup", "500m", "1Gi"),
        ("seed-data", "1", "2Gi"),
    ] {
        for container in job(&objects, purpose, "prod").pod().unwrap().containers() {
            let size = json!({"cpu": cpu, "memory": memory});
            assert_eq!(
                container["resources"],
                json!({"requests": size, "limits": size}),
                "{purpose}"
            );
        }
    }
    let own = render("init-jobs")
        .json(r#"initJobs.dbMigration.resources={"limits":{"memory":"3Gi"}}"#)
        .objects();
    let pod = job(&own, "db-migration", "dev").pod().unwrap();
    assert_eq!(
        pod.container("database-migration")["resources"],
        json!({"limits": {"memory": "3Gi"}})
    );
}

#[test]
fn each_job_runs_the_commands_of_its_purpose() {
    let objects = all_jobs("prod");
    let commands = |purpose| -> Vec<String> {
        let pod = job(&objects, purpose, "prod").pod().unwrap();
        let words = |container: &Value| -> String {
            let args = container["args"].as_array().unwrap().iter();
            let args = args.map(|word| word.as_str().unwrap());
            args.filter(|word| !word.starts_with("--timeout"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        pod.containers().into_iter().map(words).collect()
    };
    assert_eq!(commands("grant-db-roles"), ["roles apply"]);
    assert_eq!(commands("db-migration"), ["up"]);
    assert_eq!(commands("seed-data"), ["run"]);
    assert_eq!(
        commands("multi-region-setup"),
        ["wait --wait-timeout=900", "roles check"]
    );
    assert_eq!(
        commands("validate-infrastructure"),
        ["roles check", "status --exit-code", "validate", "verify"]
    );
    assert_eq!(commands("rollback-data"), ["rollback -p minimal --previous"]);
    assert_eq!(commands("warm-cache"), ["--fail http://order-food/api/product"]);

    let seed = job(&objects, "seed-data", "prod").pod().unwrap();
    assert_eq!(*variable(seed.container("database-load"), "PROFILES"), "minimal");
    let region = job(&objects, "multi-region-setup", "prod").pod().unwrap();
    for container in region.containers() {
        assert_eq!(*variable(container, "TARGET_REGION"), "westeurope");
    }
    let key = &region.volume("database-secondary")["secret"]["items"][0]["key"];
    assert_eq!(key, "secondary-url");
    render("init-jobs")
        .set("initJobs.multiRegionSetup.enabled=true")
        .refuses("targetRegion");
}

#[test]
fn the_role_grant_logs_in_as_the_administrator() {
    let objects = all_jobs("prod");
    let pod = job(&objects, "grant-db-roles", "prod").pod().unwrap();
    let container = pod.container("database-migration");
    assert!(variable(container, "DATABASE_URL_FILE").is_null());
    for (name, value) in [
        ("DB_HOST", "postgres"),
        ("DB_NAME", "shop"),
        ("DB_USER", "postgres"),
        (
            "DB_PASSWORD_FILE",
            "/etc/order-food/admin/postgres-admin-password",
        ),
        ("ROLE_PASSWORDS_DIR", "/etc/order-food/role-passwords"),
        ("ROLE_APP", "order-food-api"),
    ] {
        assert_eq!(*variable(container, name), value, "{name}");
    }
    let admin = &pod.volume("admin")["secret"];
    assert_eq!(admin["secretName"], "order-food-postgres-admin");
    assert_eq!(admin["items"][0]["key"], "postgres-admin-password");

    // The Secret may be missing, and so may any of its keys.
    let passwords = &pod.volume("role-passwords")["secret"];
    assert_eq!(passwords["optional"], true);
    assert!(passwords["items"].is_null());
}
