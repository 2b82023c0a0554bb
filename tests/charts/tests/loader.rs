//! The loader renders alike in init container, Job and CronJob.

use charts_tests::helm::{Objects, Render, render};
use charts_tests::object::{Pod, variable};
use charts_tests::repository;
use serde_json::{Value, json};

/// A pod's container of database-load, and the volumes that it mounts, by name, without what must
/// differ: which key of the ConfigMap is its profile, under which name of release, what to do
/// with unreachable sources, what starts it, and the probe, which an init container cannot have.
fn use_of(pod: &Pod<'_>) -> (Value, Vec<Value>) {
    let mut container = pod.container("database-load").clone();
    container.as_object_mut().unwrap().remove("livenessProbe");
    let variables = container["env"].as_array_mut().unwrap();
    variables.retain(|variable| variable["name"] != "ALIVE_FILE");
    for variable in variables {
        if variable["name"] == "ON_UNREACHABLE" || variable["name"] == "RUN_TRIGGER" {
            variable["value"] = Value::Null;
        }
    }
    let mounts = container["volumeMounts"].as_array().unwrap();
    let volumes = mounts.iter().map(|mount| {
        let mut volume = pod.volume(mount["name"].as_str().unwrap()).clone();
        if mount["name"] == "load-profile" {
            volume["configMap"]["name"] = Value::Null;
            volume["configMap"]["items"][0]["key"] = Value::Null;
        }
        volume
    });
    let volumes = volumes.collect();
    (container, volumes)
}

/// Init container, Job and CronJob with the same values.
fn three(values: Option<&Value>) -> [Objects; 3] {
    let with = |mut rendering: Render, prefix: &str| {
        for (name, value) in values.and_then(Value::as_object).into_iter().flatten() {
            rendering = rendering.json(&format!("{prefix}{name}={value}"));
        }
        rendering.objects()
    };
    [
        with(render("order-food"), "initContainers.databaseLoad."),
        with(
            render("database-load")
                .set("cronjob.enabled=false")
                .set("job.enabled=true"),
            "",
        ),
        with(render("database-load"), ""),
    ]
}

const KINDS: [&str; 3] = ["Deployment", "Job", "CronJob"];

fn given() -> Value {
    json!({
        "profiles": ["minimal", "/data/menu/shop.toml"],
        "args": ["run", "--force"],
        "sources": [
            {"name": "menu", "configMap": {"name": "menu"}},
            {"name": "codes", "volume": {"persistentVolumeClaim": {"claimName": "codes"}}, "dataset": "coupon_codes"},
            {"dataset": "products", "url": "https://files.example.com/products.csv"},
        ],
        "timeoutSeconds": 1800,
        "tempDir": {"sizeLimit": "8Gi"},
    })
}

#[test]
fn init_container_job_and_cronjob_render_alike() {
    for values in [None, Some(given())] {
        let objects = three(values.as_ref());
        let uses: Vec<_> = KINDS
            .iter()
            .zip(&objects)
            .map(|(kind, objects)| use_of(&objects.pod(kind)))
            .collect();
        assert_eq!(uses[0], uses[1], "init container and Job");
        assert_eq!(uses[1], uses[2], "Job and CronJob");
    }
}

#[test]
fn profiles_sources_and_args_reach_every_use() {
    for (kind, objects) in KINDS.iter().zip(three(Some(&given()))) {
        let pod = objects.pod(kind);
        let container = pod.container("database-load");
        assert_eq!(
            container["args"],
            json!(["run", "--force", "--timeout=1800"]),
            "{kind}"
        );
        let profiles = "minimal,/data/menu/shop.toml,/etc/order-food/sources/sources.toml";
        assert_eq!(variable(container, "PROFILES"), profiles, "{kind}");
        assert_eq!(pod.volume("source-menu")["configMap"]["name"], "menu", "{kind}");
        assert_eq!(
            pod.volume("source-codes")["persistentVolumeClaim"]["claimName"],
            "codes",
            "{kind}"
        );
        let mounts = container["volumeMounts"].as_array().unwrap();
        for path in ["/data/menu", "/data/codes", "/etc/order-food/sources", "/tmp"] {
            assert!(
                mounts.iter().any(|mount| mount["mountPath"] == path),
                "{kind}: {path}"
            );
        }
        assert_eq!(variable(container, "TMPDIR"), "/tmp", "{kind}");
        assert_eq!(pod.volume("load-temp")["emptyDir"]["sizeLimit"], "8Gi", "{kind}");
        // The profile that it runs is in the ConfigMap that it mounts.
        let from = &pod.volume("load-profile")["configMap"];
        let stored = objects.named("ConfigMap", from["name"].as_str().unwrap());
        let profile = stored.at("/data")[from["items"][0]["key"].as_str().unwrap()]
            .as_str()
            .unwrap();
        assert!(
            profile.contains("https://files.example.com/products.csv") && profile.contains("/data/codes/"),
            "{profile}"
        );
    }
}

#[test]
fn without_values_of_ones_own_the_sample_data_are_loaded() {
    for (kind, objects) in KINDS.iter().zip(three(None)) {
        let pod = objects.pod(kind);
        let container = pod.container("database-load");
        assert_eq!(variable(container, "PROFILES"), "default", "{kind}");
        assert_eq!(container["args"], json!(["--timeout=900"]), "{kind}");
        assert_eq!(
            pod.volume("load-temp")["emptyDir"],
            json!({"sizeLimit": "2Gi"}),
            "{kind}"
        );
    }
}

#[test]
fn a_source_that_is_away_stops_jobs_and_no_pods() {
    let behavior = |objects: &Objects, kind| {
        let pod = objects.pod(kind);
        variable(pod.container("database-load"), "ON_UNREACHABLE").clone()
    };
    let objects = three(None);
    assert_eq!(behavior(&objects[0], "Deployment"), "keep");
    assert_eq!(behavior(&objects[1], "Job"), "fail");
    assert_eq!(behavior(&objects[2], "CronJob"), "fail");
}

#[test]
fn job_and_cronjob_may_have_their_own() {
    let objects = render("database-load")
        .set("job.enabled=true")
        .set("job.profiles={demo}")
        .set("job.args={run,--force}")
        .json(r#"cronjob.sources=[{"dataset":"products","url":"https://a.example/p.csv"}]"#)
        .objects();
    let (job, cronjob) = (objects.pod("Job"), objects.pod("CronJob"));
    assert_eq!(variable(job.container("database-load"), "PROFILES"), "demo");
    assert_eq!(
        job.container("database-load")["args"],
        json!(["run", "--force", "--timeout=900"])
    );
    let scheduled = variable(cronjob.container("database-load"), "PROFILES");
    assert_eq!(scheduled, "default,/etc/order-food/sources/sources.toml");
    assert_eq!(
        cronjob.container("database-load")["args"],
        json!(["--timeout=900"])
    );
}

#[test]
fn a_timeout_of_ones_own_stands_alone() {
    let objects = render("database-load").set("args={run,--timeout,30m}").objects();
    let pod = objects.pod("CronJob");
    assert_eq!(
        pod.container("database-load")["args"],
        json!(["run", "--timeout", "30m"])
    );
}

#[test]
fn sources_make_a_profile_that_the_loader_takes() {
    let objects = render("database-load")
        .own_values("ci/everything-values.yaml")
        .objects();
    let text = objects.only("ConfigMap").text("/data/job.toml");
    let profile: toml::Value = toml::from_str(&text).unwrap();
    let profile = serde_json::to_value(profile).unwrap();

    let schema = std::fs::read(repository().join("docs/profile.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let complaints: Vec<String> = schema
        .iter_errors(&profile)
        .map(|error| error.to_string())
        .collect();
    assert!(complaints.is_empty(), "{complaints:?} in {text}");
    assert_eq!(
        profile["operations"],
        json!({
            "products": {"sources": [{
                "location": "https://files.example.com/products.csv?version=1",
                "format": "csv",
                "sha256": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            }]},
            "users": {
                "sources": [{"location": "/data/people/users.csv"}],
                "api_keys": [{"location": "/data/keys/*.jsonl", "format": "jsonl"}],
            },
            "promotions": {"sources": [{"location": "s3://shop/promotions/"}]},
            "coupon_codes": {"sources": [{"location": "/data/codes/"}], "min_files": 3},
        })
    );
}

#[test]
fn nothing_to_load_is_refused() {
    for (chart, path) in [
        ("database-load", "profiles"),
        ("order-food", "initContainers.databaseLoad.profiles"),
    ] {
        render(chart)
            .json(&format!("{path}=[]"))
            .refuses("name at least one profile");
    }
}
