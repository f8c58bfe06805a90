//! Items that detections lean on: globals, data models, queries, packs, lookup tables, prompts.

use uncia_model::LogType;

use super::detection::ReadPython;
use super::fields::Fields;
use super::keys;
use super::schedule::read_schedule;
use super::yaml::Node;
use crate::spec::{AnalysisType, DataModelSpec, GlobalSpec, LookupSpec, OtherItem, QuerySpec};
use crate::{DataModelMapping, PythonSource};

pub(super) fn global(id: &str, file: &str, fields: &mut Fields<'_>, python: ReadPython<'_>) -> Option<GlobalSpec> {
    fields.only(&[keys::COMMON, keys::GLOBAL]);
    fields.required_text("Filename")?;
    let module = module(fields, python)?;
    Some(GlobalSpec { id: id.to_owned(), file: file.to_owned(), module })
}

pub(super) fn data_model(
    id: &str,
    file: &str,
    fields: &mut Fields<'_>,
    python: ReadPython<'_>,
) -> Option<DataModelSpec> {
    fields.only(&[keys::COMMON, keys::DATA_MODEL]);
    let enabled = fields.required_flag("Enabled");
    let log_types: Vec<LogType> = fields.set("LogTypes", false).iter().map(LogType::new).collect();
    if log_types.is_empty() {
        fields.missing("LogTypes", "a list of the log types that it describes");
    }
    let mut mappings = Vec::new();
    for node in fields.list("Mappings") {
        let Some(mut inner) = fields.inner(node, "`Mappings`") else { continue };
        mappings.extend(mapping(node, &mut inner));
    }
    let module = match fields.node("Filename") {
        Some(_) => Some(module(fields, python)?),
        None => None,
    };
    if module.is_none() && mappings.iter().any(|mapping| mapping.method.is_some()) {
        fields.missing("Filename", "the Python file that holds the methods");
    }
    Some(DataModelSpec { id: id.to_owned(), file: file.to_owned(), enabled: enabled?, log_types, mappings, module })
}

fn mapping(node: &Node, fields: &mut Fields<'_>) -> Option<DataModelMapping> {
    fields.only(&[keys::MAPPING]);
    let name = fields.required_text("Name")?;
    let (path, method) = (fields.text("Path"), fields.text("Method"));
    if path.is_some() == method.is_some() {
        fields.wrong(node.line, format!("`{name}` needs exactly one of `Path` and `Method`"));
        return None;
    }
    Some(DataModelMapping { name, path, method })
}

fn module(fields: &mut Fields<'_>, python: ReadPython<'_>) -> Option<PythonSource> {
    let name = fields.text("Filename")?;
    match python(&name) {
        Ok(module) => Some(module),
        Err(reason) => {
            let line = fields.line_of("Filename");
            fields.wrong(line, format!("cannot read the Python file `{name}` beside it: {reason}"));
            None
        }
    }
}

/// Everything else: checked, and kept by name. Queries are kept whole, for what runs them.
pub(super) fn other(
    kind: AnalysisType,
    id: &str,
    file: &str,
    fields: &mut Fields<'_>,
    beside: ReadPython<'_>,
) -> (OtherItem, Option<QuerySpec>) {
    let mut item =
        OtherItem { id: id.to_owned(), analysis_type: kind, file: file.to_owned(), ids: Vec::new(), lookup: None };
    match kind {
        AnalysisType::Pack => item.ids = pack(fields),
        AnalysisType::LookupTable => item.lookup = lookup_table(fields, beside).map(Box::new),
        AnalysisType::ScheduledPrompt => scheduled_prompt(id, fields),
        _ => return (item, query(kind, id, file, fields)),
    }
    (item, None)
}

fn pack(fields: &mut Fields<'_>) -> Vec<String> {
    fields.only(&[keys::COMMON, keys::PACK]);
    let Some(node) = fields.node("PackDefinition") else {
        fields.missing("PackDefinition", "`IDs:` with what the pack holds");
        return Vec::new();
    };
    let Some(mut inner) = fields.inner(node, "`PackDefinition`") else { return Vec::new() };
    inner.only(&[&["IDs"]]);
    inner.texts("IDs")
}

/// The dialects that a query can be written in; ours comes first, Snowflake's is the same.
const QUERIES: [&str; 4] = ["Query", "SnowflakeQuery", "AthenaQuery", "DatabricksQuery"];

fn query(kind: AnalysisType, id: &str, file: &str, fields: &mut Fields<'_>) -> Option<QuerySpec> {
    let is_scheduled = kind == AnalysisType::ScheduledQuery;
    fields.only(&[keys::COMMON, keys::QUERY, if is_scheduled { keys::SCHEDULED_QUERY } else { &[] }]);
    fields.set("Tags", true);
    fields.flag("Lookback");
    fields.whole("LookbackWindowSeconds");
    let texts: Vec<Option<String>> = QUERIES.iter().map(|key| fields.text(key)).collect();
    let sql = texts.into_iter().flatten().next();
    if sql.is_none() {
        fields.missing("Query", "the statement");
    }
    let (enabled, schedule) = if is_scheduled {
        email(fields);
        (fields.required_flag("Enabled").unwrap_or(false), read_schedule(fields))
    } else {
        (false, None)
    };
    let enabled = enabled && schedule.is_some();
    Some(QuerySpec { id: id.to_owned(), file: file.to_owned(), sql: sql?, enabled, schedule })
}

fn email(fields: &mut Fields<'_>) {
    let Some(node) = fields.node("EmailConfig") else { return };
    let Some(mut inner) = fields.inner(node, "`EmailConfig`") else { return };
    inner.only(&[&["Recipients", "SendEmpty", "PreferAttachment"]]);
    if inner.texts("Recipients").is_empty() {
        inner.missing("Recipients", "a list of addresses");
    }
}

/// `None` if its rows are elsewhere, or if it is not usable.
fn lookup_table(fields: &mut Fields<'_>, beside: ReadPython<'_>) -> Option<LookupSpec> {
    fields.only(&[keys::COMMON, keys::LOOKUP_TABLE]);
    let enabled = fields.required_flag("Enabled");
    let mut schema = None;
    let is_sql = QUERIES.iter().any(|key| fields.node(key).is_some());
    if !is_sql {
        schema = fields.required_text("Schema");
        if fields.node("Filename").is_none() && fields.node("Refresh").is_none() {
            fields.missing("Filename", "the file with the data, or `Refresh` with where to get it");
        }
    }
    if let Some(node) = fields.node("Refresh")
        && let Some(mut inner) = fields.inner(node, "`Refresh`")
    {
        inner.only(&[keys::REFRESH]);
        if !is_sql {
            inner.required_text("ObjectPath");
        } else if inner.node("PeriodMinutes").is_some() == inner.node("CronExpression").is_some() {
            inner.wrong(node.line, "needs exactly one of `PeriodMinutes` and `CronExpression`");
        }
    }
    let Some(node) = fields.node("LogTypeMap") else {
        fields.missing("LogTypeMap", "`PrimaryKey` and `AssociatedLogTypes`");
        return None;
    };
    let mut map = fields.inner(node, "`LogTypeMap`")?;
    map.only(&[&["PrimaryKey", "AssociatedLogTypes"]]);
    let key = map.required_text("PrimaryKey");
    let mut associated = Vec::new();
    for node in map.list("AssociatedLogTypes") {
        let Some(mut of_type) = map.inner(node, "`AssociatedLogTypes`") else { continue };
        of_type.only(&[&["LogType", "Selectors"]]);
        let log_type = of_type.required_text("LogType");
        let selectors = of_type.set("Selectors", false);
        associated.extend(log_type.map(|log_type| (LogType::from(log_type), selectors)));
    }
    let data_file = fields.text("Filename")?;
    let data = match beside(&data_file) {
        Ok(file) => file.source,
        Err(reason) => {
            let line = fields.line_of("Filename");
            fields.wrong(line, format!("cannot read the rows in `{data_file}` beside it: {reason}"));
            return None;
        }
    };
    Some(LookupSpec { enabled: enabled?, schema: LogType::from(schema?), key: key?, associated, data_file, data })
}

fn scheduled_prompt(id: &str, fields: &mut Fields<'_>) {
    fields.only(&[keys::COMMON, keys::SCHEDULED_PROMPT]);
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    if !id.starts_with(|letter: char| letter.is_ascii_lowercase()) || !id.chars().all(letters) {
        let line = fields.line_of("PromptName");
        fields.wrong(line, "`PromptName` must begin with a small letter and hold small letters, digits and `_` alone");
    }
    for key in ["DisplayName", "PromptText", "RunAsUser"] {
        fields.required_text(key);
    }
    if fields.node("Schedule").is_none() {
        fields.missing("Schedule", "when the prompt is run");
    }
    if fields.flag("Private") == Some(true) {
        let line = fields.line_of("Private");
        fields.wrong(line, "`Private` can only be false");
    }
    let line = fields.line_of("OutputLength");
    if let Some(length) = fields.text("OutputLength")
        && !["small", "medium", "largest"].contains(&length.as_str())
    {
        fields.wrong(line, format!("`OutputLength` must be small, medium or largest, found `{length}`"));
    }
}
