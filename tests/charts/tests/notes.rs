//! What helm prints after an installation.

use charts_tests::helm::render;

use crate::everything;

#[test]
fn the_notes_say_what_to_type_next() {
    let food = render("order-food").notes();
    for command in [
        "kubectl port-forward -n shop svc/order-food 8080:80",
        "kubectl logs -n shop -l app.kubernetes.io/name=order-food -c database-migration",
        "helm test order-food -n shop",
    ] {
        assert!(food.contains(command), "{food}");
    }
    let load = render("database-load").notes();
    for command in [
        "kubectl create job -n shop --from=cronjob/database-load manual-load",
        r#"kubectl patch cronjob -n shop database-load -p '{"spec":{"suspend":true}}'"#,
        "helm test database-load -n shop",
    ] {
        assert!(load.contains(command), "{load}");
    }
    assert!(
        !food.contains("WARNING") && !load.contains("WARNING"),
        "{food}{load}"
    );
}

#[test]
fn the_notes_warn_of_tags_that_move() {
    for (chart, path) in [
        ("order-food", "image.tag"),
        ("order-food", "initContainers.databaseLoad.image.tag"),
        ("database-load", "image.tag"),
        ("database-migration", "image.tag"),
    ] {
        let notes = render(chart).set(&format!("{path}=latest")).notes();
        assert!(notes.contains("WARNING: the tag `latest`"), "{notes}");
    }
}

#[test]
fn the_notes_warn_of_inline_secrets() {
    for chart in ["order-food", "database-load", "database-migration"] {
        let notes = render(chart).set("database.url=postgres://u:p@h/d").notes();
        assert!(notes.contains("WARNING: database.url"), "{notes}");
        assert!(!notes.contains("u:p@h"), "{notes}");
    }
}

#[test]
fn the_notes_warn_when_all_pods_together_could_take_more_connections_than_there_are() {
    let line = |assignments: &[&str], beginning: &str| {
        let notes = render("order-food").sets(assignments).notes();
        let mut lines = notes.lines().filter(|line| line.contains("connections"));
        lines.find(|line| line.starts_with(beginning)).map(str::to_owned)
    };
    let warned = |assignments: &[&str]| line(assignments, "WARNING");
    // (3 + 1) · (10 + 8 + 1 + 3) = 88, and 110 with one more.
    let four = ["autoscaling.enabled=true", "autoscaling.maxReplicas=3"];
    assert_eq!(warned(&four), None);
    let five = ["autoscaling.enabled=true", "autoscaling.maxReplicas=4"];
    let warning = warned(&five).unwrap();
    assert!(warning.contains("110 connections"), "{warning}");
    let count = line(&five, "Database").unwrap();
    assert!(count.contains("110 by 5 pods"), "{count}");
    let notes = render("order-food").notes();
    assert!(notes.contains("9 to write orders"), "{notes}");
    let granted = [&five[..], &["databaseMaxConnections=110"]].concat();
    assert_eq!(warned(&granted), None);
    assert!(warned(&["settings.poolSize=40"]).is_some());
    let one = ["settings.writerConnectionsMax=1"];
    let seven = [
        &["autoscaling.enabled=true", "autoscaling.maxReplicas=6"],
        &one[..],
    ]
    .concat();
    assert!(
        warned(&seven).unwrap().contains("105 connections"),
        "7 · (10 + 1 + 1 + 3)"
    );
    let many = [
        "settings.writerConnectionsMin=8",
        "settings.writerConnectionsMax=16",
    ];
    assert!(
        warned(&many).unwrap().contains("111 connections"),
        "3 · (10 + 16 + 8 + 3)"
    );

    // (20 + 1 + 30 + 1) · (2 + 3) = 260 beside the 45 of three pods of the API.
    let warned = |assignments: &[&str]| line(&[assignments, &one].concat(), "WARNING");
    let workers = ["workers.enabled=true", "workers.critical.enabled=true"];
    let warning = warned(&workers).unwrap();
    assert!(warning.contains("these 305 connections"), "{warning}");
    let enough = [&workers[..], &["databaseMaxConnections=305"]].concat();
    assert_eq!(warned(&enough), None);
    let more = [&enough[..], &["workers.settings.workerPoolSize=3"]].concat();
    assert!(
        warned(&more).unwrap().contains("these 357"),
        "one more for each worker"
    );
    let fixed = [&workers[..], &["workers.autoscaling.enabled=false"]].concat();
    assert_eq!(warned(&fixed), None, "4 and 6 workers, 95 connections");
    assert!(
        line(&[&fixed[..], &one].concat(), "Database")
            .unwrap()
            .contains("up to 95 connections of the 100")
    );
}

#[test]
fn the_notes_say_how_to_look_at_jobs() {
    let notes = render("order-food").set("workers.enabled=true").notes();
    for command in [
        "kubectl get pods -n shop -l app.kubernetes.io/component=workers",
        "kubectl exec -n shop deployment/order-food-workers -- order-food jobs stats",
        "kubectl exec -n shop deployment/order-food-workers -- order-food jobs dead-letters list",
    ] {
        assert!(notes.contains(command), "{notes}");
    }
}

#[test]
fn the_notes_warn_of_sample_data_in_production() {
    for (chart, path) in [
        ("order-food", "initContainers.databaseLoad.profiles"),
        ("database-load", "profiles"),
    ] {
        let production = render(chart).set("environment=production");
        assert!(
            production
                .clone()
                .notes()
                .contains("WARNING: the profile `default`")
        );
        assert!(
            !production
                .set(&format!("{path}={{minimal}}"))
                .notes()
                .contains("WARNING")
        );
    }
    let notes = everything().notes();
    assert!(
        notes.contains("X-API-Key") && notes.contains("https://shop.example.com"),
        "{notes}"
    );
}
