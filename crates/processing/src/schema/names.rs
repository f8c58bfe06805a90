//! Column names: what SQL and rules call a field whose own name holds other characters than `a-z A-Z 0-9 _ -`.
//!
//! The rule is Panther's, so that rules written for it find `at_sign_timestamp` and not `@timestamp`.

use std::borrow::Cow;

/// The transliterated name; borrowed when nothing changes.
pub(crate) fn column_name(name: &str) -> Cow<'_, str> {
    let kept = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.bytes().all(|b| kept(char::from(b))) {
        return name.into();
    }
    let mut out = String::with_capacity(name.len() + 8);
    let mut word_before = false;
    for c in name.chars() {
        if kept(c) {
            if word_before && c != '_' {
                out.push('_');
            }
            word_before = false;
            out.push(c);
            continue;
        }
        if let Some(word) = spelled(c) {
            if !out.is_empty() && !out.ends_with('_') {
                out.push('_');
            }
            out.push_str(word);
            word_before = true;
            continue;
        }
        if word_before {
            out.push('_');
        }
        word_before = false;
        let ascii = if c.is_alphabetic() { deunicode::deunicode_char(c).unwrap_or("") } else { "" };
        let letters: String = ascii.trim().chars().filter(|&c| kept(c)).collect();
        out.push_str(if letters.is_empty() { "_" } else { &letters });
    }
    if out.is_empty() {
        out.push('_');
    }
    out.into()
}

fn spelled(c: char) -> Option<&'static str> {
    Some(match c {
        '@' => "at_sign",
        ',' => "comma",
        '`' => "backtick",
        '\'' => "apostrophe",
        '$' => "dollar_sign",
        '*' => "asterisk",
        '&' => "ampersand",
        '!' => "exclamation",
        '%' => "percent",
        '+' => "plus",
        '/' => "slash",
        '\\' => "backslash",
        '#' => "hash",
        '~' => "tilde",
        '=' => "eq",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (name, column) in [
            ("eventName", "eventName"),
            ("x-amz-id-2", "x-amz-id-2"),
            ("@timestamp", "at_sign_timestamp"),
            ("id.orig_h", "id_orig_h"),
            ("a@b", "a_at_sign_b"),
            ("a@", "a_at_sign"),
            ("a@@b", "a_at_sign_at_sign_b"),
            ("100%", "100_percent"),
            ("user_@name", "user_at_sign_name"),
            ("größe", "grosse"),
            ("имя", "imia"),
            ("a b", "a_b"),
            ("a: b", "a__b"),
            ("", "_"),
            ("🦊", "_"),
        ] {
            assert_eq!(column_name(name), column, "{name}");
        }
    }
}
