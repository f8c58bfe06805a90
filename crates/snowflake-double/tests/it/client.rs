//! A client that says exactly what a test wants it to say, right or wrong.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{digest, rand, signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use uncia_model::{Clock, ManualClock};
use uncia_snowflake_double::{Double, DoubleConfig};

/// 2026-03-01T00:00:00Z.
pub(crate) const START: i64 = 1_772_323_200_000_000;
pub(crate) const SECOND: i64 = 1_000_000;

/// A key pair with its public half as scripts want it.
pub(crate) struct Key {
    pair: KeyPair,
    pub(crate) public: String,
    pub(crate) fingerprint: String,
}

impl Key {
    pub(crate) fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let public = STANDARD.encode(der.as_ref());
        let fingerprint = format!("SHA256:{}", STANDARD.encode(digest::digest(&digest::SHA256, der.as_ref()).as_ref()));
        Self { pair, public, fingerprint }
    }

    /// The private half, as clients read it from a file.
    pub(crate) fn pem(&self) -> String {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let padding: &dyn signature::RsaEncoding = match header["alg"].as_str() {
            Some("RS384") => &signature::RSA_PKCS1_SHA384,
            Some("RS512") => &signature::RSA_PKCS1_SHA512,
            _ => &signature::RSA_PKCS1_SHA256,
        };
        self.pair.sign(padding, &rand::SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good token for the user, issued at this time (micros).
    pub(crate) fn token(&self, account: &str, user: &str, at: i64) -> String {
        self.sign(&json!({"alg": "RS256", "typ": "JWT"}), &self.claims(account, user, at))
    }

    pub(crate) fn claims(&self, account: &str, user: &str, at: i64) -> Value {
        let seconds = at / SECOND;
        let subject = format!("{account}.{user}");
        json!({"iss": format!("{subject}.{}", self.fingerprint), "sub": subject, "iat": seconds, "exp": seconds + 3540})
    }
}

/// A double under a clock that stands still, with the script of a usual set-up run.
pub(crate) struct Scene {
    pub(crate) double: Double,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) key: Key,
}

pub(crate) fn setup_sql(public: &str) -> String {
    format!(
        "USE ROLE ACCOUNTADMIN;
         CREATE WAREHOUSE IF NOT EXISTS AUDIT_WH WITH WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;
         CREATE ROLE IF NOT EXISTS AUDIT_ROLE COMMENT = 'reads audit views';
         GRANT DATABASE ROLE SNOWFLAKE.SECURITY_VIEWER TO ROLE AUDIT_ROLE; -- logins
         GRANT DATABASE ROLE SNOWFLAKE.GOVERNANCE_VIEWER TO ROLE AUDIT_ROLE;
         GRANT USAGE ON WAREHOUSE AUDIT_WH TO ROLE AUDIT_ROLE;
         CREATE USER IF NOT EXISTS AUDIT_USER TYPE = SERVICE DEFAULT_ROLE = AUDIT_ROLE DEFAULT_WAREHOUSE = AUDIT_WH;
         ALTER USER AUDIT_USER SET RSA_PUBLIC_KEY = '{public}';
         GRANT ROLE AUDIT_ROLE TO USER AUDIT_USER;"
    )
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(DoubleConfig::default()).await
    }

    pub(crate) async fn with(config: DoubleConfig) -> Self {
        let clock = Arc::new(ManualClock::default());
        clock.advance(std::time::Duration::from_micros(START as u64));
        let double =
            Double::start(DoubleConfig { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..config }).await.unwrap();
        let key = Key::new();
        double.run_script(&setup_sql(&key.public)).unwrap();
        Self { double, clock, key }
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now().micros
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(std::time::Duration::from_secs(seconds));
    }

    pub(crate) fn token(&self) -> String {
        self.key.token("UNCIATEST-MAIN", "AUDIT_USER", self.now() - 30 * SECOND)
    }

    /// Submits with a good token and no request id of its own, in UTC.
    pub(crate) async fn submit(&self, mut body: Value) -> Answered {
        if body["parameters"]["timezone"].is_null() {
            body["parameters"]["timezone"] = json!("UTC");
        }
        self.post("/api/v2/statements", &self.token(), &body).await
    }

    pub(crate) async fn sql(&self, sql: &str) -> Answered {
        self.submit(json!({"statement": sql})).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answered {
        let request = request(reqwest::Method::POST, &format!("{}{path}", self.double.url()), token);
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        Answered::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        let request = request(reqwest::Method::GET, &format!("{}{path}", self.double.url()), &self.token());
        Answered::of(request.send().await.unwrap()).await
    }
}
pub(crate) fn http() -> reqwest::Client {
    // The second call finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

pub(crate) fn request(method: reqwest::Method, url: &str, token: &str) -> reqwest::RequestBuilder {
    http()
        .request(method, url)
        .header("Authorization", format!("Bearer {token}"))
        .header("X-Snowflake-Authorization-Token-Type", "KEYPAIR_JWT")
        .header("Accept", "application/json")
        .header("User-Agent", "test/1.0")
}

/// An answer: status, headers, body.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answered {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Self { status, headers, body }
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn outcome(&self) -> (u16, &str) {
        (self.status, self.code())
    }

    pub(crate) fn rows(&self) -> &Value {
        assert_eq!(self.status, 200, "{}", self.body);
        &self.body["data"]
    }
}
