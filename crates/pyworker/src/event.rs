//! `PantherEvent`: the event that a detection judges, a mapping with the data model of its log type.

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::PantherError;
use crate::mapping::ImmutableCaseInsensitiveDict;
use crate::model::{DataModel, Mapping};
use crate::node::Members;

/// The event class of content.
#[pyclass(frozen, extends = ImmutableCaseInsensitiveDict, module = "panther_core.enriched_event")]
pub(crate) struct PantherEvent {
    data_model: Option<Py<DataModel>>,
}

impl PantherEvent {
    pub(crate) fn of(py: Python<'_>, members: Members, data_model: Option<Py<DataModel>>) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, Self::initializer(members, data_model))
    }

    fn initializer(members: Members, data_model: Option<Py<DataModel>>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(ImmutableCaseInsensitiveDict::new(members)).add_subclass(Self { data_model })
    }
}

fn text<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyAny> {
    PyString::new(py, text).into_any()
}

/// The value of a nested key if it is there and true.
fn truthy<'py>(members: &Members, keys: &Bound<'py, PyTuple>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(item) = members.descend(keys)? else { return Ok(None) };
    let value = item.view(keys.py())?;
    Ok(if value.is_truthy()? { Some(value) } else { None })
}

#[pymethods]
impl PantherEvent {
    #[new]
    #[pyo3(signature = (event, data_model=None))]
    fn wrap(event: &Bound<'_, PyAny>, data_model: Option<Py<DataModel>>) -> PyResult<PyClassInitializer<Self>> {
        Ok(Self::initializer(Members::from_python(event)?, data_model))
    }

    /// A standard name's value by the data model; any other key from `p_udm`, else from the event itself.
    #[pyo3(signature = (*key, default=None))]
    fn udm<'py>(
        slf: &Bound<'py, Self>,
        key: &Bound<'py, PyTuple>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let members = &slf.as_super().get().members;
        if let (Some(model), 1) = (&slf.get().data_model, key.len()) {
            let key = key.get_item(0)?;
            match model.get().mapping(&key)? {
                Some(Mapping::Path(path)) => {
                    return match path.resolve(members, &key)? {
                        Some((item, _)) => item.view(py).map(Some),
                        None => Ok(default),
                    };
                }
                Some(Mapping::Method(method)) => {
                    let event = Bound::new(py, ImmutableCaseInsensitiveDict::new(members.clone_ref(py)))?;
                    return method.call1((event,)).map(Some);
                }
                None => {}
            }
        }
        let prefixed = std::iter::once(text(py, "p_udm")).chain(key.iter()).collect::<Vec<_>>();
        if let Some(value) = truthy(members, &PyTuple::new(py, prefixed)?)? {
            return Ok(Some(value));
        }
        if let Some(value) = truthy(members, key)? {
            return Ok(Some(value));
        }
        Ok(default)
    }

    /// Where a standard name's value stands in the event: a path, or the name of a method.
    fn udm_path<'py>(slf: &Bound<'py, Self>, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let members = &slf.as_super().get().members;
        let Some(model) = &slf.get().data_model else {
            let log_type = match members.get(&text(py, "p_log_type"))? {
                Some(item) => item.view(py)?.to_string(),
                None => "None".to_owned(),
            };
            let message = format!("a data model hasn't been specified for log type: {log_type}");
            return Err(PantherError::new_err(message));
        };
        match model.get().mapping(key)? {
            Some(Mapping::Path(path)) => Ok(path.resolve(members, key)?.map(|(_, place)| text(py, &place))),
            Some(Mapping::Method(method)) => method.getattr("__name__").map(Some),
            None => Ok(None),
        }
    }

    /// A lookup table's row: unit tests write it into their events.
    fn lookup<'py>(
        slf: &Bound<'py, Self>,
        table: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let keys = PyTuple::new(py, [&text(py, "_mocked_lookup_data_"), table, key])?;
        slf.as_super().get().members.descend(&keys)?.map(|item| item.view(py)).transpose()
    }

    /// `p_event_time` in whole seconds since 1970, 0 when it is missing or cannot be read.
    fn event_time_epoch(slf: &Bound<'_, Self>) -> PyResult<i64> {
        let py = slf.py();
        let Some(item) = slf.as_super().get().members.get(&text(py, "p_event_time"))? else { return Ok(0) };
        let time = item.view(py)?;
        let epoch = || -> PyResult<f64> {
            let mut parsed = py.import("dateutil.parser")?.call_method1("parse", (time,))?;
            if parsed.getattr("tzinfo")?.is_none() {
                let kwargs = pyo3::types::PyDict::new(py);
                kwargs.set_item("tzinfo", py.import("datetime")?.getattr("timezone")?.getattr("utc")?)?;
                parsed = parsed.call_method("replace", (), Some(&kwargs))?;
            }
            parsed.call_method0("timestamp")?.extract()
        };
        match epoch() {
            Ok(seconds) => Ok(seconds.floor() as i64),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyException>(py) => Ok(0),
            Err(error) => Err(error),
        }
    }
}
