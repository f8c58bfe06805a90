//! What `str`, the few built-in functions and the operators do.
//!
//! Case mapping and stripping are modelled for ASCII; other texts are left to Python, whose tables are its own.

use std::fmt::Write as _;

use bumpalo::collections::{String as BumpString, Vec as BumpVec};

use crate::eval::Evaluator;
use crate::fault::Fault;
use crate::ir::{Binary, Builtin, Const, Method, View};
use crate::value::{Dress, Eval, Stop, V, length, of_const, of_event};

/// What `str.strip()` and `str.split()` take for white space, among ASCII.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r' | '\x1c'..='\x1f')
}

impl<'a> Evaluator<'a> {
    pub(crate) fn method(&mut self, method: Method, object: V<'a>, arguments: &[V<'a>]) -> Eval<V<'a>> {
        let V::Str(text) = object else {
            return Err(if matches!(object, V::None | V::Bool(_) | V::Int(_) | V::Float(_)) {
                Stop::Raises
            } else {
                Stop::Unmodelled
            });
        };
        let ascii = || if text.is_ascii() { Ok(text) } else { Err(Stop::Unmodelled) };
        let bump = self.bump();
        Ok(match (method, arguments) {
            (Method::StartsWith | Method::EndsWith, [affix]) => {
                let test = |affix: &str| match method {
                    Method::StartsWith if Fault::StartsWithAnywhere.is_on() => text.contains(affix),
                    Method::StartsWith => text.starts_with(affix),
                    _ => text.ends_with(affix),
                };
                V::Bool(self.any_affix(*affix, &test)?)
            }
            (Method::Lower, []) => {
                let text = ascii()?;
                match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                    true => V::Str(changed(bump.alloc_str(text), str::make_ascii_lowercase)),
                    false => V::Str(text),
                }
            }
            (Method::Upper, []) => V::Str(changed(bump.alloc_str(ascii()?), str::make_ascii_uppercase)),
            (Method::Strip, []) => V::Str(ascii()?.trim_matches(is_blank)),
            (Method::LStrip, []) => V::Str(ascii()?.trim_start_matches(is_blank)),
            (Method::RStrip, []) => V::Str(ascii()?.trim_end_matches(is_blank)),
            (Method::Strip | Method::LStrip | Method::RStrip, [V::Str(set)]) => {
                let among = |character: char| set.contains(character);
                V::Str(match method {
                    Method::Strip => text.trim_matches(among),
                    Method::LStrip => text.trim_start_matches(among),
                    _ => text.trim_end_matches(among),
                })
            }
            (Method::Split, []) => {
                let parts = ascii()?.split(is_blank).filter(|part| !part.is_empty()).map(V::Str);
                V::List(BumpVec::from_iter_in(parts, bump).into_bump_slice())
            }
            (Method::Split, [V::Str(separator)]) if !separator.is_empty() => {
                V::List(BumpVec::from_iter_in(text.split(*separator).map(V::Str), bump).into_bump_slice())
            }
            (Method::Split, [V::Str(separator), V::Int(limit)]) if !separator.is_empty() && *limit >= 0 => {
                let parts = text.splitn(*limit as usize + 1, *separator).map(V::Str);
                V::List(BumpVec::from_iter_in(parts, bump).into_bump_slice())
            }
            (Method::RSplit, [V::Str(separator), rest @ ..]) if !separator.is_empty() => {
                let mut parts = BumpVec::new_in(bump);
                match rest {
                    [] => parts.extend(text.rsplit(*separator).map(V::Str)),
                    [V::Int(limit @ 0..)] => parts.extend(text.rsplitn(*limit as usize + 1, *separator).map(V::Str)),
                    _ => return Err(Stop::Unmodelled),
                }
                parts.reverse();
                V::List(parts.into_bump_slice())
            }
            (Method::Replace, [V::Str(old), V::Str(new)]) if !old.is_empty() => {
                let mut out = BumpString::new_in(bump);
                for (place, piece) in text.split(*old).enumerate() {
                    if place > 0 {
                        out.push_str(new);
                    }
                    out.push_str(piece);
                }
                V::Str(out.into_bump_str())
            }
            (Method::IsDigit, []) => {
                let text = ascii()?;
                V::Bool(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            }
            (Method::Join, [items]) => {
                let mut out = BumpString::new_in(bump);
                for (place, item) in self.values(*items)?.iter().enumerate() {
                    let V::Str(item) = item else { return Err(Stop::Unmodelled) };
                    if place > 0 {
                        out.push_str(text);
                    }
                    out.push_str(item);
                }
                V::Str(out.into_bump_str())
            }
            (Method::Find, [V::Str(part)]) => match ascii()?.find(*part) {
                Some(place) => V::Int(place as i64),
                None => V::Int(-1),
            },
            (Method::Count, [V::Str(part)]) if !part.is_empty() => V::Int(text.matches(*part).count() as i64),
            (Method::RemovePrefix, [V::Str(affix)]) => V::Str(text.strip_prefix(*affix).unwrap_or(text)),
            (Method::RemoveSuffix, [V::Str(affix)]) => V::Str(text.strip_suffix(*affix).unwrap_or(text)),
            _ => return Err(Stop::Unmodelled),
        })
    }

    fn any_affix(&self, affix: V<'a>, test: &dyn Fn(&str) -> bool) -> Eval<bool> {
        let each = |items: &mut dyn Iterator<Item = V<'a>>| {
            for item in items {
                let V::Str(item) = item else { return Err(Stop::Unmodelled) };
                if test(item) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match affix {
            V::Str(affix) => Ok(test(affix)),
            V::Const(Const::Tuple(items)) => each(&mut items.iter().map(of_const)),
            V::Tuple(items) => each(&mut items.iter().copied()),
            _ => Err(Stop::Unmodelled),
        }
    }

    pub(crate) fn builtin(&mut self, builtin: Builtin, value: V<'a>) -> Eval<V<'a>> {
        Ok(match builtin {
            Builtin::Len => V::Int(length(self.event(), value)? as i64),
            Builtin::Bool => V::Bool(value.truth(self.event())),
            Builtin::Str => {
                let mut text = BumpString::new_in(self.bump());
                self.write(&mut text, value)?;
                V::Str(text.into_bump_str())
            }
            Builtin::Int => match value {
                V::Int(value) => V::Int(value),
                V::Bool(value) => V::Int(value.into()),
                V::Str(text) => {
                    let digits = text.strip_prefix('-').unwrap_or(text);
                    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        return Err(Stop::Unmodelled);
                    }
                    V::Int(text.parse().map_err(|_| Stop::Unmodelled)?)
                }
                _ => return Err(Stop::Unmodelled),
            },
            Builtin::List => V::List(self.values(value)?),
            Builtin::Tuple => V::Tuple(self.values(value)?),
            Builtin::Set => match value {
                V::Const(Const::Set(_)) | V::Set(_) => value,
                _ => {
                    let items = self.values(value)?;
                    self.set_of(items)?
                }
            },
            Builtin::Any | Builtin::All => {
                let wanted = builtin == Builtin::Any;
                let items = match value {
                    V::Set(items) => items,
                    V::Const(Const::Set(set)) => {
                        BumpVec::from_iter_in(set.items.iter().map(of_const), self.bump()).into_bump_slice()
                    }
                    _ => self.values(value)?,
                };
                let found = items.iter().any(|item| item.truth(self.event()) == wanted);
                V::Bool(found == wanted)
            }
            Builtin::Max | Builtin::Min => return Err(Stop::Unmodelled),
        })
    }

    /// Appends what `str()` makes of a value.
    pub(crate) fn write(&self, out: &mut BumpString<'a>, value: V<'a>) -> Eval<()> {
        match value {
            V::None => out.push_str("None"),
            V::Bool(true) => out.push_str("True"),
            V::Bool(false) => out.push_str("False"),
            V::Int(value) => write!(out, "{value}").map_err(|_| Stop::Unmodelled)?,
            V::Str(text) => out.push_str(text),
            _ => return Err(Stop::Unmodelled),
        }
        Ok(())
    }

    pub(crate) fn binary(&mut self, operation: Binary, left: V<'a>, right: V<'a>) -> Eval<V<'a>> {
        let bump = self.bump();
        Ok(match (operation, left, right) {
            (Binary::Add | Binary::AddInPlace, V::Str(left), V::Str(right)) => {
                let mut text = BumpString::with_capacity_in(left.len() + right.len(), bump);
                text.push_str(left);
                text.push_str(right);
                V::Str(text.into_bump_str())
            }
            (Binary::Add | Binary::AddInPlace, V::Int(left), V::Int(right)) => {
                V::Int(left.checked_add(right).ok_or(Stop::Unmodelled)?)
            }
            (Binary::Sub, V::Int(left), V::Int(right)) => V::Int(left.checked_sub(right).ok_or(Stop::Unmodelled)?),
            (Binary::Mul, V::Int(left), V::Int(right)) => V::Int(left.checked_mul(right).ok_or(Stop::Unmodelled)?),
            (
                Binary::Add,
                V::List(_) | V::Const(Const::List(_)) | V::Array(_, Dress::Plain),
                V::List(_) | V::Const(Const::List(_)) | V::Array(_, Dress::Plain),
            ) => {
                let (left, right) = (self.values(left)?, self.values(right)?);
                V::List(BumpVec::from_iter_in(left.iter().chain(right).copied(), bump).into_bump_slice())
            }
            (Binary::BitOr | Binary::BitAnd, V::Set(left), V::Set(right)) => {
                let mut out = BumpVec::new_in(bump);
                if operation == Binary::BitOr {
                    out.extend(left.iter().chain(right).copied());
                } else {
                    for item in left {
                        if crate::value::contains(self.event(), V::Set(right), *item)? {
                            out.push(*item);
                        }
                    }
                }
                self.set_of(out.into_bump_slice())?
            }
            _ => return Err(Stop::Unmodelled),
        })
    }

    pub(crate) fn view(&mut self, view: View, object: V<'a>) -> Eval<V<'a>> {
        let mut out = BumpVec::new_in(self.bump());
        let mut put = |bump: &'a bumpalo::Bump, key: V<'a>, value: V<'a>| match view {
            View::Items => out.push(V::Tuple(bump.alloc_slice_copy(&[key, value]))),
            View::Keys => out.push(key),
            View::Values => out.push(value),
        };
        let (event, bump) = (*self.event(), self.bump());
        match object {
            V::Object(object, dress) => {
                for member in event.document.members(object) {
                    put(bump, V::Str(event.document.key(member.key)), of_event(&event, member.value, dress)?);
                }
            }
            V::Const(Const::Dict(dict)) => {
                dict.entries.iter().for_each(|(key, value)| put(bump, of_const(key), of_const(value)));
            }
            V::Dict(entries) => entries.iter().for_each(|(key, value)| put(bump, *key, *value)),
            _ => return Err(Stop::Unmodelled),
        }
        Ok(V::Iterable(out.into_bump_slice()))
    }
}

fn changed(text: &mut str, change: fn(&mut str)) -> &str {
    change(text);
    text
}
