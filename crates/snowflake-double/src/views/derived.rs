//! Rows that follow from the account: what scripts did shows up in USERS, ROLES, grants, policies and credentials.
//!
//! A test can put rows in by hand as well: one of the same name completes and overrides what follows from the account,
//! any other stands for itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::account::grants::{Grant, Grantee};
use crate::account::schema_object::SchemaObject;
use crate::account::state::Account;
use crate::account::user::User;
use crate::script::Kind;

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
                        "ID": policy.id, "NAME": policy.name, "CREATED": time(policy.created), "COMMENT": policy.comment,
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
                        "ID": rule.id, "NAME": name, "SCHEMA": schema, "DATABASE": database, "CREATED": time(rule.created),
                        "COMMENT": rule.comment, "TYPE": rule.kind, "MODE": rule.mode,
                        "VALUE_LIST": rule.values.join(","),
                    })
                })
                .collect(),
            "NAME",
        ),
        "CREDENTIALS" => (account.users.values().flat_map(credentials).collect(), "CREDENTIAL_ID"),
        "PASSWORD_POLICIES" => (objects(account, Kind::PasswordPolicy, policy), "NAME"),
        "SESSION_POLICIES" => (objects(account, Kind::SessionPolicy, policy), "NAME"),
        "STAGES" => (objects(account, Kind::Stage, stage), "STAGE_NAME"),
        "SHARES" => (objects(account, Kind::Share, |object| share(account, object)), "NAME"),
        "GRANTS_TO_SHARES" => (account.grants.all.iter().filter_map(to_share).collect(), ""),
        _ => return None,
    };
    let mut all: Vec<Arc<Row>> = derived.into_iter().map(|row| Arc::new(object(row))).collect();
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
            Some(place) => Arc::make_mut(&mut all[*place]).extend(row.as_ref().clone()),
            None => all.push(Arc::clone(row)),
        }
    }
    Some(all)
}

fn objects(account: &Account, kind: Kind, row: impl Fn(&SchemaObject) -> Value) -> Vec<Value> {
    let present = account.objects.iter().filter(|((of, _), _)| *of == kind).map(|(_, object)| object);
    let dropped = account.dropped_objects.iter().filter(|(of, _)| *of == kind).map(|(_, object)| object);
    present.chain(dropped).map(row).collect()
}

/// Of passwords or sessions: each setting is a column.
fn policy(policy: &SchemaObject) -> Value {
    let (database, schema, name) = policy.parts();
    let mut row = json!({
        "ID": policy.id, "NAME": name, "SCHEMA": schema, "DATABASE": database, "OWNER": policy.owner,
        "OWNER_ROLE_TYPE": "ROLE", "CREATED": time(policy.created), "LAST_ALTERED": time(policy.altered),
        "DELETED": policy.dropped.map(time), "COMMENT": policy.property("COMMENT"),
    });
    for property in policy.properties.keys().filter(|name| name.starts_with("PASSWORD_") || name.ends_with("_MINS")) {
        row[property] = json!(policy.number(property));
    }
    row
}

fn stage(stage: &SchemaObject) -> Value {
    let (database, schema, name) = stage.parts();
    let url = stage.property("URL");
    json!({
        "STAGE_ID": stage.id, "STAGE_NAME": name, "STAGE_SCHEMA": schema, "STAGE_CATALOG": database, "STAGE_URL": url,
        "STAGE_TYPE": if url.is_some() { "External Named" } else { "Internal Named" }, "STAGE_OWNER": stage.owner,
        "OWNER_ROLE_TYPE": "ROLE", "COMMENT": stage.property("COMMENT"), "CREATED": time(stage.created),
        "LAST_ALTERED": time(stage.altered), "DELETED": stage.dropped.map(time),
        "STORAGE_INTEGRATION": stage.property("STORAGE_INTEGRATION"), "ENDPOINT": stage.property("ENDPOINT"),
        "DIRECTORY_ENABLED": if stage.property("DIRECTORY").is_some() { "YES" } else { "NO" },
    })
}

/// A share belongs to the database whose use it grants.
fn share(account: &Account, share: &SchemaObject) -> Value {
    let database = account.grants.open().find(|grant| {
        grant.on == "DATABASE" && grant.privilege == "USAGE" && grant.to == Grantee::Share(share.name.clone())
    });
    let is_strict = share.property("SECURE_OBJECTS_ONLY").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    json!({
        "NAME": share.name, "OWNER": share.owner, "COMMENT": share.property("COMMENT"),
        "CREATED_ON": time(share.created), "MODIFIED_ON": time(share.altered), "DELETED_ON": share.dropped.map(time),
        "DATABASE_NAME": database.map(|grant| &grant.name), "SECURE_OBJECTS_ONLY": is_strict,
        "TARGET_ACCOUNTS": share.property("ACCOUNTS").map(|accounts| accounts.replace(',', ", ")),
    })
}

/// What rows of grants say whoever has got them.
fn given(grant: &Grant, to: &str, grantee: &str) -> Value {
    let (catalog, schema, name) = object_name(grant);
    json!({
        "CREATED_ON": time(grant.created), "MODIFIED_ON": time(grant.deleted.unwrap_or(grant.created)),
        "PRIVILEGE": grant.privilege, "GRANTED_ON": grant.on, "NAME": name, "TABLE_CATALOG": catalog,
        "TABLE_SCHEMA": schema, "GRANTED_TO": to, "GRANTEE_NAME": grantee, "GRANTED_BY": grant.by,
        "DELETED_ON": grant.deleted.map(time),
    })
}

fn to_share(grant: &Grant) -> Option<Value> {
    let Grantee::Share(share) = &grant.to else { return None };
    Some(given(grant, "SHARE", share))
}

/// Database, schema and name of what a grant is about.
fn object_name(grant: &Grant) -> (Option<&str>, Option<&str>, &str) {
    let parts: Vec<&str> = grant.name.split('.').collect();
    match (grant.on.as_str(), parts.as_slice()) {
        ("SCHEMA" | "DATABASE_ROLE", [database, name]) => (Some(*database), None, *name),
        ("ROLE" | "USER" | "ACCOUNT" | "WAREHOUSE" | "INTEGRATION", _) => (None, None, grant.name.as_str()),
        (_, [database, schema, name]) => (Some(*database), Some(*schema), *name),
        _ => (None, None, grant.name.as_str()),
    }
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
        "EXT_AUTHN_DUO": false, "EXT_AUTHN_UID": text("EXT_AUTHN_UID"), "HAS_MFA": user.has_second_factor,
        "BYPASS_MFA_UNTIL": user.bypasses_second_factor_until.map(time),
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
    let mut row = given(grant, "ACCOUNT ROLE", role);
    row["GRANT_OPTION"] = grant.grant_option.into();
    row["GRANTED_BY_ROLE_TYPE"] = "ROLE".into();
    Some(row)
}

fn credentials(user: &User) -> Vec<Value> {
    let row = |kind: &str, name: &str, created: i64, expires: Option<i64>, details: Value| {
        json!({
            "CREDENTIAL_ID": format!("{}-{kind}-{name}", user.id), "NAME": name, "USER_NAME": user.name, "TYPE": kind,
            "DOMAIN": "USER", "STATUS": "ACTIVE", "ADDITIONAL_DETAILS": details, "CREATED_ON": time(created),
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
