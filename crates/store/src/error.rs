//! Why the store could not do it, in words that name the way out.
//!
//! SQLite's result codes are sorted here once, so that callers can tell a full disk (wait, answer 503) from a database
//! that is held by somebody else, a damaged one, and a mistake of ours.

use std::path::{Path, PathBuf};

/// An operation of the store failed; the database is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {action}: no space left for {}: free some space, nothing was changed", path.display())]
    Full { action: &'static str, path: PathBuf },
    #[error("cannot {action}: {} is locked by another process for too long: stop it or try again", path.display())]
    Locked { action: &'static str, path: PathBuf },
    #[error("cannot {action}: {} is damaged or no uncia store ({detail}): restore it from a backup", path.display())]
    Corrupt { action: &'static str, path: PathBuf, detail: String },
    #[error("cannot {action}: {} cannot be opened or written ({detail}): check its directory and permissions", path.display())]
    Access { action: &'static str, path: PathBuf, detail: String },
    #[error("{} was written by a newer uncia ({what} {found}, this one knows {known}): use that version", path.display())]
    Newer { path: PathBuf, what: &'static str, found: i64, known: i64 },
    #[error("{} holds no uncia store yet: run a command that writes to it first", path.display())]
    Absent { path: PathBuf },
    #[error("{table}.{column} holds {value:?}, which this version cannot read")]
    Unreadable { table: &'static str, column: &'static str, value: String },
    #[error("rule cache key {key:?}: {message}")]
    RuleCache { key: String, message: String },
    #[error("cannot {action}: input/output error on {} ({detail})", path.display())]
    Io { action: &'static str, path: PathBuf, detail: String },
    #[error("cannot {action}")]
    Database { action: &'static str, source: sqlx::Error },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody changing the request.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Locked { .. } | Self::Io { .. })
    }

    /// Sorts an error of the database driver by SQLite's primary result code.
    pub(crate) fn of(action: &'static str, path: &Path, source: sqlx::Error) -> Self {
        let path = path.to_path_buf();
        let Some(database) = source.as_database_error() else {
            return match source {
                sqlx::Error::PoolTimedOut => Self::Locked { action, path },
                source => Self::Database { action, source },
            };
        };
        let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or(0);
        let detail = database.message().to_owned();
        // https://www.sqlite.org/rescode.html: the low byte of an extended code is the primary one.
        match code & 0xff {
            5 | 6 => Self::Locked { action, path },
            8 | 14 | 23 => Self::Access { action, path, detail },
            10 => Self::Io { action, path, detail },
            11 | 26 => Self::Corrupt { action, path, detail },
            13 => Self::Full { action, path },
            _ => Self::Database { action, source },
        }
    }
}
