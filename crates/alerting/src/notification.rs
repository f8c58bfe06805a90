//! What destinations are told of an alert: the JSON that webhooks receive, with the keys that receivers of Panther's custom
//! webhook read, always present and never null, and ours after them.

use serde::Serialize;
use serde_json::Value;
use uncia_model::{Alert, AlertKind, LogType, Severity};

use crate::facts::RuleFacts;

/// The version of the body; it grows when a key changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// The notification of one alert.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The detection's id.
    pub id: String,
    pub created_at: String,
    pub severity: Severity,
    #[serde(rename = "type")]
    pub kind: AlertKind,
    /// The alert in the console; empty if the console's address is not configured.
    pub link: String,
    /// `New Alert: …`, `New rule error: …`.
    pub title: String,
    /// The detection's display name.
    pub name: String,
    pub alert_id: String,
    pub alert_context: Value,
    pub description: String,
    pub runbook: String,
    pub tags: Vec<String>,
    /// The detection's version.
    pub version: String,

    pub dedup_string: String,
    pub event_count: u64,
    pub log_types: Vec<LogType>,
    pub reference: String,
    pub reports: std::collections::BTreeMap<String, Vec<String>>,
    pub schema_version: u32,
}

impl Notification {
    /// `console` is the address of the console, such as `https://uncia.example`, if there is one.
    #[must_use]
    pub fn of(alert: &Alert, facts: Option<&RuleFacts>, console: Option<&str>) -> Self {
        let name = facts.map_or_else(|| alert.detection.as_str().to_owned(), |facts| facts.name.clone());
        let said = if alert.title.is_empty() { &name } else { &alert.title };
        let title = match alert.kind {
            AlertKind::Rule | AlertKind::ScheduledRule | AlertKind::CorrelationRule => format!("New Alert: {said}"),
            AlertKind::RuleError | AlertKind::ScheduledRuleError | AlertKind::CorrelationRuleError => {
                format!("New rule error: {said}")
            }
            AlertKind::Policy => format!("Policy Failure: {name}"),
            AlertKind::SystemError => format!("System Error: {said}"),
        };
        let link = console.map(|console| format!("{}/alerts/{}", console.trim_end_matches('/'), alert.id));
        Self {
            id: alert.detection.as_str().to_owned(),
            created_at: rfc3339(alert.created_micros),
            severity: alert.severity,
            kind: alert.kind,
            link: link.unwrap_or_default(),
            title,
            name,
            alert_id: alert.id.as_str().to_owned(),
            alert_context: context(alert.context.as_deref()),
            description: alert.description.clone(),
            runbook: alert.runbook.clone(),
            tags: facts.map(|facts| facts.tags.clone()).unwrap_or_default(),
            version: String::new(),
            dedup_string: alert.dedup.clone(),
            event_count: alert.event_count,
            log_types: alert.log_types.clone(),
            reference: alert.reference.clone(),
            reports: facts.map(|facts| facts.reports.clone()).unwrap_or_default(),
            schema_version: SCHEMA_VERSION,
        }
    }

    /// The body that is sent.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts, numbers and valid JSON always serialise")
    }
}

/// The context as it was given, if it is an object.
fn context(text: Option<&str>) -> Value {
    let given = text.and_then(|text| serde_json::from_str(text).ok()).filter(Value::is_object);
    given.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

fn rfc3339(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map(|time| time.to_string()).unwrap_or_default()
}
