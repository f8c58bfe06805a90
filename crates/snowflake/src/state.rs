//! The state views, one table: who and what an account has now, as opposed to what happened in it.
//!
//! They have no cursor: a snapshot reads all rows that are in force. What changed between two snapshots are events of their
//! own, so the table says too what makes an object the same object, and which columns change without anybody having changed
//! anything. <https://docs.snowflake.com/en/sql-reference/account-usage>

/// The log type of what changed between two snapshots.
pub const STATE_CHANGE: &str = "Snowflake.StateChange";

/// How the objects of one kind are read.
#[derive(Clone, Copy, Debug)]
pub struct StateView {
    /// The view's name.
    pub name: &'static str,
    /// Of its rows in the lake.
    pub log_type: &'static str,
    /// What a change calls such an object.
    pub object: &'static str,
    /// The columns by which a row is the same object in another snapshot.
    pub key: &'static [&'static str],
    /// Wanted columns, separated by white space. What an account does not have is left out.
    pub columns: &'static str,
    /// Wanted columns without which a row is of no use.
    pub required: &'static str,
    /// Null in the rows that are in force.
    pub deleted: Option<&'static str>,
    /// Columns that change by use: a row with no other change is no news.
    pub volatile: &'static [&'static str],
    /// The columns that make the object's name.
    pub object_name: &'static [&'static str],
    /// Who a change concerns.
    pub user: Option<&'static str>,
    pub role: Option<&'static str>,
    /// Every account has some: an empty answer is a mishap and not a change.
    pub never_empty: bool,
    /// The statement that answers in place of a view.
    pub show: Option<&'static str>,
    /// How events are enriched with it.
    pub lookup: Option<StateLookup>,
}

/// Which events a row is laid beside.
#[derive(Clone, Copy, Debug)]
pub struct StateLookup {
    /// Behind the source's label: `<label>_users`.
    pub name: &'static str,
    /// What a value is compared with: a column, or several with dots between.
    pub keys: &'static [&'static str],
    /// Indicator fields that are looked up in events of any log type.
    pub indicators: &'static [&'static str],
    /// Fields that are looked up in events of one log type.
    pub selectors: &'static [(&'static str, &'static [&'static str])],
    /// Only rows with one of these values in the column: the others would be many and say little.
    pub only: Option<(&'static str, &'static [&'static str])>,
}

impl StateView {
    /// What its position and changes are stored under.
    #[must_use]
    pub fn feed(&self) -> String {
        format!("{}/state", self.name)
    }

    /// The names of the wanted columns.
    pub fn wanted(&self) -> impl Iterator<Item = &'static str> {
        self.columns.split_whitespace()
    }
}

/// All of them.
pub const STATE_VIEWS: &[StateView] = &[
    StateView {
        name: "USERS",
        log_type: "Snowflake.Users",
        object: "USER",
        // A name may be used again.
        key: &["USER_ID"],
        columns: "USER_ID NAME CREATED_ON LOGIN_NAME DISPLAY_NAME FIRST_NAME LAST_NAME EMAIL MUST_CHANGE_PASSWORD \
                  HAS_PASSWORD COMMENT DISABLED SNOWFLAKE_LOCK DEFAULT_WAREHOUSE DEFAULT_NAMESPACE DEFAULT_ROLE \
                  DEFAULT_SECONDARY_ROLE EXT_AUTHN_DUO EXT_AUTHN_UID HAS_MFA BYPASS_MFA_UNTIL LAST_SUCCESS_LOGIN \
                  EXPIRES_AT LOCKED_UNTIL_TIME HAS_RSA_PUBLIC_KEY HAS_PAT HAS_WORKLOAD_IDENTITY PASSWORD_LAST_SET_TIME \
                  OWNER TYPE DATABASE_NAME DATABASE_ID SCHEMA_NAME SCHEMA_ID IS_FROM_ORGANIZATION_USER",
        required: "USER_ID NAME CREATED_ON",
        volatile: &["LAST_SUCCESS_LOGIN"],
        user: Some("NAME"),
        lookup: Some(StateLookup {
            name: "users",
            keys: &["NAME", "LOGIN_NAME", "EMAIL"],
            indicators: &["p_any_usernames", "p_any_emails"],
            ..STATE_LOOKUP
        }),
        ..STATE_VIEW
    },
    StateView {
        name: "ROLES",
        log_type: "Snowflake.Roles",
        object: "ROLE",
        key: &["ROLE_ID"],
        columns: "ROLE_ID NAME CREATED_ON COMMENT OWNER ROLE_TYPE ROLE_DATABASE_NAME ROLE_INSTANCE_ID OWNER_ROLE_TYPE",
        required: "ROLE_ID NAME CREATED_ON",
        role: Some("NAME"),
        lookup: Some(StateLookup { name: "roles", keys: &["NAME"], selectors: OF_ROLES, ..STATE_LOOKUP }),
        ..STATE_VIEW
    },
    StateView {
        name: "GRANTS_TO_USERS",
        log_type: "Snowflake.GrantsToUsers",
        object: "GRANT_TO_USER",
        // A role granted again is a grant of its own.
        key: &["ROLE", "GRANTEE_NAME", "GRANTED_BY", "CREATED_ON"],
        columns: "CREATED_ON ROLE GRANTED_TO GRANTEE_NAME GRANTED_BY",
        required: "CREATED_ON ROLE GRANTEE_NAME",
        object_name: &["GRANTEE_NAME"],
        user: Some("GRANTEE_NAME"),
        role: Some("ROLE"),
        lookup: Some(StateLookup {
            name: "grantsToUsers",
            keys: &["GRANTEE_NAME"],
            indicators: &["p_any_usernames"],
            ..STATE_LOOKUP
        }),
        ..STATE_VIEW
    },
    StateView {
        name: "GRANTS_TO_ROLES",
        log_type: "Snowflake.GrantsToRoles",
        object: "GRANT_TO_ROLE",
        key: &[
            "PRIVILEGE",
            "GRANTED_ON",
            "TABLE_CATALOG",
            "TABLE_SCHEMA",
            "NAME",
            "GRANTED_TO",
            "GRANTEE_NAME",
            "GRANTED_BY",
            "CREATED_ON",
        ],
        columns: "CREATED_ON MODIFIED_ON PRIVILEGE GRANTED_ON NAME TABLE_CATALOG TABLE_SCHEMA GRANTED_TO GRANTEE_NAME \
                  GRANT_OPTION GRANTED_BY GRANTED_BY_ROLE_TYPE OBJECT_INSTANCE",
        required: "CREATED_ON PRIVILEGE NAME GRANTEE_NAME",
        volatile: &["MODIFIED_ON"],
        object_name: &["GRANTEE_NAME"],
        role: Some("GRANTEE_NAME"),
        lookup: Some(StateLookup {
            name: "grantsToRoles",
            keys: &["GRANTEE_NAME"],
            selectors: OF_ROLES,
            // What makes a role powerful. Grants on tables can be millions.
            only: Some(("GRANTED_ON", &["ACCOUNT", "ROLE", "USER"])),
            ..STATE_LOOKUP
        }),
        ..STATE_VIEW
    },
    StateView {
        name: "NETWORK_POLICIES",
        log_type: "Snowflake.NetworkPolicies",
        object: "NETWORK_POLICY",
        columns: "ID NAME OWNER OWNER_ROLE_TYPE COMMENT ALLOWED_IP_LIST BLOCKED_IP_LIST ALLOWED_NETWORK_RULES \
                  BLOCKED_NETWORK_RULES CREATED LAST_ALTERED",
        required: "ID NAME",
        lookup: Some(StateLookup {
            name: "networkPolicies",
            keys: &["NAME"],
            selectors: &[(STATE_CHANGE, &["OBJECT_NAME"])],
            ..STATE_LOOKUP
        }),
        ..SCHEMA_OBJECT
    },
    StateView {
        name: "STAGES",
        log_type: "Snowflake.Stages",
        object: "STAGE",
        key: &["STAGE_ID"],
        columns: "STAGE_ID STAGE_NAME STAGE_SCHEMA_ID STAGE_SCHEMA STAGE_CATALOG_ID STAGE_CATALOG STAGE_URL STAGE_REGION \
                  STAGE_TYPE STAGE_OWNER COMMENT CREATED LAST_ALTERED OWNER_ROLE_TYPE INSTANCE_ID DIRECTORY_ENABLED \
                  STORAGE_INTEGRATION ENDPOINT",
        required: "STAGE_ID STAGE_NAME",
        object_name: &["STAGE_CATALOG", "STAGE_SCHEMA", "STAGE_NAME"],
        lookup: Some(StateLookup {
            name: "stages",
            keys: &["STAGE_CATALOG.STAGE_SCHEMA.STAGE_NAME"],
            selectors: &[
                ("Snowflake.AccessHistory", &["$.DIRECT_OBJECTS_ACCESSED.objectName", "$.OBJECTS_MODIFIED.objectName"]),
                (STATE_CHANGE, &["OBJECT_NAME"]),
            ],
            ..STATE_LOOKUP
        }),
        ..SCHEMA_OBJECT
    },
    StateView {
        name: "SHARES",
        log_type: "Snowflake.Shares",
        object: "SHARE",
        key: &["NAME", "CREATED_ON"],
        columns: "NAME CREATED_ON MODIFIED_ON OWNER COMMENT DATABASE_NAME SECURE_OBJECTS_ONLY TARGET_ACCOUNTS \
                  LISTING_GLOBAL_NAME",
        required: "NAME CREATED_ON",
        volatile: &["MODIFIED_ON"],
        never_empty: false,
        ..STATE_VIEW
    },
    StateView {
        name: "CREDENTIALS",
        log_type: "Snowflake.Credentials",
        object: "CREDENTIAL",
        key: &["CREDENTIAL_ID"],
        columns: "CREDENTIAL_ID NAME USER_NAME TYPE DOMAIN COMMENT STATUS ADDITIONAL_DETAILS CREATED_BY LAST_ALTERED_BY \
                  CREATED_ON LAST_USED_ON LAST_ALTERED EXPIRATION_DATE",
        required: "CREDENTIAL_ID TYPE DOMAIN",
        deleted: None,
        volatile: &["LAST_USED_ON", "LAST_ALTERED"],
        user: Some("USER_NAME"),
        never_empty: false,
        lookup: Some(StateLookup {
            name: "credentials",
            keys: &["CREDENTIAL_ID"],
            selectors: &[(
                "Snowflake.LoginHistory",
                &["FIRST_AUTHENTICATION_FACTOR_ID", "SECOND_AUTHENTICATION_FACTOR_ID"],
            )],
            ..STATE_LOOKUP
        }),
        ..STATE_VIEW
    },
    StateView {
        name: "PASSWORD_POLICIES",
        log_type: "Snowflake.PasswordPolicies",
        object: "PASSWORD_POLICY",
        columns: "ID NAME SCHEMA_ID SCHEMA DATABASE_ID DATABASE OWNER OWNER_ROLE_TYPE PASSWORD_MIN_LENGTH \
                  PASSWORD_MAX_LENGTH PASSWORD_MIN_UPPER_CASE_CHARS PASSWORD_MIN_LOWER_CASE_CHARS \
                  PASSWORD_MIN_NUMERIC_CHARS PASSWORD_MIN_SPECIAL_CHARS PASSWORD_MIN_AGE_DAYS PASSWORD_MAX_AGE_DAYS \
                  PASSWORD_MAX_RETRIES PASSWORD_LOCKOUT_TIME_MINS PASSWORD_HISTORY COMMENT CREATED LAST_ALTERED",
        required: "ID NAME PASSWORD_MIN_LENGTH",
        ..SCHEMA_OBJECT
    },
    StateView {
        name: "SESSION_POLICIES",
        log_type: "Snowflake.SessionPolicies",
        object: "SESSION_POLICY",
        columns: "ID NAME SCHEMA_ID SCHEMA DATABASE_ID DATABASE OWNER OWNER_ROLE_TYPE SESSION_IDLE_TIMEOUT_MINS \
                  SESSION_UI_IDLE_TIMEOUT_MINS SESSION_MAX_LIFESPAN_MINS SESSION_UI_MAX_LIFESPAN_MINS COMMENT CREATED \
                  LAST_ALTERED",
        required: "ID NAME SESSION_IDLE_TIMEOUT_MINS",
        ..SCHEMA_OBJECT
    },
    StateView {
        name: "NETWORK_RULES",
        log_type: "Snowflake.NetworkRules",
        object: "NETWORK_RULE",
        columns: "ID NAME SCHEMA_ID SCHEMA_NAME DATABASE_ID DATABASE_NAME OWNER OWNER_ROLE_TYPE MODE TYPE VALUE_LIST \
                  COMMENT CREATED LAST_ALTERED",
        required: "ID NAME MODE",
        ..SCHEMA_OBJECT
    },
    StateView {
        name: "PARAMETERS",
        log_type: "Snowflake.Parameters",
        object: "PARAMETER",
        key: &["KEY"],
        columns: "KEY VALUE DEFAULT LEVEL DESCRIPTION TYPE",
        required: "KEY VALUE",
        deleted: None,
        volatile: &["DESCRIPTION"],
        object_name: &["KEY"],
        show: Some("SHOW PARAMETERS IN ACCOUNT"),
        ..STATE_VIEW
    },
];

const OF_ROLES: &[(&str, &[&str])] = &[
    ("Snowflake.QueryHistory", &["ROLE_NAME"]),
    ("Snowflake.GrantsToUsers", &["ROLE"]),
    (STATE_CHANGE, &["ROLE_NAME"]),
];

/// What most of them have in common.
const STATE_VIEW: StateView = StateView {
    name: "",
    log_type: "",
    object: "",
    key: &[],
    columns: "",
    required: "",
    deleted: Some("DELETED_ON"),
    volatile: &[],
    object_name: &["NAME"],
    user: None,
    role: None,
    never_empty: true,
    show: None,
    lookup: None,
};

/// What objects of schemas, and policies, have in common.
const SCHEMA_OBJECT: StateView =
    StateView { key: &["ID"], deleted: Some("DELETED"), volatile: &["LAST_ALTERED"], never_empty: false, ..STATE_VIEW };

const STATE_LOOKUP: StateLookup = StateLookup { name: "", keys: &[], indicators: &[], selectors: &[], only: None };

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_table_is_in_itself_right() {
        for view in STATE_VIEWS {
            let wanted: HashSet<&str> = view.wanted().collect();
            assert_eq!(wanted.len(), view.wanted().count(), "{}: a column twice", view.name);
            assert!(!view.key.is_empty() && !wanted.contains("DELETED_ON"), "{}", view.name);
            let lookup = view.lookup.iter();
            let keys = lookup.clone().flat_map(|lookup| lookup.keys.iter().flat_map(|key| key.split('.')));
            let only = lookup.filter_map(|lookup| lookup.only.map(|(column, _)| column));
            let named =
                view.key.iter().chain(view.volatile).chain(view.object_name).chain(&view.user).chain(&view.role);
            for column in named.copied().chain(view.required.split_whitespace()).chain(keys).chain(only) {
                assert!(wanted.contains(column), "{}: {column} is not read", view.name);
            }
            assert!(view.key.iter().all(|column| !view.volatile.contains(column)), "{}", view.name);
        }
        let names: HashSet<&str> = STATE_VIEWS.iter().map(|view| view.name).collect();
        assert_eq!(names.len(), STATE_VIEWS.len());
    }
}
