//! Rows of the lake: events as they are, and matches and errors as events with what the detection said of them.
//!
//! A table of `rule_matches`, `signals` or `rule_errors` has the columns of its log type's table and the rule's columns
//! behind them, so a query that finds an event in `logs` finds its match by the same names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use uncia_document::{Document, Interner, Key, Member, Parser, Scratch, Timestamp, Value};
use uncia_model::{
    Column, ColumnType, Database, DetectionError, DetectionId, Event, LogType, Match, RowId, Severity, TableRef,
    TableSchema, fields,
};

/// What the tables of matches say of the rule, from its content.
#[derive(Clone, Debug)]
pub(crate) struct RuleColumns {
    pub(crate) severity: Severity,
    pub(crate) tags: Vec<String>,
    /// JSON text: report name to list of ids.
    pub(crate) reports: String,
}

/// The alert that a match belongs to.
#[derive(Clone, Debug)]
pub(crate) struct AlertColumns {
    pub(crate) id: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// Makes rows; remembers the tables' schemas and the columns' keys.
pub(crate) struct Rows {
    interner: Arc<Interner>,
    /// With the log table's schema that they were made of.
    schemas: Mutex<HashMap<(Database, LogType), Widened>>,
}

/// A log table's schema, and the same with the rule's columns.
type Widened = (TableSchema, Arc<TableSchema>);

impl Rows {
    pub(crate) fn new(interner: Arc<Interner>) -> Self {
        Self { interner, schemas: Mutex::default() }
    }

    /// The table of a log type in one of the detection databases.
    pub(crate) fn table(&self, database: Database, log_type: &LogType) -> TableRef {
        TableRef::new(database, log_type.table_name())
    }

    /// The log table's columns and the rule's behind them.
    pub(crate) fn schema(&self, database: Database, log_type: &LogType, log: &TableSchema) -> Arc<TableSchema> {
        let mut schemas = self.schemas.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = || (log.clone(), Arc::new(with_rule_columns(log)));
        let known = schemas.entry((database, log_type.clone())).or_insert_with(fresh);
        // Discovery may have widened it since.
        if known.0 != *log {
            *known = fresh();
        }
        known.1.clone()
    }

    /// A matched event as a row.
    pub(crate) fn matched(
        &self,
        event: &Event,
        found: &Match,
        rule: &RuleColumns,
        alert: Option<&AlertColumns>,
    ) -> Document {
        let mut row = self.named(event, &found.detection, rule);
        row.string(fields::ALERT_TITLE, &found.title);
        row.string(fields::ALERT_SEVERITY, found.severity.as_str());
        row.string(fields::DEDUP, &found.dedup);
        if let Some(context) = &found.alert_context {
            row.string(fields::ALERT_CONTEXT, context);
        }
        row.alert(alert);
        row.finish()
    }

    /// An event of our own making: an object, and the standard fields behind its members.
    pub(crate) fn event(&self, columns: &EventColumns<'_>, body: &serde_json::Value) -> Event {
        let json = body.to_string();
        let parsed = Parser::new(self.interner.clone()).parse(json.as_bytes());
        let mut row = Appender::new(&self.interner, parsed.expect("what has just been written is JSON"));
        row.string(fields::LOG_TYPE, columns.log_type);
        row.string(fields::ROW_ID, &columns.row_id.to_string());
        row.push(fields::EVENT_TIME, Value::Timestamp(columns.time));
        row.push(fields::PARSE_TIME, Value::Timestamp(columns.parse_time));
        let version = row.document.push_number(0);
        row.push(fields::SCHEMA_VERSION, version);
        row.string(fields::SOURCE_ID, columns.source);
        row.string(fields::SOURCE_LABEL, columns.source);
        Event {
            log_type: LogType::from(columns.log_type),
            row_id: columns.row_id,
            time: columns.time,
            parse_time: columns.parse_time,
            document: row.finish(),
            raw_bytes: json.len(),
        }
    }

    /// An event that a rule could not judge, as a row.
    pub(crate) fn failed(
        &self,
        event: &Event,
        error: &DetectionError,
        rule: &RuleColumns,
        alert: Option<&AlertColumns>,
    ) -> Document {
        let mut row = self.named(event, &error.detection, rule);
        row.string(fields::RULE_ERROR, &format!("{}: {}", error.exception, error.message));
        row.string(fields::DEDUP, &error.exception);
        row.alert(alert);
        row.finish()
    }

    /// The event, with what its detection's content says.
    fn named(&self, event: &Event, detection: &DetectionId, rule: &RuleColumns) -> Appender<'_> {
        let mut row = Appender::new(&self.interner, event.document.clone());
        row.string(fields::RULE_ID, detection.as_str());
        row.string(fields::RULE_SEVERITY, rule.severity.as_str());
        row.strings(fields::RULE_TAGS, &rule.tags);
        row.string(fields::RULE_REPORTS, &rule.reports);
        row
    }
}

/// The standard fields of a row that no record has become.
pub(crate) struct EventColumns<'a> {
    pub(crate) log_type: &'a str,
    pub(crate) row_id: RowId,
    pub(crate) time: Timestamp,
    pub(crate) parse_time: Timestamp,
    pub(crate) source: &'a str,
}

/// What the tables hold of things that were found without an event: their columns beside the standard ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoundTable {
    Correlation,
    ScheduledQuery,
}

impl FoundTable {
    pub(crate) fn schema(self) -> TableSchema {
        let text = |name: &str| Column::new(name, ColumnType::String);
        let (mut columns, description) = match self {
            Self::Correlation => {
                let columns = vec![
                    text("criterion"),
                    text("value"),
                    Column::new("signal_count", ColumnType::Long),
                    Column::new("signals", ColumnType::Json),
                ];
                (columns, "What correlation rules have found.")
            }
            Self::ScheduledQuery => {
                let columns = vec![text("query_name"), text("scheduled_time"), Column::new("row", ColumnType::Json)];
                (columns, "Rows of scheduled queries.")
            }
        };
        columns.extend(uncia_processing::standard_columns());
        TableSchema { columns, description: description.to_owned() }
    }
}

fn with_rule_columns(log: &TableSchema) -> TableSchema {
    let text = |name: &str| Column::new(name, ColumnType::String);
    let rule_columns = [
        text(fields::RULE_ID),
        text(fields::RULE_SEVERITY),
        Column::new(fields::RULE_TAGS, ColumnType::List(Box::new(ColumnType::String))),
        text(fields::RULE_REPORTS),
        text(fields::RULE_ERROR),
        text(fields::ALERT_ID),
        text(fields::ALERT_TITLE),
        text(fields::ALERT_SEVERITY),
        text(fields::ALERT_CONTEXT),
        Column::new(fields::ALERT_CREATION_TIME, ColumnType::Timestamp),
        Column::new(fields::ALERT_UPDATE_TIME, ColumnType::Timestamp),
        text(fields::DEDUP),
        Column::new(fields::ENRICHMENT, ColumnType::Json),
    ];
    // A log type whose own fields take a rule column's name keeps its own; the match's stays out of the way.
    let is_new = |column: &Column| !log.columns.iter().any(|has| has.name.eq_ignore_ascii_case(&column.name));
    let mut columns = log.columns.clone();
    columns.extend(rule_columns.into_iter().filter(is_new));
    TableSchema { columns, description: log.description.clone() }
}

/// Adds members behind those of a document's root.
struct Appender<'a> {
    interner: &'a Interner,
    document: Document,
    scratch: Scratch,
}

impl<'a> Appender<'a> {
    fn new(interner: &'a Interner, document: Document) -> Self {
        let members = document.members(document.root().value()).to_vec();
        Self { interner, document, scratch: Scratch { members, items: Vec::new() } }
    }

    fn key(&mut self, name: &str) -> Key {
        self.document.push_key(self.interner, name)
    }

    fn push(&mut self, name: &str, value: Value) {
        let key = self.key(name);
        self.scratch.members.push(Member { key, value });
    }

    fn string(&mut self, name: &str, text: &str) {
        let value = self.document.push_string(text);
        self.push(name, value);
    }

    fn strings(&mut self, name: &str, texts: &[String]) {
        let from = self.scratch.items.len();
        for text in texts {
            let item = self.document.push_string(text);
            self.scratch.items.push(item);
        }
        let list = self.document.close_array(&mut self.scratch, from);
        self.push(name, list);
    }

    fn alert(&mut self, alert: Option<&AlertColumns>) {
        let Some(alert) = alert else { return };
        self.string(fields::ALERT_ID, &alert.id);
        self.push(fields::ALERT_CREATION_TIME, Value::Timestamp(alert.created));
        self.push(fields::ALERT_UPDATE_TIME, Value::Timestamp(alert.updated));
    }

    fn finish(mut self) -> Document {
        let root = self.document.close_object(&mut self.scratch, 0);
        self.document.set_root(root);
        self.document
    }
}
