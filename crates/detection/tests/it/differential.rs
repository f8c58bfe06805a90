//! Rules judged without Python against the same rules judged by Python alone: modes `index` and `full` must give what `off`
//! gives, result by result, error by error, text by text.
//!
//! Events are the content's own unit tests and mutants of them: at every path that a rule reads (the optimiser says which),
//! the constants it compares there, the same in another case, null, nothing, and values of other types. A corpus of small
//! rules, one per modelled operation, always runs; the public corpus runs if it is there. And the suite must see errors:
//! each deliberate one of the optimiser's faults makes it fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use uncia_detection::{
    AnalysisType, Content, ContentRoot, DataModelMapping, DetectionKind, Engine, EngineConfig, EvaluationStats,
    EventBatch, Explanation, MemoryCache, Optimise, Probe, Program, ProgramDataModel, ProgramDetection,
};
use uncia_model::{DetectionId, LogType};

use crate::corpus::corpus;
use crate::small_rules::{EVENTS, RULES};
use crate::workers;

/// (event, detection) to everything that was said.
type Said = BTreeMap<(usize, String), String>;

/// What an engine says of all batches.
struct Judged {
    said: Vec<Said>,
    stats: EvaluationStats,
    explanations: Vec<(DetectionId, Explanation)>,
}

fn config(optimise: Optimise, fault: Option<&str>) -> EngineConfig {
    EngineConfig {
        extension: Some(workers::extension()),
        python_path: std::env::var_os("UNCIA_TEST_PACKAGES").iter().map(Into::into).collect(),
        // One worker: rules that remember what they saw see the events in the same order.
        workers: 1,
        optimise,
        shadow: 0,
        probe: Probe { explain: true, fault: fault.map(str::to_owned) },
        ..EngineConfig::default()
    }
}

async fn judge(program: &Program, config: EngineConfig, batches: &[EventBatch]) -> Judged {
    let engine = Engine::start(program.clone(), config, Arc::new(MemoryCache::default())).await.unwrap();
    let (mut said, mut stats) = (Vec::new(), EvaluationStats::default());
    for batch in batches {
        let evaluation = engine.evaluate(batch.clone()).await;
        stats.add(&evaluation.stats);
        let mut all = Said::new();
        for matched in evaluation.matches {
            let key = (matched.event, matched.detection.to_string());
            all.insert(key, letters(&format!("{matched:?}")));
        }
        for error in evaluation.errors {
            *all.entry((error.event, error.detection.to_string())).or_default() += &letters(&format!("{error:?}"));
        }
        said.push(all);
    }
    let explanations = engine.explanations();
    engine.shutdown().await;
    Judged { said, stats, explanations }
}

/// Texts made of Python sets come in any order; such a text differs in the order of its letters alone.
fn letters(text: &str) -> String {
    let mut counts = BTreeMap::<char, usize>::new();
    text.chars().for_each(|letter| *counts.entry(letter).or_default() += 1);
    counts.into_iter().map(|(letter, count)| format!("{letter}{count}")).collect()
}

/// Differences between two engines, said so that a person can look at one.
fn differences(batches: &[EventBatch], off: &Judged, other: &Judged) -> Vec<String> {
    let mut found = Vec::new();
    for ((batch, off), other) in batches.iter().zip(&off.said).zip(&other.said) {
        for key in off.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
            if off.get(key) == other.get(key) {
                continue;
            }
            let said = |side: &Said| side.get(key).map_or("nothing", |_| "something").to_owned();
            let event = String::from_utf8_lossy(&batch.events[key.0]).chars().take(3_000).collect::<String>();
            found.push(format!("{} {}: off {}, optimised {}: {event}", batch.log_type, key.1, said(off), said(other)));
        }
    }
    found
}

/// Judges in this mode, and panics at the first differences from what Python said alone.
async fn the_same_in(mode: Optimise, program: &Program, batches: &[EventBatch], off: &Judged) -> Judged {
    let other = judge(program, config(mode, None), batches).await;
    println!("{}: {}", mode.as_str(), other.stats);
    let found = differences(batches, off, &other);
    assert!(
        found.is_empty(),
        "{}: {} differences:\n{}",
        mode.as_str(),
        found.len(),
        found[..found.len().min(20)].join("\n")
    );
    assert_eq!(other.stats.diverged, 0, "{}", other.stats);
    other
}

/// Puts a value at a path, or takes it away, with whatever objects are needed above.
fn put(event: &mut Value, path: &[String], value: Option<&Value>) {
    let [key, rest @ ..] = path else { return };
    if !event.is_object() {
        *event = json!({});
    }
    let members = event.as_object_mut().unwrap();
    let known = members
        .keys()
        .find(|known| *known == key)
        .or_else(|| members.keys().find(|known| known.to_lowercase() == key.to_lowercase()));
    let key = known.cloned().unwrap_or_else(|| key.clone());
    match (rest, value) {
        ([], Some(value)) => drop(members.insert(key, value.clone())),
        ([], None) => drop(members.shift_remove(&key)),
        _ => put(members.entry(key).or_insert_with(|| json!({})), rest, value),
    }
}

fn swapped(text: &str) -> String {
    let swap = |letter: char| {
        if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
    };
    text.chars().map(swap).collect()
}

/// Mutants of an event at one path.
fn mutants(event: &Value, path: &[String], texts: &[String]) -> Vec<Value> {
    let mut values: Vec<Value> = vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("É"),
        json!([]),
        json!(["a"]),
        json!({}),
        json!({"a": "b"}),
        json!([{"a": 1}]),
        json!([null]),
    ];
    for text in texts {
        values.push(json!(text));
        values.push(json!(swapped(text)));
        values.push(json!(format!("x{text}")));
        values.push(json!(format!("{text}x")));
        values.push(json!([text]));
        values.push(json!({ text: text }));
    }
    let mut found = Vec::new();
    for level in 1..=path.len() {
        let mut absent = event.clone();
        put(&mut absent, &path[..level], None);
        found.push(absent);
        if level < path.len() {
            for value in [Value::Null, json!("x"), json!([]), json!({})] {
                let mut other = event.clone();
                put(&mut other, &path[..level], Some(&value));
                found.push(other);
            }
        }
        // The key in another case, alone and beside the true one, before and after it.
        let mut cased: Vec<String> = path.to_vec();
        cased[level - 1] = swapped(&cased[level - 1]);
        let here = path[..level].iter().try_fold(event, |value, key| value.get(key)).cloned();
        if let Some(here) = here {
            let mut alone = event.clone();
            put(&mut alone, &path[..level], None);
            put(&mut alone, &cased[..level], Some(&here));
            found.push(alone.clone());
            if let Some(above) = path[..level - 1].iter().try_fold(&mut alone, |value, key| value.get_mut(key))
                && let Some(members) = above.as_object_mut()
            {
                members.insert(path[level - 1].clone(), json!("other"));
                found.push(alone);
            }
        }
    }
    for value in &values {
        let mut other = event.clone();
        put(&mut other, path, Some(value));
        found.push(other);
    }
    found
}

/// Batches of the events and, path by path, of their mutants; at most so many per log type, spread over all.
fn with_mutants(
    events: &BTreeMap<LogType, Vec<(DetectionId, Value)>>,
    explanations: &[(DetectionId, Explanation)],
    most: usize,
) -> Vec<EventBatch> {
    let reads: BTreeMap<&str, &Explanation> = explanations.iter().map(|(id, told)| (id.as_str(), told)).collect();
    let mut batches = Vec::new();
    for (log_type, events) in events {
        let mut all: Vec<Value> = Vec::new();
        for (id, event) in events {
            let Some(told) = reads.get(id.as_str()) else { continue };
            told.reads.iter().for_each(|(path, texts)| all.extend(mutants(event, path, texts)));
        }
        let step = (all.len() / most.max(1)).max(1);
        // A step that shares no factor with the number of values, so that no kind of mutant is left out.
        let step = if step.is_multiple_of(2) { step + 1 } else { step };
        let own = events.iter().map(|(_, event)| event.clone());
        let chosen = own.chain(all.into_iter().step_by(step)).map(|event| event.to_string());
        let mut seen = BTreeSet::new();
        let events = chosen.filter(|event| seen.insert(event.clone())).map(Bytes::from).collect();
        batches.push(EventBatch { log_type: log_type.clone(), events });
    }
    batches
}

fn small_program() -> Program {
    let mut program = Program::default();
    program.data_models.push(ProgramDataModel {
        id: "Model".to_owned(),
        log_types: vec![LogType::new("T")],
        mappings: [("user", "actor.id"), ("host", "$.host.name")]
            .map(|(name, path)| DataModelMapping { name: name.to_owned(), path: Some(path.to_owned()), method: None })
            .into(),
        module: None,
    });
    for (name, source) in RULES {
        let mut rule = ProgramDetection::rule(name, "T", source);
        rule.module.source = format!("{source}\n\ndef title(event):\n    return str(event.get('name'))\n");
        if source.contains("def title") {
            rule.module.source = (*source).to_owned();
        }
        program.detections.push(rule);
    }
    program
}

/// Mutants of the small corpus; more by `UNCIA_MUTANTS`.
const SMALL_MUTANTS: usize = 900;

/// All small rules see all events, and mutants at the paths of any rule.
async fn small_batches(program: &Program) -> Vec<EventBatch> {
    let told = judge(program, config(Optimise::Full, None), &[]).await.explanations;
    let mut events: Vec<(DetectionId, Value)> = Vec::new();
    for text in EVENTS {
        let event: Value = serde_json::from_str(text).unwrap();
        events.extend(told.iter().map(|(id, _)| (id.clone(), event.clone())));
    }
    with_mutants(&BTreeMap::from([(LogType::new("T"), events)]), &told, SMALL_MUTANTS)
}

#[tokio::test]
async fn small_rules_say_the_same_in_all_modes() {
    let program = small_program();
    let batches = small_batches(&program).await;
    let off = judge(&program, config(Optimise::Off, None), &batches).await;
    let whole: usize = off.said.iter().map(BTreeMap::len).sum();
    assert!(whole > 1_000, "too few matches and errors to prove anything: {whole}");
    for mode in [Optimise::Index, Optimise::Full] {
        let other = the_same_in(mode, &program, &batches, &off).await;
        assert!(other.stats.pruned > 0, "nothing was ruled out");
        if mode == Optimise::Full {
            assert!(other.stats.native_false + other.stats.native_true > other.stats.fallbacks, "{}", other.stats);
        }
    }
}

/// Names of `uncia_ruleir::Fault`, each an error that this suite must see.
const FAULTS: [&str; 16] = [
    "case-sensitive",
    "default-for-null",
    "plain-containers",
    "startswith-anywhere",
    "exceptions-forgotten",
    "falsy-forgotten",
    "missing-unproved",
    "udm-falls-through",
    "deep-get-keeps-null",
    "unhashable-is-absent",
    "bool-is-no-number",
    "guard-tests-forgotten",
    "stand-in-forgotten",
    "handlers-forgotten",
    "any-address",
    "glob-within",
];

#[tokio::test]
async fn deliberate_errors_are_seen() {
    if !cfg!(debug_assertions) {
        println!("skipped: a release build of the extension has no deliberate errors");
        return;
    }
    let program = small_program();
    let batches = small_batches(&program).await;
    let off = judge(&program, config(Optimise::Off, None), &batches).await;
    for fault in FAULTS {
        let wrong = judge(&program, config(Optimise::Full, Some(fault)), &batches).await;
        // A wrong "true" is put right by Python, which is always asked then; it is counted.
        let (seen, corrected) = (differences(&batches, &off, &wrong).len(), wrong.stats.diverged);
        println!("{fault}: {seen} differences, {corrected} corrected");
        assert!(seen > 0 || corrected > 0, "the suite does not see the deliberate error '{fault}'");
    }
}

/// With every pair compared, a wrong decision is caught, Python's answer stands, and the rule is no longer optimised.
#[tokio::test]
async fn the_sampler_catches_wrong_decisions() {
    if !cfg!(debug_assertions) {
        return;
    }
    let program = workers::rules(&[("Wrong", "def rule(event):\n    return event.get('NAME') == 'go'\n")]);
    let batch = workers::batch((0..50).map(|_| r#"{"name":"go"}"#.to_owned()));
    let wrong = config(Optimise::Full, Some("case-sensitive"));
    let engine =
        Engine::start(program, EngineConfig { shadow: 1, ..wrong }, Arc::new(MemoryCache::default())).await.unwrap();
    for round in 0..2 {
        let evaluation = engine.evaluate(batch.clone()).await;
        assert_eq!(evaluation.matches.len(), 50, "{}", evaluation.stats);
        assert_eq!(evaluation.stats.diverged, u64::from(round == 0), "{}", evaluation.stats);
        assert_eq!(evaluation.stats.calls, 50);
    }
    engine.shutdown().await;
}

/// Mutants per log type of the public corpus; more by `UNCIA_MUTANTS`.
const MUTANTS: usize = 300;

#[tokio::test]
async fn the_public_rules_say_the_same_in_all_modes() {
    let Some(folder) = corpus() else { return };
    let content = Content::load([ContentRoot::Disk(folder)]);
    let mut program = Program::from(&content);
    program.detections.retain(|detection| detection.kind == DetectionKind::Rule);
    // Those that are not enabled are rules as well.
    program.detections.iter_mut().for_each(|detection| detection.enabled = true);
    let most = std::env::var("UNCIA_MUTANTS").ok().and_then(|most| most.parse().ok()).unwrap_or(MUTANTS);
    let told = judge(&program, config(Optimise::Full, None), &[]).await.explanations;
    let batches = with_mutants(&events_of(&content), &told, most);
    let events: usize = batches.iter().map(|batch| batch.events.len()).sum();
    let off = judge(&program, config(Optimise::Off, None), &batches).await;
    let said: usize = off.said.iter().map(BTreeMap::len).sum();
    let log_types = batches.len();
    println!("{events} events of {log_types} log types, {} pairs, {said} matches and errors", off.stats.pairs);
    for mode in [Optimise::Index, Optimise::Full] {
        let other = the_same_in(mode, &program, &batches, &off).await;
        assert!(other.stats.pruned > other.stats.pairs / 4, "{}", other.stats);
    }
}

/// The events of all unit tests of rules, by each log type of the rule.
fn events_of(content: &Content) -> BTreeMap<LogType, Vec<(DetectionId, Value)>> {
    let only = std::env::var("UNCIA_ORACLE_LOG_TYPES").ok();
    let mut events: BTreeMap<LogType, Vec<(DetectionId, Value)>> = BTreeMap::new();
    for rule in content.rules.iter().filter(|rule| rule.analysis_type == AnalysisType::Rule) {
        for log_type in &rule.log_types {
            if only.as_ref().is_some_and(|only| !only.split(',').any(|name| name == log_type.as_str())) {
                continue;
            }
            let of_type = events.entry(log_type.clone()).or_default();
            let read = rule.tests.iter().filter_map(|test| serde_json::from_slice::<Value>(&test.event).ok());
            of_type.extend(read.filter(Value::is_object).map(|event| (rule.id.clone(), event)));
        }
    }
    events
}
