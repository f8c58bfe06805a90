//! A parsed event and the Python objects of its values: scalars as `json.loads` makes them, containers as views or, when
//! somebody asks for a plain copy, as fresh `dict` and `list`.

use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use uncia_document::{Document, Interner, Parser, Value};

use crate::event::PantherEvent;
use crate::list::{ImmutableList, Items};
use crate::mapping::ImmutableCaseInsensitiveDict;
use crate::model::DataModel;
use crate::node::Members;

/// A document that events share.
pub(crate) struct Parsed {
    pub(crate) document: Document,
    /// All text is ASCII, so that keys equal but for their case have equal lengths. Known when first asked.
    is_ascii: OnceLock<bool>,
}

/// A value of a shared document.
#[derive(Clone)]
pub(crate) struct NativeValue {
    pub(crate) parsed: Arc<Parsed>,
    pub(crate) value: Value,
}

impl Parsed {
    pub(crate) fn new(document: Document) -> Arc<Self> {
        Arc::new(Self { document, is_ascii: OnceLock::new() })
    }

    /// A member by its exact key, else the first whose key is equal but for its case.
    pub(crate) fn member(&self, object: Value, key: &str) -> Option<Value> {
        let members = self.document.members(object);
        let mut folded = None;
        let ascii = key.is_ascii() && *self.is_ascii.get_or_init(|| self.document.is_ascii());
        for member in members {
            let name = self.document.key(member.key);
            if ascii && name.len() != key.len() {
                continue;
            }
            if name == key {
                return Some(member.value);
            }
            if folded.is_none() && equal_but_for_case(name, key) {
                folded = Some(member.value);
            }
        }
        folded
    }

    /// A member by its exact key only.
    pub(crate) fn exact_member(&self, object: Value, key: &str) -> Option<Value> {
        self.document.members(object).iter().find(|m| self.document.key(m.key) == key).map(|m| m.value)
    }
}

/// Equality after `str.lower()`.
pub(crate) fn equal_but_for_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.to_lowercase() == right.to_lowercase()
}

impl NativeValue {
    pub(crate) fn at(&self, value: Value) -> Self {
        Self { parsed: Arc::clone(&self.parsed), value }
    }

    /// The object that a detection sees: containers are read-only views.
    pub(crate) fn view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.value {
            Value::Object(_) => {
                let view = ImmutableCaseInsensitiveDict::new(Members::Native(self.clone()));
                Ok(Bound::new(py, view)?.into_any())
            }
            Value::Array(_) | Value::EmptyArray => {
                Ok(Bound::new(py, ImmutableList::of(Items::Native(self.clone())))?.into_any())
            }
            _ => self.plain(py),
        }
    }

    /// A plain copy, as `json.loads` would make it.
    pub(crate) fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, &self.parsed.document, self.value)
    }

    /// A plain tuple of an array's plain items.
    pub(crate) fn plain_tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let document = &self.parsed.document;
        let items = document.items(self.value).iter().map(|&item| plain(py, document, item));
        PyTuple::new(py, items.collect::<PyResult<Vec<_>>>()?)
    }
}

pub(crate) fn plain<'py>(py: Python<'py>, document: &Document, value: Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Value::Number(text) => return number(py, document.text(text)),
        Value::String(text) => PyString::new(py, document.text(text)).into_any(),
        Value::Timestamp(stamp) => PyString::new(py, &stamp.to_string()).into_any(),
        Value::EmptyArray => PyList::empty(py).into_any(),
        Value::Array(_) => {
            let list = PyList::empty(py);
            for &item in document.items(value) {
                list.append(plain(py, document, item)?)?;
            }
            list.into_any()
        }
        Value::Object(_) => {
            let dict = PyDict::new(py);
            for member in document.members(value) {
                dict.set_item(document.key(member.key), plain(py, document, member.value)?)?;
            }
            dict.into_any()
        }
    })
}

/// Integers stay exact whatever their size; everything else is a float, out of range an infinity.
fn number<'py>(py: Python<'py>, literal: &str) -> PyResult<Bound<'py, PyAny>> {
    if literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        let float: f64 = literal.parse().expect("the parser has checked number literals");
        return Ok(PyFloat::new(py, float).into_any());
    }
    match literal.parse::<i64>() {
        Ok(integer) => Ok(PyInt::new(py, integer).into_any()),
        Err(_) => py.get_type::<PyInt>().call1((literal,)),
    }
}

/// Parses JSON text into an event.
#[pyfunction]
#[pyo3(signature = (text, data_model=None))]
pub(crate) fn parse<'py>(
    py: Python<'py>,
    text: &str,
    data_model: Option<Py<DataModel>>,
) -> PyResult<Bound<'py, PantherEvent>> {
    let document = Parser::new(Interner::new())
        .parse(text.as_bytes())
        .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    let value = document.root().value();
    if !matches!(value, Value::Object(_)) {
        return Err(pyo3::exceptions::PyValueError::new_err("not a JSON object"));
    }
    let parsed = Parsed::new(document);
    PantherEvent::of(py, Members::Native(NativeValue { parsed, value }), data_model)
}
