//! `ImmutableCaseInsensitiveDict`: an object inside an event, read-only, looked up without case.

use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyIterator, PyTuple};

use crate::list::ImmutableList;
use crate::node::Members;
use crate::walk;

/// A read-only mapping. Not a `dict`, but a `collections.abc.Mapping`.
#[pyclass(frozen, subclass, mapping, module = "panther_core.immutable")]
pub(crate) struct ImmutableCaseInsensitiveDict {
    pub(crate) members: Members,
}

impl ImmutableCaseInsensitiveDict {
    pub(crate) fn new(members: Members) -> Self {
        Self { members }
    }
}

/// `collections.abc.KeysView` and its kin, made over the mapping itself.
fn abstract_view<'py>(name: &str, mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static ABC: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let py = mapping.py();
    let abc = ABC.get_or_try_init(py, || py.import("collections.abc").map(Bound::unbind))?;
    abc.bind(py).getattr(name)?.call1((mapping,))
}

#[pymethods]
impl ImmutableCaseInsensitiveDict {
    #[new]
    fn wrap(container: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::new(Members::from_python(container)?))
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match self.members.get(key)? {
            Some(item) => item.view(key.py()),
            None => Err(PyKeyError::new_err(key.clone().unbind())),
        }
    }

    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.members.get(key)? {
            Some(item) => item.view(key.py()).map(Some),
            None => Ok(default),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.members.get(key)?.is_some())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.members.len(py)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.members.keys(py)?.try_iter()
    }

    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abstract_view("KeysView", slf.as_any())
    }

    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abstract_view("ValuesView", slf.as_any())
    }

    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        abstract_view("ItemsView", slf.as_any())
    }

    /// Follows keys through nested mappings; the default for what is missing and for null.
    #[pyo3(signature = (*keys, default=None))]
    fn deep_get<'py>(
        slf: &Bound<'py, Self>,
        keys: &Bound<'py, PyTuple>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if keys.is_empty() {
            return Ok(Some(slf.clone().into_any()));
        }
        match slf.get().members.descend(keys)? {
            Some(item) if !item.is_none() => item.view(slf.py()).map(Some),
            _ => Ok(default),
        }
    }

    /// Follows keys through mappings and lists, case-sensitively, and collects the distinct values.
    #[pyo3(signature = (*keys, default=None, return_val="all"))]
    fn deep_walk<'py>(
        &self,
        keys: &Bound<'py, PyTuple>,
        default: Option<Bound<'py, PyAny>>,
        return_val: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = keys.py();
        let default = default.unwrap_or_else(|| py.None().into_bound(py));
        walk::deep_walk(&self.members, keys, &default, return_val)
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.members.deep_copy(py)
    }

    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.members.deep_copy(py)
    }

    fn raw_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.members.plain(py)
    }

    /// Read-only, so a copy need not be another object.
    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf.clone()
    }

    /// Plain containers of the event classes, for `json.dumps(…, default=…)`.
    #[staticmethod]
    fn json_encoder<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(mapping) = value.cast::<Self>() {
            return mapping.get().members.plain(value.py());
        }
        if let Ok(list) = value.cast::<ImmutableList>() {
            return list.get().as_list(value.py());
        }
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!("Object of type {kind} is not JSON serializable")))
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get().members.plain(py)?;
        if let Ok(view) = other.cast::<Self>() {
            return Ok(own.eq(view.get().members.plain(py)?)?.into_pyobject(py)?.to_owned().into_any());
        }
        if other.is_instance_of::<PyDict>() {
            return Ok(own.eq(other)?.into_pyobject(py)?.to_owned().into_any());
        }
        Ok(py.NotImplemented().into_bound(py))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let name = slf.get_type().name()?;
        let container = slf.get().members.plain(slf.py())?;
        Ok(format!("{name}({})", container.repr()?.to_string_lossy()))
    }
}
