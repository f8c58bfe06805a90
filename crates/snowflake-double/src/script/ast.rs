//! What the grammar understands.

/// What to do when the object is there already, or is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Create {
    Plain,
    OrReplace,
    IfNotExists,
}

/// `NAME = value` as scripts write it.
pub(crate) type Properties = Vec<(String, Setting)>;

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// A word, folded as a name is; TRUE, FALSE and NULL too.
    Word(String),
    Text(String),
    Number(String),
    List(Vec<String>),
}

impl Setting {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Number(text) => text.clone(),
            Self::List(items) => items.join(","),
        }
    }

    /// Nothing, as in `SET DEFAULT_ROLE = NULL` or an empty string.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Word(word) if word == "NULL") || matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(crate) fn list(&self) -> Vec<String> {
        match self {
            Self::List(items) => items.clone(),
            other => vec![other.text()],
        }
    }
}

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    UseRole(String),
    UseSecondaryRoles(String),
    UseWarehouse(String),
    UseDatabase(String),
    UseSchema(Vec<String>),
    AlterSession,
    Transaction(&'static str),
    Create {
        mode: Create,
        what: Creation,
    },
    AlterUser {
        if_exists: bool,
        name: String,
        change: UserChange,
    },
    AlterRole {
        if_exists: bool,
        name: String,
        comment: Option<String>,
    },
    AlterObject {
        kind: Kind,
        if_exists: bool,
        name: Vec<String>,
        change: Change,
    },
    AlterAccount(Change),
    /// A policy for everybody, or none.
    AttachPolicy {
        kind: Kind,
        name: Option<Vec<String>>,
    },
    Drop {
        kind: Kind,
        if_exists: bool,
        name: Vec<String>,
    },
    Grant {
        what: Granted,
        to: Target,
        grant_option: bool,
    },
    Revoke {
        what: Granted,
        from: Target,
    },
    Show(Show),
}

/// Objects that scripts make, alter and drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    User,
    Role,
    Warehouse,
    Database,
    Schema,
    View,
    NetworkRule,
    NetworkPolicy,
    Integration,
    ResourceMonitor,
    StorageIntegration,
    PasswordPolicy,
    SessionPolicy,
    Stage,
    Task,
    Procedure,
    Table,
    Share,
}

impl Kind {
    /// The words of the statement, which are those of messages too.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Role => "Role",
            Self::Warehouse => "Warehouse",
            Self::Database => "Database",
            Self::Schema => "Schema",
            Self::View => "View",
            Self::NetworkRule => "Network rule",
            Self::NetworkPolicy => "Network policy",
            Self::Integration => "Integration",
            Self::ResourceMonitor => "Resource monitor",
            Self::StorageIntegration => "Storage integration",
            Self::PasswordPolicy => "Password policy",
            Self::SessionPolicy => "Session policy",
            Self::Stage => "Stage",
            Self::Task => "Task",
            Self::Procedure => "Procedure",
            Self::Table => "Table",
            Self::Share => "Share",
        }
    }

    /// What grants on such objects call them.
    pub(crate) fn privilege_name(self) -> &'static str {
        match self {
            Self::PasswordPolicy => "PASSWORD_POLICY",
            Self::SessionPolicy => "SESSION_POLICY",
            Self::Stage => "STAGE",
            Self::Task => "TASK",
            Self::Procedure => "PROCEDURE",
            Self::Table => "TABLE",
            Self::Share => "SHARE",
            Self::User => "USER",
            Self::Role => "ROLE",
            Self::Warehouse => "WAREHOUSE",
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
            Self::View => "VIEW",
            Self::NetworkRule => "NETWORK_RULE",
            Self::NetworkPolicy => "NETWORK_POLICY",
            Self::Integration | Self::StorageIntegration => "INTEGRATION",
            Self::ResourceMonitor => "RESOURCE_MONITOR",
        }
    }

    /// Whether such objects are kept with their past: see `apply_object`.
    pub(crate) fn is_object(self) -> bool {
        matches!(
            self,
            Self::PasswordPolicy
                | Self::SessionPolicy
                | Self::Stage
                | Self::Task
                | Self::Procedure
                | Self::Table
                | Self::Share
        )
    }
}

/// What is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    /// A view that shows all of a view of `ACCOUNT_USAGE`.
    View { name: Vec<String>, of: Vec<String> },
    /// Anything that is a name and properties.
    Object { kind: Kind, name: Vec<String>, properties: Properties },
}

/// `SET …` or `UNSET …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Set(Properties),
    Unset(Vec<String>),
    /// `ADD ACCOUNTS = …` of a share.
    Add(Properties),
    /// `SUSPEND`, `RESUME [IF SUSPENDED]` of a warehouse.
    Act(String),
}

/// What ALTER USER does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserChange {
    Set(Properties),
    Unset(Vec<String>),
    AddKeyPair { pair: String, properties: Properties },
    RotateKeyPair { pair: String, properties: Properties },
    ModifyKeyPair { pair: String, properties: Properties },
    RemoveKeyPair(String),
    AddToken { token: String, properties: Properties },
    RemoveToken(String),
    RenameTo(String),
}

/// What is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    Role(String),
    DatabaseRole(Vec<String>),
    ImportedPrivileges(String),
    Privileges { privileges: Vec<String>, on: On },
}

/// What privileges are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Account,
    Object { kind: String, name: Vec<String> },
    All { kind: String, within: Vec<String> },
    Future { kind: String, within: Vec<String> },
}

/// Who receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Role(String),
    User(String),
    Share(String),
}

/// What SHOW and DESCRIBE list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Users { like: Option<String> },
    Roles { like: Option<String> },
    Warehouses { like: Option<String> },
    NetworkPolicies,
    Integrations,
    Parameters { like: Option<String>, user: Option<String> },
    GrantsTo(Target),
    GrantsOf(String),
    KeyPairs { user: Option<String> },
    AccessTokens { user: Option<String> },
    DescribeUser(String),
    DescribeIntegration(String),
}
