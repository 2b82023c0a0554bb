//! The network policies of the charts whose pods answer nobody, and of the database.

use charts_tests::helm::render;
use charts_tests::object::selects;
use serde_json::json;

#[test]
fn one_shot_pods_take_no_connection_and_open_those_that_they_need() {
    for (chart, kind) in [
        ("database-migration", "Job"),
        ("database-load", "CronJob"),
        ("init-jobs", "CronJob"),
    ] {
        let objects = render(chart)
            .set("networkPolicy.enabled=true")
            .set("networkPolicy.databasePort=6432")
            .set("telemetry.endpoint=http://collector:4318")
            .json(r#"networkPolicy.extraEgress=[{"ports":[{"port":443,"protocol":"TCP"}]}]"#)
            .objects();
        let policy = objects.only("NetworkPolicy");
        assert_eq!(*policy.at("/spec/policyTypes"), json!(["Ingress", "Egress"]));
        assert_eq!(*policy.at("/spec/ingress"), json!([]), "{chart}");
        let ports: Vec<_> = policy
            .list("/spec/egress")
            .iter()
            .map(|rule| rule["ports"][0]["port"].clone())
            .collect();
        assert_eq!(ports, [53, 6432, 4318, 443], "{chart}");
        let selector = policy.at("/spec/podSelector/matchLabels");
        let pods = objects.of(kind).into_iter().map(|object| object.pod().unwrap());
        let chosen: Vec<bool> = pods.map(|pod| selects(selector, pod.labels)).collect();
        assert!(
            !chosen.is_empty() && chosen.iter().all(|chosen| *chosen),
            "{chart}"
        );
    }
    for chart in ["database-migration", "database-load", "postgres"] {
        assert!(render(chart).objects().of("NetworkPolicy").is_empty(), "{chart}");
    }
}

#[test]
fn only_pods_of_the_shop_reach_the_database() {
    let objects = render("postgres").set("networkPolicy.enabled=true").objects();
    let policy = objects.only("NetworkPolicy");
    let from = policy.at("/spec/ingress/0/from/0/podSelector/matchLabels");

    for (chart, kind) in [
        ("order-food", "Deployment"),
        ("database-load", "CronJob"),
        ("database-migration", "Job"),
    ] {
        let objects = render(chart).objects();
        assert!(selects(from, objects.pod(kind).labels), "{chart}");
    }
    assert_eq!(policy.at("/spec/ingress/0/ports/0/port"), 5432);
    assert_eq!(*policy.at("/spec/egress"), json!([]));
    let server = objects.pod("StatefulSet");
    assert!(selects(policy.at("/spec/podSelector/matchLabels"), server.labels));
}
