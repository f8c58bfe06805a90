//! A detection's YAML to its [`RuleSpec`].

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use uncia_model::{DetectionId, LogType, Severity, limits};

use super::fields::Fields;
use super::keys;
use super::yaml::{Node, Yaml};
use crate::correlation::{read_correlation, read_outputs};
use crate::simple::{self, Expression};
use crate::spec::{AnalysisType, Logic, RuleSpec, TestSpec};
use crate::{Mock, PythonSource};

const DEFAULT_DEDUP_MINUTES: u32 = 60;

/// Reads the Python file that the YAML names.
pub(super) type ReadPython<'a> = &'a dyn Fn(&str) -> Result<PythonSource, String>;

/// `None` if something without which it cannot be is missing; the problems say what.
pub(super) fn read(
    kind: AnalysisType,
    id: &str,
    file: &str,
    node: &Node,
    fields: &mut Fields<'_>,
    python: ReadPython<'_>,
) -> Option<RuleSpec> {
    let specific = match kind {
        AnalysisType::Policy => keys::POLICY,
        AnalysisType::CorrelationRule => keys::CORRELATION,
        _ => keys::RULE,
    };
    fields.only(&[keys::COMMON, keys::DETECTION, specific]);
    let enabled = fields.required_flag("Enabled");
    let severity = severity(fields);
    let judged = match kind {
        AnalysisType::ScheduledRule => fields.set("ScheduledQueries", false),
        AnalysisType::Policy => fields.set("ResourceTypes", false),
        AnalysisType::CorrelationRule => Vec::new(),
        _ => fields.set("LogTypes", false),
    };
    let judges_something = match kind {
        AnalysisType::Rule if judged.is_empty() => {
            fields.missing("LogTypes", "a list of the log types whose events the rule judges");
            false
        }
        AnalysisType::ScheduledRule if judged.is_empty() => {
            fields.missing("ScheduledQueries", "a list of the queries whose rows the rule judges");
            false
        }
        _ => true,
    };
    let logic = logic(kind, node, fields, python);
    let mut tags = fields.set("Tags", true);
    tags.sort();
    let spec = RuleSpec {
        id: DetectionId::new(id),
        analysis_type: kind,
        file: file.to_owned(),
        base: None,
        dedup_period_minutes: dedup_period(fields, logic.as_ref()),
        threshold: threshold(fields),
        create_alert: fields.flag("CreateAlert").unwrap_or(true),
        display_name: fields.text("DisplayName").unwrap_or_default(),
        description: fields.text("Description").unwrap_or_default(),
        reference: fields.text("Reference").unwrap_or_default(),
        runbook: fields.text("Runbook").unwrap_or_default(),
        status: fields.text("Status").unwrap_or_default(),
        output_ids: fields.set("OutputIds", false),
        tags,
        reports: reports(fields),
        summary_attributes: fields.set("SummaryAttributes", false),
        tests: tests(kind, fields),
        filters: filters(kind, fields),
        log_types: judged.iter().map(LogType::new).collect(),
        written: node.clone(),
        enabled: enabled?,
        severity: severity?,
        logic: logic?,
    };
    judges_something.then_some(spec)
}

fn severity(fields: &mut Fields<'_>) -> Option<Severity> {
    let text = fields.required_text("Severity")?;
    let severity = Severity::parse(&text);
    if severity.is_none() {
        let line = fields.line_of("Severity");
        fields.wrong(line, format!("`Severity` must be Info, Low, Medium, High or Critical, found `{text}`"));
    }
    severity
}

fn logic(kind: AnalysisType, node: &Node, fields: &mut Fields<'_>, python: ReadPython<'_>) -> Option<Logic> {
    if kind == AnalysisType::CorrelationRule {
        if fields.node("Detection").is_none() {
            fields.missing("Detection", "the sequence or the group that the rule looks for");
            return None;
        }
        return read_correlation(fields).map(|rule| Logic::Correlation(Arc::new(rule)));
    }
    let simple = fields.node("Detection").is_some();
    match (fields.text("Filename"), simple) {
        (Some(name), false) => match python(&name) {
            Ok(source) => Some(Logic::Python(source)),
            Err(reason) => {
                let line = fields.line_of("Filename");
                fields.wrong(line, format!("cannot read the Python file `{name}` beside it: {reason}"));
                None
            }
        },
        (None, true) => simple_rule(node, fields),
        (Some(_), true) => {
            let line = fields.line_of("Detection");
            fields.wrong(line, "`Filename` and `Detection` exclude each other; keep the one that decides");
            None
        }
        (None, false) => {
            fields.missing("Filename", "the name of the Python file beside it");
            None
        }
    }
}

/// Windows of a correlation rule's evaluations overlap: what it finds again belongs to the alert that it has made.
fn dedup_period(fields: &mut Fields<'_>, logic: Option<&Logic>) -> u32 {
    if let Some(Logic::Correlation(rule)) = logic {
        return u32::try_from(rule.lookback_minutes).unwrap_or(u32::MAX).max(DEFAULT_DEDUP_MINUTES);
    }
    let line = fields.line_of("DedupPeriodMinutes");
    match fields.whole("DedupPeriodMinutes") {
        None => DEFAULT_DEDUP_MINUTES,
        Some(0) => {
            fields.warn(line, format!("`DedupPeriodMinutes: 0` is ignored, {DEFAULT_DEDUP_MINUTES} is used"));
            DEFAULT_DEDUP_MINUTES
        }
        Some(minutes) if minutes < u64::from(limits::MIN_DEDUP_PERIOD_MINUTES) => limits::MIN_DEDUP_PERIOD_MINUTES,
        Some(minutes) => u32::try_from(minutes).unwrap_or(u32::MAX),
    }
}

fn threshold(fields: &mut Fields<'_>) -> u64 {
    fields.whole("Threshold").unwrap_or(1).max(1)
}

fn reports(fields: &mut Fields<'_>) -> BTreeMap<String, Vec<String>> {
    let mut reports = BTreeMap::new();
    for (framework, node) in fields.pairs("Reports") {
        let Yaml::List(items) = &node.yaml else {
            fields.wrong(node.line, format!("`Reports`: `{}` must be a list, found {}", framework.text, node.kind()));
            continue;
        };
        let mut ids: Vec<String> = items.iter().filter_map(Node::scalar_text).collect();
        ids.sort();
        reports.insert(framework.text.clone(), ids);
    }
    reports
}

/// Match expressions; none of them is used if one of them is wrong.
fn simple_rule(node: &Node, fields: &mut Fields<'_>) -> Option<Logic> {
    let mut complaints = Vec::new();
    let rule = simple::read_rule(node, &mut complaints);
    if complaints.is_empty() {
        return Some(Logic::Simple(Arc::new(rule)));
    }
    complaints.into_iter().for_each(|(line, message)| fields.wrong(line, message));
    None
}

/// A filter that cannot be read would let through what it was to hold back, so that the file is invalid; the rule itself
/// goes on without it, since a rule that sees too much is better than none.
fn filters(kind: AnalysisType, fields: &mut Fields<'_>) -> Arc<[Expression]> {
    let Some(node) = fields.node("InlineFilters").filter(|_| kind == AnalysisType::Rule) else { return Arc::default() };
    let mut complaints = Vec::new();
    let filters = simple::read_filters(node, &mut complaints);
    complaints.into_iter().for_each(|(line, message)| fields.wrong(line, message));
    filters.into()
}

fn tests(kind: AnalysisType, fields: &mut Fields<'_>) -> Vec<TestSpec> {
    let mut tests: Vec<TestSpec> = Vec::new();
    for (index, node) in fields.list("Tests").iter().enumerate() {
        let name = node.get("Name").and_then(Node::scalar_text);
        let part = format!("test `{}`", name.unwrap_or_else(|| (index + 1).to_string()));
        let Some(mut inner) = fields.inner(node, &part) else { continue };
        let Some(test) = test(kind, node.line, &mut inner) else { continue };
        if tests.iter().any(|other| other.name == test.name) {
            fields.warn(test.line, format!("{part}: another test has the same name"));
        }
        tests.push(test);
    }
    tests
}

fn test(kind: AnalysisType, line: usize, fields: &mut Fields<'_>) -> Option<TestSpec> {
    fields.only(&[keys::TEST]);
    let name = fields.required_text("Name");
    let expected = fields.required_flag("ExpectedResult");
    let key = match kind {
        AnalysisType::Policy => "Resource",
        AnalysisType::CorrelationRule => "RuleOutputs",
        _ => "Log",
    };
    let input = fields.node(key).or_else(|| fields.node("Log")).or_else(|| fields.node("Resource"));
    if input.is_none() && kind != AnalysisType::CorrelationRule {
        fields.missing(key, "the event to test with");
        return None;
    }
    let event = match input.map(Node::to_json).transpose() {
        Ok(value) => value.unwrap_or(Value::Array(Vec::new())),
        Err(error) => {
            fields.wrong(error.line, error.message);
            return None;
        }
    };
    if kind != AnalysisType::CorrelationRule && !event.is_object() {
        let line = fields.line_of(key);
        fields.wrong(line, format!("`{key}` must be a mapping, as events are"));
        return None;
    }
    let correlation = match input.filter(|_| kind == AnalysisType::CorrelationRule).map(read_outputs).transpose() {
        Ok(outputs) => outputs,
        Err((line, message)) => {
            fields.wrong(line, message);
            return None;
        }
    };
    let mut destinations = fields.texts("ExpectedDestinations");
    destinations.sort();
    Some(TestSpec {
        line,
        event: Bytes::from(event.to_string()),
        correlation,
        mocks: mocks(fields),
        expected_destinations: fields.node("ExpectedDestinations").map(|_| destinations),
        name: name?,
        expected: expected?,
    })
}

fn mocks(fields: &mut Fields<'_>) -> Vec<Mock> {
    let mut mocks = Vec::new();
    for node in fields.list("Mocks") {
        let object = node.get("objectName").and_then(Node::scalar_text);
        let value = node.get("returnValue").map(Node::to_json);
        match (object, value) {
            (Some(object), Some(Ok(value))) => mocks.push(Mock { object, value }),
            _ => fields.wrong(node.line, "a mock needs `objectName` and `returnValue`"),
        }
    }
    mocks
}
