//! Groups: every member has its signals in the window, in whatever order, and they share a value.

use std::collections::BTreeSet;

use super::rule::{Correlated, Criterion, Member, Signal};

pub(super) fn evaluate(
    members: &[Member],
    criteria: &[Criterion],
    signals: &[Vec<(usize, &Signal)>],
) -> Vec<Correlated> {
    if criteria.is_empty() {
        let all: Vec<Vec<usize>> =
            signals.iter().map(|signals| signals.iter().map(|(place, _)| *place).collect()).collect();
        return correlated(members, all, "", None).into_iter().collect();
    }
    let mut found = Vec::new();
    for criterion in criteria {
        let mut values: BTreeSet<&str> = BTreeSet::new();
        for (member, field) in &criterion.fields {
            for (_, signal) in &signals[*member] {
                values.extend(signal.values.get(field).into_iter().flatten().map(String::as_str));
            }
        }
        for value in values {
            let counted = (0..members.len()).map(|member| {
                let fields: Vec<&str> =
                    criterion.fields.iter().filter(|(of, _)| *of == member).map(|(_, field)| field.as_str()).collect();
                let counts = |signal: &Signal| fields.iter().all(|field| signal.has(field, value));
                signals[member].iter().filter(|(_, signal)| counts(signal)).map(|(place, _)| *place).collect()
            });
            found.extend(correlated(members, counted.collect(), &criterion.name, Some(value)));
        }
    }
    found
}

fn correlated(
    members: &[Member],
    signals: Vec<Vec<usize>>,
    criterion: &str,
    value: Option<&str>,
) -> Option<Correlated> {
    let holds = members.iter().zip(&signals).all(|(member, signals)| member.admits(signals.len()));
    // A group of absences alone would match silence for ever.
    let present = signals.iter().any(|signals| !signals.is_empty());
    (holds && present).then(|| Correlated { criterion: criterion.to_owned(), value: value.map(str::to_owned), signals })
}
