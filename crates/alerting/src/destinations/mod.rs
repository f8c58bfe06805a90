//! Where alerts go. One file a kind of destination, and its two lines in this one.
//!
//! A destination sends one notification and says how it went; when to try again is the [`crate::Deliverer`]'s business.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use uncia_model::{AlertKind, DestinationId, LogType, Secret, Severity};

use crate::notification::Notification;
use crate::route::{Route, Routes};

mod address;
pub mod webhook;

/// Every kind of destination there is.
pub static DESTINATIONS: &[&dyn DestinationKind] = &[&webhook::Kind];

/// A configured destination: who is told of which alerts, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationConfig {
    /// Stays the same when the name changes; deliveries are recorded under it.
    pub id: DestinationId,
    /// What rules' `destinations()` and people call it; the id if left out.
    #[serde(default)]
    pub name: Option<String>,
    /// The kind: `webhook`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Severities it is told of when a rule names no destination; all but `INFO` if left out.
    #[serde(default = "told_severities")]
    pub severities: Vec<Severity>,
    /// Types of alert it is told of, such as `RULE` and `RULE_ERROR`; all if left out.
    #[serde(default)]
    pub alert_types: Vec<AlertKind>,
    /// Log types it is told of; all if left out.
    #[serde(default)]
    pub log_types: Vec<LogType>,
    /// The kind's own settings.
    pub config: Settings,
}

fn told_severities() -> Vec<Severity> {
    vec![Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
}

/// Settings of one kind, not yet read; they may hold secrets and do not print.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Settings(serde_json::Value);

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{…}")
    }
}

/// Turns a configured secret, which may be a reference, into its text. The message of an error names the reference only.
pub type ResolveSecret<'a> = &'a dyn Fn(&Secret) -> Result<Secret, String>;

/// A kind of destination.
pub trait DestinationKind: Sync {
    fn name(&self) -> &'static str;

    /// Reads the settings and makes the destination; the error is one sentence about the settings.
    fn build(&self, settings: serde_json::Value, resolve: ResolveSecret<'_>) -> Result<Arc<dyn Destination>, String>;
}

/// A place that can be told of an alert.
#[async_trait]
pub trait Destination: Send + Sync {
    /// Tells it once. Repeating the call for one alert is harmless where the receiver minds the idempotency key.
    async fn deliver(&self, notification: &Notification) -> Result<Receipt, DeliveryError>;
}

/// What a destination answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub status: u16,
    /// The beginning of its answer.
    pub body: String,
}

/// Why a destination was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It is overloaded or broken for now.
    #[error("the destination answered {status} and may be asked again{}", shown(body))]
    RetryAfter {
        /// What its `Retry-After` said.
        after: Option<Duration>,
        status: u16,
        body: String,
    },
    /// It understood and declined; asking again is unlikely to help.
    #[error("the destination answered {status}{}", shown(body))]
    Rejected { status: u16, body: String },
    /// No answer: name, connection, TLS or time.
    #[error("the destination was not reached: {reason}")]
    Unreachable { reason: String },
}

fn shown(body: &str) -> String {
    let line: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() { String::new() } else { format!(": {}", line.chars().take(500).collect::<String>()) }
}

/// A destination that cannot be made from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("destination `{id}`: there is no type `{kind}` (types: {})", known.join(", "))]
    UnknownKind { id: DestinationId, kind: String, known: Vec<&'static str> },
    #[error("destination `{id}`: {reason}")]
    Settings { id: DestinationId, reason: String },
    #[error("destination `{id}` is configured twice; ids must differ")]
    Twice { id: DestinationId },
}

/// Every destination by id.
pub type Destinations = HashMap<DestinationId, Arc<dyn Destination>>;

/// Makes the destinations and their routes from the configuration.
pub fn build(configs: &[DestinationConfig], resolve: ResolveSecret<'_>) -> Result<(Destinations, Routes), ConfigError> {
    let mut destinations = Destinations::new();
    let mut routes = Vec::with_capacity(configs.len());
    for config in configs {
        let id = &config.id;
        let Some(kind) = DESTINATIONS.iter().find(|kind| kind.name() == config.kind) else {
            let known = DESTINATIONS.iter().map(|kind| kind.name()).collect();
            return Err(ConfigError::UnknownKind { id: id.clone(), kind: config.kind.clone(), known });
        };
        let built = kind.build(config.config.0.clone(), resolve);
        let destination = built.map_err(|reason| ConfigError::Settings { id: id.clone(), reason })?;
        if destinations.insert(id.clone(), destination).is_some() {
            return Err(ConfigError::Twice { id: id.clone() });
        }
        routes.push(Route {
            id: id.clone(),
            name: config.name.clone().unwrap_or_else(|| id.as_str().to_owned()),
            severities: config.severities.clone(),
            alert_types: config.alert_types.clone(),
            log_types: config.log_types.clone(),
        });
    }
    Ok((destinations, Routes::new(routes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<(Destinations, Routes), String> {
        let config: DestinationConfig = toml::from_str(toml).map_err(|error| error.to_string())?;
        build(&[config], &|secret| Ok(secret.clone())).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_named() {
        let good = "id = 'soc'\ntype = 'webhook'\n[config]\nurl = 'https://soc.example/hook'";
        assert!(read(good).is_ok());
        let mistakes = [
            (good.replace("'webhook'", "'pigeon'"), "there is no type `pigeon` (types: webhook)"),
            (good.replace("https:", "ftp:"), "`url` must begin with https:// or http://"),
            (format!("{good}\nurll = 1"), "unknown field `urll`"),
            (good.replace("id =", "severity = 'HIGH'\nid ="), "unknown field `severity`"),
        ];
        for (text, expected) in mistakes {
            let Err(error) = read(&text) else { panic!("accepted: {text}") };
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let config: DestinationConfig =
            toml::from_str("id = 'soc'\ntype = 'webhook'\n[config]\nurl = 'https://soc.example/hook/token-in-path'")
                .unwrap();
        assert!(!format!("{config:?}").contains("token-in-path"));
    }
}
