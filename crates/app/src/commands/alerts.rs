//! `uncia alerts`: triage from a terminal.

use anyhow::Result;
use uncia_model::{Alert, AlertId, AlertStatus, Clock as _, Severity, SystemClock};
use uncia_store::{AlertFilter, Store};

use crate::cli;
use crate::exit::{Exit, ExitError};
use crate::output::{Format, Rows, write_out};

pub(crate) async fn list(store: &Store, arguments: &cli::AlertsList, format: Format) -> Result<Exit> {
    let filter = AlertFilter {
        statuses: arguments.status.as_deref().map(status).transpose()?.into_iter().collect(),
        severities: arguments.severity.as_deref().map(severity).transpose()?.into_iter().collect(),
        detections: arguments.detection.as_deref().map(Into::into).into_iter().collect(),
        limit: Some(arguments.limit),
        ..AlertFilter::default()
    };
    let alerts = store.alerts(&filter).await?;
    table(&alerts, format).print(format)?;
    Ok(Exit::Ok)
}

/// One line per alert; machines get more columns.
pub(crate) fn table(alerts: &[Alert], format: Format) -> Rows {
    let people = ["severity", "created", "events", "status", "title", "detection", "id"];
    let machines = [
        "id",
        "type",
        "severity",
        "status",
        "created",
        "updated",
        "events",
        "threshold",
        "title",
        "dedup",
        "detection",
        "log_types",
    ];
    let mut rows = Rows::new(if format == Format::Table { &people } else { &machines });
    for alert in alerts {
        let seconds = |text: String| text.chars().take(19).collect::<String>();
        rows.rows.push(if format == Format::Table {
            vec![
                alert.severity.as_str().into(),
                seconds(alert.created().to_string()).into(),
                alert.event_count.into(),
                alert.status.as_str().into(),
                alert.title.clone().into(),
                alert.detection.as_str().into(),
                alert.id.as_str().into(),
            ]
        } else {
            vec![
                alert.id.as_str().into(),
                alert.kind.as_str().into(),
                alert.severity.as_str().into(),
                alert.status.as_str().into(),
                alert.created().to_string().into(),
                alert.updated().to_string().into(),
                alert.event_count.into(),
                alert.threshold.into(),
                alert.title.clone().into(),
                alert.dedup.clone().into(),
                alert.detection.as_str().into(),
                alert.log_types.iter().map(uncia_model::LogType::as_str).collect::<Vec<_>>().into(),
            ]
        });
    }
    rows
}

pub(crate) async fn show(store: &Store, id: &str, format: Format) -> Result<Exit> {
    let Some(alert) = find(store, id).await? else {
        eprintln!("uncia: there is no alert {id}; `uncia alerts list` shows them");
        return Ok(Exit::Failed);
    };
    let deliveries = store.deliveries_of(&alert.id).await?;
    if format != Format::Table {
        let mut value = serde_json::to_value(&alert)?;
        value["created"] = alert.created().to_string().into();
        value["updated"] = alert.updated().to_string().into();
        value["deliveries"] = deliveries
            .iter()
            .map(|delivery| {
                serde_json::json!({
                    "destination": delivery.destination, "state": delivery.state.as_str(),
                    "attempts": delivery.attempts, "last_error": delivery.last_error,
                })
            })
            .collect();
        write_out(format!("{value:#}\n").as_bytes())?;
        return Ok(Exit::Ok);
    }
    let mut text = format!("{}  {}\n\n", alert.severity, alert.title);
    let log_types: Vec<_> = alert.log_types.iter().map(uncia_model::LogType::as_str).collect();
    for (name, value) in [
        ("id", alert.id.to_string()),
        ("type", alert.kind.as_str().to_owned()),
        ("detection", alert.detection.to_string()),
        ("status", alert.status.as_str().to_owned()),
        ("created", alert.created().to_string()),
        ("updated", alert.updated().to_string()),
        ("events", format!("{} (threshold {})", alert.event_count, alert.threshold)),
        ("log types", log_types.join(", ")),
        ("dedup", alert.dedup.clone()),
        ("description", alert.description.clone()),
        ("runbook", alert.runbook.clone()),
        ("reference", alert.reference.clone()),
    ] {
        if !value.is_empty() {
            text += &format!("{name:<12} {}\n", value.trim().replace('\n', "\n             "));
        }
    }
    for delivery in &deliveries {
        let error = delivery.last_error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        text += &format!(
            "{:<12} {} {} after {} attempts{error}\n",
            "delivery",
            delivery.destination,
            delivery.state.as_str(),
            delivery.attempts
        );
    }
    if let Some(context) = &alert.context {
        let context: serde_json::Value = serde_json::from_str(context).unwrap_or_default();
        text += &format!("\ncontext\n{context:#}\n");
    }
    let table = alert.log_types.first().map(uncia_model::LogType::table_name).unwrap_or_default();
    text += &if alert.kind == uncia_model::AlertKind::Policy {
        format!("\nWhat violates it now: uncia snowflake posture --control {}\n", alert.detection)
    } else {
        format!("\nIts events: uncia query \"SELECT * FROM rule_matches.{table} WHERE p_alert_id = '{}'\"\n", alert.id)
    };
    write_out(text.as_bytes())?;
    Ok(Exit::Ok)
}

pub(crate) async fn update(store: &Store, id: &str, to: &str) -> Result<Exit> {
    let to = status(to)?;
    let id = AlertId::new(id);
    if store.set_alert_status(std::slice::from_ref(&id), to, SystemClock.now().micros).await? == 0 {
        eprintln!("uncia: there is no alert {id}; `uncia alerts list` shows them");
        return Ok(Exit::Failed);
    }
    eprintln!("{id} is {}", to.as_str());
    Ok(Exit::Ok)
}

/// By id, or by the beginning of one.
async fn find(store: &Store, id: &str) -> Result<Option<Alert>> {
    if let Some(alert) = store.alert(&AlertId::new(id)).await? {
        return Ok(Some(alert));
    }
    let all = store.alerts(&AlertFilter { hidden_too: true, ..AlertFilter::default() }).await?;
    let mut beginning = all.into_iter().filter(|alert| id.len() >= 4 && alert.id.as_str().starts_with(id));
    Ok(beginning.next().filter(|_| beginning.next().is_none()))
}

fn status(text: &str) -> Result<AlertStatus> {
    AlertStatus::parse(text).ok_or_else(|| {
        ExitError::usage(format!("there is no status {text}; it is one of OPEN, TRIAGED, CLOSED, RESOLVED"))
    })
}

fn severity(text: &str) -> Result<Severity> {
    Severity::parse(text).ok_or_else(|| {
        ExitError::usage(format!("there is no severity {text}; it is one of INFO, LOW, MEDIUM, HIGH, CRITICAL"))
    })
}
