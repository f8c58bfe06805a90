//! Test runs end to end: content, real workers, and what people and machines get to read.

use std::sync::{Arc, Mutex};

use insta::assert_snapshot;
use uncia_detection::{
    Content, ContentRoot, DetectionState, Engine, MemoryCache, Progress, Rendering, TestOptions, TestReport,
    flip_expectations, test_content,
};

use crate::workers;

const PYTHON: &str = "\
def rule(event):
    return event['name'] == 'evil'

def title(event):
    return f\"{event['name']} by {event['user']}\"

def alert_context(event):
    return {'who': event['user']}
";

const SIMPLE: &str = "Detection: [{Key: name, Condition: Equals, Value: evil}]\nAlertTitle: '{name} seen'";

fn detection(id: &str, file: &str, tests: &str) -> String {
    format!(
        "AnalysisType: rule\nRuleID: {id}\nEnabled: true\nFilename: {file}\nSeverity: High\nLogTypes: [V.Log]\n\
         Tests:\n{tests}"
    )
}

fn test(name: &str, expected: bool, log: &str) -> String {
    format!("  - Name: {name}\n    ExpectedResult: {expected}\n    Log: {log}\n")
}

/// One of each kind: passing, failing, unloadable, in YAML alone, invalid.
fn content() -> Content {
    let good = [test("hit", true, "{name: evil, user: eve}"), test("miss", false, "{name: good}")].concat();
    let bad = [
        test("no title", true, "{name: evil}"),
        test("wrong", true, "{name: good, user: a}"),
        test("raises", false, "{}"),
    ];
    let policy = "AnalysisType: policy\nPolicyID: V.Policy\nEnabled: true\nFilename: policy.py\nSeverity: Low\n\
                  ResourceTypes: [V.Thing]\nTests:\n  - {Name: open, ExpectedResult: false, Resource: {open: true}}\n";
    let files = [
        ("rules/1_good.yml", detection("V.Good", "rule.py", &good)),
        ("rules/2_bad.yml", detection("V.Bad", "rule.py", &bad.concat())),
        ("rules/3_syntax.yml", detection("V.Syntax", "syntax.py", &test("t", true, "{}"))),
        ("rules/4_key.yml", detection("V.Key", "rule.py", &good) + "Treshold: 5\n"),
        ("rules/5_simple.yml", detection("V.Simple", "x", &good).replace("Filename: x", SIMPLE)),
        ("rules/6_untested.yml", detection("V.Untested", "rule.py", "  []\n")),
        ("rules/broken.yml", "AnalysisType: rule\nRuleID: [\n".to_owned()),
        ("policies/policy.yml", policy.to_owned()),
        ("rules/rule.py", PYTHON.to_owned()),
        ("rules/syntax.py", "def rule(event):\n    return (\n".to_owned()),
        ("policies/policy.py", "def policy(resource):\n    return not resource['open']\n".to_owned()),
    ];
    let root: ContentRoot = files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect();
    Content::load([root])
}

async fn run(content: &Content, options: &TestOptions) -> TestReport {
    let engine = Engine::start(content, workers::config(), Arc::new(MemoryCache::default())).await.unwrap();
    let report = test_content(content, &engine, options, &|_| {}).await;
    engine.shutdown().await;
    report
}

#[tokio::test]
async fn what_people_read() {
    let report = run(&content(), &TestOptions::default()).await;
    let rendering = Rendering::default();
    let detections: String = report.detections.iter().map(|detection| rendering.detection(detection)).collect();
    assert_snapshot!(detections.replace('\t', "  "), @r#"
    V.Policy
      [PASS] open
        [PASS] [policy] false

    V.Good
      [PASS] hit
        [PASS] [rule] true
        [PASS] [title] evil by eve
        [PASS] [alertContext] {"who": "eve"}
      [PASS] miss
        [PASS] [rule] false
        [IGNORED] [title] KeyError: 'user' (rule.py, line 5, in title)
        [IGNORED] [alertContext] KeyError: 'user' (rule.py, line 8, in alert_context)

    V.Bad
      [FAIL] no title
        [PASS] [rule] true
        [FAIL] [title] KeyError: 'user' (rule.py, line 5, in title)
        [FAIL] [alertContext] KeyError: 'user' (rule.py, line 8, in alert_context)
      [FAIL] wrong
        [FAIL] [rule] false
        [PASS] [title] good by a
        [PASS] [alertContext] {"who": "a"}
      [FAIL] raises
        [FAIL] [rule] KeyError: 'name' (rule.py, line 2, in rule)
        [IGNORED] [title] KeyError: 'name' (rule.py, line 5, in title)
        [IGNORED] [alertContext] KeyError: 'user' (rule.py, line 8, in alert_context)

    V.Syntax
      [FAIL] t
        [FAIL] SyntaxError: '(' was never closed (syntax.py, line 2)

    V.Key
      [PASS] hit
        [PASS] [rule] true
        [PASS] [title] evil by eve
        [PASS] [alertContext] {"who": "eve"}
      [PASS] miss
        [PASS] [rule] false
        [IGNORED] [title] KeyError: 'user' (rule.py, line 5, in title)
        [IGNORED] [alertContext] KeyError: 'user' (rule.py, line 8, in alert_context)
      [INVALID] `Treshold` is no known key; did you mean `Threshold`?

    V.Simple
      [PASS] hit
        [PASS] [rule] true
        [PASS] [title] evil seen
      [PASS] miss
        [PASS] [rule] false
        [PASS] [title] good seen

    V.Untested
      no tests
    "#);
    assert_snapshot!(rendering.summary(&report, "content").replace('\t', "  "), @"
    --------------------------
    Failed Tests Summary
      V.Bad
        no title:title, no title:alert_context, wrong:rule, raises:rule

    --------------------------
    Invalid Tests Summary
      V.Syntax
        SyntaxError: '(' was never closed (syntax.py, line 2)
      V.Key
        `Treshold` is no known key; did you mean `Threshold`?

    --------------------------
    Content Problems
      rules/4_key.yml:14: V.Key: `Treshold` is no known key; did you mean `Threshold`?
      rules/broken.yml:3: not YAML: while parsing a node, did not find expected node content

    --------------------------
    Test Summary
      Path:    content
      Passed:  4
      Skipped: 0
      Failed:  1
      Invalid: 3
    ");
    assert!(!report.is_success());
}

#[tokio::test]
async fn what_machines_read() {
    let options = TestOptions { filters: vec!["RuleID=V.Good,V.Syntax".parse().unwrap()], ..TestOptions::default() };
    let report = run(&content(), &options).await;
    let rows: Vec<String> = report.rows().map(|row| serde_json::to_string(&row).unwrap()).collect();
    assert_snapshot!(rows.join("\n"), @r#"
    {"detection":"V.Good","analysis_type":"rule","log_types":["V.Log"],"test":"hit","test_index":0,"expected":true,"passed":true,"ran":true,"result":{"matched":true,"title":"evil by eve","dedup":"evil by eve","severity":"HIGH","description":"","reference":"","runbook":"","destinations":null,"alert_context":{"who":"eve"},"errors":[]}}
    {"detection":"V.Good","analysis_type":"rule","log_types":["V.Log"],"test":"miss","test_index":1,"expected":false,"passed":true,"ran":true,"result":{"matched":false,"title":null,"dedup":"defaultDedupString:V.Good","severity":"HIGH","description":"","reference":"","runbook":"","destinations":null,"alert_context":{"_error":"KeyError('user')"},"errors":[{"function":"title","exception":"KeyError","message":"'user'","place":"rule.py, line 5, in title"},{"function":"alert_context","exception":"KeyError","message":"'user'","place":"rule.py, line 8, in alert_context"}]}}
    {"detection":"V.Syntax","analysis_type":"rule","log_types":["V.Log"],"test":"t","test_index":0,"expected":true,"passed":false,"ran":false,"result":{"matched":null,"title":null,"dedup":null,"severity":null,"description":null,"reference":null,"runbook":null,"destinations":null,"alert_context":null,"errors":[{"function":null,"exception":"SyntaxError","message":"'(' was never closed (syntax.py, line 2)","place":""}]}}
    "#);
}

#[tokio::test]
async fn options() {
    let content = content();
    let states = |report: &TestReport| -> Vec<_> {
        report.detections.iter().map(|detection| (detection.id.to_string(), detection.state.clone())).collect()
    };
    let filters = vec!["LogTypes=V.Log".parse().unwrap(), "RuleID!=V.Bad,V.Syntax,V.Simple,V.Key".parse().unwrap()];
    let options = TestOptions { filters, minimum_tests: 2, ..TestOptions::default() };
    let complaints = ["has 0 of at least 2 tests", "has no test that expects true", "has no test that expects false"];
    assert_eq!(
        states(&run(&content, &options).await),
        [
            ("V.Good".to_owned(), DetectionState::Passed),
            ("V.Untested".to_owned(), DetectionState::Failed(complaints.map(str::to_owned).to_vec())),
        ]
    );
    let options = TestOptions { names: vec!["miss".to_owned()], filters: options.filters, ..TestOptions::default() };
    let report = run(&content, &options).await;
    assert_eq!(report.rows().map(|row| row.test.to_owned()).collect::<Vec<_>>(), ["miss"]);
}

#[tokio::test]
async fn success_needs_something_tested_and_nothing_wrong() {
    let mut content = content();
    content.rules.retain(|rule| rule.id.as_str() == "V.Good");
    content.problems.clear();
    let options = TestOptions::default();
    assert!(run(&content, &options).await.is_success());
    assert_eq!(flip_expectations(&mut content, 9, 1).len(), 2);
    assert!(!run(&content, &options).await.is_success());
    content.rules.clear();
    assert!(!run(&content, &options).await.is_success());
}

#[tokio::test]
async fn progress_counts_every_test() {
    let content = content();
    let engine = Engine::start(&content, workers::config(), Arc::new(MemoryCache::default())).await.unwrap();
    let seen = Mutex::new(Vec::new());
    let note = |progress: Progress| seen.lock().unwrap().push((progress.done, progress.total));
    test_content(&content, &engine, &TestOptions::default(), &note).await;
    let problems = content.setup_problems(&engine);
    engine.shutdown().await;
    assert_eq!(*seen.lock().unwrap(), (1..=11).map(|done| (done, 11)).collect::<Vec<_>>());
    assert_snapshot!(problems[0], @r#"
    rules/3_syntax.yml: V.Syntax: its Python cannot be loaded: SyntaxError: '(' was never closed (syntax.py, line 2)
    "#);
}
