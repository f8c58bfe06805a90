//! Groups and sequences, by example and by law.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::{Content, ContentRoot, Logic};

/// A rule from the YAML below `Detection`, in flow style.
fn rule(detection: &str) -> std::sync::Arc<CorrelationRule> {
    let yaml = format!(
        "AnalysisType: correlation_rule\nRuleID: C\nEnabled: true\nSeverity: Low\nDetection:\n  - {{{detection}, \
         Schedule: {{RateMinutes: 60, TimeoutMinutes: 1}}, LookbackWindowMinutes: 100}}\n"
    );
    let files = [("correlation_rules/c.yml".to_owned(), yaml.into_bytes())];
    let content = Content::load([files.into_iter().collect::<ContentRoot>()]);
    assert!(content.problems.is_empty(), "{:?}", content.problems);
    let Logic::Correlation(rule) = &content.rules[0].logic else { panic!("a correlation rule") };
    rule.clone()
}

/// `a 5 x` is a signal of the first member at minute 5 whose field `f` holds `x`; `b` of the second, and so on.
fn signals(text: &str) -> Vec<Vec<Signal>> {
    let mut members = vec![Vec::new(); 3];
    for signal in text.split(';').map(str::trim).filter(|signal| !signal.is_empty()) {
        let parts: Vec<&str> = signal.split(' ').collect();
        let values = BTreeMap::from([("f".to_owned(), parts[2..].iter().map(|&value| value.to_owned()).collect())]);
        let member = usize::from(parts[0].as_bytes()[0] - b'a');
        members[member].push(Signal { time: parts[1].parse::<i64>().unwrap() * MINUTE, values });
    }
    members
}

fn values(rule: &CorrelationRule, text: &str, at: i64) -> String {
    let found = rule.evaluate(&signals(text), at * MINUTE);
    found.iter().map(|found| found.value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ")
}

const PAIR: &str = "Group: [{ID: a, RuleID: A}, {ID: b, RuleID: B}], \
                    MatchCriteria: {m: [{GroupID: a, Match: f}, {GroupID: b, Match: f}]}";

#[test]
fn groups() {
    let absence = PAIR.replace("RuleID: B}", "RuleID: B, Absence: true}");
    let counted = PAIR.replace("RuleID: B}", "RuleID: B, MinMatchCount: 2, MaxMatchCount: 3}");
    let free = "Group: [{ID: a, RuleID: A}, {ID: b, RuleID: B}, {ID: c, RuleID: C, Absence: true}]";
    let half = "Group: [{ID: a, RuleID: A}, {ID: b, RuleID: B}], MatchCriteria: {m: [{GroupID: a, Match: f}]}";
    for (detection, given, expected) in [
        (PAIR, "a 1 x; b 2 x", "x"),
        // order never matters, lists share what they have in common, values are apart
        (PAIR, "b 1 x; a 2 x", "x"),
        (PAIR, "a 1 x; b 2 y", ""),
        (PAIR, "a 1 x y z; b 2 y z w", "y z"),
        (PAIR, "a 1 x; a 1 y; b 2 y; b 3 x", "x y"),
        // the window, both ends included
        (PAIR, "a 100 x; b 200 x", "x"),
        (PAIR, "a 99 x; b 200 x", ""),
        (PAIR, "a 150 x; b 201 x", ""),
        (absence.as_str(), "a 1 x", "x"),
        (absence.as_str(), "a 1 x; b 2 y", "x"),
        (absence.as_str(), "b 1 x; a 2 x", ""),
        (absence.as_str(), "b 1 x", ""),
        (counted.as_str(), "a 1 x; b 2 x", ""),
        (counted.as_str(), "a 1 x; b 2 x; b 2 x", "x"),
        (counted.as_str(), "a 1 x; b 2 x; b 3 x; b 4 x; b 5 x", ""),
        (free, "a 1 x; b 2 y", "-"),
        (free, "a 1 x; b 2 y; c 3 z", ""),
        (free, "", ""),
        // who has no field in the criterion counts with all signals
        (half, "a 1 x; b 2 y", "x"),
    ] {
        let at = if given.contains("00") || given.contains("01") { 200 } else { 100 };
        assert_eq!(values(&rule(detection), given, at), expected, "{detection} {given}");
    }
}

const CHAIN: &str = "Sequence: [{ID: a, RuleID: A}, {ID: b, RuleID: B}], \
                     Transitions: [{From: a, To: b, WithinTimeFrameMinutes: 10, Match: [{On: f}]}]";

#[test]
fn sequences() {
    let three = "Sequence: [{ID: a, RuleID: A}, {ID: b, RuleID: B}, {ID: c, RuleID: C}], Transitions: [\
                 {From: a, To: b, WithinTimeFrameMinutes: 10, Match: [{On: f}]}, \
                 {From: b, To: c, WithinTimeFrameMinutes: 10, Match: [{From: f, To: f}]}]";
    let counted = CHAIN.replace("RuleID: A}", "RuleID: A, MinMatchCount: 3}");
    let absence = three.replace("RuleID: B}", "RuleID: B, Absence: true}");
    let last_absent = CHAIN.replace("RuleID: B}", "RuleID: B, Absence: true}");
    let free = "Sequence: [{ID: a, RuleID: A}, {ID: b, RuleID: B}]";
    for (detection, given, expected) in [
        (CHAIN, "a 1 x; b 2 x", "x"),
        (CHAIN, "a 2 x; b 2 x", "x"),
        (CHAIN, "b 1 x; a 2 x", ""),
        (CHAIN, "a 1 x; b 2 y", ""),
        (CHAIN, "a 1 x; b 11 x", "x"),
        (CHAIN, "a 1 x; b 12 x", ""),
        // a later first step is tried too
        (CHAIN, "a 1 x; a 5 x; b 15 x", "x"),
        (CHAIN, "a 1 x y; b 2 y; a 3 z; b 4 z", "y z"),
        (three, "a 1 x; b 2 x; c 3 x", "x"),
        (three, "a 1 x; b 2 x; b 9 x; c 19 x", "x"),
        (three, "a 1 x; b 2 x; c 13 x", ""),
        (three, "a 1 x; b 2 x y; c 3 y", "x"),
        (counted.as_str(), "a 1 x; a 2 x; b 3 x", ""),
        (counted.as_str(), "a 1 x; a 2 x; a 3 x; b 3 x", "x"),
        (absence.as_str(), "a 1 x; c 5 x", "x"),
        (absence.as_str(), "a 1 x; b 3 x; c 5 x", ""),
        (absence.as_str(), "a 1 x; b 3 y; c 5 x", "x"),
        (last_absent.as_str(), "a 1 x", "x"),
        (last_absent.as_str(), "a 1 x; b 5 x", ""),
        (last_absent.as_str(), "a 1 x; b 50 x", "x"),
        (free, "a 1 x; b 90 y", "-"),
        (free, "b 1 x; a 90 y", ""),
    ] {
        assert_eq!(values(&rule(detection), given, 100), expected, "{detection} {given}");
    }
}

fn any_signals() -> impl Strategy<Value = Vec<Vec<Signal>>> {
    let signal = (0..120_i64, prop::collection::vec(prop_oneof![Just("x"), Just("y"), Just("z")], 0..3));
    let signal = signal.prop_map(|(minute, values)| Signal {
        time: minute * MINUTE,
        values: BTreeMap::from([("f".to_owned(), values.into_iter().map(str::to_owned).collect())]),
    });
    prop::collection::vec(prop::collection::vec(signal, 0..6), 2..=2)
}

fn set(rule: &CorrelationRule, signals: &[Vec<Signal>]) -> BTreeSet<Option<String>> {
    rule.evaluate(signals, 110 * MINUTE).into_iter().map(|found| found.value).collect()
}

proptest! {
    /// A sequence of two steps holds for a value exactly if some pair of signals says so.
    #[test]
    fn a_chain_is_a_pair_in_time(signals in any_signals()) {
        let mut expected = BTreeSet::new();
        let (from, to) = rule(CHAIN).window(110 * MINUTE);
        let within = |signal: &&Signal| (from..=to).contains(&signal.time);
        for first in signals[0].iter().filter(within) {
            for second in signals[1].iter().filter(within) {
                if (0..=10 * MINUTE).contains(&(second.time - first.time)) {
                    expected.extend(first.values["f"].iter().filter(|value| second.has("f", value)).cloned().map(Some));
                }
            }
        }
        prop_assert_eq!(set(&rule(CHAIN), &signals), expected);
    }

    /// The order in which signals are tried or given decides nothing; what lies outside of the window neither.
    #[test]
    fn order_decides_nothing(signals in any_signals(), seed in any::<u64>()) {
        for detection in [PAIR, CHAIN] {
            let rule = rule(detection);
            let backwards = CorrelationRule { newest_first: true, ..(*rule).clone() };
            let mut shuffled = signals.clone();
            for member in &mut shuffled {
                let by = member.len().max(1);
                member.rotate_left((seed % by as u64) as usize);
            }
            let (from, to) = rule.window(110 * MINUTE);
            let mut within = signals.clone();
            within.iter_mut().for_each(|member| member.retain(|signal| (from..=to).contains(&signal.time)));
            let expected = set(&rule, &signals);
            prop_assert_eq!(&set(&backwards, &signals), &expected);
            prop_assert_eq!(&set(&rule, &shuffled), &expected);
            prop_assert_eq!(&set(&rule, &within), &expected);
        }
    }

    /// Found signals are real, in the window, and carry the value.
    #[test]
    fn what_is_found_is_there(signals in any_signals()) {
        for detection in [PAIR, CHAIN] {
            let rule = rule(detection);
            for found in rule.evaluate(&signals, 110 * MINUTE) {
                for (member, places) in found.signals.iter().enumerate() {
                    prop_assert!(!places.is_empty());
                    for place in places {
                        prop_assert!(signals[member][*place].has("f", found.value.as_deref().unwrap()));
                    }
                }
            }
        }
    }
}
