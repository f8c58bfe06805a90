//! The worker's loop: frames in, detections run, frames out.
//!
//! One event at a time, one detection after the other, in one thread: content keeps state in module globals and relies on
//! `title()` being called right after its own `rule()`.

use std::collections::HashMap;

use pyo3::exceptions::{PyConnectionError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};
use uncia_document::{Interner, Parser, Value};

use crate::document::{NativeValue, Parsed};
use crate::event::PantherEvent;
use crate::frames::Link;
use crate::index::Optimise;
use crate::model::DataModel;
use crate::node::Members;
use crate::progress::Progress;
use crate::protocol::{self, BatchHeader, FOUND_ERROR, FOUND_MATCH, kind, read_bytes};

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
    let mut worker =
        Worker { host, tables: HashMap::new(), parser: Parser::new(Interner::new()), optimise: Optimise::Off };
    while let Some((kind, payload)) = py.detach(|| link.read())? {
        match kind {
            kind::TO_LOAD => {
                let reply = worker.load(&payload)?;
                link.write(kind::FROM_LOADED, &[reply.as_bytes()])?;
            }
            kind::TO_BATCH => worker.batch(link, &payload)?,
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
struct Table {
    data_model: Option<Py<DataModel>>,
    detections: Vec<(u32, Py<PyAny>)>,
}

struct Worker<'a, 'py> {
    host: &'a Bound<'py, PyAny>,
    tables: HashMap<String, Table>,
    parser: Parser,
    optimise: Optimise,
}

impl<'py> Worker<'_, 'py> {
    fn load(&mut self, payload: &[u8]) -> PyResult<String> {
        type Tables = HashMap<String, (Option<Py<DataModel>>, Vec<(u32, Py<PyAny>)>)>;
        let (settings, program) = two_texts(payload)?;
        let (reply, optimise, tables): (String, String, Tables) =
            self.host.call_method1("load", (settings, program))?.extract()?;
        let unknown = || PyValueError::new_err(format!("unknown mode '{optimise}'"));
        self.optimise = Optimise::parse(&optimise).ok_or_else(unknown)?;
        let table = |(name, (data_model, detections))| (name, Table { data_model, detections });
        self.tables = tables.into_iter().map(table).collect();
        Ok(reply)
    }

    fn batch(&mut self, link: &Link, payload: &[u8]) -> PyResult<()> {
        let broken = || PyRuntimeError::new_err("cannot read a batch frame");
        let mut rest = payload;
        let header = BatchHeader::read(&mut rest).ok_or_else(broken)?;
        let progress = Progress::get().ok_or_else(|| PyRuntimeError::new_err("not connected"))?;
        progress.start_batch(header.batch);
        let (mut calls, mut unreadable) = (0_u64, 0_u64);
        for event in 0..header.events {
            let bytes = read_bytes(&mut rest).ok_or_else(broken)?;
            if event < header.resume.0 {
                continue;
            }
            match self.event(link, progress, &header, event, bytes)? {
                Some(called) => calls += called,
                None => unreadable += 1,
            }
        }
        self.host.call_method0("after_batch")?;
        let numbers = [header.batch, calls, unreadable].map(u64::to_le_bytes).concat();
        link.write(kind::FROM_DONE, &[&numbers])?;
        Ok(())
    }

    /// Runs the candidates on one event; the number of calls, or `None` when the event is no JSON object.
    fn event(
        &mut self,
        link: &Link,
        progress: &Progress,
        header: &BatchHeader,
        event: u32,
        bytes: &[u8],
    ) -> PyResult<Option<u64>> {
        let py = self.host.py();
        let Ok(document) = self.parser.parse(bytes) else { return Ok(None) };
        let value = document.root().value();
        if !matches!(value, Value::Object(_)) {
            return Ok(None);
        }
        let Some(table) = self.tables.get(&header.log_type) else { return Ok(Some(0)) };
        let candidates = self.optimise.candidates(document.root(), table.detections.len());
        let native = NativeValue { parsed: Parsed::new(document, bytes), value };
        let data_model = table.data_model.as_ref().map(|model| model.clone_ref(py));
        let view = PantherEvent::of(py, Members::Native(native), data_model)?;
        let mut calls = 0;
        for place in candidates {
            let (detection, matcher) = &table.detections[place];
            let pair = (event, *detection);
            if pair < header.resume || header.skip.contains(detection) || header.rejected.binary_search(&pair).is_ok() {
                continue;
            }
            calls += 1;
            progress.begin(event.into(), (*detection).into());
            if let Some((what, body)) = self.judge(matcher.bind(py), *detection, &view) {
                let head = [&event.to_le_bytes()[..], &detection.to_le_bytes()[..], &[what]].concat();
                link.write(kind::FROM_FOUND, &[&head, body.as_bytes()]).map_err(PyOSError::new_err)?;
            }
            progress.end();
        }
        Ok(Some(calls))
    }

    /// One detection on one event: nothing, a match, or an error.
    fn judge(
        &self,
        matcher: &Bound<'py, PyAny>,
        detection: u32,
        event: &Bound<'py, PantherEvent>,
    ) -> Option<(u8, String)> {
        let py = matcher.py();
        let said = match matcher.call1((event,)) {
            Ok(answer) if answer.is(PyBool::new(py, false)) => return None,
            Ok(answer) if answer.is(PyBool::new(py, true)) => {
                let body = self.host.call_method1("matched", (detection, event)).and_then(|body| body.extract());
                body.map(|body| (FOUND_MATCH, body))
            }
            Ok(answer) => {
                let body = self.host.call_method1("not_bool", (detection, answer)).and_then(|body| body.extract());
                body.map(|body| (FOUND_ERROR, body))
            }
            Err(error) => Err(error),
        };
        Some(said.unwrap_or_else(|error| (FOUND_ERROR, self.describe(detection, &error))))
    }

    /// An exception as JSON; the host itself may fail when memory is short.
    fn describe(&self, detection: u32, error: &PyErr) -> String {
        let py = self.host.py();
        // The exception object learns its traceback only when Python itself catches it.
        let traced = error.value(py).setattr("__traceback__", error.traceback(py));
        let described = traced.and_then(|()| self.host.call_method1("raised", (detection, error.value(py))));
        described.and_then(|body| body.extract()).unwrap_or_else(|_| {
            let name = error.get_type(py).name().map_or_else(|_| "Exception".to_owned(), |name| name.to_string());
            let kind = if name == "MemoryError" { "memory" } else { "raised" };
            format!(r#"{{"kind":"{kind}","exception":"{name}","message":"the error itself could not be described"}}"#)
        })
    }
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
