//! Watched folders on their way into the walk.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uncia_model::SourceId;
use uncia_processing::StreamType;
use uncia_sources::watch::{Marks, MarksError, Taken};
use uncia_sources::{StreamConfig, Watcher};
use uncia_store::{Store, StoreError};

use crate::input::{End, Input};
use crate::serve::Serving;

/// Between two tries to read the store.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The store's progress, as watchers ask for it.
struct StoreMarks(Arc<Store>);

#[async_trait]
impl Marks for StoreMarks {
    async fn mark(&self, source: &SourceId, key: &str) -> Result<Option<u64>, MarksError> {
        let progress = self.0.progress(source, key).await.map_err(|error| MarksError(Box::new(error)))?;
        Ok(progress.map(|progress| progress.records))
    }
}

/// Starts a watcher for each watched folder; they end with `life`.
pub(crate) fn start(
    serving: &Arc<Serving>,
    inputs: &mpsc::Sender<Input>,
    life: &CancellationToken,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for config in &serving.watched {
        let (taken, mut parts) = mpsc::channel::<Taken>(1);
        let store = serving.walk.store().clone();
        let marks = Arc::new(StoreMarks(store.clone()));
        let watcher = Watcher::new(config.clone()).run(
            serving.walk.clock().clone(),
            marks,
            taken,
            life.clone().cancelled_owned(),
        );
        tasks.push(tokio::spawn(watcher));
        let (stream, inputs) = (stream_type(&config.stream), inputs.clone());
        tasks.push(tokio::spawn(async move {
            while let Some(taken) = parts.recv().await {
                let input = loop {
                    match input(&taken, &stream, &store).await {
                        Ok(input) => break input,
                        Err(error) => tracing::error!("cannot read the progress of a watched file: {error}"),
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                };
                if inputs.send(input).await.is_err() {
                    return;
                }
            }
        }));
    }
    tasks
}

async fn input(taken: &Taken, stream: &StreamType, store: &Store) -> Result<Input, StoreError> {
    let origin = &taken.payload.origin;
    let progress = store.progress(&origin.source, &origin.key).await?;
    let skip = match progress {
        // A file with the same content was taken before, whatever it was called.
        Some(progress) if progress.complete => u64::MAX,
        Some(progress) => progress.records,
        None => 0,
    };
    let end = End::Mark { key: taken.mark.key.clone(), offset: taken.mark.offset };
    Ok(Input::new(taken.payload.clone(), stream, skip).reading(taken.body.clone()).ending(end))
}

/// How a configured source's bytes are cut.
#[must_use]
pub fn stream_type(stream: &StreamConfig) -> StreamType {
    match stream {
        StreamConfig::Auto => StreamType::Auto,
        StreamConfig::Lines => StreamType::Lines,
        StreamConfig::Json => StreamType::Json,
        StreamConfig::JsonArray(path) => {
            StreamType::JsonArray { path: path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect() }
        }
        StreamConfig::CloudWatchLogs { retain_envelope_fields } => {
            StreamType::CloudWatchLogs { retain_envelope_fields: *retain_envelope_fields }
        }
        StreamConfig::Xml(root) => StreamType::Xml { root: root.clone() },
    }
}
