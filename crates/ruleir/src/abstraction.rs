//! What is known of a value while a rule is interpreted without an event.

use std::rc::Rc;

use crate::ir::Const;
use crate::subject::state;

/// A set of concrete values.
#[derive(Clone, Debug)]
pub(crate) enum A<'p> {
    Unbound,
    Const(&'p Const),
    /// The event.
    Event,
    /// The event without `udm`, as data models see it.
    View,
    /// The object at that many keys of the subject's path.
    Object(usize),
    /// The text at the subject's path.
    Subject,
    /// Its lower (or upper) case.
    Folded {
        upper: bool,
    },
    /// The value at another path.
    Field(Field),
    /// A list, tuple or set of known values.
    Items(Rc<[A<'p>]>),
    /// A dict of known values under constant keys.
    Entries(Rc<[(A<'p>, A<'p>)]>),
    Text,
    /// A text that starts so.
    Starting(&'p str),
    /// A list of texts, at least one: what `split` gives.
    Texts,
    /// A list or tuple of anything.
    List,
    /// What `items()` of an object gives.
    Pairs,
    Bool,
    Int,
    Any,
}

pub(crate) static FALSE: Const = Const::Bool(false);
pub(crate) static TRUE: Const = Const::Bool(true);
pub(crate) static NONE: Const = Const::None;

pub(crate) fn truth_value<'p>(value: bool) -> A<'p> {
    A::Const(if value { &TRUE } else { &FALSE })
}

/// The value at a path, by its number, or a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) path: usize,
    /// Types of what stands in when the path is absent.
    pub(crate) on_absent: u8,
    pub(crate) on_null: u8,
    /// Types of what may stand in for any value.
    pub(crate) instead: u8,
    /// What stands in when the path is absent is false.
    pub(crate) absent_is_false: bool,
    /// What stands in is a text that starts in a way the prover knows, by the number of it.
    pub(crate) stand_in: Option<u16>,
}

impl Field {
    pub(crate) fn at(path: usize) -> Self {
        Self { path, on_absent: 0, on_null: state::NULL, instead: 0, absent_is_false: false, stand_in: None }
    }

    /// The states in which the value is surely false.
    pub(crate) fn surely_false(self) -> u8 {
        if self.instead != 0 {
            return 0;
        }
        let absent = if self.absent_is_false { state::ABSENT } else { 0 };
        let null_is_false = self.on_null == state::NULL || (self.absent_is_false && self.on_null == self.on_absent);
        absent | if null_is_false { state::NULL } else { 0 }
    }

    /// Types that a value has when the path is in a state; types are states without `ABSENT`.
    pub(crate) fn types(self, state: u8) -> u8 {
        self.instead
            | match state {
                state::ABSENT => self.on_absent,
                state::NULL => self.on_null,
                other => other,
            }
    }

    /// The states that survive when the value is known to be of one of these types.
    pub(crate) fn states_of(self, types: u8) -> u8 {
        let bits = (0..7).map(|bit| 1_u8 << bit);
        bits.filter(|&state| self.types(state) & types != 0).fold(0, |all, state| all | state)
    }

    /// The states for which the value is surely of one of these types.
    pub(crate) fn states_within(self, types: u8) -> u8 {
        let bits = (0..7).map(|bit| 1_u8 << bit);
        bits.filter(|&state| self.types(state) & !types == 0).fold(0, |all, state| all | state)
    }
}

impl<'p> A<'p> {
    pub(crate) fn is_bool(&self) -> bool {
        matches!(self, A::Bool | A::Const(Const::Bool(_)))
    }

    /// What `str` methods can be called on without a question.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, A::Subject | A::Folded { .. } | A::Text | A::Starting(_) | A::Const(Const::Str(_)))
    }

    /// Types that the value may have.
    pub(crate) fn types(&self) -> u8 {
        match self {
            A::Subject | A::Folded { .. } | A::Text | A::Starting(_) | A::Const(Const::Str(_)) => state::TEXT,
            A::Const(Const::None) => state::NULL,
            A::Const(Const::Bool(_)) | A::Bool => state::BOOL,
            A::Const(Const::Int(_) | Const::Float(_)) | A::Int => state::NUMBER,
            A::Const(Const::Dict(_)) | A::Object(_) | A::Event | A::View | A::Entries(_) => state::OBJECT,
            A::Const(Const::List(_) | Const::Tuple(_)) | A::Texts | A::List => state::ARRAY,
            A::Field(field) => field.types(state::ABSENT) | field.types(state::NULL) | state::ANY & !state::ABSENT,
            _ => state::ANY & !state::ABSENT,
        }
    }

    pub(crate) fn join(self, other: A<'p>) -> A<'p> {
        match (&self, &other) {
            (A::Const(one), A::Const(two)) if std::ptr::eq(*one, *two) => return self,
            (A::Const(Const::Bool(one)), A::Const(Const::Bool(two))) if one == two => return self,
            (A::Const(Const::None), A::Const(Const::None))
            | (A::Event, A::Event)
            | (A::View, A::View)
            | (A::Subject, A::Subject)
            | (A::Unbound, A::Unbound)
            | (A::Texts, A::Texts)
            | (A::List, A::List)
            | (A::Pairs, A::Pairs)
            | (A::Int, A::Int) => return self,
            (A::Object(one), A::Object(two)) if one == two => return self,
            (A::Folded { upper: one }, A::Folded { upper: two }) if one == two => return self,
            (A::Field(one), A::Field(two)) if one == two => return self,
            _ => {}
        }
        if self.is_bool() && other.is_bool() {
            return A::Bool;
        }
        if self.is_text() && other.is_text() {
            return A::Text;
        }
        // A slot that may be unbound raises; as may anything else.
        if matches!(self, A::Unbound) || matches!(other, A::Unbound) { A::Unbound } else { A::Any }
    }
}
