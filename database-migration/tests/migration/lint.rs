//! The linter for this project's migrations: squawk's rules, and some that squawk does not have.
//!
//! A table that a migration finds is in use while it runs. So nothing in a migration may hold a
//! lock for as long as it takes to read or write a whole table, and nothing may break the build
//! that still serves. Where a migration knows better, a comment in it says so: `-- squawk-ignore
//! ban-drop-column`, with the reason beside it.

use std::collections::BTreeSet;

use database_migration::Migration;
use squawk_linter::{Linter, Rule};
use squawk_syntax::ast::{self, AstNode as _};
use squawk_syntax::{Parse, SourceFile};

/// What the first release brings runs on empty databases alone, all of it before any program
/// comes: it is one file here.
const FIRST_RELEASE: i32 = 4;

/// The oldest server that the project knows.
const OLDEST: &str = "14.0";

/// Longest `lock_timeout` of a file: what the runner itself sets.
const LONGEST_LOCK_MS: u64 = 2000;

/// Squawk's rules for a way forward, each of which [`lint_rules`](crate::lint_rules) tries out. The
/// others are matters of taste (`prefer-bigint-over-int`), say what rules of our own say better
/// (`require-lock-timeout`), or contradict the runner, which lifts `statement_timeout`: whatever
/// takes long there takes no lock that a session waits for.
pub(crate) const FORWARD: [Rule; 25] = [
    // Short locks.
    Rule::RequireConcurrentIndexCreation,
    Rule::RequireConcurrentIndexDeletion,
    Rule::RequireConcurrentReindex,
    Rule::BanConcurrentIndexCreationInTransaction,
    Rule::ConstraintMissingNotValid,
    Rule::AddingForeignKeyConstraint,
    Rule::AddingNotNullableField,
    Rule::AddingSerialPrimaryKeyField,
    Rule::DisallowedUniqueConstraint,
    Rule::BanTruncateCascade,
    // No table written anew.
    Rule::ChangingColumnType,
    Rule::AddingFieldWithDefault,
    // The build that serves goes on serving.
    Rule::AddingRequiredField,
    Rule::RenamingColumn,
    Rule::RenamingTable,
    Rule::BanDropColumn,
    Rule::BanDropTable,
    Rule::BanDropNotNull,
    // The runner has the transaction, and repeats what has none.
    Rule::TransactionNesting,
    Rule::PreferRobustStmts,
    // Types.
    Rule::PreferTimestampTz,
    Rule::PreferTextField,
    Rule::PreferIdentity,
    Rule::BanCharField,
    Rule::IdentifierTooLong,
];

/// Squawk's rules for a way back: its locks are short as well. That it takes away what the newer
/// build uses is its purpose.
const WAY_BACK: [Rule; 10] = [
    Rule::RequireConcurrentIndexCreation,
    Rule::RequireConcurrentReindex,
    Rule::BanConcurrentIndexCreationInTransaction,
    Rule::ConstraintMissingNotValid,
    Rule::AddingForeignKeyConstraint,
    Rule::AddingNotNullableField,
    Rule::BanTruncateCascade,
    Rule::ChangingColumnType,
    Rule::AddingFieldWithDefault,
    Rule::TransactionNesting,
];

/// What is wrong with the migrations, a sentence each, which names the file and the rule.
pub(crate) fn lint(migrations: &[Migration]) -> Vec<String> {
    let first = migrations.partition_point(|it| it.version <= FIRST_RELEASE);
    let (first, later) = migrations.split_at(first);
    let all = first
        .iter()
        .map(|it| it.up.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let mut findings = File::new("the first release", &all, true).squawk(&FORWARD);
    for migration in later {
        let is_transaction = migration.metadata.run_in_transaction;
        findings.extend(File::new(&migration.up_file(), &migration.up, is_transaction).squawk(&FORWARD));
        findings.extend(File::new(&migration.down_file(), &migration.down, is_transaction).squawk(&WAY_BACK));
    }
    for migration in migrations {
        let is_transaction = migration.metadata.run_in_transaction;
        for (name, sql) in [
            (migration.up_file(), &migration.up),
            (migration.down_file(), &migration.down),
        ] {
            let file = File::new(&name, sql, is_transaction);
            findings.extend(file.lock_timeout());
            findings.extend(file.names());
            findings.extend(file.rewrites());
            findings.extend(file.unlogged());
        }
    }
    findings.extend(never_validated(migrations));
    findings
}

/// The SQL of one file.
struct File<'a> {
    name: String,
    sql: &'a str,
    is_transaction: bool,
    parsed: Parse<SourceFile>,
}

impl<'a> File<'a> {
    fn new(name: &str, sql: &'a str, is_transaction: bool) -> File<'a> {
        File {
            name: name.to_owned(),
            sql,
            is_transaction,
            parsed: SourceFile::parse(sql),
        }
    }

    fn finding(&self, at: squawk_syntax::SyntaxNode, rule: &str, problem: &str) -> String {
        let line = self.sql[..usize::from(at.text_range().start())]
            .matches('\n')
            .count()
            + 1;
        format!("{} line {line}: {rule}: {problem}", self.name)
    }

    /// What squawk says, and what it cannot read.
    fn squawk(&self, rules: &[Rule]) -> Vec<String> {
        let unread = self.parsed.errors();
        let mut linter = Linter::from(rules.iter().copied());
        linter.settings.pg_version = OLDEST.parse().unwrap();
        linter.settings.assume_in_transaction = self.is_transaction;
        let line = |start: usize| self.sql[..start].matches('\n').count() + 1;
        let unread = unread.iter().map(|error| {
            let start = usize::from(error.range().start());
            format!("{} line {}: syntax: {}", self.name, line(start), error.message())
        });
        let found = linter.lint(&self.parsed, self.sql).into_iter().map(|found| {
            let start = usize::from(found.text_range.start());
            format!(
                "{} line {}: {}: {}",
                self.name,
                line(start),
                found.code,
                found.message
            )
        });
        unread.chain(found).collect()
    }

    /// The first statement limits waiting for locks, so that the file is safe in other hands than
    /// the runner's, too; and none raises that limit. Work done `CONCURRENTLY` delays no session
    /// while it waits, and stands alone: stock diesel sends a file as one message, and PostgreSQL
    /// makes a transaction of a message with several statements.
    fn lock_timeout(&self) -> Vec<String> {
        let rule = "lock-timeout";
        let file = self.parsed.tree();
        let mut statements = file.stmts();
        if let (false, Some(only), None) = (self.is_transaction, statements.next(), statements.next())
            && is_concurrent(&only)
        {
            return Vec::new();
        }
        let mut findings = Vec::new();
        let limits: Vec<_> = file
            .stmts()
            .map(|statement| (lock_timeout_of(&statement), statement))
            .collect();
        match limits.first() {
            None => findings.push(format!("{}: {rule}: it does nothing", self.name)),
            Some((None, first)) => {
                let problem =
                    "the first statement has to be SET LOCAL lock_timeout (SET without a transaction)";
                findings.push(self.finding(first.syntax().clone(), rule, problem));
            }
            Some((Some(_), _)) => {}
        }
        for (limit, statement) in &limits {
            let Some((is_local, limit)) = limit else { continue };
            let at = statement.syntax().clone();
            if limit.is_none_or(|limit| !(1..=LONGEST_LOCK_MS).contains(&limit)) {
                findings.push(self.finding(at, rule, "lock_timeout has to be above 0 and at most 2s"));
            } else if *is_local != self.is_transaction {
                findings.push(self.finding(
                    at,
                    rule,
                    "SET LOCAL is for transactions, and SET for files without one",
                ));
            }
        }
        findings
    }

    /// Constraints and indexes have names, which begin with their table's.
    fn names(&self) -> Vec<String> {
        let rule = "names";
        let mut findings = Vec::new();
        for node in self.parsed.syntax_node().descendants() {
            if let Some(index) = ast::CreateIndex::cast(node.clone())
                && index.index().is_none()
            {
                findings.push(self.finding(node, rule, "the index has no name"));
                continue;
            }
            let Some(constraint) = ast::Constraint::cast(node.clone()) else {
                continue;
            };
            // Defaults and NOT NULL are properties of their column.
            if let ast::Constraint::DefaultConstraint(_)
            | ast::Constraint::GeneratedConstraint(_)
            | ast::Constraint::NotNullConstraint(_)
            | ast::Constraint::NullConstraint(_) = constraint
            {
                continue;
            }
            let name = constraint
                .constraint_name()
                .map(|name| name.syntax().text().to_string());
            match (name, table_of(&node)) {
                (None, _) => findings.push(self.finding(node, rule, "the constraint has no name")),
                (Some(name), Some(table)) if !name.starts_with(&format!("{table}_")) => {
                    let problem = format!("the constraint {name} has to begin with {table}_");
                    findings.push(self.finding(node, rule, &problem));
                }
                _ => {}
            }
        }
        findings
    }

    /// Squawk knows of changed types, volatile defaults and generated columns; these write every
    /// row anew as well.
    fn rewrites(&self) -> Vec<String> {
        let file = self.parsed.tree();
        let created: BTreeSet<String> = file
            .stmts()
            .filter_map(|statement| match statement {
                ast::Stmt::CreateTable(table) => Some(table.table_name()?.syntax().text().to_string()),
                _ => None,
            })
            .collect();
        let mut findings = Vec::new();
        for statement in file.stmts() {
            let whole = "it writes the whole table anew, and no session reads it meanwhile";
            let alter = match &statement {
                ast::Stmt::AlterTable(alter) => alter,
                ast::Stmt::Vacuum(vacuum) if vacuum.is_full() => {
                    findings.push(self.finding(vacuum.syntax().clone(), "table-rewrite", whole));
                    continue;
                }
                ast::Stmt::Cluster(cluster) => {
                    findings.push(self.finding(cluster.syntax().clone(), "table-rewrite", whole));
                    continue;
                }
                _ => continue,
            };
            if table_of(alter.syntax()).is_some_and(|table| created.contains(&table)) {
                continue;
            }
            for action in alter.actions() {
                if is_rewrite(&action) {
                    findings.push(self.finding(action.syntax().clone(), "table-rewrite", whole));
                }
            }
        }
        findings
    }

    /// A crash empties them.
    fn unlogged(&self) -> Vec<String> {
        let tables = self
            .parsed
            .tree()
            .stmts()
            .filter_map(|statement| match statement {
                ast::Stmt::CreateTable(table) => Some(table),
                _ => None,
            });
        let is_unlogged = |table: &ast::CreateTable| {
            let persistence = table.persistence().map(|it| it.syntax().text().to_string());
            persistence.is_some_and(|it| it.eq_ignore_ascii_case("unlogged"))
        };
        tables
            .filter(is_unlogged)
            .map(|table| {
                self.finding(
                    table.syntax().clone(),
                    "unlogged",
                    "a crash would empty the table",
                )
            })
            .collect()
    }
}

/// Whether an index is made or dropped `CONCURRENTLY`.
fn is_concurrent(statement: &ast::Stmt) -> bool {
    let text = statement.syntax().text().to_string().to_uppercase();
    matches!(statement, ast::Stmt::CreateIndex(_) | ast::Stmt::DropIndex(_))
        && text.split_whitespace().any(|word| word == "CONCURRENTLY")
}

/// `SET [LOCAL] lock_timeout`: whether it is local, and the milliseconds, if they can be read.
fn lock_timeout_of(statement: &ast::Stmt) -> Option<(bool, Option<u64>)> {
    let ast::Stmt::Set(set) = statement else {
        return None;
    };
    let text = set.syntax().text().to_string().to_lowercase().replace('=', " = ");
    let words: Vec<&str> = text.trim_end_matches(';').split_whitespace().collect();
    let (is_local, rest) = match words.as_slice() {
        ["set", "local", rest @ ..] => (true, rest),
        ["set", "session", rest @ ..] | ["set", rest @ ..] => (false, rest),
        _ => return None,
    };
    let ["lock_timeout", "=" | "to", value] = rest else {
        return rest.starts_with(&["lock_timeout"]).then_some((is_local, None));
    };
    let value = value.trim_matches('\'');
    let milliseconds = match (value.strip_suffix("ms"), value.strip_suffix('s')) {
        (Some(number), _) => number.parse().ok(),
        (None, Some(number)) => number.parse().ok().map(|seconds: u64| seconds * 1000),
        (None, None) => value.parse().ok(),
    };
    Some((is_local, milliseconds))
}

/// The table that the statement around a node makes or changes.
fn table_of(node: &squawk_syntax::SyntaxNode) -> Option<String> {
    node.ancestors().find_map(|around| {
        if let Some(table) = ast::CreateTable::cast(around.clone()) {
            return Some(table.table_name()?.syntax().text().to_string());
        }
        let alter = ast::AlterTable::cast(around)?;
        let relation = alter.table_relation_name()?;
        Some(relation.table_name_ref()?.syntax().text().to_string())
    })
}

fn is_rewrite(action: &ast::AlterTableAction) -> bool {
    matches!(
        action,
        ast::AlterTableAction::SetLogged(_)
            | ast::AlterTableAction::SetUnlogged(_)
            | ast::AlterTableAction::SetTablespace(_)
            | ast::AlterTableAction::SetAccessMethod(_)
    )
}

/// `NOT VALID` keeps old rows unchecked until a later transaction has validated the constraint.
fn never_validated(migrations: &[Migration]) -> Vec<String> {
    let mut added = Vec::new();
    let mut validated = BTreeSet::new();
    for migration in migrations {
        for node in SourceFile::parse(&migration.up).syntax_node().descendants() {
            if let Some(constraint) = ast::Constraint::cast(node.clone())
                && constraint.is_not_valid()
                && let Some(name) = constraint.constraint_name()
            {
                added.push((name.syntax().text().to_string(), migration.up_file()));
            }
            if let Some(validation) = ast::ValidateConstraint::cast(node)
                && let Some(name) = validation.constraint_name_ref()
            {
                validated.insert(name.syntax().text().to_string());
            }
        }
    }
    added.retain(|(name, _)| !validated.contains(name));
    added
        .into_iter()
        .map(|(name, file)| format!("{file}: never-validated: no migration validates the constraint {name}"))
        .collect()
}
