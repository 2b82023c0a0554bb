//! Where the database of a release comes from: Secrets, keys and the chart postgres.

use charts_tests::helm::render;
use charts_tests::object::{Pod, variable};
use charts_tests::{SERVICES, chart, repository};
use serde_json::{Value, json};

/// The Secret and the key that a container's DATABASE_URL_FILE comes from.
pub(crate) fn url_of(pod: &Pod<'_>, container: &str) -> (String, String) {
    let container = pod.container(container);
    assert_eq!(
        variable(container, "DATABASE_URL_FILE"),
        "/etc/order-food/database/url"
    );
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mount = mounts
        .iter()
        .find(|mount| mount["mountPath"] == "/etc/order-food/database")
        .unwrap();
    assert_eq!(mount["readOnly"], true);
    assert!(
        mount["subPath"].is_null(),
        "a file mounted by subPath never changes"
    );
    let secret = &pod.volume(mount["name"].as_str().unwrap())["secret"];
    let item = &secret["items"][0];
    assert_eq!(
        (&item["path"], &secret["defaultMode"]),
        (&json!("url"), &json!(0o440))
    );
    (
        secret["secretName"].as_str().unwrap().into(),
        item["key"].as_str().unwrap().into(),
    )
}

const CONTAINERS: [(&str, &str, &str); 6] = [
    ("order-food", "Deployment", "database-migration"),
    ("order-food", "Deployment", "database-load"),
    ("order-food", "Deployment", "order-food"),
    ("database-load", "CronJob", "database-load"),
    ("database-load", "Job", "database-load"),
    ("database-migration", "Job", "database-migration"),
];

/// Where each container finds its URL, with values set.
fn urls(assignments: &[&str]) -> Vec<(String, String)> {
    let urls = CONTAINERS.iter().map(|(chart, kind, container)| {
        let mut rendering = render(chart);
        if *chart == "database-load" {
            rendering = rendering.set("job.enabled=true");
        }
        let objects = rendering.sets(assignments).objects();
        url_of(&objects.of(kind)[0].pod().unwrap(), container)
    });
    urls.collect()
}

#[test]
fn every_chart_reads_the_secret_that_the_development_postgres_creates() {
    let postgres = render("postgres").objects();
    let secret = postgres.named("Secret", "order-food-database");

    for (name, key) in urls(&[]) {
        assert_eq!(name, secret.name());
        assert!(secret.at("/stringData")[&key].is_string(), "{key}");
    }
    let url = secret.text("/stringData/url");
    assert_eq!(
        url,
        "postgres://shop:development-only@postgres:5432/shop?sslmode=disable"
    );
    let hash_key = secret.text("/stringData/api-key-hash-key");
    assert!(hash_key.len() >= 16);
}

#[test]
fn each_container_may_have_a_key_of_its_own_and_falls_back_to_one_url() {
    let own = urls(&[
        "database.existingSecret=shop",
        "database.keys.migrator=m",
        "database.keys.loader=l",
        "database.keys.app=a",
    ]);
    assert_eq!(
        own,
        ["m", "l", "a", "l", "l", "m"].map(|key| ("shop".into(), key.into()))
    );

    let some = urls(&["database.keys.url=all", "database.keys.app=a"]);
    let expected =
        ["all", "all", "a", "all", "all", "all"].map(|key| ("order-food-database".into(), key.into()));
    assert_eq!(some, expected);
}

#[test]
fn a_read_url_goes_to_the_api_alone() {
    let rendering = render("order-food").set("database.keys.read=read-url");
    let objects = rendering.objects();
    let pod = objects.pod("Deployment");

    let told: Vec<bool> = pod
        .containers()
        .into_iter()
        .map(|container| container["env"].to_string().contains("READ_DATABASE_URL_FILE"))
        .collect();

    assert_eq!(told.iter().filter(|is_told| **is_told).count(), 1, "{told:?}");
    let items = pod.volume("database-app")["secret"]["items"].to_string();
    assert!(items.contains(r#""key":"read-url","path":"read-url""#), "{items}");
    let without = render("order-food").objects();
    let without = without.pod("Deployment");
    assert!(
        !without.volume("database-app")["secret"]["items"]
            .to_string()
            .contains("read-url")
    );
}

#[test]
fn a_direct_url_goes_beside_the_pooled_one_and_never_to_a_role_with_a_url_of_its_own() {
    let direct_of = |values: &[&str]| -> Vec<(String, bool)> {
        let rendering = values
            .iter()
            .fold(render("order-food"), |rendering, value| rendering.set(value));
        let objects = rendering.objects();
        let pod = objects.pod("Deployment");
        let told = |container: &serde_json::Value| {
            let mounts = container["volumeMounts"].as_array().unwrap();
            let names = mounts.iter().map(|mount| mount["name"].as_str().unwrap());
            let volume = names
                .into_iter()
                .find(|name| name.starts_with("database-"))
                .unwrap();
            let items = pod.volume(volume)["secret"]["items"].to_string();
            let is_told = container["env"].to_string().contains("DATABASE_DIRECT_URL_FILE");
            assert_eq!(items.contains("direct-url"), is_told, "{volume}");
            (volume.to_owned(), is_told)
        };
        pod.containers().into_iter().map(told).collect()
    };

    assert!(direct_of(&[]).iter().all(|(_, is_told)| !is_told));
    let all = direct_of(&["database.keys.direct=direct-url"]);
    assert!(
        all.len() >= 3 && all.iter().all(|(_, is_told)| *is_told),
        "{all:?}"
    );
    let own = direct_of(&[
        "database.keys.direct=direct-url",
        "database.keys.migrator=migrator-url",
        "database.keys.loader=loader-url",
        "database.keys.app=app-url",
    ]);
    assert!(
        own.iter()
            .all(|(role, is_told)| *is_told == (role == "database-app")),
        "{own:?}"
    );
}

#[test]
fn no_container_sees_the_url_of_another_role() {
    let objects = render("order-food")
        .set("database.keys.migrator=m")
        .set("database.keys.app=a")
        .objects();
    let pod = objects.pod("Deployment");
    for container in pod.containers() {
        let volumes = container["volumeMounts"].as_array().unwrap();
        let secrets = volumes
            .iter()
            .filter(|mount| mount["name"].as_str().unwrap().starts_with("database-"));
        assert_eq!(secrets.count(), 1, "{}", container["name"]);
    }
}

#[test]
fn an_inline_url_is_for_development_and_makes_a_secret() {
    for (chart, kind, container) in CONTAINERS {
        let rendering = render(chart)
            .set("job.enabled=true")
            .set("database.url=postgres://u:p@h/d");
        let rendering = if chart == "order-food" {
            render(chart).set("database.url=postgres://u:p@h/d")
        } else {
            rendering
        };
        let objects = rendering.objects();
        let (secret, key) = url_of(&objects.of(kind)[0].pod().unwrap(), container);
        assert_eq!(
            objects
                .named("Secret", &secret)
                .text(&format!("/stringData/{key}")),
            "postgres://u:p@h/d"
        );

        for environment in ["Production", "production ", "prod", "PROD"] {
            let rendering = rendering.clone();
            rendering
                .set(&format!("environment={environment}"))
                .refuses("database.url: not in production");
        }
        rendering.set("environment=prod-eu").refuses("environment");
    }
}

#[test]
fn without_a_database_or_a_hash_key_the_template_says_what_to_set() {
    for chart in SERVICES {
        let refusal = render(chart).set("database.existingSecret=").refusal();
        assert!(
            refusal.contains("set database.existingSecret") && refusal.contains("database.url"),
            "{refusal}"
        );
    }
    for chart in ["database-load", "order-food"] {
        render(chart)
            .set("apiKeyHashKey.existingSecret=")
            .refuses("set apiKeyHashKey.existingSecret");
    }
}

fn hash_keys(assignments: &[&str]) -> Vec<Value> {
    let from = |chart: &str, kind: &str, container: &str| {
        let objects = render(chart).sets(assignments).objects();
        variable(
            objects.of(kind)[0].pod().unwrap().container(container),
            "API_KEY_HASH_KEY",
        )["secretKeyRef"]
            .clone()
    };
    vec![
        from("order-food", "Deployment", "database-load"),
        from("order-food", "Deployment", "order-food"),
        from("database-load", "CronJob", "database-load"),
    ]
}

#[test]
fn the_hash_key_is_the_same_for_all_and_required_in_production() {
    for reference in hash_keys(&[]) {
        assert_eq!(
            reference,
            json!({"name": "order-food-database", "key": "api-key-hash-key", "optional": true})
        );
    }
    for reference in hash_keys(&[
        "environment=production",
        "apiKeyHashKey.existingSecret=keys",
        "apiKeyHashKey.key=now",
    ]) {
        assert_eq!(
            reference,
            json!({"name": "keys", "key": "now", "optional": false})
        );
    }
    for reference in hash_keys(&["apiKeyHashKey.value=a-key-of-development"]) {
        assert_eq!(reference["key"], "api-key-hash-key");
        assert!(reference["name"].as_str().unwrap().ends_with("-inline"));
    }
    render("order-food")
        .set("environment=production")
        .set("apiKeyHashKey.value=a-key-of-development")
        .refuses("apiKeyHashKey.value: not in production");
}

#[test]
fn charts_never_make_passwords_up() {
    for name in charts_tests::CHARTS {
        for file in std::fs::read_dir(chart(name).join("templates")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let text = std::fs::read_to_string(&path).unwrap();
                for function in [
                    "randAlpha",
                    "randNumeric",
                    "randAscii",
                    "randBytes",
                    "derivePassword",
                    "genCA",
                    "genSelfSigned",
                    "uuidv4",
                ] {
                    assert!(!text.contains(function), "{}: {function}", path.display());
                }
            }
        }
    }
    render("postgres")
        .set("auth.password=")
        .refuses("charts never make passwords up");
    render("postgres")
        .set("auth.existingSecret=mine")
        .refuses("set secret.create to false");
}

#[test]
fn the_development_database_is_found_by_address_where_there_is_no_dns() {
    let objects = render("postgres").set("service.clusterIP=10.96.0.55").objects();
    assert_eq!(objects.only("Service").at("/spec/clusterIP"), "10.96.0.55");
    let url = objects
        .named("Secret", "order-food-database")
        .text("/stringData/url");
    assert!(url.contains("@10.96.0.55:5432/"), "{url}");

    let odd = render("postgres")
        .set("auth.password=p@ss/w:rd é")
        .set("secret.host=fd00::7")
        .objects();
    let url = odd.named("Secret", "order-food-database").text("/stringData/url");
    assert!(url.contains(":p%40ss%2Fw%3Ard%20%C3%A9@[fd00::7]:5432/"), "{url}");
}

#[test]
fn the_development_database_keeps_its_data_unless_told_otherwise() {
    let kept = render("postgres").objects();
    let claim = &kept.only("StatefulSet").at("/spec/volumeClaimTemplates")[0];
    assert_eq!(claim["metadata"]["name"], "data");
    let lost = render("postgres").set("persistence.enabled=false").objects();
    assert!(
        lost.only("StatefulSet")
            .at("/spec/volumeClaimTemplates")
            .is_null()
    );
    assert_eq!(lost.pod("StatefulSet").volume("data")["emptyDir"], json!({}));
}

#[test]
fn a_managed_identity_is_told_where_its_tokens_come_from() {
    let values = [
        ("clientId", "AZURE_CLIENT_ID", "b3c1"),
        ("tenantId", "AZURE_TENANT_ID", "72f9"),
        ("authorityHost", "AZURE_AUTHORITY_HOST", "https://login.example"),
        (
            "federatedTokenFile",
            "AZURE_FEDERATED_TOKEN_FILE",
            "/var/run/token",
        ),
        (
            "identityEndpoint",
            "IDENTITY_ENDPOINT",
            "http://10.0.0.1:42356/token",
        ),
        ("imdsEndpoint", "AZURE_IMDS_ENDPOINT", "http://10.0.0.2"),
        ("audience", "DB_AZURE_AUDIENCE", "https://ossrdbms-aad.example"),
    ];
    let settings = repository().join("crates/database/src/defaults.toml");
    let settings = std::fs::read_to_string(settings).unwrap();
    for (chart, kind, container) in CONTAINERS {
        let mut rendering = render(chart)
            .set("database.auth=azure")
            .set("database.azure.identityHeaderSecret=identity");
        for (value, _, text) in values {
            rendering = rendering.set(&format!("database.azure.{value}={text}"));
        }
        if chart == "database-load" {
            rendering = rendering.set("job.enabled=true");
        }
        let objects = rendering.objects();
        let pod = objects.pod(kind);
        let container = pod.container(container);
        for (_, name, text) in values {
            assert_eq!(variable(container, name), text, "{chart}");
            assert!(settings.contains(&format!("({name})")), "{name}");
        }
        let header = variable(container, "IDENTITY_HEADER");
        let secret = json!({"secretKeyRef": {"name": "identity", "key": "identity-header"}});
        assert_eq!(*header, secret, "{chart}");
    }
    let objects = render("order-food").objects();
    let pod = objects.pod("Deployment");
    let names = values.map(|(_, name, _)| name);
    for name in names.into_iter().chain(["IDENTITY_HEADER"]) {
        assert!(variable(pod.container("order-food"), name).is_null(), "{name}");
    }
}
