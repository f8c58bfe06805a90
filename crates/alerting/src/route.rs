//! Which destinations an alert goes to.
//!
//! Highest first: the list that the rule's `destinations()` returned, the static `OutputIds`, the destinations
//! subscribed to the alert's severity, type and log types. A list whose names do not all exist is passed over, as content
//! outlives destinations; an empty list or the word `SKIP` means that nobody is told.

use uncia_model::{AlertKind, DestinationId, LogType, Severity};

/// The subscription of one destination.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub id: DestinationId,
    /// What rules call it.
    pub name: String,
    /// Severities it is told of when the rule names nobody.
    pub severities: Vec<Severity>,
    /// Types of alert; empty means all.
    pub alert_types: Vec<AlertKind>,
    /// Log types; empty means all.
    pub log_types: Vec<LogType>,
}

/// What routing asks of an alert.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub kind: AlertKind,
    pub severity: Severity,
    pub log_types: &'a [LogType],
}

/// Every destination's subscription.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes(Vec<Route>);

impl Routes {
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// Destinations of an alert, each once, in the order of the configuration or of the list that named them.
    #[must_use]
    pub fn of(&self, subject: Subject<'_>, named: Option<&[String]>, output_ids: &[String]) -> Vec<DestinationId> {
        if let Some(names) = named {
            if names.is_empty() || names.iter().any(|name| name == "SKIP") {
                return Vec::new();
            }
            if let Some(ids) = self.named(names) {
                return ids;
            }
        }
        if !output_ids.is_empty()
            && let Some(ids) = self.named(output_ids)
        {
            return ids;
        }
        self.0.iter().filter(|route| route.takes(subject)).map(|route| route.id.clone()).collect()
    }

    /// The destinations of a list of names or ids, unless one does not exist.
    fn named(&self, names: &[String]) -> Option<Vec<DestinationId>> {
        let mut ids: Vec<DestinationId> = Vec::with_capacity(names.len());
        for name in names {
            let by_name = self.0.iter().find(|route| route.name == *name);
            let route = by_name.or_else(|| self.0.iter().find(|route| route.id.as_str() == name))?;
            if !ids.contains(&route.id) {
                ids.push(route.id.clone());
            }
        }
        Some(ids)
    }
}

impl Route {
    fn takes(&self, subject: Subject<'_>) -> bool {
        let system_error = subject.kind == AlertKind::SystemError;
        let kind = self.alert_types.is_empty() || self.alert_types.contains(&subject.kind);
        let severity = self.severities.contains(&subject.severity)
            // Who asks for system errors by name gets them, whatever the severities.
            || system_error && self.alert_types.contains(&AlertKind::SystemError);
        let log_type = self.log_types.is_empty()
            || subject.log_types.is_empty()
            || subject.log_types.iter().any(|log_type| self.log_types.contains(log_type));
        kind && severity && log_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |id: &str, name: &str, severities: &[Severity], kinds: &[AlertKind], log_types: &[&str]| Route {
            id: id.into(),
            name: name.into(),
            severities: severities.to_vec(),
            alert_types: kinds.to_vec(),
            log_types: log_types.iter().map(|&log_type| log_type.into()).collect(),
        };
        Routes::new(vec![
            route("1", "SOC", &[Severity::High, Severity::Critical], &[], &[]),
            route("2", "Rule authors", &[Severity::High], &[AlertKind::RuleError], &[]),
            route("3", "Cloud", &[Severity::High], &[AlertKind::Rule], &["AWS.CloudTrail"]),
            route("4", "Operations", &[], &[AlertKind::SystemError], &[]),
        ])
    }

    #[test]
    fn highest_source_wins() {
        use AlertKind::{Rule, RuleError, SystemError};
        use Severity::{Critical, High, Low};
        type Names = &'static [&'static str];
        type Case = (AlertKind, Severity, &'static str, Option<Names>, Names, &'static str);
        let table: &[Case] = &[
            // by severity, alert type and log type
            (Rule, High, "AWS.CloudTrail", None, &[], "1 3"),
            (Rule, High, "Okta.SystemLog", None, &[], "1"),
            (Rule, Low, "AWS.CloudTrail", None, &[], ""),
            (RuleError, High, "AWS.CloudTrail", None, &[], "1 2"),
            (SystemError, Critical, "", None, &[], "1 4"),
            // the static override bypasses filters, and is passed over when it names a stranger
            (Rule, Low, "Okta.SystemLog", None, &["3"], "3"),
            (Rule, High, "Okta.SystemLog", None, &["gone"], "1"),
            // the rule's own list comes first, by name or id, each once
            (Rule, Low, "Okta.SystemLog", Some(&["Cloud", "2", "3"]), &["1"], "3 2"),
            (Rule, High, "Okta.SystemLog", Some(&["Cloud", "gone"]), &["2"], "2"),
            (Rule, High, "AWS.CloudTrail", Some(&["gone"]), &[], "1 3"),
            // and may silence the alert
            (Rule, Critical, "AWS.CloudTrail", Some(&[]), &["1"], ""),
            (Rule, Critical, "AWS.CloudTrail", Some(&["SKIP"]), &["1"], ""),
        ];
        for (kind, severity, log_type, named, output_ids, expected) in table {
            let log_types = [LogType::from(*log_type)];
            let subject = Subject { kind: *kind, severity: *severity, log_types: &log_types };
            let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
            let named = named.map(owned);
            let ids = routes().of(subject, named.as_deref(), &owned(output_ids));
            let ids: Vec<_> = ids.iter().map(DestinationId::as_str).collect();
            assert_eq!(ids.join(" "), *expected, "{kind:?} {severity} {log_type} {named:?} {output_ids:?}");
        }
    }
}
