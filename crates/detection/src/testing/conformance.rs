//! How much of a corpus gives the expected verdicts, and whether the measure can see a wrong one.

use std::collections::BTreeMap;
use std::fmt;

use uncia_model::DetectionId;

use super::report::{TestReport, Verdict};
use crate::content::Content;
use crate::spec::AnalysisType;

/// Tests by the type of their detection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conformance {
    pub by_type: BTreeMap<AnalysisType, Tally>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub detections: usize,
    pub passed: usize,
    pub failed: usize,
    /// The detection cannot be loaded.
    pub not_run: usize,
}

/// A test whose expected result was turned round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    pub detection: DetectionId,
    pub test_index: usize,
}

impl Conformance {
    #[must_use]
    pub fn of(report: &TestReport) -> Self {
        let mut by_type: BTreeMap<AnalysisType, Tally> = BTreeMap::new();
        for detection in &report.detections {
            let tally = by_type.entry(detection.analysis_type).or_default();
            tally.detections += 1;
            for test in &detection.tests {
                match test.verdict {
                    Verdict::Passed => tally.passed += 1,
                    Verdict::Failed(_) if test.ran() => tally.failed += 1,
                    Verdict::Failed(_) => tally.not_run += 1,
                }
            }
        }
        Self { by_type }
    }

    #[must_use]
    pub fn total(&self) -> Tally {
        self.by_type.values().fold(Tally::default(), |sum, tally| Tally {
            detections: sum.detections + tally.detections,
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
            not_run: sum.not_run + tally.not_run,
        })
    }
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, tally: &Tally| {
            let Tally { detections, passed, failed, not_run } = tally;
            writeln!(f, "{name:<17}{detections:>11}{passed:>9}{failed:>8}{not_run:>9}")
        };
        writeln!(f, "{:<17}{:>11}{:>9}{:>8}{:>9}", "type", "detections", "passed", "failed", "not run")?;
        for (kind, tally) in &self.by_type {
            row(f, kind.as_str(), tally)?;
        }
        row(f, "total", &self.total())
    }
}

/// Turns round the expected results of that many tests, chosen by the seed among those that can run: as many failures
/// more must then be reported, or the measure does not measure.
pub fn flip_expectations(content: &mut Content, count: usize, seed: u64) -> Vec<Flip> {
    let mut places: Vec<(usize, usize)> = Vec::new();
    for (place, rule) in content.rules.iter().enumerate() {
        places.extend((0..rule.tests.len()).map(|test| (place, test)));
    }
    let mut random = seed;
    let mut flips = Vec::new();
    while flips.len() < count && !places.is_empty() {
        let (place, test_index) = places.swap_remove(pick(&mut random, places.len()));
        let rule = &mut content.rules[place];
        rule.tests[test_index].expected ^= true;
        flips.push(Flip { detection: rule.id.clone(), test_index });
    }
    flips
}

/// A number below `bound` from a `SplitMix64` sequence: the same for the same seed, everywhere.
fn pick(state: &mut u64, bound: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % bound as u64) as usize
}
