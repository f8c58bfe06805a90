//! The YAML of an insight's parts, checked, and their statements about one person.

use uncia_model::sql::literal;

use crate::ContentProblem;
use crate::content::fields::{Fields, problem};
use crate::content::yaml::{self, Node};

const PART: &[&str] = &["PartID", "Title", "Order", "Query", "Columns", "Points", "Reason", "Advice"];

/// One question about a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightPart {
    pub id: String,
    pub title: String,
    /// Sections are shown in this order.
    pub order: u64,
    sql: String,
    pub kind: PartKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// Rows that are shown, with these columns.
    Section { columns: Vec<String> },
    /// A row is a risk.
    Factor { points: u32, reason: String, advice: String },
}

/// Whom a statement is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub user: &'a str,
    /// The source of the account; all accounts if there is none.
    pub source: Option<&'a str>,
    pub days: u32,
}

/// The parts of some files, sorted by order and id.
#[derive(Clone, Debug, Default)]
pub struct InsightSet {
    pub parts: Vec<InsightPart>,
    pub problems: Vec<ContentProblem>,
}

impl InsightSet {
    /// Reads files, given by name and text; what is wrong with one never stops another.
    #[must_use]
    pub fn load(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut set = Self::default();
        for (file, text) in files {
            match yaml::parse(&text) {
                Ok(node) => set.parts.extend(read(&node, &file, &mut set.problems)),
                Err(error) => set.problems.push(problem(&file, None, error.line, error.message)),
            }
        }
        set.parts.sort_by(|a, b| (a.order, &a.id).cmp(&(b.order, &b.id)));
        set
    }
}

fn read(node: &Node, file: &str, problems: &mut Vec<ContentProblem>) -> Option<InsightPart> {
    let id = node.get("PartID").and_then(Node::scalar_text);
    let mut fields = Fields::of(node, "", file, id.as_deref(), problems)?;
    fields.only(&[PART]);
    let (id, title, sql) =
        (fields.required_text("PartID"), fields.required_text("Title"), fields.required_text("Query"));
    let order = fields.whole("Order").unwrap_or(u64::MAX);
    let columns = fields.set("Columns", true);
    let points = fields.whole("Points");
    let kind = match (columns.is_empty(), points) {
        (false, None) => PartKind::Section { columns },
        (true, Some(points)) => {
            let (reason, advice) = (fields.required_text("Reason"), fields.required_text("Advice"));
            let points = u32::try_from(points).unwrap_or(u32::MAX).min(RISK_MOST);
            PartKind::Factor { points, reason: reason?.trim().to_owned(), advice: advice?.trim().to_owned() }
        }
        _ => {
            fields.wrong(node.line, "needs either `Columns`, and is a section, or `Points`, and is a factor");
            return None;
        }
    };
    Some(InsightPart { id: id?, title: title?, order, sql: sql?, kind })
}

/// The most that a person can score.
pub(super) const RISK_MOST: u32 = 100;

impl InsightPart {
    /// The statement about somebody: `$user` and `$source` are literals in it, `$days` a number.
    #[must_use]
    pub fn sql(&self, subject: &Subject<'_>) -> String {
        let mut sql = String::with_capacity(self.sql.len());
        let mut rest = self.sql.as_str();
        // Once from the left, so that a name that reads `$source` stays a name.
        while let Some((before, after)) = rest.split_once('$') {
            sql.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix("user") {
                sql.push_str(&literal(subject.user));
                rest = after;
            } else if let Some(after) = rest.strip_prefix("source") {
                sql.push_str(&subject.source.map_or("NULL".to_owned(), literal));
                rest = after;
            } else if let Some(after) = rest.strip_prefix("days") {
                sql.push_str(&subject.days.to_string());
                rest = after;
            } else {
                sql.push('$');
            }
        }
        sql + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> InsightSet {
        InsightSet::load([("a.yml".to_owned(), text.to_owned())])
    }

    #[test]
    fn statements_hold_names_as_literals() {
        let set = load(
            "{PartID: a, Title: A, Columns: [x], Query: \"SELECT '$x' WHERE u = $user AND s = $source AND d > $days\"}",
        );
        assert_eq!(set.problems, []);
        for (user, source, wanted) in [
            ("MAYA", None, "SELECT '$x' WHERE u = 'MAYA' AND s = NULL AND d > 30"),
            ("$source", Some("prod"), "SELECT '$x' WHERE u = '$source' AND s = 'prod' AND d > 30"),
            ("O'B\\' OR 1=1 --", None, "SELECT '$x' WHERE u = 'O''B\\\\'' OR 1=1 --' AND s = NULL AND d > 30"),
        ] {
            assert_eq!(set.parts[0].sql(&Subject { user, source, days: 30 }), wanted);
        }
    }

    #[test]
    fn faults_are_said_with_their_lines() {
        let cases = [
            (
                "PartID: a\nTitle: A\nQuery: SELECT 1\n",
                "a.yml:1: a: needs either `Columns`, and is a section, or `Points`, and is a factor",
            ),
            (
                "PartID: a\nTitle: A\nQuery: SELECT 1\nPoints: 5\n",
                "a.yml:1: a: `Reason` is missing; add it with some text",
            ),
            (
                "PartID: a\nTitle: A\nQuery: SELECT 1\nPoints: many\n",
                "a.yml:4: a: `Points` must be a whole number from 0, found the text `many`",
            ),
        ];
        for (text, said) in cases {
            assert_eq!(load(text).problems.first().map(ToString::to_string).as_deref(), Some(said));
        }
    }
}
