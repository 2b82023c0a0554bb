//! The examples of databases with standbys: each program finds its URL, and may reach the members.

use std::path::PathBuf;

use charts_tests::helm::{Objects, render};
use charts_tests::object::variable;
use charts_tests::repository;
use serde_json::json;

use crate::database::url_of;

fn example(name: &str) -> PathBuf {
    repository().join("docs/examples/databases").join(name)
}

/// Secret and key of the URL, for each program of the API's pods.
fn urls(objects: &Objects) -> [(String, String); 3] {
    let pod = objects.named("Deployment", "order-food").pod().unwrap();
    ["database-migration", "database-load", "order-food"].map(|program| url_of(&pod, program))
}

#[test]
fn pods_reach_each_member_of_an_external_cluster_and_nothing_else() {
    let objects = render("order-food")
        .own_values("values-production.yaml")
        .values(&example("external-ha.yaml"))
        .objects();

    let keys = ["migrator-url", "loader-url", "app-url"];
    let expected = keys.map(|key| ("order-food-database".to_owned(), key.to_owned()));
    assert_eq!(urls(&objects), expected);
    let rules = objects.named("NetworkPolicy", "order-food").list("/spec/egress");
    let database: Vec<_> = rules
        .iter()
        .filter(|rule| rule["ports"][0]["port"] == 5432)
        .collect();
    let members = [11, 12, 13].map(|host| json!({"ipBlock": {"cidr": format!("192.0.2.{host}/32")}}));
    assert_eq!(database.len(), 1);
    assert_eq!(database[0]["to"], json!(members));
}

#[test]
fn pods_reach_the_cluster_that_cloudnativepg_makes_by_the_secret_that_it_makes() {
    let objects = render("order-food")
        .values(&example("cloudnativepg.yaml"))
        .objects();

    let cluster = objects.only("Cluster");
    let secret = format!("{}-app", cluster.name());
    let expected = [(); 3].map(|()| (secret.clone(), "uri".to_owned()));
    assert_eq!(urls(&objects), expected);
    let policy = objects.named("NetworkPolicy", "order-food");
    let to = json!([{"podSelector": {"matchLabels": {"cnpg.io/cluster": cluster.name()}}}]);
    assert!(policy.list("/spec/egress").iter().any(|rule| rule["to"] == to));
    // An answered order is on two members.
    let synchronous = json!({"method": "any", "number": 1, "dataDurability": "required"});
    assert_eq!(*cluster.at("/spec/postgresql/synchronous"), synchronous);
    let api = objects.named("Deployment", "order-food").pod().unwrap();
    let key = &variable(api.container("order-food"), "API_KEY_HASH_KEY")["secretKeyRef"];
    assert_eq!(key["name"], "order-food-database");
}
