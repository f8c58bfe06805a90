//! The two addresses of an account's OAuth: where a person consents, and where codes and refresh tokens become tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::{Url, header};
use serde::Deserialize;
use uncia_model::Secret;
use zeroize::Zeroizing;

use super::OAuthClient;
use crate::Error;
use crate::client::chain;
use crate::error::quoted;

const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: usize = 256 * 1024;
const ATTEMPTS: u32 = 3;

/// What the token endpoint gives.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    pub(super) expires_in: i64,
    /// Of a code only.
    pub(super) username: Option<String>,
}

/// The token endpoint gives nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// The code or refresh token is void: used, ended, of another client, or its verifier or address differ.
    Grant(String),
    /// Our id or secret.
    Client(String),
    Other(Error),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: Option<String>,
    error_description: Option<String>,
    message: Option<String>,
}

/// The address at which a person consents.
pub(super) fn authorise_url(client: &OAuthClient, state: &str, challenge: &str) -> Result<Url, Error> {
    let mut url = address(client, "oauth/authorize")?;
    url.query_pairs_mut()
        .append_pair("client_id", client.client_id.expose())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &client.redirect_uri)
        .append_pair("state", state)
        .append_pair("scope", &scope(&client.role))
        .append_pair("code_challenge", challenge)
        .append_pair("code_challenge_method", "S256");
    Ok(url)
}

/// A role that is not plain goes in encoded, as the scope's parts are divided by blanks.
fn scope(role: &str) -> String {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if role.chars().all(plain) {
        return format!("refresh_token session:role:{role}");
    }
    format!("refresh_token session:role-encoded:{}", encoded(role).replace('+', "%20"))
}

/// Exchanges a code or a refresh token.
pub(super) async fn request(client: &OAuthClient, form: &[(&str, &str)]) -> Result<Tokens, Refused> {
    let url = address(client, "oauth/token-request").map_err(Refused::Other)?;
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("uncia/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Refused::Other(Error::Credential { detail: format!("no https here: {}", chain(&error)) }))?;
    // Each part encoded before they are joined: secrets hold characters that mean something here.
    let both = format!("{}:{}", encoded(client.client_id.expose()), encoded(client.client_secret.expose()));
    let basic = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(Zeroizing::new(both).as_bytes())));
    let body = Zeroizing::new(form_body(form));
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut authorisation = header::HeaderValue::from_str(&basic).expect("base64 is plain text");
        authorisation.set_sensitive(true);
        let sent = http
            .post(url.clone())
            .header(header::AUTHORIZATION, authorisation)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(body.as_str().to_owned())
            .send()
            .await;
        let error = match sent {
            Ok(response) => match understand(response, client).await {
                Err(Refused::Other(error)) if error.is_transient() => error,
                other => return other,
            },
            // The address shows no secret, the body would.
            Err(error) if error.is_connect() => unreachable(&url, &error.without_url()),
            // It may have arrived; a single-use token must not be sent twice without need, so that is left to the caller.
            Err(error) => return Err(Refused::Other(unreachable(&url, &error.without_url()))),
        };
        if attempt >= ATTEMPTS {
            return Err(Refused::Other(error));
        }
        tokio::time::sleep(client.connection.pace.retry(attempt)).await;
    }
}

async fn understand(mut response: reqwest::Response, client: &OAuthClient) -> Result<Tokens, Refused> {
    let status = response.status().as_u16();
    let host = response.url().host_str().unwrap_or_default().to_owned();
    let mut body = Zeroizing::new(Vec::new());
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    if status == 200 {
        let tokens = serde_json::from_slice::<Tokens>(&body);
        return tokens.map_err(|error| {
            // Only the kind of the mistake: the text may be a token.
            let detail = format!("tokens that cannot be read ({:?} error)", error.classify());
            Refused::Other(Error::Protocol { host, detail })
        });
    }
    let failure: Failure = serde_json::from_slice(&body).unwrap_or_default();
    let said = failure.message.or(failure.error_description).unwrap_or_default();
    let said = quoted(&said, client.client_secret.expose());
    match (status, failure.error.as_deref()) {
        (_, Some("invalid_grant")) => Err(Refused::Grant(said)),
        (_, Some("invalid_client" | "unauthorized_client")) => Err(Refused::Client(said)),
        (429, _) => Err(Refused::Other(Error::Throttled { attempts: ATTEMPTS })),
        (500.., _) => Err(Refused::Other(Error::Unavailable { status, attempts: ATTEMPTS, said })),
        (_, code) => {
            let code = quoted(code.unwrap_or_default(), "");
            Err(Refused::Other(Error::Refused { host, status, code, said }))
        }
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> Error {
    Error::Unreachable { host: url.host_str().unwrap_or_default().to_owned(), detail: chain(error) }
}

fn address(client: &OAuthClient, path: &str) -> Result<Url, Error> {
    let mut url = client.connection.base()?;
    let path = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn encoded(text: &str) -> String {
    form_body(&[("", text)])[1..].to_owned()
}

/// `application/x-www-form-urlencoded`.
fn form_body(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://form/").expect("a plain address");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_encoded() {
        assert_eq!(encoded("a+b/c=d e:f"), "a%2Bb%2Fc%3Dd+e%3Af");
        assert_eq!(form_body(&[("a", "1&2"), ("b", "")]), "a=1%262&b=");
        assert_eq!(scope("UNCIA_ROLE"), "refresh_token session:role:UNCIA_ROLE");
        assert_eq!(scope("a b"), "refresh_token session:role-encoded:a%20b");
    }
}
