//! What is wrong with Uncia's own work, as opposed to with the events: a source that fell silent, a credential that is refused.

use serde::{Deserialize, Serialize};

/// What an alarm is about. The first four are the alarms of a source that Panther knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmKind {
    /// Nothing came for longer than the owner allows.
    SourceNoData,
    /// We are not let in, or may not read.
    SourcePermissionsChecks,
    /// Reading fails for another reason.
    SourceLogProcessingErrors,
    /// Events were too large to be taken whole.
    SourceOversizedEvents,
    /// A consent or token ends soon.
    SourceCredentialExpires,
}

impl AlarmKind {
    pub const ALL: [Self; 5] = [
        Self::SourceNoData,
        Self::SourcePermissionsChecks,
        Self::SourceLogProcessingErrors,
        Self::SourceOversizedEvents,
        Self::SourceCredentialExpires,
    ];

    /// As alerts and the API name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SourceNoData => "SOURCE_NO_DATA",
            Self::SourcePermissionsChecks => "SOURCE_PERMISSIONS_CHECKS",
            Self::SourceLogProcessingErrors => "SOURCE_LOG_PROCESSING_ERRORS",
            Self::SourceOversizedEvents => "SOURCE_OVERSIZED_EVENTS",
            Self::SourceCredentialExpires => "SOURCE_CREDENTIAL_EXPIRES",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that is wrong with one subject. It makes one system alert, which ends when it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// The source's id.
    pub subject: String,
    /// One line: what is wrong.
    pub title: String,
    /// What was said, and the way out.
    pub description: String,
}
