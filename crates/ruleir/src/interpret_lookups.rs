//! The abstract interpretation of lookups in the event: where a proof meets its subject.

use crate::abstraction::{A, Field, NONE, truth_value};
use crate::ir::{Const, Key, Lookup, Mapping};
use crate::prove::{Env, Facts, Prove, Prover};
use crate::subject::{Hypothesis, Path, TestKind, state};

/// One step of a lookup.
enum Stepped<'p> {
    Value(A<'p>),
    Missing,
    Null,
}

/// Why keys lead to no value.
enum Nothing {
    Missing,
    /// The last key is there, and null.
    Null,
}

impl<'p> Prover<'p> {
    /// One key further from an object that is known to be one.
    fn stepped(&mut self, level: usize, key: &Key, exact: bool) -> Stepped<'p> {
        let here = level + 1;
        let is_on_path = self.subject.get(level).is_some_and(|wanted| wanted.text == key.text);
        let is_end = here == self.subject.len();
        if is_on_path {
            match self.hypothesis {
                Hypothesis::Absent(missing) if usize::from(missing) == here => return Stepped::Missing,
                Hypothesis::Null(null) if usize::from(null) == here => return Stepped::Null,
                Hypothesis::Text if is_end => return Stepped::Value(A::Subject),
                Hypothesis::Bool(value) if is_end => return Stepped::Value(truth_value(value)),
                Hypothesis::Nothing => {}
                _ if !is_end => return Stepped::Value(A::Object(here)),
                _ => {}
            }
        }
        let keys: Box<[Key]> = self.subject[..level].iter().chain([key]).cloned().collect();
        let path = self.path(Path { keys, exact });
        Stepped::Value(A::Field(Field::at(path)))
    }

    /// A field one key below another.
    fn below(&mut self, field: Field, key: &Key) -> Field {
        let parent = &self.paths[field.path];
        let path = Path { keys: parent.keys.iter().chain([key]).cloned().collect(), exact: parent.exact };
        Field::at(self.path(path))
    }

    pub(crate) fn level(value: &A<'p>) -> Option<usize> {
        match value {
            A::Event | A::View => Some(0),
            A::Object(level) => Some(*level),
            _ => None,
        }
    }

    pub(crate) fn get(&mut self, env: &mut Env<'p>, lookup: &'p Lookup) -> Prove<A<'p>> {
        let object = self.expr(env, &lookup.object)?;
        let keys = self.exprs(env, &lookup.keys)?;
        let default = self.expr(env, &lookup.default)?;
        if let (Some(level), Some([key])) = (Self::level(&object), lookup.fixed.as_deref()) {
            return Ok(match self.stepped(level, key, false) {
                Stepped::Missing => default,
                Stepped::Null => A::Const(&NONE),
                Stepped::Value(A::Field(field)) => A::Field(self.with_default(field, &default, false)),
                Stepped::Value(value) => value,
            });
        }
        match (object, lookup.fixed.as_deref()) {
            (A::Field(field), Some([key])) => {
                self.require(field, state::OBJECT, &env.facts.clone())?;
                let found = self.below(field, key);
                Ok(A::Field(self.with_default(found, &default, false)))
            }
            (A::Const(Const::Dict(dict)), _) => {
                let Some(key) = keys.first() else { return self.may_raise(A::Any) };
                match key {
                    A::Const(Const::Str(text)) => Ok(dict.get(text).map_or(default, A::Const)),
                    A::Subject => {
                        dict.texts.keys().for_each(|text| self.deny(TestKind::Equals, false, text));
                        Ok(default)
                    }
                    key => {
                        self.hashable(&key.clone(), &env.facts.clone())?;
                        Ok(A::Any)
                    }
                }
            }
            (A::Event | A::View | A::Object(_), _) if keys.iter().all(A::is_text) => Ok(A::Any),
            _ => self.may_raise(A::Any),
        }
    }

    pub(crate) fn deep_get(&mut self, env: &mut Env<'p>, object: A<'p>, lookup: &'p Lookup) -> Prove<A<'p>> {
        let keys = self.exprs(env, &lookup.keys)?;
        let default = self.expr(env, &lookup.default)?;
        let Some(fixed) = &lookup.fixed else {
            return if keys.iter().all(A::is_text) { Ok(A::Any) } else { self.may_raise(A::Any) };
        };
        // The helper function would go on in a default that is a mapping.
        if default.types() & state::OBJECT != 0 && fixed.len() > 1 {
            self.path_of(&object, fixed, false);
            return Ok(A::Any);
        }
        Ok(match self.descend(object, fixed, false) {
            Err(_) => default,
            Ok(A::Field(field)) => A::Field(self.with_default(field, &default, true)),
            Ok(other) => other,
        })
    }

    /// What stands at the end of the keys, from an object of the event.
    fn descend(&mut self, from: A<'p>, keys: &[Key], exact: bool) -> Result<A<'p>, Nothing> {
        let mut here = from;
        for (place, key) in keys.iter().enumerate() {
            here = if let Some(level) = Self::level(&here) {
                match self.stepped(level, key, exact) {
                    Stepped::Missing => return Err(Nothing::Missing),
                    Stepped::Null if place + 1 == keys.len() => return Err(Nothing::Null),
                    Stepped::Null => return Err(Nothing::Missing),
                    Stepped::Value(value) => value,
                }
            } else if let A::Field(field) = here {
                A::Field(self.below(field, key))
            } else {
                // A text, a bool: no mapping.
                return Err(Nothing::Missing);
            };
        }
        Ok(here)
    }

    /// Notes that a path is read.
    fn path_of(&mut self, object: &A<'p>, keys: &[Key], exact: bool) {
        if let Some(level) = Self::level(object) {
            let keys = self.subject[..level].iter().chain(keys).cloned().collect();
            self.path(Path { keys, exact });
        }
    }

    pub(crate) fn udm(&mut self, env: &mut Env<'p>, lookup: &'p Lookup) -> Prove<A<'p>> {
        let object = self.expr(env, &lookup.object)?;
        if !matches!(object, A::Event) {
            return self.may_raise(A::Any);
        }
        self.exprs(env, &lookup.keys)?;
        let default = self.expr(env, &lookup.default)?;
        let Some(keys) = &lookup.fixed else { return self.may_raise(A::Any) };
        let mapping = match (self.model, &**keys) {
            (Some(model), [key]) => model.mappings.get(&*key.text),
            _ => None,
        };
        match mapping {
            Some(Mapping::Path(path)) => Ok(match self.descend(A::Event, path, true) {
                Err(Nothing::Missing) => default,
                Err(Nothing::Null) => A::Const(&NONE),
                Ok(A::Field(field)) => A::Field(self.with_default(field, &default, false)),
                Ok(other) => other,
            }),
            Some(Mapping::Method(method)) => self.call(*method, &[A::View], &env.facts),
            Some(Mapping::Opaque) => self.opaque(A::Any),
            None => {
                self.path_of(&object, keys, false);
                Ok(A::Any)
            }
        }
    }

    /// `object[key]` of an object of the event.
    pub(crate) fn subscript(&mut self, level: usize, key: &Key, facts: &Facts) -> Prove<A<'p>> {
        match self.stepped(level, key, false) {
            Stepped::Missing => self.may_raise(A::Any),
            Stepped::Null => Ok(A::Const(&NONE)),
            Stepped::Value(A::Field(field)) => {
                // A type of its own for what is not there: none that any allows.
                self.require(Field { on_absent: 128, ..field }, state::ANY & !state::ABSENT, facts)?;
                Ok(A::Field(field))
            }
            Stepped::Value(value) => Ok(value),
        }
    }

    pub(crate) fn index(&mut self, object: &A<'p>, key: &A<'p>, facts: &Facts) -> Prove<A<'p>> {
        match (object, key) {
            (A::Field(field), A::Const(Const::Str(_))) => {
                self.require(*field, state::OBJECT, facts)?;
                self.may_raise(A::Any)
            }
            (A::Const(Const::Dict(dict)), A::Const(Const::Str(text))) => match dict.get(text) {
                Some(value) => Ok(A::Const(value)),
                None => self.may_raise(A::Any),
            },
            (A::Texts, A::Const(Const::Int(0 | -1))) => Ok(A::Text),
            (A::Items(items), A::Const(Const::Int(at))) => {
                let place = if *at < 0 { *at + items.len() as i64 } else { *at };
                match usize::try_from(place).ok().and_then(|place| items.get(place)) {
                    Some(item) => Ok(item.clone()),
                    None => self.may_raise(A::Any),
                }
            }
            _ => self.may_raise(A::Any),
        }
    }
}
