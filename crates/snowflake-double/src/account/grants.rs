//! Grants, kept with their history as `GRANTS_TO_USERS` and `GRANTS_TO_ROLES` show it: a revoked grant stays, closed.

use std::collections::BTreeSet;

/// One privilege on one object for one grantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) privilege: String,
    /// ROLE, `DATABASE_ROLE`, WAREHOUSE, DATABASE, SCHEMA, VIEW, TABLE, USER, INTEGRATION, ACCOUNT.
    pub(crate) on: String,
    /// The object's full name, parts joined by dots.
    pub(crate) name: String,
    pub(crate) to: Grantee,
    pub(crate) created: i64,
    pub(crate) deleted: Option<i64>,
    pub(crate) by: String,
    pub(crate) grant_option: bool,
}

/// Who holds a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grantee {
    Role(String),
    User(String),
    Share(String),
}

/// All grants that were ever made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    pub(crate) all: Vec<Grant>,
}

impl Grants {
    pub(crate) fn open(&self) -> impl Iterator<Item = &Grant> {
        self.all.iter().filter(|grant| grant.deleted.is_none())
    }

    /// Adds a grant unless it is there already, which changes nothing.
    pub(crate) fn add(&mut self, grant: Grant) {
        let held = self.open().any(|other| {
            other.privilege == grant.privilege
                && other.on == grant.on
                && other.name == grant.name
                && other.to == grant.to
        });
        if !held {
            self.all.push(grant);
        }
    }

    /// Closes what matches; revoking what was never granted is no error in Snowflake.
    pub(crate) fn close(&mut self, now: i64, matches: impl Fn(&Grant) -> bool) {
        for grant in &mut self.all {
            if grant.deleted.is_none() && matches(grant) {
                grant.deleted = Some(now);
            }
        }
    }

    pub(crate) fn roles_of_user(&self, user: &str) -> BTreeSet<String> {
        let mut roles: BTreeSet<String> = self
            .open()
            .filter(|grant| grant.on == "ROLE" && grant.to == Grantee::User(user.to_owned()))
            .map(|grant| grant.name.clone())
            .collect();
        roles.insert("PUBLIC".to_owned());
        roles
    }

    /// The roles and all they inherit.
    pub(crate) fn closure(&self, roles: BTreeSet<String>) -> BTreeSet<String> {
        let mut pending: Vec<String> = roles.iter().cloned().collect();
        let mut all = roles;
        while let Some(role) = pending.pop() {
            let inherited = self.open().filter(|grant| {
                (grant.on == "ROLE" || grant.on == "DATABASE_ROLE")
                    && grant.privilege == "USAGE"
                    && grant.to == Grantee::Role(role.clone())
            });
            for grant in inherited {
                if all.insert(grant.name.clone()) {
                    pending.push(grant.name.clone());
                }
            }
        }
        all
    }

    /// Whether one of the roles holds one of the privileges on the object.
    pub(crate) fn holds(&self, roles: &BTreeSet<String>, privileges: &[&str], on: &str, name: &str) -> bool {
        self.open().any(|grant| {
            let Grantee::Role(role) = &grant.to else { return false };
            grant.on == on
                && grant.name == name
                && privileges.contains(&grant.privilege.as_str())
                && roles.contains(role)
        })
    }
}
