//! The JSON that workers write about matches and errors, as the model's types.

use serde::Deserialize;
use uncia_model::{DetectionError, DetectionErrorKind, Match, Severity};

use super::program::ProgramDetection;

/// What one detection said of one event.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Match(Box<Match>),
    Error(DetectionError),
}

#[derive(Deserialize)]
struct MatchBody {
    title: String,
    dedup: String,
    severity: String,
    description: String,
    reference: String,
    runbook: String,
    destinations: Option<Vec<String>>,
    alert_context: Option<String>,
    unique: Option<String>,
    errors: Vec<ErrorBody>,
}

#[derive(Deserialize)]
struct ErrorBody {
    kind: DetectionErrorKind,
    exception: String,
    message: String,
}

impl ErrorBody {
    fn about(self, detection: &ProgramDetection, event: usize) -> DetectionError {
        DetectionError {
            event,
            detection: detection.id.clone(),
            kind: self.kind,
            exception: self.exception,
            message: self.message,
        }
    }
}

/// Reads a match with the grave errors that its functions raised.
pub(crate) fn read_match(
    json: &[u8],
    detection: &ProgramDetection,
    event: usize,
) -> Result<Vec<Found>, serde_json::Error> {
    let body: MatchBody = serde_json::from_slice(json)?;
    let matched = Match {
        event,
        detection: detection.id.clone(),
        title: body.title,
        dedup: body.dedup,
        severity: Severity::parse(&body.severity).unwrap_or(detection.severity),
        description: body.description,
        reference: body.reference,
        runbook: body.runbook,
        destinations: body.destinations,
        alert_context: body.alert_context,
        unique: body.unique,
    };
    let errors = body.errors.into_iter().map(|error| Found::Error(error.about(detection, event)));
    Ok(std::iter::once(Found::Match(Box::new(matched))).chain(errors).collect())
}

/// Reads an error.
pub(crate) fn read_error(
    json: &[u8],
    detection: &ProgramDetection,
    event: usize,
) -> Result<Vec<Found>, serde_json::Error> {
    let body: ErrorBody = serde_json::from_slice(json)?;
    Ok(vec![Found::Error(body.about(detection, event))])
}
