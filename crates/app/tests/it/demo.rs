//! The demo tells the same story every time, and the bundled detections catch it.

use std::process::Command;

/// Alert lines without their ids.
fn alerts(seed: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_uncia"))
        .env_remove("UNCIA_CONFIG")
        .env_remove("UNCIA_DATA_DIR")
        .args(["demo", "--once", "--seed", seed])
        .output()
        .unwrap();
    let text = super::stdout(&output);
    let lines = text.lines().skip_while(|line| !line.contains("alerts")).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("Try")).filter(|line| !line.is_empty());
    lines.map(|line| line.rsplit_once("  (").map_or(line, |(line, _)| line).trim().to_owned()).collect()
}

#[test]
fn the_story_is_caught_and_repeats() {
    let first = alerts("1");
    assert_eq!(first.len(), 35, "{first:#?}");
    assert!(first.iter().any(|line| line.starts_with("CRITICAL")), "{first:#?}");
    let failed = |at: &str| first.iter().filter(|line| line.contains(at) && line.contains("Failed: ")).count();
    assert_eq!(
        (failed("02 00:00"), failed("02 15:00")),
        (2, 5),
        "what was wrong before, and what the intruder did: {first:#?}"
    );
    assert_eq!(first, alerts("1"));
}
