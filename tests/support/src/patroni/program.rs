//! Which Patroni runs, and whether it may.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::programs::{command_as_owner, tool, variable};

/// Before it, a primary that was frozen takes the leader key in etcd v3 back, and rewinds its
/// successor.
const OLDEST: [u32; 3] = [3, 0, 3];

/// A Patroni that keeps what was acknowledged.
#[derive(Clone, Debug)]
pub struct Patroni {
    pub(super) program: PathBuf,
    /// What it calls itself: `4.1.5`.
    pub version: String,
}

impl Patroni {
    /// The program that `PATRONI` names, else the one that the script for tools brings.
    ///
    /// # Errors
    /// A sentence, when it may not run.
    pub fn find() -> Result<Self, String> {
        let program = variable("PATRONI").map_or_else(|| tool("patroni"), PathBuf::from);
        Self::at(&program)
    }

    /// Asks the program for its version.
    ///
    /// # Errors
    /// A sentence, when it does not run or is older than 3.0.3.
    pub fn at(program: &Path) -> Result<Self, String> {
        let name = program.display();
        let output = Command::new(program).arg("--version").output();
        let output = output.map_err(|error| format!("{name} does not run: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.trim().strip_prefix("patroni ").unwrap_or_default();
        let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
        match numbers {
            Some(numbers) if numbers >= OLDEST.to_vec() => Ok(Self {
                program: program.to_owned(),
                version: version.to_owned(),
            }),
            Some(_) => Err(format!(
                "{name} is Patroni {version}, which loses acknowledged orders: with etcd v3, a primary that was \
                 frozen takes the leader key back and rewinds the new primary. Use 3.0.3 or newer: \
                 pip install 'patroni[etcd3]'"
            )),
            None => Err(format!(
                "{name} --version names no version of Patroni: {said}{}",
                String::from_utf8_lossy(&output.stderr)
            )),
        }
    }

    /// A command that runs it as the user of PostgreSQL.
    ///
    /// `home` takes a copy of what the script has brought, since that user may not reach this
    /// repository.
    pub(super) fn installed_in(&self, home: &Path) -> PathBuf {
        let folder = self.program.parent().unwrap_or(Path::new("/"));
        if !self.program.ends_with("run-patroni") {
            return self.program.clone();
        }
        let status = Command::new("cp")
            .arg("-a")
            .args([folder, &home.join("patroni")])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "copy {}",
            folder.display()
        );
        home.join("patroni/run-patroni")
    }

    pub(super) fn command(program: &Path, settings: &Path) -> Command {
        let mut command = command_as_owner(&program.display().to_string());
        command.arg(settings).current_dir("/");
        command
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Patroni;

    /// A program that answers with `said`, whatever it is asked.
    fn saying(said: &str) -> Result<Patroni, String> {
        let name = format!("order-food-patroni-{}", crate::cluster::random_hex());
        let program = std::env::temp_dir().join(name);
        std::fs::write(&program, format!("#!/bin/sh\necho '{said}'\n")).expect("write a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("make it run");
        let found = Patroni::at(&program);
        std::fs::remove_file(&program).expect("remove the script");
        found
    }

    #[test]
    fn a_patroni_that_loses_orders_is_refused_in_words() {
        for version in ["3.0.2", "3.0.0", "2.1.7", "1.6.5", "3.0"] {
            let refusal = saying(&format!("patroni {version}")).expect_err(version);
            assert!(refusal.contains(&format!("is Patroni {version}")), "{refusal}");
            assert!(refusal.contains("Use 3.0.3 or newer"), "{refusal}");
        }
        for version in ["3.0.3", "3.0.10", "3.1", "4.1.5", "10.0.0"] {
            assert_eq!(
                saying(&format!("patroni {version}")).expect(version).version,
                version
            );
        }
    }

    #[test]
    fn what_is_no_patroni_is_refused_in_words() {
        let refusal = saying("psql (PostgreSQL) 15.18").expect_err("no Patroni");
        assert!(refusal.contains("names no version of Patroni: psql"), "{refusal}");
        let refusal = Patroni::at("/nowhere/patroni".as_ref()).expect_err("no program");
        assert!(
            refusal.starts_with("/nowhere/patroni does not run: "),
            "{refusal}"
        );
    }
}
