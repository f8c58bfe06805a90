//! The names of conditions.

use super::expression::{AddressKind, Comparison, Letters, Operator, Quantifier};

/// A `Condition` by its name: what it needs beside a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    Always(bool),
    Exists {
        negated: bool,
    },
    Null {
        negated: bool,
    },
    NullOrEmpty {
        negated: bool,
    },
    Address {
        kind: AddressKind,
        negated: bool,
    },
    /// `Value`, or two keys in `Values`.
    Compare(Comparison),
    /// `Values`.
    In {
        negated: bool,
    },
    /// `Value` or `Values`.
    InNetworks {
        negated: bool,
    },
    /// `Expressions`.
    Elements(Quantifier),
}

/// Names without a family.
const PLAIN: &[(&str, Condition)] = &[
    ("AlwaysTrue", Condition::Always(true)),
    ("AlwaysFalse", Condition::Always(false)),
    ("Exists", Condition::Exists { negated: false }),
    ("DoesNotExist", Condition::Exists { negated: true }),
    ("IsNull", Condition::Null { negated: false }),
    ("IsNotNull", Condition::Null { negated: true }),
    ("IsNullOrEmpty", Condition::NullOrEmpty { negated: false }),
    ("IsNotNullOrEmpty", Condition::NullOrEmpty { negated: true }),
    ("IsIn", Condition::In { negated: false }),
    ("IsNotIn", Condition::In { negated: true }),
    ("IsIPAddress", Condition::Address { kind: AddressKind::Any, negated: false }),
    ("IsNotIPAddress", Condition::Address { kind: AddressKind::Any, negated: true }),
    ("IsIPv4Address", Condition::Address { kind: AddressKind::V4, negated: false }),
    ("IsIPv6Address", Condition::Address { kind: AddressKind::V6, negated: false }),
    ("IsIPAddressPublic", Condition::Address { kind: AddressKind::Public, negated: false }),
    ("IsIPAddressPrivate", Condition::Address { kind: AddressKind::Private, negated: false }),
    ("IsIPAddressInCIDR", Condition::InNetworks { negated: false }),
    ("IsIPAddressNotInCIDR", Condition::InNetworks { negated: true }),
    ("AnyElement", Condition::Elements(Quantifier::Any)),
    ("AllElements", Condition::Elements(Quantifier::All)),
    ("OnlyOneElement", Condition::Elements(Quantifier::OnlyOne)),
    ("NoElement", Condition::Elements(Quantifier::No)),
];

/// Families with a negative form, and both with `I` in front for any case: positive name, negative name.
const FAMILIES: &[(&str, &str, Operator)] = &[
    ("Equals", "DoesNotEqual", Operator::Equals),
    ("StartsWith", "DoesNotStartWith", Operator::StartsWith),
    ("EndsWith", "DoesNotEndWith", Operator::EndsWith),
    ("Contains", "DoesNotContain", Operator::Contains),
    ("Has", "DoesNotHave", Operator::Has),
];

/// Orders; all their spellings are in use.
const ORDERS: &[(&str, Operator)] = &[
    ("IsGreaterThan", Operator::Greater),
    ("IsGreaterThanOrEquals", Operator::GreaterOrEqual),
    ("IsGreaterThanOrEqual", Operator::GreaterOrEqual),
    ("IsGreaterThanOrEqualTo", Operator::GreaterOrEqual),
    ("IsLessThan", Operator::Less),
    ("IsLessThanOrEquals", Operator::LessOrEqual),
    ("IsLessThanOrEqual", Operator::LessOrEqual),
    ("IsLessThanOrEqualTo", Operator::LessOrEqual),
];

impl Condition {
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some((_, condition)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
            return Some(*condition);
        }
        if let Some(&(_, operator)) = ORDERS.iter().find(|(order, _)| *order == name) {
            return Some(Self::Compare(Comparison { operator, letters: Letters::Exact, negated: false }));
        }
        let of_family = |name: &str, letters| {
            FAMILIES.iter().find_map(|&(positive, negative, operator)| {
                let negated = name == negative;
                (negated || name == positive).then_some(Self::Compare(Comparison { operator, letters, negated }))
            })
        };
        of_family(name, Letters::Exact).or_else(|| of_family(name.strip_prefix('I')?, Letters::AnyCase))
    }

    /// The names that exist, for messages.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        let families = FAMILIES.iter().flat_map(|(positive, negative, _)| [*positive, *negative]);
        PLAIN.iter().map(|(name, _)| *name).chain(families).chain(ORDERS.iter().map(|(name, _)| *name))
    }
}
