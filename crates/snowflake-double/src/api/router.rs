//! All routes.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::{connector, oauth, statements};
use crate::core::Core;

pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/api/v2/statements", post(statements::submit))
        .route("/api/v2/statements/{handle}", get(statements::fetch))
        .route("/api/v2/statements/{handle}/cancel", post(statements::cancel))
        .route("/session/v1/login-request", post(connector::login))
        .route("/queries/v1/query-request", post(connector::query))
        .route("/queries/v1/abort-request", post(connector::telemetry))
        .route("/session", post(connector::session))
        .route("/session/heartbeat", post(connector::session))
        .route("/session/token-request", post(connector::renew))
        .route("/telemetry/send", post(connector::telemetry))
        .route("/telemetry/send/sessionless", post(connector::telemetry))
        .route("/oauth/authorize", get(oauth::authorize))
        .route("/oauth/token-request", post(oauth::token))
        .with_state(core)
}
