//! The Terraform module of the init jobs: format, syntax, and every argument against the schema of
//! the provider; the templates in comments, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use charts_tests::{repository, tool};
use hcl::{Block, Body, Expression};
use serde_json::Value;

/// What every resource takes, whatever the provider.
const META_ARGUMENTS: [&str; 6] = [
    "count",
    "for_each",
    "depends_on",
    "provider",
    "lifecycle",
    "provisioner",
];

/// Variables that callers of the module rely on.
const VARIABLES: [&str; 14] = [
    "project_name",
    "environment",
    "common_tags",
    "managed_identity_id",
    "managed_identity_name",
    "key_vault_name",
    "container_registry",
    "image_tag",
    "postgres_fqdn",
    "postgres_database_name",
    "resource_group_name",
    "secondary_region",
    "container_app_environment_id",
    "location",
];

fn folder() -> PathBuf {
    repository().join("deploy/terraform/azure-container-apps")
}

fn read(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&read("schema.json")).unwrap()
}

/// The jobs with every template active: comments from `# resource` to `# }` without their marks.
fn with_templates() -> String {
    let mut active = false;
    let mut text = String::new();
    for line in read("init-jobs.tf").lines() {
        active |= line.starts_with("# resource ");
        let stripped = line.strip_prefix("# ").or(line.strip_prefix('#'));
        text += if active { stripped.unwrap_or(line) } else { line };
        text.push('\n');
        active &= line != "# }";
    }
    text
}

fn resources(body: &Body) -> Vec<&Block> {
    body.blocks()
        .filter(|block| block.identifier() == "resource")
        .collect()
}

/// What the provider would refuse.
fn complaints(text: &str) -> Vec<String> {
    let body: Body = match hcl::from_str(text) {
        Ok(body) => body,
        Err(error) => return vec![error.to_string()],
    };
    let schema = schema();
    let mut complaints = Vec::new();
    for resource in resources(&body) {
        let kind = resource.labels()[0].as_str();
        match schema["resources"].get(kind) {
            Some(fields) => compare(resource.body(), fields, kind, &mut complaints),
            None => complaints.push(format!("{kind}: no such resource in schema.json")),
        }
    }
    complaints
}

fn compare(body: &Body, fields: &Value, path: &str, complaints: &mut Vec<String>) {
    let mut present = BTreeSet::new();
    for attribute in body.attributes() {
        let name = attribute.key();
        if META_ARGUMENTS.contains(&name) && path.matches('.').count() == 0 {
            continue;
        }
        present.insert(name.to_owned());
        match fields[name]["type"].as_str() {
            Some(kind) if is_of_type(attribute.expr(), kind) => {}
            Some(kind) => complaints.push(format!("{path}.{name}: not of the type {kind}")),
            None => complaints.push(format!("{path}.{name}: no such argument")),
        }
    }
    for block in body.blocks() {
        let dynamic = block.identifier() == "dynamic";
        let name = match dynamic {
            true => block.labels()[0].as_str(),
            false => block.identifier(),
        };
        let field = &fields[name];
        let Some(inner) = field.get("block") else {
            complaints.push(format!("{path}.{name}: no such block"));
            continue;
        };
        if !present.insert(name.to_owned()) && field["repeated"] == false {
            complaints.push(format!("{path}.{name}: stands twice"));
        }
        let content = if dynamic {
            block
                .body()
                .blocks()
                .find(|block| block.identifier() == "content")
        } else {
            Some(block)
        };
        match content {
            Some(content) => compare(content.body(), inner, &format!("{path}.{name}"), complaints),
            None => complaints.push(format!("{path}.{name}: dynamic without content")),
        }
    }
    for (name, field) in fields.as_object().unwrap() {
        if field["is"] == "required" && !present.contains(name) {
            complaints.push(format!("{path}.{name}: missing"));
        }
    }
}

/// Literals have the type; of what is computed the value is not known here.
fn is_of_type(expression: &Expression, kind: &str) -> bool {
    match expression {
        Expression::Number(_) => kind == "number",
        Expression::Bool(_) => kind == "bool",
        Expression::String(_) | Expression::TemplateExpr(_) => kind == "string",
        Expression::Array(_) => kind.starts_with("list"),
        Expression::Object(_) => kind.starts_with("map"),
        Expression::Null => false,
        _ => true,
    }
}

#[test]
fn the_files_are_formatted_and_the_templates_are_when_they_are_active() {
    let copy = std::env::temp_dir().join(format!("terraform-{}", std::process::id()));
    fs::create_dir_all(&copy).unwrap();
    let mut texts = vec![with_templates()];
    texts.extend(["init-jobs.tf", "variables.tf", "outputs.tf"].map(read));
    for (index, text) in texts.iter().enumerate() {
        let file = copy.join(format!("{index}.tf"));
        fs::write(&file, text).unwrap();
        let hclfmt = |options: &[&str]| {
            Command::new(tool("hclfmt"))
                .args(options)
                .arg(&file)
                .output()
                .unwrap()
        };
        let output = hclfmt(&["-check", "-require-no-change"]);
        assert!(output.status.success(), "{index}: {output:?}");
        fs::write(&file, text.replacen("= ", "=  ", 1)).unwrap();
        assert!(!hclfmt(&["-check", "-require-no-change"]).status.success());
    }
    fs::remove_dir_all(copy).unwrap();
}

#[test]
fn every_argument_is_one_that_the_provider_has() {
    assert_eq!(schema()["provider"], "hashicorp/azurerm 4.55.0");
    let active: Body = hcl::from_str(&read("init-jobs.tf")).unwrap();
    assert_eq!(resources(&active).len(), 1, "the role grant alone is active");
    let all: Body = hcl::from_str(&with_templates()).unwrap();
    assert_eq!(resources(&all).len(), 4);
    assert_eq!(complaints(&with_templates()), Vec::<String>::new());
}

#[test]
fn a_misspelt_misplaced_or_missing_argument_is_found() {
    let text = with_templates();
    let found = |what: &str, from: &str, to: &str, complaint: &str| {
        for index in 0..text.matches(from).count() {
            let (place, _) = text.match_indices(from).nth(index).unwrap();
            let broken = text[..place].to_owned() + to + &text[place + from.len()..];
            let all = complaints(&broken);
            assert!(
                all.iter().any(|line| line.ends_with(complaint)),
                "{what}, {index}: {all:?}"
            );
        }
        assert!(text.contains(from), "{what}");
    };
    found(
        "misspelt",
        "replica_retry_limit ",
        "replica_retry_limits",
        "replica_retry_limits: no such argument",
    );
    found(
        "a block misspelt",
        "  identity {",
        "  identitty {",
        "identitty: no such block",
    );
    found(
        "in a dynamic block",
        "key_vault_secret_id",
        "keyvault_secret_id",
        "secret.keyvault_secret_id: no such argument",
    );
    found(
        "no location",
        "  location                     = var.location\n",
        "",
        "location: missing",
    );
    found(
        "no timeout",
        "  replica_timeout_in_seconds",
        "  workload_profile_name",
        "replica_timeout_in_seconds: missing",
    );
    found(
        "no image",
        "      image ",
        "      picture ",
        "template.container.image: missing",
    );
    found(
        "no name of a variable",
        "        name  = \"ENVIRONMENT\"\n",
        "",
        "container.env.name: missing",
    );
    found(
        "another type",
        "replica_completion_count = 1",
        "replica_completion_count = \"one\"",
        "not of the type number",
    );
    found(
        "a block twice",
        "  identity {",
        "  template {}\n  identity {",
        "template: stands twice",
    );
    found(
        "a trigger as an argument",
        "  tags = merge",
        "  trigger_type = \"Manual\"\n  tags = merge",
        "trigger_type: no such argument",
    );
    found(
        "a trigger in the template",
        "  template {",
        "  template {\n    manual_trigger_config {}",
        "template.manual_trigger_config: no such block",
    );
    found(
        "another resource",
        "azurerm_container_app_job\"",
        "azurerm_container_job\"",
        "no such resource in schema.json",
    );
}

#[test]
fn every_job_has_identity_registry_names_tags_and_a_size_that_exists() {
    let body: Body = hcl::from_str(&with_templates()).unwrap();
    for resource in resources(&body) {
        let text = hcl::to_string(resource.body()).unwrap();
        let name = format!(
            "format(local.init_job_name, \"{}\")",
            resource.labels()[1].as_str().replace('_', "-")
        );
        let name = name.replace("database-migration", "db-migration");
        for part in [
            &format!("name = {name}"),
            &format!("Name = {name}"),
            "type = \"UserAssigned\"",
            "identity_ids = [ var.managed_identity_id ]",
            "server = var.container_registry",
            "identity = var.managed_identity_id",
            "parallelism = 1",
            "replica_completion_count = 1",
            "merge(var.common_tags,",
            "Purpose = \"Init job: ",
            "JobType = \"init\"",
            "JobCategory = \"",
        ] {
            assert!(flat(&text).contains(part), "{name}: {part}: {text}");
        }
        // Container Apps takes a quarter of a CPU for each 0.5 GiB.
        let sizes = [("0.25", "0.5Gi"), ("0.5", "1Gi"), ("1.0", "2Gi")];
        let fits = sizes
            .iter()
            .any(|(cpu, memory)| flat(&text).contains(&format!("cpu = {cpu} memory = \"{memory}\"")));
        assert!(fits, "{text}");
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words behind `prefix` in a text.
fn references(text: &str, prefix: &str) -> BTreeSet<String> {
    let word = |rest: &str| -> String {
        rest.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    text.split(prefix).skip(1).map(word).collect()
}

#[test]
fn every_variable_is_declared_and_used() {
    let variables: Body = hcl::from_str(&read("variables.tf")).unwrap();
    let names = |body: &Body| -> BTreeSet<String> {
        let variables = body.blocks().filter(|block| block.identifier() == "variable");
        variables
            .map(|block| block.labels()[0].as_str().to_owned())
            .collect()
    };
    let declared = names(&variables);
    assert_eq!(references(&with_templates(), "var."), declared);
    for name in VARIABLES.into_iter().chain(["secondary_region_enabled"]) {
        assert!(declared.contains(name), "{name}");
    }
    let jobs: Body = hcl::from_str(&with_templates()).unwrap();
    let locals = jobs
        .blocks()
        .find(|block| block.identifier() == "locals")
        .unwrap();
    let locals: BTreeSet<String> = locals
        .body()
        .attributes()
        .map(|local| local.key().to_owned())
        .collect();
    assert_eq!(references(&with_templates(), "local."), locals);
}

#[test]
fn the_example_of_the_readme_passes_what_is_required_and_nothing_unknown() {
    let readme = read("README.md");
    let example = readme
        .split("```hcl\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let example: Body = hcl::from_str(example).unwrap();
    let module = example.blocks().next().unwrap().body();
    let given: BTreeSet<&str> = module.attributes().map(hcl::Attribute::key).collect();
    let variables: Body = hcl::from_str(&read("variables.tf")).unwrap();
    for variable in variables.blocks() {
        let optional = variable
            .body()
            .attributes()
            .any(|attribute| attribute.key() == "default");
        let name = variable.labels()[0].as_str();
        assert!(optional || given.contains(name), "{name} is missing");
    }
    for name in given.into_iter().filter(|name| *name != "source") {
        assert!(
            read("variables.tf").contains(&format!("variable \"{name}\"")),
            "{name}"
        );
    }
}
