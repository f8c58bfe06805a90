//! What the parser does not know of `MATCH_RECOGNIZE`, on tokens.
//!
//! The text between the parentheses of `PATTERN` becomes one quoted symbol, which [`crate::query::pattern`] reads: the parser
//! knows neither reluctant quantifiers nor groups within exclusions. `FINAL last(x)` becomes `"final last"(x)`, and
//! `SKIP TO x` becomes `SKIP TO LAST x`. A subquery before the clause becomes a name, and is put back once all is parsed.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{ObjectNamePart, Query, TableFactor, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// What the parser gets, and the subqueries that names stand for.
pub(super) struct Folded {
    pub(super) tokens: Vec<TokenWithSpan>,
    pub(super) subqueries: Vec<Vec<TokenWithSpan>>,
}

/// The name that stands for a subquery.
fn stand_in(place: usize) -> String {
    format!("match source {place}")
}

pub(super) fn fold(tokens: Vec<TokenWithSpan>) -> Folded {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut subqueries: Vec<Vec<TokenWithSpan>> = Vec::new();
    // How deep in parentheses each clause that we are in stands.
    let mut clauses: Vec<usize> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        match &token.token {
            Token::LParen => {
                depth += 1;
                if is_word(before(&out), "match_recognize") {
                    clauses.push(depth);
                }
            }
            Token::RParen => {
                if clauses.last() == Some(&depth) {
                    clauses.pop();
                }
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        let in_clause = clauses.last() == Some(&depth);
        if in_clause && is_word(Some(token), "pattern") && next_is(&tokens, at, &Token::LParen) {
            let open = next(&tokens, at).unwrap_or(at);
            if let Some((text, close)) = text_between(&tokens, open) {
                out.extend(tokens[at..=open].iter().cloned());
                out.push(TokenWithSpan { token: quoted(text), span: tokens[open].span });
                at = close;
                out.push(tokens[close].clone());
                at += 1;
                continue;
            }
        }
        let prefix = ["final", "running"].into_iter().find(|prefix| is_word(Some(token), prefix));
        if let (false, Some(prefix), Some(name)) = (clauses.is_empty(), prefix, next(&tokens, at))
            && let Token::Word(word) = &tokens[name].token
            && next_is(&tokens, name, &Token::LParen)
        {
            let text = format!("{prefix} {}", word.value.to_lowercase());
            out.push(TokenWithSpan { token: quoted(text), span: tokens[name].span });
            at = name + 1;
            continue;
        }
        if is_word(Some(token), "match_recognize")
            && next_is(&tokens, at, &Token::LParen)
            && let Some((open, close)) = subquery_before(&out)
        {
            let span = out[open].span;
            let name = TokenWithSpan { token: quoted(stand_in(subqueries.len())), span };
            subqueries.push(out.splice(open..=close, [name]).collect());
        }
        out.push(token.clone());
        if in_clause && is_word(Some(token), "to") && is_word(before(&out[..out.len() - 1]), "skip") {
            let named = next(&tokens, at).map(|n| &tokens[n]);
            let is_known = ["first", "last", "next"].into_iter().any(|word| is_word(named, word));
            if !is_known {
                out.push(TokenWithSpan { token: Token::make_keyword("LAST"), span: token.span });
            }
        }
        at += 1;
    }
    Folded { tokens: out, subqueries }
}

/// Where a subquery, with or without an alias, ends these tokens.
fn subquery_before(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let significant = |end: usize| (0..end).rev().find(|&n| !matches!(tokens[n].token, Token::Whitespace(_)));
    let mut close = significant(tokens.len())?;
    if matches!(tokens[close].token, Token::Word(_)) {
        close = significant(close)?;
        if is_word(Some(&tokens[close]), "as") {
            close = significant(close)?;
        }
    }
    if tokens[close].token != Token::RParen {
        return None;
    }
    let mut depth = 0;
    for n in (0..=close).rev() {
        match tokens[n].token {
            Token::RParen => depth += 1,
            Token::LParen => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let first = next(tokens, n).map(|first| &tokens[first]);
            let is_query = ["select", "with"].into_iter().any(|word| is_word(first, word));
            return is_query.then_some((n, close));
        }
    }
    None
}

/// Puts subqueries in the places of their names.
pub(super) struct Unfolding {
    pub(super) subqueries: Vec<Query>,
}

impl VisitorMut for Unfolding {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, alias, args: None, .. } = factor else { return ControlFlow::Continue(()) };
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else { return ControlFlow::Continue(()) };
        let place = (0..self.subqueries.len()).find(|&place| stand_in(place) == name.value);
        if let Some(place) = place {
            let subquery = Box::new(self.subqueries[place].clone());
            *factor = TableFactor::Derived { lateral: false, subquery, alias: alias.take(), sample: None };
        }
        ControlFlow::Continue(())
    }
}

fn quoted(value: String) -> Token {
    Token::Word(Word { value, quote_style: Some('"'), keyword: Keyword::NoKeyword })
}

fn is_word(token: Option<&TokenWithSpan>, wanted: &str) -> bool {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    }
}

fn before(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)))
}

fn next(tokens: &[TokenWithSpan], at: usize) -> Option<usize> {
    (at + 1..tokens.len()).find(|&n| !matches!(tokens[n].token, Token::Whitespace(_)))
}

fn next_is(tokens: &[TokenWithSpan], at: usize, wanted: &Token) -> bool {
    next(tokens, at).is_some_and(|n| tokens[n].token == *wanted)
}

/// The text after an opening parenthesis, and the place of the one that closes it.
fn text_between(tokens: &[TokenWithSpan], open: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        match &token.token {
            Token::RParen if depth == 0 => return Some((text, n)),
            Token::LParen if n == open => {}
            // Comments, too.
            Token::Whitespace(_) => text.push(' '),
            other => text.push_str(&other.to_string()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn folded(sql: &str) -> String {
        let tokens = Tokenizer::new(&SnowflakeDialect {}, sql).tokenize_with_location().expect("tokens");
        let Folded { tokens, subqueries } = fold(tokens);
        let shown = |tokens: &[TokenWithSpan]| tokens.iter().map(|token| token.token.to_string()).collect::<String>();
        [&tokens].into_iter().chain(&subqueries).map(|tokens| shown(tokens)).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn patterns_become_one_symbol() {
        for (sql, expected) in [
            ("x MATCH_RECOGNIZE(PATTERN (a b+?))", "x MATCH_RECOGNIZE(PATTERN (\"a b+?\"))"),
            ("match_recognize( pattern(a (b|c) -- why\n $))", "match_recognize( pattern(\"a (b|c)   $\"))"),
            ("match_recognize(measures final last(a.x) as y)", "match_recognize(measures \"final last\"(a.x) as y)"),
            (
                "match_recognize(after match skip to up pattern (x))",
                "match_recognize(after match skip toLAST up pattern (\"x\"))",
            ),
            ("match_recognize(after match skip to next row)", "match_recognize(after match skip to next row)"),
            (
                "from (select (1)) as x match_recognize( pattern(a)), (y)",
                "from \"match source 0\" as x match_recognize( pattern(\"a\")), (y) | (select (1))",
            ),
            ("select pattern (a b), final (c)", "select pattern (a b), final (c)"),
        ] {
            assert_eq!(folded(sql), expected, "{sql}");
        }
    }
}
