//! The abstract interpretation of expressions.

use std::rc::Rc;

use crate::abstraction::{A, Field, truth_value};
use crate::ir::{Binary, Builtin, Comprehension, Const, Display, Expr, Gather, Loop, Method, View, class};
use crate::prove::{Env, Facts, Fail, Prove, Prover};
use crate::subject::{Path, TestKind, state};
use crate::suppose::{Branches, Condition, Conditions, Mark};

/// Items that a loop is unrolled over.
const UNROLLED: usize = 256;
/// Types that can be members of sets.
pub(crate) const HASHABLE: u8 = state::TEXT | state::NUMBER | state::BOOL | state::NULL;
pub(crate) const SIZED: u8 = state::TEXT | state::OBJECT | state::ARRAY;

/// How things stand where `and` or `or` can be kept from going on to an operand that cannot be proved.
struct Escape<'p> {
    mark: Mark,
    env: Env<'p>,
    answer: Option<A<'p>>,
    stopped: Option<Facts>,
    conditions: Conditions,
}

impl<'p> Prover<'p> {
    pub(crate) fn expr(&mut self, env: &mut Env<'p>, expr: &'p Expr) -> Prove<A<'p>> {
        self.both(env, expr).map(|(value, _)| value)
    }

    pub(crate) fn condition(&mut self, env: &mut Env<'p>, expr: &'p Expr) -> Prove<Branches> {
        self.both(env, expr).map(|(_, branches)| branches)
    }

    /// An expression's value, and what is known where it is true and where it is false.
    fn both(&mut self, env: &mut Env<'p>, expr: &'p Expr) -> Prove<(A<'p>, Branches)> {
        self.step()?;
        match expr {
            Expr::And(operands) => self.and_or(env, operands, true),
            Expr::Or(operands) => self.and_or(env, operands, false),
            Expr::Not(inner) => {
                let inner = self.condition(env, inner)?;
                let answer = inner.value.map_or(A::Bool, |value| truth_value(!value));
                Ok((answer, inner.negated()))
            }
            Expr::Compare(left, rest) => {
                let mut left = self.expr(env, left)?;
                if let [(comparison, right)] = &**rest {
                    let right = self.expr(env, right)?;
                    let (answer, when_true, when_false) =
                        self.compare(&env.facts.clone(), *comparison, &left, &right)?;
                    let value = self.truth(&answer);
                    let mut branches = Branches::new(value, when_true, when_false);
                    branches.fails_if = self.comparison_fails_if(*comparison, &left, &right);
                    branches.holds_if = self.comparison_fails_if(comparison.negated(), &left, &right);
                    return Ok((answer, branches));
                }
                for (comparison, right) in rest {
                    let right = self.expr(env, right)?;
                    self.compare(&env.facts.clone(), *comparison, &left, &right)?;
                    left = right;
                }
                Ok((A::Bool, open(&env.facts)))
            }
            Expr::IsInstance(inner, mask) => {
                let value = self.expr(env, inner)?;
                let (answer, when_true, when_false) = is_instance(&value, *mask, &env.facts);
                let mut branches = Branches::new(self.truth(&answer), when_true, when_false);
                if let A::Field(field) = value {
                    let text = if mask & class::STR != 0 { state::TEXT } else { 0 };
                    branches.holds_if = Some(vec![Condition::states(field.path, field.states_within(text))]);
                    let not = state::ANY & !field.states_of(types_in(*mask));
                    branches.fails_if = Some(vec![Condition::states(field.path, not)]);
                }
                Ok((answer, branches))
            }
            Expr::Method(method @ (Method::StartsWith | Method::EndsWith), object, arguments) => {
                let object = self.expr(env, object)?;
                let arguments = self.exprs(env, arguments)?;
                let fails_if = self.affix_fails_if(*method, &object, &arguments);
                let answer = self.method(*method, object, &arguments, &env.facts.clone())?;
                let mut branches = open(&env.facts);
                (branches.value, branches.fails_if) = (self.truth(&answer), fails_if);
                Ok((answer, branches))
            }
            Expr::Builtin(Builtin::Bool, inner) => {
                let branches = self.condition(env, inner)?;
                Ok((branches.value.map_or(A::Bool, truth_value), branches))
            }
            _ => {
                let value = self.other(env, expr)?;
                let truth = self.truth(&value);
                let mut branches = Branches::new(truth, env.facts.clone(), env.facts.clone());
                if let A::Field(field) = value {
                    branches.when_true.narrow(field.path, !field.surely_false() & state::ANY);
                    branches.fails_if = Some(vec![Condition::states(field.path, field.surely_false())]);
                }
                Ok((value, branches))
            }
        }
    }

    fn and_or(&mut self, env: &mut Env<'p>, operands: &'p [Expr], is_and: bool) -> Prove<(A<'p>, Branches)> {
        let outer = env.facts.clone();
        let before = env.locals.clone();
        let mut answer: Option<A<'p>> = None;
        // What is known where the evaluation stopped early, if it can.
        let mut stopped: Option<Facts> = None;
        let mut all_known = true;
        let mut decided = None;
        // Where the operands behind can be kept from being reached, and how.
        let mut escape: Option<Escape<'p>> = None;
        // What makes one operand stop it, and all go on.
        let mut stops_if: Option<Conditions> = None;
        let mut goes_on_if: Option<Conditions> = Some(Vec::new());
        for (place, operand) in operands.iter().enumerate() {
            let is_last = place + 1 == operands.len();
            let (value, branches) = match (self.both(env, operand), escape.take()) {
                (Ok(found), kept) => {
                    escape = kept;
                    found
                }
                (Err(fail), Some(way_out)) if fail != Fail::TooLong => {
                    self.back_to(&way_out.mark);
                    *env = way_out.env;
                    (answer, stopped) = (way_out.answer, way_out.stopped);
                    self.suppose(&way_out.conditions, &mut env.facts, fail)?;
                    decided = Some(!is_and);
                    break;
                }
                (Err(fail), _) => return Err(fail),
            };
            let (goes_on, stops) = match is_and {
                true => (branches.when_true, branches.when_false),
                false => (branches.when_false, branches.when_true),
            };
            let (if_stops, if_goes_on) = match is_and {
                true => (branches.fails_if, branches.holds_if),
                false => (branches.holds_if, branches.fails_if),
            };
            if branches.value.is_none() {
                goes_on_if = goes_on_if.zip(if_goes_on).map(|(all, more)| [all, more].concat());
                stops_if = stops_if.or_else(|| if_stops.clone());
            }
            let mut put = |value: A<'p>| {
                answer = Some(match answer.take() {
                    Some(earlier) => earlier.join(value),
                    None => value,
                });
            };
            match branches.value {
                Some(truth) if truth != is_and => {
                    put(value);
                    join_into(&mut stopped, stops);
                    decided = Some(truth);
                    break;
                }
                Some(_) => {
                    if is_last {
                        put(value);
                    }
                }
                None => {
                    all_known = false;
                    if is_last {
                        put(value);
                    } else {
                        // Stopped here it is a false value (a true one, of `or`).
                        put(if value.is_bool() { truth_value(!is_and) } else { value });
                    }
                    join_into(&mut stopped, stops);
                }
            }
            if let (None, false, false, Some(conditions)) = (branches.value, is_last, self.lenient, if_stops) {
                let env = Env { locals: env.locals.clone(), facts: stopped.clone().unwrap_or_default() };
                let (mark, answer, stopped) = (self.mark(), answer.clone(), stopped.clone());
                escape = Some(Escape { mark, env, answer, stopped, conditions });
            }
            env.facts = goes_on;
            // What a later operand assigns is assigned only if that operand is reached.
            if place == 0 && !all_known {
                continue;
            }
        }
        if !all_known {
            let after = std::mem::replace(&mut env.locals, before);
            let mut merged = Env { locals: after, facts: Facts::default() };
            // The first operand is always evaluated; what only later ones assign stays unsure.
            let first = self.assigned_by_first(operands);
            for (slot, (now, then)) in merged.locals.iter_mut().zip(&env.locals).enumerate() {
                if !first.contains(&(slot as u16)) {
                    let own = std::mem::replace(now, A::Unbound);
                    *now = own.join(then.clone());
                }
            }
            env.locals = merged.locals;
        }
        let reached_end = std::mem::replace(&mut env.facts, outer.clone());
        let value = decided.or(all_known.then_some(is_and));
        let stopped = stopped.unwrap_or_else(|| outer.clone());
        // Where it was decided early, it can still have stopped before.
        let (when_true, when_false) = if is_and { (reached_end, stopped) } else { (stopped, reached_end) };
        let mut branches = Branches::new(value, when_true, when_false);
        (branches.fails_if, branches.holds_if) = if is_and { (stops_if, goes_on_if) } else { (goes_on_if, stops_if) };
        Ok((answer.unwrap_or(A::Any), branches))
    }

    fn assigned_by_first(&self, operands: &'p [Expr]) -> Vec<u16> {
        let mut slots = Vec::new();
        let mut visit = |expr: &Expr| {
            if let Expr::Walrus(slot, _) = expr {
                slots.push(*slot);
            }
        };
        if let Some(first) = operands.first() {
            visit(first);
            crate::walk::children(first, &mut |child| visit(child));
        }
        slots
    }

    /// What `bool()` says, if that is known. A text is not empty unless a test says so.
    pub(crate) fn truth(&mut self, value: &A<'p>) -> Option<bool> {
        match value {
            A::Const(constant) => Some(match constant {
                Const::None => false,
                Const::Bool(value) => *value,
                Const::Int(value) => *value != 0,
                Const::Float(value) => *value != 0.0,
                Const::Str(text) => !text.is_empty(),
                Const::List(items) | Const::Tuple(items) => !items.is_empty(),
                Const::Set(set) => !set.is_empty(),
                Const::Dict(dict) => !dict.entries.is_empty(),
                Const::Callable => true,
            }),
            A::Subject => {
                self.deny(TestKind::Equals, false, "");
                Some(true)
            }
            A::Items(items) => Some(!items.is_empty()),
            A::Entries(entries) => Some(!entries.is_empty()),
            A::Texts => Some(true),
            _ => None,
        }
    }

    pub(crate) fn exprs(&mut self, env: &mut Env<'p>, exprs: &'p [Expr]) -> Prove<Vec<A<'p>>> {
        exprs.iter().map(|expr| self.expr(env, expr)).collect()
    }

    fn other(&mut self, env: &mut Env<'p>, expr: &'p Expr) -> Prove<A<'p>> {
        Ok(match expr {
            Expr::Const(id) => A::Const(&self.program.consts[*id as usize]),
            Expr::Local(slot) => match &env.locals[*slot as usize] {
                A::Unbound => self.may_raise(A::Any)?,
                value => value.clone(),
            },
            Expr::If(parts) => {
                let [test, then, otherwise] = &**parts;
                let Branches { value, when_true, when_false, .. } = self.condition(env, test)?;
                let outer = env.facts.clone();
                let mut answer: Option<A<'p>> = None;
                for (side, part, facts) in [(true, then, when_true), (false, otherwise, when_false)] {
                    if value == Some(!side) {
                        continue;
                    }
                    env.facts = facts;
                    let value = self.expr(env, part)?;
                    answer = Some(match answer {
                        Some(earlier) => earlier.join(value),
                        None => value,
                    });
                }
                env.facts = outer;
                answer.unwrap_or(A::Any)
            }
            Expr::Neg(inner) => match self.expr(env, inner)? {
                A::Int | A::Const(Const::Int(_) | Const::Float(_)) => A::Int,
                _ => self.may_raise(A::Int)?,
            },
            Expr::Get(lookup) => self.get(env, lookup)?,
            Expr::DeepGet(lookup) => {
                let object = self.expr(env, &lookup.object)?;
                match &object {
                    A::Event | A::View | A::Object(_) => {}
                    A::Field(field) => self.require(*field, state::OBJECT, &env.facts.clone())?,
                    _ => self.may_raise(())?,
                }
                self.deep_get(env, object, lookup)?
            }
            Expr::DeepGetFunction(lookup) => {
                let object = self.expr(env, &lookup.object)?;
                match &object {
                    A::Event | A::View | A::Object(_) => self.deep_get(env, object, lookup)?,
                    A::Field(_) => self.deep_get(env, object, lookup)?,
                    A::Subject | A::Text | A::Folded { .. } => {
                        self.exprs(env, &lookup.keys)?;
                        self.expr(env, &lookup.default)?
                    }
                    _ => self.may_raise(A::Any)?,
                }
            }
            Expr::Udm(lookup) => self.udm(env, lookup)?,
            Expr::DeepWalk(lookup, _) => {
                self.expr(env, &lookup.object)?;
                self.exprs(env, &lookup.keys)?;
                self.expr(env, &lookup.default)?;
                if let (true, Some(keys)) = (self.lenient, &lookup.fixed) {
                    self.path(Path { keys: keys.clone(), exact: true });
                }
                self.may_raise(A::Any)?
            }
            Expr::Index(lookup) => {
                let object = self.expr(env, &lookup.object)?;
                let keys = self.exprs(env, &lookup.keys)?;
                match (Self::level(&object), lookup.fixed.as_deref(), &*keys) {
                    (Some(level), Some([key]), _) => self.subscript(level, key, &env.facts.clone())?,
                    (None, _, [key]) => self.index(&object, key, &env.facts.clone())?,
                    _ => self.may_raise(A::Any)?,
                }
            }
            Expr::Slice(inner, ..) => match self.expr(env, inner)? {
                value if value.is_text() => A::Text,
                A::Items(_) | A::List | A::Texts | A::Const(Const::List(_) | Const::Tuple(_)) => A::List,
                A::Field(field) => {
                    self.require(field, state::TEXT, &env.facts.clone())?;
                    A::Text
                }
                _ => self.may_raise(A::Any)?,
            },
            Expr::Method(method, object, arguments) => {
                let object = self.expr(env, object)?;
                let arguments = self.exprs(env, arguments)?;
                self.method(*method, object, &arguments, &env.facts.clone())?
            }
            Expr::Comprehension(comprehension) => self.comprehension(env, comprehension)?,
            Expr::Builtin(builtin, argument) => {
                let argument = self.expr(env, argument)?;
                self.builtin(*builtin, argument, &env.facts.clone())?
            }
            Expr::Display(kind, items) => {
                let items = self.exprs(env, items)?;
                if *kind == Display::Set {
                    for item in &items {
                        self.hashable(item, &env.facts.clone())?;
                    }
                }
                A::Items(items.into())
            }
            Expr::DictDisplay(pairs) => {
                let mut entries = Vec::new();
                for (key, value) in pairs {
                    let (key, value) = (self.expr(env, key)?, self.expr(env, value)?);
                    self.hashable(&key, &env.facts.clone())?;
                    entries.push((key, value));
                }
                A::Entries(entries.into())
            }
            Expr::Call(function, arguments) => {
                let arguments = self.exprs(env, arguments)?;
                self.call(*function, &arguments, &env.facts)?
            }
            Expr::Walrus(slot, value) => {
                let value = self.expr(env, value)?;
                env.locals[*slot as usize] = value.clone();
                value
            }
            Expr::Format(parts) => {
                let parts = self.exprs(env, parts)?;
                match parts.first() {
                    Some(A::Const(Const::Str(start))) => A::Starting(start),
                    _ => A::Text,
                }
            }
            Expr::Binary(operation, operands) => {
                let (left, right) = (self.expr(env, &operands[0])?, self.expr(env, &operands[1])?);
                match operation {
                    Binary::Add | Binary::AddInPlace if left.is_text() && right.is_text() => A::Text,
                    Binary::Add if matches!((&left, &right), (A::List | A::Texts, A::List | A::Texts)) => A::List,
                    _ => self.may_raise(A::Any)?,
                }
            }
            Expr::View(view, object) => match (view, self.expr(env, object)?) {
                (View::Items, A::Const(Const::Dict(dict))) if dict.entries.len() <= UNROLLED => {
                    let pair = |(key, value): &'p (Const, Const)| A::Items(Rc::from([A::Const(key), A::Const(value)]));
                    A::Items(dict.entries.iter().map(pair).collect())
                }
                (View::Keys, A::Const(Const::Dict(dict))) => {
                    A::Items(dict.entries.iter().map(|(key, _)| A::Const(key)).collect())
                }
                (View::Values, A::Const(Const::Dict(dict))) => {
                    A::Items(dict.entries.iter().map(|(_, value)| A::Const(value)).collect())
                }
                (view, A::Event | A::View | A::Object(_)) => self.view(*view),
                (view, A::Field(field)) => {
                    self.require(field, state::OBJECT, &env.facts.clone())?;
                    self.view(*view)
                }
                _ => self.may_raise(A::Any)?,
            },
            Expr::ToDict(object) => match self.expr(env, object)? {
                A::Event | A::View | A::Object(_) => A::Any,
                _ => self.may_raise(A::Any)?,
            },
            Expr::Foreign(function, arguments) => {
                let arguments = self.exprs(env, arguments)?;
                self.foreign(env, *function, &arguments)?
            }
            Expr::Opaque(_) => self.opaque(A::Any)?,
            Expr::And(_) | Expr::Or(_) | Expr::Not(_) | Expr::Compare(..) | Expr::IsInstance(..) => {
                unreachable!("`both` has these")
            }
        })
    }

    fn view(&self, view: View) -> A<'p> {
        if view == View::Items { A::Pairs } else { A::List }
    }

    /// The field, with what stands in for it.
    pub(crate) fn with_default(&mut self, field: Field, default: &A<'p>, for_null: bool) -> Field {
        let types = default.types();
        let absent_is_false = match default {
            A::Const(Const::None | Const::Bool(false)) => true,
            A::Const(Const::Str(text)) => text.is_empty(),
            A::Const(Const::List(items) | Const::Tuple(items)) => items.is_empty(),
            A::Const(Const::Dict(dict)) => dict.entries.is_empty(),
            A::Items(items) => items.is_empty(),
            A::Entries(entries) => entries.is_empty(),
            _ => false,
        };
        let stand_in = match default {
            A::Const(Const::Str(text)) => self.stand_in(text, true),
            A::Starting(start) => self.stand_in(start, false),
            _ => None,
        };
        let on_null = if for_null { types } else { state::NULL };
        Field { on_absent: types, on_null, absent_is_false, stand_in, ..field }
    }

    fn stand_in(&mut self, text: &'p str, is_whole: bool) -> Option<u16> {
        self.stand_ins.push((text, is_whole));
        u16::try_from(self.stand_ins.len() - 1).ok()
    }

    pub(crate) fn hashable(&mut self, value: &A<'p>, facts: &Facts) -> Prove<()> {
        match value {
            A::Field(field) => self.require(*field, HASHABLE, facts),
            A::Const(Const::None | Const::Bool(_) | Const::Int(_) | Const::Float(_) | Const::Str(_)) => Ok(()),
            value if value.is_text() || matches!(value, A::Bool | A::Int) => Ok(()),
            _ => self.may_raise(()),
        }
    }

    // --- iteration ---

    /// The items of a value, if they are known and few; of a set only where the order does not matter.
    pub(crate) fn known_items(&self, value: &A<'p>, in_any_order: bool) -> Option<Vec<A<'p>>> {
        let items: Vec<A<'p>> = match value {
            A::Items(items) => items.to_vec(),
            A::Const(Const::List(items) | Const::Tuple(items)) => items.iter().map(A::Const).collect(),
            A::Const(Const::Dict(dict)) => dict.entries.iter().map(|(key, _)| A::Const(key)).collect(),
            A::Const(Const::Set(set)) if in_any_order => set.items.iter().map(A::Const).collect(),
            _ => return None,
        };
        (items.len() <= UNROLLED).then_some(items)
    }

    pub(crate) fn may_iterate(&mut self, value: &A<'p>, facts: &Facts) -> Prove<()> {
        match value {
            A::Const(Const::List(_) | Const::Tuple(_) | Const::Set(_) | Const::Dict(_) | Const::Str(_)) => Ok(()),
            A::Items(_) | A::Entries(_) | A::Texts | A::List | A::Pairs => Ok(()),
            A::Event | A::View | A::Object(_) | A::Subject | A::Folded { .. } | A::Text => Ok(()),
            A::Field(field) => self.require(*field, SIZED, facts),
            _ => self.may_raise(()),
        }
    }

    fn item_of(value: &A<'p>) -> A<'p> {
        match value {
            A::Texts | A::Text | A::Subject | A::Folded { .. } | A::Event | A::View | A::Object(_) => A::Text,
            A::Const(Const::Set(set)) if set.texts.len() == set.len() => A::Text,
            A::Pairs => A::Items(Rc::from([A::Text, A::Any])),
            _ => A::Any,
        }
    }

    fn comprehension(&mut self, env: &mut Env<'p>, comprehension: &'p Comprehension) -> Prove<A<'p>> {
        let outer = env.facts.clone();
        let mut found = Found { surely: false, maybe: false, items: Vec::new(), all_known: true };
        self.turns(env, comprehension, &comprehension.loops, true, &mut found)?;
        env.facts = outer;
        Ok(match comprehension.gather {
            Gather::Any | Gather::All => {
                let is_any = comprehension.gather == Gather::Any;
                if found.surely {
                    truth_value(is_any)
                } else if found.maybe {
                    A::Bool
                } else {
                    truth_value(!is_any)
                }
            }
            Gather::List | Gather::Tuple if found.all_known => A::Items(found.items.into()),
            Gather::List | Gather::Tuple => A::List,
            Gather::Set => {
                for item in &found.items {
                    self.hashable(item, &env.facts.clone())?;
                }
                A::Any
            }
            Gather::Next => match &comprehension.default {
                Some(default) => {
                    self.expr(env, default)?;
                    A::Any
                }
                None => self.may_raise(A::Any)?,
            },
        })
    }

    fn turns(
        &mut self,
        env: &mut Env<'p>,
        comprehension: &'p Comprehension,
        loops: &'p [Loop],
        certain: bool,
        found: &mut Found<'p>,
    ) -> Prove<()> {
        let [turn, rest @ ..] = loops else {
            let (value, branches) = self.both(env, &comprehension.element)?;
            let wanted = comprehension.gather != Gather::All;
            match branches.value {
                Some(truth) if truth == wanted => {
                    found.maybe = true;
                    found.surely |= certain;
                }
                Some(_) => {}
                None => found.maybe = true,
            }
            found.all_known &= certain;
            found.items.push(value);
            return Ok(());
        };
        let over = self.expr(env, &turn.over)?;
        let known = self.known_items(&over, true);
        let certain = certain && known.is_some();
        let items = match known {
            Some(items) => items,
            None => {
                self.may_iterate(&over, &env.facts.clone())?;
                found.all_known = false;
                vec![Self::item_of(&over)]
            }
        };
        for item in items {
            self.turn(env, comprehension, turn, rest, item, certain, found)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one turn of a loop, with all that surrounds it")]
    fn turn(
        &mut self,
        env: &mut Env<'p>,
        comprehension: &'p Comprehension,
        turn: &'p Loop,
        rest: &'p [Loop],
        item: A<'p>,
        certain: bool,
        found: &mut Found<'p>,
    ) -> Prove<()> {
        self.step()?;
        let outer = env.facts.clone();
        self.bind(env, &turn.targets, item)?;
        let mut certain = certain;
        for condition in &turn.conditions {
            let branches = self.condition(env, condition)?;
            match branches.value {
                Some(false) => {
                    env.facts = outer;
                    return Ok(());
                }
                Some(true) => {}
                None => {
                    certain = false;
                    found.all_known = false;
                }
            }
            env.facts = branches.when_true;
        }
        self.turns(env, comprehension, rest, certain, found)?;
        env.facts = outer;
        Ok(())
    }
}

struct Found<'p> {
    surely: bool,
    maybe: bool,
    items: Vec<A<'p>>,
    /// Every item is surely there.
    all_known: bool,
}

/// The texts of a constant text or collection; `None` if there is anything else. An affix may be a tuple only.
pub(crate) fn constant_texts<'p>(value: &A<'p>, as_affix: bool) -> Option<Vec<&'p str>> {
    let texts = |items: &'p [Const]| {
        let text = |item: &'p Const| match item {
            Const::Str(text) => Some(&**text),
            _ => None,
        };
        items.iter().map(text).collect::<Option<Vec<_>>>()
    };
    match value {
        A::Const(Const::Str(text)) => Some(vec![text]),
        A::Const(Const::Tuple(items)) => texts(items),
        A::Const(Const::List(items)) if !as_affix => texts(items),
        A::Const(Const::Set(set)) if !as_affix => Some(set.texts.iter().map(|text| &**text).collect()),
        A::Const(Const::Dict(dict)) if !as_affix => Some(dict.texts.keys().map(|text| &**text).collect()),
        A::Items(items) if !as_affix => items
            .iter()
            .map(|item| match item {
                A::Const(Const::Str(text)) => Some(&**text),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

pub(crate) fn open(facts: &Facts) -> Branches {
    Branches::new(None, facts.clone(), facts.clone())
}

fn join_into(into: &mut Option<Facts>, facts: Facts) {
    match into {
        Some(into) => into.join(&facts),
        None => *into = Some(facts),
    }
}

/// The types of which `isinstance` may find some in the classes.
fn types_in(mask: u16) -> u8 {
    let mut maybe = 0;
    for (bits, types) in [
        (class::STR | class::SEQUENCE | class::ITERABLE, state::TEXT),
        (class::MAPPING | class::DICT | class::ITERABLE, state::OBJECT),
        (class::LIST | class::TUPLE | class::SEQUENCE | class::ITERABLE, state::ARRAY),
        (class::INT | class::FLOAT, state::NUMBER),
        (class::BOOL | class::INT, state::BOOL),
        (class::NONE, state::NULL),
    ] {
        if mask & bits != 0 {
            maybe |= types;
        }
    }
    maybe
}

/// `isinstance`, and what is known on either side.
fn is_instance<'p>(value: &A<'p>, mask: u16, facts: &Facts) -> (A<'p>, Facts, Facts) {
    let (mut when_true, mut when_false) = (facts.clone(), facts.clone());
    let text = class::STR | class::SEQUENCE | class::ITERABLE;
    let answer = match value {
        value if value.is_text() => truth_value(mask & text != 0),
        A::Const(Const::None) => truth_value(mask & class::NONE != 0),
        A::Field(field) => {
            when_true.narrow(field.path, field.states_of(types_in(mask)));
            if mask & class::STR != 0 {
                when_false.narrow(field.path, state::ANY & !field.states_within(state::TEXT));
            }
            A::Bool
        }
        _ => A::Bool,
    };
    (answer, when_true, when_false)
}
