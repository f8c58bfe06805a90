//! Starting workers and loading the program into them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uncia_model::DetectionErrorKind;

use super::optimise::Explanation;
use super::outcome::FunctionError;
use super::pool::{Broken, Shared, answer, error_of};
use super::protocol::{BUILD, PROTOCOL, kind, write_bytes};
use super::sandbox::{Sandbox, SandboxLayer};
use super::worker::{Death, Worker};
use super::zygote::Zygote;
use crate::EngineError;

#[derive(Serialize)]
struct Settings<'a> {
    soft_limit: f64,
    python_path: &'a [String],
    sandbox: Sandbox,
    /// The process will be copied.
    forks: bool,
    optimise: &'a str,
    /// Of the pairs decided without Python, one in so many is compared with it.
    shadow: u64,
    explain: bool,
    fault: Option<&'a str>,
    skip: BTreeMap<u32, FunctionError>,
}

#[derive(Deserialize)]
struct Hello {
    protocol: u32,
    #[serde(default)]
    build: String,
}

#[derive(Deserialize)]
struct Loaded {
    errors: BTreeMap<u32, FunctionError>,
    /// Of globals and data models, by their ids.
    #[serde(default)]
    supporting: BTreeMap<String, FunctionError>,
    #[serde(default)]
    sandbox: Vec<SandboxLayer>,
    /// Walls without which the worker was not to run content, and has not.
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    explanations: BTreeMap<u32, Explanation>,
}

/// Starts a worker: a copy of a process that has loaded the program, or one that loads it itself where there can be no
/// copies.
pub(crate) async fn start_worker(shared: &Shared) -> Result<Worker, EngineError> {
    let mut kept = shared.zygote.lock().await;
    while shared.uncopied.get().is_none() {
        let is_new = kept.is_none();
        let zygote = match &mut *kept {
            Some(zygote) => zygote,
            None => kept.insert(Zygote::new(start_process(shared, true).await?)),
        };
        let reason = match zygote.fork(shared.limits).await {
            Ok(worker) => return Ok(worker),
            Err(reason) => reason,
        };
        *kept = None;
        if is_new {
            tracing::warn!("detection workers load their program one by one: they cannot be copied: {reason}");
            let _ = shared.uncopied.set(reason);
        } else {
            tracing::warn!("what detection workers are copied from is replaced: {reason}");
        }
    }
    drop(kept);
    start_process(shared, false).await
}

/// Starts a process and loads the program into it. A detection whose module ends the process is left out for good.
async fn start_process(shared: &Shared, forks: bool) -> Result<Worker, EngineError> {
    let mut suspect = None;
    loop {
        let launched = shared.launcher.launch().await.map_err(|error| EngineError::Start(error.to_string()))?;
        let mut worker =
            Worker::adopt(launched, shared.limits).map_err(|error| EngineError::Start(error.to_string()))?;
        greet(&mut worker, shared).await?;
        let death = match load(&mut worker, shared, forks).await {
            Ok(None) => return Ok(worker),
            Ok(Some(refused)) => return Err(EngineError::Sandbox(refused)),
            Err(death) => death,
        };
        let detection = death.position.detection;
        if !death.position.busy {
            return Err(EngineError::Start(format!("worker died while loading: {}", death.cause)));
        }
        // A worker may be killed from outside: only what ends two is to blame.
        if !death.timed_out && suspect != Some(detection) {
            suspect = Some(detection);
            continue;
        }
        let (kind, error) = error_of(&death, shared.limits);
        shared.note_broken(detection, Broken { kind, error, fatal: true });
    }
}

/// Refuses an extension of another build before anything else is said.
async fn greet(worker: &mut Worker, shared: &Shared) -> Result<(), EngineError> {
    let hello = match worker.receive().await {
        Ok((kind::FROM_HELLO, hello)) => hello,
        Ok((kind, _)) => return Err(EngineError::Start(format!("unexpected frame of kind {kind}"))),
        Err(death) => return Err(EngineError::Start(format!("worker did not start: {}", death.cause))),
    };
    let hello: Hello = serde_json::from_slice(&hello).map_err(|error| EngineError::Start(error.to_string()))?;
    if (hello.protocol, hello.build.as_str()) != (PROTOCOL, BUILD) {
        return Err(EngineError::StaleExtension {
            found: format!("protocol {} build {}", hello.protocol, hello.build),
            wanted: format!("protocol {PROTOCOL} build {BUILD}"),
        });
    }
    let sent = worker.send(kind::TO_RUNTIME, &[&shared.runtime_frame]).await;
    sent.map_err(|death| EngineError::Start(format!("worker did not start: {}", death.cause)))
}

/// Loads the program; or says why the worker must not run content.
async fn load(worker: &mut Worker, shared: &Shared, forks: bool) -> Result<Option<String>, Death> {
    let fatal = shared.broken().into_iter().filter(|(_, broken)| broken.fatal);
    let settings = Settings {
        soft_limit: shared.limits.soft.as_secs_f64(),
        python_path: &shared.python_path,
        sandbox: shared.sandbox,
        forks,
        optimise: shared.optimise.as_str(),
        shadow: shared.shadow,
        explain: shared.probe.explain,
        fault: shared.probe.fault.as_deref(),
        skip: fatal.map(|(detection, broken)| (detection, broken.error)).collect(),
    };
    let settings = serde_json::to_vec(&settings).expect("texts and numbers are JSON");
    let mut head = Vec::with_capacity(settings.len() + 4);
    write_bytes(&settings, &mut head);
    worker.set_loading(true);
    worker.send(kind::TO_LOAD, &[&head, &shared.program_json]).await?;
    loop {
        match worker.receive().await? {
            (kind::FROM_CACHE, request) => answer(worker, &*shared.cache, &request).await?,
            (_, loaded) => {
                worker.set_loading(false);
                let Ok(loaded) = serde_json::from_slice::<Loaded>(&loaded) else { return Ok(None) };
                shared.keep_layers(loaded.sandbox);
                shared.keep_supporting_errors(loaded.supporting);
                if !loaded.explanations.is_empty() {
                    shared.keep_explanations(loaded.explanations);
                }
                for (detection, error) in loaded.errors {
                    shared.note_broken(detection, Broken { kind: DetectionErrorKind::Setup, error, fatal: false });
                }
                return Ok(loaded.refused);
            }
        }
    }
}
