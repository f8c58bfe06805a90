//! Names and literals in SQL that an administrator is going to run: form fields flow into it, so each is quoted or refused.

pub use uncia_model::sql::literal;
use uncia_model::sql::quoted_name;

/// What a name may be without quotes (<https://docs.snowflake.com/en/sql-reference/identifiers-syntax>).
const LONGEST_NAME: usize = 255;

/// A text that can be no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{field} is empty")]
    Empty { field: &'static str },
    #[error("{field} is longer than {LONGEST_NAME} characters")]
    TooLong { field: &'static str },
    #[error("{field} `{}` contains a control character", shown.escape_default())]
    Control { field: &'static str, shown: String },
}

/// Checks a name that somebody typed in.
pub fn check_name(field: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { field });
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(NameError::TooLong { field });
    }
    if name.chars().any(char::is_control) {
        return Err(NameError::Control { field, shown: name.to_owned() });
    }
    Ok(())
}

/// A name as SQL writes it: bare if Snowflake keeps it as it is, otherwise in double quotes.
///
/// Lower case is quoted, because a bare name is folded to upper case, and the API wants names exactly as they are.
#[must_use]
pub fn identifier(name: &str) -> String {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let bare = first
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'$')
        && !RESERVED.contains(&name);
    if bare { name.to_owned() } else { quoted_name(name) }
}

/// Words that cannot be names without quotes (<https://docs.snowflake.com/en/sql-reference/reserved-keywords>).
const RESERVED: &[&str] = &[
    "ACCOUNT",
    "ALL",
    "ALTER",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CHECK",
    "COLUMN",
    "CONNECT",
    "CONNECTION",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATABASE",
    "DELETE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "EXISTS",
    "FALSE",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "GRANT",
    "GROUP",
    "GSCLUSTER",
    "HAVING",
    "ILIKE",
    "IN",
    "INCREMENT",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTO",
    "IS",
    "ISSUE",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "MINUS",
    "NATURAL",
    "NOT",
    "NULL",
    "OF",
    "ON",
    "OR",
    "ORDER",
    "ORGANIZATION",
    "QUALIFY",
    "REGEXP",
    "REVOKE",
    "RIGHT",
    "RLIKE",
    "ROW",
    "ROWS",
    "SAMPLE",
    "SCHEMA",
    "SELECT",
    "SET",
    "SOME",
    "START",
    "TABLE",
    "TABLESAMPLE",
    "THEN",
    "TO",
    "TRIGGER",
    "TRUE",
    "TRY_CAST",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "VIEW",
    "WHEN",
    "WHENEVER",
    "WHERE",
    "WITH",
];

/// The parts of a qualified name, without their quotes.
#[must_use]
pub fn unquoted(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let last = parts.last_mut().expect("it starts with one part and only grows");
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                last.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => last.push(other),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_bare_or_quoted() {
        for (name, written) in [
            ("UNCIA_WH", "UNCIA_WH"),
            ("_A$1", "_A$1"),
            ("uncia", "\"uncia\""),
            ("1A", "\"1A\""),
            ("A B", "\"A B\""),
            ("X\"; DROP USER Y --", "\"X\"\"; DROP USER Y --\""),
            ("TABLE", "\"TABLE\""),
            ("", "\"\""),
        ] {
            assert_eq!(identifier(name), written);
        }
        assert_eq!(literal("it's \\ here"), "'it''s \\\\ here'");
        assert_eq!(unquoted("A.\"b.\"\"c\".D"), ["A", "b.\"c", "D"]);
    }

    proptest! {
        #[test]
        fn a_quoted_name_is_read_back(names in proptest::collection::vec("[^\\p{C}]{1,20}", 1..4)) {
            let written: Vec<String> = names.iter().map(|name| identifier(name)).collect();
            prop_assert_eq!(unquoted(&written.join(".")), names);
        }

        #[test]
        fn no_literal_ends_early(text in ".*") {
            let written = literal(&text);
            let inside = &written[1..written.len() - 1];
            // What is left once all escapes are taken out can hold no quote.
            let mut left = inside.chars();
            while let Some(character) = left.next() {
                if character == '\\' || character == '\'' {
                    prop_assert_eq!(left.next(), Some(character));
                }
            }
        }
    }
}
