//! A statement as we ask for it, and what the API calls its request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// Time zone of every session of ours, so that no text depends on an account's setting.
const TIMEZONE: &str = "UTC";

/// One statement. Names are exactly those that SHOW prints: the API folds no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub sql: String,
    /// Values of the question marks, bound as TEXT; cast them in the SQL.
    pub bindings: Vec<String>,
    pub database: Option<String>,
    pub schema: Option<String>,
    pub warehouse: Option<String>,
    pub role: Option<String>,
    /// After this Snowflake stops it. Whole seconds, at least one.
    pub timeout: Duration,
    /// Shown in `QUERY_HISTORY`, where it tells what our reading costs.
    pub query_tag: String,
}

impl Default for Statement {
    fn default() -> Self {
        Self {
            sql: String::new(),
            bindings: Vec::new(),
            database: None,
            schema: None,
            warehouse: None,
            role: None,
            timeout: Duration::from_secs(300),
            query_tag: String::new(),
        }
    }
}

impl Statement {
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), ..Self::default() }
    }

    /// The request's body.
    pub(crate) fn body(&self) -> Vec<u8> {
        let bindings =
            self.bindings.iter().zip(1_u32..).map(|(value, place)| (place.to_string(), Binding::text(value)));
        let mut parameters = BTreeMap::from([("timezone", TIMEZONE)]);
        if !self.query_tag.is_empty() {
            parameters.insert("query_tag", &self.query_tag);
        }
        let body = Body {
            statement: &self.sql,
            timeout: self.timeout.as_secs().max(1),
            database: self.database.as_deref(),
            schema: self.schema.as_deref(),
            warehouse: self.warehouse.as_deref(),
            role: self.role.as_deref(),
            bindings: bindings.collect(),
            parameters,
        };
        serde_json::to_vec(&body).expect("text and numbers always become JSON")
    }
}

#[derive(Serialize)]
struct Body<'a> {
    statement: &'a str,
    timeout: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    bindings: BTreeMap<String, Binding<'a>>,
    parameters: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Binding<'a> {
    r#type: &'static str,
    value: &'a str,
}

impl<'a> Binding<'a> {
    fn text(value: &'a str) -> Self {
        Self { r#type: "TEXT", value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_holds_what_is_asked_and_nothing_else() {
        let statement = Statement {
            bindings: vec!["2026-01-01T00:00:00Z".to_owned()],
            role: Some("UNCIA_ROLE".to_owned()),
            query_tag: "tag".to_owned(),
            timeout: Duration::from_millis(10),
            ..Statement::new("SELECT ?")
        };
        let body = String::from_utf8(statement.body()).unwrap();
        insta::assert_snapshot!(body, @r#"{"statement":"SELECT ?","timeout":1,"role":"UNCIA_ROLE","bindings":{"1":{"type":"TEXT","value":"2026-01-01T00:00:00Z"}},"parameters":{"query_tag":"tag","timezone":"UTC"}}"#);
    }
}
