//! Rows that follow from the account: what scripts did shows up in USERS, ROLES, grants, policies and credentials.
//!
//! A test can put rows in by hand as well: one of the same name completes and overrides what follows from the account,
//! any other stands for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::account::grants::{Grant, Grantee};
use crate::account::state::Account;
use crate::account::user::User;

type Row = Map<String, Value>;

/// The view with what follows from the account and what was put in; nothing for views that do not follow from it.
pub(crate) fn rows(account: &Account, view: &str, put_in: &[Arc<Row>]) -> Option<Vec<Arc<Row>>> {
    let (derived, key): (Vec<Value>, &str) = match view {
        "USERS" => (account.users.values().chain(&account.dropped_users).map(user).collect(), "NAME"),
        "ROLES" => (
            account
                .roles
                .values()
                .chain(&account.dropped_roles)
                .map(|role| {
                    json!({
                        "ROLE_ID": role.id, "NAME": role.name, "CREATED_ON": time(role.created),
                        "DELETED_ON": role.dropped.map(time), "COMMENT": role.comment, "OWNER": role.owner,
                        "ROLE_TYPE": "ROLE", "OWNER_ROLE_TYPE": "ROLE",
                    })
                })
                .collect(),
            "NAME",
        ),
        "GRANTS_TO_USERS" => (account.grants.all.iter().filter_map(to_user).collect(), ""),
        "GRANTS_TO_ROLES" => (account.grants.all.iter().filter_map(to_role).collect(), ""),
        "NETWORK_POLICIES" => (
            account
                .policies
                .values()
                .map(|policy| {
                    json!({
                        "NAME": policy.name, "CREATED": time(policy.created), "COMMENT": policy.comment,
                        "OWNER": "SECURITYADMIN", "OWNER_ROLE_TYPE": "ROLE",
                        "ALLOWED_IP_LIST": policy.allowed_addresses.join(","),
                        "BLOCKED_IP_LIST": policy.blocked_addresses.join(","),
                        "ALLOWED_NETWORK_RULE_LIST": policy.allowed_rules.join(","),
                        "BLOCKED_NETWORK_RULE_LIST": policy.blocked_rules.join(","),
                    })
                })
                .collect(),
            "NAME",
        ),
        "NETWORK_RULES" => (
            account
                .rules
                .values()
                .map(|rule| {
                    let mut parts = rule.name.splitn(3, '.');
                    let (database, schema, name) = (parts.next(), parts.next(), parts.next());
                    json!({
                        "NAME": name, "SCHEMA": schema, "DATABASE": database, "CREATED": time(rule.created),
                        "COMMENT": rule.comment, "TYPE": rule.kind, "MODE": rule.mode,
                        "VALUE_LIST": rule.values.join(","),
                    })
                })
                .collect(),
            "NAME",
        ),
        "CREDENTIALS" => (account.users.values().flat_map(credentials).collect(), "CREDENTIAL_ID"),
        _ => return None,
    };
    let mut all: Vec<Row> = derived.into_iter().map(object).collect();
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    for (place, row) in all.iter().enumerate() {
        let dropped = ["DELETED_ON", "DELETED"].iter().any(|name| row.get(*name).is_some_and(|at| !at.is_null()));
        if let Some(Value::String(name)) = row.get(key)
            && !dropped
        {
            by_key.insert(name.clone(), place);
        }
    }
    for row in put_in {
        let place = row.get(key).and_then(Value::as_str).and_then(|name| by_key.get(name));
        match place {
            Some(place) => all[*place].extend(row.as_ref().clone()),
            None => all.push(row.as_ref().clone()),
        }
    }
    Some(all.into_iter().map(Arc::new).collect())
}

fn object(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        other => unreachable!("rows are written as objects, not {other}"),
    }
}

/// RFC 3339 of micros.
pub(crate) fn time(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map(|at| at.to_string()).unwrap_or_default()
}

fn user(user: &User) -> Value {
    let text = |name: &str| user.property(name);
    let has_key = user.keys.iter().any(Option::is_some) || !user.pairs.is_empty();
    let has_password = if user.is_service() { Value::Null } else { json!(text("PASSWORD").is_some()) };
    json!({
        "USER_ID": user.id, "NAME": user.name, "CREATED_ON": time(user.created),
        "DELETED_ON": user.dropped.map(time), "LOGIN_NAME": user.login_name,
        "DISPLAY_NAME": text("DISPLAY_NAME").unwrap_or(&user.name), "FIRST_NAME": text("FIRST_NAME"),
        "LAST_NAME": text("LAST_NAME"), "EMAIL": text("EMAIL"),
        "MUST_CHANGE_PASSWORD": text("MUST_CHANGE_PASSWORD").is_some_and(|value| value.eq_ignore_ascii_case("true")),
        "HAS_PASSWORD": has_password, "COMMENT": text("COMMENT"), "DISABLED": user.disabled(),
        "SNOWFLAKE_LOCK": false, "DEFAULT_WAREHOUSE": text("DEFAULT_WAREHOUSE"),
        "DEFAULT_NAMESPACE": text("DEFAULT_NAMESPACE"), "DEFAULT_ROLE": text("DEFAULT_ROLE"),
        "EXT_AUTHN_DUO": false, "EXT_AUTHN_UID": text("EXT_AUTHN_UID"), "HAS_MFA": false,
        "HAS_RSA_PUBLIC_KEY": has_key, "OWNER": user.owner,
        "PASSWORD_LAST_SET_TIME": text("PASSWORD").map(|_| time(user.created)),
        "LAST_SUCCESS_LOGIN": user.last_login.map(time),
        "DEFAULT_SECONDARY_ROLE": if user.uses_secondary_roles() { r#"["ALL"]"# } else { "[]" },
        "HAS_PAT": !user.tokens.is_empty(), "HAS_WORKLOAD_IDENTITY": false, "TYPE": text("TYPE"),
        "IS_FROM_ORGANIZATION_USER": false,
    })
}

fn to_user(grant: &Grant) -> Option<Value> {
    let Grantee::User(user) = &grant.to else { return None };
    (grant.on == "ROLE").then(|| {
        json!({
            "CREATED_ON": time(grant.created), "DELETED_ON": grant.deleted.map(time), "ROLE": grant.name,
            "GRANTED_TO": "USER", "GRANTEE_NAME": user, "GRANTED_BY": grant.by,
        })
    })
}

fn to_role(grant: &Grant) -> Option<Value> {
    let Grantee::Role(role) = &grant.to else { return None };
    let parts: Vec<&str> = grant.name.split('.').collect();
    let (catalog, schema, name) = match (grant.on.as_str(), parts.as_slice()) {
        ("VIEW" | "TABLE", [database, schema, name]) => (Some(*database), Some(*schema), *name),
        ("SCHEMA" | "DATABASE_ROLE", [database, name]) => (Some(*database), None, *name),
        _ => (None, None, grant.name.as_str()),
    };
    Some(json!({
        "CREATED_ON": time(grant.created), "MODIFIED_ON": time(grant.deleted.unwrap_or(grant.created)),
        "PRIVILEGE": grant.privilege, "GRANTED_ON": grant.on, "NAME": name, "TABLE_CATALOG": catalog,
        "TABLE_SCHEMA": schema, "GRANTED_TO": "ACCOUNT ROLE", "GRANTEE_NAME": role, "GRANT_OPTION": grant.grant_option,
        "GRANTED_BY": grant.by, "DELETED_ON": grant.deleted.map(time), "GRANTED_BY_ROLE_TYPE": "ROLE",
    }))
}

fn credentials(user: &User) -> Vec<Value> {
    let row = |kind: &str, name: &str, created: i64, expires: Option<i64>, details: Value| {
        json!({
            "CREDENTIAL_ID": format!("{}-{kind}-{name}", user.id), "NAME": name, "USER_NAME": user.name, "TYPE": kind,
            "STATUS": "ACTIVE", "ADDITIONAL_DETAILS": details, "CREATED_ON": time(created),
            "LAST_ALTERED": time(created), "EXPIRATION_DATE": expires.map(time), "CREATED_BY": user.owner,
        })
    };
    let slots = user.keys.iter().zip(["RSA_PUBLIC_KEY", "RSA_PUBLIC_KEY_2"]).filter_map(|(slot, name)| {
        let held = slot.as_ref()?;
        Some(row("KEYPAIR", name, held.set_at, None, json!({"PUBLIC_KEY_FP": held.key.fingerprint})))
    });
    let pairs = user.pairs.iter().map(|(name, pair)| {
        row("KEYPAIR", name, pair.created, pair.expires, json!({"PUBLIC_KEY_FP": pair.key.fingerprint}))
    });
    let tokens = user.tokens.iter().map(|(name, token)| {
        let details = json!({"ROLE_RESTRICTION": token.role_restriction});
        row("PAT", name, token.created, Some(token.expires), details)
    });
    slots.chain(pairs).chain(tokens).collect()
}
