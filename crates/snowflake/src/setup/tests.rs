//! What the scripts say, and what cannot become one.

use proptest::prelude::*;

use super::*;

/// A public key of 2048 bits that nobody has the private part of.
pub(crate) const PUBLIC_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0/IzW7yWR7QkrmBL7jTKEn5u+qKhbwKfBstIs+bMY2Zkp18gnTxKLxoS2tFczGkPLPgizskuemMghRniWaoLcyehkd3qqGElvW/VDL5AaWTg0nLVkjRo9z+40RQzuVaE8AkAFmxZzow3x+VJYKdjykkJ0iT9wCS0DRTXu269V264Vf/3jvredZiKRkgwlL9xNAwxXFg0x/XFw005UWVRIkdgcKWTjpBP2dPwVZ4WWC+9aGVd+Gyn1o0CLelf4rEjGoXbAAEgAqeGUxrcIlbjXfbcmwIDAQAB";

pub(super) fn setup() -> Setup {
    Setup {
        source: "prod".to_owned(),
        user: "UNCIA_AUDIT_VIEW_USER".to_owned(),
        role: "UNCIA_AUDIT_VIEW_ROLE".to_owned(),
        warehouse: "UNCIA_WH".to_owned(),
        create_warehouse: true,
        place: None,
        views: ["LOGIN_HISTORY", "QUERY_HISTORY", "DATA_TRANSFER_HISTORY", "LOGIN_HISTORY"].map(str::to_owned).to_vec(),
        imported_privileges: false,
        sign_in: SignIn::KeyPair { public_key: PUBLIC_KEY.to_owned(), second: false },
        addresses: vec!["192.0.2.10".to_owned()],
    }
}

pub(super) fn client(redirect_uri: &str) -> SignIn {
    SignIn::OAuth(OAuthClient {
        integration: "UNCIA".to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        refresh_token_validity: LONGEST_CONSENT_SECONDS,
        single_use: true,
    })
}

#[test]
fn the_script_grants_what_the_views_need_and_no_more() {
    let script = setup().sql().unwrap().replace(PUBLIC_KEY, "<public key>");
    insta::assert_snapshot!(script, @r"
    -- Lets Uncia read the audit views of this account (source prod).
    -- Run all of it as ACCOUNTADMIN, in a worksheet or by `snow sql -f`. Running it again changes nothing.
    USE ROLE ACCOUNTADMIN;

    CREATE ROLE IF NOT EXISTS UNCIA_AUDIT_VIEW_ROLE COMMENT = 'Uncia, source prod: reads audit views';
    -- For LOGIN_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    -- For QUERY_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    -- For DATA_TRANSFER_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    CREATE WAREHOUSE IF NOT EXISTS UNCIA_WH WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE STATEMENT_TIMEOUT_IN_SECONDS = 900 COMMENT = 'Uncia, source prod: reads audit views';
    GRANT USAGE ON WAREHOUSE UNCIA_WH TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    CREATE USER IF NOT EXISTS UNCIA_AUDIT_VIEW_USER TYPE = SERVICE DEFAULT_ROLE = UNCIA_AUDIT_VIEW_ROLE DEFAULT_WAREHOUSE = UNCIA_WH DEFAULT_SECONDARY_ROLES = () COMMENT = 'Uncia, source prod: reads audit views';
    GRANT ROLE UNCIA_AUDIT_VIEW_ROLE TO USER UNCIA_AUDIT_VIEW_USER;
    -- Set by ALTER, because CREATE … IF NOT EXISTS would silently keep another key.
    ALTER USER UNCIA_AUDIT_VIEW_USER SET RSA_PUBLIC_KEY = '<public key>';

    -- The user signs in from these addresses only.
    CREATE NETWORK POLICY IF NOT EXISTS UNCIA_AUDIT_VIEW_USER_POLICY ALLOWED_IP_LIST = ('192.0.2.10');
    ALTER NETWORK POLICY UNCIA_AUDIT_VIEW_USER_POLICY SET ALLOWED_IP_LIST = ('192.0.2.10');
    ALTER USER UNCIA_AUDIT_VIEW_USER SET NETWORK_POLICY = UNCIA_AUDIT_VIEW_USER_POLICY;
    ");
    insta::assert_snapshot!(setup().undo_sql().unwrap(), @r"
    -- Takes away what Uncia's source prod was given. Running it again changes nothing.
    USE ROLE ACCOUNTADMIN;
    DROP USER IF EXISTS UNCIA_AUDIT_VIEW_USER;
    DROP NETWORK POLICY IF EXISTS UNCIA_AUDIT_VIEW_USER_POLICY;
    DROP ROLE IF EXISTS UNCIA_AUDIT_VIEW_ROLE;
    DROP WAREHOUSE IF EXISTS UNCIA_WH;
    ");
}

#[test]
fn the_script_for_copies_of_the_views() {
    let place = Some(("AUDIT".to_owned(), "usage".to_owned()));
    let script = Setup { place, create_warehouse: false, addresses: Vec::new(), ..setup() }.sql().unwrap();
    insta::assert_snapshot!(script.replace(PUBLIC_KEY, "<public key>"), @r#"
    -- Lets Uncia read the audit views of this account (source prod).
    -- Run all of it as ACCOUNTADMIN, in a worksheet or by `snow sql -f`. Running it again changes nothing.
    USE ROLE ACCOUNTADMIN;

    CREATE ROLE IF NOT EXISTS UNCIA_AUDIT_VIEW_ROLE COMMENT = 'Uncia, source prod: reads audit views';
    GRANT USAGE ON DATABASE AUDIT TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    GRANT USAGE ON SCHEMA AUDIT."usage" TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    GRANT SELECT ON VIEW AUDIT."usage".LOGIN_HISTORY TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    GRANT SELECT ON VIEW AUDIT."usage".QUERY_HISTORY TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    GRANT SELECT ON VIEW AUDIT."usage".DATA_TRANSFER_HISTORY TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    GRANT USAGE ON WAREHOUSE UNCIA_WH TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    CREATE USER IF NOT EXISTS UNCIA_AUDIT_VIEW_USER TYPE = SERVICE DEFAULT_ROLE = UNCIA_AUDIT_VIEW_ROLE DEFAULT_WAREHOUSE = UNCIA_WH DEFAULT_SECONDARY_ROLES = () COMMENT = 'Uncia, source prod: reads audit views';
    GRANT ROLE UNCIA_AUDIT_VIEW_ROLE TO USER UNCIA_AUDIT_VIEW_USER;
    -- Set by ALTER, because CREATE … IF NOT EXISTS would silently keep another key.
    ALTER USER UNCIA_AUDIT_VIEW_USER SET RSA_PUBLIC_KEY = '<public key>';
    "#);
}

#[test]
fn the_script_for_oauth() {
    let oauth = Setup {
        sign_in: client("https://uncia.example.com/snowflake/oauth/callback"),
        user: "ANA".to_owned(),
        create_warehouse: false,
        ..setup()
    };
    insta::assert_snapshot!(oauth.sql().unwrap(), @r"
    -- Lets Uncia read the audit views of this account (source prod).
    -- Run all of it as ACCOUNTADMIN, in a worksheet or by `snow sql -f`. Running it again changes nothing.
    USE ROLE ACCOUNTADMIN;

    CREATE ROLE IF NOT EXISTS UNCIA_AUDIT_VIEW_ROLE COMMENT = 'Uncia, source prod: reads audit views';
    -- For LOGIN_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    -- For QUERY_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;
    -- For DATA_TRANSFER_HISTORY.
    GRANT DATABASE ROLE SNOWFLAKE.USAGE_VIEWER TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    GRANT USAGE ON WAREHOUSE UNCIA_WH TO ROLE UNCIA_AUDIT_VIEW_ROLE;

    -- The person who is going to consent needs the role.
    GRANT ROLE UNCIA_AUDIT_VIEW_ROLE TO USER ANA;

    CREATE SECURITY INTEGRATION IF NOT EXISTS UNCIA TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = 'https://uncia.example.com/snowflake/oauth/callback' OAUTH_ALLOW_NON_TLS_REDIRECT_URI = FALSE OAUTH_ISSUE_REFRESH_TOKENS = TRUE OAUTH_REFRESH_TOKEN_VALIDITY = 7776000 OAUTH_ENFORCE_PKCE = TRUE OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED = TRUE OAUTH_USE_SECONDARY_ROLES = NONE COMMENT = 'Uncia, source prod: reads audit views';
    -- Shows the client's id and secret, which go into the source's configuration.
    SELECT SYSTEM$SHOW_OAUTH_CLIENT_SECRETS('UNCIA');
    ");
    insta::assert_snapshot!(oauth.undo_sql().unwrap(), @r"
    -- Takes away what Uncia's source prod was given. Running it again changes nothing.
    USE ROLE ACCOUNTADMIN;
    DROP INTEGRATION IF EXISTS UNCIA;
    DROP ROLE IF EXISTS UNCIA_AUDIT_VIEW_ROLE;
    ");
}

#[test]
fn the_module_for_terraform() {
    insta::assert_snapshot!(setup().terraform().unwrap().replace(PUBLIC_KEY, "<public key>"), @r#"
    terraform {
      required_providers {
        snowflake = {
          source  = "snowflakedb/snowflake"
          version = "~> 2.0"
        }
      }
    }

    resource "snowflake_account_role" "uncia" {
      name    = "UNCIA_AUDIT_VIEW_ROLE"
      comment = "Uncia, source prod: reads audit views"
    }

    resource "snowflake_grant_database_role" "security_viewer" {
      database_role_name = "\"SNOWFLAKE\".\"SECURITY_VIEWER\""
      parent_role_name   = snowflake_account_role.uncia.name
    }

    resource "snowflake_grant_database_role" "governance_viewer" {
      database_role_name = "\"SNOWFLAKE\".\"GOVERNANCE_VIEWER\""
      parent_role_name   = snowflake_account_role.uncia.name
    }

    resource "snowflake_grant_database_role" "usage_viewer" {
      database_role_name = "\"SNOWFLAKE\".\"USAGE_VIEWER\""
      parent_role_name   = snowflake_account_role.uncia.name
    }

    resource "snowflake_warehouse" "uncia" {
      name                         = "UNCIA_WH"
      warehouse_size               = "XSMALL"
      auto_suspend                 = 60
      auto_resume                  = "true"
      initially_suspended          = true
      statement_timeout_in_seconds = 900
      comment                      = "Uncia, source prod: reads audit views"
    }

    resource "snowflake_grant_privileges_to_account_role" "warehouse" {
      account_role_name = snowflake_account_role.uncia.name
      privileges        = ["USAGE"]
      on_account_object {
        object_type = "WAREHOUSE"
        object_name = snowflake_warehouse.uncia.name
      }
    }

    resource "snowflake_network_policy" "uncia" {
      name            = "UNCIA_AUDIT_VIEW_USER_POLICY"
      allowed_ip_list = ["192.0.2.10"]
    }

    resource "snowflake_service_user" "uncia" {
      name                           = "UNCIA_AUDIT_VIEW_USER"
      default_role                   = snowflake_account_role.uncia.name
      default_warehouse              = snowflake_warehouse.uncia.name
      default_secondary_roles_option = "NONE"
      comment                        = "Uncia, source prod: reads audit views"
      rsa_public_key                 = "<public key>"
      network_policy                 = snowflake_network_policy.uncia.name
    }

    resource "snowflake_grant_account_role" "uncia" {
      role_name = snowflake_account_role.uncia.name
      user_name = snowflake_service_user.uncia.name
    }
    "#);
    let hostile = Setup { source: "a\"${b}".to_owned(), ..setup() };
    assert!(hostile.terraform().unwrap().contains("\"Uncia, source a\\\"$${b}: reads audit views\""));
}

#[test]
fn other_ways_to_sign_in() {
    let token = Setup { sign_in: SignIn::AccessToken { days: 90 }, ..setup() }.sql().unwrap();
    assert!(token.contains("ROLE_RESTRICTION = 'UNCIA_AUDIT_VIEW_ROLE' DAYS_TO_EXPIRY = 90;"), "{token}");
    let workload = Setup { sign_in: SignIn::WorkloadIdentity, imported_privileges: true, ..setup() }.sql().unwrap();
    assert!(
        workload.contains("GRANT IMPORTED PRIVILEGES ON DATABASE SNOWFLAKE TO ROLE UNCIA_AUDIT_VIEW_ROLE;"),
        "{workload}"
    );
    let second = SignIn::KeyPair { public_key: PUBLIC_KEY.to_owned(), second: true };
    assert!(Setup { sign_in: second, ..setup() }.sql().unwrap().contains("SET RSA_PUBLIC_KEY_2 = 'MIIB"));
}

#[test]
fn what_cannot_be_set_up() {
    let wrong = |change: fn(&mut Setup)| {
        let mut setup = setup();
        change(&mut setup);
        setup.sql().unwrap_err().to_string()
    };
    for (text, expected) in [
        (wrong(|setup| setup.user.clear()), "user is empty"),
        (wrong(|setup| setup.role = "a\nb".to_owned()), "role `a\\nb` contains a control character"),
        (wrong(|setup| setup.role = "accountadmin".to_owned()), "`accountadmin` cannot be the role"),
        (wrong(|setup| setup.views.clear()), "no view is chosen"),
        (wrong(|setup| setup.views = vec!["USAGE_HISTORY".to_owned()]), "view `USAGE_HISTORY` is none"),
        (wrong(|setup| setup.addresses = vec!["1.2.3.4/33".to_owned()]), "`1.2.3.4/33` is no address"),
        (
            wrong(|setup| setup.sign_in = SignIn::KeyPair { public_key: "'; DROP".to_owned(), second: false }),
            "the public key is none",
        ),
        (wrong(|setup| setup.sign_in = SignIn::AccessToken { days: 0 }), "a token lasts 1 to 365 days, not 0"),
        (
            wrong(|setup| setup.sign_in = client("http://uncia.example.com/x")),
            "redirect URI `http://uncia.example.com/x` does not fit",
        ),
        (wrong(|setup| setup.sign_in = client("https://uncia.example.com/x?y")), "redirect URI"),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
    let local = Setup { sign_in: client("http://127.0.0.1:8640/snowflake/oauth/callback"), ..setup() };
    assert!(local.sql().unwrap().contains("OAUTH_ALLOW_NON_TLS_REDIRECT_URI = TRUE"));
}

proptest! {
    /// Outside quotes, whatever people type leaves the statements as they are. Names in lower case are always quoted.
    #[test]
    fn names_cannot_break_out(
        names in proptest::collection::vec(r"x\PC{0,30}", 5),
    ) {
        let place = Some(("D".to_owned(), "S".to_owned()));
        let [source, user, role, warehouse, view] = <[String; 5]>::try_from(names).unwrap();
        let typed = Setup { source, user, role, warehouse, views: vec![view], place, ..setup() };
        let Ok(script) = typed.sql() else { return Ok(()) };
        let plain = Setup { views: vec!["v".to_owned()], place: typed.place.clone(), ..setup() }.sql().unwrap();
        prop_assert_eq!(skeleton(&script), skeleton(&plain));
        prop_assert_eq!(script.lines().count(), plain.lines().count());
    }
}

/// The script without comments, and with a mark in place of every name and literal.
fn skeleton(script: &str) -> String {
    let mut skeleton = String::new();
    for line in script.lines().filter(|line| !line.starts_with("--")) {
        let mut rest = line.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '"' | '\'' => {
                    while let Some(inside) = rest.next() {
                        let escapes = character == '\'' && inside == '\\';
                        if escapes || (inside == character && rest.peek() == Some(&character)) {
                            rest.next();
                        } else if inside == character {
                            break;
                        }
                    }
                    skeleton.push('?');
                }
                other => skeleton.push(other),
            }
        }
        skeleton.push('\n');
    }
    // Names that need no quotes.
    let words = skeleton.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
    words
        .map(
            |word| {
                if word.contains("UNCIA") {
                    format!("?{}", word.chars().last().unwrap_or(' '))
                } else {
                    word.to_owned()
                }
            },
        )
        .collect()
}
