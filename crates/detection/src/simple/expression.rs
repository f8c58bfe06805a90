//! What a match expression is, once read.

use super::network::Network;
use super::path::Path;

/// A match expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Always(bool),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    /// Exactly one holds.
    OnlyOne(Vec<Expression>),
    /// None holds.
    Neither(Vec<Expression>),
    Key {
        path: Path,
        check: Check,
    },
    /// What a lookup table said of the event.
    Enrichment {
        /// To the table's answer for the selector.
        answer: Path,
        field: Path,
        check: Check,
    },
    /// Field with field.
    Fields {
        left: Path,
        right: Path,
        comparison: Comparison,
    },
    Elements {
        path: Path,
        quantifier: Quantifier,
        expressions: Vec<Expression>,
    },
}

/// How many elements of a list the expressions must hold for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    Any,
    All,
    OnlyOne,
    No,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub(super) test: Test,
    /// The negative form: what its positive form says, turned round.
    pub(super) negated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Exists,
    Null,
    NullOrEmpty,
    Compare(Operator, Letters, Scalar),
    In(Vec<Scalar>),
    Address(AddressKind),
    InNetworks(Vec<Network>),
}

/// A comparison without its right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub(super) operator: Operator,
    pub(super) letters: Letters,
    pub(super) negated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    StartsWith,
    EndsWith,
    Contains,
    /// A list has it as an element; a text as a part.
    Has,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Whether capital letters matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    Exact,
    AnyCase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressKind {
    Any,
    V4,
    V6,
    Public,
    Private,
}

/// The constant on the right side.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    /// Digits, for exact comparison of whole numbers, and the number.
    Number(String, f64),
    /// The text, and in lower case.
    Text(String, String),
}

impl Scalar {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.to_owned(), text.to_lowercase())
    }
}
