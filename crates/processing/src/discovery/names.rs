//! Names of members: which are data, and what a record calls the ones that an event has renamed.

use serde_json::Value as Json;

use crate::schema::column_name;

/// A name longer than this is data.
const MAX_NAME_BYTES: usize = 200;
/// Shorter names are not looked at for digits: `ec2`, `x509`.
const LEAST_ID_BYTES: usize = 8;

/// Whether a key looks like an id: nobody names a field so.
pub(crate) fn is_data(key: &str) -> bool {
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let is_only_digits = !key.is_empty() && digits == key.len();
    let has_many = key.len() >= LEAST_ID_BYTES && digits * 100 > key.len() * 30;
    key.is_empty() || key.len() > MAX_NAME_BYTES || is_only_digits || has_many || is_uuid(key)
}

fn is_uuid(key: &str) -> bool {
    let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    key.len() == 36 && key.bytes().enumerate().all(|(n, b)| if is_dash(n) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// The record's own name of a member: of the keys at the place, the one that makes the column. `None` if there is none,
/// or more than one.
pub(super) fn original(record: &Json, path: &[Box<str>], key: &str) -> Option<Box<str>> {
    match record {
        Json::Array(items) => items.iter().find_map(|item| original(item, path, key)),
        Json::String(text) if text.starts_with(['{', '[']) => {
            let inner: Json = serde_json::from_str(text).ok()?;
            original(&inner, path, key)
        }
        Json::Object(members) => {
            let name = path.first().map_or(key, |part| part);
            let mut found = members.iter().filter(|(has, _)| column_name(has) == name);
            let (has, value) = found.next()?;
            if found.next().is_some() {
                return None;
            }
            match path.split_first() {
                Some((_, rest)) => original(value, rest, key),
                None => Some(has.as_str().into()),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_are_no_names() {
        for (key, is) in [
            ("userName", false),
            ("ec2", false),
            ("x509", false),
            ("sha256_hash", false),
            ("0a1b2c3d-1111-2222-3333-444455556666", true),
            ("i-0123456789abcdef0", true),
            ("123456789012", true),
            ("7", true),
            ("", true),
        ] {
            assert_eq!(is_data(key), is, "{key}");
        }
    }

    #[test]
    fn original_names() {
        let record =
            json!({"@x": 1, "o": {"a b": 2}, "l": [{"c": 1}, {"d.e": 1}], "s": "{\"i j\": 1}", "a/": 1, "a_slash": 2});
        let path = |parts: &[&str]| parts.iter().map(|&part| Box::from(part)).collect::<Vec<Box<str>>>();
        for (parts, key, name) in [
            (&[] as &[&str], "at_sign_x", Some("@x")),
            (&["o"], "a_b", Some("a b")),
            (&["l"], "d_e", Some("d.e")),
            (&["s"], "i_j", Some("i j")),
            (&[], "a_slash", None),
            (&["o"], "z", None),
        ] {
            assert_eq!(original(&record, &path(parts), key).as_deref(), name, "{parts:?} {key}");
        }
    }
}
