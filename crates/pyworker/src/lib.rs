//! The extension module `_uncia`, imported by the system's `python3` in worker processes.
//!
//! Two halves: the event classes that detections see (`event`, `mapping`, `list`), read-only views over a parsed document
//! that make Python objects only of what is asked for; and the worker's loop (`serve`), which reads frames from the main
//! process, runs detections on events and writes what they say, behind the walls of `sandbox`. What is easier said in
//! Python (loading, the auxiliary functions, tests) is in the host module that the main process sends.
//!
//! Nothing links this crate: it is built for the stable ABI of CPython 3.10 and needs no Python to build.

mod document;
mod event;
mod fork;
mod frames;
mod list;
mod mapping;
mod model;
mod native;
mod node;
mod progress;
#[expect(dead_code, reason = "each side writes what the other reads")]
mod protocol;
mod sandbox;
mod serve;
mod syscalls;
mod walk;

use pyo3::prelude::*;

use crate::event::PantherEvent;
use crate::list::ImmutableList;
use crate::mapping::ImmutableCaseInsensitiveDict;

pyo3::create_exception!(
    panther_core.exceptions,
    PantherError,
    pyo3::exceptions::PyException,
    "An error of the event API."
);

#[pymodule]
fn _uncia(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_class::<ImmutableCaseInsensitiveDict>()?;
    module.add_class::<ImmutableList>()?;
    module.add_class::<PantherEvent>()?;
    module.add_class::<model::DataModel>()?;
    module.add("PantherError", py.get_type::<PantherError>())?;
    module.add("PROTOCOL", protocol::PROTOCOL)?;
    module.add("BUILD", protocol::BUILD)?;
    module.add_function(wrap_pyfunction!(document::parse, module)?)?;
    module.add_function(wrap_pyfunction!(serve::connect, module)?)?;
    module.add_function(wrap_pyfunction!(serve::serve, module)?)?;
    module.add_function(wrap_pyfunction!(serve::cache, module)?)?;
    module.add_function(wrap_pyfunction!(serve::begin, module)?)?;
    module.add_function(wrap_pyfunction!(serve::end, module)?)?;
    module.add_function(wrap_pyfunction!(serve::overdue, module)?)?;
    module.add_function(wrap_pyfunction!(fork::forked, module)?)?;
    module.add_function(wrap_pyfunction!(sandbox::confine, module)?)?;
    let abc = py.import("collections.abc")?;
    let mapping = abc.getattr("Mapping")?;
    mapping.call_method1("register", (py.get_type::<ImmutableCaseInsensitiveDict>(),))?;
    mapping.call_method1("register", (py.get_type::<PantherEvent>(),))?;
    abc.getattr("Sequence")?.call_method1("register", (py.get_type::<ImmutableList>(),))?;
    Ok(())
}
