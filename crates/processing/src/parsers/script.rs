//! Scripts: a Starlark function `parse(log)` makes a dictionary of a record.
//!
//! One frozen module a schema, shared by all threads; a call has its own small heap. Steps, memory and call depth are
//! bounded, there is no way to load, to read a clock or to print, so that a record always becomes the same event.
//!
//! The bounds are looked at every so many steps: they end what was written by mistake. A script that means harm can take
//! much memory between two looks, and is as trusted as the schema that it stands in.

use std::sync::Arc;

use starlark::environment::{FrozenModule, Globals, GlobalsBuilder, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};
use starlark::values::dict::DictRef;

/// Calls and turns of loops in one call of `parse`.
const MAX_STEPS: u64 = 1_000_000;
/// Bytes of a call's values, beside the record's own.
const MAX_HEAP_BYTES: usize = 64 * 1024 * 1024;
const MAX_CALL_DEPTH: usize = 100;

#[derive(Clone)]
pub(crate) struct Script {
    source: Arc<str>,
    module: FrozenModule,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Script").field(&self.source).finish()
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Script {
    pub(crate) fn compile(source: &str) -> Result<Self, String> {
        let dialect = Dialect { enable_load: false, enable_load_reexport: false, ..Dialect::Standard };
        let ast = AstModule::parse("script", source.to_owned(), &dialect).map_err(|error| first_line(&error))?;
        let module = Module::with_temp_heap(|module| {
            let mut evaluator = Evaluator::new(&module);
            limit(&mut evaluator)?;
            evaluator.eval_module(ast, &globals()).map_err(|error| first_line(&error))?;
            drop(evaluator);
            module.freeze().map_err(|error| format!("{error:?}"))
        })?;
        match module.get("parse") {
            Ok(function) if function.value().get_type() == "function" => Ok(Self { source: source.into(), module }),
            _ => Err("the script defines no function `parse(log)`".to_owned()),
        }
    }

    /// The event's JSON.
    pub(super) fn call(&self, log: &str) -> Result<String, String> {
        Module::with_temp_heap(|module| {
            let function = self.module.get("parse").map_err(|error| error.to_string())?;
            let function = module.heap().access_owned_frozen_value(&function);
            let mut evaluator = Evaluator::new(&module);
            limit(&mut evaluator)?;
            let argument = module.heap().alloc(log);
            let result = evaluator.eval_function(function, &[argument], &[]);
            let result = result.map_err(|error| format!("the script failed: {}", first_line(&error)))?;
            match DictRef::from_value(result) {
                Some(dictionary) if dictionary.iter().next().is_some() => {}
                Some(_) => return Err("the script returned an empty dictionary".to_owned()),
                None => return Err(format!("the script returned no dictionary but a {}", result.get_type())),
            }
            result.to_json().map_err(|error| format!("the script's result is no JSON: {error}"))
        })
    }
}

fn limit(evaluator: &mut Evaluator<'_, '_, '_>) -> Result<(), String> {
    evaluator.set_max_tick_count(MAX_STEPS).map_err(|error| error.to_string())?;
    evaluator.set_max_heap_size(MAX_HEAP_BYTES).map_err(|error| error.to_string())?;
    evaluator.set_max_callstack_size(MAX_CALL_DEPTH).map_err(|error| error.to_string())
}

fn globals() -> Globals {
    GlobalsBuilder::standard()
        .with_namespace("json", super::json::module)
        .with_namespace("base64", super::base64::module)
        .build()
}

/// What is wrong and where, without the picture of the source.
fn first_line(error: &starlark::Error) -> String {
    let place = error.span().map(|span| format!(" at line {}", span.resolve_span().begin.line + 1));
    let said = error.without_diagnostic().to_string();
    format!("{}{}", said.lines().next().unwrap_or_default(), place.unwrap_or_default())
}
