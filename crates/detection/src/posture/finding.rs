//! From a control and what its query gave to a finding.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::control::Control;

/// One violation: a row of the control's query. Columns are found without regard to case, as in SQL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvidenceRow {
    columns: Map<String, Value>,
}

/// What came of asking a control's query.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Rows(Vec<EvidenceRow>),
    /// The table named is not there.
    NoTable(String),
    /// The query could not be answered.
    Failed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Fail,
    /// The query could not be answered; neither is known.
    Error,
    NotApplicable,
    Pass,
}

/// What is so about one control.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding<'a> {
    pub control: &'a Control,
    pub status: Status,
    /// Why it does not apply or could not be asked.
    pub reason: Option<String>,
    /// The violations, with the columns that the control shows, in its order; null where the query has no such column.
    pub evidence: Vec<Vec<Value>>,
    /// Statements that mend them, each once.
    pub fixes: Vec<String>,
}

impl From<Map<String, Value>> for EvidenceRow {
    fn from(columns: Map<String, Value>) -> Self {
        Self { columns }
    }
}

impl EvidenceRow {
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, value)| value)
    }
}

impl Status {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            Self::Error => "ERROR",
            Self::NotApplicable => "NOT_APPLICABLE",
            Self::Pass => "PASS",
        }
    }
}

impl Control {
    /// What tells the object of a violation from others.
    #[must_use]
    pub fn resource_of(&self, row: &EvidenceRow) -> String {
        let cells: Vec<&Value> = self.resource.iter().map(|column| row.get(column).unwrap_or(&Value::Null)).collect();
        serde_json::to_string(&cells).expect("values have a JSON form")
    }

    /// The columns that are shown, by the control's names.
    #[must_use]
    pub fn shown(&self, row: &EvidenceRow) -> Map<String, Value> {
        let cell = |column: &String| (column.clone(), row.get(column).cloned().unwrap_or(Value::Null));
        self.columns.iter().map(cell).collect()
    }

    /// Judges what the query gave: rows are violations.
    #[must_use]
    pub fn judge(&self, answer: Answer) -> Finding<'_> {
        let finding =
            |status, reason| Finding { control: self, status, reason, evidence: Vec::new(), fixes: Vec::new() };
        let rows = match answer {
            Answer::NoTable(table) => {
                return finding(Status::NotApplicable, Some(format!("there is no table {table}")));
            }
            Answer::Failed(problem) => return finding(Status::Error, Some(problem)),
            Answer::Rows(rows) if rows.is_empty() => return finding(Status::Pass, None),
            Answer::Rows(rows) => rows,
        };
        let shown = |row: &EvidenceRow| {
            self.columns.iter().map(|column| row.get(column).cloned().unwrap_or(Value::Null)).collect()
        };
        // One object can be in evidence more than once; what mends it is said once, in the order of the evidence.
        let mut said = BTreeSet::new();
        let fixes = rows.iter().filter_map(|row| self.fix_sql.as_ref()?.of(row));
        let fixes = fixes.filter(|statement| said.insert(statement.clone())).collect();
        Finding { evidence: rows.iter().map(shown).collect(), fixes, ..finding(Status::Fail, None) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ControlSet;
    use super::*;

    fn control() -> Control {
        let text = "{ControlID: T, DisplayName: T, Severity: Low, Why: w, Tables: [lookups.t], Query: SELECT 1, \
                    Columns: [name, since], Fix: f, FixSQL: 'DROP USER {name};'}";
        let set = ControlSet::load([("t.yml".to_owned(), text.to_owned())]);
        assert_eq!(set.problems, []);
        set.controls.into_iter().next().unwrap()
    }

    fn row(value: Value) -> EvidenceRow {
        let Value::Object(columns) = value else { panic!("{value}") };
        columns.into()
    }

    #[test]
    fn rows_are_violations() {
        let control = control();
        let rows = vec![row(json!({"NAME": "A", "other": 1, "since": 3})), row(json!({"name": "A"}))];
        let finding = control.judge(Answer::Rows(rows));
        assert_eq!(finding.status, Status::Fail);
        assert_eq!(finding.evidence, [[json!("A"), json!(3)], [json!("A"), json!(null)]]);
        assert_eq!(finding.fixes, ["DROP USER \"A\";"]);
    }

    #[test]
    fn the_same_object_another_day() {
        let all = control();
        let by_name = Control { resource: vec!["name".to_owned()], ..all.clone() };
        let (one, other) = (row(json!({"NAME": "A", "since": 3})), row(json!({"name": "A", "since": 4})));
        assert_eq!(by_name.resource_of(&one), by_name.resource_of(&other));
        assert_eq!((all.resource_of(&one), all.resource_of(&other)), ("[\"A\",3]".to_owned(), "[\"A\",4]".to_owned()));
        assert_eq!(Value::Object(all.shown(&one)), json!({"name": "A", "since": 3}));
    }

    #[test]
    fn no_rows_no_table_no_answer() {
        let control = control();
        for (answer, status, reason) in [
            (Answer::Rows(Vec::new()), Status::Pass, None),
            (Answer::NoTable("lookups.t".to_owned()), Status::NotApplicable, Some("there is no table lookups.t")),
            (Answer::Failed("no".to_owned()), Status::Error, Some("no")),
        ] {
            let finding = control.judge(answer);
            assert_eq!((finding.status, finding.reason.as_deref()), (status, reason));
            assert!(finding.evidence.is_empty() && finding.fixes.is_empty());
        }
    }
}
