//! CREATE USER and ALTER USER: properties, key slots, named key pairs, access tokens.

use super::apply::{Act, created, done, invalid_property, owned_by};
use super::ast::{Create, Kind, Properties, Setting, UserChange};
use crate::account::key::PublicKey;
use crate::account::user::{AccessToken, KeyPair, Registered, User};
use crate::failure::SqlFailure;
use crate::results::ResultSet;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// How long a rotated named key stays good when nothing else is said.
const ROTATED_HOURS: i64 = 24;
const TOKEN_DAYS: i64 = 15;
const TOKEN_DAYS_AT_MOST: i64 = 365;
const TOKENS_AT_MOST: usize = 15;

const KNOWN: [&str; 25] = [
    "TYPE",
    "LOGIN_NAME",
    "DISPLAY_NAME",
    "FIRST_NAME",
    "MIDDLE_NAME",
    "LAST_NAME",
    "EMAIL",
    "PASSWORD",
    "MUST_CHANGE_PASSWORD",
    "DISABLED",
    "DEFAULT_ROLE",
    "DEFAULT_WAREHOUSE",
    "DEFAULT_NAMESPACE",
    "DEFAULT_SECONDARY_ROLES",
    "NETWORK_POLICY",
    "COMMENT",
    "DAYS_TO_EXPIRY",
    "MINS_TO_UNLOCK",
    "MINS_TO_BYPASS_MFA",
    "TIMEZONE",
    "QUERY_TAG",
    "STATEMENT_TIMEOUT_IN_SECONDS",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
    "ENABLE_UNREDACTED_QUERY_SYNTAX_ERROR",
    "EXT_AUTHN_UID",
];

pub(super) fn create(
    act: &mut Act<'_>,
    mode: Create,
    name: &str,
    properties: Properties,
) -> Result<ResultSet, SqlFailure> {
    act.require("USERADMIN", "CREATE USER", "account")?;
    let there = act.account.users.contains_key(name);
    let mut user = User {
        id: 0,
        name: name.to_owned(),
        login_name: name.to_uppercase(),
        created: act.now,
        owner: act.session.role.clone(),
        ..User::default()
    };
    // Properties are judged even when the user is there already: a statement with a fault in it fails each time.
    set(act, &mut user, properties)?;
    if !Act::admit(mode, there, name)? {
        return Ok(created(Kind::User, name));
    }
    let taken = act.account.users.values().any(|other| other.login_name == user.login_name && other.name != name);
    if taken {
        return Err(SqlFailure::already_exists(&user.login_name));
    }
    // A user who is replaced is another one: grants, keys and tokens are gone.
    act.drop_user(name);
    user.id = act.account.next_id();
    let owned = owned_by(&user.owner, "USER", name, act.now);
    act.account.users.insert(name.to_owned(), user);
    act.account.grants.add(owned);
    Ok(created(Kind::User, name))
}

pub(super) fn alter(
    act: &mut Act<'_>,
    if_exists: bool,
    name: &str,
    change: UserChange,
) -> Result<ResultSet, SqlFailure> {
    if !act.account.users.contains_key(name) {
        return if if_exists { Ok(done()) } else { Err(SqlFailure::not_found("User", name)) };
    }
    let roles = act.roles();
    let grants = &act.account.grants;
    let owns = roles.contains("USERADMIN") || grants.holds(&roles, &["OWNERSHIP", "ALL"], "USER", name);
    let keys_only = match &change {
        UserChange::Set(properties) => properties.iter().all(|(name, _)| slot(name).is_some()),
        UserChange::Unset(names) => names.iter().all(|name| slot(name).is_some()),
        UserChange::RenameTo(_) => false,
        _ => true,
    };
    let may_keys = grants.holds(&roles, &["MODIFY PROGRAMMATIC AUTHENTICATION METHODS"], "USER", name);
    let may = owns || (keys_only && may_keys);
    if !may {
        return Err(SqlFailure::insufficient(&format!("user '{name}'")));
    }
    let mut user = act.account.user(name)?.clone();
    let answer = match change {
        UserChange::Set(properties) => {
            set(act, &mut user, properties)?;
            done()
        }
        UserChange::Unset(names) => {
            unset(&mut user, &names)?;
            done()
        }
        UserChange::RenameTo(to) => return rename(act, user, &to),
        UserChange::AddKeyPair { pair, properties } => {
            if user.pairs.contains_key(&pair) {
                return Err(SqlFailure::already_exists(&pair));
            }
            let key = new_pair(act, &properties)?;
            user.pairs.insert(pair, key);
            done()
        }
        UserChange::RotateKeyPair { pair, properties } => {
            rotate(act, &mut user, &pair, &properties)?;
            done()
        }
        UserChange::ModifyKeyPair { pair, properties } => {
            let held = user.pairs.get_mut(&pair).ok_or_else(|| SqlFailure::not_found("Key pair", &pair))?;
            for (property, value) in properties {
                match property.as_str() {
                    "DISABLED" => held.disabled = value.text().eq_ignore_ascii_case("true"),
                    "COMMENT" => {}
                    other => return Err(invalid_property(other)),
                }
            }
            done()
        }
        UserChange::RemoveKeyPair(pair) => {
            user.pairs.remove(&pair).ok_or_else(|| SqlFailure::not_found("Key pair", &pair))?;
            done()
        }
        UserChange::AddToken { token, properties } => add_token(act, &mut user, &token, &properties)?,
        UserChange::RemoveToken(token) => {
            user.tokens.remove(&token).ok_or_else(|| SqlFailure::not_found("Programmatic access token", &token))?;
            done()
        }
    };
    act.account.users.insert(name.to_owned(), user);
    Ok(answer)
}

fn slot(property: &str) -> Option<usize> {
    match property {
        "RSA_PUBLIC_KEY" => Some(0),
        "RSA_PUBLIC_KEY_2" => Some(1),
        _ => None,
    }
}

fn set(act: &Act<'_>, user: &mut User, properties: Properties) -> Result<(), SqlFailure> {
    for (property, value) in properties {
        if let Some(slot) = slot(&property) {
            user.keys[slot] = match value.is_null() {
                true => None,
                false => {
                    let key = PublicKey::parse(&value.text()).map_err(|reason| SqlFailure::bad_key(&reason))?;
                    // Setting the same key again is no change of its age.
                    let held = user.keys[slot].take().filter(|held| held.key == key);
                    Some(held.unwrap_or(Registered { key, set_at: act.now }))
                }
            };
            continue;
        }
        if !KNOWN.contains(&property.as_str()) {
            return Err(invalid_property(&property));
        }
        check(act, &property, &value)?;
        if property == "MINS_TO_BYPASS_MFA" {
            user.bypasses_second_factor_until =
                Some(act.now + number(&property, &value)? * HOUR / 60).filter(|until| *until > act.now);
            continue;
        }
        if property == "LOGIN_NAME" {
            user.login_name = value.text().to_uppercase();
            continue;
        }
        if value.is_null() {
            user.properties.remove(&property);
        } else {
            user.properties.insert(property, value.text());
        }
    }
    if user.is_service() && user.property("PASSWORD").is_some() {
        return Err(SqlFailure::syntax(format!(
            "a password cannot be set for '{}': users of type SERVICE have none",
            user.name
        )));
    }
    Ok(())
}

fn check(act: &Act<'_>, property: &str, value: &Setting) -> Result<(), SqlFailure> {
    let text = value.text().to_uppercase();
    let fits = match property {
        "TYPE" => ["PERSON", "SERVICE", "LEGACY_SERVICE", "NULL"].contains(&text.as_str()),
        "DISABLED" | "MUST_CHANGE_PASSWORD" => ["TRUE", "FALSE"].contains(&text.as_str()),
        "DEFAULT_SECONDARY_ROLES" => ["", "ALL"].contains(&text.as_str()),
        "DAYS_TO_EXPIRY" | "MINS_TO_UNLOCK" | "MINS_TO_BYPASS_MFA" => text.parse::<u32>().is_ok(),
        "NETWORK_POLICY" if !value.is_null() => {
            if !act.account.policies.contains_key(&value.text()) {
                return Err(SqlFailure::not_found("Network policy", &value.text()));
            }
            true
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(SqlFailure::invalid_value(property, &value.text())) }
}

fn unset(user: &mut User, names: &[String]) -> Result<(), SqlFailure> {
    for name in names {
        if let Some(slot) = slot(name) {
            user.keys[slot] = None;
            continue;
        }
        if name == "MINS_TO_BYPASS_MFA" {
            user.bypasses_second_factor_until = None;
            continue;
        }
        if !KNOWN.contains(&name.as_str()) {
            return Err(invalid_property(name));
        }
        user.properties.remove(name);
    }
    Ok(())
}

fn rename(act: &mut Act<'_>, mut user: User, to: &str) -> Result<ResultSet, SqlFailure> {
    if act.account.users.contains_key(to) {
        return Err(SqlFailure::already_exists(to));
    }
    let from = std::mem::replace(&mut user.name, to.to_owned());
    for grant in &mut act.account.grants.all {
        if grant.to == crate::account::grants::Grantee::User(from.clone()) && grant.deleted.is_none() {
            grant.to = crate::account::grants::Grantee::User(to.to_owned());
        }
    }
    act.account.users.remove(&from);
    act.account.users.insert(to.to_owned(), user);
    Ok(done())
}

fn key_of(properties: &Properties) -> Result<PublicKey, SqlFailure> {
    let text = properties.iter().find(|(name, _)| name == "PUBLIC_KEY").map(|(_, value)| value.text());
    let text = text.ok_or_else(|| SqlFailure::syntax("missing property 'PUBLIC_KEY'"))?;
    PublicKey::parse(&text).map_err(|reason| SqlFailure::bad_key(&reason))
}

fn number(property: &str, value: &Setting) -> Result<i64, SqlFailure> {
    value.text().parse().map_err(|_| SqlFailure::invalid_value(property, &value.text()))
}

fn new_pair(act: &Act<'_>, properties: &Properties) -> Result<KeyPair, SqlFailure> {
    let key = key_of(properties)?;
    let mut pair =
        KeyPair { key, created: act.now, expires: None, role_restriction: None, disabled: false, previous: None };
    for (property, value) in properties {
        match property.as_str() {
            "PUBLIC_KEY" | "COMMENT" => {}
            "DAYS_TO_EXPIRY" => pair.expires = Some(act.now + number(property, value)? * DAY),
            "ROLE_RESTRICTION" => pair.role_restriction = Some(value.text()),
            other => return Err(invalid_property(other)),
        }
    }
    Ok(pair)
}

fn rotate(act: &Act<'_>, user: &mut User, name: &str, properties: &Properties) -> Result<(), SqlFailure> {
    let held = user.pairs.get_mut(name).ok_or_else(|| SqlFailure::not_found("Key pair", name))?;
    let key = key_of(properties)?;
    let mut hours = ROTATED_HOURS;
    for (property, value) in properties {
        match property.as_str() {
            "PUBLIC_KEY" => {}
            "EXPIRE_ROTATED_KEY_PAIR_AFTER_HOURS" => hours = number(property, value)?,
            other => return Err(invalid_property(other)),
        }
    }
    if held.key == key {
        return Ok(());
    }
    let old = std::mem::replace(&mut held.key, key);
    held.previous = Some((old, act.now + hours * HOUR));
    held.created = act.now;
    Ok(())
}

fn add_token(act: &Act<'_>, user: &mut User, name: &str, properties: &Properties) -> Result<ResultSet, SqlFailure> {
    if user.tokens.contains_key(name) {
        return Err(SqlFailure::already_exists(name));
    }
    if user.tokens.len() >= TOKENS_AT_MOST {
        return Err(SqlFailure::syntax(format!("a user has at most {TOKENS_AT_MOST} programmatic access tokens")));
    }
    let mut days = TOKEN_DAYS;
    let mut role_restriction = None;
    for (property, value) in properties {
        match property.as_str() {
            "DAYS_TO_EXPIRY" => days = number(property, value)?,
            "ROLE_RESTRICTION" => role_restriction = Some(value.text()),
            "MINS_TO_BYPASS_NETWORK_POLICY_REQUIREMENT" | "COMMENT" => {}
            other => return Err(invalid_property(other)),
        }
    }
    if !(1..=TOKEN_DAYS_AT_MOST).contains(&days) {
        return Err(SqlFailure::invalid_value("DAYS_TO_EXPIRY", &days.to_string()));
    }
    if user.is_service() && role_restriction.is_none() {
        return Err(SqlFailure::syntax("a token of a SERVICE user needs a ROLE_RESTRICTION"));
    }
    if user.is_service()
        && user.property("NETWORK_POLICY").is_none()
        && !act.account.parameters.contains_key("NETWORK_POLICY")
    {
        return Err(SqlFailure::syntax("a SERVICE user must be under a network policy to have an access token"));
    }
    if let Some(role) = &role_restriction
        && !act.account.may_assume(&user.name, role)
    {
        return Err(SqlFailure::not_found("Role", role));
    }
    let secret = format!("pat-{}", crate::auth::random_text(40));
    let token = AccessToken {
        secret: secret.clone(),
        role_restriction,
        created: act.now,
        expires: act.now + days * DAY,
        disabled: false,
    };
    user.tokens.insert(name.to_owned(), token);
    Ok(ResultSet::table(&["token_name", "token_secret"], vec![vec![Some(name.to_owned()), Some(secret)]]))
}
