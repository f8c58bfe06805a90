//! All routes.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::statements;
use crate::core::Core;

pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/api/v2/statements", post(statements::submit))
        .route("/api/v2/statements/{handle}", get(statements::fetch))
        .route("/api/v2/statements/{handle}/cancel", post(statements::cancel))
        .with_state(core)
}
