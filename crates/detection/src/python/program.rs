//! What the workers load: content reduced to sources and facts, in the shape that crosses to Python.
//!
//! The engine knows nothing of YAML. `content` reads files and makes a [`Program`]; a test can write one by hand.

use std::sync::Arc;

use serde::Serialize;
use uncia_model::{DestinationId, DetectionId, LogType, Severity};

use crate::simple::{Expression, Facts, SimpleRule};

/// Everything that a worker imports, in the order in which it is imported.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Program {
    pub globals: Vec<PythonSource>,
    pub data_models: Vec<ProgramDataModel>,
    pub detections: Vec<ProgramDetection>,
    /// Detections that the main process judges itself.
    #[serde(skip)]
    pub simple: Vec<SimpleDetection>,
    /// What `destinations()` may name.
    pub destinations: Vec<KnownDestination>,
}

/// One Python file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PythonSource {
    /// The module's name: the item's id.
    pub name: String,
    /// The file's name as error messages show it, without its folder.
    pub file: String,
    pub source: String,
}

/// A data model of one or more log types.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProgramDataModel {
    pub id: String,
    pub log_types: Vec<LogType>,
    pub mappings: Vec<DataModelMapping>,
    /// The file that holds the methods.
    pub module: Option<PythonSource>,
}

/// One standard name of a data model: exactly one of `path` and `method` is set.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DataModelMapping {
    pub name: String,
    pub path: Option<String>,
    pub method: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectionKind {
    #[default]
    Rule,
    ScheduledRule,
    Policy,
}

/// One detection that has a Python module.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramDetection {
    pub id: DetectionId,
    pub kind: DetectionKind,
    pub module: PythonSource,
    /// The log types whose events it judges; for scheduled rules the queries, for policies the resource types.
    pub log_types: Vec<LogType>,
    /// Evaluated on events; what is not enabled is loaded for its unit tests alone.
    pub enabled: bool,
    pub severity: Severity,
    /// The title of matches when there is no `title()`; the id when empty.
    pub display_name: String,
    pub description: String,
    pub reference: String,
    pub runbook: String,
    /// Inline filters: a rule is asked only if all let the event pass. The main process judges them.
    #[serde(skip)]
    pub filters: Arc<[Expression]>,
}

impl Program {
    /// The places of the rules that judge events of a log type, or of the scheduled rules that judge the rows of a query,
    /// ascending.
    pub(crate) fn judges_of<'a>(&'a self, log_type: &'a LogType) -> impl Iterator<Item = u32> + 'a {
        let judges = move |detection: &ProgramDetection| {
            detection.enabled && detection.kind != DetectionKind::Policy && detection.log_types.contains(log_type)
        };
        (0..).zip(&self.detections).filter(move |(_, detection)| judges(detection)).map(|(index, _)| index)
    }
}

impl ProgramDetection {
    /// An enabled rule of medium severity; the rest is filled in by name.
    #[must_use]
    pub fn rule(id: &str, log_type: &str, source: &str) -> Self {
        Self {
            id: DetectionId::new(id),
            kind: DetectionKind::Rule,
            module: PythonSource { name: id.to_owned(), file: format!("{id}.py"), source: source.to_owned() },
            log_types: vec![LogType::new(log_type)],
            enabled: true,
            severity: Severity::Medium,
            display_name: String::new(),
            description: String::new(),
            reference: String::new(),
            runbook: String::new(),
            filters: Arc::default(),
        }
    }
}

/// One detection in YAML alone.
#[derive(Clone, Debug)]
pub struct SimpleDetection {
    pub id: DetectionId,
    pub kind: DetectionKind,
    pub logic: Arc<SimpleRule>,
    pub filters: Arc<[Expression]>,
    pub log_types: Vec<LogType>,
    pub enabled: bool,
    pub severity: Severity,
    pub display_name: String,
    pub description: String,
    pub reference: String,
    pub runbook: String,
}

impl SimpleDetection {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            id: &self.id,
            display_name: &self.display_name,
            severity: self.severity,
            description: &self.description,
            reference: &self.reference,
            runbook: &self.runbook,
        }
    }
}

/// A destination that `destinations()` may name by its display name or its id.
#[derive(Clone, Debug, Serialize)]
pub struct KnownDestination {
    pub id: DestinationId,
    pub name: String,
}
