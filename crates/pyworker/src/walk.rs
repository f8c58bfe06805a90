//! `deep_walk`: the one lookup that enters lists. Case-sensitive, distinct values in the order first seen, plain values.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::node::{Item, Members};

/// What to do with several values.
#[derive(Clone, Copy)]
enum Choice {
    All,
    First,
    Last,
}

pub(crate) fn deep_walk<'py>(
    members: &Members,
    keys: &Bound<'py, PyTuple>,
    default: &Bound<'py, PyAny>,
    return_val: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let choice = match return_val {
        "first" => Choice::First,
        "last" => Choice::Last,
        _ => Choice::All,
    };
    let keys: Vec<_> = keys.iter().collect();
    let Some((first, rest)) = keys.split_first() else { return members.plain(default.py()) };
    let walk = Walk { default, choice };
    match members.get_exact(first)? {
        Some(item) if !item.is_none() => walk.value(item, rest),
        _ => Ok(default.clone()),
    }
}

struct Walk<'a, 'py> {
    default: &'a Bound<'py, PyAny>,
    choice: Choice,
}

impl<'py> Walk<'_, 'py> {
    fn value(&self, item: Item<'py>, keys: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        let py = self.default.py();
        let Some((first, rest)) = keys.split_first() else {
            let value = item.plain(py)?;
            return Ok(if is_hollow(&value)? { self.default.clone() } else { value });
        };
        if let Some(members) = item.members() {
            return match members.get_exact(first)? {
                Some(item) if !item.is_none() => self.value(item, rest),
                _ => Ok(self.default.clone()),
            };
        }
        let Some(items) = item.items()? else { return Ok(self.default.clone()) };
        // A dict keeps the order and refuses what cannot be hashed, as content expects.
        let found = PyDict::new(py);
        for index in 0..items.len(py) {
            let value = self.value(items.item(py, index)?, keys)?;
            if value.is_none() {
                continue;
            }
            if is_sequence(&value) {
                for inner in value.try_iter()? {
                    found.set_item(inner?, py.None())?;
                }
            } else {
                found.set_item(value, py.None())?;
            }
        }
        let values = found.keys();
        match (values.len(), self.choice) {
            (0, _) => Ok(self.default.clone()),
            (1, _) | (_, Choice::First) => values.get_item(0),
            (count, Choice::Last) => values.get_item(count - 1),
            (_, Choice::All) => Ok(values.into_any()),
        }
    }
}

fn is_sequence(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>()
}

/// An empty list, or a list of nothing but such.
fn is_hollow(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if value.is_instance_of::<PyString>() || !is_sequence(value) {
        return Ok(false);
    }
    for inner in value.try_iter()? {
        if !is_hollow(&inner?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
