//! What a request to the SQL API says: its headers, its query string, its body.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::auth::Refusal;
use crate::core::Wanted;
use crate::failure::SqlFailure;
use crate::sql::fold::Bound;
use crate::views::derived::time;

const FIELDS: [&str; 9] =
    ["statement", "timeout", "database", "schema", "warehouse", "role", "bindings", "parameters", "resultSetMetaData"];

/// A statement as submitted.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) sql: String,
    pub(crate) timeout: Option<u64>,
    pub(crate) wanted: Wanted,
    pub(crate) bindings: Vec<Bound>,
    /// How many statements there must be; 0 is any number.
    pub(crate) statements: u64,
    pub(crate) query_tag: Option<String>,
}

/// The headers that every request needs.
pub(crate) fn check_headers(headers: &HeaderMap, has_body: bool) -> Result<(), Refusal> {
    if headers.get(header::USER_AGENT).is_none_or(|agent| agent.is_empty()) {
        return Err(Refusal::new(400, "390400", "Bad request: the User-Agent header is missing."));
    }
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accepts: Vec<&str> = accepts.flat_map(|value| value.split(',')).map(media_type).collect();
    if !accepts.is_empty() && !accepts.iter().any(|kind| ["application/json", "application/*", "*/*"].contains(kind)) {
        return Err(Refusal::new(406, "390406", "The Accept header does not allow application/json."));
    }
    let content = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(media_type);
    if has_body && content != Some("application/json") {
        return Err(Refusal::new(415, "390415", "The content type must be application/json."));
    }
    Ok(())
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

pub(crate) fn parse(body: &[u8]) -> Result<Submission, Refusal> {
    let bad = |what: String| Refusal::new(400, "390400", format!("Bad request: {what}."));
    let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
        return Err(bad("the body is no JSON object".to_owned()));
    };
    if let Some(unknown) = body.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(bad(format!("unknown field {unknown}")));
    }
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad(format!("{name} is no text"))),
    };
    let sql = text("statement")?.ok_or_else(|| bad("there is no statement".to_owned()))?;
    let timeout = match body.get("timeout") {
        None | Some(Value::Null) => None,
        Some(value) => Some(
            value
                .as_u64()
                .filter(|seconds| *seconds <= 604_800)
                .ok_or_else(|| bad("timeout is out of range".to_owned()))?,
        ),
    };
    let parameters = parameters(&body).map_err(|name| bad(format!("parameter {name} is of the wrong type")))?;
    let statements = match parameters.get("multi_statement_count") {
        None => 1,
        Some(text) => text.parse().map_err(|_| bad("multi_statement_count is no number".to_owned()))?,
    };
    if parameters.get("autocommit").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return Err(bad("autocommit must be true".to_owned()));
    }
    if let Some(name) = parameters.keys().find(|name| name.ends_with("_output_format")) {
        return Err(bad(format!("{name} is not played here: cells have the default formats, which lose nothing")));
    }
    Ok(Submission {
        sql,
        timeout,
        wanted: Wanted {
            role: text("role")?,
            warehouse: text("warehouse")?,
            database: text("database")?,
            schema: text("schema")?,
            zone: parameters.get("timezone").cloned(),
        },
        bindings: bindings(&body).map_err(bad)?,
        statements,
        query_tag: parameters.get("query_tag").cloned(),
    })
}

/// Parameters by lower-case name; values may be texts, numbers or booleans.
fn parameters(body: &Map<String, Value>) -> Result<BTreeMap<String, String>, String> {
    let mut texts = BTreeMap::new();
    let given = match body.get("parameters") {
        None | Some(Value::Null) => return Ok(texts),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("list".to_owned()),
    };
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => return Err(name.clone()),
        };
        texts.insert(name.to_lowercase(), text);
    }
    Ok(texts)
}

/// `{"1": {"type": "TEXT", "value": "…"}}`, numbered from 1 without gaps.
fn bindings(body: &Map<String, Value>) -> Result<Vec<Bound>, String> {
    let given = match body.get("bindings") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("bindings is no object".to_owned()),
    };
    let mut bound = Vec::with_capacity(given.len());
    for position in 1..=given.len() {
        let binding = given.get(&position.to_string()).ok_or_else(|| format!("binding {position} is missing"))?;
        let kind = binding["type"].as_str().ok_or_else(|| format!("binding {position} has no type"))?;
        let value = match &binding["value"] {
            Value::Null => {
                bound.push(Bound::Null);
                continue;
            }
            Value::String(text) => text.as_str(),
            _ => return Err(format!("the value of binding {position} is no text")),
        };
        bound.push(
            bind(&kind.to_uppercase(), value).ok_or_else(|| format!("binding {position}: '{value}' is no {kind}"))?,
        );
    }
    Ok(bound)
}

fn bind(kind: &str, value: &str) -> Option<Bound> {
    Some(match kind {
        "TEXT" => Bound::Text(value.to_owned()),
        "FIXED" | "REAL" => {
            let digits = value.strip_prefix('-').unwrap_or(value);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            if !plain {
                return None;
            }
            Bound::Number(value.to_owned())
        }
        "BOOLEAN" => Bound::Boolean(value.parse().ok()?),
        "DATE" => {
            let millis: i64 = value.parse().ok()?;
            Bound::Text(time(millis.checked_mul(1_000)?).get(..10)?.to_owned())
        }
        "TIMESTAMP_LTZ" | "TIMESTAMP_NTZ" => {
            let nanos: i64 = value.parse().ok()?;
            let at = jiff::Timestamp::from_nanosecond(i128::from(nanos)).ok()?;
            Bound::Text(at.to_string())
        }
        _ => return None,
    })
}

/// Several statements take no bindings.
pub(crate) fn no_bindings(submission: &Submission) -> Result<(), SqlFailure> {
    if submission.bindings.is_empty() {
        Ok(())
    } else {
        Err(SqlFailure::unsupported_statement("bindings with several statements"))
    }
}

/// The parts of a query string, decoded.
pub(crate) fn query_pairs(query: Option<&str>) -> BTreeMap<String, String> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Undoes percent-encoding, with `+` for a space, as forms have it.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let value = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], value) {
            (_, Some(value)) => {
                plain.push(value);
                at += 3;
                continue;
            }
            (b'+', None) => plain.push(b' '),
            (byte, None) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_strings_are_decoded() {
        let pairs = query_pairs(Some("a=1&b=x%20y+z&c&d=%E2%82%AC&e=%zz"));
        let values: Vec<&str> = pairs.values().map(String::as_str).collect();
        assert_eq!(values, ["1", "x y z", "", "€", "%zz"]);
    }

    #[test]
    fn bindings_are_numbered_and_typed() {
        let body = |bindings: &str| format!(r#"{{"statement": "SELECT ?", "bindings": {bindings}}}"#);
        let good = parse(body(r#"{"1": {"type": "TEXT", "value": "x"}, "2": {"type": "FIXED", "value": "-5"}, "3": {"type": "TIMESTAMP_LTZ", "value": "1700000000123456789"}, "4": {"type": "DATE", "value": "1700000000000"}, "5": {"type": "TEXT", "value": null}}"#).as_bytes()).unwrap();
        assert_eq!(
            good.bindings,
            [
                Bound::Text("x".into()),
                Bound::Number("-5".into()),
                Bound::Text("2023-11-14T22:13:20.123456789Z".into()),
                Bound::Text("2023-11-14".into()),
                Bound::Null,
            ]
        );
        for bad in [
            r#"{"2": {"type": "TEXT", "value": "x"}}"#,
            r#"{"1": {"type": "FIXED", "value": "1 OR 1"}}"#,
            r#"{"1": "x"}"#,
        ] {
            assert_eq!(parse(body(bad).as_bytes()).unwrap_err().status, 400, "{bad}");
        }
        assert_eq!(parse(br#"{"statement": "SELECT 1", "warehose": "WH"}"#).unwrap_err().status, 400);
    }
}
