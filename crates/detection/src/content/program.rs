//! Content to what the engine runs.

use super::load::Content;
use crate::spec::{AnalysisType, Logic, RuleSpec};
use crate::{DetectionKind, Program, ProgramDataModel, ProgramDetection, PythonSource, SimpleDetection};

impl From<&Content> for Program {
    fn from(content: &Content) -> Self {
        Self {
            globals: content.globals.iter().map(|global| global.module.clone()).collect(),
            data_models: content
                .data_models
                .iter()
                .filter(|model| model.enabled)
                .map(|model| ProgramDataModel {
                    id: model.id.clone(),
                    log_types: model.log_types.clone(),
                    mappings: model.mappings.clone(),
                    module: model.module.clone(),
                })
                .collect(),
            detections: content.rules.iter().filter_map(detection).collect(),
            simple: content.rules.iter().filter_map(simple).collect(),
            destinations: Vec::new(),
        }
    }
}

/// Everything with Python is loaded, for its tests; what does not run is not enabled.
fn detection(rule: &RuleSpec) -> Option<ProgramDetection> {
    let Logic::Python(source) = &rule.logic else { return None };
    Some(ProgramDetection {
        id: rule.id.clone(),
        kind: kind_of(rule),
        module: PythonSource { name: rule.id.as_str().to_owned(), ..source.clone() },
        log_types: rule.log_types.clone(),
        enabled: rule.enabled,
        severity: rule.severity,
        display_name: rule.display_name.clone(),
        description: rule.description.clone(),
        reference: rule.reference.clone(),
        runbook: rule.runbook.clone(),
        filters: rule.filters.clone(),
    })
}

/// Rules in YAML alone, which need no Python.
fn simple(rule: &RuleSpec) -> Option<SimpleDetection> {
    let Logic::Simple(logic) = &rule.logic else { return None };
    Some(SimpleDetection {
        id: rule.id.clone(),
        kind: kind_of(rule),
        logic: logic.clone(),
        filters: rule.filters.clone(),
        log_types: rule.log_types.clone(),
        enabled: rule.enabled,
        severity: rule.severity,
        display_name: rule.display_name.clone(),
        description: rule.description.clone(),
        reference: rule.reference.clone(),
        runbook: rule.runbook.clone(),
    })
}

fn kind_of(rule: &RuleSpec) -> DetectionKind {
    match rule.analysis_type {
        AnalysisType::ScheduledRule => DetectionKind::ScheduledRule,
        AnalysisType::Policy => DetectionKind::Policy,
        _ => DetectionKind::Rule,
    }
}
