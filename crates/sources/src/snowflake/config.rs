//! A Snowflake account as it is configured.

use std::path::PathBuf;

use serde::Deserialize;
use uncia_document::Timestamp;
use uncia_model::{LogType, Secret, SourceId};
use uncia_processing::FilterConfig;
use uncia_snowflake::auth::WorkloadProvider;
use uncia_snowflake::state::{STATE_VIEWS, StateView};
use uncia_snowflake::views::{AUDIT_VIEWS, AuditView};

use crate::silence::NoDataMinutes;

/// A Snowflake account whose audit views are pulled.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnowflakeSourceConfig {
    /// Events carry it as `p_source_id`.
    pub id: SourceId,
    /// What people call it, `p_source_label`; the id if left out.
    #[serde(default)]
    pub label: Option<String>,
    /// `<organisation>-<account>`, or what else people have: a locator with its region, a URL.
    pub account: String,
    /// Where the account is reached, if not at its usual host.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default = "user")]
    pub user: String,
    #[serde(default = "role")]
    pub role: String,
    pub warehouse: String,
    /// Where the views are, if the owner keeps copies of them elsewhere.
    #[serde(default)]
    pub database: Option<String>,
    #[serde(default)]
    pub schema: Option<String>,
    /// How we prove who we are: `{ method = "key_pair", private_key = "file:/path" }` and its kin.
    #[serde(default)]
    pub sign_in: SignInConfig,
    /// Names of views to pull; if left out, the five of the audit source.
    #[serde(default)]
    pub views: Vec<String>,
    /// Minutes between two pulls, up to a day. Each wakes the warehouse for a minute at least.
    #[serde(default = "interval_minutes")]
    pub interval_minutes: u32,
    /// How far the first pull reaches back, up to a year. What is older than the first pull alerts nobody.
    #[serde(default = "backfill_hours")]
    pub backfill_hours: u32,
    /// Minutes between two snapshots of users, roles, grants and their kin, an hour at least; 0: none are taken.
    #[serde(default = "state_minutes")]
    pub state_minutes: u32,
    /// Names of state views to take snapshots of; if left out, all that the account shows.
    #[serde(default)]
    pub state_views: Vec<String>,
    /// Minutes of silence after which somebody is told; 0: nobody is.
    #[serde(default)]
    pub no_data_minutes: NoDataMinutes,
    /// What of it is dropped.
    #[serde(default)]
    pub filters: FilterConfig,
}

/// How we prove who we are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInConfig {
    /// With a private key of the owner's.
    KeyPair {
        private_key: Secret,
        #[serde(default)]
        passphrase: Option<Secret>,
    },
    /// With the key that Uncia made and keeps sealed: `uncia snowflake key`.
    #[default]
    SealedKeyPair,
    /// With a programmatic access token.
    AccessToken {
        token: Secret,
        /// The last day on which it is good, as `2027-01-31`: somebody is told two weeks before.
        #[serde(default)]
        expires: Option<String>,
    },
    /// With an OAuth client of the owner's: `uncia snowflake authorise` asks for consent.
    #[serde(rename = "oauth")]
    OAuth {
        client_id: Secret,
        client_secret: Secret,
        /// As registered in the security integration: `https://<this host>/snowflake/oauth/callback`.
        redirect_uri: String,
        /// Days that a consent lasts: the integration's `OAUTH_REFRESH_TOKEN_VALIDITY`, at most 90.
        #[serde(default = "consent_days")]
        consent_days: u32,
    },
    /// With what the machine is: a token that a platform writes into a file.
    WorkloadIdentity {
        /// aws, azure, gcp or oidc.
        provider: WorkloadProvider,
        token_file: PathBuf,
    },
}

fn user() -> String {
    "UNCIA_AUDIT_VIEW_USER".to_owned()
}

fn role() -> String {
    "UNCIA_AUDIT_VIEW_ROLE".to_owned()
}

const fn consent_days() -> u32 {
    90
}

const fn interval_minutes() -> u32 {
    15
}

const fn backfill_hours() -> u32 {
    24
}

const fn state_minutes() -> u32 {
    60
}

/// A source that cannot be pulled as configured.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SnowflakeSourceError {
    #[error("Snowflake source `{id}`: there is no view {view}; known are {}", known_views().join(", "))]
    View { id: SourceId, view: String },
    #[error(
        "Snowflake source `{id}`: there is no state view {view}; known are {}",
        STATE_VIEWS.iter().map(|view| view.name).collect::<Vec<_>>().join(", ")
    )]
    StateView { id: SourceId, view: String },
    #[error("Snowflake source `{id}`: {field} must be {bounds}, not {value}")]
    Bounds { id: SourceId, field: &'static str, bounds: &'static str, value: u32 },
    #[error("Snowflake source `{id}`: sign_in.expires must be a day such as 2027-01-31, not {value}")]
    Expires { id: SourceId, value: String },
    #[error("Snowflake source `{id}`: database and schema go together")]
    Place { id: SourceId },
}

impl SnowflakeSourceConfig {
    /// What can be wrong without asking the account.
    pub fn check(&self) -> Result<(), SnowflakeSourceError> {
        let out_of_bounds =
            |field, bounds, value| Err(SnowflakeSourceError::Bounds { id: self.id.clone(), field, bounds, value });
        if !(1..=1_440).contains(&self.interval_minutes) {
            return out_of_bounds("interval_minutes", "1 to 1440", self.interval_minutes);
        }
        if !(1..=8_760).contains(&self.backfill_hours) {
            return out_of_bounds("backfill_hours", "1 to 8760", self.backfill_hours);
        }
        if self.state_minutes > 0 && self.state_minutes < 60 {
            return out_of_bounds("state_minutes", "0 or at least 60", self.state_minutes);
        }
        if let Some(Err(value)) = self.token_expires() {
            return Err(SnowflakeSourceError::Expires { id: self.id.clone(), value });
        }
        if self.database.is_some() != self.schema.is_some() {
            return Err(SnowflakeSourceError::Place { id: self.id.clone() });
        }
        if let Some(view) = self.views.iter().find(|view| !known_views().contains(&view.to_uppercase().as_str())) {
            return Err(SnowflakeSourceError::View { id: self.id.clone(), view: view.clone() });
        }
        let is_state = |name: &str| STATE_VIEWS.iter().any(|view| view.name.eq_ignore_ascii_case(name));
        match self.state_views.iter().find(|view| !is_state(view)) {
            Some(view) => Err(SnowflakeSourceError::StateView { id: self.id.clone(), view: view.clone() }),
            None => Ok(()),
        }
    }

    /// The views to take snapshots of; none if none are to be taken.
    #[must_use]
    pub fn snapshot_views(&self) -> Vec<&'static StateView> {
        let chosen = |view: &&StateView| {
            self.state_views.is_empty() || self.state_views.iter().any(|name| name.eq_ignore_ascii_case(view.name))
        };
        STATE_VIEWS.iter().filter(|_| self.state_minutes > 0).filter(chosen).collect()
    }

    /// The views to pull.
    #[must_use]
    pub fn audit_views(&self) -> Vec<&'static AuditView> {
        let chosen = |view: &&AuditView| match &*self.views {
            [] => view.by_default,
            names => names.iter().any(|name| name.eq_ignore_ascii_case(view.name)),
        };
        AUDIT_VIEWS.iter().filter(chosen).collect()
    }

    /// The log types of its events.
    pub fn log_types(&self) -> impl Iterator<Item = LogType> {
        self.audit_views().into_iter().map(|view| LogType::from(view.log_type))
    }

    /// When the configured access token ends, if the owner has said so; what they have said, if it is no day.
    pub fn token_expires(&self) -> Option<Result<Timestamp, String>> {
        let SignInConfig::AccessToken { expires: Some(day), .. } = &self.sign_in else { return None };
        let end = day.parse::<jiff::civil::Date>().and_then(|day| day.tomorrow()?.to_zoned(jiff::tz::TimeZone::UTC));
        Some(end.map(|end| Timestamp::from_micros(end.timestamp().as_microsecond())).map_err(|_| day.clone()))
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(self.id.as_str())
    }

    /// Database and schema of the views.
    #[must_use]
    pub fn place(&self) -> (&str, &str) {
        (self.database.as_deref().unwrap_or("SNOWFLAKE"), self.schema.as_deref().unwrap_or("ACCOUNT_USAGE"))
    }
}

fn known_views() -> Vec<&'static str> {
    let mut names: Vec<&str> = AUDIT_VIEWS.iter().map(|view| view.name).collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> SnowflakeSourceConfig {
        toml::from_str(&format!("id = \"prod\"\naccount = \"acme-main\"\nwarehouse = \"WH\"\n{text}")).unwrap()
    }

    #[test]
    fn defaults_are_the_audit_source() {
        let config = config("");
        let names: Vec<&str> = config.audit_views().iter().map(|view| view.name).collect();
        assert_eq!(names, ["LOGIN_HISTORY", "SESSIONS", "QUERY_HISTORY", "ACCESS_HISTORY", "DATA_TRANSFER_HISTORY"]);
        assert!(matches!(config.sign_in, SignInConfig::SealedKeyPair));
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn mistakes_name_the_field() {
        for (text, expected) in [
            ("interval_minutes = 0", "interval_minutes must be 1 to 1440, not 0"),
            ("state_minutes = 5", "state_minutes must be 0 or at least 60, not 5"),
            (
                "sign_in = { method = \"access_token\", token = \"env:T\", expires = \"soon\" }",
                "sign_in.expires must be a day such as 2027-01-31, not soon",
            ),
            ("state_views = [\"USER\"]", "there is no state view USER; known are USERS, ROLES"),
            ("database = \"d\"", "database and schema go together"),
            ("views = [\"usage_history\"]", "there is no view usage_history; known are LOGIN_HISTORY, SESSIONS"),
        ] {
            let error = config(text).check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn ways_to_sign_in() {
        let config =
            config("sign_in = { method = \"oauth\", client_id = \"i\", client_secret = \"s\", redirect_uri = \"r\" }");
        assert!(matches!(&config.sign_in, SignInConfig::OAuth { client_secret, .. } if client_secret.expose() == "s"));
        assert!(!format!("{config:?}").contains("\"s\""));
    }
}
