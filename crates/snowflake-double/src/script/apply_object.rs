//! Stages, tasks, procedures, tables, policies of passwords and sessions, shares: made, altered and dropped.
//!
//! What they would do is nobody's business here; who owns them, how they are set and who may use them is what state views
//! tell of an account.

use super::apply::{Act, created, done, invalid_property, merge, owned_by, texts};
use super::ast::{Change, Create, Kind, Properties, Setting};
use crate::account::schema_object::SchemaObject;
use crate::failure::SqlFailure;
use crate::results::ResultSet;

const PASSWORD_POLICY: &[&str] = &[
    "PASSWORD_MIN_LENGTH",
    "PASSWORD_MAX_LENGTH",
    "PASSWORD_MIN_UPPER_CASE_CHARS",
    "PASSWORD_MIN_LOWER_CASE_CHARS",
    "PASSWORD_MIN_NUMERIC_CHARS",
    "PASSWORD_MIN_SPECIAL_CHARS",
    "PASSWORD_MIN_AGE_DAYS",
    "PASSWORD_MAX_AGE_DAYS",
    "PASSWORD_MAX_RETRIES",
    "PASSWORD_LOCKOUT_TIME_MINS",
    "PASSWORD_HISTORY",
    "COMMENT",
];
const SESSION_POLICY: &[&str] = &[
    "SESSION_IDLE_TIMEOUT_MINS",
    "SESSION_UI_IDLE_TIMEOUT_MINS",
    "ALLOWED_SECONDARY_ROLES",
    "BLOCKED_SECONDARY_ROLES",
    "COMMENT",
];
const STAGE: &[&str] = &[
    "URL",
    "STORAGE_INTEGRATION",
    "CREDENTIALS",
    "ENCRYPTION",
    "DIRECTORY",
    "FILE_FORMAT",
    "COPY_OPTIONS",
    "ENDPOINT",
    "COMMENT",
];
const SHARE: &[&str] = &["ACCOUNTS", "SECURE_OBJECTS_ONLY", "COMMENT"];
/// A statement behind AS, which is kept and not read.
pub(super) const BODY: &str = "AS";

/// What a password policy asks for where its maker said nothing.
const PASSWORD_LENGTH: i64 = 14;
/// Minutes, likewise of session policies.
const SESSION_MINUTES: i64 = 240;

pub(super) fn create(
    act: &mut Act<'_>,
    mode: Create,
    kind: Kind,
    path: &[String],
    properties: Properties,
) -> Result<ResultSet, SqlFailure> {
    let name = full_name(act, kind, path)?;
    may_create(act, kind, &name)?;
    check(act, kind, &properties)?;
    let key = (kind, name.clone());
    if !Act::admit(mode, act.account.objects.contains_key(&key), &name)? {
        return Ok(created(kind, &name));
    }
    remove(act, kind, &name);
    let mut properties = texts(properties);
    let default = |properties: &mut std::collections::BTreeMap<String, String>, property: &str, value: i64| {
        properties.entry(property.to_owned()).or_insert_with(|| value.to_string());
    };
    match kind {
        Kind::PasswordPolicy => default(&mut properties, "PASSWORD_MIN_LENGTH", PASSWORD_LENGTH),
        Kind::SessionPolicy => {
            default(&mut properties, "SESSION_IDLE_TIMEOUT_MINS", SESSION_MINUTES);
            default(&mut properties, "SESSION_UI_IDLE_TIMEOUT_MINS", SESSION_MINUTES);
        }
        _ => {}
    }
    let (id, now, owner) = (act.account.next_id(), act.now, act.session.role.clone());
    let owned = owned_by(&owner, kind.privilege_name(), &name, now);
    let object = SchemaObject { id, name: name.clone(), properties, owner, created: now, altered: now, dropped: None };
    act.account.objects.insert(key, object);
    act.account.grants.add(owned);
    Ok(created(kind, &name))
}

pub(super) fn alter(
    act: &mut Act<'_>,
    kind: Kind,
    if_exists: bool,
    path: &[String],
    change: Change,
) -> Result<ResultSet, SqlFailure> {
    let name = full_name(act, kind, path)?;
    let key = (kind, name.clone());
    if !act.account.objects.contains_key(&key) {
        return if if_exists { Ok(done()) } else { Err(SqlFailure::not_found(kind.name(), &name)) };
    }
    may_change(act, kind, &name)?;
    if let Change::Set(properties) | Change::Add(properties) = &change {
        check(act, kind, properties)?;
    }
    let now = act.now;
    if let Some(object) = act.account.objects.get_mut(&key) {
        merge(&mut object.properties, change);
        object.altered = now;
    }
    Ok(done())
}

/// Whether there was such an object.
pub(super) fn drop(act: &mut Act<'_>, kind: Kind, path: &[String]) -> Result<bool, SqlFailure> {
    let name = full_name(act, kind, path)?;
    if !act.account.objects.contains_key(&(kind, name.clone())) {
        return Ok(false);
    }
    may_change(act, kind, &name)?;
    if act.account.attached.get(&kind) == Some(&name) {
        return Err(SqlFailure::syntax(format!("{} '{name}' is attached to the account", kind.name().to_lowercase())));
    }
    Ok(remove(act, kind, &name))
}

/// `ALTER ACCOUNT SET PASSWORD POLICY name`, and `UNSET`.
pub(super) fn attach(act: &mut Act<'_>, kind: Kind, path: Option<&[String]>) -> Result<ResultSet, SqlFailure> {
    act.require("SECURITYADMIN", "ATTACH POLICY", "account")?;
    let Some(path) = path else {
        act.account.attached.remove(&kind);
        return Ok(done());
    };
    let name = full_name(act, kind, path)?;
    if !act.account.objects.contains_key(&(kind, name.clone())) {
        return Err(SqlFailure::not_found(kind.name(), &name));
    }
    if act.account.attached.contains_key(&kind) {
        return Err(SqlFailure::syntax(format!("the account has a {} already; unset it", kind.name().to_lowercase())));
    }
    act.account.attached.insert(kind, name);
    Ok(done())
}

fn full_name(act: &mut Act<'_>, kind: Kind, path: &[String]) -> Result<String, SqlFailure> {
    if kind == Kind::Share {
        return super::apply::single(path).map(str::to_owned);
    }
    let (database, schema, name) = act.qualify(path)?;
    act.schema_of(&database, &schema)?;
    Ok(format!("{database}.{schema}.{name}"))
}

fn remove(act: &mut Act<'_>, kind: Kind, name: &str) -> bool {
    let Some(mut object) = act.account.objects.remove(&(kind, name.to_owned())) else { return false };
    object.dropped = Some(act.now);
    act.account.dropped_objects.push((kind, object));
    act.end_grants_on(kind.privilege_name(), name);
    true
}

/// `CREATE <KIND>` on the schema, which SYSADMIN and owners of the schema have; shares are the account's.
fn may_create(act: &Act<'_>, kind: Kind, name: &str) -> Result<(), SqlFailure> {
    if kind == Kind::Share {
        return act.require("ACCOUNTADMIN", "CREATE SHARE", "account");
    }
    let schema = name.rsplit_once('.').map_or(name, |(schema, _)| schema);
    let privilege = format!("CREATE {}", kind.name().to_uppercase());
    let roles = act.roles();
    let privileges = [privilege.as_str(), "OWNERSHIP", "ALL"];
    if roles.contains("SYSADMIN") || act.account.grants.holds(&roles, &privileges, "SCHEMA", schema) {
        return Ok(());
    }
    Err(SqlFailure::insufficient(&format!("schema '{schema}'")))
}

fn may_change(act: &Act<'_>, kind: Kind, name: &str) -> Result<(), SqlFailure> {
    let roles = act.roles();
    if roles.contains("ACCOUNTADMIN") || act.account.grants.holds(&roles, &["OWNERSHIP"], kind.privilege_name(), name) {
        return Ok(());
    }
    Err(SqlFailure::insufficient(&format!("{} '{name}'", kind.name().to_lowercase())))
}

fn check(act: &Act<'_>, kind: Kind, properties: &Properties) -> Result<(), SqlFailure> {
    let known = match kind {
        Kind::PasswordPolicy => PASSWORD_POLICY,
        Kind::SessionPolicy => SESSION_POLICY,
        Kind::Stage => STAGE,
        Kind::Share => SHARE,
        // Schedules, languages and bodies are not judged.
        _ => return Ok(()),
    };
    for (property, value) in properties {
        if !known.contains(&property.as_str()) {
            return Err(invalid_property(property));
        }
        check_value(act, property, value)?;
    }
    Ok(())
}

fn check_value(act: &Act<'_>, property: &str, value: &Setting) -> Result<(), SqlFailure> {
    let text = value.text();
    let fits = match property {
        "PASSWORD_MIN_LENGTH" => text.parse().is_ok_and(|length: u32| (8..=256).contains(&length)),
        "SESSION_IDLE_TIMEOUT_MINS" | "SESSION_UI_IDLE_TIMEOUT_MINS" => {
            text.parse().is_ok_and(|minutes: u32| (5..=240).contains(&minutes))
        }
        "SECURE_OBJECTS_ONLY" => ["TRUE", "FALSE"].contains(&text.to_uppercase().as_str()),
        "STORAGE_INTEGRATION" => {
            let key = (Kind::StorageIntegration.name().to_owned(), text.clone());
            if !act.account.others.contains_key(&key) {
                return Err(SqlFailure::not_found("Integration", &text));
            }
            true
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(SqlFailure::invalid_value(property, &text)) }
}
