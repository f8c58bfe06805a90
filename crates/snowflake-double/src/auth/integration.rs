//! What a security integration for a custom OAuth client may say.

use crate::failure::SqlFailure;
use crate::script::{Properties, Setting};

const KNOWN: [&str; 21] = [
    "TYPE",
    "ENABLED",
    "OAUTH_CLIENT",
    "OAUTH_CLIENT_TYPE",
    "OAUTH_REDIRECT_URI",
    "OAUTH_ALLOW_NON_TLS_REDIRECT_URI",
    "OAUTH_ENFORCE_PKCE",
    "OAUTH_ISSUE_REFRESH_TOKENS",
    "OAUTH_REFRESH_TOKEN_VALIDITY",
    "OAUTH_ACCESS_TOKEN_VALIDITY",
    "OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED",
    "OAUTH_USE_SECONDARY_ROLES",
    "OAUTH_ANY_ROLE_MODE",
    "OAUTH_CLIENT_RSA_PUBLIC_KEY",
    "OAUTH_CLIENT_RSA_PUBLIC_KEY_2",
    "ALLOWED_ROLES_LIST",
    "BLOCKED_ROLES_LIST",
    "PRE_AUTHORIZED_ROLES_LIST",
    "NETWORK_POLICY",
    "COMMENT",
    "OAUTH_AUTHORIZATION_ENDPOINT",
];

/// CREATE: everything needed is there and fits.
pub(crate) fn check(properties: &Properties) -> Result<(), SqlFailure> {
    check_change(properties)?;
    let find = |name: &str| properties.iter().find(|(property, _)| property == name).map(|(_, value)| value);
    for name in ["TYPE", "OAUTH_CLIENT"] {
        if find(name).is_none() {
            return Err(SqlFailure::syntax(format!("missing property '{name}'")));
        }
    }
    let kind = find("TYPE").map(Setting::text).unwrap_or_default();
    let client = find("OAUTH_CLIENT").map(Setting::text).unwrap_or_default();
    if !kind.eq_ignore_ascii_case("OAUTH") || !client.eq_ignore_ascii_case("CUSTOM") {
        return Err(SqlFailure::unsupported_here("integrations but those of TYPE = OAUTH, OAUTH_CLIENT = CUSTOM"));
    }
    for name in ["OAUTH_CLIENT_TYPE", "OAUTH_REDIRECT_URI"] {
        if find(name).is_none() {
            return Err(SqlFailure::syntax(format!("missing property '{name}'")));
        }
    }
    let redirect = find("OAUTH_REDIRECT_URI").map(Setting::text).unwrap_or_default();
    let plain = find("OAUTH_ALLOW_NON_TLS_REDIRECT_URI").is_some_and(|value| value.text().eq_ignore_ascii_case("true"));
    if redirect.contains('?') || !(redirect.starts_with("https://") || (plain && redirect.starts_with("http://"))) {
        return Err(SqlFailure::invalid_value("OAUTH_REDIRECT_URI", &redirect));
    }
    Ok(())
}

/// ALTER: each property on its own.
pub(crate) fn check_change(properties: &Properties) -> Result<(), SqlFailure> {
    for (name, value) in properties {
        if !KNOWN.contains(&name.as_str()) {
            return Err(SqlFailure::syntax(format!("invalid property '{name}'")));
        }
        let text = value.text();
        let seconds =
            |range: std::ops::RangeInclusive<i64>| text.parse::<i64>().is_ok_and(|number| range.contains(&number));
        let fits = match name.as_str() {
            "OAUTH_REFRESH_TOKEN_VALIDITY" => seconds(3_600..=7_776_000),
            "OAUTH_ACCESS_TOKEN_VALIDITY" => seconds(60..=3_600),
            "OAUTH_CLIENT_TYPE" => ["CONFIDENTIAL", "PUBLIC"].contains(&text.to_uppercase().as_str()),
            "OAUTH_USE_SECONDARY_ROLES" => ["IMPLICIT", "NONE"].contains(&text.to_uppercase().as_str()),
            "ENABLED"
            | "OAUTH_ENFORCE_PKCE"
            | "OAUTH_ISSUE_REFRESH_TOKENS"
            | "OAUTH_ALLOW_NON_TLS_REDIRECT_URI"
            | "OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED" => ["TRUE", "FALSE"].contains(&text.to_uppercase().as_str()),
            _ => true,
        };
        if !fits {
            return Err(SqlFailure::invalid_value(name, &text));
        }
    }
    Ok(())
}
