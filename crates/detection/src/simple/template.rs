//! `AlertTitle`: text with `{field}` and `{a.b}` in it.

use uncia_document::Ref;

use super::path::{Found, Path};

/// A title with places for values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Path),
}

impl Template {
    /// Braces that hold no path stay as they are.
    pub(super) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let Some(length) = rest[open..].find('}') else { break };
            let inside = &rest[open + 1..open + length];
            let Ok(path) = Path::parse(inside) else {
                pieces.push(Piece::Text(rest[..=open].to_owned()));
                rest = &rest[open + 1..];
                continue;
            };
            pieces.push(Piece::Text(rest[..open].to_owned()));
            pieces.push(Piece::Value(path));
            rest = &rest[open + length + 1..];
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Self(pieces)
    }

    pub(super) fn fill(&self, event: Ref<'_>) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Value(path) => shown(&path.find(event)),
        });
        pieces.collect()
    }
}

/// A value as it stands in a title or a dedup string: texts bare, what is not there as Python writes it, the rest as JSON.
pub(super) fn shown(found: &Found<'_>) -> String {
    match found {
        Found::Absent => "None".to_owned(),
        Found::One(value) if value.is_null() => "None".to_owned(),
        Found::One(value) => match (value.as_str(), value.as_bool()) {
            (Some(text), _) => text.to_owned(),
            (_, Some(true)) => "True".to_owned(),
            (_, Some(false)) => "False".to_owned(),
            _ => value.to_json(),
        },
        Found::Many(_) => json(found),
    }
}

/// A value as JSON; `null` for what is not there.
pub(super) fn json(found: &Found<'_>) -> String {
    match found {
        Found::Absent => "null".to_owned(),
        Found::One(value) => value.to_json(),
        Found::Many(values) => {
            let texts: Vec<String> = values.iter().map(|value| value.to_json()).collect();
            format!("[{}]", texts.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use uncia_document::{Interner, Parser};

    use super::*;

    #[test]
    fn titles() {
        let event = r#"{"a":"x","b":{"c":[1,2]},"t":true,"n":null}"#;
        let document = Parser::new(Interner::new()).parse(event.as_bytes()).unwrap();
        for (template, expected) in [
            ("plain", "plain"),
            ("[{a}] {b.c} {t}", "[x] [1,2] True"),
            ("{n} {gone} {b.c[0]}", "None None 1"),
            ("{} {a", "{} {a"),
            ("{{a}}", "{x}"),
        ] {
            assert_eq!(Template::parse(template).fill(document.root()), expected, "{template}");
        }
    }
}
