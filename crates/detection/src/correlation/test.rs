//! Unit tests of correlation rules: `RuleOutputs` says which signals there are, and when.

use std::collections::BTreeMap;

use super::evaluate::MINUTE;
use super::rule::{CorrelationRule, Signal};
use crate::content::yaml::{Node, Yaml};
use crate::{FunctionOutcome, TestOutcome};

/// The signals of each named member, and the time of the evaluation: the latest one given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CorrelationTest {
    outputs: Vec<(String, Vec<Signal>)>,
    at: i64,
}

/// Reads `RuleOutputs`; an error names its line.
pub(crate) fn read_outputs(node: &Node) -> Result<CorrelationTest, (usize, String)> {
    let wrong = |node: &Node, what: &str| (node.line, format!("`RuleOutputs`: {what}, found {}", node.kind()));
    let Yaml::List(items) = &node.yaml else { return Err(wrong(node, "a list is needed")) };
    let mut outputs = Vec::new();
    let mut latest = None;
    for item in items {
        let id = item.get("ID").and_then(Node::scalar_text);
        let id = id.ok_or_else(|| wrong(item, "each entry needs `ID` and `Matches`"))?;
        let mut signals: BTreeMap<(i64, usize), Signal> = BTreeMap::new();
        let fields = match item.get("Matches").map(|matches| (&matches.yaml, matches)) {
            Some((Yaml::Map(fields), _)) => fields.as_slice(),
            None | Some((Yaml::Null, _)) => &[],
            Some((_, node)) => return Err(wrong(node, "`Matches` must be a mapping of fields")),
        };
        for (field, values) in fields {
            let Yaml::Map(values) = &values.yaml else {
                return Err(wrong(values, &format!("`{}` must be a mapping of values to times", field.text)));
            };
            // Values of several fields at one time are those of one signal.
            let mut ordinals: BTreeMap<i64, usize> = BTreeMap::new();
            for (value, times) in values {
                let Yaml::List(times) = &times.yaml else { return Err(wrong(times, "times must be a list")) };
                for written in times {
                    let time = time(written)
                        .ok_or_else(|| wrong(written, "a time must be a number of minutes or text as in RFC 3339"))?;
                    latest = latest.max(Some(time));
                    let ordinal = ordinals.entry(time).or_default();
                    let signal = signals.entry((time, *ordinal)).or_default();
                    *ordinal += 1;
                    signal.time = time;
                    signal.values.entry(field.text.clone()).or_default().push(value.text.clone());
                }
            }
        }
        outputs.push((id, signals.into_values().collect()));
    }
    Ok(CorrelationTest { outputs, at: latest.unwrap_or_default() })
}

fn time(node: &Node) -> Option<i64> {
    match &node.yaml {
        Yaml::Int(digits) => digits.parse::<i64>().ok()?.checked_mul(MINUTE),
        Yaml::Float(minutes, _) => Some((minutes * MINUTE as f64) as i64),
        Yaml::Text(text) => instant(text),
        _ => None,
    }
}

/// An instant as in RFC 3339, in microseconds since 1970.
#[must_use]
pub fn instant(text: &str) -> Option<i64> {
    Some(text.parse::<jiff::Timestamp>().ok()?.as_microsecond())
}

impl CorrelationRule {
    /// Runs a unit test; an output of no member is an error of the test.
    pub(crate) fn test(&self, test: &CorrelationTest) -> TestOutcome {
        let stranger = test.outputs.iter().find(|(id, _)| !self.members.iter().any(|member| member.id == *id));
        if let Some((id, _)) = stranger {
            let known: Vec<&str> = self.members.iter().map(|member| member.id.as_str()).collect();
            let message = format!("`RuleOutputs` names `{id}`, which is none of {}", known.join(", "));
            return crate::python::not_run("LookupError", message);
        }
        let signals_of = |id: &str| {
            let outputs = test.outputs.iter().filter(|(has, _)| has == id);
            outputs.flat_map(|(_, signals)| signals.iter().cloned()).collect::<Vec<_>>()
        };
        let signals: Vec<Vec<Signal>> = self.members.iter().map(|member| signals_of(&member.id)).collect();
        let matched = !self.evaluate(&signals, test.at).is_empty();
        let rule =
            FunctionOutcome { name: "rule".to_owned(), defined: true, output: Some(matched.into()), error: None };
        TestOutcome { output: Some(matched), alerts: matched, functions: vec![rule], ..TestOutcome::default() }
    }
}
