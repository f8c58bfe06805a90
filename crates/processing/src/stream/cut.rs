//! What every cutter does: look at a window of the stream and say where the next record is.

use std::ops::Range;

use uncia_model::FailureReason;

use super::array::ArrayCutter;
use super::elements::ElementCutter;
use super::lines::LineCutter;
use super::values::ValueCutter;

/// What a cutter found in its window.
#[derive(Debug, PartialEq)]
pub(super) enum Cut {
    /// A record, and the window's bytes that are done with it.
    Record { range: Range<usize>, consumed: usize },
    /// No whole record; the first `consumed` bytes are not needed any more.
    More { consumed: usize },
    /// The stream does not go on as it should, at this byte of the window.
    Broken { at: usize, reason: FailureReason, message: String },
    /// The end of the input, nothing left over.
    End,
}

/// Finds records. A window begins where the last cut's `consumed` ended, or, after `More`, with the same bytes again and
/// further ones behind them; cutters remember how far they have looked.
pub(super) enum Cutter {
    Lines(LineCutter),
    Values(ValueCutter),
    Array(ArrayCutter),
    Elements(ElementCutter),
}

impl Cutter {
    /// `is_last`: nothing comes after the window.
    pub(super) fn next(&mut self, window: &[u8], is_last: bool) -> Cut {
        match self {
            Self::Lines(cutter) => cutter.next(window, is_last),
            Self::Values(cutter) => cutter.next(window, is_last),
            Self::Array(cutter) => cutter.next(window, is_last),
            Self::Elements(cutter) => cutter.next(window, is_last),
        }
    }

    /// The first `count` bytes of the record in work are taken away from the window: it is too long to be held.
    pub(super) fn forget(&mut self, count: usize) {
        match self {
            Self::Lines(cutter) => cutter.forget(count),
            Self::Values(cutter) => cutter.forget(count),
            Self::Array(cutter) => cutter.forget(count),
            Self::Elements(cutter) => cutter.forget(count),
        }
    }

    /// How many of the `held` bytes of the record in work are not needed to find its end.
    pub(super) fn droppable(&self, held: usize) -> usize {
        match self {
            Self::Elements(cutter) => cutter.droppable(held),
            Self::Lines(_) | Self::Values(_) | Self::Array(_) => held,
        }
    }

    /// Whether the window begins with a record whose end is not found yet.
    pub(super) fn is_in_record(&self) -> bool {
        match self {
            Self::Lines(_) => true,
            Self::Values(cutter) => cutter.is_in_record(),
            Self::Array(cutter) => cutter.is_in_record(),
            Self::Elements(cutter) => cutter.is_in_record(),
        }
    }
}

/// The text without white space around it, as a range of the window.
pub(super) fn trimmed(window: &[u8], range: Range<usize>) -> Range<usize> {
    let text = &window[range.clone()];
    let start = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let end = text.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    if start == text.len() {
        return range.start..range.start;
    }
    range.start + start..range.end - end
}

pub(super) fn skip_blank(window: &[u8], mut at: usize) -> usize {
    while matches!(window.get(at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
        at += 1;
    }
    at
}
