//! OAuth for custom clients: the way through it, and every wrong turn.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uncia_snowflake_double::Consent;

use crate::client::{Scene, http};

const REDIRECT: &str = "https://uncia.example/oauth/callback";
const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-one-0123456789";

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect::<Vec<_>>().join("&")
}

struct Flow {
    scene: Scene,
    client: String,
    secret: String,
}

impl Flow {
    async fn new(more: &str) -> Self {
        let scene = Scene::new().await;
        scene
            .double
            .run_script(&format!(
                "CREATE SECURITY INTEGRATION UNCIA TYPE = OAUTH ENABLED = TRUE OAUTH_CLIENT = CUSTOM
                   OAUTH_CLIENT_TYPE = 'CONFIDENTIAL' OAUTH_REDIRECT_URI = '{REDIRECT}' OAUTH_ENFORCE_PKCE = TRUE
                   OAUTH_ISSUE_REFRESH_TOKENS = TRUE OAUTH_REFRESH_TOKEN_VALIDITY = 86400 {more};
                 CREATE USER ANALYST TYPE = PERSON DEFAULT_ROLE = AUDIT_ROLE DEFAULT_WAREHOUSE = AUDIT_WH;
                 GRANT ROLE AUDIT_ROLE TO USER ANALYST; GRANT ROLE ACCOUNTADMIN TO USER ANALYST;"
            ))
            .unwrap();
        let (client, secret) = scene.double.oauth_client("UNCIA").unwrap();
        scene.double.set_consent(Consent::As("ANALYST".to_owned()));
        Self { scene, client, secret }
    }

    /// Status, and where the page sends the browser.
    async fn authorize(&self, change: &[(&str, &str)]) -> (u16, BTreeMap<String, String>) {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
        let mut asked = BTreeMap::from([
            ("client_id", self.client.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("state", "s t/1"),
            ("scope", "refresh_token session:role:AUDIT_ROLE"),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
        ]);
        asked.extend(change.iter().copied());
        let pairs: Vec<(&str, &str)> = asked.into_iter().collect();
        let url = format!("{}/oauth/authorize?{}", self.scene.double.url(), form(&pairs));
        let _ = http();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let response = client.get(url).send().await.unwrap();
        let status = response.status().as_u16();
        let location = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        let query = location.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        (status, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    async fn code(&self) -> String {
        self.authorize(&[]).await.1["code"].clone()
    }

    async fn token(&self, basic: &str, pairs: &[(&str, &str)]) -> Value {
        let request = http()
            .post(format!("{}/oauth/token-request", self.scene.double.url()))
            .header("Authorization", format!("Basic {}", STANDARD.encode(basic)))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form(pairs));
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
    }

    fn basic(&self) -> String {
        format!("{}:{}", encode(&self.client), encode(&self.secret))
    }

    async fn exchange(&self, code: &str) -> Value {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.token(&self.basic(), &pairs).await
    }

    async fn refresh(&self, token: &str) -> Value {
        self.token(&self.basic(), &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    async fn ask(&self, token: &str, role: Option<&str>) -> (u16, String) {
        let request = http()
            .post(format!("{}/api/v2/statements", self.scene.double.url()))
            .header("Authorization", format!("Bearer {token}"))
            .header("X-Snowflake-Authorization-Token-Type", "OAUTH")
            .header("User-Agent", "test/1.0")
            .header("Content-Type", "application/json")
            .body(json!({"statement": "SELECT CURRENT_USER(), CURRENT_ROLE()", "role": role}).to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        (status, if status == 200 { body["data"].to_string() } else { body["code"].as_str().unwrap().to_owned() })
    }
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[tokio::test]
async fn a_code_becomes_tokens_and_tokens_are_refreshed() {
    let flow = Flow::new("").await;
    let (status, sent) = flow.authorize(&[]).await;
    assert_eq!((status, sent["state"].as_str()), (302, "s%20t%2F1"));
    let tokens = flow.exchange(&sent["code"]).await;
    assert_eq!(text(&tokens, "username"), "ANALYST");
    assert_eq!(tokens["expires_in"], 600);
    let access = text(&tokens, "access_token");
    assert_eq!(flow.ask(access, None).await, (200, r#"[["ANALYST","AUDIT_ROLE"]]"#.to_owned()));
    assert_eq!(flow.ask(access, Some("ACCOUNTADMIN")).await, (422, "390189".to_owned()));
    flow.scene.advance(601);
    assert_eq!(flow.ask(access, None).await, (401, "390318".to_owned()));
    let refresh = text(&tokens, "refresh_token");
    let again = flow.refresh(refresh).await;
    assert!(again.get("username").is_none() && again.get("refresh_token").is_none());
    assert_eq!(flow.ask(text(&again, "access_token"), None).await.0, 200);
    // Refreshing makes the refresh token no younger.
    flow.scene.advance(86_400 - 601);
    assert_eq!(text(&flow.refresh(refresh).await, "error"), "invalid_grant");
    assert_eq!(flow.ask("forged", None).await, (401, "390303".to_owned()));
}

#[tokio::test]
async fn the_page_refuses_what_is_wrong() {
    let flow = Flow::new("").await;
    for (change, status, error) in [
        (&[("client_id", "nobody")][..], 400, ""),
        (&[("redirect_uri", "https://evil.example/oauth/callback")], 400, ""),
        (&[("redirect_uri", "https://uncia.example/oauth/callback/")], 400, ""),
        (&[("response_type", "token")], 302, "unsupported_response_type"),
        (&[("code_challenge", "")], 302, "invalid_request"),
        (&[("code_challenge_method", "plain")], 302, "invalid_request"),
        (&[("scope", "session:role:ACCOUNTADMIN")], 302, "invalid_scope"),
        (&[("scope", "session:role:audit_role")], 302, "invalid_scope"),
        (&[("scope", "openid")], 302, "invalid_scope"),
        (&[("scope", "session:role-encoded:AUDIT%5FROLE")], 302, ""),
        (&[("redirect_uri", "https://uncia.example/oauth/callback?source=1")], 302, ""),
    ] {
        let (answered, sent) = flow.authorize(change).await;
        let said = sent.get("error").map(String::as_str).unwrap_or_default();
        assert_eq!((answered, said), (status, error), "{change:?}");
        assert_eq!(sent.contains_key("code"), status == 302 && error.is_empty(), "{change:?}");
    }
    flow.scene.double.set_consent(Consent::Deny);
    assert_eq!(flow.authorize(&[]).await.1["error"], "access_denied");
    flow.scene.double.set_consent(Consent::Ask);
    assert_eq!(flow.authorize(&[]).await.0, 200);
    flow.scene.double.set_consent(Consent::As("ANALYST".to_owned()));
    flow.scene.double.run_script("ALTER SECURITY INTEGRATION UNCIA SET ENABLED = FALSE").unwrap();
    assert_eq!(flow.authorize(&[]).await.0, 400);
}

#[tokio::test]
async fn codes_are_good_once_for_those_who_began() {
    let flow = Flow::new("").await;
    let with = |code: String, change: (&'static str, &'static str)| {
        let mut pairs = BTreeMap::from([
            ("grant_type", "authorization_code".to_owned()),
            ("code", code),
            ("redirect_uri", REDIRECT.to_owned()),
            ("code_verifier", VERIFIER.to_owned()),
        ]);
        pairs.insert(change.0, change.1.to_owned());
        pairs
    };
    for (change, error) in [
        (("code_verifier", "another verifier"), "invalid_grant"),
        (("redirect_uri", "https://uncia.example/oauth/callback?x"), "invalid_grant"),
        (("code", "forged"), "invalid_grant"),
        (("grant_type", "password"), "unsupported_grant_type"),
    ] {
        let pairs = with(flow.code().await, change);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(text(&flow.token(&flow.basic(), &pairs).await, "error"), error, "{change:?}");
    }
    let code = flow.code().await;
    let tokens = flow.exchange(&code).await;
    assert_eq!(text(&flow.exchange(&code).await, "error"), "invalid_grant");
    assert_eq!(flow.ask(text(&tokens, "access_token"), None).await.0, 401, "a replayed code ends the consent");
    let late = flow.code().await;
    flow.scene.advance(601);
    assert_eq!(text(&flow.exchange(&late).await, "error"), "invalid_grant");
}

#[tokio::test]
async fn clients_must_encode_their_secrets() {
    let flow = Flow::new("").await;
    let code = flow.code().await;
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let plain = format!("{}:{}", flow.client, flow.secret);
    for basic in [plain.as_str(), &format!("{}:wrong", encode(&flow.client)), "nobody:x", "no colon"] {
        let answer = flow.token(basic, &pairs).await;
        assert_eq!(text(&answer, "error"), "invalid_client", "{basic}");
        assert_eq!(answer["success"], false);
    }
    assert!(flow.token(&flow.basic(), &pairs).await["access_token"].is_string());
}

#[tokio::test]
async fn single_use_refresh_tokens_are_good_once() {
    let flow = Flow::new("OAUTH_SINGLE_USE_REFRESH_TOKENS_REQUIRED = TRUE").await;
    let tokens = flow.exchange(&flow.code().await).await;
    let first = text(&tokens, "refresh_token").to_owned();
    let second = flow.refresh(&first).await;
    let next = text(&second, "refresh_token").to_owned();
    assert_ne!(first, next);
    assert_eq!(text(&flow.refresh(&first).await, "error"), "invalid_grant");
    assert_eq!(text(&flow.refresh(&next).await, "error"), "invalid_grant", "a replay ends the consent");
    assert_eq!(flow.ask(text(&second, "access_token"), None).await.0, 401);
}

#[tokio::test]
async fn consent_ends_when_it_is_revoked() {
    let flow = Flow::new("").await;
    let tokens = flow.exchange(&flow.code().await).await;
    flow.scene.double.expire_access_tokens();
    assert_eq!(flow.ask(text(&tokens, "access_token"), None).await.1, "390318");
    flow.scene.double.revoke_consent("ANALYST");
    assert_eq!(text(&flow.refresh(text(&tokens, "refresh_token")).await, "error"), "invalid_grant");
}
