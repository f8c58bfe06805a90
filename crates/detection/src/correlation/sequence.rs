//! Sequences: step after step, each within its time after the one before, with the value handed on.
//!
//! A step ends with one of its signals; the next begins no earlier. Which signal that is, and which value is handed on, is
//! tried until the last step holds. What was tried in vain is remembered, so that the work is bounded by steps, signals
//! and values, not by their combinations.

use std::collections::{BTreeMap, HashSet};

use super::evaluate::MINUTE;
use super::rule::{Correlated, CorrelationRule, Signal, Transition};

/// Values that a signal hands on when several fields with several values each are compared.
const MAX_COMBINATIONS: usize = 1_000;
/// Between the parts of a value of several fields.
const BETWEEN: &str = ", ";

struct Walk<'a> {
    rule: &'a CorrelationRule,
    transitions: &'a [Transition],
    signals: &'a [Vec<(usize, &'a Signal)>],
    end: i64,
    in_vain: HashSet<(usize, i64, Option<Vec<String>>)>,
}

pub(super) fn evaluate(
    rule: &CorrelationRule,
    transitions: &[Transition],
    signals: &[Vec<(usize, &Signal)>],
    (from, to): (i64, i64),
) -> Vec<Correlated> {
    let mut walk = Walk { rule, transitions, signals, end: to, in_vain: HashSet::new() };
    let criterion = transitions.iter().find_map(|transition| transition.matches.first());
    let criterion = criterion.map(|(field, _)| field.clone()).unwrap_or_default();
    let mut found: Vec<Correlated> = Vec::new();
    // The first step's values are tried one by one: each makes a match of its own.
    let firsts = walk.starts();
    for first in firsts {
        let mut path = Vec::new();
        if walk.step(0, from, to, first.as_ref(), true, &mut path) {
            path.resize(rule.members.len(), Vec::new());
            let value = first.map(|parts| parts.join(BETWEEN));
            found.push(Correlated { criterion: criterion.clone(), value, signals: path });
        }
    }
    found
}

impl Walk<'_> {
    /// What the first step can hand on; nothing in particular when it hands on nothing.
    fn starts(&self) -> Vec<Option<Vec<String>>> {
        let handed = self.transitions.first().is_some_and(|transition| !transition.matches.is_empty());
        if !handed || self.rule.members.first().is_none_or(|member| member.absence) {
            return vec![None];
        }
        let mut values: Vec<Vec<String>> =
            self.signals[0].iter().flat_map(|(_, signal)| handed_on(signal, &self.transitions[0])).collect();
        values.sort();
        values.dedup();
        values.into_iter().map(Some).collect()
    }

    /// Whether steps from this one on hold, between two times. `bound` is what the step before handed on; for the first
    /// step, what it shall hand on itself.
    fn step(
        &mut self,
        step: usize,
        from: i64,
        to: i64,
        bound: Option<&Vec<String>>,
        first: bool,
        path: &mut Vec<Vec<usize>>,
    ) -> bool {
        let Some(member) = self.rule.members.get(step) else { return path.iter().any(|signals| !signals.is_empty()) };
        let key = (step, from, bound.cloned());
        if self.in_vain.contains(&key) {
            return false;
        }
        let incoming = step.checked_sub(1).and_then(|place| self.transitions.get(place)).filter(|_| !first);
        let fits = |signal: &Signal| match (incoming, bound) {
            (Some(incoming), Some(bound)) => {
                incoming.matches.iter().zip(bound).all(|((_, field), value)| signal.has(field, value))
            }
            _ => true,
        };
        let candidates: Vec<(usize, &Signal)> = self.signals[step]
            .iter()
            .filter(|(_, signal)| (from..=to).contains(&signal.time) && fits(signal))
            .copied()
            .collect();
        let outgoing = self.transitions.get(step).cloned().unwrap_or_default();
        let minutes = outgoing.within_minutes.unwrap_or(self.rule.lookback_minutes);
        let end = self.end;
        let until = |time: i64| time.saturating_add(minutes.saturating_mul(MINUTE)).min(end);
        if member.absence {
            // What is not there hands on what it was given, and takes no time.
            path.push(Vec::new());
            if candidates.is_empty() && self.step(step + 1, from, until(from), bound, first, path) {
                return true;
            }
            path.pop();
            self.in_vain.insert(key);
            return false;
        }
        // Candidates by the value that they hand on to the next step.
        let mut by_value: BTreeMap<Option<Vec<String>>, Vec<(usize, i64)>> = BTreeMap::new();
        for (place, signal) in candidates {
            if outgoing.matches.is_empty() {
                by_value.entry(None).or_default().push((place, signal.time));
                continue;
            }
            for value in handed_on(signal, &outgoing) {
                if !first || bound.is_none_or(|wanted| *wanted == value) {
                    by_value.entry(Some(value)).or_default().push((place, signal.time));
                }
            }
        }
        for (value, candidates) in by_value {
            if !member.admits(candidates.len()) {
                continue;
            }
            let mut ends: Vec<usize> = (member.min.max(1) - 1..candidates.len()).collect();
            if self.rule.newest_first {
                ends.reverse();
            }
            for end in ends {
                let time = candidates[end].1;
                path.push(candidates[..=end].iter().map(|(place, _)| *place).collect());
                if self.step(step + 1, time, until(time), value.as_ref(), false, path) {
                    return true;
                }
                path.pop();
            }
        }
        self.in_vain.insert(key);
        false
    }
}

/// The values that a signal hands on: one part for each compared field, all combinations of those with several values.
fn handed_on(signal: &Signal, transition: &Transition) -> Vec<Vec<String>> {
    let mut combinations: Vec<Vec<String>> = vec![Vec::new()];
    for (field, _) in &transition.matches {
        let none = Vec::new();
        let values = signal.values.get(field).unwrap_or(&none);
        let longer = combinations
            .iter()
            .flat_map(|parts| values.iter().map(|value| [&parts[..], std::slice::from_ref(value)].concat()));
        combinations = longer.take(MAX_COMBINATIONS).collect();
    }
    combinations
}
