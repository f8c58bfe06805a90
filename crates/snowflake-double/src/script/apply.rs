//! Applies statements to the account, with the privileges of the role in use.

use super::apply_grant;
use super::apply_network;
use super::apply_object;
use super::apply_user;
use super::ast::{Change, Create, Creation, Kind, Properties, Statement};
use super::show;
use crate::account::grants::{Grant, Grantee};
use crate::account::objects::{Database, Integration, ViewSource, Warehouse};
use crate::account::state::{Account, SYSTEM_ROLES};
use crate::failure::SqlFailure;
use crate::results::ResultSet;

/// Who acts, and where: what USE changes.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) role: String,
    pub(crate) secondary: bool,
    pub(crate) warehouse: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) schema: Option<String>,
    /// The zone in which texts without one are read.
    pub(crate) zone: String,
    /// The session may not leave this role: tokens can be bound to one.
    pub(crate) bound_role: Option<String>,
}

/// A statement being applied.
pub(super) struct Act<'a> {
    pub(super) account: &'a mut Account,
    pub(super) session: &'a mut Session,
    pub(super) now: i64,
}

/// Runs one statement; the account is unchanged when it fails.
pub(crate) fn apply(
    account: &mut Account,
    session: &mut Session,
    now: i64,
    statement: Statement,
) -> Result<ResultSet, SqlFailure> {
    let mut act = Act { account, session, now };
    match statement {
        Statement::UseRole(role) => act.use_role(role),
        Statement::UseSecondaryRoles(which) => {
            act.session.secondary = which == "ALL";
            Ok(done())
        }
        Statement::UseWarehouse(name) => {
            let roles = act.roles();
            if !act.account.may_use_warehouse(&roles, &name) {
                return Err(SqlFailure::not_found("Object", &name));
            }
            act.session.warehouse = Some(name);
            Ok(done())
        }
        Statement::UseDatabase(name) => act.use_schema(&[name]),
        Statement::UseSchema(path) => act.use_schema(&path),
        Statement::AlterSession | Statement::Transaction(_) => Ok(done()),
        Statement::Create { mode, what: Creation::View { name, of } } => act.create_view(mode, &name, &of),
        Statement::Create { mode, what: Creation::Object { kind, name, properties } } => {
            act.create(mode, kind, &name, properties)
        }
        Statement::AlterUser { if_exists, name, change } => apply_user::alter(&mut act, if_exists, &name, change),
        Statement::AlterRole { if_exists, name, comment } => act.alter_role(if_exists, &name, comment),
        Statement::AlterObject { kind, if_exists, name, change } => act.alter(kind, if_exists, &name, change),
        Statement::AlterAccount(change) => act.alter_account(change),
        Statement::AttachPolicy { kind, name } => apply_object::attach(&mut act, kind, name.as_deref()),
        Statement::Drop { kind, if_exists, name } => act.drop(kind, if_exists, &name),
        Statement::Grant { what, to, grant_option } => apply_grant::grant(&mut act, what, to, grant_option),
        Statement::Revoke { what, from } => apply_grant::revoke(&mut act, what, from),
        Statement::Show(show) => show::show(&act, show),
    }
}

pub(super) fn done() -> ResultSet {
    ResultSet::status("Statement executed successfully.".to_owned())
}

impl Act<'_> {
    pub(super) fn roles(&self) -> std::collections::BTreeSet<String> {
        self.account.effective_roles(&self.session.user, &self.session.role, self.session.secondary)
    }

    /// The system role, or a custom role that was granted the privilege on the account.
    pub(super) fn require(&self, role: &str, privilege: &str, on: &str) -> Result<(), SqlFailure> {
        let roles = self.roles();
        let names = self.account.names.identifier();
        if roles.contains(role) || self.account.grants.holds(&roles, &[privilege, "ALL"], "ACCOUNT", &names) {
            return Ok(());
        }
        Err(SqlFailure::insufficient(on))
    }

    fn use_role(&mut self, role: String) -> Result<ResultSet, SqlFailure> {
        let bound = self.session.bound_role.as_ref().is_some_and(|bound| *bound != role);
        if bound || !self.account.may_assume(&self.session.user, &role) {
            return Err(SqlFailure::not_found("Object", &role));
        }
        self.session.role = role;
        Ok(done())
    }

    fn use_schema(&mut self, path: &[String]) -> Result<ResultSet, SqlFailure> {
        let (database, schema) = match path {
            [database] => (database.clone(), None),
            [database, schema] => (database.clone(), Some(schema.clone())),
            _ => return Err(SqlFailure::not_found("Object", &path.join("."))),
        };
        let known = database == "SNOWFLAKE"
            || self.account.databases.get(&database).is_some_and(|held| match &schema {
                Some(schema) => held.schemas.contains_key(schema),
                None => true,
            });
        if !known {
            return Err(SqlFailure::not_found("Object", &path.join(".")));
        }
        self.session.database = Some(database);
        self.session.schema = schema.or_else(|| Some("PUBLIC".to_owned()));
        Ok(done())
    }

    /// The three parts of a schema object's name, from the session where they are left out.
    pub(super) fn qualify(&self, path: &[String]) -> Result<(String, String, String), SqlFailure> {
        let missing = || SqlFailure::syntax("this session does not have a current database and schema; name them");
        match path {
            [name] => {
                let database = self.session.database.clone().ok_or_else(missing)?;
                let schema = self.session.schema.clone().ok_or_else(missing)?;
                Ok((database, schema, name.clone()))
            }
            [schema, name] => Ok((self.session.database.clone().ok_or_else(missing)?, schema.clone(), name.clone())),
            [database, schema, name] => Ok((database.clone(), schema.clone(), name.clone())),
            _ => Err(missing()),
        }
    }

    /// The schema's views, for objects that live in a schema.
    pub(super) fn schema_of(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<&mut std::collections::BTreeMap<String, ViewSource>, SqlFailure> {
        let full = format!("{database}.{schema}");
        let held = self.account.databases.get_mut(database).and_then(|held| held.schemas.get_mut(schema));
        held.ok_or_else(|| SqlFailure::not_found("Schema", &full))
    }

    /// Whether to go on creating: not when it is there and IF NOT EXISTS says to keep it.
    pub(super) fn admit(mode: Create, there: bool, name: &str) -> Result<bool, SqlFailure> {
        match (mode, there) {
            (Create::Plain, true) => Err(SqlFailure::already_exists(name)),
            (Create::IfNotExists, true) => Ok(false),
            _ => Ok(true),
        }
    }

    fn create(
        &mut self,
        mode: Create,
        kind: Kind,
        path: &[String],
        properties: Properties,
    ) -> Result<ResultSet, SqlFailure> {
        let name = path.join(".");
        match kind {
            Kind::User => apply_user::create(self, mode, single(path)?, properties),
            Kind::Role => self.create_role(mode, single(path)?, properties),
            Kind::Warehouse => self.create_warehouse(mode, single(path)?, properties),
            Kind::Database => {
                self.require("SYSADMIN", "CREATE DATABASE", "account")?;
                let there = self.account.databases.contains_key(single(path)?) || name == "SNOWFLAKE";
                if Self::admit(mode, there, &name)? {
                    self.end_grants(kind, &name);
                    let mut database = Database::default();
                    database.schemas.insert("PUBLIC".to_owned(), std::collections::BTreeMap::new());
                    self.account.databases.insert(name.clone(), database);
                }
                Ok(created(kind, &name))
            }
            Kind::Schema => {
                self.require("SYSADMIN", "CREATE DATABASE", "database")?;
                let (database, schema) = match path {
                    [database, schema] => (database.clone(), schema.clone()),
                    [schema] => {
                        let database = self.session.database.clone();
                        (database.ok_or_else(|| SqlFailure::syntax("name the schema's database"))?, schema.clone())
                    }
                    _ => return Err(SqlFailure::not_found("Database", &name)),
                };
                let held = self.account.databases.get_mut(&database);
                let held = held.ok_or_else(|| SqlFailure::not_found("Database", &database))?;
                if Self::admit(mode, held.schemas.contains_key(&schema), &name)? {
                    held.schemas.insert(schema, std::collections::BTreeMap::new());
                }
                Ok(created(kind, &name))
            }
            Kind::NetworkRule | Kind::NetworkPolicy => apply_network::create(self, mode, kind, path, properties),
            Kind::Integration => self.create_integration(mode, single(path)?, properties),
            Kind::ResourceMonitor | Kind::StorageIntegration => {
                self.require("ACCOUNTADMIN", &format!("CREATE {}", kind.name().to_uppercase()), "account")?;
                let key = (kind.name().to_owned(), name.clone());
                if Self::admit(mode, self.account.others.contains_key(&key), &name)? {
                    self.account.others.insert(key, texts(properties));
                }
                Ok(created(kind, &name))
            }
            Kind::View => Err(SqlFailure::unsupported_here("a view without a query")),
            Kind::PasswordPolicy
            | Kind::SessionPolicy
            | Kind::Stage
            | Kind::Task
            | Kind::Procedure
            | Kind::Table
            | Kind::Share => apply_object::create(self, mode, kind, path, properties),
        }
    }

    fn create_role(&mut self, mode: Create, name: &str, properties: Properties) -> Result<ResultSet, SqlFailure> {
        self.require("USERADMIN", "CREATE ROLE", "account")?;
        if SYSTEM_ROLES.contains(&name) && mode == Create::OrReplace {
            return Err(SqlFailure::insufficient(&format!("role '{name}'")));
        }
        let mut comment = None;
        for (property, value) in &properties {
            if property != "COMMENT" {
                return Err(invalid_property(property));
            }
            comment = Some(value.text());
        }
        if Self::admit(mode, self.account.roles.contains_key(name), name)? {
            let owner = self.session.role.clone();
            let now = self.now;
            if self.account.roles.contains_key(name) {
                self.drop_role(name);
            }
            self.account.add_role(name, comment, &owner, now);
        }
        Ok(created(Kind::Role, name))
    }

    fn create_warehouse(&mut self, mode: Create, name: &str, properties: Properties) -> Result<ResultSet, SqlFailure> {
        self.require("SYSADMIN", "CREATE WAREHOUSE", "account")?;
        check_warehouse(&properties)?;
        if Self::admit(mode, self.account.warehouses.contains_key(name), name)? {
            self.end_grants(Kind::Warehouse, name);
            let mut properties = texts(properties);
            let suspended =
                properties.remove("INITIALLY_SUSPENDED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            let owner = self.session.role.clone();
            let owned = owned_by(&owner, "WAREHOUSE", name, self.now);
            let warehouse = Warehouse { name: name.to_owned(), properties, owner, suspended };
            self.account.warehouses.insert(name.to_owned(), warehouse);
            self.account.grants.add(owned);
        }
        Ok(created(Kind::Warehouse, name))
    }

    fn create_integration(
        &mut self,
        mode: Create,
        name: &str,
        properties: Properties,
    ) -> Result<ResultSet, SqlFailure> {
        self.require("ACCOUNTADMIN", "CREATE INTEGRATION", "account")?;
        crate::auth::integration::check(&properties)?;
        if Self::admit(mode, self.account.integrations.contains_key(name), name)? {
            self.end_grants(Kind::Integration, name);
            let id = self.account.next_id();
            // Both hold characters that a form or a Basic header must encode, as real ones do.
            let client_id = format!("{}+/{id}=", crate::auth::random_text(18));
            let client_secret = format!("{}+/{id}=", crate::auth::random_text(30));
            let properties = texts(properties);
            let integration = Integration { name: name.to_owned(), properties, client_id, client_secret };
            self.account.integrations.insert(name.to_owned(), integration);
        }
        Ok(ResultSet::status(format!("Integration {name} successfully created.")))
    }

    fn create_view(&mut self, mode: Create, path: &[String], of: &[String]) -> Result<ResultSet, SqlFailure> {
        let (database, schema, name) = self.qualify(path)?;
        let full = format!("{database}.{schema}.{name}");
        let [from_database, from_schema, view] = of else {
            return Err(SqlFailure::unsupported_here("a view of anything but SNOWFLAKE.ACCOUNT_USAGE.<view>"));
        };
        let usage = crate::views::catalog::find(view);
        let (Some(usage), "SNOWFLAKE", "ACCOUNT_USAGE") = (usage, from_database.as_str(), from_schema.as_str()) else {
            return Err(SqlFailure::not_found("Object", &of.join(".")));
        };
        if !self.account.may_read_usage(&self.roles(), usage.database_role) {
            return Err(SqlFailure::not_found("Object", &of.join(".")));
        }
        let view = view.clone();
        let views = self.schema_of(&database, &schema)?;
        if Self::admit(mode, views.contains_key(&name), &full)? {
            views.insert(name.clone(), ViewSource::Usage(view));
            self.end_grants(Kind::View, &full);
            apply_grant::take_up_future(self, "VIEW", &database, &schema, &name);
        }
        Ok(created(Kind::View, &name))
    }

    fn alter_role(&mut self, if_exists: bool, name: &str, comment: Option<String>) -> Result<ResultSet, SqlFailure> {
        self.require("USERADMIN", "CREATE ROLE", &format!("role '{name}'"))?;
        match self.account.roles.get_mut(name) {
            Some(role) => role.comment = comment,
            None if if_exists => {}
            None => return Err(SqlFailure::not_found("Role", name)),
        }
        Ok(done())
    }

    fn alter(&mut self, kind: Kind, if_exists: bool, path: &[String], change: Change) -> Result<ResultSet, SqlFailure> {
        let name = path.join(".");
        match kind {
            Kind::Warehouse => {
                let roles = self.roles();
                let may = roles.contains("SYSADMIN")
                    || self.account.grants.holds(
                        &roles,
                        &["MODIFY", "OPERATE", "OWNERSHIP", "ALL"],
                        "WAREHOUSE",
                        &name,
                    );
                if !may {
                    return Err(SqlFailure::insufficient(&format!("warehouse '{name}'")));
                }
                if let Change::Set(properties) = &change {
                    check_warehouse(properties)?;
                }
                match self.account.warehouses.get_mut(&name) {
                    Some(warehouse) => match change {
                        Change::Act(verb) => warehouse.suspended = verb == "SUSPEND",
                        other => merge(&mut warehouse.properties, other),
                    },
                    None if if_exists => {}
                    None => return Err(SqlFailure::not_found("Warehouse", &name)),
                }
            }
            Kind::Integration => {
                self.require("ACCOUNTADMIN", "CREATE INTEGRATION", &format!("integration '{name}'"))?;
                if let Change::Set(properties) = &change {
                    crate::auth::integration::check_change(properties)?;
                }
                match self.account.integrations.get_mut(&name) {
                    Some(integration) => merge(&mut integration.properties, change),
                    None if if_exists => {}
                    None => return Err(SqlFailure::not_found("Integration", &name)),
                }
            }
            Kind::NetworkRule | Kind::NetworkPolicy => {
                return apply_network::alter(self, kind, if_exists, path, change);
            }
            Kind::ResourceMonitor | Kind::StorageIntegration => {
                self.require("ACCOUNTADMIN", &format!("CREATE {}", kind.name().to_uppercase()), "account")?;
                match self.account.others.get_mut(&(kind.name().to_owned(), name.clone())) {
                    Some(properties) => merge(properties, change),
                    None if if_exists => {}
                    None => return Err(SqlFailure::not_found(kind.name(), &name)),
                }
            }
            kind if kind.is_object() => return apply_object::alter(self, kind, if_exists, path, change),
            _ => return Err(SqlFailure::unsupported_here(format!("ALTER {}", kind.name().to_uppercase()))),
        }
        Ok(done())
    }

    fn alter_account(&mut self, change: Change) -> Result<ResultSet, SqlFailure> {
        let network_only =
            matches!(&change, Change::Set(properties) if properties.iter().all(|(name, _)| name == "NETWORK_POLICY"));
        if network_only {
            self.require("SECURITYADMIN", "ATTACH POLICY", "account")?;
        } else {
            self.require("ACCOUNTADMIN", "MANAGE ACCOUNT", "account")?;
        }
        if let Change::Set(properties) = &change {
            for (name, value) in properties {
                if name == "NETWORK_POLICY" && !self.account.policies.contains_key(&value.text()) {
                    return Err(SqlFailure::not_found("Network policy", &value.text()));
                }
            }
        }
        merge(&mut self.account.parameters, change);
        Ok(done())
    }

    fn drop(&mut self, kind: Kind, if_exists: bool, path: &[String]) -> Result<ResultSet, SqlFailure> {
        let name = path.join(".");
        if kind.is_object() {
            let found = apply_object::drop(self, kind, path)?;
            if !found && !if_exists {
                return Err(SqlFailure::not_found(kind.name(), &name));
            }
            return Ok(ResultSet::status(format!("{name} successfully dropped.")));
        }
        let (role, privilege) = match kind {
            Kind::User => ("USERADMIN", "CREATE USER"),
            Kind::Role => ("USERADMIN", "CREATE ROLE"),
            Kind::NetworkRule | Kind::NetworkPolicy => ("SECURITYADMIN", "CREATE NETWORK POLICY"),
            Kind::Integration | Kind::StorageIntegration | Kind::ResourceMonitor => {
                ("ACCOUNTADMIN", "CREATE INTEGRATION")
            }
            _ => ("SYSADMIN", "MANAGE WAREHOUSES"),
        };
        self.require(role, privilege, &format!("{} '{name}'", kind.name().to_lowercase()))?;
        if SYSTEM_ROLES.contains(&name.as_str()) && kind == Kind::Role {
            return Err(SqlFailure::insufficient(&format!("role '{name}'")));
        }
        let found = match kind {
            Kind::User => self.drop_user(&name),
            Kind::Role => self.drop_role(&name),
            Kind::Warehouse => self.account.warehouses.remove(&name).is_some(),
            Kind::Database => self.account.databases.remove(&name).is_some(),
            Kind::Integration => self.account.integrations.remove(&name).is_some(),
            Kind::ResourceMonitor | Kind::StorageIntegration => {
                self.account.others.remove(&(kind.name().to_owned(), name.clone())).is_some()
            }
            Kind::Schema => match path {
                [database, schema] => {
                    let held = self.account.databases.get_mut(database);
                    held.is_some_and(|held| held.schemas.remove(schema).is_some())
                }
                _ => return Err(SqlFailure::syntax("name the schema's database")),
            },
            Kind::View => {
                let (database, schema, view) = self.qualify(path)?;
                match self.schema_of(&database, &schema) {
                    Ok(views) => views.remove(&view).is_some(),
                    Err(failure) if !if_exists => return Err(failure),
                    Err(_) => false,
                }
            }
            Kind::NetworkRule | Kind::NetworkPolicy => apply_network::remove(self, kind, path)?,
            _ => false,
        };
        if !found && !if_exists {
            return Err(SqlFailure::not_found(kind.name(), &name));
        }
        if found && !matches!(kind, Kind::User | Kind::Role) {
            self.end_grants(kind, &name);
        }
        let message = if found {
            format!("{name} successfully dropped.")
        } else {
            "Drop statement executed successfully.".to_owned()
        };
        Ok(ResultSet::status(message))
    }

    /// An object that is dropped or replaced takes the grants on it along.
    fn end_grants(&mut self, kind: Kind, name: &str) {
        self.end_grants_on(kind.privilege_name(), name);
        if !matches!(kind, Kind::Database | Kind::Schema) {
            return;
        }
        let within = format!("{name}.");
        self.account.grants.close(self.now, |grant| grant.name.starts_with(&within) && grant.on != "DATABASE_ROLE");
        let held = |(_, of): &(Kind, String)| of.starts_with(&within);
        let gone: Vec<(Kind, String)> = self.account.objects.keys().filter(|key| held(key)).cloned().collect();
        for key in gone {
            if let Some(mut object) = self.account.objects.remove(&key) {
                object.dropped = Some(self.now);
                self.account.dropped_objects.push((key.0, object));
            }
        }
    }

    pub(super) fn end_grants_on(&mut self, on: &str, name: &str) {
        self.account.grants.close(self.now, |grant| grant.on == on && grant.name == name);
    }

    /// Gives whether there was such a user.
    pub(super) fn drop_user(&mut self, name: &str) -> bool {
        let Some(mut user) = self.account.users.remove(name) else { return false };
        user.dropped = Some(self.now);
        self.account.dropped_users.push(user);
        let to = Grantee::User(name.to_owned());
        self.account.grants.close(self.now, |grant| grant.to == to || (grant.on == "USER" && grant.name == name));
        true
    }

    fn drop_role(&mut self, name: &str) -> bool {
        let Some(mut role) = self.account.roles.remove(name) else { return false };
        role.dropped = Some(self.now);
        self.account.dropped_roles.push(role);
        let to = Grantee::Role(name.to_owned());
        self.account.grants.close(self.now, |grant| grant.to == to || (grant.on == "ROLE" && grant.name == name));
        true
    }
}

pub(super) fn owned_by(owner: &str, on: &str, name: &str, now: i64) -> Grant {
    Grant {
        privilege: "OWNERSHIP".to_owned(),
        on: on.to_owned(),
        name: name.to_owned(),
        to: Grantee::Role(owner.to_owned()),
        created: now,
        deleted: None,
        by: owner.to_owned(),
        grant_option: true,
    }
}

pub(super) fn created(kind: Kind, name: &str) -> ResultSet {
    ResultSet::status(format!("{} {name} successfully created.", kind.name()))
}

pub(super) fn single(path: &[String]) -> Result<&str, SqlFailure> {
    match path {
        [name] => Ok(name),
        _ => Err(SqlFailure::syntax(format!("'{}' is not the name of an object of the account", path.join(".")))),
    }
}

pub(super) fn invalid_property(name: &str) -> SqlFailure {
    SqlFailure::syntax(format!("invalid property '{name}'"))
}

pub(super) fn texts(properties: Properties) -> std::collections::BTreeMap<String, String> {
    properties.into_iter().map(|(name, value)| (name, value.text())).collect()
}

pub(super) fn merge(properties: &mut std::collections::BTreeMap<String, String>, change: Change) {
    match change {
        Change::Set(set) => {
            for (name, value) in set {
                if value.is_null() {
                    properties.remove(&name);
                } else {
                    properties.insert(name, value.text());
                }
            }
        }
        Change::Unset(names) => {
            for name in names {
                properties.remove(&name);
            }
        }
        Change::Add(more) => {
            for (name, value) in more {
                let held = properties.entry(name).or_default();
                for item in value.list() {
                    if held.split(',').any(|there| there == item) {
                        continue;
                    }
                    if !held.is_empty() {
                        held.push(',');
                    }
                    held.push_str(&item);
                }
            }
        }
        Change::Act(_) => {}
    }
}

fn check_warehouse(properties: &Properties) -> Result<(), SqlFailure> {
    const KNOWN: [&str; 14] = [
        "WAREHOUSE_SIZE",
        "WAREHOUSE_TYPE",
        "AUTO_SUSPEND",
        "AUTO_RESUME",
        "INITIALLY_SUSPENDED",
        "STATEMENT_TIMEOUT_IN_SECONDS",
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
        "RESOURCE_MONITOR",
        "COMMENT",
        "MIN_CLUSTER_COUNT",
        "MAX_CLUSTER_COUNT",
        "SCALING_POLICY",
        "MAX_CONCURRENCY_LEVEL",
        "ENABLE_QUERY_ACCELERATION",
    ];
    match properties.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        Some((name, _)) => Err(invalid_property(name)),
        None => Ok(()),
    }
}
