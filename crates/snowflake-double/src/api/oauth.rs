//! `/oauth/authorize` and `/oauth/token-request`.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::answer::json_response;
use super::request::{decode, query_pairs};
use crate::auth::oauth::{Page, TokenError};
use crate::core::{Core, lock};

const FORM_LIMIT: usize = 64 << 10;

pub(crate) async fn authorize(State(core): State<Arc<Core>>, request: Request) -> Response {
    let asked = query_pairs(request.uri().query());
    // The account is locked before what was handed out, here as everywhere.
    let account = core.account();
    let page = lock(&core.oauth).authorize(&account, &asked, core.now());
    drop(account);
    match page {
        Page::Wrong(why) => html(StatusCode::BAD_REQUEST, &why),
        Page::Show => html(StatusCode::OK, "Sign in to allow access."),
        Page::Redirect(to) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::FOUND;
            match HeaderValue::from_str(&to) {
                Ok(to) => {
                    response.headers_mut().insert(header::LOCATION, to);
                    response
                }
                Err(_) => html(StatusCode::BAD_REQUEST, "the redirect URI cannot be a header"),
            }
        }
    }
}

fn html(status: StatusCode, text: &str) -> Response {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let mut response = Response::new(Body::from(format!("<!doctype html><title>Snowflake</title><p>{escaped}</p>")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

pub(crate) async fn token(State(core): State<Arc<Core>>, request: Request) -> Response {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return error(&TokenError("invalid_request", "The body must be a form.".to_owned()));
    }
    let basic = basic(request.headers());
    let body = to_bytes(request.into_body(), FORM_LIMIT).await.unwrap_or_default();
    let form = query_pairs(std::str::from_utf8(&body).ok());
    let (client, secret) = match basic {
        Some((client, secret)) => (client, Some(secret)),
        None => (form.get("client_id").cloned().unwrap_or_default(), form.get("client_secret").cloned()),
    };
    let account = core.account();
    let given = lock(&core.oauth).exchange(&account, (&client, secret.as_deref()), &form, core.now());
    drop(account);
    let given = match given {
        Ok(given) => given,
        Err(fault) => return error(&fault),
    };
    let mut body = json!({
        "access_token": given.access, "token_type": "Bearer", "expires_in": given.expires_in, "scope": given.scope,
    });
    if let Some((token, seconds)) = given.refresh {
        body["refresh_token"] = json!(token);
        body["refresh_token_expires_in"] = json!(seconds);
    }
    if let Some(user) = given.user {
        body["username"] = json!(user);
    }
    json_response(200, &body)
}

/// Id and secret of a Basic header, each encoded as in a form: whoever leaves that out sends another secret.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (client, secret) = plain.split_once(':')?;
    Some((decode(client), decode(secret)))
}

fn error(fault: &TokenError) -> Response {
    json_response(400, &json!({"data": null, "message": fault.1, "code": null, "success": false, "error": fault.0}))
}
