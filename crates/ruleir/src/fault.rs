//! Deliberate errors, to prove that the tests which compare with Python would see them.
//!
//! Only debug builds have them; in a release [`Fault::is_on`] is a constant no.

#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicU8, Ordering};

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Lookups mind the case.
    CaseSensitive = 1,
    /// `get` takes its default for null.
    DefaultForNull,
    /// Objects and arrays of an event are `dict` and `list`.
    PlainContainers,
    /// `startswith` looks anywhere in the text.
    StartsWithAnywhere,
    /// The proof forgets that operations raise.
    ExceptionsForgotten,
    /// The proof takes any false value for `False`.
    FalsyForgotten,
    /// A missing key counts as proved like a text.
    MissingUnproved,
    /// `udm` goes on to the event when a mapped path is not found.
    UdmFallsThrough,
    /// `deep_get` gives null instead of the default.
    DeepGetKeepsNull,
    /// Unhashable members of a set test are just not in it.
    UnhashableIsAbsent,
    /// `True` is not 1.
    BoolIsNoNumber,
    /// Guards look at the types of fields alone.
    GuardTestsForgotten,
    /// Guards do not look at what stands in for a field.
    StandInForgotten,
    /// What raises a `ValueError` goes on, in proofs.
    HandlersForgotten,
    /// Any text with dots is an address.
    AnyAddress,
    /// A pattern may match a part of the name.
    GlobWithin,
}

#[cfg(debug_assertions)]
static ON: AtomicU8 = AtomicU8::new(0);

impl Fault {
    pub const ALL: [(&'static str, Self); 16] = [
        ("case-sensitive", Self::CaseSensitive),
        ("default-for-null", Self::DefaultForNull),
        ("plain-containers", Self::PlainContainers),
        ("startswith-anywhere", Self::StartsWithAnywhere),
        ("exceptions-forgotten", Self::ExceptionsForgotten),
        ("falsy-forgotten", Self::FalsyForgotten),
        ("missing-unproved", Self::MissingUnproved),
        ("udm-falls-through", Self::UdmFallsThrough),
        ("deep-get-keeps-null", Self::DeepGetKeepsNull),
        ("unhashable-is-absent", Self::UnhashableIsAbsent),
        ("bool-is-no-number", Self::BoolIsNoNumber),
        ("guard-tests-forgotten", Self::GuardTestsForgotten),
        ("stand-in-forgotten", Self::StandInForgotten),
        ("handlers-forgotten", Self::HandlersForgotten),
        ("any-address", Self::AnyAddress),
        ("glob-within", Self::GlobWithin),
    ];

    /// Switches one error on for the process, or all off.
    pub fn set(fault: Option<Self>) {
        #[cfg(debug_assertions)]
        ON.store(fault.map_or(0, |fault| fault as u8), Ordering::Relaxed);
        #[cfg(not(debug_assertions))]
        let _ = fault;
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
    }

    #[inline]
    #[must_use]
    pub(crate) fn is_on(self) -> bool {
        #[cfg(debug_assertions)]
        return ON.load(Ordering::Relaxed) == self as u8;
        #[cfg(not(debug_assertions))]
        return false;
    }
}
