//! The manifests of the bootstrap Jobs for `kubectl apply`, written from the chart init-jobs.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::helm::{Render, render};
use crate::object::Object;
use crate::{chart, manifests};

/// The overlays, each with the values of the chart that it stands for.
pub const OVERLAYS: [(&str, &str); 3] = [
    ("dev", "values-dev.yaml"),
    ("test", "values-staging.yaml"),
    ("prod", "values-production.yaml"),
];

/// The Job of all steps, which the kustomizations hold.
pub const WHOLE: &str = "order-food-bootstrap";

const ORIGIN: &str = "# Written from charts/init-jobs by `make charts`.\n";

/// The chart with its bootstrap Jobs, under the names of the manifests.
#[must_use]
pub fn jobs() -> Render {
    render("init-jobs").release(WHOLE).namespace("order-food").sets(&[
        "nameOverride=bootstrap",
        "bootstrap.enabled=true",
        "serviceAccount.create=false",
    ])
}

/// The documents of a rendering, without what says that Helm manages them.
fn documents(rendering: &Render) -> Vec<(Object, String)> {
    let text = rendering.text().unwrap_or_else(|complaint| panic!("{complaint}"));
    let documents = text.split("\n---\n").map(manifests::plain);
    documents
        .flat_map(|text| Object::parse(&text).pop().map(|object| (object, text)))
        .collect()
}

/// The Job of all steps with the values of an overlay.
#[must_use]
pub fn whole(values: &str) -> Object {
    let documents = documents(&jobs().own_values(values));
    let found = documents
        .into_iter()
        .find(|(object, _)| object.name() == WHOLE && object.kind() == "Job");
    found.unwrap_or_else(|| panic!("{values}: no Job {WHOLE}")).0
}

/// Every file below `k8s/bootstrap`, and its text. A kustomization takes no file above
/// its folder, so that the Job of all steps stands in `base`, and a link to it beside the others.
#[must_use]
pub fn files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut base = None;
    for (object, text) in documents(&jobs()) {
        let name = match object.kind() {
            "Job" if object.name() == WHOLE => format!("base/{WHOLE}-job.yaml"),
            "Job" => format!("{}-job.yaml", object.name()),
            "NetworkPolicy" => "base/networkpolicy.yaml".to_owned(),
            _ => continue,
        };
        files.push((name, format!("{ORIGIN}{text}")));
        if object.name() == WHOLE && object.kind() == "Job" {
            base = Some(object.0);
        }
    }
    let resources = format!("  - networkpolicy.yaml\n  - {WHOLE}-job.yaml\n");
    files.push((
        "base/kustomization.yaml".into(),
        format!("{ORIGIN}{}resources:\n{resources}", head()),
    ));
    let base = base.expect("the Job of all steps");
    for (overlay, values) in OVERLAYS {
        let name = format!("overlays/{overlay}/kustomization.yaml");
        files.push((name, self::overlay(&base, values)));
    }
    let files = files.into_iter();
    files
        .map(|(name, text)| (manifests::path(&format!("bootstrap/{name}")), text))
        .collect()
}

fn head() -> &'static str {
    "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: order-food\n"
}

/// An overlay: what its values change in the Job of all steps.
fn overlay(base: &Value, values: &str) -> String {
    let mut text = format!("{ORIGIN}# Differs as {values} does.\n");
    if values == "values-production.yaml" {
        text += "# The profile minimal brings no data: name profiles of your own, in the arguments of database-load.\n";
    }
    text = text + head() + "resources:\n  - ../../base\nimages:\n";
    let about = std::fs::read_to_string(chart("init-jobs").join("Chart.yaml")).unwrap();
    let about: Value = yaml_serde::from_str(&about).unwrap();
    for image in ["database-migration", "database-load"] {
        writeln!(text, "  - name: {image}\n    newTag: {}", about["appVersion"]).unwrap();
    }
    let patch = json_patch::diff(base, &whole(values).0);
    let patch = yaml_serde::to_string(&serde_json::to_value(patch).unwrap()).unwrap();
    write!(
        text,
        "patches:\n  - target:\n      kind: Job\n      name: {WHOLE}\n    patch: |-\n"
    )
    .unwrap();
    patch
        .lines()
        .fold(text, |text, line| format!("{text}      {line}\n"))
}
