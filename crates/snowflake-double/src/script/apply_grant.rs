//! GRANT and REVOKE. Granting twice, and revoking what was never granted, change nothing.

use super::apply::{Act, done};
use super::ast::{Granted, Kind, On, Target};
use crate::account::grants::{Grant, Grantee};
use crate::account::state::DATABASE_ROLES;
use crate::failure::SqlFailure;
use crate::results::ResultSet;

pub(super) fn grant(act: &mut Act<'_>, what: Granted, to: Target, grant_option: bool) -> Result<ResultSet, SqlFailure> {
    let to = grantee(act, to)?;
    for (privilege, on, name) in resolve(act, &what, &to)? {
        if privilege == "OWNERSHIP" {
            take_over(act, &on, &name, &to);
        }
        let grant = Grant {
            privilege,
            on,
            name,
            to: to.clone(),
            created: act.now,
            deleted: None,
            by: act.session.role.clone(),
            grant_option,
        };
        act.account.grants.add(grant);
    }
    Ok(done())
}

pub(super) fn revoke(act: &mut Act<'_>, what: Granted, from: Target) -> Result<ResultSet, SqlFailure> {
    let from = grantee(act, from)?;
    for (privilege, on, name) in resolve(act, &what, &from)? {
        let now = act.now;
        act.account.grants.close(now, |grant| {
            grant.to == from
                && grant.on == on
                && grant.name == name
                && (grant.privilege == privilege || (privilege == "ALL" && grant.privilege != "OWNERSHIP"))
        });
    }
    Ok(done())
}

/// An object has one owner: the one before has it no more.
fn take_over(act: &mut Act<'_>, on: &str, name: &str, to: &Grantee) {
    let now = act.now;
    act.account
        .grants
        .close(now, |grant| grant.privilege == "OWNERSHIP" && grant.on == on && grant.name == name && grant.to != *to);
    let Grantee::Role(role) = to else { return };
    for ((kind, of), object) in &mut act.account.objects {
        if kind.privilege_name() == on && of == name {
            object.owner.clone_from(role);
        }
    }
}

/// Privileges that wait for objects that are yet to be made.
pub(super) fn take_up_future(act: &mut Act<'_>, kind: &str, database: &str, schema: &str, name: &str) {
    let within = [database.to_owned(), format!("{database}.{schema}")];
    let waiting = format!("FUTURE {kind}");
    let waiting: Vec<Grant> = act
        .account
        .grants
        .open()
        .filter(|grant| grant.on == waiting && within.contains(&grant.name))
        .cloned()
        .collect();
    for grant in waiting {
        let name = format!("{database}.{schema}.{name}");
        act.account.grants.add(Grant { on: kind.to_owned(), name, created: act.now, ..grant });
    }
}

fn grantee(act: &Act<'_>, target: Target) -> Result<Grantee, SqlFailure> {
    match target {
        Target::Role(role) if act.account.roles.contains_key(&role) => Ok(Grantee::Role(role)),
        Target::Role(role) => Err(SqlFailure::not_found("Role", &role)),
        Target::User(user) if act.account.users.contains_key(&user) => Ok(Grantee::User(user)),
        Target::User(user) => Err(SqlFailure::not_found("User", &user)),
        Target::Share(share) if act.account.objects.contains_key(&(Kind::Share, share.clone())) => {
            Ok(Grantee::Share(share))
        }
        Target::Share(share) => Err(SqlFailure::not_found("Share", &share)),
    }
}

type Resolved = Vec<(String, String, String)>;

fn resolve(act: &Act<'_>, what: &Granted, to: &Grantee) -> Result<Resolved, SqlFailure> {
    let usage = || "USAGE".to_owned();
    match what {
        Granted::Role(role) => {
            may_grant(act, "ROLE", role)?;
            if !act.account.roles.contains_key(role) {
                return Err(SqlFailure::not_found("Role", role));
            }
            if let Grantee::Role(to) = to
                && act.account.grants.closure([role.clone()].into()).contains(to)
            {
                return Err(SqlFailure::syntax(format!("granting role {role} to role {to} would make a circle")));
            }
            Ok(vec![(usage(), "ROLE".to_owned(), role.clone())])
        }
        Granted::DatabaseRole(path) => {
            let name = path.join(".");
            require_account_admin(act, &name)?;
            let [database, role] = path.as_slice() else {
                return Err(SqlFailure::not_found("Database role", &name));
            };
            if database != "SNOWFLAKE" || !DATABASE_ROLES.contains(&role.as_str()) {
                return Err(SqlFailure::not_found("Database role", &name));
            }
            if matches!(to, Grantee::User(_)) {
                return Err(SqlFailure::syntax("a database role is granted to roles, not to users"));
            }
            Ok(vec![(usage(), "DATABASE_ROLE".to_owned(), name)])
        }
        Granted::ImportedPrivileges(database) => {
            require_account_admin(act, database)?;
            if database != "SNOWFLAKE" {
                return Err(SqlFailure::not_found("Database", database));
            }
            Ok(vec![("IMPORTED PRIVILEGES".to_owned(), "DATABASE".to_owned(), database.clone())])
        }
        Granted::Privileges { privileges, on } => {
            let objects = objects(act, on)?;
            let mut resolved = Resolved::new();
            for (kind, name) in objects {
                may_grant(act, &kind, &name)?;
                for privilege in privileges {
                    check_privilege(&kind, privilege)?;
                    resolved.push((privilege.clone(), kind.clone(), name.clone()));
                }
            }
            Ok(resolved)
        }
    }
}

fn require_account_admin(act: &Act<'_>, name: &str) -> Result<(), SqlFailure> {
    if act.roles().contains("ACCOUNTADMIN") { Ok(()) } else { Err(SqlFailure::insufficient(&format!("'{name}'"))) }
}

/// SECURITYADMIN manages all grants; owners and holders of the grant option manage their own.
fn may_grant(act: &Act<'_>, on: &str, name: &str) -> Result<(), SqlFailure> {
    let roles = act.roles();
    let account = act.account.names.identifier();
    let may = roles.contains("SECURITYADMIN")
        || act.account.grants.holds(&roles, &["MANAGE GRANTS"], "ACCOUNT", &account)
        || act.account.grants.holds(&roles, &["OWNERSHIP"], on, name)
        || (on == "ROLE" && act.account.roles.get(name).is_some_and(|role| roles.contains(&role.owner)));
    if may { Ok(()) } else { Err(SqlFailure::insufficient(&format!("{} '{name}'", on.to_lowercase()))) }
}

fn objects(act: &Act<'_>, on: &On) -> Result<Vec<(String, String)>, SqlFailure> {
    let account = &*act.account;
    match on {
        On::Account => Ok(vec![("ACCOUNT".to_owned(), account.names.identifier())]),
        On::Object { kind, name } => {
            let full = match kind.as_str() {
                "VIEW" | "TABLE" | "STAGE" | "TASK" | "PROCEDURE" | "PASSWORD_POLICY" | "SESSION_POLICY" => {
                    let (database, schema, name) = act.qualify(name)?;
                    format!("{database}.{schema}.{name}")
                }
                "SCHEMA" if name.len() == 1 => match &act.session.database {
                    Some(database) => format!("{database}.{}", name[0]),
                    None => return Err(SqlFailure::syntax("name the schema's database")),
                },
                _ => name.join("."),
            };
            if full == "SNOWFLAKE" || full.starts_with("SNOWFLAKE.") {
                return Err(SqlFailure::syntax(
                    "granting individual privileges on imported databases is not allowed. Use 'GRANT IMPORTED PRIVILEGES' instead.",
                ));
            }
            let parts: Vec<&str> = full.split('.').collect();
            let views = |database: &str, schema: &str| {
                account.databases.get(database).and_then(|database| database.schemas.get(schema))
            };
            let there = match (kind.as_str(), parts.as_slice()) {
                ("WAREHOUSE", _) => account.warehouses.contains_key(&full),
                ("DATABASE", _) => account.databases.contains_key(&full),
                ("USER", _) => account.users.contains_key(&full),
                ("ROLE", _) => account.roles.contains_key(&full),
                ("INTEGRATION", _) => account.integrations.contains_key(&full),
                ("RESOURCE_MONITOR", _) => account.others.contains_key(&("Resource monitor".to_owned(), full.clone())),
                ("SCHEMA", [database, schema]) => views(database, schema).is_some(),
                ("VIEW" | "TABLE", [database, schema, name]) => {
                    views(database, schema).is_some_and(|views| views.contains_key(*name))
                        || account.objects.contains_key(&(Kind::Table, full.clone()))
                }
                (on, _) => account.objects.keys().any(|(kind, name)| kind.privilege_name() == on && *name == full),
            };
            if !there {
                return Err(SqlFailure::not_found(&capitalised(kind), &full));
            }
            Ok(vec![(kind.clone(), full)])
        }
        On::All { kind, within } => {
            let path: Vec<&str> = within.iter().map(String::as_str).collect();
            let (database, only) = match path.as_slice() {
                [database] => (*database, None),
                [database, schema] => (*database, Some(*schema)),
                _ => return Err(SqlFailure::not_found("Schema", &within.join("."))),
            };
            let held = account.databases.get(database);
            let held = held.ok_or_else(|| SqlFailure::not_found("Database", database))?;
            let schemas = held.schemas.iter().filter(|(schema, _)| only.is_none_or(|only| only == schema.as_str()));
            if kind == "SCHEMA" {
                return Ok(schemas.map(|(schema, _)| (kind.clone(), format!("{database}.{schema}"))).collect());
            }
            // Everything here is a view; ALL TABLES finds none.
            if kind != "VIEW" {
                return Ok(Vec::new());
            }
            let names =
                schemas.flat_map(|(schema, views)| views.keys().map(move |view| format!("{database}.{schema}.{view}")));
            Ok(names.map(|name| (kind.clone(), name)).collect())
        }
        On::Future { kind, within } => {
            if !account.databases.contains_key(&within[0]) {
                return Err(SqlFailure::not_found("Database", &within[0]));
            }
            Ok(vec![(format!("FUTURE {kind}"), within.join("."))])
        }
    }
}

fn capitalised(kind: &str) -> String {
    let lower = kind.replace('_', " ").to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn check_privilege(kind: &str, privilege: &str) -> Result<(), SqlFailure> {
    let known: &[&str] = match kind {
        "WAREHOUSE" => &["USAGE", "OPERATE", "MONITOR", "MODIFY", "OWNERSHIP", "ALL", "APPLYBUDGET"],
        "DATABASE" => &["USAGE", "MONITOR", "MODIFY", "CREATE SCHEMA", "OWNERSHIP", "ALL", "REFERENCE_USAGE"],
        "SCHEMA" => &[
            "USAGE",
            "MONITOR",
            "MODIFY",
            "CREATE VIEW",
            "CREATE TABLE",
            "CREATE STAGE",
            "CREATE TASK",
            "CREATE PROCEDURE",
            "CREATE PASSWORD POLICY",
            "CREATE SESSION POLICY",
            "CREATE NETWORK RULE",
            "OWNERSHIP",
            "ALL",
        ],
        "VIEW" | "FUTURE VIEW" => &["SELECT", "REFERENCES", "OWNERSHIP", "ALL"],
        "TABLE" | "FUTURE TABLE" => {
            &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "OWNERSHIP", "ALL"]
        }
        "STAGE" => &["USAGE", "READ", "WRITE", "OWNERSHIP", "ALL"],
        "TASK" => &["MONITOR", "OPERATE", "OWNERSHIP", "ALL"],
        "PROCEDURE" => &["USAGE", "OWNERSHIP", "ALL"],
        "USER" => &["MONITOR", "OWNERSHIP", "ALL", "MODIFY PROGRAMMATIC AUTHENTICATION METHODS"],
        "INTEGRATION" => &["USAGE", "OWNERSHIP", "ALL"],
        "ROLE" => &["OWNERSHIP"],
        "RESOURCE_MONITOR" => &["MONITOR", "MODIFY", "ALL"],
        _ => return Ok(()),
    };
    if known.contains(&privilege) {
        return Ok(());
    }
    Err(SqlFailure::syntax(format!("invalid privilege '{privilege}' on {}", kind.to_lowercase())))
}
