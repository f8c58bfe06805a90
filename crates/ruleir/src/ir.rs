//! The intermediate representation of rules: the part of Python that is modelled exactly, and `Opaque` for all the rest.
//!
//! A [`Program`] holds the functions of all rules and of the helpers they call. It is data without any Python object:
//! constants were copied out of the modules when they were compiled, functions of the standard library that are called as
//! they are have a number ([`Expr::Foreign`]).

use ahash::{AHashMap, AHashSet};
use uncia_document::{Interner, KeyId};

pub type FunctionId = u32;
pub type ConstId = u32;
pub type Slot = u16;

/// Everything that was compiled.
#[derive(Debug, Default)]
pub struct Program {
    pub functions: Vec<Function>,
    pub consts: Vec<Const>,
    /// What is known of each foreign function.
    pub foreign: Vec<ForeignKind>,
    /// Why operations are opaque, by their numbers.
    pub reasons: Vec<String>,
    /// The data model of each log type that has one.
    pub models: AHashMap<String, Model>,
}

/// One Python function.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub params: u16,
    pub slots: u16,
    pub body: Box<[Stmt]>,
    /// It, or what it calls, writes a module global: every call counts.
    pub writes: bool,
}

/// A function of the standard library that is called in Python, unless it is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKind {
    /// It may raise.
    Raises,
    /// It raises for no text.
    Total,
    /// `fnmatch.fnmatch`, on a system whose names mind the case.
    FnMatch,
    /// `ipaddress.ip_address`, which raises nothing but `ValueError` for a text.
    IpAddress,
}

/// What `udm` knows of a log type.
#[derive(Debug, Default)]
pub struct Model {
    pub mappings: AHashMap<String, Mapping>,
}

#[derive(Debug)]
pub enum Mapping {
    /// Exact keys from the root.
    Path(Box<[Key]>),
    Method(FunctionId),
    Opaque,
}

/// A key that rules look up: its text, its id, and the id of its lower-case form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub text: Box<str>,
    pub id: KeyId,
    pub folded: KeyId,
}

impl Key {
    #[must_use]
    pub fn new(text: &str, interner: &Interner) -> Self {
        let id = interner.intern(text);
        let folded = if id == KeyId::NONE { id } else { interner.folded(id) };
        Self { text: text.into(), id, folded }
    }
}

/// A value that never changes.
#[derive(Debug)]
pub enum Const {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Box<str>),
    List(Box<[Const]>),
    Tuple(Box<[Const]>),
    Set(ConstSet),
    Dict(ConstDict),
    /// A function made anew: true, no `None`, and Python's to call.
    Callable,
}

impl Const {
    /// It is a function, or holds one.
    #[must_use]
    pub fn has_callable(&self) -> bool {
        match self {
            Self::Callable => true,
            Self::List(items) | Self::Tuple(items) => items.iter().any(Self::has_callable),
            Self::Dict(dict) => dict.entries.iter().any(|(key, value)| key.has_callable() || value.has_callable()),
            _ => false,
        }
    }
}

/// A set; its order means nothing.
#[derive(Debug, Default)]
pub struct ConstSet {
    /// All members, in no order that means anything.
    pub items: Box<[Const]>,
    pub texts: AHashSet<Box<str>>,
}

/// A dict in its order.
#[derive(Debug, Default)]
pub struct ConstDict {
    pub entries: Box<[(Const, Const)]>,
    /// Places of the keys that are texts.
    pub texts: AHashMap<Box<str>, u32>,
}

impl ConstDict {
    #[must_use]
    pub fn new(entries: Box<[(Const, Const)]>) -> Self {
        let texts = (0..).zip(&entries).filter_map(|(place, (key, _))| match key {
            Const::Str(text) => Some((text.clone(), place)),
            _ => None,
        });
        Self { texts: texts.collect(), entries }
    }

    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Const> {
        self.texts.get(key).map(|&place| &self.entries[place as usize].1)
    }
}

impl ConstSet {
    #[must_use]
    pub fn new(items: Vec<Const>) -> Self {
        let texts = items.iter().filter_map(|item| match item {
            Const::Str(text) => Some(text.clone()),
            _ => None,
        });
        let texts = texts.collect();
        Self { texts, items: items.into() }
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    In,
    NotIn,
    Is,
    IsNot,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Comparison {
    /// What holds where this does not; an order has none, for floats.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::In => Self::NotIn,
            Self::NotIn => Self::In,
            Self::Is => Self::IsNot,
            Self::IsNot => Self::Is,
            order => order,
        }
    }
}

/// Methods of `str`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    StartsWith,
    EndsWith,
    Lower,
    Upper,
    Strip,
    LStrip,
    RStrip,
    Split,
    RSplit,
    Replace,
    IsDigit,
    Join,
    Find,
    Count,
    RemovePrefix,
    RemoveSuffix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    Len,
    Bool,
    Str,
    Int,
    List,
    Tuple,
    Set,
    /// `any` of an iterable that is no generator.
    Any,
    All,
    Max,
    Min,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Display {
    List,
    Tuple,
    Set,
}

/// What becomes of a comprehension's or generator's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    Any,
    All,
    List,
    Set,
    Tuple,
    /// `next(generator, default)`.
    Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    All,
    First,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Items,
    Keys,
    Values,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Add,
    /// `+=`, which changes a list in place.
    AddInPlace,
    Sub,
    Mul,
    BitOr,
    BitAnd,
}

/// Bits of [`Expr::IsInstance`].
pub mod class {
    pub const STR: u16 = 1;
    pub const DICT: u16 = 2;
    pub const LIST: u16 = 4;
    pub const INT: u16 = 8;
    pub const FLOAT: u16 = 16;
    pub const BOOL: u16 = 32;
    pub const MAPPING: u16 = 64;
    pub const SEQUENCE: u16 = 128;
    pub const TUPLE: u16 = 256;
    pub const SET: u16 = 512;
    pub const NONE: u16 = 1024;
    pub const ITERABLE: u16 = 2048;
}

#[derive(Debug)]
pub struct Loop {
    pub targets: Box<[Slot]>,
    pub over: Expr,
    pub conditions: Box<[Expr]>,
}

#[derive(Debug)]
pub struct Comprehension {
    pub gather: Gather,
    pub element: Expr,
    pub loops: Box<[Loop]>,
    /// Of `next`.
    pub default: Option<Expr>,
}

/// Keys of a nested lookup.
#[derive(Debug)]
pub struct Lookup {
    pub object: Expr,
    pub keys: Box<[Expr]>,
    /// The keys, if all are constant texts.
    pub fixed: Option<Box<[Key]>>,
    pub default: Expr,
}

#[derive(Debug)]
pub enum Expr {
    Const(ConstId),
    Local(Slot),
    And(Box<[Expr]>),
    Or(Box<[Expr]>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    /// Test, then, else.
    If(Box<[Expr; 3]>),
    Compare(Box<Expr>, Box<[(Comparison, Expr)]>),
    /// `get(key, default)`.
    Get(Box<Lookup>),
    /// `object[key]`; the default means nothing.
    Index(Box<Lookup>),
    Slice(Box<Expr>, Option<i64>, Option<i64>),
    /// The event's method.
    DeepGet(Box<Lookup>),
    /// The helper function of the same name, recognised by its source.
    DeepGetFunction(Box<Lookup>),
    Udm(Box<Lookup>),
    DeepWalk(Box<Lookup>, Choice),
    Method(Method, Box<Expr>, Box<[Expr]>),
    Comprehension(Box<Comprehension>),
    Builtin(Builtin, Box<Expr>),
    IsInstance(Box<Expr>, u16),
    Display(Display, Box<[Expr]>),
    DictDisplay(Box<[(Expr, Expr)]>),
    Call(FunctionId, Box<[Expr]>),
    Walrus(Slot, Box<Expr>),
    Format(Box<[Expr]>),
    Binary(Binary, Box<[Expr; 2]>),
    View(View, Box<Expr>),
    /// `to_dict()`.
    ToDict(Box<Expr>),
    /// A pure function of the standard library, called in Python on scalars; its result's truth is all that may be used.
    Foreign(u32, Box<[Expr]>),
    Opaque(u32),
}

#[derive(Debug)]
pub struct Try {
    pub body: Box<[Stmt]>,
    /// What follows if nothing is raised.
    pub otherwise: Box<[Stmt]>,
    /// What follows a `ValueError`, if it is known; all other exceptions are left to Python.
    pub on_value_error: Option<Box<[Stmt]>>,
}

/// A test and what is done if it holds.
pub type Branch = (Option<Expr>, Box<[Stmt]>);

#[derive(Debug)]
pub enum Stmt {
    Return(Expr),
    /// Branches in order; the last may be `else`, without a test.
    If(Box<[Branch]>),
    Set(Slot, Expr),
    /// Writes a module global (its number) that this function alone writes, and the slot that stands for it.
    SetGlobal(u32, Slot, Expr),
    Unpack(Box<[Slot]>, Expr),
    Expr(Expr),
    For(Box<[Slot]>, Expr, Box<[Stmt]>, Box<[Stmt]>),
    Break,
    Continue,
    Try(Box<Try>),
    Opaque(u32),
}
