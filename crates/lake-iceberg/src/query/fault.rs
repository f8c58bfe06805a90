//! What is wrong with a statement, in words its author can act on.
//!
//! DataFusion's errors name internals; here they become one line that says what is unknown or wrong, where, and which
//! names come near. Errors that no rewording of the statement could mend stay [`LakeError::Engine`].

use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use uncia_lake::LakeError;

use super::names::nearest;

/// ` at line 1, column 8`, or nothing when the place is not known.
pub(crate) fn place(span: Span) -> String {
    let Location { line, column } = span.start;
    if line == 0 { String::new() } else { format!(" at line {line}, column {column}") }
}

/// `; did you mean a, b or c?`, or nothing when nothing comes near.
pub(crate) fn did_you_mean(candidates: &[String]) -> String {
    match candidates {
        [] => String::new(),
        [only] => format!("; did you mean {only}?"),
        [most @ .., last] => format!("; did you mean {} or {last}?", most.join(", ")),
    }
}

/// Names in their own case, for messages: folded name to column name.
pub(crate) type Spelling = std::collections::HashMap<String, String>;

/// Turns an engine error into the statement's or the engine's.
pub(crate) fn from_datafusion(error: DataFusionError, spelling: &Spelling) -> LakeError {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let place = span.map_or_else(String::new, |span| {
        let start = Location { line: span.start.line, column: span.start.column };
        place(Span::new(start, start))
    });
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => LakeError::Sql(schema_message(schema, &place, spelling)),
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => {
            LakeError::Sql(format!("{}{place}", plan_message(message, spelling)))
        }
        DataFusionError::Internal(message) if message.contains(NO_SIGNATURE) => {
            LakeError::Sql(format!("{}{place}", plan_message(message, spelling)))
        }
        DataFusionError::NotImplemented(message) => {
            LakeError::Sql(format!("not supported: {}{place}", one_line(message)))
        }
        DataFusionError::SQL(error, _) => LakeError::Sql(format!("syntax error: {}", one_line(&error.to_string()))),
        DataFusionError::ArrowError(error, _) => LakeError::Sql(one_line(&error.to_string())),
        DataFusionError::ResourcesExhausted(message) => LakeError::Sql(format!(
            "the query needs more memory than a query may have ({}): narrow the time range, select fewer columns, or \
             raise the limit",
            one_line(message).trim_end_matches('.')
        )),
        _ => LakeError::Engine(Box::new(error)),
    }
}

const NO_SIGNATURE: &str = "failed to match any signature";

fn plan_message(message: &str, spelling: &Spelling) -> String {
    let quoted = |before: &str, end: char| {
        let (_, rest) = message.split_once(before)?;
        rest.split(end).next()
    };
    if message.contains("must appear in the GROUP BY clause")
        && let Some(column) = quoted("column \"", '"')
    {
        let name = column.rsplit('.').next().unwrap_or(column);
        let name = spelling.get(name).map_or(name, String::as_str);
        return format!("column {name} must be in GROUP BY or inside an aggregate function");
    }
    if message.contains(NO_SIGNATURE)
        && let Some(name) = quoted("Function '", '\'')
    {
        return format!("{name} does not take values of these types; cast them, as in {name}(x::number)");
    }
    one_line(message)
}

fn schema_message(error: &SchemaError, place: &str, spelling: &Spelling) -> String {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let spelled = |column: &Column| spelling.get(&column.name).unwrap_or(&column.name).clone();
            let near = nearest(&field.name, valid_fields.iter().map(spelled));
            format!("unknown column {}{place}{}", column_name(field), did_you_mean(&near))
        }
        SchemaError::AmbiguousReference { field } => {
            format!("column {} is ambiguous{place}; write it as table.{}", field.name, field.name)
        }
        other => format!("{}{place}", one_line(&other.to_string())),
    }
}

fn column_name(column: &Column) -> String {
    match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    }
}

/// The first paragraph, without DataFusion's prefixes, lower-case first letter, no full stop.
pub(crate) fn one_line(message: &str) -> String {
    let message = message.split("\n\n").next().unwrap_or(message);
    let mut message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    for prefix in ["Error during planning: ", "Execution error: ", "Cast error: ", "sql parser error: "] {
        if let Some(rest) = message.strip_prefix(prefix) {
            message = rest.to_owned();
        }
    }
    let message = message.trim_end_matches('.');
    let mut chars = message.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => message.to_owned(),
    }
}
