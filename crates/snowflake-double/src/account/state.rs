//! The account as a whole, and the questions that requests ask of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::grants::{Grant, Grantee, Grants};
use super::network::{NetworkPolicy, NetworkRule};
use super::objects::{Database, Integration, Role, Warehouse};
use super::schema_object::SchemaObject;
use super::user::User;
use crate::failure::SqlFailure;
use crate::script::Kind;

/// Roles that every account has.
pub(crate) const SYSTEM_ROLES: [&str; 6] =
    ["ACCOUNTADMIN", "SECURITYADMIN", "USERADMIN", "SYSADMIN", "ORGADMIN", "PUBLIC"];

/// Database roles of SNOWFLAKE that open views of `ACCOUNT_USAGE`.
pub(crate) const DATABASE_ROLES: [&str; 4] = ["OBJECT_VIEWER", "USAGE_VIEWER", "GOVERNANCE_VIEWER", "SECURITY_VIEWER"];

/// What the account is called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) organization: String,
    pub(crate) account: String,
    pub(crate) locator: String,
    pub(crate) region: String,
}

impl Names {
    /// What people sign in to: `ORG-ACCOUNT`.
    pub(crate) fn identifier(&self) -> String {
        format!("{}-{}", self.organization, self.account)
    }
}

/// Everything that scripts can change.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) names: Names,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) dropped_users: Vec<User>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) dropped_roles: Vec<Role>,
    pub(crate) warehouses: BTreeMap<String, Warehouse>,
    pub(crate) databases: BTreeMap<String, Database>,
    pub(crate) grants: Grants,
    pub(crate) rules: BTreeMap<String, NetworkRule>,
    pub(crate) policies: BTreeMap<String, NetworkPolicy>,
    pub(crate) integrations: BTreeMap<String, Integration>,
    /// Stages, tasks, policies of passwords and their kin.
    pub(crate) objects: BTreeMap<(Kind, String), SchemaObject>,
    pub(crate) dropped_objects: Vec<(Kind, SchemaObject)>,
    /// Policies that hold for everybody.
    pub(crate) attached: BTreeMap<Kind, String>,
    /// Resource monitors and other objects that scripts make and nothing here depends on: kind and name to properties.
    pub(crate) others: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// Account parameters that were set.
    pub(crate) parameters: BTreeMap<String, String>,
    next_id: u64,
}

impl Account {
    /// An account as it is handed over: the system roles, and ADMIN who holds ACCOUNTADMIN.
    pub(crate) fn new(names: Names, now: i64) -> Self {
        let mut account = Self {
            names,
            users: BTreeMap::new(),
            dropped_users: Vec::new(),
            roles: BTreeMap::new(),
            dropped_roles: Vec::new(),
            warehouses: BTreeMap::new(),
            databases: BTreeMap::new(),
            grants: Grants::default(),
            rules: BTreeMap::new(),
            policies: BTreeMap::new(),
            integrations: BTreeMap::new(),
            objects: BTreeMap::new(),
            dropped_objects: Vec::new(),
            attached: BTreeMap::new(),
            others: BTreeMap::new(),
            parameters: BTreeMap::new(),
            next_id: 1,
        };
        for name in SYSTEM_ROLES {
            account.add_role(name, None, "", now);
        }
        for (role, to) in
            [("SECURITYADMIN", "ACCOUNTADMIN"), ("SYSADMIN", "ACCOUNTADMIN"), ("USERADMIN", "SECURITYADMIN")]
        {
            account.grants.add(Grant {
                privilege: "USAGE".to_owned(),
                on: "ROLE".to_owned(),
                name: role.to_owned(),
                to: Grantee::Role(to.to_owned()),
                created: now,
                deleted: None,
                by: String::new(),
                grant_option: false,
            });
        }
        let id = account.next_id();
        account.users.insert(
            "ADMIN".to_owned(),
            User {
                id,
                name: "ADMIN".to_owned(),
                login_name: "ADMIN".to_owned(),
                created: now,
                owner: "ACCOUNTADMIN".to_owned(),
                ..User::default()
            },
        );
        account.grants.add(Grant {
            privilege: "USAGE".to_owned(),
            on: "ROLE".to_owned(),
            name: "ACCOUNTADMIN".to_owned(),
            to: Grantee::User("ADMIN".to_owned()),
            created: now,
            deleted: None,
            by: String::new(),
            grant_option: false,
        });
        account
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn add_role(&mut self, name: &str, comment: Option<String>, owner: &str, now: i64) {
        let id = self.next_id();
        let role = Role { id, name: name.to_owned(), comment, created: now, dropped: None, owner: owner.to_owned() };
        self.roles.insert(name.to_owned(), role);
    }

    pub(crate) fn user_by_login(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login_name == login)
    }

    pub(crate) fn user(&self, name: &str) -> Result<&User, SqlFailure> {
        self.users.get(name).ok_or_else(|| SqlFailure::not_found("User", name))
    }

    /// Whether the user may act in the role; everybody may be PUBLIC.
    pub(crate) fn may_assume(&self, user: &str, role: &str) -> bool {
        let held = self.grants.closure(self.grants.roles_of_user(user));
        self.roles.contains_key(role) && held.contains(role)
    }

    /// All roles whose privileges count for a statement.
    pub(crate) fn effective_roles(&self, user: &str, role: &str, secondary: bool) -> BTreeSet<String> {
        let mut roles = BTreeSet::from([role.to_owned(), "PUBLIC".to_owned()]);
        if secondary {
            roles.extend(self.grants.roles_of_user(user));
        }
        self.grants.closure(roles)
    }

    /// A view of `ACCOUNT_USAGE` opens to its database role, to imported privileges, and to ACCOUNTADMIN.
    pub(crate) fn may_read_usage(&self, roles: &BTreeSet<String>, database_role: &str) -> bool {
        roles.contains("ACCOUNTADMIN")
            || roles.contains(&format!("SNOWFLAKE.{database_role}"))
            || self.grants.holds(roles, &["IMPORTED PRIVILEGES"], "DATABASE", "SNOWFLAKE")
    }

    /// A view elsewhere wants SELECT on it and USAGE on its schema and database.
    pub(crate) fn may_select(&self, roles: &BTreeSet<String>, database: &str, schema: &str, name: &str) -> bool {
        if roles.contains("ACCOUNTADMIN") {
            return true;
        }
        let usage = ["USAGE", "OWNERSHIP", "ALL"];
        let select = ["SELECT", "OWNERSHIP", "ALL"];
        let schema_name = format!("{database}.{schema}");
        let full = format!("{schema_name}.{name}");
        self.grants.holds(roles, &usage, "DATABASE", database)
            && self.grants.holds(roles, &usage, "SCHEMA", &schema_name)
            && (self.grants.holds(roles, &select, "VIEW", &full) || self.grants.holds(roles, &select, "TABLE", &full))
    }

    pub(crate) fn may_use_warehouse(&self, roles: &BTreeSet<String>, warehouse: &str) -> bool {
        self.warehouses.contains_key(warehouse)
            && (roles.contains("ACCOUNTADMIN")
                || self.grants.holds(roles, &["USAGE", "OPERATE", "OWNERSHIP", "ALL"], "WAREHOUSE", warehouse))
    }

    /// The user's own network policy replaces the account's.
    pub(crate) fn admits(&self, user: &User, address: IpAddr) -> bool {
        let name =
            user.property("NETWORK_POLICY").or_else(|| self.parameters.get("NETWORK_POLICY").map(String::as_str));
        let Some(policy) = name.and_then(|name| self.policies.get(name)) else { return true };
        policy.admits(address, &|rule| self.rules.get(rule).cloned())
    }

    /// The whole of it for comparing before and after; no secret and no time in it.
    pub(crate) fn describe(&self) -> Value {
        let users: BTreeMap<&String, Value> = self
            .users
            .iter()
            .map(|(name, user)| {
                let slots: Vec<Option<&str>> =
                    user.keys.iter().map(|slot| slot.as_ref().map(|held| held.key.fingerprint.as_str())).collect();
                let pairs: BTreeMap<&String, &str> =
                    user.pairs.iter().map(|(name, pair)| (name, pair.key.fingerprint.as_str())).collect();
                let tokens: Vec<&String> = user.tokens.keys().collect();
                let described = json!({
                    "login_name": user.login_name, "properties": user.properties, "keys": slots, "key_pairs": pairs,
                    "tokens": tokens,
                });
                (name, described)
            })
            .collect();
        let mut grants: Vec<String> = self
            .grants
            .open()
            .map(|grant| {
                let to = match &grant.to {
                    Grantee::Role(role) => format!("role {role}"),
                    Grantee::User(user) => format!("user {user}"),
                    Grantee::Share(share) => format!("share {share}"),
                };
                format!("{} on {} {} to {to}", grant.privilege, grant.on, grant.name)
            })
            .collect();
        grants.sort();
        let roles: BTreeMap<&String, &Option<String>> =
            self.roles.iter().map(|(name, role)| (name, &role.comment)).collect();
        let warehouses: BTreeMap<&String, &BTreeMap<String, String>> =
            self.warehouses.iter().map(|(name, warehouse)| (name, &warehouse.properties)).collect();
        let rules: BTreeMap<&String, &Vec<String>> =
            self.rules.iter().map(|(name, rule)| (name, &rule.values)).collect();
        let policies: BTreeMap<&String, Value> = self
            .policies
            .iter()
            .map(|(name, policy)| {
                let lists = json!([
                    policy.allowed_rules,
                    policy.blocked_rules,
                    policy.allowed_addresses,
                    policy.blocked_addresses
                ]);
                (name, lists)
            })
            .collect();
        let integrations: BTreeMap<&String, &BTreeMap<String, String>> =
            self.integrations.iter().map(|(name, integration)| (name, &integration.properties)).collect();
        let others: BTreeMap<String, &BTreeMap<String, String>> =
            self.others.iter().map(|((kind, name), properties)| (format!("{kind} {name}"), properties)).collect();
        let objects: BTreeMap<String, &BTreeMap<String, String>> = self
            .objects
            .iter()
            .map(|((kind, name), object)| (format!("{} {name}", kind.name()), &object.properties))
            .collect();
        let attached: BTreeMap<&str, &String> = self.attached.iter().map(|(kind, name)| (kind.name(), name)).collect();
        let databases: BTreeMap<&String, BTreeMap<&String, Vec<&String>>> = self
            .databases
            .iter()
            .map(|(name, database)| {
                (name, database.schemas.iter().map(|(schema, views)| (schema, views.keys().collect())).collect())
            })
            .collect();
        json!({
            "users": users, "roles": roles, "grants": grants, "warehouses": warehouses, "databases": databases,
            "network_rules": rules, "network_policies": policies, "integrations": integrations, "others": others,
            "objects": objects, "attached": attached,
            "parameters": self.parameters,
        })
    }
}
