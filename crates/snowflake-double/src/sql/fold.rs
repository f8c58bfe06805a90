//! From text to a syntax tree with Snowflake's rules for names: unquoted ones fold to upper case.
//!
//! It is done on the tokens, where one rule serves tables, columns, aliases and common table expressions alike; there,
//! too, bindings take the place of their question marks, in the order of the text.

use std::collections::BTreeSet;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::SnowflakeDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::failure::SqlFailure;

/// A bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Text(String),
    Number(String),
    Boolean(bool),
    Null,
}

/// One statement, and every name in it.
pub(crate) struct Folded {
    pub(crate) statement: Statement,
    pub(crate) names: BTreeSet<String>,
}

pub(crate) fn parse(sql: &str, bindings: &[Bound], utc: bool) -> Result<Folded, SqlFailure> {
    let dialect = SnowflakeDialect;
    let tokens = Tokenizer::new(&dialect, sql).tokenize().map_err(SqlFailure::syntax)?;
    let mut names = BTreeSet::new();
    let mut next = 0;
    let mut folded = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token {
            Token::Word(mut word) => {
                if word.quote_style.is_none() {
                    word.value = word.value.to_uppercase();
                }
                names.insert(word.value.clone());
                folded.push(Token::Word(word));
            }
            Token::Placeholder(_) => {
                let bound = bindings.get(next).ok_or_else(|| SqlFailure::bind_missing(next + 1))?;
                next += 1;
                bind(&mut folded, bound);
            }
            other => folded.push(other),
        }
    }
    if !utc {
        refuse_local_times(&folded)?;
    }
    let statements = Parser::new(&dialect).with_tokens(folded).parse_statements().map_err(SqlFailure::syntax)?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([statement]) => Ok(Folded { statement, names }),
        Err(statements) => Err(SqlFailure::statement_count(statements.len(), 1)),
    }
}

/// A time without an offset means the session's zone, and days begin there: in a zone other than UTC both would be answered
/// wrongly here, so they are not answered. (An account's zone is that of California until somebody sets it.)
fn refuse_local_times(tokens: &[Token]) -> Result<(), SqlFailure> {
    for token in tokens {
        match token {
            Token::SingleQuotedString(text) if is_local_time(text) => {
                return Err(SqlFailure::unsupported_here(format!(
                    "'{text}', a time without an offset, in a session whose TIMEZONE is not UTC"
                )));
            }
            Token::Word(word)
                if word.quote_style.is_none()
                    && ["DATE_TRUNC", "DATEDIFF", "DATEADD"].contains(&word.value.as_str())
                    && tokens.iter().any(is_day_part) =>
            {
                return Err(SqlFailure::unsupported_here("days in a session whose TIMEZONE is not UTC"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_local_time(text: &str) -> bool {
    let shape: String = text.chars().map(|at| if at.is_ascii_digit() { '0' } else { at }).collect();
    let Some(rest) = shape.strip_prefix("0000-00-00") else { return false };
    let offset = rest.trim_end();
    let has_offset = ["+0000", "-0000", "+00:00", "-00:00", "+00", "-00", "Z"].iter().any(|end| offset.ends_with(end));
    !has_offset
}

fn is_day_part(token: &Token) -> bool {
    let text = match token {
        Token::Word(word) => &word.value,
        Token::SingleQuotedString(text) => text,
        _ => return false,
    };
    ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"].contains(&text.to_uppercase().as_str())
}

fn bind(tokens: &mut Vec<Token>, bound: &Bound) {
    let keyword = |text: &str, keyword| Token::Word(Word { value: text.to_owned(), quote_style: None, keyword });
    match bound {
        Bound::Text(text) => tokens.push(Token::SingleQuotedString(text.clone())),
        Bound::Number(text) => match text.strip_prefix('-') {
            Some(digits) => {
                tokens.extend([Token::LParen, Token::Minus, Token::Number(digits.to_owned(), false), Token::RParen]);
            }
            None => tokens.push(Token::Number(text.clone(), false)),
        },
        Bound::Boolean(true) => tokens.push(keyword("TRUE", Keyword::TRUE)),
        Bound::Boolean(false) => tokens.push(keyword("FALSE", Keyword::FALSE)),
        Bound::Null => tokens.push(keyword("NULL", Keyword::NULL)),
    }
}
