//! Lookups in events, and in what rules make of them.

use uncia_document::Value;

use crate::eval::{Evaluator, Locals};
use crate::fault::Fault;
use crate::ir::{Choice, Const, Key, Lookup, Mapping};
use crate::value::{Dress, Eval, Stop, V, equal, item, length, of_const, of_event};

impl<'a> Evaluator<'a> {
    pub(crate) fn get(&mut self, locals: &mut Locals<'a>, lookup: &'a Lookup) -> Eval<V<'a>> {
        let object = self.expr(locals, &lookup.object)?;
        if let (V::Object(object, dress @ (Dress::Event | Dress::View)), Some([key])) =
            (object, lookup.fixed.as_deref())
        {
            // The default is evaluated first, as an argument; a constant cannot raise.
            let default = self.expr(locals, &lookup.default)?;
            return match self.event.member(object, key) {
                Some(Value::Null) if Fault::DefaultForNull.is_on() => Ok(default),
                Some(value) => of_event(&self.event, value, dress),
                None => Ok(default),
            };
        }
        let key = match &*lookup.keys {
            [key] => self.expr(locals, key)?,
            _ => return Err(Stop::Unmodelled),
        };
        let default = self.expr(locals, &lookup.default)?;
        Ok(self.lookup(object, key)?.unwrap_or(default))
    }

    /// `object.get(key)` of a mapping, by any key.
    pub(crate) fn lookup(&mut self, object: V<'a>, key: V<'a>) -> Eval<Option<V<'a>>> {
        match (object, key) {
            (V::Object(object, dress), V::Str(key)) => {
                let found = match dress {
                    Dress::Plain => self.event.exact_by_text(object, key),
                    _ => self.event.member_by_text(object, key),
                };
                found.map(|value| of_event(&self.event, value, dress)).transpose()
            }
            (V::Const(Const::Dict(dict)), V::Str(key)) => Ok(dict.get(key).map(of_const)),
            (V::Const(Const::Dict(dict)), key) => {
                key.hashable()?;
                for (known, value) in &dict.entries {
                    if equal(&self.event, of_const(known), key)? {
                        return Ok(Some(of_const(value)));
                    }
                }
                Ok(None)
            }
            (V::Dict(entries), key) => {
                key.hashable()?;
                for (known, value) in entries {
                    if equal(&self.event, *known, key)? {
                        return Ok(Some(*value));
                    }
                }
                Ok(None)
            }
            (V::None | V::Bool(_) | V::Int(_) | V::Float(_) | V::Str(_), _) => Err(Stop::Raises),
            _ => Err(Stop::Unmodelled),
        }
    }

    /// The method: mappings only, null counts as missing.
    pub(crate) fn deep_get(&mut self, locals: &mut Locals<'a>, object: V<'a>, lookup: &'a Lookup) -> Eval<V<'a>> {
        if let (V::Object(object, _), Some(keys)) = (object, &lookup.fixed)
            && !keys.is_empty()
        {
            let default = self.expr(locals, &lookup.default)?;
            let mut here = object;
            for (place, key) in keys.iter().enumerate() {
                let Value::Object(_) = here else { return Ok(default) };
                match self.event.member(here, key) {
                    Some(Value::Null) if place + 1 == keys.len() && Fault::DeepGetKeepsNull.is_on() => {
                        return Ok(V::None);
                    }
                    None | Some(Value::Null) => return Ok(default),
                    Some(value) => here = value,
                }
            }
            return of_event(&self.event, here, Dress::View);
        }
        let keys = self.exprs(locals, &lookup.keys)?;
        let default = self.expr(locals, &lookup.default)?;
        let mut here = object;
        for key in keys {
            let V::Object(..) = here else { return Ok(default) };
            let V::Str(_) = key else { return Err(Stop::Raises) };
            match self.lookup(here, *key)? {
                None | Some(V::None) => return Ok(default),
                Some(value) => here = value,
            }
        }
        Ok(here)
    }

    /// The helper function: a default stands in for what is missing on the way, too.
    pub(crate) fn deep_get_function(
        &mut self,
        locals: &mut Locals<'a>,
        object: V<'a>,
        lookup: &'a Lookup,
    ) -> Eval<V<'a>> {
        let keys = self.exprs(locals, &lookup.keys)?;
        let default = self.expr(locals, &lookup.default)?;
        let mut here = object;
        for key in keys {
            here = match here {
                V::Object(..) | V::Dict(_) | V::Const(Const::Dict(_)) => self.lookup(here, *key)?.unwrap_or(default),
                V::Foreign { .. } | V::Unbound | V::Iterable(_) => return Err(Stop::Unmodelled),
                _ => default,
            };
        }
        Ok(if matches!(here, V::None) { default } else { here })
    }

    pub(crate) fn udm(&mut self, locals: &mut Locals<'a>, lookup: &'a Lookup) -> Eval<V<'a>> {
        let object = self.expr(locals, &lookup.object)?;
        let V::Object(root, Dress::Event) = object else { return Err(Stop::Unmodelled) };
        let Some(keys) = &lookup.fixed else { return Err(Stop::Unmodelled) };
        let default = self.expr(locals, &lookup.default)?;
        let mapping = match (self.model, &**keys) {
            (Some(model), [key]) => model.mappings.get(&*key.text),
            _ => None,
        };
        match mapping {
            Some(Mapping::Path(path)) => match self.exact_path(root, path) {
                Some(value) => return of_event(&self.event, value, Dress::View),
                None if Fault::UdmFallsThrough.is_on() => {}
                None => return Ok(default),
            },
            Some(Mapping::Method(method)) => return self.call(*method, &[V::Object(root, Dress::View)]),
            Some(Mapping::Opaque) => return Err(Stop::Unmodelled),
            None => {}
        }
        let prefixed = match self.member_named(root, "p_udm") {
            Some(value @ Value::Object(_)) => self.path(value, keys),
            _ => None,
        };
        for found in [prefixed, self.path(root, keys)].into_iter().flatten() {
            let value = of_event(&self.event, found, Dress::View)?;
            if value.truth(&self.event) {
                return Ok(value);
            }
        }
        Ok(default)
    }

    pub(crate) fn member_named(&self, object: Value, key: &str) -> Option<Value> {
        self.event.member_by_text(object, key)
    }

    pub(crate) fn path(&self, from: Value, keys: &[Key]) -> Option<Value> {
        let mut here = from;
        for key in keys {
            let Value::Object(_) = here else { return None };
            here = self.event.member(here, key)?;
        }
        Some(here)
    }

    pub(crate) fn exact_path(&self, from: Value, keys: &[Key]) -> Option<Value> {
        let mut here = from;
        for key in keys {
            let Value::Object(_) = here else { return None };
            here = self.event.exact_member(here, key)?;
        }
        Some(here)
    }

    pub(crate) fn deep_walk(&mut self, locals: &mut Locals<'a>, lookup: &'a Lookup, choice: Choice) -> Eval<V<'a>> {
        let object = self.expr(locals, &lookup.object)?;
        let V::Object(object, Dress::Event | Dress::View) = object else { return Err(Stop::Unmodelled) };
        let keys = self.exprs(locals, &lookup.keys)?;
        let default = self.expr(locals, &lookup.default)?;
        let [first, rest @ ..] = keys else { return Ok(V::Object(object, Dress::Plain)) };
        match self.walk_member(object, *first)? {
            Some(value) => self.walk(value, rest, default, choice),
            None => Ok(default),
        }
    }

    /// A member that is not null, by its exact key.
    pub(crate) fn walk_member(&self, object: Value, key: V<'a>) -> Eval<Option<Value>> {
        let V::Str(key) = key else { return Err(Stop::Unmodelled) };
        Ok(self.event.exact_by_text(object, key).filter(|value| *value != Value::Null))
    }

    pub(crate) fn walk(&mut self, value: Value, keys: &[V<'a>], default: V<'a>, choice: Choice) -> Eval<V<'a>> {
        self.burn()?;
        let [first, rest @ ..] = keys else {
            return if self.is_hollow(value) { Ok(default) } else { of_event(&self.event, value, Dress::Plain) };
        };
        if let Value::Object(_) = value {
            return match self.walk_member(value, *first)? {
                Some(value) => self.walk(value, rest, default, choice),
                None => Ok(default),
            };
        }
        if !matches!(value, Value::Array(_) | Value::EmptyArray) {
            return Ok(default);
        }
        let mut found = bumpalo::collections::Vec::new_in(self.bump);
        for &inner in self.event.document.items(value) {
            let inner = self.walk(inner, keys, default, choice)?;
            match inner {
                V::None => {}
                V::Array(..) | V::List(_) | V::Tuple(_) | V::Const(Const::List(_) | Const::Tuple(_)) => {
                    for place in 0..length(&self.event, inner)? {
                        let inner = item(&self.event, inner, place)?;
                        self.add(&mut found, inner)?;
                    }
                }
                other => self.add(&mut found, other)?,
            }
        }
        let found = found.into_bump_slice();
        Ok(match (found, choice) {
            ([], _) => default,
            ([one], _) | ([one, ..], Choice::First) => *one,
            ([.., last], Choice::Last) => *last,
            (all, Choice::All) => V::List(all),
        })
    }

    /// An empty list, or a list of nothing but such.
    pub(crate) fn is_hollow(&self, value: Value) -> bool {
        match value {
            Value::Array(_) | Value::EmptyArray => {
                self.event.document.items(value).iter().all(|&inner| self.is_hollow(inner))
            }
            _ => false,
        }
    }

    /// Adds a value to distinct ones.
    pub(crate) fn add(&mut self, items: &mut bumpalo::collections::Vec<'a, V<'a>>, value: V<'a>) -> Eval<()> {
        value.hashable()?;
        self.burn()?;
        for known in items.iter() {
            if equal(&self.event, *known, value)? {
                return Ok(());
            }
        }
        items.push(value);
        Ok(())
    }

    pub(crate) fn set_of(&mut self, items: &[V<'a>]) -> Eval<V<'a>> {
        let mut distinct = bumpalo::collections::Vec::with_capacity_in(items.len(), self.bump);
        for item in items {
            self.add(&mut distinct, *item)?;
        }
        Ok(V::Set(distinct.into_bump_slice()))
    }
}
