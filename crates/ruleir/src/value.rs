//! Values while a rule is evaluated: small, copied freely, living as long as the event.
//!
//! What is compared, iterated or tested here behaves as the Python objects would that a rule sees; what has not been
//! modelled says so ([`Stop`]), and the rule is asked in Python.

use uncia_document::Value;

use crate::event::Event;
use crate::fault::Fault;
use crate::ir::{Const, class};

/// Why a native evaluation was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// An operation that was not compiled; the reason's number.
    Opaque(u32),
    /// Python would raise.
    Raises,
    /// Python would raise exactly a `ValueError`.
    ValueError,
    /// An operand that is not modelled here.
    Unmodelled,
    /// Too many steps.
    Fuel,
}

pub(crate) type Eval<T> = Result<T, Stop>;

/// How an object or array of the event looks to the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dress {
    /// The event itself.
    Event,
    /// A read-only view.
    View,
    /// A plain `dict` or `list`, as `to_dict` and `deep_walk` give.
    Plain,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum V<'a> {
    Unbound,
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
    Object(Value, Dress),
    Array(Value, Dress),
    /// A container constant.
    Const(&'a Const),
    List(&'a [V<'a>]),
    Tuple(&'a [V<'a>]),
    Set(&'a [V<'a>]),
    Dict(&'a [(V<'a>, V<'a>)]),
    /// `keys()` and its kin: for iterating only.
    Iterable(&'a [V<'a>]),
    /// A Python object of which only this is known.
    Foreign {
        truth: bool,
        is_none: bool,
    },
}

/// A constant as a value.
#[inline]
pub(crate) fn of_const(constant: &Const) -> V<'_> {
    match constant {
        Const::None => V::None,
        Const::Bool(value) => V::Bool(*value),
        Const::Int(value) => V::Int(*value),
        Const::Float(value) => V::Float(*value),
        Const::Str(text) => V::Str(text),
        Const::Callable => V::Foreign { truth: true, is_none: false },
        container => V::Const(container),
    }
}

/// A value of the event, in the dress of what contains it.
#[inline]
pub(crate) fn of_event<'a>(event: &Event<'a>, value: Value, dress: Dress) -> Eval<V<'a>> {
    let dress = if dress == Dress::Event { Dress::View } else { dress };
    Ok(match value {
        Value::String(text) => V::Str(event.text(text)),
        Value::Null => V::None,
        Value::Bool(value) => V::Bool(value),
        Value::Number(text) => return number(event.text(text)),
        Value::Object(_) => V::Object(value, dress),
        Value::Array(_) | Value::EmptyArray => V::Array(value, dress),
        Value::Timestamp(_) => return Err(Stop::Unmodelled),
    })
}

fn number<'a>(literal: &str) -> Eval<V<'a>> {
    if literal.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return literal.parse().map(V::Float).map_err(|_| Stop::Unmodelled);
    }
    literal.parse().map(V::Int).map_err(|_| Stop::Unmodelled)
}

impl<'a> V<'a> {
    #[inline]
    pub(crate) fn truth(self, event: &Event<'a>) -> bool {
        match self {
            V::Unbound | V::None => false,
            V::Bool(value) => value,
            V::Int(value) => value != 0,
            V::Float(value) => value != 0.0,
            V::Str(text) => !text.is_empty(),
            V::Object(value, _) => !event.document.members(value).is_empty(),
            V::Array(value, _) => !event.document.items(value).is_empty(),
            V::Const(Const::List(items) | Const::Tuple(items)) => !items.is_empty(),
            V::Const(Const::Set(set)) => !set.is_empty(),
            V::Const(Const::Dict(dict)) => !dict.entries.is_empty(),
            V::Const(_) => true,
            V::List(items) | V::Tuple(items) | V::Set(items) | V::Iterable(items) => !items.is_empty(),
            V::Dict(entries) => !entries.is_empty(),
            V::Foreign { truth, .. } => truth,
        }
    }

    /// The classes that `isinstance` finds it in.
    pub(crate) fn classes(self) -> Eval<u16> {
        use class::{BOOL, DICT, FLOAT, INT, ITERABLE, LIST, MAPPING, NONE, SEQUENCE, SET, STR, TUPLE};
        Ok(match self {
            V::None => NONE,
            V::Bool(_) => BOOL | INT,
            V::Int(_) => INT,
            V::Float(_) => FLOAT,
            V::Str(_) => STR | SEQUENCE | ITERABLE,
            V::Object(_, Dress::Event | Dress::View) if Fault::PlainContainers.is_on() => DICT | MAPPING | ITERABLE,
            V::Array(_, Dress::View) if Fault::PlainContainers.is_on() => LIST | SEQUENCE | ITERABLE,
            V::Object(_, Dress::Event | Dress::View) => MAPPING | ITERABLE,
            V::Array(_, Dress::Event | Dress::View) => SEQUENCE | ITERABLE,
            V::Object(_, Dress::Plain) | V::Dict(_) | V::Const(Const::Dict(_)) => DICT | MAPPING | ITERABLE,
            V::Array(_, Dress::Plain) | V::List(_) | V::Const(Const::List(_)) => LIST | SEQUENCE | ITERABLE,
            V::Tuple(_) | V::Const(Const::Tuple(_)) => TUPLE | SEQUENCE | ITERABLE,
            V::Set(_) | V::Const(Const::Set(_)) => SET | ITERABLE,
            V::Unbound | V::Const(_) | V::Iterable(_) | V::Foreign { .. } => return Err(Stop::Unmodelled),
        })
    }

    fn is_container(self) -> bool {
        !matches!(self, V::None | V::Bool(_) | V::Int(_) | V::Float(_) | V::Str(_) | V::Unbound | V::Foreign { .. })
    }

    /// Can be a member of a set.
    pub(crate) fn hashable(self) -> Eval<()> {
        match self {
            V::None | V::Bool(_) | V::Int(_) | V::Float(_) | V::Str(_) => Ok(()),
            V::Unbound | V::Foreign { .. } | V::Iterable(_) | V::Tuple(_) | V::Const(Const::Tuple(_)) => {
                Err(Stop::Unmodelled)
            }
            _ => Err(Stop::Raises),
        }
    }
}

/// A number that floats can compare exactly.
fn small(value: V<'_>) -> Option<f64> {
    if let V::Bool(_) = value
        && Fault::BoolIsNoNumber.is_on()
    {
        return Some(f64::NAN);
    }
    match value {
        V::Bool(value) => Some(f64::from(u8::from(value))),
        V::Int(value) if value.unsigned_abs() < 1 << 53 => Some(value as f64),
        V::Float(value) if value.abs() < 9e15 => Some(value),
        _ => None,
    }
}

/// `left == right`.
pub(crate) fn equal<'a>(event: &Event<'a>, left: V<'a>, right: V<'a>) -> Eval<bool> {
    match (left, right) {
        (V::Str(left), V::Str(right)) => Ok(left == right),
        (V::None, V::None) => Ok(true),
        (V::Int(left), V::Int(right)) => Ok(left == right),
        (V::Unbound, _) | (_, V::Unbound) => Err(Stop::Unmodelled),
        (V::Foreign { is_none: false, .. }, V::None) | (V::None, V::Foreign { is_none: false, .. }) => Ok(false),
        (V::Foreign { .. }, _) | (_, V::Foreign { .. }) => Err(Stop::Unmodelled),
        (V::None | V::Str(_), _) | (_, V::None | V::Str(_)) => Ok(false),
        _ if left.is_container() != right.is_container() => Ok(false),
        _ if left.is_container() => containers_equal(event, left, right),
        _ => match (small(left), small(right)) {
            (Some(left), Some(right)) => Ok(left == right),
            _ => Err(Stop::Unmodelled),
        },
    }
}

/// Lists against lists of scalars; whatever is deeper is left to Python.
fn containers_equal<'a>(event: &Event<'a>, left: V<'a>, right: V<'a>) -> Eval<bool> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        List,
        View,
        Tuple,
    }
    let kind = |value: V<'_>| match value {
        V::Array(_, Dress::Plain) | V::List(_) | V::Const(Const::List(_)) => Ok(Kind::List),
        V::Array(..) => Ok(Kind::View),
        V::Tuple(_) | V::Const(Const::Tuple(_)) => Ok(Kind::Tuple),
        _ => Err(Stop::Unmodelled),
    };
    match (kind(left)?, kind(right)?) {
        (Kind::List, Kind::Tuple) | (Kind::Tuple, Kind::List) => return Ok(false),
        _ => {}
    }
    let (count, others) = (length(event, left)?, length(event, right)?);
    if count != others {
        return Ok(false);
    }
    for place in 0..count {
        let (one, other) = (item(event, left, place)?, item(event, right, place)?);
        if one.is_container() || other.is_container() {
            return Err(Stop::Unmodelled);
        }
        if !equal(event, one, other)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `len()`.
pub(crate) fn length(event: &Event<'_>, value: V<'_>) -> Eval<usize> {
    Ok(match value {
        V::Str(text) if text.is_ascii() => text.len(),
        V::Str(text) => text.chars().count(),
        V::Object(value, _) => event.document.members(value).len(),
        V::Array(value, _) => event.document.items(value).len(),
        V::Const(Const::List(items) | Const::Tuple(items)) => items.len(),
        V::Const(Const::Set(set)) => set.len(),
        V::Const(Const::Dict(dict)) => dict.entries.len(),
        V::List(items) | V::Tuple(items) | V::Set(items) | V::Iterable(items) => items.len(),
        V::Dict(entries) => entries.len(),
        V::None | V::Bool(_) | V::Int(_) | V::Float(_) => return Err(Stop::Raises),
        _ => return Err(Stop::Unmodelled),
    })
}

/// The item of a sequence at a place that exists.
pub(crate) fn item<'a>(event: &Event<'a>, value: V<'a>, place: usize) -> Eval<V<'a>> {
    match value {
        V::Array(array, dress) => of_event(event, event.document.items(array)[place], dress),
        V::Const(Const::List(items) | Const::Tuple(items)) => Ok(of_const(&items[place])),
        V::List(items) | V::Tuple(items) | V::Iterable(items) => Ok(items[place]),
        _ => Err(Stop::Unmodelled),
    }
}

/// `needle in haystack`.
pub(crate) fn contains<'a>(event: &Event<'a>, haystack: V<'a>, needle: V<'a>) -> Eval<bool> {
    let among = |mut items: &mut dyn Iterator<Item = Eval<V<'a>>>| -> Eval<bool> {
        for item in &mut items {
            if equal(event, item?, needle)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match haystack {
        V::Str(text) => match needle {
            V::Str(part) => Ok(text.contains(part)),
            V::Foreign { .. } | V::Unbound => Err(Stop::Unmodelled),
            _ => Err(Stop::Raises),
        },
        V::Const(Const::Set(set)) => {
            if let V::Str(text) = needle {
                return Ok(set.texts.contains(text));
            }
            match needle.hashable() {
                Err(Stop::Raises) if Fault::UnhashableIsAbsent.is_on() => return Ok(false),
                other => other?,
            }
            if set.texts.len() == set.items.len() {
                return Ok(false);
            }
            among(&mut set.items.iter().map(|item| Ok(of_const(item))))
        }
        V::Const(Const::List(items) | Const::Tuple(items)) => {
            if let V::Str(text) = needle {
                return Ok(items.iter().any(|item| matches!(item, Const::Str(known) if **known == *text)));
            }
            among(&mut items.iter().map(|item| Ok(of_const(item))))
        }
        V::Const(Const::Dict(dict)) => {
            if let V::Str(text) = needle {
                return Ok(dict.texts.contains_key(text));
            }
            needle.hashable()?;
            among(&mut dict.entries.iter().map(|(key, _)| Ok(of_const(key))))
        }
        V::Set(items) => {
            needle.hashable()?;
            among(&mut items.iter().map(|item| Ok(*item)))
        }
        V::List(items) | V::Tuple(items) => among(&mut items.iter().map(|item| Ok(*item))),
        V::Dict(entries) => {
            needle.hashable()?;
            among(&mut entries.iter().map(|(key, _)| Ok(*key)))
        }
        V::Array(array, dress) => {
            let items = event.document.items(array);
            among(&mut items.iter().map(|&item| of_event(event, item, dress)))
        }
        V::Object(object, dress) => match (needle, dress) {
            (V::Str(key), Dress::Plain) => Ok(event.exact_by_text(object, key).is_some()),
            (V::Str(key), _) => Ok(event.member_by_text(object, key).is_some()),
            (V::Foreign { .. } | V::Unbound, _) => Err(Stop::Unmodelled),
            (V::None | V::Bool(_) | V::Int(_) | V::Float(_), Dress::Plain) => Ok(false),
            _ => Err(Stop::Raises),
        },
        V::None | V::Bool(_) | V::Int(_) | V::Float(_) => Err(Stop::Raises),
        V::Const(_) | V::Iterable(_) | V::Foreign { .. } | V::Unbound => Err(Stop::Unmodelled),
    }
}

/// `<` and its kin: how two values are ordered.
pub(crate) fn order(left: V<'_>, right: V<'_>) -> Eval<std::cmp::Ordering> {
    if let (V::Str(left), V::Str(right)) = (left, right) {
        // UTF-8 sorts as code points do.
        return Ok(left.cmp(right));
    }
    if let (V::Int(left), V::Int(right)) = (left, right) {
        return Ok(left.cmp(&right));
    }
    match (small(left), small(right)) {
        (Some(left), Some(right)) => left.partial_cmp(&right).ok_or(Stop::Unmodelled),
        _ => Err(Stop::Unmodelled),
    }
}

/// `is`, as far as it does not depend on what the interpreter shares.
pub(crate) fn same(left: V<'_>, right: V<'_>) -> Eval<bool> {
    match (left, right) {
        (V::Unbound, _) | (_, V::Unbound) => Err(Stop::Unmodelled),
        (V::None, V::None) => Ok(true),
        (V::Bool(left), V::Bool(right)) => Ok(left == right),
        (V::Foreign { is_none, .. }, V::None) | (V::None, V::Foreign { is_none, .. }) => Ok(is_none),
        (V::Foreign { .. }, _) | (_, V::Foreign { .. }) => Err(Stop::Unmodelled),
        (V::None | V::Bool(_), _) | (_, V::None | V::Bool(_)) => Ok(false),
        _ => Err(Stop::Unmodelled),
    }
}
