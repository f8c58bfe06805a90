//! Whether the signals of a window make a match.

use super::rule::{Correlated, CorrelationRule, Form, Signal};
use super::{group, sequence};

pub(super) const MINUTE: i64 = 60 * 1_000_000;

impl CorrelationRule {
    /// The window that an evaluation looks at, in microseconds, both ends included.
    #[must_use]
    pub fn window(&self, at: i64) -> (i64, i64) {
        (at.saturating_sub(self.lookback_minutes.saturating_mul(MINUTE)), at)
    }

    /// Evaluates at a time: `signals` holds each member's, in the members' order. What lies outside of the window does
    /// not count. One result for every shared value.
    #[must_use]
    pub fn evaluate(&self, signals: &[Vec<Signal>], at: i64) -> Vec<Correlated> {
        let (from, to) = self.window(at);
        // Each member's signals in the window with their places, in the order in which they are tried.
        let none = Vec::new();
        let in_window: Vec<Vec<(usize, &Signal)>> = (0..self.members.len())
            .map(|member| {
                let all = signals.get(member).unwrap_or(&none);
                let mut within: Vec<(usize, &Signal)> =
                    all.iter().enumerate().filter(|(_, signal)| (from..=to).contains(&signal.time)).collect();
                within.sort_by_key(|(_, signal)| signal.time);
                within
            })
            .collect();
        match &self.form {
            Form::Group { criteria } => group::evaluate(&self.members, criteria, &in_window),
            Form::Sequence { transitions } => sequence::evaluate(self, transitions, &in_window, (from, to)),
        }
    }
}

#[cfg(test)]
mod tests;
