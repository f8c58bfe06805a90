//! What a test run found.

use std::collections::BTreeSet;

use uncia_model::{DetectionId, LogType};

use crate::TestOutcome;
use crate::content::{ContentProblem, Weight};
use crate::spec::AnalysisType;

/// All detections that were taken, in the content's order, and what is wrong with the content itself.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    pub detections: Vec<DetectionReport>,
    pub problems: Vec<ContentProblem>,
    /// Detections that were not tested: disabled ones if so asked, derived ones without their base.
    pub skipped: usize,
}

#[derive(Clone, Debug)]
pub struct DetectionReport {
    pub id: DetectionId,
    pub analysis_type: AnalysisType,
    pub log_types: Vec<LogType>,
    pub file: String,
    pub state: DetectionState,
    /// In the order of the file.
    pub tests: Vec<TestResult>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetectionState {
    Passed,
    /// A test failed, or there are too few; what else there is to say.
    Failed(Vec<String>),
    /// It cannot be loaded, or its file is not valid.
    Invalid(String),
}

#[derive(Clone, Debug)]
pub struct TestResult {
    pub name: String,
    /// From 0, in the order of the file.
    pub index: usize,
    pub expected: bool,
    pub verdict: Verdict,
    /// None if nothing ran.
    pub outcome: Option<TestOutcome>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// The functions that did not do as expected.
    Failed(Vec<String>),
}

impl TestReport {
    /// Nothing failed, nothing is invalid, and something was tested: the exit code 0 of `uncia test`, otherwise 1.
    #[must_use]
    pub fn is_success(&self) -> bool {
        let bad = |state: &DetectionState| matches!(state, DetectionState::Failed(_) | DetectionState::Invalid(_));
        !self.detections.is_empty()
            && !self.detections.iter().any(|detection| bad(&detection.state))
            && self.invalid_files().is_empty()
    }

    #[must_use]
    pub fn count(&self, state: fn(&DetectionState) -> bool) -> usize {
        self.detections.iter().filter(|detection| state(&detection.state)).count()
    }

    /// Detections that cannot be loaded and files that are not valid, each once.
    #[must_use]
    pub fn invalid(&self) -> usize {
        let files = self.invalid_files();
        let detections = self.detections.iter().filter(|detection| detection.state.is_invalid());
        files.len() + detections.filter(|detection| !files.contains(detection.file.as_str())).count()
    }

    fn invalid_files(&self) -> BTreeSet<&str> {
        let invalid = self.problems.iter().filter(|problem| problem.weight == Weight::Invalid);
        invalid.map(|problem| problem.file.as_str()).collect()
    }
}

impl DetectionState {
    #[must_use]
    pub fn is_passed(&self) -> bool {
        *self == Self::Passed
    }

    #[must_use]
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Invalid(_))
    }
}

impl TestResult {
    /// Whether the detection was asked; a test that did not run is not passed.
    #[must_use]
    pub fn ran(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.setup_error.is_none())
    }
}
