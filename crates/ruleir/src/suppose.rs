//! Suppositions about other fields than the subject: a way through the rule that cannot be proved is closed by a guard.
//!
//! Where one side of a branch raises, is opaque or does not return `False`, the proof goes on with the other side alone,
//! if tests on a field's value keep events from the first; they become guards, which are checked on each event. What was
//! collected on the side given up is taken back.

use crate::abstraction::{A, Field};
use crate::fault::Fault;
use crate::interpret::constant_texts;
use crate::ir::{Comparison, Const, Method};
use crate::prove::{Facts, Fail, Prove, Prover};
use crate::subject::{Test, TestKind, state};

/// That a path is in one of some states and, if that is a text, passes none of the tests.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    path: usize,
    allowed: u8,
    tests: Vec<Test>,
}

/// All of them together.
pub(crate) type Conditions = Vec<Condition>;

/// A branch's test: its value where that is known, what is known on each side, and what would make it hold or fail.
pub(crate) struct Branches {
    pub(crate) value: Option<bool>,
    pub(crate) when_true: Facts,
    pub(crate) when_false: Facts,
    pub(crate) holds_if: Option<Conditions>,
    pub(crate) fails_if: Option<Conditions>,
}

/// What a proof had collected at some point.
pub(crate) struct Mark {
    tests: usize,
    guard_tests: usize,
    raised: usize,
    has_supposed: bool,
    guards: ahash::AHashMap<usize, u8>,
}

impl Condition {
    pub(crate) fn states(path: usize, allowed: u8) -> Self {
        Self { path, allowed, tests: Vec::new() }
    }
}

impl Branches {
    pub(crate) fn new(value: Option<bool>, when_true: Facts, when_false: Facts) -> Self {
        Self { value, when_true, when_false, holds_if: None, fails_if: None }
    }

    pub(crate) fn negated(self) -> Self {
        let Self { value, when_true, when_false, holds_if, fails_if } = self;
        Self {
            value: value.map(|value| !value),
            when_true: when_false,
            when_false: when_true,
            holds_if: fails_if,
            fails_if: holds_if,
        }
    }
}

impl<'p> Prover<'p> {
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            tests: self.tests.len(),
            guard_tests: self.guard_tests.len(),
            raised: self.raised.len(),
            has_supposed: self.has_supposed,
            guards: self.guards.clone(),
        }
    }

    pub(crate) fn back_to(&mut self, mark: &Mark) {
        self.tests.truncate(mark.tests);
        self.guard_tests.truncate(mark.guard_tests);
        self.raised.truncate(mark.raised);
        self.has_supposed = mark.has_supposed;
        self.guards.clone_from(&mark.guards);
    }

    /// Takes the conditions for granted from here on; `otherwise` if they cannot hold.
    pub(crate) fn suppose(&mut self, conditions: &[Condition], facts: &mut Facts, otherwise: Fail) -> Prove<()> {
        self.has_supposed = true;
        for Condition { path, allowed, tests } in conditions {
            let guard = self.guards.entry(*path).or_insert(state::ANY);
            *guard &= allowed;
            if *guard == 0 || facts.of(*path) & allowed == 0 {
                return Err(otherwise);
            }
            facts.narrow(*path, *allowed);
            for test in tests.iter().filter(|_| !Fault::GuardTestsForgotten.is_on()) {
                if !self.guard_tests.iter().any(|(known, tested)| (known, tested) == (path, test)) {
                    self.guard_tests.push((*path, test.clone()));
                }
            }
        }
        Ok(())
    }

    /// What makes a comparison of a field with constants fail, as far as a guard can say it.
    pub(crate) fn comparison_fails_if(
        &self,
        comparison: Comparison,
        left: &A<'p>,
        right: &A<'p>,
    ) -> Option<Conditions> {
        let tests = |kind: TestKind, texts: &[&str]| -> Vec<Test> {
            texts.iter().map(|text| Test { kind, folded: false, text: (*text).into() }).collect()
        };
        match (comparison, left, right) {
            (Comparison::Eq, A::Field(field), A::Const(Const::Str(text)))
            | (Comparison::Eq, A::Const(Const::Str(text)), A::Field(field)) => {
                Some(vec![self.fails_on(*field, tests(TestKind::Equals, &[text]))])
            }
            (Comparison::Eq | Comparison::Is, A::Field(field), A::Const(Const::None)) => {
                Some(vec![Condition::states(field.path, state::ANY & !field.states_of(state::NULL))])
            }
            (Comparison::IsNot, A::Field(field), A::Const(Const::None)) => {
                Some(vec![Condition::states(field.path, field.states_within(state::NULL))])
            }
            (Comparison::In, A::Field(field), among @ (A::Const(_) | A::Items(_))) => {
                if let A::Const(Const::Str(_)) = among {
                    return None;
                }
                let texts = constant_texts(among, false)?;
                let all_are_texts = match among {
                    A::Const(Const::Set(set)) => set.texts.len() == set.len(),
                    A::Const(Const::Dict(dict)) => dict.texts.len() == dict.entries.len(),
                    _ => true,
                };
                all_are_texts.then(|| vec![self.fails_on(*field, tests(TestKind::Equals, &texts))])
            }
            (Comparison::In, A::Const(Const::Str(text)), A::Field(field)) => {
                let mut condition = self.fails_on(*field, tests(TestKind::Contains, &[text]));
                condition.allowed &= field.states_within(state::TEXT);
                Some(vec![condition])
            }
            _ => None,
        }
    }

    /// What makes `startswith` and `endswith` of a field fail.
    pub(crate) fn affix_fails_if(&self, method: Method, object: &A<'p>, arguments: &[A<'p>]) -> Option<Conditions> {
        let (A::Field(field), [affix]) = (object, arguments) else { return None };
        let kind = if method == Method::StartsWith { TestKind::StartsWith } else { TestKind::EndsWith };
        let texts = constant_texts(affix, true)?;
        let tests = texts.iter().map(|text| Test { kind, folded: false, text: (*text).into() }).collect();
        Some(vec![self.fails_on(*field, tests)])
    }

    /// That none of the tests hold of a field's value, or of what stands in for it.
    fn fails_on(&self, field: Field, tests: Vec<Test>) -> Condition {
        let stand_in = field.stand_in.and_then(|place| self.stand_ins.get(usize::from(place)));
        let stand_in_fails =
            stand_in.is_some_and(|(start, is_whole)| tests.iter().all(|test| test.fails_on(start, *is_whole)));
        let stand_in_fails = stand_in_fails || Fault::StandInForgotten.is_on();
        let fails_in = |state: u8| {
            let may_be_text = field.types(state) & state::TEXT != 0;
            state == state::TEXT || !may_be_text || (stand_in_fails && matches!(state, state::ABSENT | state::NULL))
        };
        let allowed = (0..7).map(|bit| 1_u8 << bit).filter(|&state| fails_in(state)).fold(0, |all, state| all | state);
        // Another value than the field's own cannot be tested.
        let allowed = if field.instead & state::TEXT == 0 { allowed } else { 0 };
        Condition { path: field.path, allowed, tests }
    }
}
