//! What is decided without Python: the rules as they were compiled, the index of each log type, and how a worker uses both.
//!
//! The crate `ruleir` has the machinery. Here are its ties to the interpreter: pure functions of the standard library that
//! compiled rules call, module globals that they write, and the sampler that runs Python on decided pairs to compare.

use std::cell::Cell;
use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};
use uncia_document::Parser;
use uncia_ruleir::ir::{Const, FunctionId, Program};
use uncia_ruleir::{Arena, Explanation, Foreign, Index, Keys, Plain, Scratch, explain};

use crate::document::NativeValue;
use crate::progress::Progress;
use crate::serve::Table;

/// How far detections are decided without asking Python. All modes give the same results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Optimise {
    /// Python judges every pair of event and detection.
    #[default]
    Off,
    /// Python judges what the index does not rule out.
    Index,
    /// Python judges what the index does not rule out and the evaluator cannot decide, and all matches.
    Full,
}

impl Optimise {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::Off,
            "index" => Self::Index,
            "full" => Self::Full,
            _ => return None,
        })
    }
}

/// What the host compiled: the program (JSON), functions by detection, foreign functions, and written globals.
pub(crate) type Compiled<'py> = (String, HashMap<u32, FunctionId>, Vec<Py<PyAny>>, Vec<(Py<PyDict>, Py<PyString>)>);

/// A detection, what it reads, and what of it is opaque.
pub(crate) type Told = (u32, Vec<(Vec<String>, Vec<String>)>, Vec<String>);

/// Compiled content.
pub(crate) struct Native {
    pub(crate) program: Program,
    pub(crate) functions: HashMap<u32, FunctionId>,
    pub(crate) foreign: Vec<Py<PyAny>>,
    /// Namespaces and names.
    globals: Vec<(Py<PyDict>, Py<PyString>)>,
}

/// What judging an event needs and leaves behind.
pub(crate) struct Workspace {
    pub(crate) keys: Keys,
    pub(crate) arena: Arena,
    pub(crate) scratch: Scratch,
    pub(crate) sampler: Sampler,
}

impl Native {
    pub(crate) fn new(compiled: Compiled<'_>, parser: &Parser) -> PyResult<Self> {
        let (program, functions, foreign, globals) = compiled;
        let program = Program::decode(&program, parser.interner())
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
        Ok(Self { program, functions, foreign, globals })
    }

    pub(crate) fn index(&self, log_type: &str, detections: &[(u32, Py<PyAny>)]) -> Index {
        if let Some(progress) = Progress::get() {
            progress.go_on();
        }
        let functions: Vec<_> =
            detections.iter().map(|(detection, _)| self.functions.get(detection).copied()).collect();
        Index::build(&self.program, log_type, &functions)
    }

    /// Of each compiled rule: the paths it reads with the texts it compares there, and what is opaque.
    pub(crate) fn explanations(&self, tables: &HashMap<String, Table>) -> Vec<Told> {
        let mut told = Vec::new();
        for (log_type, table) in tables {
            for (detection, _) in &table.detections {
                let Some(&function) = self.functions.get(detection) else { continue };
                let Explanation { reads, opaque } = explain(&self.program, log_type, function);
                told.push((*detection, reads.into_iter().map(|read| (read.path, read.texts)).collect(), opaque));
            }
        }
        told
    }

    /// Writes the globals that a rule would have written.
    pub(crate) fn write_globals<'a>(
        &self,
        py: Python<'_>,
        event: &NativeValue,
        writes: impl Iterator<Item = (u32, Plain<'a>)>,
    ) -> PyResult<()> {
        for (global, value) in writes {
            let Some((namespace, name)) = self.globals.get(global as usize) else { continue };
            namespace.bind(py).set_item(name, object(py, event, value)?)?;
        }
        Ok(())
    }
}

fn object<'py>(py: Python<'py>, event: &NativeValue, value: Plain<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Plain::None => py.None().into_bound(py),
        Plain::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Plain::Int(value) => PyInt::new(py, value).into_any(),
        Plain::Float(value) => PyFloat::new(py, value).into_any(),
        Plain::Str(text) => PyString::new(py, text).into_any(),
        Plain::View(value) => event.at(value).view(py)?,
        Plain::Fresh(container) => fresh(py, container)?,
    })
}

/// A constant as Python would make it of a display.
fn fresh<'py>(py: Python<'py>, constant: &Const) -> PyResult<Bound<'py, PyAny>> {
    let all = |items: &[Const]| items.iter().map(|item| fresh(py, item)).collect::<PyResult<Vec<_>>>();
    Ok(match constant {
        Const::None => py.None().into_bound(py),
        Const::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Const::Int(value) => PyInt::new(py, *value).into_any(),
        Const::Float(value) => PyFloat::new(py, *value).into_any(),
        Const::Str(text) => PyString::new(py, text).into_any(),
        Const::List(items) => PyList::new(py, all(items)?)?.into_any(),
        Const::Tuple(items) => PyTuple::new(py, all(items)?)?.into_any(),
        Const::Set(set) => PySet::new(py, all(&set.items)?)?.into_any(),
        Const::Dict(dict) => {
            let made = PyDict::new(py);
            for (key, value) in &dict.entries {
                made.set_item(fresh(py, key)?, fresh(py, value)?)?;
            }
            made.into_any()
        }
        Const::Callable => return Err(pyo3::exceptions::PyTypeError::new_err("a function cannot be made anew")),
    })
}

/// Calls of the standard library by compiled rules, each watched like a call of content.
pub(crate) struct Calls<'a, 'py> {
    pub(crate) py: Python<'py>,
    pub(crate) functions: &'a [Py<PyAny>],
    pub(crate) event: &'a NativeValue,
    pub(crate) progress: &'a Progress,
    pub(crate) place: u32,
    pub(crate) detection: &'a Cell<u32>,
}

impl Foreign for Calls<'_, '_> {
    fn call(&mut self, function: u32, arguments: &[Plain<'_>]) -> Option<(bool, bool)> {
        let function = self.functions.get(function as usize)?.bind(self.py);
        let arguments = arguments.iter().map(|argument| object(self.py, self.event, *argument));
        let arguments = PyTuple::new(self.py, arguments.collect::<PyResult<Vec<_>>>().ok()?).ok()?;
        self.progress.begin(self.place.into(), self.detection.get().into());
        let answer = function.call1(arguments);
        self.progress.end();
        let answer = answer.ok()?;
        Some((answer.is_truthy().ok()?, answer.is_none()))
    }
}

/// Picks one in so many of the decided pairs.
pub(crate) struct Sampler {
    every: u64,
    left: u64,
    random: u64,
}

impl Sampler {
    /// Nothing is picked when `every` is 0.
    pub(crate) fn new(every: u64) -> Self {
        Self { every, left: every, random: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Whether one of so many decided pairs is picked, and which.
    pub(crate) fn pick(&mut self, pairs: u64) -> Option<u64> {
        if self.every == 0 || pairs == 0 {
            return None;
        }
        if self.left > pairs {
            self.left -= pairs;
            return None;
        }
        self.left = self.every;
        // xorshift: which one need not be a secret.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Some(self.random % pairs)
    }
}
