//! `helm template` and `helm lint`, as a person types them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use base64::Engine;

use crate::object::{Object, Pod};
use crate::{KUBERNETES, chart, tool};

/// A `helm template` to be.
#[derive(Clone)]
pub struct Render {
    chart: String,
    folder: PathBuf,
    release: String,
    namespace: String,
    kubernetes: String,
    arguments: Vec<String>,
}

/// `helm template` of a chart, with the chart's name as the name of the release.
#[must_use]
pub fn render(chart_name: &str) -> Render {
    Render {
        chart: chart_name.into(),
        folder: chart(chart_name),
        release: chart_name.into(),
        namespace: "shop".into(),
        kubernetes: KUBERNETES[1].into(),
        arguments: Vec::new(),
    }
}

impl Render {
    /// Under another name of the release.
    #[must_use]
    pub fn release(mut self, name: &str) -> Self {
        self.release = name.into();
        self
    }

    /// For another namespace than `shop`.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = name.into();
        self
    }

    /// From another folder or package than the chart's own.
    #[must_use]
    pub fn chart_at(mut self, path: &Path) -> Self {
        self.folder = path.into();
        self
    }

    /// For another Kubernetes version, as `1.33`.
    #[must_use]
    pub fn kubernetes(mut self, version: &str) -> Self {
        self.kubernetes = version.into();
        self
    }

    /// `--set path=value`.
    #[must_use]
    pub fn set(mut self, assignment: &str) -> Self {
        self.arguments.extend(["--set".into(), assignment.into()]);
        self
    }

    /// `--set` for each assignment.
    #[must_use]
    pub fn sets(self, assignments: &[&str]) -> Self {
        assignments
            .iter()
            .fold(self, |rendering, assignment| rendering.set(assignment))
    }

    /// `--values file`.
    #[must_use]
    pub fn values(mut self, file: &Path) -> Self {
        self.arguments
            .extend(["--values".into(), file.display().to_string()]);
        self
    }

    /// A file of the chart's own, as `ci/everything-values.yaml`.
    #[must_use]
    pub fn own_values(self, file: &str) -> Self {
        let path = chart(&self.chart).join(file);
        self.values(&path)
    }

    /// `--set-json path=value`.
    #[must_use]
    pub fn json(mut self, assignment: &str) -> Self {
        self.arguments.extend(["--set-json".into(), assignment.into()]);
        self
    }

    /// The text that helm prints, or its complaint.
    ///
    /// # Errors
    /// What helm wrote to standard error when it failed.
    pub fn text(&self) -> Result<String, String> {
        let output = Command::new(helm())
            .args(["template", &self.release])
            .arg(&self.folder)
            .args(["--namespace", &self.namespace, "--kube-version", &self.kubernetes])
            .args(&self.arguments)
            .env("KUBECONFIG", "/dev/null")
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8(output.stderr).unwrap())
        }
    }

    /// The objects; panics with helm's complaint.
    #[must_use]
    pub fn objects(&self) -> Objects {
        let text = self.text().unwrap_or_else(|complaint| panic!("{complaint}"));
        Objects(Object::parse(&text))
    }

    /// Helm's complaint; panics if it renders.
    #[must_use]
    pub fn refusal(&self) -> String {
        match self.text() {
            Ok(_) => panic!("helm renders {} {:?}", self.chart, self.arguments),
            Err(complaint) => complaint,
        }
    }

    /// Fails unless helm refuses with these words.
    #[track_caller]
    pub fn refuses(&self, words: &str) {
        let refusal = self.refusal();
        assert!(refusal.contains(words), "{words}: {refusal}");
    }

    /// What `helm install` would say: NOTES.txt.
    #[must_use]
    pub fn notes(self) -> String {
        let object = r#"extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"notes"},
            "data":{"notes":"{{ include (print $.Template.BasePath \"/NOTES.txt\") . | toJson | b64enc }}"}}]"#;
        let encoded = self
            .json(object)
            .objects()
            .named("ConfigMap", "notes")
            .text("/data/notes");
        let json = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        serde_json::from_slice(&json).unwrap()
    }
}

/// What a rendering holds.
pub struct Objects(pub Vec<Object>);

impl Objects {
    /// The objects of a kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<&Object> {
        self.0.iter().filter(|object| object.kind() == kind).collect()
    }

    /// The only object of a kind.
    #[must_use]
    pub fn only(&self, kind: &str) -> &Object {
        let found = self.of(kind);
        assert_eq!(found.len(), 1, "number of {kind}");
        found[0]
    }

    /// The pod that the only object of a kind is or makes.
    #[must_use]
    pub fn pod(&self, kind: &str) -> Pod<'_> {
        self.only(kind).pod().unwrap()
    }

    /// The object with this name.
    #[must_use]
    pub fn named(&self, kind: &str, name: &str) -> &Object {
        let found = self.of(kind).into_iter().find(|object| object.name() == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    }
}

/// `helm lint --strict` with a file of values.
///
/// # Errors
/// What helm says.
pub fn lint(chart_name: &str, kubernetes: &str, values: &Path) -> Result<(), String> {
    let mut command = Command::new(helm());
    command.args([
        "lint",
        "--strict",
        "--quiet",
        "--kube-version",
        kubernetes,
        "--values",
    ]);
    said(command.arg(values).arg(chart(chart_name)))
}

/// `helm package` of a chart's folder into another one.
///
/// # Errors
/// What helm says.
pub fn package(chart: &Path, folder: &Path) -> Result<(), String> {
    let mut command = Command::new(helm());
    said(command.args(["package", "--destination"]).arg(folder).arg(chart))
}

/// What helm says when it fails.
fn said(command: &mut Command) -> Result<(), String> {
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn helm() -> &'static Path {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    HELM.get_or_init(|| tool("helm"))
}
