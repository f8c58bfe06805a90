//! The YAML of controls, checked: every key with the type it must have, every fault with its file and line.

use uncia_model::{Database, Severity, TableRef};

use super::fix::FixTemplate;
use crate::ContentProblem;
use crate::content::fields::{Fields, problem};
use crate::content::yaml::{self, Node};

const CONTROL: &[&str] = &[
    "ControlID",
    "DisplayName",
    "Severity",
    "Why",
    "Frameworks",
    "Tables",
    "Query",
    "Columns",
    "Resource",
    "Fix",
    "FixSQL",
    "Limits",
];
const FRAMEWORK: &[&str] = &["Name", "Control", "Verified"];

/// One control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub id: String,
    pub file: String,
    pub title: String,
    pub severity: Severity,
    /// What goes wrong where it is violated.
    pub why: String,
    pub frameworks: Vec<FrameworkControl>,
    /// What the query reads. Without one of them the control does not apply: an edition without the view, a table of
    /// state that is not pulled.
    pub tables: Vec<TableRef>,
    /// Selects what violates the control.
    pub sql: String,
    /// The columns of the query that are shown, in this order.
    pub columns: Vec<String>,
    /// Those of the columns that tell which object violates the control; the others may differ from day to day.
    pub resource: Vec<String>,
    /// What to do, for people.
    pub fix: String,
    /// What to run, for each row.
    pub fix_sql: Option<FixTemplate>,
    /// What the tables cannot tell.
    pub limits: Option<String>,
}

/// Where a framework asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameworkControl {
    pub framework: String,
    /// Its number or name there.
    pub control: String,
    /// Whether number and meaning were compared with the framework's published text.
    pub verified: bool,
}

/// The controls of some files, sorted by id.
#[derive(Clone, Debug, Default)]
pub struct ControlSet {
    pub controls: Vec<Control>,
    pub problems: Vec<ContentProblem>,
}

impl ControlSet {
    /// Reads files, given by name and text; what is wrong with one never stops another. Of two controls with one id the
    /// later one counts.
    #[must_use]
    pub fn load(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut set = Self::default();
        for (file, text) in files {
            match yaml::parse(&text) {
                Ok(node) => set.controls.extend(read(&node, &file, &mut set.problems)),
                Err(error) => set.problems.push(problem(&file, None, error.line, error.message)),
            }
        }
        set.controls.reverse();
        set.controls.sort_by(|a, b| a.id.cmp(&b.id));
        set.controls.dedup_by(|later, earlier| later.id == earlier.id);
        set
    }
}

/// `None` if it cannot be asked; the problems say why.
fn read(node: &Node, file: &str, problems: &mut Vec<ContentProblem>) -> Option<Control> {
    let id = node.get("ControlID").and_then(Node::scalar_text);
    let mut fields = Fields::of(node, "", file, id.as_deref(), problems)?;
    fields.only(&[CONTROL]);
    let id = fields.required_text("ControlID");
    let title = fields.required_text("DisplayName");
    let severity = severity(&mut fields);
    let why = fields.required_text("Why");
    let frameworks = frameworks(&mut fields);
    let tables = tables(&mut fields);
    let sql = fields.required_text("Query");
    let columns = fields.set("Columns", true);
    if columns.is_empty() {
        fields.missing("Columns", "a list of the query's columns that are shown as evidence");
    }
    let resource = resource(&mut fields, &columns);
    let fix = fields.required_text("Fix");
    let fix_sql = fix_sql(&mut fields, &columns);
    let limits = fields.text("Limits");
    if tables.is_empty() || columns.is_empty() {
        return None;
    }
    Some(Control {
        id: id?,
        file: file.to_owned(),
        title: title?,
        severity: severity?,
        why: why?.trim().to_owned(),
        frameworks,
        tables,
        sql: sql?,
        columns,
        resource,
        fix: fix?.trim().to_owned(),
        fix_sql,
        limits: limits.map(|limits| limits.trim().to_owned()),
    })
}

fn severity(fields: &mut Fields<'_>) -> Option<Severity> {
    let text = fields.required_text("Severity")?;
    let severity = Severity::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(&text));
    if severity.is_none() {
        let line = fields.line_of("Severity");
        fields.wrong(line, format!("`Severity` must be one of Info, Low, Medium, High, Critical, found `{text}`"));
    }
    severity
}

fn frameworks(fields: &mut Fields<'_>) -> Vec<FrameworkControl> {
    let mut frameworks = Vec::new();
    for node in fields.list("Frameworks") {
        let Some(mut inner) = fields.inner(node, "`Frameworks`") else { continue };
        inner.only(&[FRAMEWORK]);
        let (framework, control) = (inner.required_text("Name"), inner.required_text("Control"));
        let verified = inner.required_flag("Verified");
        if let (Some(framework), Some(control), Some(verified)) = (framework, control, verified) {
            frameworks.push(FrameworkControl { framework, control, verified });
        }
    }
    frameworks
}

fn tables(fields: &mut Fields<'_>) -> Vec<TableRef> {
    let mut tables = Vec::new();
    let line = fields.line_of("Tables");
    let names = fields.set("Tables", true);
    if names.is_empty() {
        fields.missing("Tables", "a list of the tables that the query reads, such as `lookups.snowflake_users`");
    }
    for name in names {
        let table = name.split_once('.').and_then(|(database, table)| {
            let database = Database::parse(database)?;
            (!table.is_empty()).then(|| TableRef::new(database, table.to_lowercase()))
        });
        match table {
            Some(table) => tables.push(table),
            None => fields.wrong(line, format!("`Tables`: `{name}` is no table; write database.table")),
        }
    }
    tables
}

/// All columns if nothing is said.
fn resource(fields: &mut Fields<'_>, columns: &[String]) -> Vec<String> {
    let line = fields.line_of("Resource");
    let named = fields.set("Resource", true);
    for name in &named {
        if !columns.contains(name) {
            fields.wrong(line, format!("`Resource`: `{name}` is none of the columns {}", columns.join(", ")));
        }
    }
    if named.is_empty() { columns.to_vec() } else { named }
}

fn fix_sql(fields: &mut Fields<'_>, columns: &[String]) -> Option<FixTemplate> {
    let text = fields.text("FixSQL")?;
    match FixTemplate::parse(text.trim(), columns) {
        Ok(template) => Some(template),
        Err(error) => {
            let line = fields.line_of("FixSQL");
            fields.wrong(line, format!("`FixSQL`: {error}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "ControlID: Test.One
DisplayName: One
Severity: high
Why: It matters.
Frameworks:
  - {Name: CIS, Control: '1.10', Verified: true}
Tables: [lookups.Snowflake_Users]
Query: SELECT name FROM lookups.snowflake_users
Columns: [name]
Fix: Do it.
FixSQL: ALTER USER {name} SET DISABLED = TRUE;
";

    fn problems(text: &str) -> Vec<String> {
        let set = ControlSet::load([("a.yml".to_owned(), text.to_owned())]);
        set.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn whole() {
        let set = ControlSet::load([("a.yml".to_owned(), WHOLE.to_owned())]);
        assert_eq!(set.problems, []);
        let [control] = set.controls.as_slice() else { panic!("{set:?}") };
        assert_eq!((control.id.as_str(), control.severity), ("Test.One", Severity::High));
        assert_eq!(control.tables, [TableRef::new(Database::Lookups, "snowflake_users")]);
        assert_eq!(control.frameworks[0].control, "1.10");
    }

    #[test]
    fn the_later_of_two_counts() {
        let later = WHOLE.replace("DisplayName: One", "DisplayName: Two");
        let set = ControlSet::load([("a.yml".to_owned(), WHOLE.to_owned()), ("b.yml".to_owned(), later)]);
        let titles: Vec<&str> = set.controls.iter().map(|control| control.title.as_str()).collect();
        assert_eq!(titles, ["Two"]);
    }

    #[test]
    fn faults_are_said_with_their_lines() {
        let cases = [
            (
                "Severity: high",
                "Severity: huge",
                "a.yml:3: Test.One: `Severity` must be one of Info, Low, Medium, High, Critical, found `huge`",
            ),
            (
                "Tables: [lookups.Snowflake_Users]",
                "Tables: [users]",
                "a.yml:7: Test.One: `Tables`: `users` is no table; write database.table",
            ),
            ("{name} SET", "{user} SET", "a.yml:11: Test.One: `FixSQL`: `{user}` is none of the columns name"),
            (
                "Columns: [name]",
                "Columns: [name]\nResource: [id]",
                "a.yml:10: Test.One: `Resource`: `id` is none of the columns name",
            ),
            ("Why: It matters.\n", "", "a.yml:1: Test.One: `Why` is missing; add it with some text"),
            (
                "Columns: [name]",
                "Colums: [name]",
                "a.yml:9: Test.One: `Colums` is no known key; did you mean `Columns`?",
            ),
            (
                "Verified: true",
                "Verified: perhaps",
                "a.yml:6: Test.One: `Frameworks`: `Verified` must be true or false, found the text `perhaps`",
            ),
        ];
        for (from, to, said) in cases {
            let found = problems(&WHOLE.replace(from, to));
            assert_eq!(found.first().map(String::as_str), Some(said), "{found:?}");
        }
        assert_eq!(problems("- a list"), ["a.yml:1: the file must be a mapping of keys to values, found a list"]);
        assert!(problems("a: [").first().is_some_and(|said| said.starts_with("a.yml")));
    }
}
