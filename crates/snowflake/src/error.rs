//! What can go wrong between us and Snowflake, sorted by what a person or the caller must do next.
//!
//! Texts name the missing privilege and the statement that gives it. They repeat what Snowflake said, shortened and with
//! our own token cut out, so that no error ever holds a secret.

use crate::auth::TokenKind;
use crate::grants;

/// Longest piece of Snowflake's own words that an error repeats, in characters.
const SAID_LIMIT: usize = 600;

/// A statement, or one of the calls it needs, did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Snowflake does not take the token. Nothing will help but another credential, or another set-up over there.
    #[error("snowflake refuses the {kind} ({identity}): {way_out} (said: {said})")]
    Auth { kind: TokenKind, identity: String, reason: AuthReason, way_out: String, said: String },
    /// The owner has to consent again; nothing is lost meanwhile, as the views keep a year.
    #[error("the consent for {identity} has ended ({said}): run `uncia snowflake authorise` and sign in again")]
    Reauthorise { identity: String, said: String },
    /// The credential on our side cannot be used: a file that is not there, a key that is none.
    #[error("{detail}")]
    Credential { detail: String },
    #[error(
        "a network policy of the account does not let this address in: add it to the policy of the user, `uncia snowflake setup-sql` shows how (said: {said})"
    )]
    NetworkPolicy { said: String },
    /// Something is missing or may not be used; Snowflake does not say which of both.
    #[error("{what} is not there or not granted: {grant} (said: {said})")]
    NotAuthorised { what: String, grant: String, said: String },
    #[error(
        "no warehouse to run in: name an existing one exactly as SHOW WAREHOUSES writes it, and {grant} (said: {said})"
    )]
    NoWarehouse { warehouse: Option<String>, grant: String, said: String },
    #[error("statement {handle} ran longer than allowed: ask for less at once, or raise its timeout (said: {said})")]
    Timeout { handle: String, said: String },
    #[error("the result of statement {handle} is too large for one answer: ask for less at once")]
    TooLarge { handle: String },
    #[error("snowflake is throttling us: gave up after {attempts} attempts")]
    Throttled { attempts: u32 },
    #[error("snowflake answered {status} in all of {attempts} attempts (said: {said})")]
    Unavailable { status: u16, attempts: u32, said: String },
    #[error("{host} cannot be reached: {detail}: check the account identifier, DNS, proxy and firewall")]
    Unreachable { host: String, detail: String },
    /// Results can be fetched for 24 hours, by the user who ran the statement.
    #[error("the result of statement {handle} is gone, or is another user's: run the statement again")]
    Expired { handle: String },
    #[error("statement {handle} was cancelled")]
    Cancelled { handle: String },
    /// A partition does not hold what the answer promised. Taking it would lose rows silently.
    #[error("statement {handle}, {place}: {expected} rows were announced and {found} came: run the statement again")]
    Incomplete { handle: String, place: String, expected: u64, found: u64 },
    /// The statement itself is wrong.
    #[error("snowflake cannot run the statement (code {code}, state {state}): {said}")]
    Sql { code: String, state: String, handle: String, said: String },
    /// Snowflake does not take the request: a fault of ours or a URL that is no Snowflake account.
    #[error("{host} refuses the request with status {status}, code {code}: {said}")]
    Refused { host: String, status: u16, code: String, said: String },
    #[error("{host} gave an answer that is none of the SQL API: {detail}")]
    Protocol { host: String, detail: String },
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthReason {
    /// The JWT's account, user, key or times are not what Snowflake has.
    InvalidJwt,
    Expired,
    /// The token is none of this account's, or was revoked.
    InvalidToken,
    /// The user is disabled or locked.
    UserDisabled,
    Other,
}

impl Error {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. } | Self::Unreachable { .. })
    }

    /// Whether the caller should ask for a smaller part of the data.
    #[must_use]
    pub const fn wants_less(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Timeout { .. })
    }

    /// Whether running the statement again from its beginning may help.
    #[must_use]
    pub const fn wants_again(&self) -> bool {
        matches!(self, Self::Expired { .. } | Self::Incomplete { .. } | Self::Cancelled { .. })
    }

    /// Whether the credential has to be changed or consented to again before anything works.
    #[must_use]
    pub const fn is_auth(&self) -> bool {
        matches!(self, Self::Auth { .. } | Self::Reauthorise { .. } | Self::Credential { .. })
    }

    /// Whether a person must change a credential, a grant or a policy before anything works.
    #[must_use]
    pub const fn needs_somebody(&self) -> bool {
        self.is_auth()
            || matches!(self, Self::NotAuthorised { .. } | Self::NoWarehouse { .. } | Self::NetworkPolicy { .. })
    }

    /// Whether the named object is missing or not granted.
    #[must_use]
    pub const fn is_not_authorised(&self) -> bool {
        matches!(self, Self::NotAuthorised { .. })
    }
}

/// A refusal as Snowflake words it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) state: String,
    pub(crate) said: String,
    pub(crate) handle: String,
}

/// Who asked for what: the words with which a refusal is explained.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) identity: String,
    pub(crate) user: Option<String>,
    pub(crate) kind: TokenKind,
    pub(crate) role: Option<String>,
    pub(crate) warehouse: Option<String>,
}

/// Sorts a refusal. Codes come first, as texts differ between releases; texts decide where no code is known.
pub(crate) fn sort(refusal: Refusal, asked: &Asked) -> Error {
    let Refusal { status, code, state, said, handle } = refusal;
    let number = code.parse::<u32>().unwrap_or(0);
    let role = asked.role.as_deref();
    match number {
        390_422 => return Error::NetworkPolicy { said },
        390_144 | 394_304 | 390_318 | 390_303 | 390_302 | 390_101 | 390_195 | 394_400..=394_499 => {
            return auth(number, said, asked);
        }
        2_003 | 2_043 | 3_001 | 3_003 | 390_189 | 390_186 | 390_201 => {
            let what = grants::object_of(&said, role);
            let grant = grants::way_out(&what, role, asked.user.as_deref());
            return Error::NotAuthorised { what: what.to_string(), grant, said };
        }
        606 => {
            let warehouse = asked.warehouse.clone();
            let grant = grants::way_out(&grants::Object::warehouse(warehouse.as_deref()), role, None);
            return Error::NoWarehouse { warehouse, grant, said };
        }
        604 => return Error::Cancelled { handle },
        630 => return Error::Timeout { handle, said },
        _ => {}
    }
    if said.contains("is not allowed to access Snowflake") {
        return Error::NetworkPolicy { said };
    }
    match status {
        401 => auth(number, said, asked),
        404 if !handle.is_empty() => Error::Expired { handle },
        408 => Error::Timeout { handle, said },
        422 => Error::Sql { code, state, handle, said },
        _ => Error::Refused { host: asked.host.clone(), status, code, said },
    }
}

fn auth(number: u32, said: String, asked: &Asked) -> Error {
    let reason = match number {
        390_144 | 394_304 | 394_400..=394_499 => AuthReason::InvalidJwt,
        390_318 => AuthReason::Expired,
        390_303 | 390_302 | 390_195 => AuthReason::InvalidToken,
        390_101 => AuthReason::UserDisabled,
        _ if said.to_ascii_lowercase().contains("disabled") => AuthReason::UserDisabled,
        _ if asked.kind == TokenKind::KeyPairJwt => AuthReason::InvalidJwt,
        _ => AuthReason::Other,
    };
    let user = asked.user.as_deref().unwrap_or("<user>");
    let way_out = match (reason, asked.kind) {
        (AuthReason::UserDisabled, _) => {
            format!("enable the user over there: ALTER USER {user} SET DISABLED = FALSE")
        }
        (AuthReason::InvalidJwt, _) => format!(
            "compare account, user, fingerprint and clock with what `DESC USER {user}` shows there as RSA_PUBLIC_KEY_FP or RSA_PUBLIC_KEY_2_FP{}",
            failure_details(&said)
        ),
        (_, TokenKind::ProgrammaticAccessToken) => {
            format!(
                "the token has expired, was revoked, or the user has no network policy: make a new one for {user} and configure it"
            )
        }
        (_, TokenKind::WorkloadIdentity) => {
            "check the workload identity of the user and the token's audience (snowflakecomputing.com)".to_owned()
        }
        (_, TokenKind::OAuth) => "run `uncia snowflake authorise` and sign in again".to_owned(),
        (_, TokenKind::KeyPairJwt) => "make a new key pair and set its public part over there".to_owned(),
    };
    Error::Auth { kind: asked.kind, identity: asked.identity.clone(), reason, way_out, said }
}

/// Snowflake's message may carry the id under which an administrator sees the exact reason.
fn failure_details(said: &str) -> String {
    let uuid = said
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .find(|word| word.len() == 36 && word.bytes().filter(|byte| *byte == b'-').count() == 4);
    uuid.map(|uuid| format!("; the exact reason: SELECT SYSTEM$GET_LOGIN_FAILURE_DETAILS('{uuid}')"))
        .unwrap_or_default()
}

/// Snowflake's words, fit for a log line: one line, not endless, and without our own token should it be echoed.
pub(crate) fn quoted(said: &str, token: &str) -> String {
    let without = if token.len() >= 8 { said.replace(token, "***") } else { said.to_owned() };
    let one_line: String = without.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut text: String = one_line.trim().chars().take(SAID_LIMIT).collect();
    if one_line.trim().chars().nth(SAID_LIMIT).is_some() {
        text.push('…');
    }
    if text.is_empty() { "nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            host: "myorg-acme.snowflakecomputing.com".to_owned(),
            identity: "user UNCIA_USER, key SHA256:abc".to_owned(),
            user: Some("UNCIA_USER".to_owned()),
            kind: TokenKind::KeyPairJwt,
            role: Some("UNCIA_ROLE".to_owned()),
            warehouse: Some("UNCIA_WH".to_owned()),
        }
    }

    fn text(status: u16, code: &str, said: &str) -> String {
        let refusal = Refusal {
            status,
            code: code.to_owned(),
            state: "42000".to_owned(),
            said: said.to_owned(),
            handle: "01b2".to_owned(),
        };
        sort(refusal, &asked()).to_string()
    }

    #[test]
    fn each_refusal_names_the_way_out() {
        insta::assert_snapshot!(
            text(401, "390144", "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]"),
            @"snowflake refuses the key-pair token (user UNCIA_USER, key SHA256:abc): compare account, user, fingerprint and clock with what `DESC USER UNCIA_USER` shows there as RSA_PUBLIC_KEY_FP or RSA_PUBLIC_KEY_2_FP; the exact reason: SELECT SYSTEM$GET_LOGIN_FAILURE_DETAILS('0ce9eb56-821d-4ca9-a774-04ae89a0cf5a') (said: JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a])"
        );
        insta::assert_snapshot!(
            text(422, "002003", "SQL compilation error: Object 'SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY' does not exist or not authorized."),
            @"SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY is not there or not granted: GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE UNCIA_ROLE (said: SQL compilation error: Object 'SNOWFLAKE.ACCOUNT_USAGE.QUERY_HISTORY' does not exist or not authorized.)"
        );
        insta::assert_snapshot!(
            text(422, "000606", "No active warehouse selected in the current session."),
            @"no warehouse to run in: name an existing one exactly as SHOW WAREHOUSES writes it, and GRANT USAGE ON WAREHOUSE UNCIA_WH TO ROLE UNCIA_ROLE (said: No active warehouse selected in the current session.)"
        );
        insta::assert_snapshot!(
            text(403, "390422", "Incoming request with IP/Token 192.0.2.1 is not allowed to access Snowflake."),
            @"a network policy of the account does not let this address in: add it to the policy of the user, `uncia snowflake setup-sql` shows how (said: Incoming request with IP/Token 192.0.2.1 is not allowed to access Snowflake.)"
        );
        insta::assert_snapshot!(
            text(401, "390101", "User temporarily locked or disabled."),
            @"snowflake refuses the key-pair token (user UNCIA_USER, key SHA256:abc): enable the user over there: ALTER USER UNCIA_USER SET DISABLED = FALSE (said: User temporarily locked or disabled.)"
        );
    }

    #[test]
    fn codes_have_their_kind() {
        let kind = |status, code: &str| {
            let refusal = Refusal { status, code: code.to_owned(), handle: "h".to_owned(), ..Refusal::default() };
            sort(refusal, &asked())
        };
        assert!(matches!(kind(422, "001003"), Error::Sql { .. }));
        assert!(matches!(kind(422, "000904"), Error::Sql { .. }));
        assert!(matches!(kind(422, "100037"), Error::Sql { .. }));
        assert!(matches!(kind(422, "000604"), Error::Cancelled { .. }));
        assert!(kind(422, "000630").wants_less());
        assert!(kind(408, "000630").wants_less());
        assert!(kind(404, "").wants_again());
        assert!(kind(422, "003001").is_not_authorised());
        assert!(matches!(kind(401, "390318"), Error::Auth { reason: AuthReason::Expired, .. }));
        assert!(matches!(kind(401, "390303"), Error::Auth { reason: AuthReason::InvalidToken, .. }));
        assert!(matches!(kind(400, "390400"), Error::Refused { status: 400, .. }));
        assert!(matches!(kind(415, ""), Error::Refused { status: 415, .. }));
    }

    #[test]
    fn an_echoed_token_is_cut_out() {
        assert_eq!(quoted("bad token eyJhbGciOi.x\n!", "eyJhbGciOi.x"), "bad token *** !");
        assert_eq!(quoted(" ", "eyJhbGciOi.x"), "nothing");
        assert_eq!(quoted(&"x".repeat(1_000), "").chars().count(), SAID_LIMIT + 1);
    }
}
