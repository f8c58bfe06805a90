//! A rule in YAML alone: its expressions, and what stands in for the functions of a Python rule.

use uncia_document::Ref;
use uncia_model::{DetectionId, Match, Severity, limits};

use super::evaluate::filter_passes;
use super::expression::Expression;
use super::path::Path;
use super::template::{Template, json, shown};
use crate::{FunctionError, FunctionOutcome, TestOutcome};

/// What the YAML says beside its facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimpleRule {
    /// All must hold.
    pub(super) expressions: Vec<Expression>,
    /// `AlertTitle`
    pub(super) title: Option<Template>,
    /// `AlertContext`: names and what stands under them.
    pub(super) context: Vec<(String, Path)>,
    /// `GroupBy`: what the dedup string is made of.
    pub(super) group_by: Vec<Path>,
    /// `DynamicSeverities`: the first whose conditions all hold decides.
    pub(super) severities: Vec<(Severity, Vec<Expression>)>,
}

/// What a detection says of itself, for the functions that it leaves out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) id: &'a DetectionId,
    pub(crate) display_name: &'a str,
    pub(crate) severity: Severity,
    pub(crate) description: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) runbook: &'a str,
}

/// Between the values of `GroupBy` in the dedup string.
const BETWEEN: &str = ":";
const TRUNCATED: &str = "... (truncated)";

impl SimpleRule {
    pub(crate) fn holds(&self, event: Ref<'_>) -> bool {
        self.expressions.iter().all(|expression| expression.holds(event))
    }

    /// What it says of an event that it matches.
    pub(crate) fn matched(&self, place: usize, event: Ref<'_>, facts: Facts<'_>) -> Match {
        let title = self.title(event).filter(|title| !title.is_empty());
        let named = || if facts.display_name.is_empty() { facts.id.as_str() } else { facts.display_name }.to_owned();
        Match {
            event: place,
            detection: facts.id.clone(),
            dedup: self.dedup(event, title.as_deref(), facts.id),
            title: title.unwrap_or_else(named),
            severity: self.severity(event).unwrap_or(facts.severity),
            description: facts.description.to_owned(),
            reference: facts.reference.to_owned(),
            runbook: facts.runbook.to_owned(),
            destinations: None,
            alert_context: self.alert_context(event),
            unique: None,
        }
    }

    /// A unit test: filters, the expressions, and then, whatever these said, everything else.
    pub(crate) fn outcome(&self, filters: &[Expression], event: Ref<'_>, facts: Facts<'_>) -> TestOutcome {
        let (output, error) = match filter_passes(filters, event) {
            Ok(passes) => (Some(passes && self.holds(event)), None),
            Err(error) => (None, Some(FunctionError::of_filter(&error))),
        };
        let function = |name: &str, output: Option<String>, defined: bool| FunctionOutcome {
            name: name.to_owned(),
            defined,
            output: output.map(Into::into),
            error: None,
        };
        let rule = FunctionOutcome { output: output.map(Into::into), error, ..function("rule", None, true) };
        let title = self.title(event);
        let dedup = self.dedup(event, title.as_deref().filter(|title| !title.is_empty()), facts.id);
        let severity = self.severity(event);
        let severity_text = severity.unwrap_or(facts.severity).to_string();
        let functions = vec![
            rule,
            function("title", title, self.title.is_some()),
            function("description", Some(facts.description.to_owned()), false),
            function("reference", Some(facts.reference.to_owned()), false),
            function("severity", Some(severity_text), !self.severities.is_empty()),
            function("runbook", Some(facts.runbook.to_owned()), false),
            function("destinations", None, false),
            function("dedup", Some(dedup), !self.group_by.is_empty()),
            function("alert_context", self.alert_context(event), !self.context.is_empty()),
            function("unique", None, false),
        ];
        TestOutcome { output, alerts: output == Some(true), functions, ..TestOutcome::default() }
    }

    fn title(&self, event: Ref<'_>) -> Option<String> {
        Some(truncated(self.title.as_ref()?.fill(event)))
    }

    fn dedup(&self, event: Ref<'_>, title: Option<&str>, id: &DetectionId) -> String {
        let values: Vec<String> = self.group_by.iter().map(|path| shown(&path.find(event))).collect();
        let joined = truncated(values.join(BETWEEN));
        if !joined.is_empty() {
            return joined;
        }
        title.map_or_else(|| format!("defaultDedupString:{id}"), str::to_owned)
    }

    fn severity(&self, event: Ref<'_>) -> Option<Severity> {
        let holds = |conditions: &[Expression]| conditions.iter().all(|condition| condition.holds(event));
        self.severities.iter().find(|(_, conditions)| holds(conditions)).map(|(severity, _)| *severity)
    }

    fn alert_context(&self, event: Ref<'_>) -> Option<String> {
        if self.context.is_empty() {
            return None;
        }
        let member =
            |(name, path): &(String, Path)| format!("{}: {}", serde_json::json!(name), json(&path.find(event)));
        let members: Vec<String> = self.context.iter().map(member).collect();
        let text = format!("{{{}}}", members.join(", "));
        let size = text.chars().count();
        if size <= limits::MAX_ALERT_CONTEXT_CHARS {
            return Some(text);
        }
        let limit = limits::MAX_ALERT_CONTEXT_CHARS;
        let error = format!("alert_context size is [{size}] characters, bigger than maximum of [{limit}] characters");
        Some(serde_json::json!({ "_error": error }).to_string())
    }
}

fn truncated(text: String) -> String {
    if text.len() <= limits::MAX_GENERATED_CHARS || text.chars().count() <= limits::MAX_GENERATED_CHARS {
        return text;
    }
    text.chars().take(limits::MAX_GENERATED_CHARS - TRUNCATED.len()).collect::<String>() + TRUNCATED
}
