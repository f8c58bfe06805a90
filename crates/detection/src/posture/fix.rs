//! Statements that mend a violation, made from its evidence.
//!
//! Names in evidence were chosen by whoever made the objects, and an administrator is going to run what is made of them. So
//! every value is put in as a quoted identifier, whatever it holds.

use uncia_model::sql::quoted_name;

use super::finding::EvidenceRow;

/// A statement with `{column}` where a row's value goes in as an identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixTemplateError {
    #[error("`{{{name}}}` is none of the columns {known}")]
    UnknownColumn { name: String, known: String },
    #[error("a `{{` is not closed")]
    Open,
}

impl FixTemplate {
    /// Reads a template whose columns must be among these.
    pub fn parse(text: &str, columns: &[String]) -> Result<Self, FixTemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(FixTemplateError::Open)?;
            if !columns.iter().any(|column| column.eq_ignore_ascii_case(name)) {
                return Err(FixTemplateError::UnknownColumn { name: name.to_owned(), known: columns.join(", ") });
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Column(name.to_owned()));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// The statement for a row; `None` if the row lacks one of the names.
    #[must_use]
    pub fn of(&self, row: &EvidenceRow) -> Option<String> {
        let mut statement = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => statement.push_str(text),
                Part::Column(name) => statement.push_str(&identifier(row.get(name)?.as_str()?)),
            }
        }
        Some(statement)
    }
}

/// A name as a quoted identifier of Snowflake. Line ends cannot end a quoted name, but could hide its end from a reader.
fn identifier(name: &str) -> String {
    let visible: String = name.chars().filter(|letter| !letter.is_control()).collect();
    quoted_name(&visible)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(template: &str, row: serde_json::Value) -> Option<String> {
        let columns = ["name".to_owned(), "role".to_owned()];
        let serde_json::Value::Object(row) = row else { panic!("{row}") };
        FixTemplate::parse(template, &columns).unwrap().of(&EvidenceRow::from(row))
    }

    #[test]
    fn names_become_identifiers() {
        let sql = "REVOKE ROLE {role} FROM USER {name};";
        let cases = [
            (json!({"NAME": "MAYA", "role": "R"}), Some("REVOKE ROLE \"R\" FROM USER \"MAYA\";")),
            (
                json!({"name": "X\"; DROP DATABASE \"D", "role": "R\n--"}),
                Some("REVOKE ROLE \"R--\" FROM USER \"X\"\"; DROP DATABASE \"\"D\";"),
            ),
            (json!({"name": "MAYA"}), None),
            (json!({"name": "MAYA", "role": null}), None),
        ];
        for (row, statement) in cases {
            assert_eq!(made(sql, row).as_deref(), statement);
        }
        assert_eq!(made("ALTER ACCOUNT SET X = TRUE;", json!({})).as_deref(), Some("ALTER ACCOUNT SET X = TRUE;"));
    }

    #[test]
    fn faults() {
        let columns = ["name".to_owned()];
        assert_eq!(FixTemplate::parse("DROP USER {name", &columns), Err(FixTemplateError::Open));
        let error = FixTemplate::parse("DROP USER {user}", &columns).unwrap_err();
        assert_eq!(error.to_string(), "`{user}` is none of the columns name");
    }
}
