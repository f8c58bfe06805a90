//! The call-back of OAuth sign-ins.
//!
//! A person's browser comes here with a state and a code in its address. What they read is plain: nothing of the address is
//! repeated unescaped, no other page learns it, and no cache keeps it.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use uncia_model::Clock;
use uncia_snowflake::oauth::{Consent, ConsentError, Finished, source_of_state};
use uncia_snowflake::vault::Vault;

use crate::config::Config;
use crate::snowflake;

/// Where a browser comes back to; the path of every redirect URI.
const CALLBACK: &str = "/snowflake/oauth/callback";

struct Door {
    consents: HashMap<String, Consent>,
    clock: Arc<dyn Clock>,
}

/// The route of the call-back; none if no source signs in by OAuth.
pub(crate) fn router(config: &Config, vault: &Arc<dyn Vault>, clock: &Arc<dyn Clock>) -> Result<Router> {
    let consents = consents(config, vault)?;
    if consents.is_empty() {
        return Ok(Router::new());
    }
    let door = Arc::new(Door { consents: consents.into_iter().collect(), clock: clock.clone() });
    // A HEAD, as previews of links send it, must not use a state up.
    let route = get(call_back).head(async || StatusCode::NO_CONTENT);
    Ok(Router::new().route(CALLBACK, route).with_state(door))
}

/// The consents of all sources that sign in by OAuth.
pub(crate) fn consents(config: &Config, vault: &Arc<dyn Vault>) -> Result<Vec<(String, Consent)>> {
    let mut consents = Vec::new();
    for source in &config.sources.snowflake {
        if let Some(client) = snowflake::oauth_client(source)? {
            consents.push((source.id.to_string(), Consent::of(Arc::new(client), vault.clone())));
        }
    }
    Ok(consents)
}

#[derive(Deserialize)]
struct CameBack {
    #[serde(default)]
    state: String,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

async fn call_back(State(door): State<Arc<Door>>, Query(came): Query<CameBack>) -> Response {
    let consent = source_of_state(&came.state).and_then(|source| door.consents.get(&source));
    let Some(consent) = consent else {
        let text = "This sign-in was not begun here. Begin again with: uncia snowflake authorise";
        return page(StatusCode::BAD_REQUEST, "Not signed in", text);
    };
    let denied = came.error_description.or(came.error).unwrap_or_else(|| "no code came back".to_owned());
    let outcome = came.code.as_deref().ok_or(denied.as_str());
    match consent.finish(&came.state, outcome, door.clock.as_ref()).await {
        Ok(Finished { source, user, until }) => {
            let user = user.as_deref().unwrap_or("somebody");
            tracing::info!("{user} has consented for Snowflake source {source} until {until}");
            let text = format!(
                "{user} has consented for source {source} until {until} UTC. Pulls go on by themselves. This page can be closed."
            );
            page(StatusCode::OK, "Signed in", &text)
        }
        Err(error) => {
            tracing::warn!("a sign-in to Snowflake failed: {error}");
            page(status_of(&error), "Not signed in", &error.to_string())
        }
    }
}

const fn status_of(error: &ConsentError) -> StatusCode {
    match error {
        ConsentError::UnknownState { .. }
        | ConsentError::Late { .. }
        | ConsentError::RedirectChanged { .. }
        | ConsentError::Denied { .. }
        | ConsentError::Code { .. } => StatusCode::BAD_REQUEST,
        ConsentError::Client { .. } | ConsentError::NoRefreshToken | ConsentError::Snowflake(_) => {
            StatusCode::BAD_GATEWAY
        }
        ConsentError::Random | ConsentError::Vault(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let (title, text) = (escaped(title), escaped(text));
    let body = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Uncia: {title}</title></head>\
         <body><h1>{title}</h1><p>{text}</p></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
