//! What the roles are called, and where their passwords are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use process::settings::text::{self, Blanks};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Role;

/// Section `[roles]` of the settings: a name for each role, and for those that log in the file of
/// their password.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder with a file for each password, named as its role: `app`. A role with a file of its
    /// own, and one without any, is left out.
    pub passwords_dir: Option<PathBuf>,
    /// Owns the tables, and cannot log in.
    pub owner: String,
    /// `database-migration` logs in as this.
    pub migrator: String,
    /// File with the migrator's password.
    pub migrator_password_file: Option<PathBuf>,
    /// `order-food` logs in as this.
    pub app: String,
    /// File with the app's password.
    pub app_password_file: Option<PathBuf>,
    /// `database-load` logs in as this.
    pub loader: String,
    /// File with the loader's password.
    pub loader_password_file: Option<PathBuf>,
    /// `order-food worker` and `order-food jobs` log in as this.
    pub worker: String,
    /// File with the worker's password.
    pub worker_password_file: Option<PathBuf>,
    /// People who look, and reports.
    pub readonly: String,
    /// File with the read-only role's password.
    pub readonly_password_file: Option<PathBuf>,
}

/// Environment variables and the settings that they set.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("ROLE_PASSWORDS_DIR", "roles.passwords_dir"),
    ("ROLE_OWNER", "roles.owner"),
    ("ROLE_MIGRATOR", "roles.migrator"),
    ("ROLE_MIGRATOR_PASSWORD_FILE", "roles.migrator_password_file"),
    ("ROLE_APP", "roles.app"),
    ("ROLE_APP_PASSWORD_FILE", "roles.app_password_file"),
    ("ROLE_LOADER", "roles.loader"),
    ("ROLE_LOADER_PASSWORD_FILE", "roles.loader_password_file"),
    ("ROLE_WORKER", "roles.worker"),
    ("ROLE_WORKER_PASSWORD_FILE", "roles.worker_password_file"),
    ("ROLE_READONLY", "roles.readonly"),
    ("ROLE_READONLY_PASSWORD_FILE", "roles.readonly_password_file"),
];

/// A name that no role can have, or a file without a password. Names the setting, never a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct Invalid {
    setting: String,
    problem: String,
}

impl Invalid {
    pub(super) fn new(role: Role, problem: impl Into<String>) -> Self {
        Self {
            setting: format!("roles.{role}"),
            problem: problem.into(),
        }
    }
}

/// The six names, all different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(BTreeMap<Role, String>);

/// The passwords of the roles that have a file for it.
#[derive(Clone, Debug, Default)]
pub struct Passwords(BTreeMap<Role, SecretString>);

/// PostgreSQL cuts longer names, silently.
const LONGEST_NAME: usize = 63;

impl Names {
    /// Checks the names.
    ///
    /// # Errors
    /// [`Invalid`] names the setting.
    pub fn new(settings: &Settings) -> Result<Self, Invalid> {
        let mut names = BTreeMap::new();
        for role in Role::ALL {
            let name = settings.name(role);
            if let Some(problem) = problem_of(name) {
                return Err(Invalid::new(role, problem));
            }
            if let Some((other, _)) = names.iter().find(|(_, taken)| *taken == name) {
                return Err(Invalid::new(role, format!("has the name of roles.{other}")));
            }
            names.insert(role, name.to_owned());
        }
        Ok(Self(names))
    }

    /// The role's name in the database.
    #[must_use]
    pub fn of(&self, role: Role) -> &str {
        self.0.get(&role).map_or("", String::as_str)
    }

    /// The role with this name.
    pub(super) fn role(&self, name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| self.of(*role) == name)
    }

    pub(super) fn all(&self) -> Vec<&str> {
        self.0.values().map(String::as_str).collect()
    }

    /// As `differences.sql` reads them.
    pub(super) fn to_json(&self) -> String {
        let role = |(role, name): (&Role, &String)| {
            json!({
                "role": role.to_string(),
                "name": name,
                "logs_in": role.logs_in(),
                "is_user": Role::USERS.contains(role),
            })
        };
        Value::Array(self.0.iter().map(role).collect()).to_string()
    }
}

fn problem_of(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("is empty"),
        "public" | "none" => Some("is a word that PostgreSQL keeps for itself"),
        _ if name.starts_with("pg_") => Some("begins with pg_, which PostgreSQL keeps for itself"),
        _ if name.len() > LONGEST_NAME => Some("is longer than 63 bytes"),
        _ if name.chars().any(char::is_control) => Some("has control characters"),
        _ => None,
    }
}

impl Passwords {
    /// Reads the files that are set.
    ///
    /// # Errors
    /// [`Invalid`] names the setting.
    pub fn read(settings: &Settings) -> Result<Self, Invalid> {
        let mut passwords = BTreeMap::new();
        let folder = settings.passwords_dir.as_deref();
        let mut in_folder = folder.map(files).transpose()?.unwrap_or_default();
        for role in Role::ALL {
            let file = in_folder.remove(&role);
            if let Some(file) = settings.password_file(role).or(file.as_deref()) {
                passwords.insert(role, password(role, file)?);
            }
        }
        Ok(Self(passwords))
    }

    pub(super) fn of(&self, role: Role) -> Option<&SecretString> {
        self.0.get(&role)
    }
}

/// The files of a folder, each named as a role that logs in; names that begin with a dot are those
/// by which Kubernetes replaces a Secret.
fn files(folder: &Path) -> Result<BTreeMap<Role, PathBuf>, Invalid> {
    let shown = folder.display();
    let invalid = |problem: String| Invalid {
        setting: "roles.passwords_dir".into(),
        problem,
    };
    let unreadable = |error| invalid(format!("cannot read {shown}: {error}"));
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let role = Role::ALL
            .into_iter()
            .find(|role| role.logs_in() && role.to_string() == *name);
        let unknown = || {
            let roles = Role::ALL.into_iter().filter(|role| role.logs_in());
            let roles: Vec<String> = roles.map(|role| role.to_string()).collect();
            invalid(format!(
                "{shown} holds {name}, which is none of {}",
                roles.join(", ")
            ))
        };
        files.insert(role.ok_or_else(unknown)?, folder.join(&*name));
    }
    Ok(files)
}

/// The password in a file, as the programs that log in with it read theirs.
fn password(role: Role, file: &Path) -> Result<SecretString, Invalid> {
    let invalid = |problem: String| Invalid {
        setting: format!("roles.{role}_password_file"),
        problem,
    };
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| invalid(format!("cannot read {shown}: {error}")))?;
    let password = text::value(&bytes, Blanks::Kept).and_then(text::checked);
    match password {
        Ok(password) if !password.is_empty() => Ok(password.into()),
        Ok(_) => Err(invalid(format!(
            "{shown} does not hold one line with the password"
        ))),
        Err(problem) => Err(invalid(format!(
            "{shown} does not hold one line with the password: {problem}"
        ))),
    }
}

impl Settings {
    fn name(&self, role: Role) -> &str {
        match role {
            Role::Owner => &self.owner,
            Role::Migrator => &self.migrator,
            Role::App => &self.app,
            Role::Loader => &self.loader,
            Role::Worker => &self.worker,
            Role::Readonly => &self.readonly,
        }
    }

    fn password_file(&self, role: Role) -> Option<&Path> {
        match role {
            Role::Owner => None,
            Role::Migrator => self.migrator_password_file.as_deref(),
            Role::App => self.app_password_file.as_deref(),
            Role::Loader => self.loader_password_file.as_deref(),
            Role::Worker => self.worker_password_file.as_deref(),
            Role::Readonly => self.readonly_password_file.as_deref(),
        }
    }
}

/// The names of the default settings.
impl Default for Names {
    fn default() -> Self {
        let name = |role: Role| (role, format!("order_food_{role}"));
        Self(Role::ALL.map(name).into())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// The section `[roles]` of the default file, where an empty text means "not set".
    fn defaults() -> Settings {
        let file: toml::Table = toml::from_str(include_str!("../../config/default.toml")).unwrap();
        let mut roles = file["roles"].as_table().unwrap().clone();
        roles.retain(|_, value| value.as_str() != Some(""));
        roles.try_into().unwrap()
    }

    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = defaults();
        change(&mut settings);
        Names::new(&settings).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_no_role_can_have_is_refused() {
        assert_eq!(refusal(|it| it.app.clear()), "roles.app: is empty");
        for name in ["public", "none", "pg_app", "a\nb", &"x".repeat(64)] {
            let message = refusal(|it| it.loader = name.into());
            assert!(message.starts_with("roles.loader: "), "{name}: {message}");
        }
    }

    #[test]
    fn two_roles_with_one_name_are_refused() {
        let message = refusal(|it| it.readonly = it.app.clone());

        assert_eq!(message, "roles.readonly: has the name of roles.app");
    }

    #[test]
    fn a_folder_holds_the_passwords_of_some_roles_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        std::fs::create_dir(folder.join("..data")).unwrap();
        for (file, password) in [("app", "one"), ("loader", "two"), ("own", "three")] {
            std::fs::write(folder.join(file), password).unwrap();
        }
        let settings = Settings {
            passwords_dir: Some(folder.to_owned()),
            loader_password_file: Some(folder.join("own")),
            ..defaults()
        };

        let refusal = Passwords::read(&settings).unwrap_err().to_string();
        let expected = "holds own, which is none of migrator, app, loader, worker, readonly";
        assert!(
            refusal.starts_with("roles.passwords_dir: ") && refusal.ends_with(expected),
            "{refusal}"
        );

        std::fs::rename(folder.join("own"), folder.join(".own")).unwrap();
        let settings = Settings {
            loader_password_file: Some(folder.join(".own")),
            ..settings
        };
        let passwords = Passwords::read(&settings).unwrap();
        let of = |role| {
            passwords
                .of(role)
                .map(|password| password.expose_secret().to_owned())
        };
        assert_eq!(of(Role::App).as_deref(), Some("one"));
        assert_eq!(of(Role::Loader).as_deref(), Some("three"));
        assert_eq!(of(Role::Worker), None);
    }

    #[test]
    fn names_may_need_quotes() {
        let settings = Settings {
            app: "Küche \"1\"; --".into(),
            ..defaults()
        };

        assert_eq!(Names::new(&settings).unwrap().of(Role::App), "Küche \"1\"; --");
    }
}
