//! The time macros of published queries, `p_occurs_since('1 day')` and its kin.
//!
//! They take what no SQL parser does (`p_occurs_since(1 h)`, `p_occurs_since('1 d', , p_parse_time)`), so they are
//! expanded on tokens, before parsing. New tokens stand where the macro stood, so that later errors point into the text
//! as written.

use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer};

use crate::query::fault::{did_you_mean, place};
use crate::query::names::nearest;

const PREFIX: &str = "p_occurs_";
const MACROS: [&str; 5] =
    ["p_occurs_since", "p_occurs_between", "p_occurs_around", "p_occurs_after", "p_occurs_before"];

pub(super) fn expand(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>, String> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let Some((name, open)) = macro_at(&tokens, at) else {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let span = tokens[at].span;
        let (arguments, after) =
            arguments(&tokens, open).ok_or_else(|| format!("{name}{}: no closing parenthesis", place(span)))?;
        let text = condition(&name, &arguments).map_err(|message| format!("{name}{}: {message}", place(span)))?;
        out.extend(tokens_at(&text, span)?);
        at = after;
    }
    Ok(out)
}

/// The macro's name and the place of its opening parenthesis, if one begins here.
fn macro_at(tokens: &[TokenWithSpan], at: usize) -> Option<(String, usize)> {
    let Token::Word(word) = &tokens[at].token else { return None };
    if word.quote_style.is_some() || !word.value.to_lowercase().starts_with(PREFIX) {
        return None;
    }
    let next = (at + 1..tokens.len()).find(|&n| !matches!(tokens[n].token, Token::Whitespace(_)))?;
    (tokens[next].token == Token::LParen).then(|| (word.value.to_lowercase(), next))
}

/// The texts between the parentheses, cut at top-level commas, and the place after the closing one.
fn arguments(tokens: &[TokenWithSpan], open: usize) -> Option<(Vec<String>, usize)> {
    let mut arguments = vec![String::new()];
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        let current = arguments.last_mut().expect("there is always a first argument");
        match &token.token {
            Token::RParen if depth == 0 => {
                return Some((arguments.iter().map(|text| text.trim().to_owned()).collect(), n + 1));
            }
            Token::LParen if depth == 1 && n == open => {}
            Token::Comma if depth == 1 => arguments.push(String::new()),
            other => current.push_str(&other.to_string()),
        }
    }
    None
}

fn condition(name: &str, arguments: &[String]) -> Result<String, String> {
    let leading = match name {
        "p_occurs_between" | "p_occurs_around" => 2,
        "p_occurs_since" | "p_occurs_after" | "p_occurs_before" => 1,
        _ => {
            let near = nearest(name, MACROS.iter().map(|&known| known.to_owned()));
            return Err(format!("unknown macro{}", did_you_mean(&near)));
        }
    };
    if arguments.len() < leading || arguments[..leading].iter().any(String::is_empty) {
        return Err(format!("expected {leading} arguments, then optionally a table alias and a column"));
    }
    let qualifier = arguments.get(leading).filter(|alias| !alias.is_empty());
    let column = arguments.get(leading + 1).filter(|column| !column.is_empty()).map_or("p_event_time", String::as_str);
    let column = qualifier.map_or_else(|| column.to_owned(), |alias| format!("{alias}.{column}"));
    let first = &arguments[0];
    Ok(match name {
        "p_occurs_since" => {
            format!("({column} >= dateadd('second', -{}, current_timestamp()))", offset_seconds(first)?)
        }
        "p_occurs_between" => {
            format!("({column} between to_timestamp({first}) and to_timestamp({}))", arguments[1])
        }
        "p_occurs_around" => {
            let offset = offset_seconds(&arguments[1])?;
            format!(
                "({column} between dateadd('second', -{offset}, to_timestamp({first})) \
                 and dateadd('second', {offset}, to_timestamp({first})))"
            )
        }
        "p_occurs_after" => format!("({column} > to_timestamp({first}))"),
        _ => format!("({column} < to_timestamp({first}))"),
    })
}

/// `1 day`, `'90m'`, `2 weeks`, or plain seconds.
fn offset_seconds(text: &str) -> Result<u64, String> {
    let plain = text.trim_matches('\'').trim();
    let digits = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
    let unit = match plain[digits..].trim().to_lowercase().as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600,
        "d" | "day" | "days" => 86_400,
        "w" | "wk" | "wks" | "week" | "weeks" => 604_800,
        _ => 0,
    };
    let seconds = plain[..digits].parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    match seconds {
        Some(seconds) if unit > 0 => Ok(seconds),
        _ => Err(format!("{text} is no time offset; write '1 day', '90 minutes' or a number of seconds")),
    }
}

fn tokens_at(text: &str, span: Span) -> Result<Vec<TokenWithSpan>, String> {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, text).tokenize();
    let tokens = tokens.map_err(|error| format!("macro{}: {error}", place(span)))?;
    Ok(tokens.into_iter().map(|token| TokenWithSpan { token, span }).collect())
}
