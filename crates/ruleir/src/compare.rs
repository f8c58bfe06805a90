//! The abstract interpretation of comparisons: where the subject meets constants, tests are made of them.

use crate::abstraction::{A, Field, truth_value};
use crate::interpret::constant_texts;
use crate::ir::{Comparison, Const};
use crate::prove::{Facts, Prove, Prover};
use crate::subject::{TestKind, state};

impl<'p> Prover<'p> {
    /// The comparison's value, and what is known where it holds and where it does not.
    pub(crate) fn compare(
        &mut self,
        facts: &Facts,
        comparison: Comparison,
        left: &A<'p>,
        right: &A<'p>,
    ) -> Prove<(A<'p>, Facts, Facts)> {
        let (answer, holds, fails) = match comparison {
            Comparison::Eq | Comparison::Ne => self.equals(facts, left, right),
            Comparison::Is | Comparison::IsNot => self.is(facts, left, right),
            Comparison::In | Comparison::NotIn => self.is_in(facts, left, right)?,
            _ => {
                self.ordered(facts, left, right)?;
                self.ordered(facts, right, left)?;
                (None, facts.clone(), facts.clone())
            }
        };
        let negated = matches!(comparison, Comparison::Ne | Comparison::IsNot | Comparison::NotIn);
        let value = answer.map_or(A::Bool, |answer| truth_value(answer != negated));
        Ok(if negated { (value, fails, holds) } else { (value, holds, fails) })
    }

    fn equals(&mut self, facts: &Facts, left: &A<'p>, right: &A<'p>) -> (Option<bool>, Facts, Facts) {
        let open = |answer| (answer, facts.clone(), facts.clone());
        match (left, right) {
            (A::Subject, A::Const(constant)) | (A::Const(constant), A::Subject) => {
                if let Const::Str(text) = constant {
                    self.deny(TestKind::Equals, false, text);
                }
                open(Some(false))
            }
            (A::Folded { .. }, A::Const(constant)) | (A::Const(constant), A::Folded { .. }) => {
                if let Const::Str(text) = constant {
                    self.deny_case(TestKind::Equals, true, text);
                }
                open(Some(false))
            }
            (A::Const(Const::Str(one)), A::Const(Const::Str(two))) => open(Some(one == two)),
            (A::Const(Const::None), A::Const(Const::None)) => open(Some(true)),
            (A::Const(Const::None), A::Const(Const::Str(_))) | (A::Const(Const::Str(_)), A::Const(Const::None)) => {
                open(Some(false))
            }
            (A::Const(Const::Bool(one)), A::Const(Const::Bool(two))) => open(Some(one == two)),
            (A::Text | A::Starting(_), A::Const(Const::None)) | (A::Const(Const::None), A::Text | A::Starting(_)) => {
                open(Some(false))
            }
            (A::Field(field), value) | (value, A::Field(field)) => {
                self.meet_all(field.path, value);
                let mut types = value.types();
                if types & (state::BOOL | state::NUMBER) != 0 {
                    types |= state::BOOL | state::NUMBER;
                }
                let (mut holds, mut fails) = (facts.clone(), facts.clone());
                holds.narrow(field.path, field.states_of(types));
                if let A::Const(Const::None) = value {
                    fails.narrow(field.path, state::ANY & !field.states_within(state::NULL));
                }
                (None, holds, fails)
            }
            _ => open(None),
        }
    }

    fn is(&mut self, facts: &Facts, left: &A<'p>, right: &A<'p>) -> (Option<bool>, Facts, Facts) {
        let open = |answer| (answer, facts.clone(), facts.clone());
        match (left, right) {
            (A::Const(Const::None), A::Const(Const::None)) => open(Some(true)),
            (A::Const(Const::Bool(one)), A::Const(Const::Bool(two))) => open(Some(one == two)),
            (A::Field(field), A::Const(constant @ (Const::None | Const::Bool(_)))) => {
                let types = if let Const::None = constant { state::NULL } else { state::BOOL };
                let (mut holds, mut fails) = (facts.clone(), facts.clone());
                holds.narrow(field.path, field.states_of(types));
                if types == state::NULL {
                    fails.narrow(field.path, state::ANY & !field.states_within(types));
                }
                (None, holds, fails)
            }
            (value, A::Const(Const::None)) if value.types() & state::NULL == 0 => open(Some(false)),
            (value, A::Const(Const::Bool(_))) if value.types() & state::BOOL == 0 => open(Some(false)),
            _ => open(None),
        }
    }

    fn is_in(&mut self, facts: &Facts, left: &A<'p>, right: &A<'p>) -> Prove<(Option<bool>, Facts, Facts)> {
        let open = |answer| Ok((answer, facts.clone(), facts.clone()));
        match (left, right) {
            // The subject among constants, or inside one.
            (A::Subject, A::Const(Const::Str(text))) => {
                self.deny(TestKind::Within, false, text);
                open(Some(false))
            }
            (A::Folded { upper: false }, A::Const(Const::Str(text))) => {
                self.deny(TestKind::Within, true, text);
                open(Some(false))
            }
            (A::Subject | A::Folded { .. }, A::Const(Const::List(items) | Const::Tuple(items))) => {
                let folded = !matches!(left, A::Subject);
                for item in items {
                    if let Const::Str(text) = item {
                        self.deny_case(TestKind::Equals, folded, text);
                    }
                }
                open(Some(false))
            }
            (A::Subject | A::Folded { .. }, A::Const(Const::Set(_) | Const::Dict(_))) => {
                let folded = !matches!(left, A::Subject);
                let texts = match right {
                    A::Const(Const::Set(set)) => set.texts.iter().map(|text| &**text).collect::<Vec<_>>(),
                    A::Const(Const::Dict(dict)) => dict.texts.keys().map(|text| &**text).collect(),
                    _ => Vec::new(),
                };
                texts.into_iter().for_each(|text| self.deny_case(TestKind::Equals, folded, text));
                open(Some(false))
            }
            (A::Subject | A::Folded { .. }, A::Items(items)) => {
                let folded = !matches!(left, A::Subject);
                let mut known = true;
                for item in items.iter() {
                    match item {
                        A::Const(Const::Str(text)) => self.deny_case(TestKind::Equals, folded, text),
                        A::Const(_) => {}
                        _ => known = false,
                    }
                }
                open(known.then_some(false))
            }
            // A constant inside the subject.
            (A::Const(Const::Str(text)), A::Subject) => {
                self.deny(TestKind::Contains, false, text);
                open(Some(false))
            }
            (A::Const(Const::Str(text)), A::Folded { .. }) => {
                self.deny_case(TestKind::Contains, true, text);
                open(Some(false))
            }
            (A::Const(Const::Str(text)), A::Const(Const::Str(whole))) => open(Some(whole.contains(&**text))),
            (A::Const(Const::Str(text)), A::Const(Const::Dict(dict))) => open(Some(dict.texts.contains_key(text))),
            (A::Const(Const::Str(text)), A::Const(Const::Set(set))) => open(Some(set.texts.contains(text))),
            // Another field among constants.
            (A::Field(field), A::Const(Const::Set(_) | Const::Dict(_))) => {
                self.require(*field, crate::interpret::HASHABLE, facts)?;
                self.field_among(*field, right, facts)
            }
            (A::Field(field), A::Const(Const::List(_) | Const::Tuple(_)) | A::Items(_)) => {
                if let A::Items(_) = right {
                    // It may be a set.
                    self.require(*field, crate::interpret::HASHABLE, facts)?;
                }
                self.field_among(*field, right, facts)
            }
            (A::Field(field), A::Const(Const::Str(_))) => {
                self.require(*field, state::TEXT, facts)?;
                self.meet_all(field.path, right);
                open(None)
            }
            (value, A::Field(field)) if value.is_text() => {
                self.meet_all(field.path, value);
                let (mut holds, fails) = (facts.clone(), facts.clone());
                self.require(*field, state::TEXT | state::OBJECT | state::ARRAY, facts)?;
                holds.narrow(field.path, field.states_of(state::TEXT | state::OBJECT | state::ARRAY));
                Ok((None, holds, fails))
            }
            (value, A::Text | A::Starting(_) | A::Subject | A::Folded { .. }) if value.is_text() => open(None),
            (value, A::Const(Const::Str(_) | Const::Set(_) | Const::Dict(_)) | A::Items(_)) if value.is_text() => {
                open(None)
            }
            (_, A::Const(Const::List(_) | Const::Tuple(_)) | A::Texts | A::List) => open(None),
            (value, A::Event | A::View | A::Object(_)) if value.is_text() => open(None),
            _ => {
                self.may_raise(())?;
                open(None)
            }
        }
    }

    fn field_among(&mut self, field: Field, among: &A<'p>, facts: &Facts) -> Prove<(Option<bool>, Facts, Facts)> {
        self.meet_all(field.path, among);
        let mut holds = facts.clone();
        if constant_texts(among, false).is_some() {
            holds.narrow(field.path, field.states_of(state::TEXT));
        }
        Ok((None, holds, facts.clone()))
    }

    /// What `<` asks of one side, given the other.
    fn ordered(&mut self, facts: &Facts, value: &A<'p>, other: &A<'p>) -> Prove<()> {
        let wanted = match other {
            A::Const(Const::Int(_) | Const::Float(_)) | A::Int => state::NUMBER | state::BOOL,
            other if other.is_text() => state::TEXT,
            A::Field(_) if !matches!(value, A::Field(_)) => return Ok(()),
            _ => return self.may_raise(()),
        };
        match value {
            A::Field(field) => {
                self.meet_all(field.path, other);
                self.require(*field, wanted, facts)
            }
            value if value.types() & !wanted == 0 => Ok(()),
            _ => self.may_raise(()),
        }
    }
}
