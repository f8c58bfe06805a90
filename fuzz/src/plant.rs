//! Bugs that are there only if asked for, to prove that a target would find one. Each stands behind the code under test:
//! it is reached by what comes out of a parser or splitter, never by the input's bytes as such. Seeds come within one bit of
//! it: what is proven is that the fuzzer's work gets through to it, not that it can guess words.

use std::sync::OnceLock;

/// The bug: something that was parsed is this text.
pub(crate) fn bug(parsed: &[u8], text: &[u8]) {
    static PLANTED: OnceLock<bool> = OnceLock::new();
    if *PLANTED.get_or_init(|| std::env::var_os("UNCIA_FUZZ_PLANTED").is_some()) && is_alike(parsed, text) {
        panic!("the planted bug");
    }
}

/// Byte by byte, so that the fuzzer sees how near it is: each step is an edge of its own.
#[inline(never)]
fn is_alike(parsed: &[u8], text: &[u8]) -> bool {
    if parsed.len() != text.len() {
        return false;
    }
    for (place, (a, b)) in parsed.iter().zip(text).enumerate() {
        if std::hint::black_box(*a) != std::hint::black_box(*b) {
            return false;
        }
        seen(place);
    }
    true
}

#[inline(never)]
fn seen(place: usize) {
    match std::hint::black_box(place) {
        0 => _ = std::hint::black_box(10),
        1 => _ = std::hint::black_box(11),
        2 => _ = std::hint::black_box(12),
        3 => _ = std::hint::black_box(13),
        _ => _ = std::hint::black_box(14),
    }
}
