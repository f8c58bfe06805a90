//! Rules in YAML alone and inline filters in the engine, beside Python.

use std::sync::Arc;

use uncia_detection::{Content, ContentRoot, Engine, Evaluation, MemoryCache};
use uncia_model::Severity;

use crate::workers;

async fn evaluate(files: &[(&str, &str)], events: &[&str]) -> Evaluation {
    let root: ContentRoot = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    let content = Content::load([root]);
    assert!(content.problems.is_empty(), "{:?}", content.problems);
    let engine = Engine::start(&content, workers::config(), Arc::new(MemoryCache::default())).await.unwrap();
    let evaluation = engine.evaluate(workers::batch(events.iter().map(|&event| event.to_owned()))).await;
    engine.shutdown().await;
    evaluation
}

#[tokio::test]
async fn a_simple_rule_says_everything_a_python_rule_says() {
    let rule = "
AnalysisType: rule
RuleID: S
Enabled: true
LogTypes: [T]
Severity: Low
Description: said
Detection:
  - {KeyPath: user.name, Condition: StartsWith, Value: ro}
AlertTitle: 'login of {user.name} from {ip}'
AlertContext:
  - {KeyName: who, KeyValue: {KeyPath: user}}
  - {KeyName: gone, KeyValue: {Key: gone}}
GroupBy: [{Key: ip}, {KeyPath: user.name}]
DynamicSeverities:
  - {ChangeTo: Critical, Conditions: [{Key: ip, Condition: IsIPAddressPublic}]}
  - {ChangeTo: Info, Conditions: [{Condition: AlwaysTrue}]}
";
    let events = [
        r#"{"user":{"name":"root"},"ip":"8.8.8.8"}"#,
        r#"{"user":{"name":"guest"},"ip":"8.8.8.8"}"#,
        r#"{"user":{"name":"robot"},"ip":"10.0.0.1"}"#,
        "no event",
    ];
    let evaluation = evaluate(&[("rules/s.yml", rule)], &events).await;
    assert_eq!(evaluation.errors, []);
    let said: Vec<_> = evaluation
        .matches
        .iter()
        .map(|m| (m.event, m.title.as_str(), m.dedup.as_str(), m.severity, m.alert_context.as_deref().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            (
                0,
                "login of root from 8.8.8.8",
                "8.8.8.8:root",
                Severity::Critical,
                r#"{"who": {"name":"root"}, "gone": null}"#
            ),
            (
                2,
                "login of robot from 10.0.0.1",
                "10.0.0.1:robot",
                Severity::Info,
                r#"{"who": {"name":"robot"}, "gone": null}"#
            ),
        ]
    );
    assert_eq!(evaluation.matches[0].description, "said");
}

#[tokio::test]
async fn filters_come_before_the_rule() {
    let rule = "
AnalysisType: rule
RuleID: P
Enabled: true
LogTypes: [T]
Severity: Low
Filename: p.py
InlineFilters:
  - {KeyPath: region, Condition: Equals, Value: eu}
  - {KeyPath: ip, Condition: IsIPAddressInCIDR, Value: 10.0.0.0/8}
";
    let python = "SEEN = []\ndef rule(event):\n    SEEN.append(event['n'])\n    return True\ndef title(event):\n    return str(SEEN)\n";
    let events = [
        r#"{"n":0,"region":"eu","ip":"10.1.1.1"}"#,
        r#"{"n":1,"region":"us","ip":"10.1.1.1"}"#,
        r#"{"n":2}"#,
        r#"{"n":3,"region":"eu","ip":"somewhere"}"#,
        r#"{"n":4,"region":null}"#,
    ];
    let evaluation = evaluate(&[("rules/p.yml", rule), ("rules/p.py", python)], &events).await;
    let titles: Vec<_> = evaluation.matches.iter().map(|m| (m.event, m.title.as_str())).collect();
    assert_eq!(titles, [(0, "[0]"), (2, "[0, 2]")]);
    let errors: Vec<_> =
        evaluation.errors.iter().map(|e| (e.event, e.exception.as_str(), e.message.as_str())).collect();
    let message = "'somewhere' does not appear to be an IPv4 or IPv6 network: InlineFilters";
    assert_eq!(errors, [(3, "ValueError", message)]);
    assert_eq!(evaluation.stats.calls, 2);
}
