//! Reading content: what is understood, what is refused, and what the refusal says.

use std::path::PathBuf;

use insta::assert_snapshot;
use uncia_detection::{Content, ContentRoot, Logic};

fn root(files: &[(&str, &str)]) -> ContentRoot {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn problems(content: &Content) -> String {
    content.problems.iter().map(|problem| format!("{problem}\n")).collect()
}

const RULE: &str = "\
AnalysisType: rule
RuleID: Vendor.Thing
Enabled: true
Filename: thing.py
Severity: High
LogTypes: [Vendor.Log]
";

#[test]
fn a_rule_has_defaults() {
    let content = Content::load([root(&[("rules/thing.yml", RULE), ("rules/thing.py", "def rule(event): …")])]);
    assert_eq!(problems(&content), "");
    let rule = &content.rules[0];
    assert_eq!((rule.dedup_period_minutes, rule.threshold, rule.create_alert), (60, 1, true));
    assert_eq!(rule.name(), "Vendor.Thing");
    let Logic::Python(source) = &rule.logic else { panic!("{:?}", rule.logic) };
    assert_eq!((source.name.as_str(), source.file.as_str()), ("Vendor.Thing", "thing.py"));
}

#[test]
fn dedup_periods() {
    for (written, minutes) in [("0", 60), ("1", 5), ("4", 5), ("5", 5), ("15", 15), ("99999999999", u32::MAX)] {
        let yaml = format!("{RULE}DedupPeriodMinutes: {written}\n");
        let content = Content::load([root(&[("rules/thing.yml", &yaml), ("rules/thing.py", "")])]);
        assert_eq!(content.rules[0].dedup_period_minutes, minutes, "{written}");
        assert_eq!(content.invalid().count(), 0);
    }
}

#[test]
fn a_test_keeps_what_yaml_1_2_says() {
    let yaml = format!(
        "{RULE}Tests:\n  - Name: a\n    ExpectedResult: false\n    Log: {{a: yes, b: 0644, c: 1:30, d: 2024-01-02, e: 1.50}}\n    \
         Mocks:\n      - {{objectName: X, returnValue: '[1]'}}\n"
    );
    let content = Content::load([root(&[("rules/thing.yml", &yaml), ("rules/thing.py", "")])]);
    assert_eq!(problems(&content), "");
    let test = &content.rules[0].tests[0];
    let event = std::str::from_utf8(&test.event).unwrap();
    assert_snapshot!(event, @r#"{"a":"yes","b":644,"c":"1:30","d":"2024-01-02","e":1.5}"#);
    assert_eq!(test.mocks[0].value, "[1]");
}

#[test]
fn one_broken_file_never_stops_the_rest() {
    let content = Content::load([root(&[
        ("rules/good.yml", RULE),
        ("rules/thing.py", ""),
        ("rules/again.yml", RULE),
        ("rules/bad_yaml.yml", "AnalysisType: rule\nRuleID: [x\n"),
        ("rules/no_python.yml", &RULE.replace("Vendor.Thing", "A").replace("thing.py", "gone.py")),
        ("rules/types.yml", &format!("{}Threshold: many\nTreshold: 5\n", RULE.replace("Vendor.Thing", "B"))),
        ("rules/enabled.yml", &RULE.replace("Vendor.Thing", "C").replace("true", "yes")),
        ("rules/severity.yml", &RULE.replace("Vendor.Thing", "D").replace("High", "Awful")),
        ("rules/kind.yml", "AnalysisType: ruler\nRuleID: E\n"),
        ("rules/letter.yml", &RULE.replace("Vendor.Thing", "F<G")),
        ("rules/tests.yml", &format!("{}Tests:\n  - Name: x\n    Log: {{}}\n", RULE.replace("Vendor.Thing", "H"))),
        ("rules/other.yml", "just: yaml\n"),
        ("rules/list.yml", "- a\n"),
        ("rules/derived.yml", "AnalysisType: rule\nRuleID: I\nBaseDetection: Nowhere\n"),
        ("templates/rule.yml", "AnalysisType: nonsense\n"),
        ("rules/.hidden.yml", "AnalysisType: nonsense\n"),
    ])]);
    assert_snapshot!(problems(&content), @r"
    rules/bad_yaml.yml:3: not YAML: while parsing a flow sequence, expected ',' or ']'
    rules/enabled.yml:3: C: `Enabled` must be true or false, found the text `yes`
    rules/good.yml:2: `RuleID: Vendor.Thing` is already the id of rules/again.yml; ids are unique among all items
    rules/kind.yml:1: `AnalysisType` must be one of rule, scheduled_rule, policy, correlation_rule, datamodel, global, lookup_table, saved_query, scheduled_query, pack, scheduled_prompt
    rules/letter.yml:2: `RuleID` must not hold `<`
    rules/no_python.yml:4: A: cannot read the Python file `gone.py` beside it: no such file
    rules/severity.yml:5: D: `Severity` must be Info, Low, Medium, High or Critical, found `Awful`
    rules/tests.yml:8: H: test `x`: `ExpectedResult` is missing; add `ExpectedResult: true` or `ExpectedResult: false`
    rules/types.yml:8: B: `Treshold` is no known key; did you mean `Threshold`?
    rules/types.yml:7: B: `Threshold` must be a whole number from 0, found the text `many`
    rules/derived.yml:3: I: its base `Nowhere` is not among the loaded rules, or is itself derived; it is left out
    ");
    let ids: Vec<&str> = content.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["Vendor.Thing", "H", "B"]);
}

#[test]
fn a_later_root_replaces_by_id() {
    let bundled = root(&[("rules/thing.yml", RULE), ("rules/thing.py", "bundled")]);
    let own = root(&[("mine.yml", &RULE.replace("High", "Low")), ("thing.py", "own")]);
    let content = Content::load([bundled, own]);
    assert_eq!(problems(&content), "");
    assert_eq!(content.rules.len(), 1);
    assert_eq!(content.rules[0].severity.as_str(), "LOW");
    assert!(matches!(&content.rules[0].logic, Logic::Python(source) if source.source == "own"));
}

#[test]
fn a_derived_rule_takes_what_it_does_not_say() {
    let derived = "AnalysisType: rule\nRuleID: Derived\nBaseDetection: Vendor.Thing\nSeverity: Low\nEnabled: false\n";
    let content = Content::load([root(&[
        ("rules/a_derived.yml", derived),
        ("rules/thing.yml", &format!("{RULE}Threshold: 7\n")),
        ("rules/thing.py", "source"),
    ])]);
    assert_eq!(problems(&content), "");
    let rule = content.rule(&"Derived".into()).unwrap();
    assert_eq!((rule.severity.as_str(), rule.threshold, rule.enabled), ("LOW", 7, false));
    assert_eq!(rule.base.as_ref().map(|id| id.as_str()), Some("Vendor.Thing"));
    assert!(matches!(&rule.logic, Logic::Python(source) if source.source == "source"));
}

#[test]
fn every_kind_of_logic() {
    let simple = "AnalysisType: rule\nRuleID: S\nEnabled: true\nSeverity: Low\nLogTypes: [X]\n";
    let correlation =
        "AnalysisType: correlation_rule\nRuleID: C\nEnabled: true\nSeverity: Low\nDetection:\n  - Group:\n";
    let content = Content::load([root(&[
        ("rules/simple.yml", &format!("{simple}Detection: [{{Key: a, Condition: Exists}}]\n")),
        ("rules/bad.yml", &format!("{}Detection: [{{Key: a, Condition: Exist}}]\n", simple.replace(": S", ": B"))),
        (
            "correlation_rules/c.yml",
            &format!(
                "{correlation}      - {{ID: a, RuleID: S}}\n      - {{RuleID: T, Absence: true}}\n    \
                 Schedule: {{RateMinutes: 60, TimeoutMinutes: 1}}\n    LookbackWindowMinutes: 90\n\
                 Tests: [{{Name: t, ExpectedResult: true, RuleOutputs: [{{ID: a}}]}}]\n"
            ),
        ),
        ("correlation_rules/d.yml", &format!("{}      - {{ID: a}}\n", correlation.replace(": C", ": D"))),
        ("rules/filtered.yml", &format!("{RULE}InlineFilters: [{{All: [{{KeyPath: a, Condition: Exists}}]}}]\n")),
        ("rules/empty_filter.yml", &format!("{}InlineFilters: [{{All: []}}]\n", RULE.replace("Vendor.Thing", "E"))),
        ("rules/bad_filter.yml", &format!("{}InlineFilters: [{{Key: a}}]\n", RULE.replace("Vendor.Thing", "F"))),
        ("rules/thing.py", ""),
    ])]);
    assert_snapshot!(problems(&content), @r"
    correlation_rules/d.yml:6: D: `Detection`: `Schedule` is missing; add `RateMinutes` or `CronExpression`, and `TimeoutMinutes`
    correlation_rules/d.yml:7: D: `Detection`: `Group` 1: `RuleID` is missing; add it with some text
    rules/bad.yml:6: B: there is no condition `Exist`; there are Exists, DoesNotExist
    rules/bad_filter.yml:7: F: a match expression needs `Condition`, `All`, `Any`, `OnlyOne` or `None`, found `Key`
    ");
    let state = |rule: &uncia_detection::RuleSpec| (rule.id.to_string(), rule.filters.len());
    let state: Vec<_> = content.rules.iter().map(state).collect();
    let ids = [("C", 0), ("F", 0), ("E", 0), ("Vendor.Thing", 1), ("S", 0)];
    assert_eq!(state, ids.map(|(id, filters)| (id.to_owned(), filters)));
    assert_eq!(content.rules[0].dedup_period_minutes, 90);
}

#[test]
fn data_models() {
    let model = "AnalysisType: datamodel\nDataModelID: M\nEnabled: true\nLogTypes: [X]\nFilename: m.py\n\
                 Mappings:\n  - {Name: ip, Path: a.b}\n  - {Name: user, Method: who}\n  - {Name: both, Path: a, Method: b}\n";
    let content = Content::load([root(&[
        ("data_models/m.yml", model),
        ("data_models/n.yml", &model.replace("DataModelID: M", "DataModelID: N")),
        ("data_models/m.py", "def who(event): …"),
    ])]);
    assert_snapshot!(problems(&content), @r"
    data_models/m.yml:9: M: `Mappings`: `both` needs exactly one of `Path` and `Method`
    data_models/n.yml:9: N: `Mappings`: `both` needs exactly one of `Path` and `Method`
    data_models/n.yml: N: `X` already has the enabled data model `M`; disable one of them
    ");
    assert_eq!(content.data_models.iter().map(|model| model.enabled).collect::<Vec<_>>(), [true, false]);
    assert_eq!(content.data_models[0].mappings.len(), 2);
}

#[test]
fn a_part_of_a_repository_finds_its_globals() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path: PathBuf = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("global_helpers/g.yml", "AnalysisType: global\nGlobalID: g\nFilename: g.py\n");
    write("global_helpers/g.py", "X = 1\n");
    write("rules/vendor_rules/thing.yml", RULE);
    write("rules/vendor_rules/thing.py", "import g\n");
    write("rules/other_rules/other.yml", &RULE.replace("Vendor.Thing", "Other"));
    write("templates/t.yml", "AnalysisType: nonsense\n");
    for (path, rules) in [("", 1), ("rules", 1), ("rules/vendor_rules", 1), ("rules/vendor_rules/thing.yml", 1)] {
        let content = Content::load([ContentRoot::Disk(folder.path().join(path))]);
        assert_eq!((content.rules.len(), content.globals.len()), (rules, 1), "{path}: {}", problems(&content));
    }
    let content = Content::load([ContentRoot::Disk(folder.path().join("nowhere"))]);
    assert_eq!(content.problems.len(), 1);

    std::os::unix::fs::symlink(folder.path().join("rules"), folder.path().join("rules/vendor_rules/loop")).unwrap();
    std::os::unix::fs::symlink("gone", folder.path().join("rules/gone.yml")).unwrap();
    std::fs::write(folder.path().join("rules/latin1.yml"), b"\xe4").unwrap();
    let content = Content::load([ContentRoot::Disk(folder.path().to_owned())]);
    assert_eq!((content.rules.len(), content.problems.len()), (1, 4), "{}", problems(&content));
}
