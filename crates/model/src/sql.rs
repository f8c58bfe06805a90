//! Texts and names as the Snowflake dialect writes them, which is the language of the lake too.

/// A text as a literal: a backslash escapes there, so it is doubled as quotes are.
#[must_use]
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A name in quotes, exactly as it is.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_them_does_not() {
        for (text, expected) in [("a", "'a'"), ("it's", "'it''s'"), (r"x\", r"'x\\'"), (r"\' OR 1", r"'\\'' OR 1'")] {
            assert_eq!(literal(text), expected);
        }
        assert_eq!(quoted_name(r#"a"b\"#), r#""a""b\""#);
    }
}
