//! The abstract interpretation of built-in functions and of the methods of texts.

use crate::abstraction::{A, FALSE, truth_value};
use crate::fault::Fault;
use crate::interpret::{SIZED, constant_texts};
use crate::ir::{Builtin, Const, ForeignKind, Method};
use crate::prove::{Env, Facts, Prove, Prover};
use crate::subject::{TestKind, state};

impl<'p> Prover<'p> {
    pub(crate) fn builtin(&mut self, builtin: Builtin, value: A<'p>, facts: &Facts) -> Prove<A<'p>> {
        Ok(match (builtin, &value) {
            (Builtin::Len, A::Field(field)) => {
                self.require(*field, SIZED, facts)?;
                A::Int
            }
            (Builtin::Len, A::Const(Const::None | Const::Bool(_) | Const::Int(_) | Const::Float(_))) => {
                self.may_raise(A::Int)?
            }
            (Builtin::Len, A::Any | A::Bool | A::Int | A::Unbound) => self.may_raise(A::Int)?,
            (Builtin::Len, _) => A::Int,
            (Builtin::Str, text) if text.is_text() => value,
            (Builtin::Str, _) => A::Text,
            (Builtin::Int, A::Int | A::Bool | A::Const(Const::Int(_) | Const::Bool(_))) => A::Int,
            (Builtin::List | Builtin::Tuple, _) => {
                if let Some(items) = self.known_items(&value, false) {
                    return Ok(A::Items(items.into()));
                }
                self.may_iterate(&value, facts)?;
                if matches!(value, A::Texts) { A::Texts } else { A::List }
            }
            (Builtin::Set, A::Const(Const::Set(_))) => value,
            (Builtin::Set, _) => match self.known_items(&value, true) {
                Some(items) => {
                    for item in &items {
                        self.hashable(item, facts)?;
                    }
                    A::Items(items.into())
                }
                None if matches!(value, A::Texts | A::Text | A::Subject) => A::Any,
                None => self.may_raise(A::Any)?,
            },
            (Builtin::Any | Builtin::All, _) => {
                let wanted = builtin == Builtin::Any;
                let Some(items) = self.known_items(&value, true) else {
                    self.may_iterate(&value, facts)?;
                    return Ok(A::Bool);
                };
                let truths: Vec<_> = items.iter().map(|item| self.truth(item)).collect();
                if truths.contains(&Some(wanted)) {
                    truth_value(wanted)
                } else if truths.contains(&None) {
                    A::Bool
                } else {
                    truth_value(!wanted)
                }
            }
            _ => self.may_raise(A::Any)?,
        })
    }

    pub(crate) fn method(&mut self, method: Method, object: A<'p>, arguments: &[A<'p>], facts: &Facts) -> Prove<A<'p>> {
        let object = match object {
            A::Field(field) => {
                self.require(field, state::TEXT, facts)?;
                for argument in arguments {
                    self.meet_all(field.path, argument);
                }
                A::Text
            }
            value if value.is_text() => value,
            _ => return self.may_raise(A::Any),
        };
        for argument in arguments {
            if let A::Field(field) = argument {
                self.require(*field, if method == Method::Join { 0 } else { state::TEXT }, facts)?;
            }
        }
        let is_text = |argument: &A<'p>| argument.is_text() || matches!(argument, A::Field(_));
        Ok(match (method, arguments) {
            (Method::StartsWith | Method::EndsWith, [affix]) => {
                let kind = if method == Method::StartsWith { TestKind::StartsWith } else { TestKind::EndsWith };
                match constant_texts(affix, true) {
                    Some(texts) if matches!(object, A::Subject | A::Folded { .. }) => {
                        let folded = !matches!(object, A::Subject);
                        texts.iter().for_each(|text| self.deny_case(kind, folded, text));
                        A::Const(&FALSE)
                    }
                    Some(_) => A::Bool,
                    None if is_text(affix) => A::Bool,
                    None => self.may_raise(A::Bool)?,
                }
            }
            (Method::Lower, []) if matches!(object, A::Subject | A::Folded { .. }) => A::Folded { upper: false },
            (Method::Upper, []) if matches!(object, A::Subject | A::Folded { .. }) => A::Folded { upper: true },
            (Method::Lower | Method::Upper | Method::Strip | Method::LStrip | Method::RStrip, []) => A::Text,
            (Method::IsDigit, []) => A::Bool,
            (Method::Split, []) => A::List,
            (Method::Split | Method::RSplit, [A::Const(Const::Str(separator))]) if !separator.is_empty() => A::Texts,
            (Method::Split | Method::RSplit, [A::Const(Const::Str(separator)), A::Const(Const::Int(_))])
                if !separator.is_empty() =>
            {
                A::Texts
            }
            (Method::Replace, [old, new]) if is_text(old) && is_text(new) => A::Text,
            (Method::Strip | Method::LStrip | Method::RStrip, [set]) if is_text(set) => A::Text,
            (Method::RemovePrefix | Method::RemoveSuffix, [affix]) if is_text(affix) => A::Text,
            (Method::Find | Method::Count, [part]) if is_text(part) => A::Int,
            (Method::Join, [A::Texts]) => A::Text,
            (Method::Join, [A::Items(items)]) if items.iter().all(A::is_text) => A::Text,
            _ => self.may_raise(A::Any)?,
        })
    }

    /// A function of the standard library.
    pub(crate) fn foreign(&mut self, env: &mut Env<'p>, function: u32, arguments: &[A<'p>]) -> Prove<A<'p>> {
        let kind = self.program.foreign.get(function as usize).copied().unwrap_or(ForeignKind::Raises);
        // An address of nothing is a `ValueError` like any other.
        let taken = if kind == ForeignKind::IpAddress { state::TEXT | state::NULL } else { state::TEXT };
        for argument in arguments {
            match argument {
                A::Field(field) => self.require(*field, taken, &env.facts.clone())?,
                value if value.types() & !taken == 0 => {}
                _ => self.may_raise(())?,
            }
        }
        match (kind, arguments) {
            (ForeignKind::Total, _) => Ok(A::Any),
            (ForeignKind::IpAddress, [_]) if self.is_catching => {
                if !Fault::HandlersForgotten.is_on() {
                    self.raised.push(env.clone());
                }
                Ok(A::Any)
            }
            (ForeignKind::FnMatch, [name, A::Const(Const::Str(pattern))]) if !pattern.contains('[') => {
                Ok(self.fnmatch(name, pattern))
            }
            _ => self.may_raise(A::Any),
        }
    }

    /// A pattern with a star at its ends, or none, is a test on the subject.
    fn fnmatch(&mut self, name: &A<'p>, pattern: &str) -> A<'p> {
        let (A::Subject, false) = (name, pattern.contains('?')) else { return A::Bool };
        let inner = pattern.strip_prefix('*').unwrap_or(pattern);
        let inner = inner.strip_suffix('*').unwrap_or(inner);
        if inner.contains('*') || inner.is_empty() {
            return A::Bool;
        }
        let kind = match (pattern.starts_with('*'), pattern.ends_with('*')) {
            (false, false) => TestKind::Equals,
            (false, true) => TestKind::StartsWith,
            (true, false) => TestKind::EndsWith,
            (true, true) => TestKind::Contains,
        };
        self.deny(kind, false, inner);
        A::Const(&FALSE)
    }

    /// A test on the subject, or on its lower or upper case, taken for false.
    pub(crate) fn deny_case(&mut self, kind: TestKind, folded: bool, text: &str) {
        if folded {
            self.deny(kind, true, &text.to_lowercase());
        } else {
            self.deny(kind, false, text);
        }
    }

    /// Notes the constants that a field meets.
    pub(crate) fn meet_all(&mut self, path: usize, value: &A<'p>) {
        if !self.lenient {
            return;
        }
        for text in constant_texts(value, false).unwrap_or_default() {
            self.met.push((path, text.to_owned()));
        }
    }
}
