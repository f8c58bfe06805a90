//! OAuth for custom clients: codes, access tokens and refresh tokens, and what makes each of them bad.
//!
//! Snowflake's own authorisation server as docs.snowflake.com describes it under "Snowflake OAuth for custom clients": PKCE
//! by S256 alone, codes good once, refresh tokens that grow no older by use and, where the integration says so, are good
//! once too. Whoever plays a code or a single-use refresh token a second time ends the whole consent.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Principal, Refusal, random_text};
use crate::account::objects::Integration;
use crate::account::state::Account;

const SECOND: i64 = 1_000_000;
/// Codes are for at once.
const CODE_SECONDS: i64 = 600;
const ACCESS_SECONDS: i64 = 600;
const REFRESH_SECONDS: i64 = 7_776_000;
const NEVER_GIVEN: [&str; 4] = ["ACCOUNTADMIN", "SECURITYADMIN", "ORGADMIN", "GLOBALORGADMIN"];

/// Who sits in front of the browser at the authorisation page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Nobody: the page is shown, and that is all.
    #[default]
    Ask,
    /// This user is signed in and agrees.
    As(String),
    /// Somebody who says no.
    Deny,
}

/// A consent that was given, and what hangs on it.
#[derive(Clone, Debug)]
struct Grant {
    /// By client id: an integration that is made anew is another one.
    client: String,
    user: String,
    role: Option<String>,
    refreshes: bool,
    revoked: bool,
}

#[derive(Clone, Debug)]
struct Code {
    grant: usize,
    redirect: String,
    challenge: Option<String>,
    expires: i64,
    used: bool,
}

#[derive(Clone, Debug)]
struct Token {
    grant: usize,
    expires: i64,
    used: bool,
}

/// All that was handed out.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    pub(crate) consent: Consent,
    grants: Vec<Grant>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Token>,
    refresh: HashMap<String, Token>,
}

/// What the authorisation page answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The client or its address is wrong: nobody is sent anywhere.
    Wrong(String),
    Show,
    Redirect(String),
}

/// An error of the token endpoint: its OAuth name and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenError(pub(crate) &'static str, pub(crate) String);

/// What the token endpoint gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) access: String,
    pub(crate) expires_in: i64,
    pub(crate) refresh: Option<(String, i64)>,
    /// Named with the first tokens of a consent only.
    pub(crate) user: Option<String>,
    pub(crate) scope: String,
}

fn find<'a>(account: &'a Account, client: &str) -> Option<&'a Integration> {
    account.integrations.values().find(|integration| integration.client_id == client && integration.is_true("ENABLED"))
}

/// A registered address may be called with a query string of its own.
fn fits(registered: &str, redirect: &str) -> bool {
    redirect.split('?').next() == Some(registered)
}

impl Handed {
    pub(crate) fn authorize(&mut self, account: &Account, asked: &BTreeMap<String, String>, now: i64) -> Page {
        let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let Some(integration) = find(account, get("client_id")) else {
            return Page::Wrong("invalid_client: no such client".to_owned());
        };
        let redirect = get("redirect_uri");
        if !fits(integration.property("OAUTH_REDIRECT_URI").unwrap_or_default(), redirect) {
            return Page::Wrong("invalid_request: the redirect URI is not the registered one".to_owned());
        }
        let state = get("state");
        let error = |name: &str, what: &str| {
            let pairs = [("error", name), ("error_description", what), ("state", state)];
            Page::Redirect(with_query(redirect, &pairs))
        };
        if get("response_type") != "code" {
            return error("unsupported_response_type", "only code is given");
        }
        if state.len() > 2048 || !state.is_ascii() {
            return error("invalid_request", "state is at most 2048 ASCII characters");
        }
        let challenge = asked.get("code_challenge").filter(|challenge| !challenge.is_empty()).cloned();
        if challenge.is_none() && integration.is_true("OAUTH_ENFORCE_PKCE") {
            return error("invalid_request", "a code challenge is required");
        }
        if challenge.is_some() && get("code_challenge_method") != "S256" {
            return error("invalid_request", "the code challenge method must be S256");
        }
        let (role, refreshes) = match scope(get("scope")) {
            Ok(scope) => scope,
            Err(what) => return error("invalid_scope", &what),
        };
        let user = match &self.consent {
            Consent::Ask => return Page::Show,
            Consent::Deny => return error("access_denied", "the user said no"),
            Consent::As(user) => user.clone(),
        };
        let Ok(held) = account.user(&user) else { return error("access_denied", "no such user") };
        let role = role.or_else(|| held.property("DEFAULT_ROLE").map(str::to_owned));
        if let Some(role) = &role {
            let allowed = integration.list("ALLOWED_ROLES_LIST");
            let open = allowed.is_empty() || allowed.contains(role);
            if blocked(account, integration).contains(role) || !open || !account.may_assume(&user, role) {
                return error("invalid_scope", &format!("role {role} is blocked or not granted"));
            }
        }
        let grant = self.grants.len();
        let client = integration.client_id.clone();
        self.grants.push(Grant { client, user, role, refreshes, revoked: false });
        let code = random_text(32);
        let expires = now + CODE_SECONDS * SECOND;
        let redirect_to = redirect.to_owned();
        self.codes.insert(code.clone(), Code { grant, redirect: redirect_to, challenge, expires, used: false });
        let mut pairs = vec![("code", code.as_str())];
        if asked.contains_key("state") {
            pairs.push(("state", state));
        }
        Page::Redirect(with_query(redirect, &pairs))
    }

    pub(crate) fn exchange(
        &mut self,
        account: &Account,
        client: (&str, Option<&str>),
        form: &BTreeMap<String, String>,
        now: i64,
    ) -> Result<Given, TokenError> {
        let invalid_client = || TokenError("invalid_client", "This is an invalid client.".to_owned());
        let integration = find(account, client.0).ok_or_else(invalid_client)?;
        let confidential =
            !integration.property("OAUTH_CLIENT_TYPE").is_some_and(|kind| kind.eq_ignore_ascii_case("PUBLIC"));
        if confidential && client.1 != Some(integration.client_secret.as_str()) {
            return Err(invalid_client());
        }
        let invalid = |what: &str| TokenError("invalid_grant", what.to_owned());
        let grant = match form.get("grant_type").map(String::as_str) {
            Some("authorization_code") => self.redeem(form, integration, now)?,
            Some("refresh_token") => self.refresh(form, integration, now)?,
            _ => return Err(TokenError("unsupported_grant_type", "This grant type is not supported.".to_owned())),
        };
        let held = self.grants[grant].clone();
        let user = account.user(&held.user).map_err(|_| invalid("The user is gone."))?;
        if user.disabled() {
            return Err(invalid("The user is disabled."));
        }
        let access = random_text(64);
        let expires_in = integration.seconds("OAUTH_ACCESS_TOKEN_VALIDITY", ACCESS_SECONDS);
        self.access.insert(access.clone(), Token { grant, expires: now + expires_in * SECOND, used: false });
        let by_code = form.contains_key("code");
        let single = integration.is_true("OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED");
        let issues =
            integration.property("OAUTH_ISSUE_REFRESH_TOKENS").is_none_or(|value| value.eq_ignore_ascii_case("true"));
        let refresh = (held.refreshes && issues && (by_code || single)).then(|| {
            let seconds = integration.seconds("OAUTH_REFRESH_TOKEN_VALIDITY", REFRESH_SECONDS);
            let token = random_text(64);
            self.refresh.insert(token.clone(), Token { grant, expires: now + seconds * SECOND, used: false });
            (token, seconds)
        });
        let scope = held.role.map(|role| format!("session:role:{role}")).unwrap_or_default();
        let scope = if held.refreshes { format!("refresh_token {scope}") } else { scope };
        Ok(Given { access, expires_in, refresh, user: by_code.then_some(held.user), scope })
    }

    fn redeem(
        &mut self,
        form: &BTreeMap<String, String>,
        integration: &Integration,
        now: i64,
    ) -> Result<usize, TokenError> {
        let invalid = |what: &str| TokenError("invalid_grant", what.to_owned());
        let code = form.get("code").and_then(|code| self.codes.get_mut(code));
        let code = code.ok_or_else(|| invalid("This is an invalid or expired code."))?;
        let replayed = std::mem::replace(&mut code.used, true);
        let code = code.clone();
        if replayed {
            self.grants[code.grant].revoked = true;
            return Err(invalid("The code was used before."));
        }
        if code.expires <= now || self.grants[code.grant].client != integration.client_id {
            return Err(invalid("This is an invalid or expired code."));
        }
        if form.get("redirect_uri") != Some(&code.redirect) {
            return Err(invalid("The redirect URI is not that of the authorization."));
        }
        let verifier = form.get("code_verifier");
        let answer =
            verifier.map(|verifier| URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes())));
        if code.challenge.is_some() && answer != code.challenge {
            return Err(invalid("The code verifier does not fit the challenge."));
        }
        Ok(code.grant)
    }

    fn refresh(
        &mut self,
        form: &BTreeMap<String, String>,
        integration: &Integration,
        now: i64,
    ) -> Result<usize, TokenError> {
        let invalid = |what: &str| TokenError("invalid_grant", what.to_owned());
        let token = form.get("refresh_token").and_then(|token| self.refresh.get_mut(token));
        let token = token.ok_or_else(|| invalid("This is an invalid refresh token."))?;
        let single = integration.is_true("OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED");
        let replayed = std::mem::replace(&mut token.used, true) && single;
        let (grant, expires) = (token.grant, token.expires);
        if replayed {
            self.grants[grant].revoked = true;
        }
        let held = &self.grants[grant];
        if held.revoked || expires <= now || held.client != integration.client_id {
            return Err(invalid("This refresh token has expired, was used before, or was revoked."));
        }
        Ok(grant)
    }

    /// Whom an access token lets in.
    pub(crate) fn principal(&self, account: &Account, bearer: &str, now: i64) -> Result<Principal, Refusal> {
        let invalid = || Refusal::new(401, "390303", "Invalid OAuth access token. ");
        let token = self.access.get(bearer).ok_or_else(invalid)?;
        let grant = &self.grants[token.grant];
        let integration = find(account, &grant.client).ok_or_else(invalid)?;
        if grant.revoked {
            return Err(invalid());
        }
        if token.expires <= now {
            return Err(Refusal::new(401, "390318", "OAuth access token expired. "));
        }
        Ok(Principal {
            user: grant.user.clone(),
            bound_role: grant.role.clone(),
            blocked_roles: blocked(account, integration),
        })
    }

    /// Ends all that this user consented to.
    pub(crate) fn revoke(&mut self, user: &str) {
        for grant in self.grants.iter_mut().filter(|grant| grant.user == user) {
            grant.revoked = true;
        }
    }

    /// Lets all access tokens end now.
    pub(crate) fn expire_access(&mut self, now: i64) {
        for token in self.access.values_mut() {
            token.expires = token.expires.min(now);
        }
    }
}

/// The role and whether refresh tokens are wanted.
fn scope(text: &str) -> Result<(Option<String>, bool), String> {
    let (mut role, mut refreshes) = (None, false);
    for part in text.split_whitespace() {
        if part == "refresh_token" {
            refreshes = true;
        } else if let Some(name) = part.strip_prefix("session:role-encoded:") {
            role = Some(crate::api::request::decode(name));
        } else if let Some(name) = part.strip_prefix("session:role:") {
            role = Some(name.to_owned());
        } else {
            return Err(format!("{part} is no scope"));
        }
    }
    Ok((role, refreshes))
}

/// Roles that an integration never gives: the administrators', unless the account lets them, and its own list.
fn blocked(account: &Account, integration: &Integration) -> Vec<String> {
    let mut roles = integration.list("BLOCKED_ROLES_LIST");
    let off = account.parameters.get("OAUTH_ADD_PRIVILEGED_ROLES_TO_BLOCKED_LIST");
    if !off.is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        roles.extend(NEVER_GIVEN.map(str::to_owned));
    }
    roles
}

fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    let mut text = address.to_owned();
    let mut mark = if address.contains('?') { '&' } else { '?' };
    for (name, value) in pairs {
        text.push(mark);
        text.push_str(name);
        text.push('=');
        text.push_str(&encode(value));
        mark = '&';
    }
    text
}

/// Percent-encodes all but the unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}
