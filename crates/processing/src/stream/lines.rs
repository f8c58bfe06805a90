//! One record a line; blank lines are none.

use super::cut::{Cut, trimmed};

#[derive(Default)]
pub(super) struct LineCutter {
    /// Bytes of the window that hold no line end.
    looked: usize,
    /// The line in work has lost its first part, see [`super::cut::Cutter::forget`].
    has_lost_head: bool,
}

impl LineCutter {
    pub(super) fn next(&mut self, window: &[u8], is_last: bool) -> Cut {
        let mut start = 0;
        loop {
            let from = start + std::mem::take(&mut self.looked);
            let (end, consumed) = match memchr::memchr(b'\n', &window[from..]) {
                Some(offset) => (from + offset, from + offset + 1),
                None if is_last => (window.len(), window.len()),
                None => {
                    self.looked = window.len() - start;
                    return Cut::More { consumed: start };
                }
            };
            let range = trimmed(window, start..end);
            if !range.is_empty() || std::mem::take(&mut self.has_lost_head) {
                self.has_lost_head = false;
                return Cut::Record { range, consumed };
            }
            if consumed == window.len() && is_last {
                return Cut::End;
            }
            start = consumed;
        }
    }

    pub(super) fn forget(&mut self, count: usize) {
        self.looked = self.looked.saturating_sub(count);
        self.has_lost_head = true;
    }
}
