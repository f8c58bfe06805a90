//! Exit codes, documented in the manual and stable: scripts and CI pipelines rely on them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    /// Something failed, or a check found something.
    Failed = 1,
    /// Wrong command line; clap's own code too.
    Usage = 2,
    /// Wrong configuration or content.
    Configuration = 3,
    /// A credential of ours is refused by whom it was shown to.
    Authentication = 4,
    /// Something it needs is not there now: a data directory in use, a full disk.
    Unavailable = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with its exit code; anything else ends with [`Exit::Failed`].
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ExitError {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl ExitError {
    pub(crate) fn usage(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Usage, message: message.into() }.into()
    }

    pub(crate) fn configuration(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Configuration, message: message.into() }.into()
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> anyhow::Error {
        Self { exit: Exit::Unavailable, message: message.into() }.into()
    }
}

/// The exit code that an error asks for.
pub(crate) fn code_of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|cause| cause.downcast_ref::<ExitError>()).map_or(Exit::Failed, |error| error.exit)
}
