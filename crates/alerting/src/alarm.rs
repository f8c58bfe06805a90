//! Alarms as alerts: system errors, critical ones, for whoever subscribed to them.

use uncia_model::{Alarm, AlarmKind, Alert, AlertId, AlertKind, AlertStatus, DetectionId, NewDelivery, Severity};

use crate::route::{Routes, Subject};

/// The alert that an alarm makes now, and where it is delivered.
#[must_use]
pub fn alert_of(alarm: &Alarm, routes: &Routes, now_micros: i64) -> (Alert, Vec<NewDelivery>) {
    let detection = DetectionId::from(alarm.kind.as_str());
    let id = AlertId::of(&detection, &alarm.subject, AlertKind::SystemError.as_str(), now_micros);
    let alert = Alert {
        id: id.clone(),
        kind: AlertKind::SystemError,
        detection,
        title: alarm.title.clone(),
        dedup: alarm.subject.clone(),
        severity: severity(alarm.kind),
        status: AlertStatus::Open,
        description: alarm.description.clone(),
        reference: String::new(),
        runbook: String::new(),
        context: None,
        log_types: Vec::new(),
        event_count: 1,
        threshold: 1,
        visible: true,
        created_micros: now_micros,
        updated_micros: now_micros,
    };
    let subject = Subject { kind: alert.kind, severity: alert.severity, log_types: &[] };
    let destinations = routes.of(subject, None, &[]);
    let deliveries = destinations.into_iter().map(|destination| NewDelivery { alert: id.clone(), destination });
    (alert, deliveries.collect())
}

/// System errors are critical; what only warns of one is not yet.
const fn severity(kind: AlarmKind) -> Severity {
    match kind {
        AlarmKind::SourceCredentialExpires => Severity::High,
        AlarmKind::SourceNoData
        | AlarmKind::SourcePermissionsChecks
        | AlarmKind::SourceLogProcessingErrors
        | AlarmKind::SourceOversizedEvents => Severity::Critical,
    }
}
