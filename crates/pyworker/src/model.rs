//! Data models: standard names of a log type, each a path into the event or a method.
//!
//! Paths are the part of `JSONPath` that content uses: fields, indices, `*`; with or without `$.` in front.

use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::node::{Item, Members};

/// The mappings of one data model.
#[pyclass(frozen)]
pub(crate) struct DataModel {
    paths: Vec<(String, Path)>,
    methods: Py<PyDict>,
}

/// One mapping.
pub(crate) enum Mapping<'a, 'py> {
    Path(&'a Path),
    Method(Bound<'py, PyAny>),
}

#[pymethods]
impl DataModel {
    #[new]
    #[pyo3(signature = (paths, methods))]
    fn new(paths: Vec<(String, String)>, methods: Py<PyDict>) -> PyResult<Self> {
        let compile = |(name, path): (String, String)| Ok((name, Path::parse(&path).map_err(PyValueError::new_err)?));
        Ok(Self { paths: paths.into_iter().map(compile).collect::<PyResult<_>>()?, methods })
    }
}

impl DataModel {
    pub(crate) fn mapping<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Mapping<'_, 'py>>> {
        if let Ok(name) = key.cast::<PyString>() {
            let name = name.to_string_lossy();
            if let Some((_, path)) = self.paths.iter().find(|(known, _)| *known == *name) {
                return Ok(Some(Mapping::Path(path)));
            }
        }
        Ok(self.methods.bind(key.py()).get_item(key)?.map(Mapping::Method))
    }
}

/// A compiled path.
pub(crate) struct Path {
    steps: Vec<Step>,
}

enum Step {
    Field(String),
    Index(usize),
    Every,
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let unsupported = || format!("path '{text}': only fields, [index] and * are supported");
        let mut steps = Vec::new();
        let mut rest = text.trim().strip_prefix('$').unwrap_or(text.trim());
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (inside, after) = bracket.split_once(']').ok_or_else(unsupported)?;
                steps.push(match inside.trim_matches(['\'', '"']) {
                    "*" => Step::Every,
                    name if name.len() != inside.len() => Step::Field(name.to_owned()),
                    index => Step::Index(index.parse().map_err(|_| unsupported())?),
                });
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(match name[..end].trim_matches(['\'', '"']) {
                "" => return Err(unsupported()),
                "*" => Step::Every,
                name => Step::Field(name.to_owned()),
            });
            rest = &name[end..];
        }
        if steps.is_empty() { Err(unsupported()) } else { Ok(Self { steps }) }
    }

    /// The value at the path and the path's text; an error if there are several.
    pub(crate) fn resolve<'py>(
        &self,
        members: &Members,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(Item<'py>, String)>> {
        let py = key.py();
        let root = match members {
            Members::Native(native) => Item::Native(native.clone()),
            Members::Python(dict) => Item::Python(dict.bind(py).clone().into_any()),
        };
        let mut found = vec![(root, String::new())];
        for step in &self.steps {
            let mut next = Vec::new();
            for (item, place) in found {
                step.follow(py, &item, &place, &mut next)?;
            }
            found = next;
        }
        if found.len() > 1 {
            return Err(PyException::new_err(format!("'{key}' in the data model matched multiple fields")));
        }
        Ok(found.pop())
    }
}

impl Step {
    fn follow<'py>(
        &self,
        py: Python<'py>,
        item: &Item<'py>,
        place: &str,
        out: &mut Vec<(Item<'py>, String)>,
    ) -> PyResult<()> {
        let join = |step: &str| if place.is_empty() { step.to_owned() } else { format!("{place}.{step}") };
        match self {
            Self::Field(name) => {
                let Some(members) = item.members() else { return Ok(()) };
                let found = members.get_exact(PyString::new(py, name).as_any())?;
                out.extend(found.map(|item| (item, join(name))));
            }
            Self::Index(index) => {
                let Some(items) = item.items()? else { return Ok(()) };
                if *index < items.len(py) {
                    out.push((items.item(py, *index)?, join(&format!("[{index}]"))));
                }
            }
            Self::Every => {
                if let Some(members) = item.members() {
                    for key in members.keys(py)?.iter() {
                        let found = members.get_exact(&key)?;
                        out.extend(found.map(|item| (item, join(&key.to_string()))));
                    }
                } else if let Some(items) = item.items()? {
                    for index in 0..items.len(py) {
                        out.push((items.item(py, index)?, join(&format!("[{index}]"))));
                    }
                }
            }
        }
        Ok(())
    }
}
