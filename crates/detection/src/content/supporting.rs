//! Items that detections lean on: globals, data models, and those that are only known by name yet.

use uncia_model::LogType;

use super::detection::ReadPython;
use super::fields::Fields;
use super::keys;
use super::yaml::Node;
use crate::spec::{AnalysisType, DataModelSpec, GlobalSpec, OtherItem};
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

/// Everything else is kept by name; its own validity is judged once it does something.
pub(super) fn other(kind: AnalysisType, id: &str, file: &str, fields: &mut Fields<'_>) -> OtherItem {
    let mut ids = Vec::new();
    if kind == AnalysisType::Pack {
        fields.only(&[keys::COMMON, keys::PACK]);
        match fields.node("PackDefinition") {
            Some(node) => {
                if let Some(mut inner) = fields.inner(node, "`PackDefinition`") {
                    ids = inner.texts("IDs");
                }
            }
            None => fields.missing("PackDefinition", "`IDs:` with what the pack holds"),
        }
    }
    OtherItem { id: id.to_owned(), analysis_type: kind, file: file.to_owned(), ids }
}
