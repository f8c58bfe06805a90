//! `uncia serve`: sources, walk and deliveries in one process, until it is told to stop.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uncia_alerting::Deliverer;
use uncia_detection::Fingerprint;
use uncia_lake_iceberg::IcebergLake;
use uncia_model::{Clock, SystemClock};
use uncia_pipeline::alarm::watch_silence;
use uncia_pipeline::intake::{KnownSource, WalIntake};
use uncia_pipeline::serve::Serving;
use uncia_pipeline::{BatchLimits, Ran, Scheduler, stream_type};
use uncia_wal::fs::RealFs;
use uncia_wal::{Position, Wal, WalConfig};

use crate::cli;
use crate::config::Config;
use crate::content;
use crate::exit::{Exit, ExitError};
use crate::product::{self, Product, Purpose, check, destinations};
use crate::reload::Reloader;
use crate::{expiry, oauth, snowflake, vault};

/// How often unneeded files are removed, and how old they must be: longer than any query or commit takes.
const VACUUM_EVERY: Duration = Duration::from_secs(600);
const VACUUM_GRACE: Duration = Duration::from_secs(3_600);

pub(crate) async fn serve(config: Config, root: &Path, arguments: &cli::Serve) -> Result<Exit> {
    check(&config)?;
    let every = reload_every(&config)?;
    let product = Arc::new(Product::open(root, Purpose::Write("serve")).await?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let loaded = Fingerprint::of(&config.content_folders());
    let content = content::detections(&config, &[])?;
    let notice = |text: String| tracing::warn!("{text}");
    let walk = Arc::new(product.walk(&config, &content, clock.clone(), &notice).await?);
    let wal = Arc::new(open_log(&product).await?);
    // First the doors close; what they let in before is then committed.
    let (stop, drained) = (CancellationToken::new(), CancellationToken::new());

    let facts = {
        let walk = walk.clone();
        Arc::new(move |id: &uncia_model::DetectionId| walk.facts(id))
    };
    let (told, _) = destinations(&config)?;
    let deliverer = Arc::new(Deliverer::new(product.store().clone(), told, clock.clone(), facts, None));
    let delivering = {
        let (deliverer, drained) = (deliverer.clone(), drained.clone());
        tokio::spawn(async move { deliverer.run(drained.cancelled_owned()).await })
    };

    let scheduler = Arc::new(Scheduler::new(walk.clone(), &content));
    let scheduling = {
        let (deliverer, drained) = (deliverer.clone(), drained.clone());
        let told = move |ran: &Ran| {
            tracing::info!("{} ran for {}: {} matches", ran.name, ran.at, ran.summary.matches);
            if ran.summary.alert_count() > 0 {
                deliverer.wake();
            }
        };
        let scheduler = scheduler.clone();
        tokio::spawn(async move { scheduler.run(drained, told).await })
    };
    let (walking_on, product_of, configured) = (walk.clone(), product.clone(), config.clone());
    let reloader =
        Reloader { product: product_of, config: configured, walk: walking_on, scheduler, content, loaded, every };
    let reloading = tokio::spawn(reloader.run(drained.clone()));

    let vault = vault::of(&config, product.dir().root(), product.store(), &clock);
    let expiring = tokio::spawn(expiry::watch(config.clone(), vault.clone(), walk.clone(), drained.clone()));
    let listening_for_silence = {
        let (walk, sources, drained) = (walk.clone(), product::silences(&config), drained.clone());
        tokio::spawn(async move { watch_silence(&walk, &sources, drained).await })
    };
    let vacuuming = tokio::spawn(vacuum(product.lake().clone(), drained.clone()));
    let serving = Arc::new(Serving {
        walk,
        wal: wal.clone(),
        sources: known_sources(&config),
        limits: BatchLimits { bytes: config.batch.max_bytes, records: config.batch.max_records },
        splitter: product::splitter(),
        max_wait: Duration::from_millis(config.batch.max_wait_ms),
        watched: config.sources.watch.clone(),
        accounts: snowflake::pullers(&config, None, product.store(), &vault, &clock)?,
    });
    let walking = tokio::spawn(serving.run(drained.clone(), move |summary| {
        if summary.alert_count() > 0 {
            deliverer.wake();
        }
    }));

    let listen = arguments.listen.as_deref().unwrap_or(&config.http.listen);
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| ExitError::unavailable(format!("cannot listen on {listen}: {error}")))?;
    let address = listener.local_addr()?;
    let intake = Arc::new(WalIntake::new(wal));
    let router = uncia_sources::http::router(&config.sources.http, intake, clock.clone())
        .map_err(|error| ExitError::configuration(error.to_string()))?
        .merge(oauth::router(&config, &vault, &clock)?);
    for source in &config.sources.http {
        eprintln!("source {}: POST http://{address}/http/{}", source.id, source.id);
    }
    eprintln!("uncia is listening on http://{address}");
    let stopped = {
        let stop = stop.clone();
        async move { stop.cancelled().await }
    };
    let signal = tokio::spawn(wait_for_signal(stop.clone()));
    uncia_sources::http::serve(listener, router, stopped).await.context("the HTTP listener failed")?;
    signal.abort();
    drained.cancel();
    walking.await.context("the walk ended abnormally")??;
    scheduling.await.context("the scheduled runs ended abnormally")?;
    delivering.await.context("the deliveries ended abnormally")?;
    vacuuming.await.context("the lake's vacuum ended abnormally")?;
    reloading.await.context("the watch over content ended abnormally")?;
    expiring.await.context("the watch over credentials ended abnormally")?;
    listening_for_silence.await.context("the watch over silent sources ended abnormally")?;
    eprintln!("uncia has stopped; everything accepted is committed");
    Ok(Exit::Ok)
}

fn reload_every(config: &Config) -> Result<Option<Duration>> {
    let seconds = config.detections.reload_seconds;
    let every = Duration::try_from_secs_f64(seconds);
    let every = every.map_err(|error| ExitError::configuration(format!("detections.reload_seconds: {error}")))?;
    Ok((!every.is_zero()).then_some(every))
}

/// Removes files that no snapshot needs any more: every commit leaves superseded metadata behind.
async fn vacuum(lake: Arc<IcebergLake>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(VACUUM_EVERY) => {}
            () = stop.cancelled() => return,
        }
        match lake.vacuum(VACUUM_GRACE).await {
            Ok(vacuumed) => tracing::info!("vacuum: {} files, {} bytes", vacuumed.files, vacuumed.bytes),
            Err(error) => tracing::warn!("vacuum: {error}"),
        }
    }
}

async fn open_log(product: &Product) -> Result<Wal> {
    let consumed = product.store().wal_position().await?;
    let consumed = consumed.map_or(Position::START, |(segment, offset)| Position::new(segment, offset));
    let config = WalConfig { consumed, ..WalConfig::default() };
    let (wal, recovery) = Wal::open(Arc::new(RealFs), &product.dir().wal(), config)
        .map_err(|error| ExitError::unavailable(error.to_string()))?;
    if recovery.truncated_bytes > 0 {
        tracing::info!("cut {} bytes that were never acknowledged off the log's end", recovery.truncated_bytes);
    }
    Ok(wal)
}

fn known_sources(config: &Config) -> HashMap<uncia_model::SourceId, KnownSource> {
    let known = config.sources.http.iter().map(|source| {
        let label = source.label.as_deref().unwrap_or(source.id.as_str()).into();
        let known = KnownSource { label, log_types: source.log_types.clone(), stream: stream_type(&source.stream) };
        (source.id.clone(), known)
    });
    known.collect()
}

/// Ctrl-C, and the signal that service managers send.
async fn wait_for_signal(stop: CancellationToken) {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::error!("cannot listen for signals: {error}");
            return;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("uncia is stopping: committing what was accepted …");
    stop.cancel();
}
