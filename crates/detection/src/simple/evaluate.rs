//! Whether an expression holds for an event.
//!
//! Absent and null are the same, except for `Exists` and `DoesNotExist`. A positive condition is false on them and on
//! values of a type that it does not know; a negative one is its positive one turned round, so it is true there. A list
//! of absent or of no elements satisfies `NoElement` alone.
//!
//! A filter differs in two points, as its documentation has it: a condition on a field that the event does not have lets
//! the rule run, and text that is no address where a network is asked for is an error of the filter.

use std::cmp::Ordering;
use std::net::IpAddr;

use uncia_document::{Ref, Value};

use super::expression::{AddressKind, Check, Comparison, Expression, Letters, Operator, Quantifier, Scalar, Test};
use super::network::{Network, is_private, is_public};
use super::path::Found;

/// Text where an address was to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' does not appear to be an IPv4 or IPv6 network")]
pub(crate) struct NotAnAddress(String);

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Rule,
    Filter,
}

type Truth = Result<bool, NotAnAddress>;

impl Expression {
    /// Whether it holds, in a rule.
    pub(crate) fn holds(&self, event: Ref<'_>) -> bool {
        self.judge(event, Manner::Rule).unwrap_or(false)
    }

    fn judge(&self, event: Ref<'_>, manner: Manner) -> Truth {
        let count = |expressions: &[Self]| {
            expressions.iter().try_fold(0_usize, |sum, one| Ok(sum + usize::from(one.judge(event, manner)?)))
        };
        match self {
            Self::Always(truth) => Ok(*truth),
            Self::All(expressions) => all(expressions, event, manner),
            Self::Any(expressions) => any(expressions, event, manner),
            Self::Neither(expressions) => Ok(!any(expressions, event, manner)?),
            Self::OnlyOne(expressions) => Ok(count(expressions)? == 1),
            Self::Key { path, check } => match path.find(event) {
                Found::Absent if manner == Manner::Filter && check.compares() => Ok(true),
                found => check.judge(&found, manner),
            },
            Self::Enrichment { answer, field, check } => judge_enrichment(&answer.find(event), field, check, manner),
            Self::Fields { left, right, comparison } => {
                let (Found::One(left), Found::One(right)) = (left.find(event), right.find(event)) else {
                    return Ok(comparison.negated);
                };
                Ok(compare_fields(*comparison, left, right) != comparison.negated)
            }
            Self::Elements { path, quantifier, expressions } => {
                let elements: Vec<Ref<'_>> = match path.find(event) {
                    Found::Absent => Vec::new(),
                    Found::One(list) => list.items().collect(),
                    Found::Many(values) => values,
                };
                let mut holding = 0;
                for element in &elements {
                    holding += usize::from(all(expressions, *element, manner)?);
                }
                Ok(match quantifier {
                    Quantifier::Any => holding > 0,
                    Quantifier::All => holding > 0 && holding == elements.len(),
                    Quantifier::OnlyOne => holding == 1,
                    Quantifier::No => holding == 0,
                })
            }
        }
    }
}

/// Whether the filters let a rule see an event.
pub(crate) fn filter_passes(filters: &[Expression], event: Ref<'_>) -> Truth {
    all(filters, event, Manner::Filter)
}

fn all(expressions: &[Expression], event: Ref<'_>, manner: Manner) -> Truth {
    for expression in expressions {
        if !expression.judge(event, manner)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An empty `Any` asks for nothing.
fn any(expressions: &[Expression], event: Ref<'_>, manner: Manner) -> Truth {
    for expression in expressions {
        if expression.judge(event, manner)? {
            return Ok(true);
        }
    }
    Ok(expressions.is_empty() && manner == Manner::Filter)
}

/// A selector with several values has several answers: a positive condition asks for one that satisfies it.
fn judge_enrichment(answer: &Found<'_>, field: &super::path::Path, check: &Check, manner: Manner) -> Truth {
    let answers: Vec<Ref<'_>> = match answer {
        Found::Absent => Vec::new(),
        Found::One(list) if list.is_array() => list.items().collect(),
        Found::One(one) => vec![*one],
        Found::Many(values) => values.clone(),
    };
    let values: Vec<Found<'_>> = answers.into_iter().map(|answer| field.find(answer)).collect();
    if values.iter().all(|value| matches!(value, Found::Absent)) {
        return if manner == Manner::Filter && check.compares() {
            Ok(true)
        } else {
            check.judge(&Found::Absent, manner)
        };
    }
    let positive = Check { negated: false, ..check.clone() };
    for value in &values {
        if positive.judge(value, manner)? {
            return Ok(!check.negated);
        }
    }
    Ok(check.negated)
}

impl Check {
    /// Whether it looks at a value rather than at its presence.
    fn compares(&self) -> bool {
        !matches!(self.test, Test::Exists | Test::Null | Test::NullOrEmpty)
    }

    fn judge(&self, found: &Found<'_>, manner: Manner) -> Truth {
        let positive = match found {
            Found::Absent => matches!(self.test, Test::Null | Test::NullOrEmpty),
            Found::One(value) => self.test.of_value(*value, manner)?,
            Found::Many(values) => self.test.of_list(values.iter().copied(), manner)?,
        };
        Ok(positive != self.negated)
    }
}

impl Test {
    fn of_value(&self, value: Ref<'_>, manner: Manner) -> Truth {
        if value.is_null() {
            return Ok(matches!(self, Self::Exists | Self::Null | Self::NullOrEmpty));
        }
        if value.is_array() {
            return self.of_list(value.items(), manner);
        }
        Ok(match self {
            Self::Exists => true,
            Self::Null => false,
            Self::NullOrEmpty => is_empty(value),
            Self::Compare(operator, letters, scalar) => compare(*operator, *letters, value, scalar),
            Self::In(scalars) => scalars.iter().any(|scalar| equals(value, scalar, Letters::Exact)),
            Self::Address(kind) => is_address(value, *kind),
            Self::InNetworks(networks) => return in_networks(value, networks, manner),
        })
    }

    fn of_list<'a>(&self, mut items: impl ExactSizeIterator<Item = Ref<'a>>, manner: Manner) -> Truth {
        Ok(match self {
            // A path with `[*]` that leads nowhere is not there.
            Self::Exists => items.len() > 0,
            Self::Null => false,
            Self::NullOrEmpty => items.len() == 0,
            Self::Compare(Operator::Has, letters, scalar) => items.any(|item| equals(item, scalar, *letters)),
            Self::Compare(Operator::Contains, letters, scalar) => {
                items.any(|item| equals(item, scalar, *letters) || contains(item, scalar, *letters))
            }
            Self::Compare(..) => false,
            Self::In(scalars) => items.any(|item| scalars.iter().any(|scalar| equals(item, scalar, Letters::Exact))),
            Self::Address(kind) => items.any(|item| is_address(item, *kind)),
            Self::InNetworks(networks) => {
                for item in items {
                    if in_networks(item, networks, manner)? {
                        return Ok(true);
                    }
                }
                false
            }
        })
    }
}

fn is_empty(value: Ref<'_>) -> bool {
    value.as_str().is_some_and(str::is_empty) || (value.is_object() && value.members().len() == 0)
}

fn compare(operator: Operator, letters: Letters, value: Ref<'_>, scalar: &Scalar) -> bool {
    match operator {
        Operator::Equals => equals(value, scalar, letters),
        // Of a text both ask for a part; of a list `Has` asks for an element.
        Operator::Has | Operator::Contains => contains(value, scalar, letters),
        Operator::StartsWith | Operator::EndsWith => {
            let (Some(text), Scalar::Text(exact, lower)) = (value.as_str(), scalar) else { return false };
            let ends = |text: &str, part: &str| {
                if operator == Operator::StartsWith { text.starts_with(part) } else { text.ends_with(part) }
            };
            if letters == Letters::Exact { ends(text, exact) } else { ends(&text.to_lowercase(), lower) }
        }
        Operator::Greater => order(value, scalar) == Some(Ordering::Greater),
        Operator::GreaterOrEqual => order(value, scalar).is_some_and(Ordering::is_ge),
        Operator::Less => order(value, scalar) == Some(Ordering::Less),
        Operator::LessOrEqual => order(value, scalar).is_some_and(Ordering::is_le),
    }
}

fn equals(value: Ref<'_>, scalar: &Scalar, letters: Letters) -> bool {
    match (value.value(), scalar) {
        (Value::Bool(has), Scalar::Bool(wanted)) => has == *wanted,
        (Value::String(_), Scalar::Text(exact, lower)) => value
            .as_str()
            .is_some_and(|text| text == exact || (letters == Letters::AnyCase && text.to_lowercase() == *lower)),
        (Value::Number(_), Scalar::Number(..)) => order(value, scalar) == Some(Ordering::Equal),
        _ => false,
    }
}

fn contains(value: Ref<'_>, scalar: &Scalar, letters: Letters) -> bool {
    let (Some(text), Scalar::Text(exact, lower)) = (value.as_str(), scalar) else { return false };
    if letters == Letters::Exact { text.contains(exact.as_str()) } else { text.to_lowercase().contains(lower.as_str()) }
}

/// Numbers by their value, texts by their letters; different types have no order.
fn order(value: Ref<'_>, scalar: &Scalar) -> Option<Ordering> {
    match scalar {
        Scalar::Bool(_) => None,
        Scalar::Text(text, _) => Some(value.as_str()?.cmp(text)),
        Scalar::Number(literal, number) => order_numbers((value.literal()?, value.as_f64()?), (literal, *number)),
    }
}

/// Whole numbers exactly, however long; others as floating point.
fn order_numbers(left: (&str, f64), right: (&str, f64)) -> Option<Ordering> {
    match (left.0.parse::<i128>(), right.0.parse::<i128>()) {
        (Ok(a), Ok(b)) => Some(a.cmp(&b)),
        _ => left.1.partial_cmp(&right.1),
    }
}

fn is_address(value: Ref<'_>, kind: AddressKind) -> bool {
    let Some(address) = value.as_str().and_then(|text| text.parse::<IpAddr>().ok()) else { return false };
    match kind {
        AddressKind::Any => true,
        AddressKind::V4 => address.is_ipv4(),
        AddressKind::V6 => address.is_ipv6(),
        AddressKind::Public => is_public(address),
        AddressKind::Private => is_private(address),
    }
}

fn in_networks(value: Ref<'_>, networks: &[Network], manner: Manner) -> Truth {
    let text = value.as_str();
    match text.and_then(Network::parse) {
        Some(network) => Ok(networks.iter().any(|other| network.overlaps(*other))),
        None if manner == Manner::Filter && !value.is_null() => {
            Err(NotAnAddress(text.map_or_else(|| value.to_json(), str::to_owned)))
        }
        None => Ok(false),
    }
}

/// Field with field: the right one is made the constant.
fn compare_fields(comparison: Comparison, left: Ref<'_>, right: Ref<'_>) -> bool {
    let scalar = match right.value() {
        Value::Bool(value) => Scalar::Bool(value),
        Value::Number(_) => match (right.literal(), right.as_f64()) {
            (Some(literal), Some(number)) => Scalar::Number(literal.to_owned(), number),
            _ => return false,
        },
        Value::String(_) => Scalar::text(right.as_str().unwrap_or_default()),
        // Lists and objects are equal or not.
        Value::Null => return false,
        _ => return comparison.operator == Operator::Equals && left.to_json() == right.to_json(),
    };
    let test = Test::Compare(comparison.operator, comparison.letters, scalar);
    test.of_value(left, Manner::Rule).unwrap_or(false)
}

#[cfg(test)]
mod tests;
