//! Words, names, literals and marks of a script, with their lines; and where one statement ends.

use crate::failure::SqlFailure;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An unquoted word, as written.
    Word(String),
    /// A name in double quotes, without them.
    Quoted(String),
    /// A string literal's value.
    Text(String),
    Number(String),
    Mark(char),
}

/// A token, the line it is on, and where it begins and ends in the text.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) line: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// One statement of a script: its text and its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Placed>,
}

/// Splits at semicolons outside literals, names and comments; empty statements fall away.
pub(crate) fn split(sql: &str) -> Result<Vec<Piece<'_>>, SqlFailure> {
    let mut pieces = Vec::new();
    let mut tokens: Vec<Placed> = Vec::new();
    let mut close = |tokens: &mut Vec<Placed>| {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let text = &sql[first.start..last.end];
        pieces.push(Piece { text, tokens: std::mem::take(tokens) });
    };
    for placed in tokenize(sql)? {
        if placed.token == Token::Mark(';') {
            close(&mut tokens);
        } else {
            tokens.push(placed);
        }
    }
    close(&mut tokens);
    Ok(pieces)
}

fn tokenize(sql: &str) -> Result<Vec<Placed>, SqlFailure> {
    let bytes = sql.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut line = 1;
    while at < bytes.len() {
        let start = at;
        let byte = bytes[at];
        let rest = &sql[at..];
        let token = match byte {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' => {
                at += 1;
                continue;
            }
            _ if rest.starts_with("--") || rest.starts_with("//") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            _ if rest.starts_with("/*") => {
                let length = rest.find("*/").ok_or_else(|| unfinished("comment", line))? + 2;
                line += rest[..length].matches('\n').count();
                at += length;
                continue;
            }
            b'\'' => {
                let (value, length) = literal(rest, '\'', true).ok_or_else(|| unfinished("string", line))?;
                at += length;
                Token::Text(value)
            }
            b'"' => {
                let (value, length) = literal(rest, '"', false).ok_or_else(|| unfinished("name", line))?;
                at += length;
                Token::Quoted(value)
            }
            b'$' if rest.starts_with("$$") => {
                let length = rest[2..].find("$$").ok_or_else(|| unfinished("string", line))?;
                at += length + 4;
                Token::Text(rest[2..length + 2].to_owned())
            }
            b'0'..=b'9' => {
                at += rest.find(|at: char| !at.is_ascii_digit() && at != '.').unwrap_or(rest.len());
                Token::Number(sql[start..at].to_owned())
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let in_word = |at: char| at.is_ascii_alphanumeric() || at == '_' || at == '$';
                at += rest.find(|at: char| !in_word(at)).unwrap_or(rest.len());
                Token::Word(sql[start..at].to_owned())
            }
            _ => {
                let mark = rest.chars().next().expect("at is inside the text");
                at += mark.len_utf8();
                Token::Mark(mark)
            }
        };
        let lines = sql[start..at].matches('\n').count();
        tokens.push(Placed { token, line, start, end: at });
        line += lines;
    }
    Ok(tokens)
}

fn unfinished(what: &str, line: usize) -> SqlFailure {
    SqlFailure::syntax(format!("syntax error line {line}: a {what} has no end"))
}

/// The value of a literal at the start of the text, and its length there. Doubled quotes stand for one; in strings the
/// backslash escapes.
fn literal(text: &str, quote: char, escapes: bool) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, next)) = chars.next() {
        if next == quote {
            if chars.peek().is_some_and(|(_, after)| *after == quote) {
                chars.next();
                value.push(quote);
                continue;
            }
            return Some((value, at + next.len_utf8()));
        }
        if escapes && next == '\\' {
            let (_, escaped) = chars.next()?;
            value.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '0' => '\0',
                other => other,
            });
            continue;
        }
        value.push(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_split_where_statements_end() {
        let script = "-- first; not here\nUSE ROLE \"a;b\"; /* ; */ SELECT 'x;''y' ;;\nSELECT $$;$$";
        let texts: Vec<&str> = split(script).unwrap().iter().map(|piece| piece.text).collect();
        assert_eq!(texts, ["USE ROLE \"a;b\"", "SELECT 'x;''y'", "SELECT $$;$$"]);
        assert_eq!(split(script).unwrap()[1].tokens[1].token, Token::Text("x;'y".to_owned()));
    }

    #[test]
    fn what_has_no_end_is_an_error() {
        for script in ["SELECT 'x", "SELECT \"x", "/* x", "SELECT $$x", "SELECT 'x\\"] {
            assert!(split(script).is_err(), "{script}");
        }
    }
}
