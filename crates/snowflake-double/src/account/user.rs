//! Users, with the two key slots, the named key pairs and the access tokens that let programs in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::key::PublicKey;

/// A user of the account.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Always upper case: Snowflake compares it without case and keeps it so.
    pub(crate) login_name: String,
    pub(crate) created: i64,
    pub(crate) dropped: Option<i64>,
    /// Properties as set, by upper-case name: TYPE, `DEFAULT_ROLE`, `DEFAULT_WAREHOUSE`, `NETWORK_POLICY`, COMMENT, EMAIL, ….
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) keys: [Option<Registered>; 2],
    pub(crate) pairs: BTreeMap<String, KeyPair>,
    pub(crate) tokens: BTreeMap<String, AccessToken>,
    pub(crate) owner: String,
    pub(crate) last_login: Option<i64>,
    /// Whether a second factor is enrolled, which only the user can do.
    pub(crate) has_second_factor: bool,
    pub(crate) bypasses_second_factor_until: Option<i64>,
}

/// A key in one of the two slots.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) key: PublicKey,
    pub(crate) set_at: i64,
}

/// A named key pair; after a rotation the old key stays good for a while.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    pub(crate) key: PublicKey,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) role_restriction: Option<String>,
    pub(crate) disabled: bool,
    pub(crate) previous: Option<(PublicKey, i64)>,
}

/// A programmatic access token. The secret itself is shown once, when it is made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccessToken {
    pub(crate) secret: String,
    pub(crate) role_restriction: Option<String>,
    pub(crate) created: i64,
    pub(crate) expires: i64,
    pub(crate) disabled: bool,
}

impl User {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    pub(crate) fn disabled(&self) -> bool {
        self.property("DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn is_service(&self) -> bool {
        self.property("TYPE").is_some_and(|value| value.eq_ignore_ascii_case("SERVICE"))
    }

    /// Roles beside the primary one count unless the user was told otherwise: ALL is what users have by default.
    pub(crate) fn uses_secondary_roles(&self) -> bool {
        self.property("DEFAULT_SECONDARY_ROLES").is_none_or(|value| value.to_uppercase().contains("ALL"))
    }

    /// The keys that open the door at this time, with the role they are restricted to.
    pub(crate) fn open_keys(&self, now: i64) -> Vec<(&PublicKey, Option<&str>)> {
        let mut keys: Vec<(&PublicKey, Option<&str>)> =
            self.keys.iter().flatten().map(|registered| (&registered.key, None)).collect();
        for pair in self.pairs.values() {
            if pair.disabled || pair.expires.is_some_and(|expires| expires <= now) {
                continue;
            }
            keys.push((&pair.key, pair.role_restriction.as_deref()));
            if let Some((previous, until)) = &pair.previous
                && *until > now
            {
                keys.push((previous, pair.role_restriction.as_deref()));
            }
        }
        keys
    }
}
