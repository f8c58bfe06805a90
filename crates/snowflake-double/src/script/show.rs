//! SHOW and DESCRIBE, as far as set-up and checks need them.

use std::collections::BTreeMap;

use super::apply::Act;
use super::ast::{Show, Target};
use crate::account::grants::{Grant, Grantee};
use crate::account::user::User;
use crate::failure::SqlFailure;
use crate::results::{Column, Kind, ResultSet};

/// Account parameters with a bearing on security, and their defaults.
pub(crate) const PARAMETERS: [(&str, &str); 14] = [
    ("CLIENT_ENCRYPTION_KEY_SIZE", "128"),
    ("DATA_RETENTION_TIME_IN_DAYS", "1"),
    ("ENABLE_INTERNAL_STAGES_PRIVATELINK", "false"),
    ("MIN_DATA_RETENTION_TIME_IN_DAYS", "0"),
    ("NETWORK_POLICY", ""),
    ("OAUTH_ADD_PRIVILEGED_ROLES_TO_BLOCKED_LIST", "true"),
    ("PERIODIC_DATA_REKEYING", "false"),
    ("PREVENT_UNLOAD_TO_INLINE_URL", "false"),
    ("PREVENT_UNLOAD_TO_INTERNAL_STAGES", "false"),
    ("REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_CREATION", "false"),
    ("REQUIRE_STORAGE_INTEGRATION_FOR_STAGE_OPERATION", "false"),
    ("SAML_IDENTITY_PROVIDER", ""),
    ("STATEMENT_TIMEOUT_IN_SECONDS", "172800"),
    ("TIMEZONE", "America/Los_Angeles"),
];

pub(super) fn show(act: &Act<'_>, show: Show) -> Result<ResultSet, SqlFailure> {
    let account = &*act.account;
    match show {
        Show::Users { like } => Ok(listing(
            &[
                "name",
                "login_name",
                "type",
                "disabled",
                "default_role",
                "default_warehouse",
                "has_rsa_public_key",
                "owner",
            ],
            account.users.values().filter(|user| fits(&like, &user.name)).map(user_row).collect(),
        )),
        Show::Roles { like } => Ok(listing(
            &["name", "owner", "comment"],
            account
                .roles
                .values()
                .filter(|role| fits(&like, &role.name))
                .map(|role| vec![some(&role.name), some(&role.owner), role.comment.clone()])
                .collect(),
        )),
        Show::Warehouses { like } => {
            let roles = act.roles();
            let rows = account
                .warehouses
                .values()
                .filter(|warehouse| fits(&like, &warehouse.name) && account.may_use_warehouse(&roles, &warehouse.name))
                .map(|warehouse| {
                    let property = |name: &str| warehouse.properties.get(name).cloned();
                    vec![
                        some(&warehouse.name),
                        some(if warehouse.suspended { "SUSPENDED" } else { "STARTED" }),
                        property("WAREHOUSE_SIZE").or_else(|| some("X-Small")),
                        some(&warehouse.auto_suspend_seconds().to_string()),
                        some(if warehouse.auto_resume() { "true" } else { "false" }),
                        some(&warehouse.owner),
                        property("COMMENT"),
                    ]
                })
                .collect();
            Ok(listing(&["name", "state", "size", "auto_suspend", "auto_resume", "owner", "comment"], rows))
        }
        Show::NetworkPolicies => {
            act.require("SECURITYADMIN", "CREATE NETWORK POLICY", "account")?;
            let rows = account.policies.values().map(|policy| {
                let count = |list: &[String]| some(&list.len().to_string());
                vec![
                    some(&policy.name),
                    policy.comment.clone(),
                    count(&policy.allowed_addresses),
                    count(&policy.blocked_addresses),
                    count(&policy.allowed_rules),
                    count(&policy.blocked_rules),
                ]
            });
            let columns = [
                "name",
                "comment",
                "entries_in_allowed_ip_list",
                "entries_in_blocked_ip_list",
                "entries_in_allowed_network_rules",
                "entries_in_blocked_network_rules",
            ];
            Ok(listing(&columns, rows.collect()))
        }
        Show::Integrations => {
            let rows = account.integrations.values().map(|integration| {
                vec![
                    some(&integration.name),
                    integration.property("TYPE").map(str::to_owned),
                    integration.property("ENABLED").map(str::to_owned),
                    integration.property("COMMENT").map(str::to_owned),
                ]
            });
            Ok(listing(&["name", "type", "enabled", "comment"], rows.collect()))
        }
        Show::Parameters { like, user } => parameters(act, like.as_deref(), user.as_deref()),
        Show::GrantsTo(target) => {
            let to = match target {
                Target::Role(role) if account.roles.contains_key(&role) => Grantee::Role(role),
                Target::User(user) if account.users.contains_key(&user) => Grantee::User(user),
                Target::Share(share) => Grantee::Share(share),
                Target::Role(name) => return Err(SqlFailure::not_found("Role", &name)),
                Target::User(name) => return Err(SqlFailure::not_found("User", &name)),
            };
            Ok(grants(account.grants.open().filter(|grant| grant.to == to)))
        }
        Show::GrantsOf(role) => {
            Ok(grants(account.grants.open().filter(|grant| grant.on == "ROLE" && grant.name == role)))
        }
        Show::KeyPairs { user } => {
            let user = account.user(user.as_deref().unwrap_or(&act.session.user))?;
            let rows = user.pairs.iter().map(|(name, pair)| {
                let status = if pair.disabled { "DISABLED" } else { "ACTIVE" };
                vec![
                    some(name),
                    some(&user.name),
                    pair.role_restriction.clone(),
                    some(status),
                    some(&pair.key.fingerprint),
                    pair.previous.as_ref().map(|(key, _)| key.fingerprint.clone()),
                ]
            });
            let columns = ["name", "user_name", "role_restriction", "status", "public_key_fp", "rotated_public_key_fp"];
            Ok(listing(&columns, rows.collect()))
        }
        Show::AccessTokens { user } => {
            let user = account.user(user.as_deref().unwrap_or(&act.session.user))?;
            let rows = user.tokens.iter().map(|(name, token)| {
                let status = match (token.disabled, token.expires <= act.now) {
                    (true, _) => "DISABLED",
                    (_, true) => "EXPIRED",
                    _ => "ACTIVE",
                };
                vec![some(name), some(&user.name), token.role_restriction.clone(), some(status)]
            });
            Ok(listing(&["name", "user_name", "role_restriction", "status"], rows.collect()))
        }
        Show::DescribeUser(name) => describe_user(act, &name),
        Show::DescribeIntegration(name) => {
            let integration = account.integrations.get(&name);
            let integration = integration.ok_or_else(|| SqlFailure::not_found("Integration", &name))?;
            let mut rows: Vec<Vec<Option<String>>> = integration
                .properties
                .iter()
                .map(|(property, value)| vec![some(property), some("String"), some(value), None])
                .collect();
            rows.push(vec![some("OAUTH_CLIENT_ID"), some("String"), some(&integration.client_id), None]);
            Ok(listing(&["property", "property_type", "property_value", "property_default"], rows))
        }
    }
}

fn parameters(act: &Act<'_>, like: Option<&str>, user: Option<&str>) -> Result<ResultSet, SqlFailure> {
    let like = like.map(str::to_owned);
    let user = user.map(|name| act.account.user(name)).transpose()?;
    let mut known: BTreeMap<&str, &str> = PARAMETERS.into_iter().collect();
    for name in act.account.parameters.keys() {
        known.entry(name.as_str()).or_insert("");
    }
    let rows = known
        .into_iter()
        .filter(|(name, _)| fits(&like, name))
        .map(|(name, default)| {
            let of_user = user.and_then(|user| user.property(name)).map(|value| (value, "USER"));
            let of_account = act.account.parameters.get(name).map(|value| (value.as_str(), "ACCOUNT"));
            let (value, level) = of_user.or(of_account).unwrap_or((default, ""));
            vec![some(name), some(value), some(default), some(level), some("")]
        })
        .collect();
    Ok(listing(&["key", "value", "default", "level", "description"], rows))
}

fn describe_user(act: &Act<'_>, name: &str) -> Result<ResultSet, SqlFailure> {
    let user = act.account.user(name)?;
    let roles = act.roles();
    let may = user.name == act.session.user
        || roles.contains("USERADMIN")
        || act.account.grants.holds(&roles, &["OWNERSHIP", "MONITOR", "ALL"], "USER", name);
    if !may {
        return Err(SqlFailure::not_found("User", name));
    }
    let mut rows = vec![("NAME".to_owned(), some(&user.name)), ("LOGIN_NAME".to_owned(), some(&user.login_name))];
    for (property, value) in &user.properties {
        rows.push((property.clone(), if property == "PASSWORD" { some("********") } else { some(value) }));
    }
    for (slot, name) in [(0, "RSA_PUBLIC_KEY_FP"), (1, "RSA_PUBLIC_KEY_2_FP")] {
        let fingerprint = user.keys[slot].as_ref().map(|held| held.key.fingerprint.clone());
        rows.push((name.to_owned(), fingerprint));
    }
    let rows = rows.into_iter().map(|(property, value)| vec![Some(property), value, None, None]).collect();
    Ok(listing(&["property", "value", "default", "description"], rows))
}

fn grants<'a>(grants: impl Iterator<Item = &'a Grant>) -> ResultSet {
    let rows = grants.map(|grant| {
        let (to, name) = match &grant.to {
            Grantee::Role(role) => ("ROLE", role),
            Grantee::User(user) => ("USER", user),
            Grantee::Share(share) => ("SHARE", share),
        };
        let grant_option = if grant.grant_option { "true" } else { "false" };
        vec![
            some(&grant.privilege),
            some(&grant.on),
            some(&grant.name),
            some(to),
            some(name),
            some(grant_option),
            some(&grant.by),
        ]
    });
    let columns = ["privilege", "granted_on", "name", "granted_to", "grantee_name", "grant_option", "granted_by"];
    listing(&columns, rows.collect())
}

fn user_row(user: &User) -> Vec<Option<String>> {
    let has_key = if user.keys.iter().any(Option::is_some) { "true" } else { "false" };
    vec![
        some(&user.name),
        some(&user.login_name),
        user.property("TYPE").map(str::to_owned),
        some(if user.disabled() { "true" } else { "false" }),
        user.property("DEFAULT_ROLE").map(str::to_owned),
        user.property("DEFAULT_WAREHOUSE").map(str::to_owned),
        some(has_key),
        some(&user.owner),
    ]
}

fn listing(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> ResultSet {
    ResultSet::of(columns.iter().map(|name| Column::new(name, Kind::Text)).collect(), rows)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// SHOW … LIKE compares without case; `%` and `_` stand for any text and any character.
fn fits(like: &Option<String>, name: &str) -> bool {
    fn matches(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
            ['_', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
            [first, rest @ ..] => text.first() == Some(first) && matches(rest, &text[1..]),
        }
    }
    let Some(pattern) = like else { return true };
    let fold = |text: &str| text.to_uppercase().chars().collect::<Vec<char>>();
    matches(&fold(pattern), &fold(name))
}
