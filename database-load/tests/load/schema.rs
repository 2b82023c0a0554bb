//! `docs/profile.schema.json` accepts what the loader accepts, and refuses what it refuses.

use std::path::{Path, PathBuf};

use database_load::DatasetKind;
use database_load::profile::Profile;
use jsonschema::Validator;
use serde_json::Value;

use crate::fixture::{Data, SHIPPED};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const SUM: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn schema() -> Value {
    let text = std::fs::read_to_string(Path::new(REPOSITORY).join("docs/profile.schema.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn is_valid(schema: &Validator, toml: &str) -> bool {
    let parsed: Result<Value, _> = toml::from_str(toml);
    parsed.is_ok_and(|profile| schema.is_valid(&profile))
}

fn profiles(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(profiles(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_shipped_profile_and_example_is_valid() {
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let mut all = profiles(Path::new(SHIPPED));
    all.extend(profiles(&Path::new(REPOSITORY).join("docs/examples")));
    assert!(all.len() >= 4, "{all:?}");
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap();
        let errors: Vec<String> = schema
            .iter_errors(&toml::from_str(&text).unwrap())
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        Profile::read(&path).unwrap_or_else(|failure| panic!("{}", failure.line()));
    }
}

#[test]
fn the_schema_and_the_loader_agree_on_what_a_profile_is() {
    let schema = jsonschema::draft202012::new(&schema()).unwrap();
    let data = Data::copy();
    let products = "[operations.products]\nsources = [\"p.csv\"]\n";
    let users = "[operations.users]\nsources = [\"u.json\"]\n";
    let one = |source: &str| format!("[operations.products]\nsources = [{source}]\n");
    let codes = |rest: &str| format!("[operations.coupon_codes]\nsources = [\"a\", \"b\"]\n{rest}");
    let accepted = [
        products.to_owned(),
        format!("description = \"x\"\nversion = -3\n{products}"),
        format!("{products}{users}api_keys = []\n"),
        format!("{products}{users}needs = [\"products\"]\n"),
        format!("{products}{users}[operations.orders]\nsources = [\"o.jsonl\"]\n"),
        codes(""),
        codes("min_files = 1"),
        one("\"menu/\", \"a/*.csv\", \"b-[0-9].json.gz\", \"/absolute/c.csv\""),
        one("\"https://me:pass@host:1/menu.csv?a=b\", \"http://localhost/menu.csv\""),
        one("\"s3://bucket/menu.csv\", \"s3://bucket/menu/\", \"s3://bucket/*.csv\", \"s3://bucket\""),
        one("{ location = \"p\", format = \"csv\" }, { location = \"p\", format = \"ndjson\" }"),
        one(&format!("{{ location = \"p.csv\", sha256 = \"{SUM}\" }}")),
        one(&format!(
            "{{ location = \"https://h/p.csv?a=*\", sha256 = \"{}\" }}",
            SUM.to_uppercase()
        )),
    ];
    let refused = [
        String::new(),
        "[operations]\n".to_owned(),
        format!("vesrion = 1\n{products}"),
        format!("version = \"1\"\n{products}"),
        format!("version = 1.5\n{products}"),
        format!("description = 1\n{products}"),
        products.replace("operations", "operation"),
        products.replace("products", "product"),
        products.replace("sources", "source"),
        format!("{products}need = []\n"),
        format!("{products}needs = [\"user\"]\n{users}"),
        format!("{products}api_keys = []\n"),
        format!("{products}min_files = 1\n"),
        format!("{users}api_key = []\n"),
        "[operations.orders]\nsources = [\"o.jsonl\"]\n".to_owned(),
        format!("{products}[operations.orders]\nsources = [\"o.jsonl\"]\n"),
        codes("min_files = 0"),
        codes("min_files = 65"),
        codes("minfiles = 1"),
        one(""),
        one("\"\""),
        one("1"),
        "[operations.products]\nsources = \"p.csv\"\n".to_owned(),
        one("\"ftp://host/p.csv\""),
        one("\"https:///\""),
        one("\"s3:///p.csv\""),
        one("{ path = \"p.csv\" }"),
        one("{ location = \"p.csv\", sha265 = \"\" }"),
        one("{ location = \"p.csv\", sha256 = \"00\" }"),
        one(&format!("{{ location = \"menu/\", sha256 = \"{SUM}\" }}")),
        one(&format!("{{ location = \"*.csv\", sha256 = \"{SUM}\" }}")),
        one("{ location = \"p\", format = \"xml\" }"),
    ];
    let refused = refused.iter().map(|profile| (profile, false));
    let profiles = accepted.iter().map(|profile| (profile, true)).chain(refused);
    for (profile, is_accepted) in profiles {
        data.write("default.toml", profile);
        assert_eq!(is_valid(&schema, profile), is_accepted, "the schema: {profile}");
        let read = Profile::read(&data.profile());
        assert_eq!(read.is_ok(), is_accepted, "the loader: {profile}{read:?}");
    }
}

/// The names that the loader takes, from what it says to one that it does not.
fn fields(data: &Data, profile: &str) -> Vec<String> {
    data.write("default.toml", profile);
    let says = Profile::read(&data.profile()).unwrap_err().line();
    let (_, names) = says.split_once("expected ").unwrap_or_else(|| panic!("{says}"));
    let mut names: Vec<String> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

fn properties(of: &Value) -> Vec<String> {
    let mut names: Vec<String> = of["properties"].as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    names
}

#[test]
fn the_schema_has_every_key_that_the_loader_takes() {
    let (schema, data) = (schema(), Data::copy());
    let operations = &schema["properties"]["operations"];
    assert_eq!(properties(&schema), fields(&data, "x = 1"));
    assert_eq!(properties(operations), fields(&data, "[operations.x]"));
    for dataset in DatasetKind::ALL {
        let operation = &operations["properties"][dataset.name()];
        let operation = if operation["$ref"].is_null() {
            operation
        } else {
            &schema["$defs"]["rows"]
        };
        let mut keys = fields(&data, &format!("[operations.{dataset}]\nx = 1"));
        // Some keys belong to one dataset.
        for (key, value) in [("api_keys", "[]"), ("min_files", "2")] {
            let profile = format!("[operations.{dataset}]\nsources = [\"a\", \"b\"]\n{key} = {value}");
            data.write("default.toml", profile);
            let refused = Profile::read(&data.profile()).is_err_and(|failure| failure.line().contains(key));
            keys.retain(|name| name != key || !refused);
        }
        assert_eq!(properties(operation), keys, "{dataset}");
    }
    let source = &schema["$defs"]["source"]["anyOf"][1];
    let profile = "[operations.products]\nsources = [{ x = 1 }]";
    assert_eq!(properties(source), fields(&data, profile));
}
