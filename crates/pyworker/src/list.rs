//! `ImmutableList`: an array inside an event, read-only.

use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PySlice, PyTuple};

use crate::document::NativeValue;
use crate::node::Item;

/// The items behind a list.
pub(crate) enum Items {
    Native(NativeValue),
    Python(Py<PyTuple>),
}

impl Items {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(native) => Self::Native(native.clone()),
            Self::Python(tuple) => Self::Python(tuple.clone_ref(py)),
        }
    }

    pub(crate) fn len(&self, py: Python<'_>) -> usize {
        match self {
            Self::Native(native) => native.parsed.document.items(native.value).len(),
            Self::Python(tuple) => tuple.bind(py).len(),
        }
    }

    /// The item at an index that exists.
    pub(crate) fn item<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Item<'py>> {
        match self {
            Self::Native(native) => Ok(Item::Native(native.at(native.parsed.document.items(native.value)[index]))),
            Self::Python(tuple) => Ok(Item::Python(tuple.bind(py).get_item(index)?)),
        }
    }

    /// A plain tuple of the items.
    pub(crate) fn plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Self::Native(native) => native.plain_tuple(py),
            Self::Python(tuple) => Ok(tuple.bind(py).clone()),
        }
    }

    fn views<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for index in 0..self.len(py) {
            list.append(self.item(py, index)?.view(py)?)?;
        }
        Ok(list)
    }
}

/// A read-only sequence. Neither `list` nor `tuple`, but a `collections.abc.Sequence`.
#[pyclass(frozen, sequence, module = "panther_core.immutable")]
pub(crate) struct ImmutableList {
    pub(crate) items: Items,
}

impl ImmutableList {
    pub(crate) fn of(items: Items) -> Self {
        Self { items }
    }
}

#[pymethods]
impl ImmutableList {
    #[new]
    fn wrap(container: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = container.py();
        if let Ok(list) = container.cast::<Self>() {
            return Ok(Self::of(list.get().items.clone_ref(py)));
        }
        let tuple = py.get_type::<PyTuple>().call1((container,))?;
        Ok(Self::of(Items::Python(tuple.cast_into::<PyTuple>()?.unbind())))
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = index.py();
        if index.is_instance_of::<PySlice>() {
            return self.items.plain(py)?.as_any().get_item(index);
        }
        let Ok(at) = index.extract::<isize>() else {
            let kind = index.get_type().name()?;
            return Err(PyTypeError::new_err(format!("list indices must be integers or slices, not {kind}")));
        };
        let len = self.items.len(py);
        let at = if at < 0 { at.checked_add_unsigned(len) } else { Some(at) };
        match at.and_then(|at| usize::try_from(at).ok()) {
            Some(at) if at < len => self.items.item(py, at)?.view(py),
            _ => Err(PyIndexError::new_err("list index out of range")),
        }
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.items.len(py)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.items.views(py)?.try_iter()
    }

    fn __reversed__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let views = self.items.views(py)?;
        views.reverse()?;
        views.try_iter()
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.items.views(value.py())?.contains(value)
    }

    #[pyo3(signature = (value, start=0, stop=isize::MAX))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: isize) -> PyResult<usize> {
        let found = self.items.views(value.py())?.call_method1("index", (value, start, stop));
        match found {
            Ok(index) => index.extract(),
            Err(_) => Err(PyValueError::new_err(format!("{} is not in list", value.repr()?.to_string_lossy()))),
        }
    }

    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.items.views(value.py())?.call_method1("count", (value,))?.extract()
    }

    /// A plain copy that shares nothing with this list.
    pub(crate) fn as_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.items {
            Items::Native(native) => native.plain(py),
            Items::Python(tuple) => {
                let copy = py.import("copy")?.call_method1("deepcopy", (tuple,))?;
                py.get_type::<PyList>().call1((copy,))
            }
        }
    }

    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.as_list(py)
    }

    fn raw_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.items.plain(py)
    }

    fn __copy__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __deepcopy__<'py>(slf: &Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let own = slf.get().items.plain(py)?;
        let equal = if let Ok(list) = other.cast::<Self>() {
            own.eq(list.get().items.plain(py)?)?
        } else if other.is_instance_of::<PyTuple>() {
            own.eq(other)?
        } else if let Ok(list) = other.cast::<PyList>() {
            own.eq(list.to_tuple())?
        } else {
            return Ok(py.NotImplemented().into_bound(py));
        };
        Ok(equal.into_pyobject(py)?.to_owned().into_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let container = slf.get().items.plain(slf.py())?;
        Ok(format!("ImmutableList({})", container.repr()?.to_string_lossy()))
    }
}
