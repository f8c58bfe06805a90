//! The worker's loop: frames in, detections run, frames out.
//!
//! One event at a time, one detection after the other, in one thread: content keeps state in module globals and relies on
//! `title()` being called right after its own `rule()`.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pyo3::exceptions::{PyConnectionError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use uncia_document::{Interner, Parser};
use uncia_ruleir::ir::FunctionId;
use uncia_ruleir::{Arena, Evaluator, Fault, Index, Keys, Scratch, Verdict};

use crate::document::{NativeValue, Parsed};
use crate::event::PantherEvent;
use crate::fork::fork;
use crate::frames::Link;
use crate::model::DataModel;
use crate::native::{Calls, Compiled, Native, Optimise, Sampler, Workspace};
use crate::node::Members;
use crate::progress::Progress;
use crate::protocol::{self, BatchHeader, Counts, FOUND_ERROR, FOUND_MATCH, kind, read_bytes};

/// Greets the main process and returns its first frame, the runtime (JSON).
#[pyfunction]
pub(crate) fn connect(py: Python<'_>, socket: i32, page: i32) -> PyResult<String> {
    let link = Link::connect(socket);
    Progress::connect(page)?;
    let hello = PyDict::new(py);
    hello.set_item("protocol", protocol::PROTOCOL)?;
    hello.set_item("build", protocol::BUILD)?;
    hello.set_item("python", Python::version_str())?;
    let hello: String = py.import("json")?.call_method1("dumps", (hello,))?.extract()?;
    link.write(kind::FROM_HELLO, &[hello.as_bytes()])?;
    match py.detach(|| link.read())? {
        Some((kind::TO_RUNTIME, runtime)) => text(runtime),
        Some((other, _)) => Err(PyConnectionError::new_err(format!("unexpected frame of kind {other}"))),
        None => Err(PyConnectionError::new_err("refused by the main process")),
    }
}

/// Serves frames until the main process closes the socket. `host` is the runtime's Python half.
#[pyfunction]
pub(crate) fn serve(py: Python<'_>, host: &Bound<'_, PyAny>) -> PyResult<()> {
    let link = Link::get()?;
    let parser = Parser::new(Interner::new());
    let workspace = Workspace {
        keys: Keys::new(Arc::clone(parser.interner())),
        arena: Arena::default(),
        scratch: Scratch::default(),
        sampler: Sampler::new(0),
    };
    let mut worker = Worker {
        host,
        tables: HashMap::new(),
        parser,
        optimise: Optimise::Off,
        native: None,
        workspace,
        distrusted: HashSet::new(),
    };
    let mut payload = Vec::new();
    while let Some(kind) = py.detach(|| link.read_into(&mut payload))? {
        match kind {
            kind::TO_LOAD => {
                let reply = worker.load(&payload)?;
                link.write(kind::FROM_LOADED, &[reply.as_bytes()])?;
            }
            kind::TO_BATCH => worker.batch(link, &payload)?,
            kind::TO_FORK => fork(py, link)?,
            kind::TO_TEST => {
                let (case, event) = two_texts(&payload)?;
                let outcome: String = host.call_method1("test", (case, event))?.extract()?;
                link.write(kind::FROM_TESTED, &[outcome.as_bytes()])?;
            }
            other => return Err(PyRuntimeError::new_err(format!("unexpected frame of kind {other}"))),
        }
    }
    Ok(())
}

/// Sends a cache request (JSON) and returns the answer (JSON).
#[pyfunction]
pub(crate) fn cache(request: &str) -> PyResult<String> {
    match Link::get()?.ask(kind::FROM_CACHE, request.as_bytes())? {
        (kind::TO_CACHED, answer) => text(answer),
        (other, _) => Err(PyConnectionError::new_err(format!("unexpected frame of kind {other}"))),
    }
}

/// Notes that the host is about to call content of a detection outside of a batch.
#[pyfunction]
pub(crate) fn begin(detection: u64) {
    if let Some(progress) = Progress::get() {
        progress.begin(protocol::page::NO_EVENT, detection);
    }
}

/// Notes that the call is over.
#[pyfunction]
pub(crate) fn end() {
    if let Some(progress) = Progress::get() {
        progress.end();
    }
}

/// Whether the running call shall be interrupted.
#[pyfunction]
pub(crate) fn overdue() -> bool {
    Progress::get().is_some_and(Progress::overdue)
}

/// The detections of one log type: their places in the program, ascending, and what to call.
pub(crate) struct Table {
    data_model: Option<Py<DataModel>>,
    pub(crate) detections: Vec<(u32, Py<PyAny>)>,
    index: Index,
    /// What of the detections was compiled.
    functions: Vec<Option<FunctionId>>,
}

struct Worker<'a, 'py> {
    host: &'a Bound<'py, PyAny>,
    tables: HashMap<String, Table>,
    parser: Parser,
    optimise: Optimise,
    native: Option<Native>,
    workspace: Workspace,
    /// Detections that a comparison with Python has caught.
    distrusted: HashSet<u32>,
}

/// The event under judgement, as the loop over its detections sees it.
struct Case<'a> {
    link: &'a Link,
    progress: &'a Progress,
    header: &'a BatchHeader,
    /// By the detection's place: whether it shall not run in this batch. Asked of every pair.
    left_out: &'a [bool],
    event: u32,
}

impl<'py> Worker<'_, 'py> {
    fn load(&mut self, payload: &[u8]) -> PyResult<String> {
        type TableParts = (Option<Py<DataModel>>, Vec<(u32, Py<PyAny>)>);
        type Tables = HashMap<String, TableParts>;
        let (settings, program) = two_texts(payload)?;
        let loaded = self.host.call_method1("load", (settings, program))?;
        type Loaded<'py> = (String, String, Tables, Option<Compiled<'py>>, u64, bool, Option<String>);
        let (reply, optimise, tables, compiled, shadow, explain, fault): Loaded<'_> = loaded.extract()?;
        Fault::set(fault.as_deref().and_then(Fault::parse));
        let unknown = || PyValueError::new_err(format!("unknown mode '{optimise}'"));
        self.optimise = Optimise::parse(&optimise).ok_or_else(unknown)?;
        self.native = compiled.map(|compiled| Native::new(compiled, &self.parser)).transpose()?;
        self.workspace.sampler = Sampler::new(shadow);
        self.distrusted.clear();
        let native = self.native.as_ref();
        let table = |(name, (data_model, detections)): (String, TableParts)| {
            let index = native.map(|native| native.index(&name, &detections)).unwrap_or_default();
            let function = |detection| native.and_then(|native| native.functions.get(detection).copied());
            let functions = detections.iter().map(|(detection, _)| function(detection)).collect();
            (name, Table { data_model, detections, index, functions })
        };
        self.tables = tables.into_iter().map(table).collect();
        match &self.native {
            Some(native) if explain => {
                self.host.call_method1("explained", (reply, native.explanations(&self.tables)))?.extract()
            }
            _ => Ok(reply),
        }
    }

    fn batch(&mut self, link: &Link, payload: &[u8]) -> PyResult<()> {
        let broken = || PyRuntimeError::new_err("cannot read a batch frame");
        let mut rest = payload;
        let header = BatchHeader::read(&mut rest).ok_or_else(broken)?;
        let progress = Progress::get().ok_or_else(|| PyRuntimeError::new_err("not connected"))?;
        progress.start_batch(header.batch);
        self.distrusted.extend(&header.distrusted);
        let mut left_out = vec![false; header.skip.iter().max().map_or(0, |last| *last as usize + 1)];
        header.skip.iter().for_each(|detection| left_out[*detection as usize] = true);
        let mut counts = Counts::default();
        for event in 0..header.events {
            let bytes = read_bytes(&mut rest).ok_or_else(broken)?;
            if event < header.resume.0 {
                continue;
            }
            self.event(&Case { link, progress, header: &header, left_out: &left_out, event }, bytes, &mut counts)?;
        }
        self.host.call_method0("after_batch")?;
        let mut done = header.batch.to_le_bytes().to_vec();
        counts.write(&mut done);
        link.write(kind::FROM_DONE, &[&done])?;
        Ok(())
    }

    /// Judges one event: what the index and the evaluator leave, Python does.
    fn event(&mut self, case: &Case<'_>, bytes: &[u8], counts: &mut Counts) -> PyResult<()> {
        let py = self.host.py();
        let document = self.parser.parse(bytes).ok().filter(|document| document.root().is_object());
        let Some(document) = document else {
            counts.unreadable += 1;
            return Ok(());
        };
        let Some(table) = self.tables.get(&case.header.log_type) else { return Ok(()) };
        let value = document.root().value();
        let native_value = NativeValue { parsed: Parsed::new(document), value };
        let rules = table.detections.len();
        counts.pairs += rules as u64;
        let mut view = None;
        let mut view = || -> PyResult<Bound<'py, PantherEvent>> {
            if view.is_none() {
                let data_model = table.data_model.as_ref().map(|model| model.clone_ref(py));
                view = Some(PantherEvent::of(py, Members::Native(native_value.clone()), data_model)?);
            }
            Ok(view.clone().expect("just made"))
        };
        let Workspace { keys, arena, scratch, sampler } = &mut self.workspace;
        let Some(native) = &self.native else {
            for (detection, matcher) in &table.detections {
                if case.is_due(*detection) {
                    counts.calls += 1;
                    run(self.host, case, matcher.bind(py), *detection, &view()?)?;
                }
            }
            return Ok(());
        };
        arena.reset();
        let event = keys.enter(&native_value.parsed.document);
        table.index.excluded(&event, scratch);
        let excluded = &mut scratch.excluded;
        for detection in &self.distrusted {
            if let Ok(place) = table.detections.binary_search_by_key(detection, |(detection, _)| *detection) {
                excluded.remove_one(place);
            }
        }
        let pruned = excluded.len();
        counts.pruned += pruned as u64;
        // One of the pairs that were ruled out is looked at all the same, in its turn.
        let sampled = sampler.pick(pruned as u64).and_then(|nth| excluded.nth(nth as usize));
        if let Some(place) = sampled {
            excluded.remove_one(place);
        }
        let current = Cell::new(0);
        let mut calls = Calls {
            py,
            functions: &native.foreign,
            event: &native_value,
            progress: case.progress,
            place: case.event,
            detection: &current,
        };
        let mut evaluator = (self.optimise == Optimise::Full)
            .then(|| Evaluator::new(&native.program, &case.header.log_type, event, arena, &mut calls));
        for place in excluded.others(rules) {
            let (detection, matcher) = &table.detections[place];
            if !case.is_due(*detection) {
                continue;
            }
            let mut supposed = (sampled == Some(place)).then_some(false);
            if supposed.is_none()
                && let (Some(evaluator), Some(function)) = (&mut evaluator, table.functions[place])
                && !self.distrusted.contains(detection)
            {
                current.set(*detection);
                match evaluator.judge(function) {
                    Verdict::False => {
                        counts.native_false += 1;
                        native.write_globals(py, &native_value, evaluator.effects())?;
                        if sampler.pick(1).is_none() {
                            continue;
                        }
                        supposed = Some(false);
                    }
                    Verdict::True => {
                        counts.native_true += 1;
                        supposed = Some(true);
                    }
                    Verdict::Fallback(_) => counts.fallbacks += 1,
                }
            }
            counts.calls += 1;
            counts.shadowed += u64::from(supposed == Some(false));
            let said = run(self.host, case, matcher.bind(py), *detection, &view()?)?;
            if supposed.is_some_and(|supposed| said != if supposed { Said::True } else { Said::False }) {
                self.distrusted.insert(*detection);
                let what = format!("decided {}, Python said {said:?}", supposed == Some(true));
                let head = [case.event.to_le_bytes(), detection.to_le_bytes()].concat();
                case.link.write(kind::FROM_DIVERGED, &[&head, what.as_bytes()])?;
            }
        }
        Ok(())
    }
}

impl Case<'_> {
    /// The pair is neither judged already nor to be left out, nor decided by a filter.
    fn is_due(&self, detection: u32) -> bool {
        let pair = (self.event, detection);
        let is_left_out = self.left_out.get(detection as usize).copied().unwrap_or(false);
        pair >= self.header.resume && !is_left_out && self.header.rejected.binary_search(&pair).is_err()
    }
}

/// What Python said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    False,
    True,
    /// It raised, or returned something else than a bool.
    Error,
}

/// Runs one detection in Python and reports what it says.
fn run<'py>(
    host: &Bound<'py, PyAny>,
    case: &Case<'_>,
    matcher: &Bound<'py, PyAny>,
    detection: u32,
    event: &Bound<'py, PantherEvent>,
) -> PyResult<Said> {
    case.progress.begin(case.event.into(), detection.into());
    let (said, found) = judge(host, matcher, detection, event);
    if let Some((what, body)) = found {
        let head = [&case.event.to_le_bytes()[..], &detection.to_le_bytes()[..], &[what]].concat();
        case.link.write(kind::FROM_FOUND, &[&head, body.as_bytes()]).map_err(PyOSError::new_err)?;
    }
    case.progress.end();
    Ok(said)
}

/// One detection on one event: what it said, and what is to be reported of it, a match or an error.
fn judge<'py>(
    host: &Bound<'py, PyAny>,
    matcher: &Bound<'py, PyAny>,
    detection: u32,
    event: &Bound<'py, PantherEvent>,
) -> (Said, Option<(u8, String)>) {
    let py = matcher.py();
    let text = |body: PyResult<Bound<'py, PyAny>>| body.and_then(|body| body.extract::<String>());
    let (said, body) = match matcher.call1((event,)) {
        Ok(answer) if answer.is(PyBool::new(py, false)) => return (Said::False, None),
        Ok(answer) if answer.is(PyBool::new(py, true)) => {
            let body = text(host.call_method1("matched", (detection, event)));
            (Said::True, body.map(|body| (FOUND_MATCH, body)))
        }
        Ok(answer) => {
            let body = text(host.call_method1("not_bool", (detection, answer)));
            (Said::Error, body.map(|body| (FOUND_ERROR, body)))
        }
        Err(error) => (Said::Error, Err(error)),
    };
    (said, Some(body.unwrap_or_else(|error| (FOUND_ERROR, describe(host, detection, &error)))))
}

/// An exception as JSON; the host itself may fail when memory is short.
fn describe(host: &Bound<'_, PyAny>, detection: u32, error: &PyErr) -> String {
    let py = host.py();
    // The exception object learns its traceback only when Python itself catches it.
    let traced = error.value(py).setattr("__traceback__", error.traceback(py));
    let described = traced.and_then(|()| host.call_method1("raised", (detection, error.value(py))));
    described.and_then(|body| body.extract()).unwrap_or_else(|_| {
        let name = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
        let kind = if name == "MemoryError" { "memory" } else { "raised" };
        format!(r#"{{"kind":"{kind}","exception":"{name}","message":"the error itself could not be described"}}"#)
    })
}

fn text(bytes: Vec<u8>) -> PyResult<String> {
    String::from_utf8(bytes).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// A text with its length in front, and the rest.
fn two_texts(mut payload: &[u8]) -> PyResult<(&str, &str)> {
    let first = read_bytes(&mut payload).ok_or_else(|| PyRuntimeError::new_err("cannot read a frame"))?;
    let utf8 = |bytes| std::str::from_utf8(bytes).map_err(|error| PyValueError::new_err(error.to_string()));
    Ok((utf8(first)?, utf8(payload)?))
}
