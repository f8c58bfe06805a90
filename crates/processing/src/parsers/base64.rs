//! The module `base64` of scripts.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use starlark::environment::GlobalsBuilder;
use starlark::starlark_module;

#[starlark_module]
pub(super) fn module(builder: &mut GlobalsBuilder) {
    fn encode(#[starlark(require = pos)] text: &str) -> starlark::Result<String> {
        Ok(STANDARD.encode(text))
    }

    fn decode(#[starlark(require = pos)] text: &str) -> starlark::Result<String> {
        let plain = text.trim();
        let bytes = STANDARD.decode(plain).or_else(|_| URL_SAFE_NO_PAD.decode(plain.trim_end_matches('=')));
        bytes
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| starlark::Error::new_other(std::io::Error::other("no base64 of a text")))
    }
}
