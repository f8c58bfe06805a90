//! Patterns over letters: a row is a text of the symbols it has.

use arrow::array::BooleanArray;
use proptest::prelude::*;

use super::parse::Node;
use super::{Program, Recogniser, Skip, parse};

/// The matches in rows that each have one letter or several (`ab`), as `0:A 1:B`; hidden rows in small letters.
fn matches(pattern: &str, rows: &[&str], skip: Skip) -> String {
    let (node, symbols) = match parse(pattern) {
        Ok(parsed) => parsed,
        Err(message) => return format!("error: {message}"),
    };
    let program = match Program::of(&node) {
        Ok(program) => program,
        Err(message) => return format!("error: {message}"),
    };
    let conditions: Vec<BooleanArray> = symbols
        .iter()
        .map(|symbol| rows.iter().map(|row| Some(row.to_uppercase().contains(symbol.as_str()))).collect())
        .collect();
    let defined = (0..symbols.len()).collect();
    let recogniser = Recogniser { program, symbols, defined, skip, empty: true, unmatched: false };
    let entries = match recogniser.entries(&conditions, rows.len()) {
        Ok(entries) => entries,
        Err(message) => return format!("error: {message}"),
    };
    let mut shown = Vec::new();
    let mut last = None;
    for entry in entries {
        if last.is_some_and(|last| last != entry.number) {
            shown.push("|".to_owned());
        }
        last = Some(entry.number);
        let symbol = entry.symbol.map_or("-".to_owned(), |symbol| recogniser.symbols[symbol].clone());
        let symbol = if entry.shown { symbol } else { symbol.to_lowercase() };
        shown.push(format!("{}:{symbol}", entry.row));
    }
    shown.join(" ")
}

fn over(pattern: &str, rows: &str) -> String {
    matches(pattern, &rows.split(' ').collect::<Vec<_>>(), Skip::PastLastRow)
}

#[test]
fn patterns() {
    for (pattern, rows, expected) in [
        ("a b", "a b c a b", "0:A 1:B | 3:A 4:B"),
        ("a b+", "a b b a c", "0:A 1:B 2:B"),
        ("a*", "a a b", "0:A 1:A | 2:-"),
        ("a+?", "a a a", "0:A | 1:A | 2:A"),
        ("a+? b", "a a b", "0:A 1:A 2:B"),
        ("a?? b", "a b", "0:A 1:B"),
        ("a{2}", "a a a", "0:A 1:A"),
        ("a{2,}", "a a a", "0:A 1:A 2:A"),
        ("a{,2} b", "a a a b", "1:A 2:A 3:B"),
        ("a{1,2}", "a a a", "0:A 1:A | 2:A"),
        ("a{1,2}?", "a a", "0:A | 1:A"),
        ("a | b", "b a", "0:B | 1:A"),
        // The first alternative that leads to a match.
        ("(a | ab) c", "ab c", "0:A 1:C"),
        ("a b | c d", "a b d", "0:A 1:B 2:D"),
        ("(a b) | (c d)", "c d", "0:C 1:D"),
        ("(a b)+", "a b a b a", "0:A 1:B 2:A 3:B"),
        ("^ a", "a a", "0:A"),
        ("a $", "a a", "1:A"),
        ("^ a+ $", "a a b", ""),
        ("a {- b+ -} c", "a b b c", "0:A 1:b 2:b 3:C"),
        ("permute(a, b)", "b a a b", "0:B 1:A | 2:A 3:B"),
        ("permute(a{2}, b+) c", "b b a a c", "0:B 1:B 2:A 3:A 4:C"),
        // A row that has both: as preferred, but so that the rest still fits.
        ("a+ b", "ab ab ab", "0:A 1:A 2:B"),
        ("a+? b+", "ab ab ab", "0:A 1:B 2:B"),
        // Repetitions of nothing end by themselves.
        ("(a*)* b", "a b", "0:A 1:B"),
        ("(a??)* b", "a b", "0:A 1:B"),
        ("(^)* a", "a", "0:A"),
        ("\"A\" b", "a b", "0:A 1:B"),
    ] {
        assert_eq!(over(pattern, rows), expected, "{pattern} over {rows}");
    }
}

#[test]
fn what_comes_after_a_match() {
    let rows = ["a", "b", "b", "a", "b"];
    assert_eq!(matches("a b+", &rows, Skip::PastLastRow), "0:A 1:B 2:B | 3:A 4:B");
    assert_eq!(matches("b", &rows, Skip::ToNextRow), "1:B | 2:B | 4:B");
    assert_eq!(matches("b+", &rows, Skip::ToNextRow), "1:B 2:B | 2:B | 4:B");
    assert_eq!(matches("a b+", &["a", "b", "ab", "b"], Skip::ToLast(1)), "0:A 1:B 2:B 3:B");
    assert_eq!(matches("a b+ a", &["a", "b", "a", "b", "a"], Skip::ToLast(0)), "0:A 1:B 2:A | 2:A 3:B 4:A");
    insta::assert_snapshot!(matches("a b", &rows, Skip::ToFirst(0)), @"error: AFTER MATCH SKIP TO A would match the same rows again: it is the first row");
    insta::assert_snapshot!(matches("a b? c?", &rows, Skip::ToFirst(2)), @"error: AFTER MATCH SKIP TO C: a match has no row with this symbol");
}

#[test]
fn wrong_patterns() {
    for (pattern, message) in [
        ("", "something must stand there; nothing does"),
        ("a (b", "expected `)` at the end"),
        ("a)", "unexpected `)`"),
        ("a |", "a symbol must follow at the end"),
        ("*", "unexpected `*`"),
        ("a{}", "`{}` needs a number"),
        ("a{3,2}", "{3,2} asks for at least 3 and at most 2"),
        ("a{99999999999}", "99999999999 is too large"),
        ("{- a", "expected `-` at the end"),
        ("permute(a,b,c,d,e,f,g)", "PERMUTE takes up to 6 patterns, got 7"),
        ("a{9000}", "it is longer than 8192 steps when repetitions are written out"),
        ("((a{90}){90}){90}", "it is longer than 8192 steps when repetitions are written out"),
    ] {
        assert_eq!(over(pattern, "a"), format!("error: {message}"), "{pattern}");
    }
    let deep = "(".repeat(100_000) + "a";
    assert_eq!(over(&deep, "a"), "error: it nests deeper than 64 levels");
}

/// What sends a search that tries and turns back on its way for ever.
#[test]
fn no_pattern_takes_for_ever() {
    let rows = vec!["a"; 20_000];
    assert_eq!(matches("(a+)+ b", &rows, Skip::PastLastRow), "");
    assert_eq!(matches("(a | a | a)* (a*)* b", &rows, Skip::ToNextRow), "");
    assert_eq!(matches("a{1,40} a{1,40} a{1,40} b", &rows, Skip::PastLastRow), "");
}

/// Tries and turns back, as Snowflake is said to: the rows of the first way through.
fn backtrack(node: &Node, rows: &[&str], symbols: &[String], at: usize, rest: &mut dyn FnMut(usize) -> bool) -> bool {
    match node {
        Node::Symbol(symbol) => {
            rows.get(at).is_some_and(|row| row.to_uppercase().contains(&symbols[*symbol])) && rest(at + 1)
        }
        Node::Start => at == 0 && rest(at),
        Node::End => at == rows.len() && rest(at),
        Node::Hidden(node) => backtrack(node, rows, symbols, at, rest),
        Node::Either(nodes) => nodes.iter().any(|node| backtrack(node, rows, symbols, at, rest)),
        Node::Sequence(nodes) => match nodes.split_first() {
            None => rest(at),
            Some((first, others)) => {
                let others = Node::Sequence(others.to_vec());
                backtrack(first, rows, symbols, at, &mut |next| backtrack(&others, rows, symbols, next, rest))
            }
        },
        Node::Repeat { node: inner, least, most, greedy } => {
            let again = |rest: &mut dyn FnMut(usize) -> bool| {
                if *most == Some(0) {
                    return false;
                }
                let fewer = Node::Repeat {
                    node: inner.clone(),
                    least: least.saturating_sub(1),
                    most: most.map(|most| most - 1),
                    greedy: *greedy,
                };
                backtrack(inner, rows, symbols, at, &mut |next| {
                    // Going round without a row leads nowhere new.
                    (next > at || *least > 0) && backtrack(&fewer, rows, symbols, next, rest)
                })
            };
            match (*least > 0, greedy) {
                (true, _) => again(rest),
                (false, true) => again(rest) || rest(at),
                (false, false) => rest(at) || again(rest),
            }
        }
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} | {b})")),
            (inner.clone(), prop_oneof![Just("+"), Just("{2}"), Just("{1,2}"), Just("+?"), Just("{1,3}?")])
                .prop_map(|(a, quantifier)| format!("({a}){quantifier}")),
            // Repeated nothing is left to the table above: there the ways of searching differ.
            (prop_oneof![Just("a"), Just("b"), Just("c")], prop_oneof![Just("*"), Just("?"), Just("*?"), Just("??")])
                .prop_map(|(a, quantifier)| format!("{a}{quantifier} b")),
        ]
    })
}

proptest! {
    #[test]
    fn finds_what_turning_back_finds(
        pattern in pattern_text(),
        rows in proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("ab"), Just("bc"), Just("c")], 1..7),
    ) {
        let (node, symbols) = parse(&pattern).expect("a pattern");
        let mut expected = None;
        for start in 0..rows.len() {
            let found = backtrack(&node, &rows, &symbols, start, &mut |end| {
                expected = Some((start, end));
                true
            });
            if found {
                break;
            }
        }
        let shown = matches(&pattern, &rows, Skip::PastLastRow);
        let first: Vec<&str> = shown.split(" | ").next().unwrap_or_default().split(' ').filter(|text| !text.is_empty()).collect();
        let begin = first.first().and_then(|text| text.split(':').next()).and_then(|text| text.parse::<usize>().ok());
        match expected {
            None => prop_assert_eq!(shown, ""),
            Some((start, end)) => {
                prop_assert_eq!(begin, Some(start), "{}", shown);
                prop_assert_eq!(first.len(), end - start, "{}", shown);
            }
        }
    }
}
