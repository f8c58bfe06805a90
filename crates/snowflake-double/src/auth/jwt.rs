//! Key-pair tokens, verified with the keys that scripts registered.
//!
//! Every check of docs.snowflake.com, "Authenticating to the server", is made here: claims of the right shape for this
//! account, a fingerprint that is registered and open, a good signature by an RSA algorithm, an issue time that has come,
//! and no life beyond an hour whatever the token says. The reason for a refusal goes to the log of failures, as behind
//! `SYSTEM$GET_LOGIN_FAILURE_DETAILS`; the caller only hears that the token is invalid.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Principal;
use crate::account::state::Account;

const HOUR: i64 = 3_600_000_000;
/// How far ahead of us a signer's clock may be.
const AHEAD: i64 = 60_000_000;
/// Numbers above this are milliseconds: as seconds they would be past the year 5000.
const MILLISECONDS: i64 = 100_000_000_000;

/// Verifies a token; the error is the reason for the failure log.
pub(crate) fn verify(account: &Account, token: &str, now: i64) -> Result<Principal, String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err("JWT_TOKEN_INVALID: not three parts".to_owned());
    };
    let algorithm = algorithm(&object(header, "header")?)?;
    let claims = object(claims, "claims")?;
    let subject = text(&claims, "sub")?;
    let issuer = text(&claims, "iss")?;

    let login = login_of(account, subject)?;
    let fingerprint = issuer
        .strip_prefix(subject)
        .and_then(|rest| rest.strip_prefix('.'))
        .ok_or("JWT_TOKEN_INVALID_ISSUER: iss is not sub and a fingerprint")?;
    let user = account.user_by_login(login).ok_or_else(|| format!("JWT_TOKEN_INVALID_USER_IN_ISSUER: {login}"))?;
    let keys = user.open_keys(now);
    let (key, bound_role) = keys
        .into_iter()
        .find(|(key, _)| key.fingerprint == fingerprint)
        .ok_or("JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH")?;

    let signature =
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| "JWT_TOKEN_INVALID: signature is not base64url".to_owned())?;
    let signed = &token[..token.rfind('.').expect("it has three parts")];
    UnparsedPublicKey::new(algorithm, &key.spki)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "JWT_TOKEN_INVALID_SIGNATURE".to_owned())?;

    let issued = instant(&claims, "iat").ok_or("JWT_TOKEN_INVALID_ISSUE_TIME: no iat")?;
    let expires = instant(&claims, "exp").ok_or("JWT_TOKEN_INVALID_EXPIRATION: no exp")?;
    if issued > now + AHEAD {
        return Err("JWT_TOKEN_INVALID_ISSUE_TIME: iat lies in the future".to_owned());
    }
    if now >= expires.min(issued + HOUR) {
        return Err("JWT_TOKEN_EXPIRED".to_owned());
    }
    if user.disabled() {
        return Err("USER_ACCESS_DISABLED".to_owned());
    }
    Ok(Principal { user: user.name.clone(), bound_role: bound_role.map(str::to_owned), blocked_roles: Vec::new() })
}

fn algorithm(header: &Value) -> Result<&'static RsaParameters, String> {
    match text(header, "alg")? {
        "RS256" => Ok(&RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Ok(&RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Ok(&RSA_PKCS1_2048_8192_SHA512),
        other => Err(format!("JWT_TOKEN_INVALID_ALGORITHM: {other}")),
    }
}

/// The login name behind the account's name. The account is upper case and has no periods, so a locator with a region
/// leaves the region in front of the name, and no such user is found.
fn login_of<'a>(account: &Account, subject: &'a str) -> Result<&'a str, String> {
    let names =
        [account.names.identifier(), account.names.identifier().replace('_', "-"), account.names.locator.clone()];
    names
        .iter()
        .find_map(|name| subject.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.')))
        .ok_or_else(|| format!("JWT_TOKEN_INVALID_ACCOUNT: {subject} is not of account {}", names[0]))
}

fn object(part: &str, what: &str) -> Result<Value, String> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| format!("JWT_TOKEN_INVALID: {what} is not base64url"))?;
    match serde_json::from_slice(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(format!("JWT_TOKEN_INVALID: {what} is no JSON object")),
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, String> {
    object[name].as_str().ok_or_else(|| format!("JWT_TOKEN_INVALID: no {name}"))
}

/// Microseconds of a claim in seconds or milliseconds.
fn instant(claims: &Value, name: &str) -> Option<i64> {
    let number = claims[name].as_i64().or_else(|| claims[name].as_f64().map(|number| number as i64))?;
    let scale = if number.abs() > MILLISECONDS { 1_000 } else { 1_000_000 };
    number.checked_mul(scale)
}
