//! How an owner lets us in, and out again: scripts with the least privileges that work.
//!
//! Names and values come from forms and are run by an ACCOUNTADMIN, so every one is checked and quoted. Each script can be run
//! any number of times: what is there is left, what is set is set to the same again.

mod sql;
mod terraform;

use std::collections::BTreeMap;

use crate::DatabaseRole;
use crate::sql::{NameError, check_name};

/// What is to be set up for a source.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The source, for comments over there.
    pub source: String,
    /// Names as SHOW prints them; lower case is kept by quotes.
    pub user: String,
    pub role: String,
    pub warehouse: String,
    /// Whether the warehouse is to be made: the smallest, asleep after a minute.
    pub create_warehouse: bool,
    /// Database and schema of copies of the views, if the owner keeps such.
    pub place: Option<(String, String)>,
    /// Views that are going to be read.
    pub views: Vec<String>,
    /// The whole SNOWFLAKE database in place of the few database roles. It may show the organisation's data too.
    pub imported_privileges: bool,
    pub sign_in: SignIn,
    /// Addresses from which we come, as the owner's network sees them; a network policy lets only them in.
    pub addresses: Vec<String>,
}

/// How we are going to sign in.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// With a key pair, whose public part this is: base64, one line. `second` takes the second slot.
    KeyPair { public_key: String, second: bool },
    /// With a token that the owner makes.
    AccessToken { days: u16 },
    /// With the consent of a person.
    OAuth(OAuthClient),
    /// With what the machine is.
    WorkloadIdentity,
}

/// The security integration of OAuth.
#[derive(Clone, Debug)]
pub struct OAuthClient {
    pub integration: String,
    pub redirect_uri: String,
    /// Seconds until the person has to consent again, an hour to ninety days.
    pub refresh_token_validity: u32,
    /// Each refresh token can be used once and comes with its successor.
    pub single_use: bool,
}

/// The longest consent that Snowflake gives.
pub const LONGEST_CONSENT_SECONDS: u32 = 7_776_000;

/// A set-up that no script can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("no view is chosen, so there is nothing to grant")]
    NoViews,
    #[error("view `{view}` is none of SNOWFLAKE.ACCOUNT_USAGE that is known: give it by IMPORTED PRIVILEGES")]
    View { view: String },
    #[error(
        "`{role}` cannot be the role: an administrator's role sees too much, and OAuth refuses it; name one of its own"
    )]
    Administrator { role: String },
    #[error("the public key is none: it is one line of base64, as `uncia snowflake key` prints it")]
    PublicKey,
    #[error("`{address}` is no address or range such as 192.0.2.10 or 192.0.2.0/28")]
    Address { address: String },
    #[error(
        "redirect URI `{uri}` does not fit: https://<host>/<path> without a query; plain http on this machine only"
    )]
    RedirectUri { uri: String },
    #[error("a consent lasts 3600 to {LONGEST_CONSENT_SECONDS} seconds, not {seconds}")]
    Validity { seconds: u32 },
    #[error("a token lasts 1 to 365 days, not {days}")]
    Days { days: u16 },
}

const ADMINISTRATORS: [&str; 7] =
    ["ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "ORGADMIN", "GLOBALORGADMIN", "PUBLIC"];

impl Setup {
    /// What can be wrong with it.
    pub fn check(&self) -> Result<(), SetupError> {
        check_name("the source's name", &self.source)?;
        check_name("user", &self.user)?;
        check_name("role", &self.role)?;
        check_name("warehouse", &self.warehouse)?;
        if ADMINISTRATORS.iter().any(|name| name.eq_ignore_ascii_case(&self.role)) {
            return Err(SetupError::Administrator { role: self.role.clone() });
        }
        if self.views.is_empty() {
            return Err(SetupError::NoViews);
        }
        for view in &self.views {
            check_name("view", view)?;
            if self.place.is_none() && !self.imported_privileges && DatabaseRole::for_view(view).is_none() {
                return Err(SetupError::View { view: view.clone() });
            }
        }
        if let Some((database, schema)) = &self.place {
            check_name("database", database)?;
            check_name("schema", schema)?;
        }
        if let Some(address) = self.addresses.iter().find(|address| !is_ipv4_range(address)) {
            return Err(SetupError::Address { address: address.clone() });
        }
        self.sign_in.check()
    }

    /// The script that lets us in.
    pub fn sql(&self) -> Result<String, SetupError> {
        self.check()?;
        Ok(sql::script(self))
    }

    /// The script that takes it all away.
    pub fn undo_sql(&self) -> Result<String, SetupError> {
        self.check()?;
        Ok(sql::undo(self))
    }

    /// The same for the Terraform provider `snowflakedb/snowflake`.
    pub fn terraform(&self) -> Result<String, SetupError> {
        self.check()?;
        Ok(terraform::module(self))
    }

    /// The database roles that the chosen views need, each with its views.
    fn database_roles(&self) -> BTreeMap<DatabaseRole, Vec<&str>> {
        let mut roles: BTreeMap<DatabaseRole, Vec<&str>> = BTreeMap::new();
        for view in &self.views {
            let Some(role) = DatabaseRole::for_view(view) else { continue };
            let views = roles.entry(role).or_default();
            if !views.contains(&view.as_str()) {
                views.push(view);
            }
        }
        roles
    }

    fn distinct_views(&self) -> Vec<&str> {
        let mut views: Vec<&str> = Vec::new();
        for view in &self.views {
            if !views.contains(&view.as_str()) {
                views.push(view);
            }
        }
        views
    }

    /// People sign in by OAuth, services by everything else.
    const fn is_person(&self) -> bool {
        matches!(self.sign_in, SignIn::OAuth(_))
    }

    fn network_policy(&self) -> String {
        format!("{}_POLICY", self.user)
    }

    fn comment(&self) -> String {
        format!("Uncia, source {}: reads audit views", self.source)
    }
}

impl SignIn {
    fn check(&self) -> Result<(), SetupError> {
        match self {
            Self::KeyPair { public_key, .. } => {
                let one_line = !public_key.is_empty() && !public_key.contains(char::is_whitespace);
                let fits = one_line && crate::auth::fingerprint_of_public(public_key).is_ok();
                if fits { Ok(()) } else { Err(SetupError::PublicKey) }
            }
            Self::AccessToken { days } if !(1..=365).contains(days) => Err(SetupError::Days { days: *days }),
            Self::OAuth(client) => client.check(),
            Self::AccessToken { .. } | Self::WorkloadIdentity => Ok(()),
        }
    }
}

impl OAuthClient {
    fn check(&self) -> Result<(), SetupError> {
        check_name("integration", &self.integration)?;
        let wrong = || SetupError::RedirectUri { uri: self.redirect_uri.clone() };
        let uri = reqwest::Url::parse(&self.redirect_uri).map_err(|_| wrong())?;
        let local = matches!(uri.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let scheme = uri.scheme() == "https" || (uri.scheme() == "http" && local);
        let bare = uri.query().is_none() && uri.fragment().is_none() && uri.username().is_empty();
        if !scheme || !bare || self.redirect_uri.contains(char::is_whitespace) {
            return Err(wrong());
        }
        if !(3_600..=LONGEST_CONSENT_SECONDS).contains(&self.refresh_token_validity) {
            return Err(SetupError::Validity { seconds: self.refresh_token_validity });
        }
        Ok(())
    }

    fn is_plain_http(&self) -> bool {
        self.redirect_uri.starts_with("http://")
    }
}

fn is_ipv4_range(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "32"));
    address.parse::<std::net::Ipv4Addr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 32)
}

#[cfg(test)]
mod grammar;
#[cfg(test)]
pub(crate) mod tests;
