//! The detections that come with Uncia: nothing is wrong with them, each has tests for both verdicts, and all pass with no
//! package installed.

use std::path::Path;
use std::sync::Arc;

use uncia_detection::{Content, ContentRoot, Engine, EngineConfig, MemoryCache, Rendering, TestOptions, test_content};

use crate::workers;

#[tokio::test]
async fn own_detections_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections");
    let content = Content::load([ContentRoot::from(folder.as_path())]);
    let config = EngineConfig { extension: Some(workers::extension()), ..EngineConfig::default() };
    let engine = Engine::start(&content, config, Arc::new(MemoryCache::default())).await.unwrap();
    let options = TestOptions { minimum_tests: 2, ..TestOptions::default() };
    let report = test_content(&content, &engine, &options, &|_| {}).await;
    engine.shutdown().await;
    let rendering = Rendering { failures_only: true, ..Rendering::default() };
    let failed: String = report.detections.iter().map(|detection| rendering.detection(detection)).collect();
    assert!(report.is_success(), "{failed}{}", rendering.summary(&report, "content/detections"));
    assert!(content.problems.is_empty(), "{:?}", content.problems);
}
