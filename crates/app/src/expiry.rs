//! Credentials that end: consents and access tokens, looked at once an hour, so that somebody is told before pulls stand still.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uncia_model::{Alarm, AlarmKind};
use uncia_pipeline::Walk;
use uncia_snowflake::oauth::ConsentHealth;
use uncia_snowflake::vault::Vault;

use crate::config::Config;
use crate::oauth::consents;

const LOOK_EVERY: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// A token's end is told so long before it.
const TOKEN_ENDS_SOON: Duration = Duration::from_secs(14 * 86_400);
/// What ends at once is told again, if it was told longer ago than this.
const AGAIN: Duration = Duration::from_secs(2 * 86_400);

pub(crate) async fn watch(config: Config, vault: Arc<dyn Vault>, walk: Arc<Walk>, stop: CancellationToken) {
    let by_oauth = consents(&config, &vault).unwrap_or_default();
    loop {
        for (source, consent) in &by_oauth {
            match consent.health(walk.clock().as_ref()).await {
                Ok(health) => judge_consent(&walk, source, &health).await,
                Err(error) => tracing::warn!("Snowflake source {source}: {error}"),
            }
        }
        for source in &config.sources.snowflake {
            // What is no day was refused when the configuration was read.
            if let Some(Ok(end)) = source.token_expires() {
                judge_token(&walk, source.id.as_str(), end.micros).await;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn judge_consent(walk: &Walk, source: &str, health: &ConsentHealth) {
    let again = match health {
        ConsentHealth::EndsSoon { .. } => None,
        ConsentHealth::EndsNow { .. } => Some(AGAIN),
        // What has ended or was never given is told by the pulls that are refused.
        ConsentHealth::Good { .. } | ConsentHealth::Missing | ConsentHealth::Ended { .. } => {
            walk.clear(AlarmKind::SourceCredentialExpires, source).await;
            return;
        }
    };
    let title = format!("The consent for Snowflake source {source} ends soon");
    let description = format!("It {health}: `uncia snowflake authorise {source}`. Nothing is lost if it ends before.");
    walk.raise(&alarm(source, title, description), again).await;
}

async fn judge_token(walk: &Walk, source: &str, end: i64) {
    let left = Duration::from_micros(u64::try_from(end - walk.clock().now().micros).unwrap_or(0));
    if left > TOKEN_ENDS_SOON {
        walk.clear(AlarmKind::SourceCredentialExpires, source).await;
        return;
    }
    let title = format!("The access token of Snowflake source {source} ends soon");
    let description = format!(
        "By its `expires` it ends at {}: make a new one over there, and put it and its last day into the configuration.",
        uncia_document::Timestamp::from_micros(end)
    );
    walk.raise(&alarm(source, title, description), (left < DAY).then_some(AGAIN)).await;
}

fn alarm(source: &str, title: String, description: String) -> Alarm {
    Alarm { kind: AlarmKind::SourceCredentialExpires, subject: source.to_owned(), title, description }
}
