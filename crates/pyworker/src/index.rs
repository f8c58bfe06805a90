//! Which detections to ask about an event.
//!
//! Here is where a rule index will stand: given the event, a sound over-approximation of the detections that could say
//! anything but "no". Without one, all of the log type are candidates.

use uncia_document::Ref;

/// How far detections are decided without asking Python. All modes give the same results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Optimise {
    #[default]
    Off,
}

impl Optimise {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        (text == "off").then_some(Self::Off)
    }

    /// The places, in ascending order, of the candidates among `count` detections.
    pub(crate) fn candidates(self, _event: Ref<'_>, count: usize) -> std::ops::Range<usize> {
        match self {
            Self::Off => 0..count,
        }
    }
}
