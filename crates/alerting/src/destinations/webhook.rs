//! POSTs the notification as JSON to a URL.
//!
//! The body is [`Notification`]'s. Headers: `Content-Type: application/json`, `Idempotency-Key: <alert id>` (the same on
//! every try), the configured ones and, with a signing secret, `X-Uncia-Signature-256: sha256=<hex>`, the HMAC-SHA256 of
//! the body as sent, in the form GitHub made common. Any 2xx is success. Redirects are not followed and the environment's
//! proxies not used, because either would pass the address check by.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use sha2::Sha256;
use uncia_model::Secret;

use super::address::{self, CheckedResolver};
use super::{DeliveryError, Destination, DestinationKind, Receipt, ResolveSecret};
use crate::notification::Notification;

/// One try, from the name's resolution to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of an answer is kept.
const MAX_ANSWER_BYTES: usize = 4 * 1024;
const SIGNATURE_HEADER: &str = "x-uncia-signature-256";
const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// Settings of a webhook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to POST: `https://` or `http://`. Often a secret by itself, so `file:` and `env:` references work.
    pub url: Secret,
    /// Headers to add; values may be `file:` or `env:` references.
    #[serde(default)]
    pub headers: Vec<Header>,
    /// Signs the body if given.
    #[serde(default)]
    pub signing_secret: Option<Secret>,
    /// Allows loopback and private addresses. Link-local and cloud metadata addresses are never allowed.
    #[serde(default)]
    pub allow_private: bool,
}

/// A header to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub name: String,
    pub value: Secret,
}

/// The kind `webhook`.
pub struct Kind;

impl DestinationKind for Kind {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn build(&self, settings: serde_json::Value, resolve: ResolveSecret<'_>) -> Result<Arc<dyn Destination>, String> {
        let config: Config = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        Ok(Arc::new(Webhook::new(&config, resolve)?))
    }
}

/// A webhook, ready to be told.
pub struct Webhook {
    client: Client,
    url: Url,
    headers: HeaderMap,
    signing_secret: Option<Secret>,
}

impl Webhook {
    pub fn new(config: &Config, resolve: ResolveSecret<'_>) -> Result<Self, String> {
        let url = resolve(&config.url)?;
        let url: Url = url.expose().trim().parse().map_err(|error| format!("`url` cannot be read: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("`url` must begin with https:// or http://".to_owned());
        }
        // A host that is an address never meets the resolver. Odd spellings (octal, one number) are undone by the URL's
        // own parsing.
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = host.parse::<IpAddr>() {
            address::check(ip, config.allow_private).map_err(|reason| format!("`url`: {reason}"))?;
        }

        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for Header { name, value } in &config.headers {
            let value = resolve(value)?;
            let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header's name"))?;
            let mut value = HeaderValue::from_str(value.expose().trim())
                .map_err(|_| format!("the value of header `{name}` holds characters that a header cannot carry"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let signing_secret = config.signing_secret.as_ref().map(resolve).transpose()?;
        let client = client(config.allow_private).map_err(|error| format!("TLS cannot be set up: {error}"))?;
        Ok(Self { client, url, headers, signing_secret })
    }
}

fn client(allow_private: bool) -> reqwest::Result<Client> {
    // An error means that the process has chosen its provider already, which is ring as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("uncia/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(CheckedResolver { allow_private }))
        .build()
}

#[async_trait]
impl Destination for Webhook {
    async fn deliver(&self, notification: &Notification) -> Result<Receipt, DeliveryError> {
        let body = notification.to_json();
        let mut request = self.client.post(self.url.clone()).headers(self.headers.clone());
        request = request.header(IDEMPOTENCY_HEADER, &notification.alert_id);
        if let Some(secret) = &self.signing_secret {
            request = request.header(SIGNATURE_HEADER, signature(secret, &body));
        }
        let response = request.body(body).send().await.map_err(unreachable)?;
        judge(response).await
    }
}

fn signature(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold("sha256=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

async fn judge(response: Response) -> Result<Receipt, DeliveryError> {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map(Duration::from_secs);
    let body = beginning(response).await;
    if status.is_success() {
        return Ok(Receipt { status: status.as_u16(), body });
    }
    let for_now = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    let status = status.as_u16();
    Err(if for_now {
        DeliveryError::RetryAfter { after, status, body }
    } else {
        DeliveryError::Rejected { status, body }
    })
}

/// The first bytes of the answer; an answer that breaks off has still been given.
async fn beginning(mut response: Response) -> String {
    let mut kept = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        kept.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER_BYTES - kept.len())]);
        if kept.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The error without its URL, which may be a secret, and with its causes.
fn unreachable(error: reqwest::Error) -> DeliveryError {
    let error = error.without_url();
    let timed_out = error.is_timeout();
    let mut causes = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let reason = causes.join(": ");
    let reason = if timed_out { format!("no answer within {} s ({reason})", TIMEOUT.as_secs()) } else { reason };
    DeliveryError::Unreachable { reason }
}
