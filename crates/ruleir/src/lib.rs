//! Rules without Python, as far as that is exact: which rules an event can concern at all, and what they say.
//!
//! The Python worker compiles `rule()` and the helpers it calls to the representation in [`ir`] (the compiler is Python's
//! own parser, `crates/detection/python/compile.py`). Two things are made of it:
//!
//! - the [`Index`]: an abstract interpretation (`prove`) of each rule under hypotheses such as "`eventName` is a text that
//!   equals none of the texts this rule compares it with". A rule that then provably returns `False`, without raising,
//!   without any effect, need not be asked about such an event.
//! - the [`Evaluator`]: a concrete interpretation, which answers `False` or `True`, or gives up and leaves the rule to
//!   Python.
//!
//! Neither approximates: what is not modelled exactly is not decided here. See docs/adr/0005.

mod abstraction;
mod compare;
mod decode;
mod eval;
mod event;
mod fault;
mod index;
mod interpret;
mod interpret_calls;
mod interpret_lookups;
pub mod ir;
mod lookup;
mod prove;
mod standard;
mod subject;
mod suppose;
mod text;
mod value;
mod walk;

pub use decode::DecodeError;
pub use eval::{Arena, Evaluator, Foreign, NoForeign, Plain, Verdict};
pub use event::{Event, Keys};
pub use fault::Fault;
pub use index::{Index, IndexStats, RuleSet, Scratch};
pub use prove::{Explanation, Read, explain};
pub use value::Stop;
