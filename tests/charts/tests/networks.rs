//! The network policies of the charts whose pods answer nobody, and of the database.

use charts_tests::helm::render;
use charts_tests::object::{Object, selects};
use serde_json::json;

#[test]
fn one_shot_pods_take_no_connection_and_open_those_that_they_need() {
    const TELEMETRY: &str = "telemetry.endpoint=http://collector:4318/v1/traces";
    for chart in ["database-migration", "database-load", "init-jobs"] {
        for (assignments, ports) in [
            (&[][..], &[53, 5432][..]),
            (&[TELEMETRY], &[53, 5432, 4318]),
            // Tokens come over https.
            (&["database.auth=azure"], &[53, 5432, 443]),
            (
                &[
                    TELEMETRY,
                    "networkPolicy.databasePort=6432",
                    "networkPolicy.extraEgress[0].ports[0].port=443",
                ],
                &[53, 6432, 4318, 443],
            ),
        ] {
            let on = render(chart).set("networkPolicy.enabled=true");
            let objects = on.sets(assignments).objects();
            let policy = objects.only("NetworkPolicy");
            policy.has([
                ("/spec/policyTypes", json!(["Ingress", "Egress"])),
                ("/spec/ingress", json!([])),
            ]);
            assert_eq!(policy.egress_ports(), ports, "{chart} {assignments:?}");
            let selector = policy.at("/spec/podSelector/matchLabels");
            let pods = objects.0.iter().filter_map(Object::pod);
            let mut pods = pods.filter(|pod| !pod.of.starts_with("Pod ")).peekable();
            assert!(pods.peek().is_some(), "{chart}");
            pods.for_each(|pod| assert!(selects(selector, pod.labels), "{}", pod.of));
        }
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
