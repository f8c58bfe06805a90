//! What a mapping reads: an object of a parsed document, or a Python `dict` when content wraps one itself.
//!
//! Both answer alike: exact key first, else the first in document order that is equal after `str.lower()`.

use pyo3::exceptions::{PyAttributeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use uncia_document::Value;

use crate::document::{NativeValue, equal_but_for_case};
use crate::list::{ImmutableList, Items};
use crate::mapping::ImmutableCaseInsensitiveDict;

/// The members behind a mapping.
pub(crate) enum Members {
    Native(NativeValue),
    Python(Py<PyDict>),
}

/// One value of a mapping or list, not yet an object.
pub(crate) enum Item<'py> {
    Native(NativeValue),
    Python(Bound<'py, PyAny>),
}

impl Members {
    /// Of any mapping that Python code hands in.
    pub(crate) fn from_python(mapping: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = mapping.py();
        if let Ok(dict) = mapping.cast::<PyDict>() {
            return Ok(Self::Python(dict.clone().unbind()));
        }
        if let Ok(view) = mapping.cast::<ImmutableCaseInsensitiveDict>() {
            return Ok(view.get().members.clone_ref(py));
        }
        let abstract_mapping = py.import("collections.abc")?.getattr("Mapping")?;
        if !mapping.is_instance(&abstract_mapping)? {
            let kind = mapping.get_type().name()?;
            return Err(PyTypeError::new_err(format!("expected a mapping, got {kind}")));
        }
        let dict = py.get_type::<PyDict>().call1((mapping,))?;
        Ok(Self::Python(dict.cast_into::<PyDict>()?.unbind()))
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(native) => Self::Native(native.clone()),
            Self::Python(dict) => Self::Python(dict.clone_ref(py)),
        }
    }

    pub(crate) fn len(&self, py: Python<'_>) -> usize {
        match self {
            Self::Native(native) => native.parsed.document.members(native.value).len(),
            Self::Python(dict) => dict.bind(py).len(),
        }
    }

    /// The value under a key, as the event API finds it.
    pub(crate) fn get<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Item<'py>>> {
        let py = key.py();
        match self {
            Self::Native(native) => {
                let Ok(key) = key.cast::<PyString>() else {
                    return Err(no_text(key)?);
                };
                // A text that UTF-8 cannot hold is no key of a document.
                let Ok(key) = key.to_str() else { return Ok(None) };
                let value = native.parsed.member(native.value, key);
                Ok(value.map(|value| Item::Native(native.at(value))))
            }
            Self::Python(dict) => {
                let dict = dict.bind(py);
                if let Some(value) = dict.get_item(key)? {
                    return Ok(Some(Item::Python(value)));
                }
                let Ok(text) = key.cast::<PyString>() else {
                    return Err(no_text(key)?);
                };
                let text = text.to_string_lossy();
                for (name, value) in dict.iter() {
                    if let Ok(name) = name.cast::<PyString>()
                        && equal_but_for_case(&name.to_string_lossy(), &text)
                    {
                        return Ok(Some(Item::Python(value)));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The value under exactly this key, the way a plain `dict` finds it.
    pub(crate) fn get_exact<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Item<'py>>> {
        match self {
            Self::Native(native) => {
                let Some(key) = key.cast::<PyString>().ok().and_then(|key| key.to_str().ok()) else {
                    return Ok(None);
                };
                let value = native.parsed.exact_member(native.value, key);
                Ok(value.map(|value| Item::Native(native.at(value))))
            }
            Self::Python(dict) => Ok(dict.bind(key.py()).get_item(key)?.map(Item::Python)),
        }
    }

    /// Follows keys through mappings; `None` when one is missing or stands on something else.
    pub(crate) fn descend<'py>(&self, keys: &Bound<'py, PyTuple>) -> PyResult<Option<Item<'py>>> {
        let mut here: Option<Members> = None;
        let mut found = None;
        for key in keys.iter() {
            if found.is_some() && here.is_none() {
                return Ok(None);
            }
            let Some(item) = here.as_ref().unwrap_or(self).get(&key)? else { return Ok(None) };
            here = item.members();
            found = Some(item);
        }
        Ok(found)
    }

    pub(crate) fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match self {
            Self::Native(native) => {
                let document = &native.parsed.document;
                PyList::new(py, document.members(native.value).iter().map(|member| document.key(member.key)))
            }
            Self::Python(dict) => Ok(dict.bind(py).keys()),
        }
    }

    /// A plain `dict`: the wrapped one itself, or a fresh one of the document.
    pub(crate) fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(native) => native.plain(py),
            Self::Python(dict) => Ok(dict.bind(py).clone().into_any()),
        }
    }

    /// A plain `dict` that shares nothing with this mapping.
    pub(crate) fn deep_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(native) => native.plain(py),
            Self::Python(dict) => py.import("copy")?.call_method1("deepcopy", (dict,)),
        }
    }
}

/// What `key.lower()` would raise for a key that is no text, after what hashing it would raise.
fn no_text(key: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    key.hash()?;
    let kind = key.get_type().name()?;
    Ok(PyAttributeError::new_err(format!("'{kind}' object has no attribute 'lower'")))
}

impl<'py> Item<'py> {
    pub(crate) fn is_none(&self) -> bool {
        match self {
            Self::Native(native) => native.value == Value::Null,
            Self::Python(value) => value.is_none(),
        }
    }

    /// The object that a detection sees.
    pub(crate) fn view(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(native) => native.view(py),
            Self::Python(value) => view(value),
        }
    }

    /// The value without a view around it.
    pub(crate) fn plain(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(native) => native.plain(py),
            Self::Python(value) => Ok(value),
        }
    }

    /// The members, if this is a mapping.
    pub(crate) fn members(&self) -> Option<Members> {
        match self {
            Self::Native(native) => matches!(native.value, Value::Object(_)).then(|| Members::Native(native.clone())),
            Self::Python(value) => {
                if let Ok(dict) = value.cast::<PyDict>() {
                    return Some(Members::Python(dict.clone().unbind()));
                }
                let view = value.cast::<ImmutableCaseInsensitiveDict>().ok()?;
                Some(view.get().members.clone_ref(value.py()))
            }
        }
    }

    /// The items, if this is a list or something like one; texts are not.
    pub(crate) fn items(&self) -> PyResult<Option<Items>> {
        match self {
            Self::Native(native) => {
                Ok(matches!(native.value, Value::Array(_) | Value::EmptyArray).then(|| Items::Native(native.clone())))
            }
            Self::Python(value) => {
                if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
                    let tuple = value.py().get_type::<PyTuple>().call1((value,))?;
                    return Ok(Some(Items::Python(tuple.cast_into::<PyTuple>()?.unbind())));
                }
                let Ok(list) = value.cast::<ImmutableList>() else { return Ok(None) };
                Ok(Some(list.get().items.clone_ref(value.py())))
            }
        }
    }
}

/// Wraps values that are exactly `dict` or `list`; all others stay what they are.
pub(crate) fn view(value: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = value.py();
    if value.is_exact_instance_of::<PyDict>() {
        let dict = value.cast_into::<PyDict>()?.unbind();
        return Ok(Bound::new(py, ImmutableCaseInsensitiveDict::new(Members::Python(dict)))?.into_any());
    }
    if value.is_exact_instance_of::<PyList>() {
        let list = ImmutableList::of(Items::Python(value.cast_into::<PyList>()?.to_tuple().unbind()));
        return Ok(Bound::new(py, list)?.into_any());
    }
    Ok(value)
}
