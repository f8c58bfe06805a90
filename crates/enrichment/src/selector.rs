//! Which values of an event are looked up: `user`, `a.b`, `$.a.b`, `p_any_usernames`. Lists on the way are entered.

use std::fmt;

use uncia_document::{Ref, Value};

/// A path into an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// As it is written, without `$.`; the key of what is found.
    text: String,
    path: Vec<String>,
}

impl Selector {
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.strip_prefix("$.").unwrap_or(text);
        // `a[*].b` says what `a.b` does here.
        let path = text.split('.').map(|part| part.strip_suffix("[*]").unwrap_or(part).to_owned()).collect();
        Self { text: text.to_owned(), path }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Hands each value to `found`; says whether there is a list on the way.
    pub fn values<'a>(&self, event: Ref<'a>, found: &mut dyn FnMut(&'a str)) -> bool {
        visit(event, &self.path, found)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn visit<'a>(value: Ref<'a>, path: &[String], found: &mut dyn FnMut(&'a str)) -> bool {
    if value.is_array() {
        for item in value.items() {
            visit(item, path, found);
        }
        return true;
    }
    let Some((first, rest)) = path.split_first() else {
        match value.value() {
            Value::Bool(true) => found("true"),
            Value::Bool(false) => found("false"),
            _ => {
                if let Some(text) = value.as_str().or_else(|| value.literal()) {
                    found(text);
                }
            }
        }
        return false;
    };
    value.get(first).is_some_and(|next| visit(next, rest, found))
}

#[cfg(test)]
mod tests {
    use uncia_document::{Interner, Parser};

    use super::*;

    #[test]
    fn what_is_selected() {
        let event = r#"{"user":"dana","n":17,"ok":true,"a":{"b":"x"},"ips":["1","2"],"of":[{"name":"p"},{"name":"q"},{}],"none":null}"#;
        let document = Parser::new(Interner::new()).parse(event.as_bytes()).unwrap();
        for (selector, expected, many) in [
            ("user", vec!["dana"], false),
            ("n", vec!["17"], false),
            ("ok", vec!["true"], false),
            ("a.b", vec!["x"], false),
            ("$.a.b", vec!["x"], false),
            ("ips", vec!["1", "2"], true),
            ("$.of.name", vec!["p", "q"], true),
            ("of[*].name", vec!["p", "q"], true),
            ("a", vec![], false),
            ("none", vec![], false),
            ("absent.b", vec![], false),
        ] {
            let mut values = Vec::new();
            let is_many = Selector::new(selector).values(document.root(), &mut |value| values.push(value));
            assert_eq!((values, is_many), (expected, many), "{selector}");
        }
        assert_eq!(Selector::new("$.a.b").as_str(), "a.b");
    }
}
