//! From the headers of a request to who sent it.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use super::{Principal, Refusal, jwt};
use crate::account::state::Account;
use crate::core::Core;

const TYPE_HEADER: &str = "x-snowflake-authorization-token-type";

/// Lets somebody in or says why not. The network policy is looked at once the user is known, as Snowflake does.
pub(crate) fn authenticate(core: &Core, headers: &HeaderMap, address: IpAddr) -> Result<Principal, Refusal> {
    let invalid = || Refusal::new(401, "390303", "Invalid OAuth access token. ");
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or_else(|| Refusal::new(401, "390101", "Authorization header not found in the request data."))?;
    let said = headers.get(TYPE_HEADER).and_then(|value| value.to_str().ok());
    let looks = kind_of(bearer);
    let kind = said.unwrap_or(looks);
    if kind != looks {
        tracing::debug!(said = kind, looks, "the token is not of the type that its header says");
        return Err(match kind {
            "KEYPAIR_JWT" => jwt_refusal(core, "the token is no JWT"),
            _ => invalid(),
        });
    }
    sign_in(core, kind, bearer, address)
}

/// Lets in who brings a token of this kind.
pub(crate) fn sign_in(core: &Core, kind: &str, bearer: &str, address: IpAddr) -> Result<Principal, Refusal> {
    let invalid = || Refusal::new(401, "390303", "Invalid OAuth access token. ");
    let account = core.account();
    let now = core.now();
    let principal = match kind {
        "KEYPAIR_JWT" => jwt::verify(&account, bearer, now).map_err(|reason| jwt_refusal(core, &reason))?,
        "PROGRAMMATIC_ACCESS_TOKEN" => access_token(core, &account, bearer, now)?,
        "WORKLOAD_IDENTITY_FEDERATION" => core.workload_user(bearer).ok_or_else(invalid)?,
        _ => core.oauth_token(&account, bearer, now)?,
    };
    let user = account.user(&principal.user).map_err(|_| invalid())?;
    if user.disabled() {
        return Err(Refusal::new(401, "390101", "User access disabled. Contact your local system administrator."));
    }
    if !account.admits(user, address) {
        let message = format!(
            "Incoming request with IP/Token {address} is not allowed to access Snowflake. Contact your account administrator."
        );
        return Err(Refusal::new(401, "390422", message));
    }
    drop(account);
    core.note_sign_in(&principal.user, now);
    Ok(principal)
}

/// What the text of a token tells: a JWT has three parts, access tokens and workload tokens begin in their own way.
fn kind_of(bearer: &str) -> &'static str {
    if bearer.starts_with("WIF.") {
        "WORKLOAD_IDENTITY_FEDERATION"
    } else if bearer.starts_with("pat-") {
        "PROGRAMMATIC_ACCESS_TOKEN"
    } else if bearer.matches('.').count() == 2 {
        "KEYPAIR_JWT"
    } else {
        "OAUTH"
    }
}

fn jwt_refusal(core: &Core, reason: &str) -> Refusal {
    let id = core.note_failure(reason);
    Refusal::new(401, "390144", format!("JWT token is invalid. [{id}]"))
}

fn access_token(core: &Core, account: &Account, bearer: &str, now: i64) -> Result<Principal, Refusal> {
    let refuse = |reason: &str| {
        core.note_failure(reason);
        Refusal::new(401, "394400", "Programmatic access token is invalid.")
    };
    let found = account
        .users
        .values()
        .find_map(|user| user.tokens.values().find(|token| token.secret == bearer).map(|token| (user, token)));
    let (user, token) = found.ok_or_else(|| refuse("PROGRAMMATIC_ACCESS_TOKEN_UNKNOWN"))?;
    if token.disabled || token.expires <= now {
        return Err(refuse("PROGRAMMATIC_ACCESS_TOKEN_EXPIRED"));
    }
    let guarded = user.property("NETWORK_POLICY").is_some() || account.parameters.contains_key("NETWORK_POLICY");
    if user.is_service() && !guarded {
        core.note_failure("NETWORK_POLICY_REQUIRED");
        return Err(Refusal::new(401, "390432", "Network policy is required."));
    }
    Ok(Principal { user: user.name.clone(), bound_role: token.role_restriction.clone(), blocked_roles: Vec::new() })
}
