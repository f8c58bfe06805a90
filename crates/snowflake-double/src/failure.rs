//! What Snowflake answers to a statement it does not run: a code, an SQL state and a sentence.
//!
//! One constructor for each code we give, so that the list of codes can be read here. Codes: docs.snowflake.com, "Error
//! codes" of the drivers, and the messages that its clients match on.

use std::fmt;

/// A refused or failed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFailure {
    pub code: &'static str,
    pub state: &'static str,
    pub message: String,
}

impl fmt::Display for SqlFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}): {}", self.code, self.state, self.message)
    }
}

impl std::error::Error for SqlFailure {}

impl SqlFailure {
    fn new(code: &'static str, state: &'static str, message: String) -> Self {
        Self { code, state, message }
    }

    pub(crate) fn syntax(message: impl fmt::Display) -> Self {
        Self::new("001003", "42000", format!("SQL compilation error:\n{message}"))
    }

    /// Something this double does not answer; Snowflake might.
    pub(crate) fn unsupported_here(what: impl fmt::Display) -> Self {
        Self::syntax(format!("this double does not answer {what}"))
    }

    pub(crate) fn unsupported_statement(kind: &str) -> Self {
        Self::new("000002", "0A000", format!("Unsupported feature '{kind}'."))
    }

    pub(crate) fn invalid_identifier(name: &str) -> Self {
        Self::new("000904", "42000", format!("SQL compilation error:\ninvalid identifier '{name}'"))
    }

    pub(crate) fn unknown_function(name: &str) -> Self {
        Self::new("002141", "42601", format!("SQL compilation error:\nUnknown function {}", name.to_uppercase()))
    }

    pub(crate) fn not_found(kind: &str, name: &str) -> Self {
        Self::new(
            "002003",
            if kind == "Object" { "42S02" } else { "02000" },
            format!("SQL compilation error:\n{kind} '{name}' does not exist or not authorized."),
        )
    }

    pub(crate) fn already_exists(name: &str) -> Self {
        Self::new("002002", "42710", format!("SQL compilation error:\nObject '{name}' already exists."))
    }

    pub(crate) fn insufficient(on: &str) -> Self {
        Self::new("003001", "42501", format!("SQL access control error:\nInsufficient privileges to operate on {on}"))
    }

    pub(crate) fn no_warehouse() -> Self {
        Self::new(
            "000606",
            "57P03",
            "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.".to_owned(),
        )
    }

    pub(crate) fn role_not_granted(role: &str) -> Self {
        Self::new(
            "390189",
            "08001",
            format!(
                "Role '{role}' specified in the connect string does not exist or not authorized. Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC."
            ),
        )
    }

    pub(crate) fn invalid_value(property: &str, value: &str) -> Self {
        Self::new(
            "001008",
            "22023",
            format!("SQL compilation error:\ninvalid value [{value}] for parameter '{property}'"),
        )
    }

    pub(crate) fn bad_key(reason: &str) -> Self {
        Self::new("390249", "42601", format!("New public key rejected by current policy. Reason: '{reason}'."))
    }

    pub(crate) fn bind_missing(position: usize) -> Self {
        Self::new("002049", "42601", format!("SQL compilation error:\nBind variable ?{position} not set."))
    }

    pub(crate) fn cast(message: impl fmt::Display) -> Self {
        Self::new("100035", "22007", format!("{message}"))
    }

    pub(crate) fn statement_count(given: usize, wanted: u64) -> Self {
        Self::new(
            "000008",
            "0A000",
            format!("Actual statement count {given} did not match the desired statement count {wanted}."),
        )
    }

    pub(crate) fn cancelled() -> Self {
        Self::new("000604", "57014", "SQL execution canceled".to_owned())
    }

    pub(crate) fn timed_out(seconds: u64) -> Self {
        Self::new(
            "000630",
            "57014",
            format!("Statement reached its statement or warehouse timeout of {seconds} second(s) and was canceled."),
        )
    }
}
