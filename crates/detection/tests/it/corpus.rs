//! The public detections, if `PANTHER_ANALYSIS_DIR` names a checkout of them.

use std::path::PathBuf;
use std::sync::Arc;

use uncia_detection::{
    AnalysisType, Conformance, Content, ContentRoot, Engine, EngineConfig, MemoryCache, OtherItem, Rendering,
    TestOptions, TestReport, flip_expectations, test_content,
};

use crate::workers;

/// The checkout, or a word on how to have these tests run.
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("PANTHER_ANALYSIS_DIR").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: set PANTHER_ANALYSIS_DIR to a checkout of github.com/panther-labs/panther-analysis");
    }
    folder
}

fn count(content: &Content, kind: AnalysisType) -> (usize, usize) {
    let rules = content.rules.iter().filter(|rule| rule.analysis_type == kind);
    rules.fold((0, 0), |(rules, tests), rule| (rules + 1, tests + rule.tests.len()))
}

#[test]
fn everything_is_read() {
    let Some(folder) = corpus() else { return };
    let content = Content::load([ContentRoot::Disk(folder)]);
    let invalid: Vec<String> = content.invalid().map(ToString::to_string).collect();
    assert!(invalid.is_empty(), "{}", invalid.join("\n"));
    let others = |kind| content.others.iter().filter(|item: &&OtherItem| item.analysis_type == kind).count();
    println!("rules {:?}", count(&content, AnalysisType::Rule));
    println!("scheduled rules {:?}", count(&content, AnalysisType::ScheduledRule));
    println!("policies {:?}", count(&content, AnalysisType::Policy));
    println!("correlation rules {:?}", count(&content, AnalysisType::CorrelationRule));
    println!("globals {} data models {}", content.globals.len(), content.data_models.len());
    println!("packs {} scheduled queries {}", others(AnalysisType::Pack), others(AnalysisType::ScheduledQuery));
    assert!(content.rules.len() > 1_000 && content.globals.len() > 40 && content.data_models.len() > 30);
}

/// Runs all tests of the corpus, on our stand-ins, or on the packages in the folder that `UNCIA_TEST_PACKAGES` names.
async fn run(content: &Content) -> TestReport {
    let packages = std::env::var_os("UNCIA_TEST_PACKAGES").map(PathBuf::from);
    let python_path = packages.into_iter().collect();
    let config = EngineConfig { extension: Some(workers::extension()), python_path, ..EngineConfig::default() };
    let engine = Engine::start(content, config, Arc::new(MemoryCache::default())).await.unwrap();
    let report = test_content(content, &engine, &TestOptions::default(), &|_| {}).await;
    engine.shutdown().await;
    report
}

#[tokio::test]
async fn every_test_gives_its_expected_verdict() {
    let Some(folder) = corpus() else { return };
    let mut content = Content::load([ContentRoot::Disk(folder)]);
    let report = run(&content).await;
    let rendering = Rendering { failures_only: true, ..Rendering::default() };
    for detection in &report.detections {
        print!("{}", rendering.detection(detection));
    }
    print!("{}", rendering.summary(&report, "corpus"));
    let conformance = Conformance::of(&report);
    println!("{conformance}");
    assert_eq!((conformance.total().failed, conformance.total().not_run), (0, 0));

    // A measure that cannot see a wrong verdict proves nothing.
    let flips = flip_expectations(&mut content, 50, 7);
    assert_eq!(flips.len(), 50);
    assert_eq!(Conformance::of(&run(&content).await).total().failed, 50);
}
