//! The contract of a detection's functions: order, types, defaults, limits, data models, cache.

use uncia_detection::{
    DataModelMapping, DetectionKind, KnownDestination, Mock, Program, ProgramDataModel, ProgramDetection, PythonSource,
    TestCase,
};
use uncia_model::{DetectionErrorKind, Severity};

use crate::workers::{batch, engine, evaluate, numbered, rules, test};

#[tokio::test]
async fn nothing_defined_but_the_rule() {
    let mut program = rules(&[("My.Rule", "def rule(event):\n    return True\n")]);
    let spec = &mut program.detections[0];
    spec.display_name = "My rule".to_owned();
    spec.description = "says".to_owned();
    spec.severity = Severity::High;
    let evaluation = evaluate(program, numbered(1)).await;
    let matched = &evaluation.matches[0];
    assert_eq!(
        (matched.title.as_str(), matched.dedup.as_str(), matched.description.as_str(), matched.severity),
        ("My rule", "defaultDedupString:My.Rule", "says", Severity::High)
    );
    assert_eq!(
        (&matched.destinations, &matched.alert_context, &matched.unique),
        (&None::<Vec<String>>, &None::<String>, &None::<String>)
    );
}

#[tokio::test]
async fn functions_that_raise_have_defaults_and_do_not_break_the_match() {
    let names = [
        "title",
        "description",
        "reference",
        "severity",
        "runbook",
        "destinations",
        "dedup",
        "alert_context",
        "unique",
    ];
    let raising: String =
        names.iter().map(|name| format!("def {name}(event):\n    raise KeyError('{name}')\n")).collect();
    let evaluation =
        evaluate(rules(&[("R", &format!("def rule(event):\n    return True\n{raising}"))]), numbered(1)).await;
    assert_eq!(evaluation.errors, []);
    let matched = &evaluation.matches[0];
    assert_eq!((matched.title.as_str(), matched.dedup.as_str()), ("R", "defaultDedupString:R"));
    assert_eq!((matched.severity, &matched.destinations, &matched.unique), (Severity::Medium, &None, &None));
    assert_eq!(matched.alert_context.as_deref(), Some(r#"{"_error": "KeyError('alert_context')"}"#));
}

#[tokio::test]
async fn a_title_that_raises_becomes_the_dedup_string_too() {
    let source = "def rule(event):\n    return True\ndef title(event):\n    raise ValueError\n";
    let evaluation = evaluate(rules(&[("R", source)]), numbered(1)).await;
    assert_eq!((evaluation.matches[0].title.as_str(), evaluation.matches[0].dedup.as_str()), ("R", "R"));
    let outcome = test(rules(&[("R", source)]), "{}").await;
    assert_eq!(outcome.function("dedup").unwrap().output, Some("defaultDedupString:R".into()));
    assert_eq!(outcome.function("title").unwrap().error.as_ref().unwrap().exception, "ValueError");
}

#[tokio::test]
async fn results_of_wrong_types() {
    for (returned, kind) in [("None", "NoneType"), ("1", "int"), ("''", "str"), ("event", "PantherEvent")] {
        let source = format!("def rule(event):\n    return {returned}\n");
        let evaluation = evaluate(rules(&[("R", &source)]), numbered(1)).await;
        let error = &evaluation.errors[0];
        assert_eq!((error.kind, error.exception.as_str()), (DetectionErrorKind::NonBool, "FunctionReturnTypeError"));
        assert_eq!(error.message, format!("detection [R] function [rule] returned [{kind}], expected [bool]"));
    }
    let source = "def rule(event):\n    return True\ndef title(event):\n    return None\ndef destinations(event):\n    return ('a',)\n";
    let outcome = test(rules(&[("R", source)]), "{}").await;
    let message = |name| outcome.function(name).unwrap().error.clone().unwrap().message;
    assert_eq!(message("title"), "detection [R] function [title] returned [NoneType], expected [str]");
    assert_eq!(message("destinations"), "detection [R] function [destinations] returned [tuple], expected a list");
}

#[tokio::test]
async fn limits() {
    let source = "
def rule(event):
    return True
def title(event):
    return 'é' * 1001
def dedup(event):
    return 'd' * 1000
def alert_context(event):
    return {'n': 'x' * event['n']}
";
    let at = |n| format!(r#"{{"n":{n}}}"#);
    let evaluation = evaluate(rules(&[("R", source)]), batch([at(204_791), at(204_792)])).await;
    let matched = &evaluation.matches[0];
    assert_eq!(matched.title, format!("{}... (truncated)", "é".repeat(985)));
    assert_eq!(matched.dedup.len(), 1000);
    assert_eq!(matched.alert_context.as_ref().unwrap().len(), 204_800);
    assert_eq!(
        evaluation.matches[1].alert_context.as_deref(),
        Some(r#"{"_error": "alert_context size is [204801] characters, bigger than maximum of [204800] characters"}"#)
    );
}

#[tokio::test]
async fn contexts() {
    for (returned, context) in [
        ("{'event': event, 'list': event['l']}", r#"{"event": {"l": [1, {"a": null}]}, "list": [1, {"a": null}]}"#),
        ("event['l'][1]", r#"{"a": null}"#),
        ("{'x': float('nan')}", r#"{"_error": "ValueError('Out of range float values are not JSON compliant')"}"#),
        ("{'x': {1}}", r#"{"_error": "TypeError('Object of type set is not JSON serializable')"}"#),
        (
            "[1]",
            r#"{"_error": "FunctionReturnTypeError('detection [R] function [alert_context] returned [list], expected [Mapping]')"}"#,
        ),
    ] {
        let source = format!("def rule(event):\n    return True\ndef alert_context(event):\n    return {returned}\n");
        let evaluation = evaluate(rules(&[("R", &source)]), batch([r#"{"l":[1,{"a":null}]}"#.to_owned()])).await;
        let said = evaluation.matches[0].alert_context.clone().unwrap();
        // Newer interpreters name the value in this message.
        assert!(said == context || (returned.contains("nan") && said.contains("Out of range float values")), "{said}");
    }
}

#[tokio::test]
async fn severities() {
    for (returned, severity) in [
        ("'high'", Severity::High),
        ("'default'", Severity::Medium),
        ("'Severe'", Severity::Medium),
        ("3", Severity::Medium),
    ] {
        let source = format!("def rule(event):\n    return True\ndef severity(event):\n    return {returned}\n");
        let evaluation = evaluate(rules(&[("R", &source)]), numbered(1)).await;
        assert_eq!(evaluation.matches[0].severity, severity, "{returned}");
    }
}

#[tokio::test]
async fn destinations() {
    for (returned, resolved) in [
        ("None", None),
        ("[]", Some(vec![])),
        ("['Pager']", Some(vec!["id-1"])),
        ("['id-2', 'Pager']", Some(vec!["id-2", "id-1"])),
        ("['Pager', 'id-1']", None),
        ("['Pager', 'nobody']", None),
        ("('Pager',)", None),
    ] {
        let source = format!("def rule(event):\n    return True\ndef destinations(event):\n    return {returned}\n");
        let mut program = rules(&[("R", &source)]);
        let known = |id: &str, name: &str| KnownDestination { id: id.into(), name: name.to_owned() };
        program.destinations = vec![known("id-1", "Pager"), known("id-2", "Chat")];
        let evaluation = evaluate(program, numbered(1)).await;
        let resolved = resolved.map(|ids| ids.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(evaluation.matches[0].destinations, resolved, "{returned}");
    }
}

#[tokio::test]
async fn errors_say_where() {
    let source = "def rule(event):\n    return helper(event)\n\ndef helper(event):\n    return event['missing']\n";
    let evaluation = evaluate(rules(&[("R", source)]), numbered(2)).await;
    let messages: Vec<_> =
        evaluation.errors.iter().map(|e| (e.event, e.exception.as_str(), e.message.as_str())).collect();
    let message = "'missing': R.py, line 5, in helper";
    assert_eq!(messages, [(0, "KeyError", message), (1, "KeyError", message)]);
}

#[tokio::test]
async fn functions_that_exit_are_errors_beside_the_match() {
    let source = "def rule(event):\n    return True\ndef title(event):\n    raise SystemExit(2)\n";
    let evaluation = evaluate(rules(&[("R", source)]), numbered(1)).await;
    assert_eq!((evaluation.matches.len(), evaluation.errors.len()), (1, 1));
    assert_eq!(evaluation.errors[0].exception, "SystemExit");
}

#[tokio::test]
async fn module_state_and_globals() {
    let source = "
import shared
SEEN = []
def rule(event):
    SEEN.append(event['n'])
    return shared.is_three(event)
def title(event):
    return f'{len(SEEN)} {SEEN[-1]}'
";
    let mut program = rules(&[("R", source)]);
    let global = "def is_three(event):\n    print('lost')\n    return event['n'] == 3\n";
    program.globals.push(PythonSource { name: "shared".into(), file: "shared.py".into(), source: global.into() });
    let evaluation = evaluate(program, numbered(5)).await;
    let titles: Vec<_> = evaluation.matches.iter().map(|m| (m.event, m.title.as_str())).collect();
    assert_eq!(titles, [(3, "4 3")]);
}

fn with_model(source: &str) -> Program {
    let mapping = |name: &str, path: Option<&str>, method: Option<&str>| DataModelMapping {
        name: name.to_owned(),
        path: path.map(str::to_owned),
        method: method.map(str::to_owned),
    };
    let methods = "def kind(event):\n    return event.deep_get('A', 'KIND', default='none')\n";
    Program {
        data_models: vec![ProgramDataModel {
            id: "M".to_owned(),
            log_types: vec!["T".into()],
            mappings: vec![mapping("ip", Some("$.a.ip"), None), mapping("kind", None, Some("kind"))],
            module: Some(PythonSource { name: "M".into(), file: "m.py".into(), source: methods.into() }),
        }],
        ..rules(&[("R", source)])
    }
}

#[tokio::test]
async fn data_models() {
    let source = "
def rule(event):
    return True
def title(event):
    return f\"{event.udm('ip')} {event.udm('kind')} {event.udm('other')} {event.udm_path('ip')} {event.udm_path('kind')}\"
";
    let event = r#"{"a":{"ip":"1.2.3.4","kind":"x"},"other":5,"p_log_type":"T"}"#;
    let evaluation = evaluate(with_model(source), batch([event.to_owned()])).await;
    assert_eq!(evaluation.matches[0].title, "1.2.3.4 x 5 a.ip kind");
    let outcome = test(with_model(source), event).await;
    assert_eq!(outcome.function("title").unwrap().output, Some("1.2.3.4 x 5 a.ip kind".into()));
}

#[tokio::test]
async fn the_cache_is_shared_and_counts() {
    let source = "
from panther_detection_helpers.caching import *
def rule(event):
    return increment_counter('all') == 100
def alert_context(event):
    add_to_string_set('s', ['a', 'b'])
    put_dictionary('d', {'x': [1]}, epoch_seconds=60)
    return {
        'set': sorted(add_to_string_set('s', 'c')), 'left': sorted(remove_from_string_set('s', ['a'])),
        'dictionary': get_dictionary('d', force_ttl_check=True), 'none': get_counter('nobody'),
        'age': check_account_age('s'), 'threshold': [evaluate_threshold('t', 2) for _ in range(4)],
    }
";
    let evaluation = evaluate(rules(&[("R", source)]), numbered(200)).await;
    assert_eq!(evaluation.errors, []);
    let [matched] = &evaluation.matches[..] else { panic!("{evaluation:#?}") };
    assert_eq!(
        matched.alert_context.as_deref(),
        Some(
            r#"{"set": ["a", "b", "c"], "left": ["b", "c"], "dictionary": {"x": [1]}, "none": 0, "age": true, "threshold": [false, true, false, true]}"#
        )
    );
}

#[tokio::test]
async fn mocks_prints_and_setup_errors_of_tests() {
    let source = "
import json
LIST = []
def rule(event):
    print('seen', json.loads(LIST()))
    return event['n'] in json.loads(LIST())
";
    let engine = engine(rules(&[("R", source), ("Broken", "import nothing_such\n")])).await;
    let case = |detection: &str, mocks: &[(&str, &str)]| TestCase {
        detection: detection.into(),
        event: r#"{"n":1}"#.into(),
        mocks: mocks.iter().map(|(o, v)| Mock { object: (*o).to_owned(), value: (*v).into() }).collect(),
    };
    let outcome = engine.run_test(case("R", &[("LIST", "[1]")])).await;
    assert_eq!((outcome.output, outcome.alerts, outcome.stdout.as_str()), (Some(true), true, "seen [1]\n"));
    let outcome = engine.run_test(case("R", &[])).await;
    assert_eq!(outcome.function("rule").unwrap().error.as_ref().unwrap().exception, "TypeError");
    let outcome = engine.run_test(case("R", &[("NOTHING", "")])).await;
    assert_eq!(outcome.setup_error.unwrap().message, "R does not have the attribute 'NOTHING'");
    let outcome = engine.run_test(case("Broken", &[])).await;
    assert_eq!(outcome.setup_error.unwrap().exception, "ModuleNotFoundError");
    assert_eq!(engine.setup_errors()[0].0.as_str(), "Broken");
    engine.shutdown().await;
}

#[tokio::test]
async fn policies_and_scheduled_rules() {
    let policy = "def policy(resource):\n    resource['x'] = 1\n    return type(resource) is not dict\n";
    let scheduled = "def rule(event):\n    return event.udm('ip') == 'plain'\n";
    let mut program = with_model("");
    program.detections = vec![ProgramDetection::rule("P", "T", policy), ProgramDetection::rule("S", "T", scheduled)];
    program.detections[0].kind = DetectionKind::Policy;
    program.detections[1].kind = DetectionKind::ScheduledRule;
    let engine = engine(program).await;
    let case = |id: &str| TestCase {
        detection: id.into(),
        event: r#"{"ip":"plain","a":{"ip":"modelled"},"p_log_type":"T"}"#.into(),
        mocks: Vec::new(),
    };
    let outcome = engine.run_test(case("P")).await;
    assert_eq!((outcome.output, outcome.alerts), (Some(false), true));
    let outcome = engine.run_test(case("S")).await;
    assert_eq!((outcome.output, outcome.alerts), (Some(true), true));
    // The scheduled rule judges the rows of what it names, without a data model; the policy judges none.
    let rows = batch([r#"{"ip":"plain","a":{"ip":"modelled"}}"#.to_owned()]);
    let evaluation = engine.evaluate(rows).await;
    assert_eq!((evaluation.stats.calls, evaluation.matches.len()), (1, 1));
    engine.shutdown().await;
}

#[tokio::test]
async fn stand_ins_for_packages_that_are_not_installed() {
    let source = "
import json
import boto3
import pycountry
from botocore.exceptions import NoCredentialsError
from dateutil import parser
from policyuniverse.policy import Policy

def rule(event):
    return True

def when(text):
    return parser.parse(text).isoformat()

def open_to(principal, condition=None):
    statement = {'Effect': 'Allow', 'Principal': principal, 'Action': 's3:GetObject'}
    if condition:
        statement['Condition'] = {'StringEquals': condition}
    return Policy({'Statement': [statement]}).is_internet_accessible()

def alert_context(event):
    try:
        boto3.resource('dynamodb')
        refused = False
    except NoCredentialsError:
        refused = True
    try:
        parser.parse('no time')
        error = None
    except parser.ParserError as caught:
        error = str(caught)
    return {
        'boto3': refused,
        'country': pycountry.countries.get(alpha_2='IR').name,
        'nowhere': pycountry.countries.get(alpha_2='XX'),
        'iso': when('2024-01-02T03:04:05.678901234Z'),
        'offset': when('2024-01-02 03:04:05+02:00'),
        'naive': when('2024-01-02 03:04:05'),
        'access_log': when('02/Jan/2024:03:04:05 +0000'),
        'mail': when('Tue, 02 Jan 2024 03:04:05 +0000'),
        'error': error,
        'star': open_to('*'),
        'aws_star': open_to({'AWS': ['*', 'arn:aws:iam::123456789012:root']}),
        'account': open_to({'AWS': '123456789012'}),
        'service': open_to({'Service': 'lambda.amazonaws.com'}),
        'narrowed': open_to('*', {'aws:SourceAccount': '123456789012'}),
        'epoch': event.event_time_epoch(),
    }
";
    let event = r#"{"p_event_time":"2024-01-02 03:04:05.999999999"}"#;
    let evaluation = evaluate(rules(&[("R", source)]), batch([event.to_owned()])).await;
    assert_eq!(evaluation.errors, []);
    let context: serde_json::Value =
        serde_json::from_str(evaluation.matches[0].alert_context.as_ref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "boto3": true, "country": "Iran, Islamic Republic of", "nowhere": null,
        "iso": "2024-01-02T03:04:05.678901+00:00", "offset": "2024-01-02T03:04:05+02:00",
        "naive": "2024-01-02T03:04:05", "access_log": "2024-01-02T03:04:05+00:00",
        "mail": "2024-01-02T03:04:05+00:00", "error": "Unknown string format: no time",
        "star": true, "aws_star": true, "account": false, "service": false, "narrowed": false,
        "epoch": 1_704_164_645,
    });
    assert_eq!(context, expected);
}
