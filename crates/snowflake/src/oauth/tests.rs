//! Against a token endpoint that is as strict as Snowflake's: verifier, redirect, one-time codes, single-use refresh tokens.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use reqwest::Url;
use serde_json::{Value, json};
use uncia_model::ManualClock;

use super::*;
use crate::auth::TokenSource as _;
use crate::vault::memory::MemoryVault;
use crate::{Account, Error, Pace};

const SECRET: &str = "s3/cr+et=";
const REDIRECT: &str = "https://uncia.example.com/snowflake/oauth/callback";

#[derive(Default)]
struct Endpoint {
    /// Codes that wait, each with its challenge and redirect URI.
    codes: HashMap<String, (String, String)>,
    refresh: String,
    issued: u32,
    single_use: bool,
    without_refresh: bool,
    failures: u32,
}

struct Place {
    endpoint: Arc<Mutex<Endpoint>>,
    vault: Arc<MemoryVault>,
    clock: ManualClock,
    client: OAuthClient,
}

impl Place {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let endpoint = Arc::new(Mutex::new(Endpoint::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/oauth/token-request", post(token_request)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut connection = Connection::new(Account::parse("myorg-acme").unwrap()).at(url);
        connection.pace = Pace { first_retry: Duration::from_millis(1), ..Pace::default() };
        let client = OAuthClient {
            source: "prod".to_owned(),
            connection,
            client_id: Secret::new("id+1="),
            client_secret: Secret::new(SECRET),
            redirect_uri: REDIRECT.to_owned(),
            role: "UNCIA_ROLE".to_owned(),
            consent_seconds: 86_400,
        };
        let clock = ManualClock::at(Timestamp::from_micros(0));
        Self { endpoint, vault: Arc::new(MemoryVault::default()), clock, client }
    }

    fn consent(&self) -> Consent {
        Consent::of(Arc::new(self.client.clone()), self.vault.clone())
    }

    fn source(&self) -> OAuthSource {
        OAuthSource::new(Arc::new(self.client.clone()), self.vault.clone())
    }

    /// The person's part: the state and the code that their browser brings back.
    fn browse(&self, url: &str) -> (String, String) {
        let query: HashMap<String, String> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["client_id"], "id+1=");
        assert_eq!(query["scope"], "refresh_token session:role:UNCIA_ROLE");
        let mut endpoint = self.endpoint.lock().unwrap();
        let code = format!("code-{}", endpoint.codes.len());
        endpoint.codes.insert(code.clone(), (query["code_challenge"].clone(), query["redirect_uri"].clone()));
        (query["state"].clone(), code)
    }

    async fn consented(&self) -> Finished {
        let begun = self.consent().begin("ana", &self.clock).await.unwrap();
        let (state, code) = self.browse(&begun.url);
        self.consent().finish(&state, Ok(&code), &self.clock).await.unwrap()
    }

    async fn refused(&self, state: &str, code: &str) -> String {
        let error = self.consent().finish(state, Ok(code), &self.clock).await.unwrap_err().to_string();
        assert!(!error.contains(SECRET) && !error.contains("access-") && !error.contains("refresh-"), "{error}");
        error
    }
}

async fn token_request(
    State(endpoint): State<Arc<Mutex<Endpoint>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, Json<Value>) {
    let refused = |error: &str, message: &str| {
        (
            StatusCode::BAD_REQUEST,
            Json(json!({"data": null, "message": message, "code": null, "success": false, "error": error})),
        )
    };
    let form: HashMap<String, String> =
        Url::parse(&format!("http://form/?{body}")).unwrap().query_pairs().into_owned().collect();
    let mut endpoint = endpoint.lock().unwrap();
    if endpoint.failures > 0 {
        endpoint.failures -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
    }
    let basic = format!("Basic {}", BASE64_STANDARD.encode("id%2B1%3D:s3%2Fcr%2Bet%3D"));
    if headers["authorization"] != basic.as_str() {
        return refused("invalid_client", "This is an invalid client.");
    }
    let username = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((challenge, redirect)) = endpoint.codes.remove(&form["code"]) else {
                return refused("invalid_grant", &format!("Code {} is void.", form["code"]));
            };
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, form["code_verifier"].as_bytes());
            if BASE64_URL_SAFE_NO_PAD.encode(digest.as_ref()) != challenge || redirect != form["redirect_uri"] {
                return refused("invalid_grant", "PKCE or redirect URI does not match.");
            }
            Some("ANA")
        }
        _ if form["refresh_token"] == endpoint.refresh => None,
        _ => return refused("invalid_grant", &format!("The refresh token {} has expired.", form["refresh_token"])),
    };
    endpoint.issued += 1;
    let number = endpoint.issued;
    if endpoint.refresh.is_empty() || endpoint.single_use || username.is_some() {
        endpoint.refresh = format!("refresh-{number}");
    }
    let mut answer = json!({"access_token": format!("access-{number}"), "expires_in": 600, "token_type": "Bearer"});
    if username.is_some() || endpoint.single_use {
        answer["refresh_token"] = json!(endpoint.refresh);
    }
    if endpoint.without_refresh {
        answer.as_object_mut().unwrap().shift_remove("refresh_token");
    }
    if let Some(username) = username {
        answer["username"] = json!(username);
    }
    (StatusCode::OK, Json(answer))
}

#[tokio::test]
async fn a_consent_brings_tokens_that_are_refreshed() {
    let place = Place::new().await;
    let source = place.source();
    let first = source.token(at(0)).await.unwrap_err();
    assert_eq!(
        first.to_string(),
        "the consent for source prod has ended (nobody has consented yet): run `uncia snowflake authorise` and sign in again"
    );
    let finished = place.consented().await;
    assert_eq!(
        finished,
        Finished { source: "prod".to_owned(), user: Some("ANA".to_owned()), until: at(86_400_000_000) }
    );
    let token = async |seconds: i64| source.token(at(seconds * 1_000_000)).await.unwrap().value.expose().to_owned();
    assert_eq!(token(0).await, "access-1");
    assert_eq!(token(569).await, "access-1");
    assert_eq!(token(570).await, "access-2");
    // A process that is started anew goes on with what is sealed.
    assert_eq!(place.source().token(at(571_000_000)).await.unwrap().value.expose(), "access-2");
    // In the middle of a pull, before its time.
    let held = source.token(at(572_000_000)).await.unwrap();
    assert!(source.refused(&held).await);
    assert_eq!(token(573).await, "access-3");
    // A short failure of theirs is no end.
    place.endpoint.lock().unwrap().failures = 2;
    assert_eq!(token(2_000).await, "access-4");
}

#[tokio::test]
async fn single_use_refresh_tokens_are_sealed_before_they_are_needed() {
    let place = Place::new().await;
    place.endpoint.lock().unwrap().single_use = true;
    place.consented().await;
    for (seconds, expected) in [(0, "access-1"), (600, "access-2"), (1_200, "access-3")] {
        // Each by a process of its own, as after a crash.
        let token = place.source().token(at(seconds * 1_000_000)).await.unwrap();
        assert_eq!(token.value.expose(), expected);
    }
    // Each successor counts anew.
    let health = place.consent().health(&place.clock).await.unwrap();
    assert_eq!(health, ConsentHealth::Good { until: at(87_600_000_000) });
}

#[tokio::test]
async fn a_refresh_beside_a_new_sign_in_loses_nothing() {
    let place = Place::new().await;
    place.endpoint.lock().unwrap().single_use = true;
    place.consented().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let source = place.source();
    assert_eq!(source.token(at(600_000_000)).await.unwrap().value.expose(), "access-2");
    assert!(place.consent().is_pending(&place.clock).await.unwrap());
    let (state, code) = place.browse(&begun.url);
    place.consent().finish(&state, Ok(&code), &place.clock).await.unwrap();
    assert_eq!(place.source().token(at(0)).await.unwrap().value.expose(), "access-3");
}

#[tokio::test]
async fn an_ended_consent_waits_for_a_new_one() {
    let place = Place::new().await;
    place.consented().await;
    place.endpoint.lock().unwrap().refresh = "another".to_owned();
    let source = place.source();
    let error = source.token(at(700_000_000)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the consent for source prod has ended (The refresh token *** has expired.): run `uncia snowflake authorise` and sign in again");
    assert!(error.is_auth());
    let health = place.consent().health(&place.clock).await.unwrap();
    insta::assert_snapshot!(health, @"re-authorise needed: The refresh token *** has expired.");
    // Nobody is asked again in vain.
    let issued = place.endpoint.lock().unwrap().issued;
    assert!(matches!(source.token(at(800_000_000)).await, Err(Error::Reauthorise { .. })));
    assert_eq!(place.endpoint.lock().unwrap().issued, issued);
    place.consented().await;
    assert_eq!(source.token(at(0)).await.unwrap().value.expose(), "access-2");
}

#[tokio::test]
async fn the_end_of_a_consent_is_told_before() {
    let mut place = Place::new().await;
    place.client.consent_seconds = 30 * 86_400;
    assert_eq!(place.consent().health(&place.clock).await.unwrap(), ConsentHealth::Missing);
    place.consented().await;
    for (days, expected) in [(0, "good until"), (23, "ends soon, at"), (29, "ends at"), (30, "re-authorise needed")] {
        place.clock.set(at(days * 86_400_000_000));
        let health = place.consent().health(&place.clock).await.unwrap();
        assert!(health.to_string().starts_with(expected), "{days}: {health}");
        assert_eq!(health.needs_somebody(), days > 0);
    }
}

#[tokio::test]
async fn a_forged_state_is_refused_and_spoils_nothing() {
    let place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    assert_eq!(source_of_state(&state).unwrap(), "prod");
    let mut forged = state.clone();
    forged.replace_range(forged.len() - 1.., if forged.ends_with('A') { "B" } else { "A" });
    insta::assert_snapshot!(place.refused(&forged, &code).await, @"this sign-in was not begun here, or its link was used before: begin again with `uncia snowflake authorise prod`");
    for text in ["", "x", "..", "cHJvZA.short"] {
        assert_eq!(source_of_state(text), None);
        place.refused(text, &code).await;
    }
    place.consent().finish(&state, Ok(&code), &place.clock).await.unwrap();
}

#[tokio::test]
async fn a_state_works_once() {
    let place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.consent().finish(&state, Ok(&code), &place.clock).await.unwrap();
    assert!(place.refused(&state, &code).await.starts_with("this sign-in was not begun here"));
    // Also when it led to nothing.
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    let denied = place.consent().finish(&state, Err("access_denied: no\n!"), &place.clock).await.unwrap_err();
    assert_eq!(denied.to_string(), "snowflake did not give its consent: access_denied: no !");
    assert!(place.refused(&state, &code).await.starts_with("this sign-in was not begun here"));
}

#[tokio::test]
async fn a_state_works_for_ten_minutes() {
    let place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.clock.advance(Duration::from_secs(600));
    insta::assert_snapshot!(place.refused(&state, &code).await, @"this sign-in took longer than ten minutes: begin again with `uncia snowflake authorise prod`");
}

#[tokio::test]
async fn a_wrong_verifier_is_refused() {
    let place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    // As if the code had been made for another sign-in.
    place.endpoint.lock().unwrap().codes.insert(code.clone(), ("other".to_owned(), REDIRECT.to_owned()));
    insta::assert_snapshot!(place.refused(&state, &code).await, @"snowflake does not take the code: it was used, is older than a minute or two, or verifier, redirect URI or client differ from those of the sign-in (said: PKCE or redirect URI does not match.): begin again with `uncia snowflake authorise prod`");
}

#[tokio::test]
async fn a_used_code_is_refused_and_not_repeated_in_the_text() {
    let place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.endpoint.lock().unwrap().codes.clear();
    let error = place.refused(&state, &code).await;
    assert!(error.contains("(said: Code *** is void.)"), "{error}");
}

#[tokio::test]
async fn a_changed_redirect_is_refused() {
    let mut place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.client.redirect_uri = "https://other.example.com/snowflake/oauth/callback".to_owned();
    insta::assert_snapshot!(place.refused(&state, &code).await, @"the redirect URI was changed from https://uncia.example.com/snowflake/oauth/callback to https://other.example.com/snowflake/oauth/callback while this sign-in was under way: begin again with `uncia snowflake authorise prod`");
}

#[tokio::test]
async fn a_wrong_client_and_a_consent_without_refresh_are_told() {
    let mut place = Place::new().await;
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.client.client_secret = Secret::new("other");
    insta::assert_snapshot!(place.refused(&state, &code).await, @"snowflake does not know the client: compare client id and secret with SELECT SYSTEM$SHOW_OAUTH_CLIENT_SECRETS('<integration>') (said: This is an invalid client.)");
    place.client.client_secret = Secret::new(SECRET);
    let begun = place.consent().begin("ana", &place.clock).await.unwrap();
    let (state, code) = place.browse(&begun.url);
    place.endpoint.lock().unwrap().without_refresh = true;
    insta::assert_snapshot!(place.refused(&state, &code).await, @"snowflake gave no refresh token, so the consent would end within minutes: ALTER SECURITY INTEGRATION <integration> SET OAUTH_ISSUE_REFRESH_TOKENS = TRUE");
}
