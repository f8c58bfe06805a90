//! RE2's dialect to that of the `regex` crate: the same language, written differently in a few places. Classes such as
//! `\d` and `\w` are ASCII in RE2, a `[` in a class and a `{` that counts nothing are plain characters.

/// The expression as the `regex` crate wants it.
pub(super) fn to_rust(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut in_class = false;
    let mut at = 0;
    while let Some(c) = pattern[at..].chars().next() {
        let rest = &pattern[at + c.len_utf8()..];
        at += c.len_utf8();
        match c {
            '\\' => at += escape(rest, in_class, &mut out),
            '[' if in_class => match rest.find(":]").filter(|_| rest.starts_with(':')) {
                Some(end) => {
                    out.push('[');
                    out.push_str(&rest[..end + 2]);
                    at += end + 2;
                }
                None => out.push_str("\\["),
            },
            '[' => {
                in_class = true;
                out.push('[');
                let negated = rest.starts_with('^');
                if negated {
                    out.push('^');
                    at += 1;
                }
                // A bracket that comes first is a member.
                if pattern[at..].starts_with(']') {
                    out.push_str("\\]");
                    at += 1;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Two of them would be an operation on classes.
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '-' if in_class && rest.starts_with('-') => {
                out.push_str("\\-");
            }
            '{' if !in_class && !counts(rest) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    out
}

/// Whether the text behind a `{` is `n}`, `n,}` or `n,m}`.
fn counts(rest: &str) -> bool {
    let Some((inner, _)) = rest.split_once('}') else { return false };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// Writes what stands behind a backslash; how many bytes of it that was.
fn escape(rest: &str, in_class: bool, out: &mut String) -> usize {
    let Some(letter) = rest.chars().next() else {
        out.push_str("\\\\");
        return 0;
    };
    let plain = match (letter, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', false) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', false) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('s', true) => "\\t\\n\\f\\r ",
        ('S', false) => "[^\\t\\n\\f\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('<', _) => "<",
        ('>', _) => ">",
        ('Q', _) => {
            let quoted = &rest[1..];
            let (text, skipped) = match quoted.find("\\E") {
                Some(end) => (&quoted[..end], end + 3),
                None => (quoted, quoted.len() + 1),
            };
            out.push_str(&regex::escape(text));
            return skipped;
        }
        _ => {
            out.push('\\');
            out.push(letter);
            return letter.len_utf8();
        }
    };
    out.push_str(plain);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (re2, matching, other) in [
            (r"^\d+$", "12", "٣"),
            (r"^[\d.]+$", "1.2", "a"),
            (r"^[\w-]+$", "a-b_9", "ä"),
            (r"^[^[]+$", "abc", "a[b"),
            (r"^[[:alpha:]]+$", "abc", "1"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[^]a]+$", "b", "]"),
            (r#"^{"a":\d{1,2}}$"#, r#"{"a":12}"#, r#"{"a":123}"#),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^\<\d+\>", "<14>", "14"),
            (r"^\Qa.b\Ec$", "a.bc", "axbc"),
            (r"^[a&&b~~]+$", "a&b~", "c"),
            (r"\bfoo\b", "a foo b", "afoo"),
            (r"^\S+\s\S+$", "a b", "ab"),
        ] {
            let regex = regex::Regex::new(&to_rust(re2)).unwrap_or_else(|error| panic!("{re2}: {error}"));
            assert!(regex.is_match(matching), "{re2} {matching}");
            assert!(!regex.is_match(other), "{re2} {other}");
        }
    }
}
