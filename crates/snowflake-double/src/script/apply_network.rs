//! Network rules and network policies.

use super::apply::{Act, created, done, invalid_property};
use super::ast::{Change, Create, Kind, Properties};
use crate::account::network::{NetworkPolicy, NetworkRule, is_range};
use crate::failure::SqlFailure;
use crate::results::ResultSet;

pub(super) fn create(
    act: &mut Act<'_>,
    mode: Create,
    kind: Kind,
    path: &[String],
    properties: Properties,
) -> Result<ResultSet, SqlFailure> {
    act.require("SECURITYADMIN", "CREATE NETWORK POLICY", "account")?;
    if kind == Kind::NetworkRule {
        let name = rule_name(act, path)?;
        let mut rule = NetworkRule {
            id: act.account.next_id(),
            name: name.clone(),
            kind: String::new(),
            mode: "INGRESS".to_owned(),
            values: Vec::new(),
            comment: None,
            created: act.now,
        };
        set_rule(&mut rule, properties)?;
        if rule.kind.is_empty() {
            return Err(SqlFailure::syntax("missing property 'TYPE'"));
        }
        if Act::admit(mode, act.account.rules.contains_key(&name), &name)? {
            act.account.rules.insert(name.clone(), rule);
        }
        return Ok(created(kind, &name));
    }
    let name = super::apply::single(path)?.to_owned();
    let mut policy =
        NetworkPolicy { id: act.account.next_id(), name: name.clone(), created: act.now, ..NetworkPolicy::default() };
    set_policy(act, &mut policy, properties)?;
    if Act::admit(mode, act.account.policies.contains_key(&name), &name)? {
        act.account.policies.insert(name.clone(), policy);
    }
    Ok(created(kind, &name))
}

pub(super) fn alter(
    act: &mut Act<'_>,
    kind: Kind,
    if_exists: bool,
    path: &[String],
    change: Change,
) -> Result<ResultSet, SqlFailure> {
    act.require("SECURITYADMIN", "CREATE NETWORK POLICY", "account")?;
    let Change::Set(properties) = change else {
        return Err(SqlFailure::unsupported_here("UNSET on network rules and policies"));
    };
    if kind == Kind::NetworkRule {
        let name = rule_name(act, path)?;
        match act.account.rules.get(&name).cloned() {
            Some(mut rule) => {
                set_rule(&mut rule, properties)?;
                act.account.rules.insert(name, rule);
            }
            None if if_exists => {}
            None => return Err(SqlFailure::not_found(kind.name(), &name)),
        }
        return Ok(done());
    }
    let name = super::apply::single(path)?;
    match act.account.policies.get(name).cloned() {
        Some(mut policy) => {
            set_policy(act, &mut policy, properties)?;
            act.account.policies.insert(name.to_owned(), policy);
        }
        None if if_exists => {}
        None => return Err(SqlFailure::not_found(kind.name(), name)),
    }
    Ok(done())
}

/// A policy that guards somebody, and a rule that a policy names, cannot be dropped.
pub(super) fn remove(act: &mut Act<'_>, kind: Kind, path: &[String]) -> Result<bool, SqlFailure> {
    if kind == Kind::NetworkRule {
        let name = rule_name(act, path)?;
        let holder = act
            .account
            .policies
            .values()
            .find(|policy| policy.allowed_rules.contains(&name) || policy.blocked_rules.contains(&name));
        if let Some(holder) = holder {
            return Err(SqlFailure::syntax(format!(
                "network rule '{name}' is used by network policy '{}'",
                holder.name
            )));
        }
        return Ok(act.account.rules.remove(&name).is_some());
    }
    let name = super::apply::single(path)?;
    let user = act.account.users.values().find(|user| user.property("NETWORK_POLICY") == Some(name));
    if let Some(user) = user {
        return Err(SqlFailure::syntax(format!("network policy '{name}' is attached to user '{}'", user.name)));
    }
    if act.account.parameters.get("NETWORK_POLICY").is_some_and(|held| held == name) {
        return Err(SqlFailure::syntax(format!("network policy '{name}' is attached to the account")));
    }
    Ok(act.account.policies.remove(name).is_some())
}

fn rule_name(act: &mut Act<'_>, path: &[String]) -> Result<String, SqlFailure> {
    let (database, schema, name) = act.qualify(path)?;
    act.schema_of(&database, &schema)?;
    Ok(format!("{database}.{schema}.{name}"))
}

fn set_rule(rule: &mut NetworkRule, properties: Properties) -> Result<(), SqlFailure> {
    for (property, value) in properties {
        match property.as_str() {
            "TYPE" => {
                let text = value.text().to_uppercase();
                if !["IPV4", "AWSVPCEID", "AZURELINKID", "GCPPSCID", "HOST_PORT", "PRIVATE_HOST_PORT"]
                    .contains(&text.as_str())
                {
                    return Err(SqlFailure::invalid_value("TYPE", &text));
                }
                rule.kind = text;
            }
            "MODE" => {
                let text = value.text().to_uppercase();
                if !["INGRESS", "INTERNAL_STAGE", "EGRESS"].contains(&text.as_str()) {
                    return Err(SqlFailure::invalid_value("MODE", &text));
                }
                rule.mode = text;
            }
            "VALUE_LIST" => rule.values = value.list(),
            "COMMENT" => rule.comment = Some(value.text()),
            other => return Err(invalid_property(other)),
        }
    }
    if rule.kind == "IPV4"
        && let Some(bad) = rule.values.iter().find(|range| !is_range(range))
    {
        return Err(SqlFailure::invalid_value("VALUE_LIST", bad));
    }
    Ok(())
}

fn set_policy(act: &Act<'_>, policy: &mut NetworkPolicy, properties: Properties) -> Result<(), SqlFailure> {
    for (property, value) in properties {
        match property.as_str() {
            "ALLOWED_NETWORK_RULE_LIST" => policy.allowed_rules = rules(act, &value.list())?,
            "BLOCKED_NETWORK_RULE_LIST" => policy.blocked_rules = rules(act, &value.list())?,
            "ALLOWED_IP_LIST" => policy.allowed_addresses = addresses(&property, value.list())?,
            "BLOCKED_IP_LIST" => policy.blocked_addresses = addresses(&property, value.list())?,
            "COMMENT" => policy.comment = Some(value.text()),
            other => return Err(invalid_property(other)),
        }
    }
    Ok(())
}

/// Full names of rules, which must be there. Names inside literals fold as names do.
fn rules(act: &Act<'_>, names: &[String]) -> Result<Vec<String>, SqlFailure> {
    let mut full = Vec::new();
    for name in names {
        let parts: Vec<String> = name
            .split('.')
            .map(|part| match part.strip_prefix('"').and_then(|part| part.strip_suffix('"')) {
                Some(quoted) => quoted.to_owned(),
                None => part.to_uppercase(),
            })
            .collect();
        let (database, schema, rule) = act.qualify(&parts)?;
        let name = format!("{database}.{schema}.{rule}");
        if !act.account.rules.contains_key(&name) {
            return Err(SqlFailure::not_found("Network rule", &name));
        }
        full.push(name);
    }
    Ok(full)
}

fn addresses(property: &str, list: Vec<String>) -> Result<Vec<String>, SqlFailure> {
    match list.iter().find(|range| !is_range(range)) {
        Some(bad) => Err(SqlFailure::invalid_value(property, bad)),
        None => Ok(list),
    }
}
