//! Proving that a rule returns `False`, for all events of which something is supposed.
//!
//! The rule is interpreted on abstract values. Where a branch is open both sides are followed. The proof fails as soon as
//! any way through the rule could return anything but `False`, raise, write a module global, or reach what is not
//! modelled. On the way it collects the tests on the subject that it took for false, and the types of other fields that
//! it took for granted (`subject::Guard`); both are checked on each event before the proof is used.

use ahash::AHashMap;

use crate::abstraction::{A, Field, NONE};
use crate::fault::Fault;
use crate::ir::{Const, Expr, FunctionId, Key, Model, Program, Slot, Stmt, Try};
use crate::subject::{Guard, Hypothesis, Path, Proof, Test, TestKind, state};
use crate::suppose::Branches;

/// Why a proof fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// Python might raise.
    MayRaise,
    /// Something else than `False` might be returned.
    NotFalse,
    /// Not modelled, or with an effect.
    Opaque,
    TooLong,
}

pub(crate) type Prove<T> = Result<T, Fail>;

/// Abstract steps of one proof.
const STEPS: u32 = 4_000;
const DEPTH: u32 = 12;

/// A path that a rule reads and the constants it meets there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Read {
    pub path: Vec<String>,
    pub texts: Vec<String>,
}

/// What is known of a rule.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    pub reads: Vec<Read>,
    /// Operations that Python must do, if they are reached.
    pub opaque: Vec<String>,
}

/// Locals, and what is known of the states of paths on this way through the rule.
#[derive(Clone, Debug)]
pub(crate) struct Env<'p> {
    pub(crate) locals: Vec<A<'p>>,
    pub(crate) facts: Facts,
}

/// States that paths can still be in; all, if not listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts(Vec<(usize, u8)>);

impl Facts {
    pub(crate) fn of(&self, path: usize) -> u8 {
        self.0.iter().find(|(known, _)| *known == path).map_or(state::ANY, |(_, states)| *states)
    }

    pub(crate) fn narrow(&mut self, path: usize, states: u8) {
        match self.0.iter_mut().find(|(known, _)| *known == path) {
            Some((_, known)) => *known &= states,
            None => self.0.push((path, states)),
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.0.retain_mut(|(path, states)| {
            *states |= other.of(*path);
            *states != state::ANY
        });
    }
}

impl<'p> Env<'p> {
    pub(crate) fn join(&mut self, other: Env<'p>) {
        self.facts.join(&other.facts);
        for (mine, theirs) in self.locals.iter_mut().zip(other.locals) {
            let own = std::mem::replace(mine, A::Unbound);
            *mine = own.join(theirs);
        }
    }
}

/// Where ways through a function go on.
#[derive(Default)]
struct Frame<'p> {
    /// What was returned so far.
    answer: Option<A<'p>>,
    /// The rule itself: only `False` may be returned.
    is_rule: bool,
    /// Ways that left the innermost loop, or its turn.
    broken: Vec<Env<'p>>,
    continued: Vec<Env<'p>>,
}

impl<'p> Frame<'p> {
    fn mark(&self) -> (Option<A<'p>>, usize, usize) {
        (self.answer.clone(), self.broken.len(), self.continued.len())
    }

    fn back_to(&mut self, (answer, broken, continued): (Option<A<'p>>, usize, usize)) {
        self.answer = answer;
        self.broken.truncate(broken);
        self.continued.truncate(continued);
    }
}

pub(crate) struct Prover<'p> {
    pub(crate) program: &'p Program,
    pub(crate) model: Option<&'p Model>,
    pub(crate) subject: &'p [Key],
    pub(crate) hypothesis: Hypothesis,
    /// Only look what is read: nothing fails.
    pub(crate) lenient: bool,
    pub(crate) paths: Vec<Path>,
    pub(crate) tests: Vec<Test>,
    pub(crate) guards: AHashMap<usize, u8>,
    /// Tests on the texts of guarded paths that are taken for false.
    pub(crate) guard_tests: Vec<(usize, Test)>,
    /// How texts start that stand in for fields; whether that is all of them.
    pub(crate) stand_ins: Vec<(&'p str, bool)>,
    /// Some way was closed by a guard.
    pub(crate) has_supposed: bool,
    /// Inside of a `try` that takes a `ValueError`, and the ways that led to one.
    pub(crate) is_catching: bool,
    pub(crate) raised: Vec<Env<'p>>,
    pub(crate) met: Vec<(usize, String)>,
    steps: u32,
    depth: u32,
}

/// Proves that the rule returns `False` under the hypothesis.
pub(crate) fn prove(
    program: &Program,
    model: Option<&Model>,
    rule: FunctionId,
    subject: &[Key],
    hypothesis: Hypothesis,
) -> Prove<Proof> {
    let mut prover = Prover::new(program, model, subject, hypothesis);
    prover.rule(rule)?;
    let Prover { tests, guards, guard_tests, paths, has_supposed, .. } = prover;
    let mut guards: Vec<(usize, u8)> = guards.into_iter().collect();
    guards.sort_unstable();
    let guard = |(path, allowed): (usize, u8)| {
        let tests = guard_tests.iter().filter(|(tested, _)| *tested == path).map(|(_, test)| test.clone());
        Guard { path: paths[path].clone(), allowed, tests: tests.collect() }
    };
    Ok(Proof { tests, guards: guards.into_iter().map(guard).collect(), has_supposed })
}

/// The paths that a rule reads, as far as that can be seen without an event.
pub(crate) fn paths_read(program: &Program, model: Option<&Model>, rule: FunctionId) -> Vec<(Path, Vec<String>)> {
    let mut prover = Prover::new(program, model, &[], Hypothesis::Nothing);
    prover.lenient = true;
    // It cannot fail but for its length; what was seen until then is good.
    let _ = prover.rule(rule);
    let mut met: Vec<Vec<String>> = vec![Vec::new(); prover.paths.len()];
    for (path, text) in prover.met {
        if !met[path].contains(&text) {
            met[path].push(text);
        }
    }
    prover.paths.into_iter().zip(met).collect()
}

/// What a rule reads, and what of it only Python can do.
#[must_use]
pub fn explain(program: &Program, log_type: &str, rule: FunctionId) -> Explanation {
    let reads = paths_read(program, program.models.get(log_type), rule)
        .into_iter()
        .map(|(path, texts)| Read { path: path.keys.iter().map(|key| key.text.to_string()).collect(), texts });
    let mut opaque: Vec<String> = Vec::new();
    let mut open = vec![rule];
    let mut seen = vec![rule];
    while let Some(function) = open.pop() {
        let Some(function) = program.functions.get(function as usize) else { continue };
        crate::walk::each(&function.body, &mut |expr| match expr {
            Expr::Opaque(reason) => opaque.extend(program.reasons.get(*reason as usize).cloned()),
            Expr::Call(called, _) if !seen.contains(called) => {
                seen.push(*called);
                open.push(*called);
            }
            _ => {}
        });
        crate::walk::each_opaque(&function.body, &mut |reason| {
            opaque.extend(program.reasons.get(reason as usize).cloned());
        });
    }
    opaque.sort_unstable();
    opaque.dedup();
    Explanation { reads: reads.collect(), opaque }
}

impl<'p> Prover<'p> {
    fn new(program: &'p Program, model: Option<&'p Model>, subject: &'p [Key], hypothesis: Hypothesis) -> Self {
        Self {
            program,
            model,
            subject,
            hypothesis,
            lenient: false,
            paths: Vec::new(),
            tests: Vec::new(),
            guards: AHashMap::new(),
            guard_tests: Vec::new(),
            stand_ins: Vec::new(),
            has_supposed: false,
            is_catching: false,
            raised: Vec::new(),
            met: Vec::new(),
            steps: STEPS,
            depth: 0,
        }
    }

    fn rule(&mut self, rule: FunctionId) -> Prove<()> {
        let facts = Facts::default();
        self.function(rule, &[A::Event], facts, true).map(drop)
    }

    pub(crate) fn step(&mut self) -> Prove<()> {
        self.steps = self.steps.checked_sub(1).ok_or(Fail::TooLong)?;
        Ok(())
    }

    /// What may raise: the proof fails, or, when only looking, goes on.
    pub(crate) fn may_raise<T>(&self, otherwise: T) -> Prove<T> {
        if self.lenient || Fault::ExceptionsForgotten.is_on() { Ok(otherwise) } else { Err(Fail::MayRaise) }
    }

    pub(crate) fn opaque<T>(&self, otherwise: T) -> Prove<T> {
        if self.lenient { Ok(otherwise) } else { Err(Fail::Opaque) }
    }

    pub(crate) fn call(&mut self, function: FunctionId, arguments: &[A<'p>], facts: &Facts) -> Prove<A<'p>> {
        self.function(function, arguments, facts.clone(), false)
    }

    fn function(&mut self, function: FunctionId, arguments: &[A<'p>], facts: Facts, is_rule: bool) -> Prove<A<'p>> {
        self.step()?;
        let program = self.program;
        let Some(code) = program.functions.get(function as usize) else { return self.opaque(A::Any) };
        if self.depth == DEPTH || arguments.len() != code.params as usize {
            return self.opaque(A::Any);
        }
        let mut locals = vec![A::Unbound; code.slots as usize];
        locals[..arguments.len()].clone_from_slice(arguments);
        let mut frame = Frame { is_rule, ..Frame::default() };
        let outside = (std::mem::take(&mut self.is_catching), std::mem::take(&mut self.raised));
        self.depth += 1;
        let end = self.block(&mut frame, Env { locals, facts }, &code.body);
        self.depth -= 1;
        (self.is_catching, self.raised) = outside;
        if end?.is_some() {
            self.answer(&mut frame, A::Const(&NONE))?;
        }
        Ok(frame.answer.unwrap_or(A::Any))
    }

    fn answer(&mut self, frame: &mut Frame<'p>, value: A<'p>) -> Prove<()> {
        if frame.is_rule && !self.lenient {
            let is_false = match value {
                A::Const(Const::Bool(false)) => true,
                A::Const(Const::None) => Fault::FalsyForgotten.is_on(),
                _ => false,
            };
            return if is_false { Ok(()) } else { Err(Fail::NotFalse) };
        }
        frame.answer = Some(match frame.answer.take() {
            Some(earlier) => earlier.join(value),
            None => value,
        });
        Ok(())
    }

    /// Runs a block; `None` when no way leads out of its end.
    fn block(&mut self, frame: &mut Frame<'p>, mut env: Env<'p>, block: &'p [Stmt]) -> Prove<Option<Env<'p>>> {
        for stmt in block {
            self.step()?;
            match stmt {
                Stmt::Return(value) => {
                    let value = self.expr(&mut env, value)?;
                    self.answer(frame, value)?;
                    return Ok(None);
                }
                Stmt::If(branches) => match self.branches(frame, env, branches)? {
                    Some(next) => env = next,
                    None => return Ok(None),
                },
                Stmt::Set(slot, value) => {
                    let value = self.expr(&mut env, value)?;
                    env.locals[*slot as usize] = value;
                }
                Stmt::SetGlobal(_, slot, value) => {
                    let value = self.expr(&mut env, value)?;
                    env.locals[*slot as usize] = value;
                    self.opaque(())?;
                }
                Stmt::Unpack(targets, value) => {
                    let value = self.expr(&mut env, value)?;
                    self.bind(&mut env, targets, value)?;
                }
                Stmt::Expr(value) => drop(self.expr(&mut env, value)?),
                Stmt::For(targets, over, body, otherwise) => {
                    match self.for_loop(frame, env, (targets, over, body, otherwise))? {
                        Some(next) => env = next,
                        None => return Ok(None),
                    }
                }
                Stmt::Break => {
                    frame.broken.push(env);
                    return Ok(None);
                }
                Stmt::Continue => {
                    frame.continued.push(env);
                    return Ok(None);
                }
                Stmt::Try(parts) => match self.attempt(frame, env, parts)? {
                    Some(next) => env = next,
                    None => return Ok(None),
                },
                Stmt::Opaque(_) => {
                    self.opaque(())?;
                    // Only looking: anything may have been assigned.
                    env.locals.iter_mut().for_each(|local| *local = A::Any);
                }
            }
        }
        Ok(Some(env))
    }

    /// A `try`: the handler is followed from wherever its exception may be raised.
    fn attempt(&mut self, frame: &mut Frame<'p>, env: Env<'p>, parts: &'p Try) -> Prove<Option<Env<'p>>> {
        let Try { body, otherwise, on_value_error } = parts;
        let before = self.lenient.then(|| env.clone());
        let outside = (self.is_catching, std::mem::take(&mut self.raised));
        self.is_catching = on_value_error.is_some();
        let end = self.block(frame, env, body);
        self.is_catching = outside.0;
        let raised = std::mem::replace(&mut self.raised, outside.1);
        let mut out = match end? {
            Some(end) => self.block(frame, end, otherwise)?,
            None => None,
        };
        let Some(handler) = on_value_error else { return Ok(out) };
        let caught = raised.into_iter().chain(before).reduce(|mut all, one| {
            all.join(one);
            all
        });
        if let Some(caught) = caught
            && let Some(end) = self.block(frame, caught, handler)?
        {
            match &mut out {
                Some(out) => out.join(end),
                None => out = Some(end),
            }
        }
        Ok(out)
    }

    fn branches(
        &mut self,
        frame: &mut Frame<'p>,
        mut env: Env<'p>,
        branches: &'p [(Option<Expr>, Box<[Stmt]>)],
    ) -> Prove<Option<Env<'p>>> {
        let mut out: Option<Env<'p>> = None;
        let mut put = |end: Option<Env<'p>>| match (&mut out, end) {
            (Some(out), Some(end)) => out.join(end),
            (out @ None, end) => *out = end,
            (Some(_), None) => {}
        };
        for (test, body) in branches {
            let Some(test) = test else {
                put(self.block(frame, env, body)?);
                return Ok(out);
            };
            let Branches { value, when_true, when_false, fails_if, .. } = self.condition(&mut env, test)?;
            let mut fail = None;
            if value != Some(false) {
                let taken = Env { locals: env.locals.clone(), facts: when_true };
                let mark = (self.mark(), frame.mark());
                match self.block(frame, taken, body) {
                    Ok(end) => put(end),
                    Err(other) if value.is_some() || other == Fail::TooLong || self.lenient => return Err(other),
                    Err(other) => {
                        self.back_to(&mark.0);
                        frame.back_to(mark.1);
                        fail = Some(other);
                    }
                }
            }
            if value == Some(true) {
                return Ok(out);
            }
            env.facts = when_false;
            if let Some(fail) = fail {
                self.suppose(fails_if.as_deref().ok_or(fail)?, &mut env.facts, fail)?;
            }
        }
        put(Some(env));
        Ok(out)
    }

    fn for_loop(
        &mut self,
        frame: &mut Frame<'p>,
        mut env: Env<'p>,
        (targets, over, body, otherwise): (&'p [Slot], &'p Expr, &'p [Stmt], &'p [Stmt]),
    ) -> Prove<Option<Env<'p>>> {
        let over = self.expr(&mut env, over)?;
        let outer = (std::mem::take(&mut frame.broken), std::mem::take(&mut frame.continued));
        let end = match self.known_items(&over, false) {
            Some(items) => self.unrolled(frame, env, targets, &items, body)?,
            None => {
                self.may_iterate(&over, &env.facts)?;
                // What the body assigns may have been assigned by an earlier turn.
                crate::walk::assigned(body, &mut |slot| env.locals[slot as usize] = A::Any);
                targets.iter().for_each(|slot| env.locals[*slot as usize] = A::Any);
                if targets.len() > 1 {
                    self.may_raise(())?;
                }
                let before = env.clone();
                self.block(frame, env, body)?;
                frame.broken.iter_mut().for_each(|end| end.locals.clone_from(&before.locals));
                Some(before)
            }
        };
        let broken = std::mem::replace(&mut frame.broken, outer.0);
        frame.continued = outer.1;
        let mut out = match end {
            Some(end) => self.block(frame, end, otherwise)?,
            None => None,
        };
        for end in broken {
            match &mut out {
                Some(out) => out.join(end),
                None => out = Some(end),
            }
        }
        Ok(out)
    }

    /// A loop over known items, turn by turn.
    fn unrolled(
        &mut self,
        frame: &mut Frame<'p>,
        env: Env<'p>,
        targets: &'p [Slot],
        items: &[A<'p>],
        body: &'p [Stmt],
    ) -> Prove<Option<Env<'p>>> {
        let mut here = Some(env);
        for item in items {
            let Some(mut env) = here else { break };
            self.bind(&mut env, targets, item.clone())?;
            here = self.block(frame, env, body)?;
            for end in std::mem::take(&mut frame.continued) {
                match &mut here {
                    Some(here) => here.join(end),
                    None => here = Some(end),
                }
            }
        }
        Ok(here)
    }

    pub(crate) fn bind(&mut self, env: &mut Env<'p>, targets: &[Slot], value: A<'p>) -> Prove<()> {
        if let [slot] = targets {
            env.locals[*slot as usize] = value;
            return Ok(());
        }
        let items = match self.known_items(&value, false) {
            Some(items) if items.len() == targets.len() => items,
            _ => {
                self.may_raise(())?;
                vec![A::Any; targets.len()]
            }
        };
        for (slot, item) in targets.iter().zip(items) {
            env.locals[*slot as usize] = item;
        }
        Ok(())
    }

    /// The number of a path.
    pub(crate) fn path(&mut self, path: Path) -> usize {
        if let Some(known) = self.paths.iter().position(|known| *known == path) {
            return known;
        }
        self.paths.push(path);
        self.paths.len() - 1
    }

    /// Takes for granted that a field's value is of one of these types.
    pub(crate) fn require(&mut self, field: Field, types: u8, facts: &Facts) -> Prove<()> {
        let possible = facts.of(field.path);
        let good = field.states_within(types);
        if possible & !good == 0 {
            return Ok(());
        }
        if possible & good == 0 {
            return self.may_raise(());
        }
        if !self.lenient && !Fault::ExceptionsForgotten.is_on() {
            *self.guards.entry(field.path).or_insert(state::ANY) &= !(possible & !good);
            if self.guards[&field.path] == 0 {
                return Err(Fail::MayRaise);
            }
        }
        Ok(())
    }

    /// Takes the test on the subject for false.
    pub(crate) fn deny(&mut self, kind: TestKind, folded: bool, text: &str) {
        let test = Test { kind, folded, text: text.into() };
        if !self.tests.contains(&test) {
            self.tests.push(test);
        }
    }
}
