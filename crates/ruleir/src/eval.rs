//! Evaluating compiled rules on events.
//!
//! The evaluation is speculative: it runs the rule as Python would, and at the first thing that is not modelled exactly, or
//! that would raise, it gives up and Python is asked from the start. That is legal because nothing that is evaluated
//! here has an effect; writes of module globals are collected and made when the answer stands.
//!
//! Nothing is freed one by one: what an evaluation makes lies in an arena that is emptied with the next event. What
//! helpers answer about the event is kept for the other rules of the same event.

use bumpalo::Bump;
use uncia_document::Value;

use crate::event::Event;
use crate::ir::{
    Comparison, Comprehension, Const, Display, Expr, FunctionId, Gather, Loop, Model, Program, Slot, Stmt,
};
use crate::standard;
use crate::value::{Dress, Eval, Stop, V, contains, equal, item, length, of_const, of_event, order, same};

/// Steps that one rule may take on one event.
const FUEL: u32 = 20_000;
/// Calls that may be nested.
const DEPTH: u32 = 32;

/// What a rule says of an event, as far as that can be known without Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    False,
    /// Python's `rule()` is called now: it says the same, and leaves its module as `title()` expects it.
    True,
    Fallback(Stop),
}

/// A scalar argument of a foreign function, or the value of a module global to be written.
#[derive(Clone, Copy, Debug)]
pub enum Plain<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a str),
    /// An object or array of the event, as rules see it.
    View(Value),
    /// A container, made anew: content may change it.
    Fresh(&'a Const),
}

/// Functions of the standard library, called where Python is.
pub trait Foreign {
    /// Truth of the result and whether it is `None`; nothing if it raised.
    fn call(&mut self, function: u32, arguments: &[Plain<'_>]) -> Option<(bool, bool)>;
}

/// No foreign functions: those that call one fall back.
pub struct NoForeign;

impl Foreign for NoForeign {
    fn call(&mut self, _: u32, _: &[Plain<'_>]) -> Option<(bool, bool)> {
        None
    }
}

/// What evaluations need besides the program: one for each thread that judges.
#[derive(Default)]
pub struct Arena(Bump);

impl Arena {
    /// Forgets what earlier events left.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

/// Evaluates rules on one event.
pub struct Evaluator<'a> {
    program: &'a Program,
    pub(crate) model: Option<&'a Model>,
    pub(crate) event: Event<'a>,
    pub(crate) bump: &'a Bump,
    /// Answers of functions to the event alone, by function: dressed as event, and as view.
    memo: &'a mut [[Option<Eval<V<'a>>>; 2]],
    effects: Vec<(u32, V<'a>)>,
    foreign: &'a mut dyn Foreign,
    fuel: u32,
    depth: u32,
}

enum Flow<'a> {
    Next,
    Return(V<'a>),
    Break,
    Continue,
}

pub(crate) type Locals<'a> = [V<'a>];

impl<'a> Evaluator<'a> {
    #[must_use]
    pub fn new(
        program: &'a Program,
        log_type: &str,
        event: Event<'a>,
        arena: &'a Arena,
        foreign: &'a mut dyn Foreign,
    ) -> Self {
        let model = program.models.get(log_type);
        let memo = arena.0.alloc_slice_fill_copy(program.functions.len(), [None; 2]);
        Self { program, model, event, bump: &arena.0, memo, effects: Vec::new(), foreign, fuel: 0, depth: 0 }
    }

    /// Runs a rule on the event.
    pub fn judge(&mut self, function: FunctionId) -> Verdict {
        self.fuel = FUEL;
        self.depth = 0;
        self.effects.clear();
        let event = V::Object(self.event.root, Dress::Event);
        match self.call(function, &[event]) {
            Ok(V::Bool(false)) => Verdict::False,
            Ok(V::Bool(true)) => Verdict::True,
            Ok(_) => Verdict::Fallback(Stop::Raises),
            Err(stop) => Verdict::Fallback(stop),
        }
    }

    /// The module globals that the last rule wrote, by number; to be written if it said `False`.
    pub fn effects(&self) -> impl Iterator<Item = (u32, Plain<'a>)> {
        self.effects.iter().filter_map(|&(global, value)| Some((global, plain(value).ok()?)))
    }

    pub(crate) fn call(&mut self, function: FunctionId, arguments: &[V<'a>]) -> Eval<V<'a>> {
        let program = self.program;
        let code = program.functions.get(function as usize).ok_or(Stop::Unmodelled)?;
        let about_event = match arguments {
            [V::Object(value, Dress::Event)] if *value == self.event.root => Some(0),
            [V::Object(value, Dress::View)] if *value == self.event.root => Some(1),
            _ => None,
        }
        .filter(|_| !code.writes);
        if let Some(dress) = about_event
            && let Some(known) = self.memo[function as usize][dress]
        {
            return known;
        }
        if self.depth == DEPTH || arguments.len() != code.params as usize {
            return Err(Stop::Fuel);
        }
        let locals = self.bump.alloc_slice_fill_copy(code.slots as usize, V::Unbound);
        locals[..arguments.len()].copy_from_slice(arguments);
        self.depth += 1;
        let answer = self.block(locals, &code.body).map(|flow| match flow {
            Flow::Return(value) => value,
            _ => V::None,
        });
        self.depth -= 1;
        if let Some(dress) = about_event {
            self.memo[function as usize][dress] = Some(answer);
        }
        answer
    }

    pub(crate) fn burn(&mut self) -> Eval<()> {
        self.fuel = self.fuel.checked_sub(1).ok_or(Stop::Fuel)?;
        Ok(())
    }

    fn block(&mut self, locals: &mut Locals<'a>, block: &'a [Stmt]) -> Eval<Flow<'a>> {
        for stmt in block {
            match stmt {
                Stmt::Return(value) => return Ok(Flow::Return(self.expr(locals, value)?)),
                Stmt::If(branches) => {
                    for (test, body) in branches {
                        let holds = match test {
                            Some(test) => self.truth(locals, test)?,
                            None => true,
                        };
                        if holds {
                            match self.block(locals, body)? {
                                Flow::Next => break,
                                other => return Ok(other),
                            }
                        }
                    }
                }
                Stmt::Set(slot, value) => locals[*slot as usize] = self.expr(locals, value)?,
                Stmt::SetGlobal(global, slot, value) => {
                    let is_display = matches!(value, Expr::Const(_));
                    let value = self.expr(locals, value)?;
                    // A container that has another name could be changed under either.
                    if matches!(plain(value)?, Plain::Fresh(_)) && !is_display {
                        return Err(Stop::Unmodelled);
                    }
                    self.effects.push((*global, value));
                    locals[*slot as usize] = value;
                }
                Stmt::Unpack(targets, value) => {
                    let value = self.expr(locals, value)?;
                    self.unpack(locals, targets, value)?;
                }
                Stmt::Expr(value) => drop(self.expr(locals, value)?),
                Stmt::For(targets, over, body, otherwise) => {
                    let over = self.expr(locals, over)?;
                    let mut broken = false;
                    let count = self.iterations(over)?;
                    for place in 0..count {
                        self.burn()?;
                        let value = self.nth(over, place)?;
                        self.bind(locals, targets, value)?;
                        match self.block(locals, body)? {
                            Flow::Next | Flow::Continue => {}
                            Flow::Break => {
                                broken = true;
                                break;
                            }
                            done => return Ok(done),
                        }
                    }
                    if !broken {
                        match self.block(locals, otherwise)? {
                            Flow::Next => {}
                            other => return Ok(other),
                        }
                    }
                }
                Stmt::Break => return Ok(Flow::Break),
                Stmt::Continue => return Ok(Flow::Continue),
                Stmt::Try(parts) => {
                    let flow = match (self.block(locals, &parts.body), &parts.on_value_error) {
                        (Err(Stop::ValueError), Some(handler)) => self.block(locals, handler)?,
                        (Ok(Flow::Next), _) => self.block(locals, &parts.otherwise)?,
                        (done, _) => done?,
                    };
                    if !matches!(flow, Flow::Next) {
                        return Ok(flow);
                    }
                }
                Stmt::Opaque(reason) => return Err(Stop::Opaque(*reason)),
            }
        }
        Ok(Flow::Next)
    }

    pub(crate) fn bind(&mut self, locals: &mut Locals<'a>, targets: &[Slot], value: V<'a>) -> Eval<()> {
        match targets {
            [slot] => locals[*slot as usize] = value,
            _ => self.unpack(locals, targets, value)?,
        }
        Ok(())
    }

    fn unpack(&mut self, locals: &mut Locals<'a>, targets: &[Slot], value: V<'a>) -> Eval<()> {
        if self.iterations(value)? != targets.len() {
            return Err(Stop::Raises);
        }
        for (place, slot) in targets.iter().enumerate() {
            locals[*slot as usize] = self.nth(value, place)?;
        }
        Ok(())
    }

    /// How often a loop over the value runs. A set of several has no order that we know.
    fn iterations(&self, value: V<'a>) -> Eval<usize> {
        match value {
            V::Set(items) if items.len() > 1 => Err(Stop::Unmodelled),
            V::Const(Const::Set(set)) if set.len() > 1 => Err(Stop::Unmodelled),
            V::Str(_) => Err(Stop::Unmodelled),
            other => length(&self.event, other),
        }
    }

    /// What a loop over the value sees.
    fn nth(&self, value: V<'a>, place: usize) -> Eval<V<'a>> {
        match value {
            V::Object(object, _) => {
                let member = self.event.document.members(object)[place];
                Ok(V::Str(self.event.document.key(member.key)))
            }
            V::Const(Const::Dict(dict)) => Ok(of_const(&dict.entries[place].0)),
            V::Const(Const::Set(set)) => set.items.get(place).map(of_const).ok_or(Stop::Unmodelled),
            V::Dict(entries) => Ok(entries[place].0),
            V::Set(items) => Ok(items[place]),
            other => item(&self.event, other, place),
        }
    }

    pub(crate) fn truth(&mut self, locals: &mut Locals<'a>, expr: &'a Expr) -> Eval<bool> {
        let value = self.expr(locals, expr)?;
        Ok(value.truth(&self.event))
    }

    pub(crate) fn exprs(&mut self, locals: &mut Locals<'a>, exprs: &'a [Expr]) -> Eval<&'a [V<'a>]> {
        let values = self.bump.alloc_slice_fill_copy(exprs.len(), V::Unbound);
        for (place, expr) in exprs.iter().enumerate() {
            values[place] = self.expr(locals, expr)?;
        }
        Ok(values)
    }

    pub(crate) fn expr(&mut self, locals: &mut Locals<'a>, expr: &'a Expr) -> Eval<V<'a>> {
        Ok(match expr {
            Expr::Const(id) => of_const(&self.program.consts[*id as usize]),
            Expr::Local(slot) => match locals[*slot as usize] {
                V::Unbound => return Err(Stop::Raises),
                value => value,
            },
            Expr::And(operands) | Expr::Or(operands) => {
                let goes_on = matches!(expr, Expr::And(_));
                let mut value = V::None;
                for operand in operands {
                    value = self.expr(locals, operand)?;
                    if value.truth(&self.event) != goes_on {
                        break;
                    }
                }
                value
            }
            Expr::Not(operand) => V::Bool(!self.truth(locals, operand)?),
            Expr::Neg(operand) => match self.expr(locals, operand)? {
                V::Int(value) => V::Int(value.checked_neg().ok_or(Stop::Unmodelled)?),
                V::Float(value) => V::Float(-value),
                _ => return Err(Stop::Unmodelled),
            },
            Expr::If(parts) => {
                let [test, then, otherwise] = &**parts;
                let chosen = if self.truth(locals, test)? { then } else { otherwise };
                self.expr(locals, chosen)?
            }
            Expr::Compare(left, rest) => self.compare(locals, left, rest)?,
            Expr::Get(lookup) => self.get(locals, lookup)?,
            Expr::DeepGet(lookup) => {
                let object = self.expr(locals, &lookup.object)?;
                if !matches!(object, V::Object(_, Dress::Event | Dress::View)) {
                    return Err(Stop::Unmodelled);
                }
                self.deep_get(locals, object, lookup)?
            }
            Expr::DeepGetFunction(lookup) => {
                let object = self.expr(locals, &lookup.object)?;
                self.deep_get_function(locals, object, lookup)?
            }
            Expr::Udm(lookup) => self.udm(locals, lookup)?,
            Expr::DeepWalk(lookup, choice) => self.deep_walk(locals, lookup, *choice)?,
            Expr::Index(lookup) => {
                let object = self.expr(locals, &lookup.object)?;
                if let (V::Object(object, dress @ (Dress::Event | Dress::View)), Some([key])) =
                    (object, lookup.fixed.as_deref())
                {
                    let value = self.event.member(object, key).ok_or(Stop::Raises)?;
                    return of_event(&self.event, value, dress);
                }
                let [key] = &*lookup.keys else { return Err(Stop::Unmodelled) };
                let key = self.expr(locals, key)?;
                self.index(object, key)?
            }
            Expr::Slice(object, from, to) => {
                let object = self.expr(locals, object)?;
                self.slice(object, *from, *to)?
            }
            Expr::Method(method, object, arguments) => {
                let object = self.expr(locals, object)?;
                let arguments = self.exprs(locals, arguments)?;
                self.method(*method, object, arguments)?
            }
            Expr::Comprehension(comprehension) => self.comprehension(locals, comprehension)?,
            Expr::Builtin(builtin, argument) => {
                let argument = self.expr(locals, argument)?;
                self.builtin(*builtin, argument)?
            }
            Expr::IsInstance(value, mask) => V::Bool(self.expr(locals, value)?.classes()? & mask != 0),
            Expr::Display(kind, items) => {
                let items = self.exprs(locals, items)?;
                match kind {
                    Display::List => V::List(items),
                    Display::Tuple => V::Tuple(items),
                    Display::Set => self.set_of(items)?,
                }
            }
            Expr::DictDisplay(pairs) => {
                let entries = self.bump.alloc_slice_fill_copy(pairs.len(), (V::Unbound, V::Unbound));
                for (place, (key, value)) in pairs.iter().enumerate() {
                    entries[place] = (self.expr(locals, key)?, self.expr(locals, value)?);
                    entries[place].0.hashable()?;
                    for earlier in 0..place {
                        if equal(&self.event, entries[earlier].0, entries[place].0)? {
                            return Err(Stop::Unmodelled);
                        }
                    }
                }
                V::Dict(entries)
            }
            Expr::Call(function, arguments) => {
                let mut few = [V::Unbound; 4];
                if arguments.len() <= few.len() {
                    for (place, argument) in arguments.iter().enumerate() {
                        few[place] = self.expr(locals, argument)?;
                    }
                    self.call(*function, &few[..arguments.len()])?
                } else {
                    let arguments = self.exprs(locals, arguments)?;
                    self.call(*function, arguments)?
                }
            }
            Expr::Walrus(slot, value) => {
                let value = self.expr(locals, value)?;
                locals[*slot as usize] = value;
                value
            }
            Expr::Format(parts) => {
                let mut text = bumpalo::collections::String::new_in(self.bump);
                for part in parts {
                    let value = self.expr(locals, part)?;
                    self.write(&mut text, value)?;
                }
                V::Str(text.into_bump_str())
            }
            Expr::Binary(operation, operands) => {
                let (left, right) = (self.expr(locals, &operands[0])?, self.expr(locals, &operands[1])?);
                self.binary(*operation, left, right)?
            }
            Expr::View(view, object) => {
                let object = self.expr(locals, object)?;
                self.view(*view, object)?
            }
            Expr::ToDict(object) => match self.expr(locals, object)? {
                V::Object(value, Dress::Event | Dress::View) => V::Object(value, Dress::Plain),
                _ => return Err(Stop::Unmodelled),
            },
            Expr::Foreign(function, arguments) => {
                let arguments = self.exprs(locals, arguments)?;
                let kind = self.program.foreign.get(*function as usize).copied().ok_or(Stop::Unmodelled)?;
                if let Some(answer) = standard::call(kind, arguments) {
                    return answer;
                }
                let mut scalars = bumpalo::collections::Vec::with_capacity_in(arguments.len(), self.bump);
                for argument in arguments {
                    match plain(*argument)? {
                        Plain::View(_) | Plain::Fresh(_) => return Err(Stop::Unmodelled),
                        scalar => scalars.push(scalar),
                    }
                }
                let (truth, is_none) = self.foreign.call(*function, &scalars).ok_or(Stop::Raises)?;
                V::Foreign { truth, is_none }
            }
            Expr::Opaque(reason) => return Err(Stop::Opaque(*reason)),
        })
    }

    fn compare(&mut self, locals: &mut Locals<'a>, left: &'a Expr, rest: &'a [(Comparison, Expr)]) -> Eval<V<'a>> {
        let mut left = self.expr(locals, left)?;
        for (comparison, right) in rest {
            let right = self.expr(locals, right)?;
            let event = &self.event;
            let holds = match comparison {
                Comparison::Eq => equal(event, left, right)?,
                Comparison::Ne => !equal(event, left, right)?,
                Comparison::In => contains(event, right, left)?,
                Comparison::NotIn => !contains(event, right, left)?,
                Comparison::Is => same(left, right)?,
                Comparison::IsNot => !same(left, right)?,
                Comparison::Lt => order(left, right)?.is_lt(),
                Comparison::Le => order(left, right)?.is_le(),
                Comparison::Gt => order(left, right)?.is_gt(),
                Comparison::Ge => order(left, right)?.is_ge(),
            };
            if !holds {
                return Ok(V::Bool(false));
            }
            left = right;
        }
        Ok(V::Bool(true))
    }

    fn comprehension(&mut self, locals: &mut Locals<'a>, comprehension: &'a Comprehension) -> Eval<V<'a>> {
        let mut out = bumpalo::collections::Vec::new_in(self.bump);
        let found = self.run(locals, comprehension, &comprehension.loops, &mut out)?;
        let items = out.into_bump_slice();
        Ok(match comprehension.gather {
            Gather::Any => V::Bool(found),
            Gather::All => V::Bool(!found),
            Gather::List => V::List(items),
            Gather::Tuple => V::Tuple(items),
            Gather::Set => self.set_of(items)?,
            Gather::Next => match (items, &comprehension.default) {
                ([first, ..], _) => *first,
                ([], Some(default)) => self.expr(locals, default)?,
                ([], None) => return Err(Stop::Raises),
            },
        })
    }

    /// Runs the loops of a comprehension until the answer is found. `any` and `all` over a set see all of it, in whatever
    /// order: if nothing raises for any member, the order does not matter.
    fn run(
        &mut self,
        locals: &mut Locals<'a>,
        comprehension: &'a Comprehension,
        loops: &'a [Loop],
        out: &mut bumpalo::collections::Vec<'a, V<'a>>,
    ) -> Eval<bool> {
        let [Loop { targets, over, conditions }, rest @ ..] = loops else {
            let value = self.expr(locals, &comprehension.element)?;
            return Ok(match comprehension.gather {
                Gather::Any => value.truth(&self.event),
                Gather::All => !value.truth(&self.event),
                gather => {
                    out.push(value);
                    gather == Gather::Next
                }
            });
        };
        let over = self.expr(locals, over)?;
        let is_set = matches!(over, V::Set(_) | V::Const(Const::Set(_)));
        let has_no_order = matches!(comprehension.gather, Gather::Any | Gather::All | Gather::Set);
        let count = if is_set && has_no_order { length(&self.event, over)? } else { self.iterations(over)? };
        let mut found = false;
        'items: for place in 0..count {
            self.burn()?;
            let value = self.nth(over, place)?;
            self.bind(locals, targets, value)?;
            for condition in conditions {
                if !self.truth(locals, condition)? {
                    continue 'items;
                }
            }
            found |= self.run(locals, comprehension, rest, out)?;
            if found && !is_set {
                break;
            }
        }
        Ok(found)
    }

    fn index(&mut self, object: V<'a>, key: V<'a>) -> Eval<V<'a>> {
        match (object, key) {
            (V::Object(..) | V::Const(Const::Dict(_)) | V::Dict(_), key) => {
                self.lookup(object, key)?.ok_or(Stop::Raises)
            }
            (V::Array(..) | V::List(_) | V::Tuple(_) | V::Const(Const::List(_) | Const::Tuple(_)), V::Int(at)) => {
                let count = length(&self.event, object)? as i64;
                let at = if at < 0 { at + count } else { at };
                if (0..count).contains(&at) { item(&self.event, object, at as usize) } else { Err(Stop::Raises) }
            }
            (V::Str(text), V::Int(at)) if text.is_ascii() => {
                let at = if at < 0 { at + text.len() as i64 } else { at };
                let at = usize::try_from(at).map_err(|_| Stop::Raises)?;
                text.get(at..=at).map(V::Str).ok_or(Stop::Raises)
            }
            _ => Err(Stop::Unmodelled),
        }
    }

    fn slice(&mut self, object: V<'a>, from: Option<i64>, to: Option<i64>) -> Eval<V<'a>> {
        let count = length(&self.event, object)?;
        let clamp = |bound: i64| {
            let bound = if bound < 0 { bound + count as i64 } else { bound };
            bound.clamp(0, count as i64) as usize
        };
        let (from, to) = (from.map_or(0, clamp), to.map_or(count, clamp));
        let to = to.max(from);
        match object {
            V::Str(text) if text.is_ascii() => Ok(V::Str(&text[from..to])),
            V::List(items) => Ok(V::List(&items[from..to])),
            V::Tuple(items) => Ok(V::Tuple(&items[from..to])),
            V::Array(_, dress) => {
                let mut items = bumpalo::collections::Vec::with_capacity_in(to - from, self.bump);
                for place in from..to {
                    // A view's slice is a tuple of plain values, a list's is a list.
                    let inner = self.event.document.items(self.array(object))[place];
                    items.push(of_event(&self.event, inner, Dress::Plain)?);
                }
                let items = items.into_bump_slice();
                Ok(if dress == Dress::Plain { V::List(items) } else { V::Tuple(items) })
            }
            _ => Err(Stop::Unmodelled),
        }
    }

    pub(crate) fn array(&self, value: V<'a>) -> Value {
        match value {
            V::Array(value, _) => value,
            _ => Value::Null,
        }
    }

    pub(crate) fn event(&self) -> &Event<'a> {
        &self.event
    }

    pub(crate) fn bump(&self) -> &'a Bump {
        self.bump
    }

    pub(crate) fn values(&mut self, over: V<'a>) -> Eval<&'a [V<'a>]> {
        let count = self.iterations(over)?;
        let mut items = bumpalo::collections::Vec::with_capacity_in(count, self.bump);
        for place in 0..count {
            self.burn()?;
            items.push(self.nth(over, place)?);
        }
        Ok(items.into_bump_slice())
    }
}

/// A value that can leave the evaluation.
fn plain(value: V<'_>) -> Eval<Plain<'_>> {
    Ok(match value {
        V::None => Plain::None,
        V::Bool(value) => Plain::Bool(value),
        V::Int(value) => Plain::Int(value),
        V::Float(value) => Plain::Float(value),
        V::Str(text) => Plain::Str(text),
        V::Object(value, Dress::View) | V::Array(value, Dress::View) => Plain::View(value),
        // A set may be a frozen one.
        V::Const(container @ (Const::List(_) | Const::Tuple(_) | Const::Dict(_))) if !container.has_callable() => {
            Plain::Fresh(container)
        }
        _ => return Err(Stop::Unmodelled),
    })
}
