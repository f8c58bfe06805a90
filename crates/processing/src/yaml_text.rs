//! Values as YAML text, in the one style in which schema files are written: block collections, lists indented under
//! their key, quotes only where another reader of YAML could take a text for something else.

use std::fmt::Write as _;

use serde_json::Value as Json;

/// Writes an object's members as lines of a block mapping.
pub(crate) fn write_members(out: &mut String, members: &serde_json::Map<String, Json>, indent: usize) {
    for (key, value) in members {
        let _ = write!(out, "{:indent$}{}:", "", scalar(key));
        write_value(out, value, indent);
    }
}

/// Writes a value behind its key, with the line's end.
pub(crate) fn write_value(out: &mut String, value: &Json, indent: usize) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            out.push('\n');
            write_members(out, members, indent + 2);
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('\n');
            write_items(out, items, indent + 2);
        }
        Json::String(text) => {
            let _ = writeln!(out, " {}", scalar(text));
        }
        // Numbers, booleans, null and the empty collections are written as in JSON.
        other => {
            let _ = writeln!(out, " {other}");
        }
    }
}

fn write_items(out: &mut String, items: &[Json], indent: usize) {
    for item in items {
        let from = out.len();
        match item {
            Json::Object(members) if !members.is_empty() => write_members(out, members, indent + 2),
            Json::Array(items) if !items.is_empty() => write_items(out, items, indent + 2),
            other => {
                let _ = write!(out, "{:indent$}-", "");
                write_value(out, other, indent);
                continue;
            }
        }
        // The first line of a collection stands behind the item's dash.
        out.replace_range(from + indent..from + indent + 1, "-");
    }
}

/// A text as a scalar: plain where that is safe, else in quotes.
pub(crate) fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}')) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    // A JSON string is a YAML scalar in double quotes but for a few characters that JSON leaves as they are.
    let mut quoted = Json::from(text).to_string();
    for c in ['\u{7f}', '\u{85}', '\u{feff}', '\u{2028}', '\u{2029}'] {
        quoted = quoted.replace(c, &format!("\\u{:04x}", u32::from(c)));
    }
    quoted
}

fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let Some(first) = text.chars().next() else { return false };
    let is_address = || text.matches('.').count() > 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let starts_well = first.is_ascii_alphabetic() || matches!(first, '_' | '/') || is_address();
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "_-./@:+()=; ".contains(c);
    starts_well
        && text.chars().all(is_safe)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::load_yaml;

    fn text_of(value: &Json) -> String {
        let mut out = "root:".to_owned();
        write_value(&mut out, value, 0);
        out
    }

    #[test]
    fn style() {
        let value: Json = serde_json::from_str(
            r#"{"a":"x","b":[1,"2",{"c":null,"d":[]},[["e"],{}]],"t":"2025-03-04 10:05:00.000000000","ip":"192.0.2.1","k: ":{"l":1e400},"m":"a\nb","y":"yes"}"#,
        )
        .unwrap();
        insta::assert_snapshot!(text_of(&value), @r#"
        root:
          a: x
          b:
            - 1
            - '2'
            - c: null
              d: []
            - - - e
              - {}
          t: '2025-03-04 10:05:00.000000000'
          ip: 192.0.2.1
          'k: ':
            l: 1e+400
          m: "a\nb"
          'y': 'yes'
        "#);
    }

    fn json() -> impl Strategy<Value = Json> {
        let text = prop_oneof![any::<String>(), "[-a-z0-9#:&*!|>'\"%@` .,{}\\[\\]~]{0,12}"];
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            text.clone().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                prop::collection::vec((text.clone(), inner), 0..4)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in json()) {
            let text = text_of(&value);
            let read = load_yaml(&text).map_err(TestCaseError::fail)?;
            prop_assert_eq!(&read["root"], &value, "{}", text);
        }
    }
}
