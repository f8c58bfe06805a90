//! The module `json` of scripts.
//!
//! Starlark's own rounds integers of 20 digits and more, and panics at numbers that are no double, such as `1e400`. Here both
//! are strings of their digits, which a schema's fields read as they read numbers.

use serde_json::Value as Json;
use starlark::environment::GlobalsBuilder;
use starlark::starlark_module;
use starlark::values::{Heap, Value};

#[starlark_module]
pub(super) fn module(builder: &mut GlobalsBuilder) {
    fn encode(#[starlark(require = pos)] value: Value<'_>) -> starlark::Result<String> {
        value.to_json().map_err(starlark::Error::new_other)
    }

    fn decode<'v>(#[starlark(require = pos)] text: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let mut parsed: Json = serde_json::from_str(text).map_err(starlark::Error::new_other)?;
        spell_out(&mut parsed);
        Ok(heap.alloc(parsed))
    }
}

/// Makes strings of the numbers that a script would not keep.
fn spell_out(value: &mut Json) {
    match value {
        Json::Number(number) => {
            let text = number.to_string();
            let is_integer = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            let is_held = number.is_i64() || number.is_u64() || (!is_integer && number.as_f64().is_some());
            if !is_held {
                *value = Json::String(text);
            }
        }
        Json::Array(items) => items.iter_mut().for_each(spell_out),
        Json::Object(members) => members.values_mut().for_each(spell_out),
        Json::Null | Json::Bool(_) | Json::String(_) => {}
    }
}
