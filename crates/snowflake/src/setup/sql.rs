//! The scripts in SQL, for a worksheet or `snow sql -f`.

use std::fmt::Write as _;

use super::{OAuthClient, Setup, SignIn};
use crate::sql::{identifier, literal};

/// Writing into a string cannot fail.
const MEMORY: &str = "memory takes text";

pub(super) fn script(setup: &Setup) -> String {
    let mut out = String::new();
    let comment = literal(&setup.comment());
    let (user, role, warehouse) = (identifier(&setup.user), identifier(&setup.role), identifier(&setup.warehouse));
    line(
        &mut out,
        &format!("-- Lets Uncia read the audit views of this account (source {}).", commented(&setup.source)),
    );
    line(
        &mut out,
        "-- Run all of it as ACCOUNTADMIN, in a worksheet or by `snow sql -f`. Running it again changes nothing.",
    );
    line(&mut out, "USE ROLE ACCOUNTADMIN;");
    line(&mut out, "");
    line(&mut out, &format!("CREATE ROLE IF NOT EXISTS {role} COMMENT = {comment};"));
    grants(setup, &role, &mut out);
    line(&mut out, "");
    if setup.create_warehouse {
        line(
            &mut out,
            &format!(
                "CREATE WAREHOUSE IF NOT EXISTS {warehouse} WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE \
                 INITIALLY_SUSPENDED = TRUE STATEMENT_TIMEOUT_IN_SECONDS = 900 COMMENT = {comment};"
            ),
        );
    }
    line(&mut out, &format!("GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {role};"));
    line(&mut out, "");
    if let SignIn::OAuth(client) = &setup.sign_in {
        line(&mut out, "-- The person who is going to consent needs the role.");
        line(&mut out, &format!("GRANT ROLE {role} TO USER {user};"));
        integration(setup, client, &mut out);
        return out;
    }
    line(
        &mut out,
        &format!(
            "CREATE USER IF NOT EXISTS {user} TYPE = SERVICE DEFAULT_ROLE = {role} DEFAULT_WAREHOUSE = {warehouse} \
             DEFAULT_SECONDARY_ROLES = () COMMENT = {comment};"
        ),
    );
    line(&mut out, &format!("GRANT ROLE {role} TO USER {user};"));
    sign_in(setup, &user, &mut out);
    network_policy(setup, &user, &mut out);
    out
}

pub(super) fn undo(setup: &Setup) -> String {
    let mut out = String::new();
    let (user, role, warehouse) = (identifier(&setup.user), identifier(&setup.role), identifier(&setup.warehouse));
    line(
        &mut out,
        &format!(
            "-- Takes away what Uncia's source {} was given. Running it again changes nothing.",
            commented(&setup.source)
        ),
    );
    line(&mut out, "USE ROLE ACCOUNTADMIN;");
    if let SignIn::OAuth(client) = &setup.sign_in {
        line(&mut out, &format!("DROP INTEGRATION IF EXISTS {};", identifier(&client.integration)));
    } else {
        line(&mut out, &format!("DROP USER IF EXISTS {user};"));
    }
    if !setup.is_person() && !setup.addresses.is_empty() {
        line(&mut out, &format!("DROP NETWORK POLICY IF EXISTS {};", identifier(&setup.network_policy())));
    }
    line(&mut out, &format!("DROP ROLE IF EXISTS {role};"));
    if setup.create_warehouse {
        line(&mut out, &format!("DROP WAREHOUSE IF EXISTS {warehouse};"));
    }
    out
}

fn grants(setup: &Setup, role: &str, out: &mut String) {
    if let Some((database, schema)) = &setup.place {
        let (database, schema) = (identifier(database), identifier(schema));
        line(out, &format!("GRANT USAGE ON DATABASE {database} TO ROLE {role};"));
        line(out, &format!("GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {role};"));
        for view in setup.distinct_views() {
            line(out, &format!("GRANT SELECT ON VIEW {database}.{schema}.{} TO ROLE {role};", identifier(view)));
        }
        return;
    }
    if setup.imported_privileges {
        line(out, "-- All of the SNOWFLAKE database, which may show the organisation's data too.");
        line(out, &format!("GRANT IMPORTED PRIVILEGES ON DATABASE SNOWFLAKE TO ROLE {role};"));
        return;
    }
    for (database_role, views) in setup.database_roles() {
        line(out, &format!("-- For {}.", commented(&views.join(", "))));
        line(out, &format!("{};", database_role.grant_to(role)));
    }
}

fn sign_in(setup: &Setup, user: &str, out: &mut String) {
    match &setup.sign_in {
        SignIn::KeyPair { public_key, second } => {
            let slot = if *second { "RSA_PUBLIC_KEY_2" } else { "RSA_PUBLIC_KEY" };
            line(out, "-- Set by ALTER, because CREATE … IF NOT EXISTS would silently keep another key.");
            line(out, &format!("ALTER USER {user} SET {slot} = {};", literal(public_key)));
        }
        SignIn::AccessToken { days } => {
            line(
                out,
                "-- Then, once: it shows the token, which goes into the source's configuration. The user must be under a",
            );
            line(out, "-- network policy to have one.");
            line(
                out,
                &format!(
                    "-- ALTER USER {} ADD PROGRAMMATIC ACCESS TOKEN UNCIA ROLE_RESTRICTION = {} DAYS_TO_EXPIRY = {days};",
                    commented(user),
                    commented(&literal(&setup.role)),
                ),
            );
        }
        SignIn::WorkloadIdentity => {
            line(out, "-- Then, with what your platform calls this machine:");
            line(
                out,
                &format!(
                    "-- ALTER USER {} SET WORKLOAD_IDENTITY = (TYPE = OIDC ISSUER = '<issuer>' SUBJECT = '<subject>');",
                    commented(user)
                ),
            );
        }
        SignIn::OAuth(_) => {}
    }
}

fn network_policy(setup: &Setup, user: &str, out: &mut String) {
    if setup.addresses.is_empty() {
        return;
    }
    let policy = identifier(&setup.network_policy());
    let list: Vec<String> = setup.addresses.iter().map(|address| literal(address)).collect();
    let list = list.join(", ");
    line(out, "");
    line(out, "-- The user signs in from these addresses only.");
    line(out, &format!("CREATE NETWORK POLICY IF NOT EXISTS {policy} ALLOWED_IP_LIST = ({list});"));
    line(out, &format!("ALTER NETWORK POLICY {policy} SET ALLOWED_IP_LIST = ({list});"));
    line(out, &format!("ALTER USER {user} SET NETWORK_POLICY = {policy};"));
}

fn integration(setup: &Setup, client: &OAuthClient, out: &mut String) {
    let name = identifier(&client.integration);
    let yes = |flag: bool| if flag { "TRUE" } else { "FALSE" };
    line(out, "");
    line(
        out,
        &format!(
            "CREATE SECURITY INTEGRATION IF NOT EXISTS {name} TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM \
             OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = {} OAUTH_ALLOW_NON_TLS_REDIRECT_URI = {} \
             OAUTH_ISSUE_REFRESH_TOKENS = TRUE OAUTH_REFRESH_TOKEN_VALIDITY = {} OAUTH_ENFORCE_PKCE = TRUE \
             OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED = {} OAUTH_USE_SECONDARY_ROLES = NONE COMMENT = {};",
            literal(&client.redirect_uri),
            yes(client.is_plain_http()),
            client.refresh_token_validity,
            yes(client.single_use),
            literal(&setup.comment()),
        ),
    );
    line(out, "-- Shows the client's id and secret, which go into the source's configuration.");
    // The name goes into a literal, where Snowflake wants it as the catalogue has it.
    line(out, &format!("SELECT SYSTEM$SHOW_OAUTH_CLIENT_SECRETS({});", literal(&client.integration)));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect(MEMORY);
}

/// A text inside a comment, which a line end would end.
fn commented(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}') { ' ' } else { c })
        .collect()
}
