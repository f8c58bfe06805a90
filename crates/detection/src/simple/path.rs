//! Where in an event a value stands: `Key`, `DeepKey`, and `KeyPath` with its `a.b[0].c` and `[*]`.
//!
//! Names are looked up as rules look them up: exactly first, then without regard to case, the first in the event's order.

use uncia_document::Ref;

/// A key specifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// From the end when negative.
    Index(i64),
    /// `[*]`: the rest of the path for each element.
    Each,
}

/// What stands at a path.
#[derive(Clone)]
pub(super) enum Found<'a> {
    Absent,
    One(Ref<'a>),
    /// Of a path with `[*]`: what the elements hold, without the absent and the null.
    Many(Vec<Ref<'a>>),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is no path: {reason}; a path is written like `a.b[0].c`, `\"odd name\".b` or `a[*].b`")]
pub(super) struct PathError {
    path: String,
    reason: String,
}

impl Path {
    /// One field of that name, whatever letters are in it.
    pub(super) fn field(name: &str) -> Self {
        Self { steps: vec![Step::Field(name.to_owned())] }
    }

    pub(super) fn then_field(mut self, name: &str) -> Self {
        self.steps.push(Step::Field(name.to_owned()));
        self
    }

    pub(super) fn then_index(mut self, index: i64) -> Self {
        self.steps.push(Step::Index(index));
        self
    }

    pub(super) const fn empty() -> Self {
        Self { steps: Vec::new() }
    }

    /// A `KeyPath`.
    pub(super) fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |reason: String| PathError { path: text.to_owned(), reason };
        let mut steps = Vec::new();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(fail("it is empty".to_owned()));
        }
        loop {
            if let Some(inner) = rest.strip_prefix('"') {
                let end = inner.find('"').ok_or_else(|| fail("a quote is not closed".to_owned()))?;
                steps.push(Step::Field(inner[..end].to_owned()));
                rest = &inner[end + 1..];
            } else if !rest.starts_with('[') {
                let end = rest.find(['.', '[', '"', ']']).unwrap_or(rest.len());
                let name = &rest[..end];
                if name.is_empty() {
                    return Err(fail("a name is empty".to_owned()));
                }
                if let Some(letter) = name.chars().find(|letter| "|&(){}*?`<>=!,".contains(*letter)) {
                    return Err(fail(format!("`{letter}` is not supported")));
                }
                steps.push(Step::Field(name.to_owned()));
                rest = &rest[end..];
            }
            while let Some(inner) = rest.strip_prefix('[') {
                let end = inner.find(']').ok_or_else(|| fail("`[` is not closed".to_owned()))?;
                steps.push(
                    bracket(&inner[..end]).ok_or_else(|| fail(format!("`[{}]` is not supported", &inner[..end])))?,
                );
                rest = &inner[end + 1..];
            }
            if rest.is_empty() {
                return Ok(Self { steps });
            }
            rest = rest.strip_prefix('.').ok_or_else(|| fail(format!("`{rest}` is out of place")))?;
            if rest.starts_with('[') {
                return Err(fail("`.` before `[`".to_owned()));
            }
        }
    }

    pub(super) fn find<'a>(&self, from: Ref<'a>) -> Found<'a> {
        walk(from, &self.steps)
    }
}

fn bracket(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    let quoted = |quote: char| inside.strip_prefix(quote)?.strip_suffix(quote);
    if inside == "*" || inside.is_empty() {
        return Some(Step::Each);
    }
    if let Some(name) = quoted('"').or_else(|| quoted('\'')) {
        return Some(Step::Field(name.to_owned()));
    }
    inside.parse().ok().map(Step::Index)
}

fn walk<'a>(from: Ref<'a>, steps: &[Step]) -> Found<'a> {
    let mut at = from;
    for (place, step) in steps.iter().enumerate() {
        let next = match step {
            Step::Field(name) => field(at, name),
            Step::Index(index) => element(at, *index),
            Step::Each => {
                if !at.is_array() {
                    return Found::Absent;
                }
                let mut many = Vec::new();
                for item in at.items() {
                    match walk(item, &steps[place + 1..]) {
                        Found::Absent => {}
                        Found::One(value) if value.is_null() => {}
                        Found::One(value) => many.push(value),
                        Found::Many(values) => many.extend(values),
                    }
                }
                return Found::Many(many);
            }
        };
        match next {
            Some(value) => at = value,
            None => return Found::Absent,
        }
    }
    Found::One(at)
}

/// A member by name: exactly, else without regard to case.
pub(super) fn field<'a>(object: Ref<'a>, name: &str) -> Option<Ref<'a>> {
    if !object.is_object() {
        return None;
    }
    object.get(name).or_else(|| object.members().find(|((_, key), _)| same(key, name)).map(|(_, value)| value))
}

/// Equality without regard to case.
pub(super) fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.to_lowercase() == b.to_lowercase()
}

fn element(list: Ref<'_>, index: i64) -> Option<Ref<'_>> {
    let count = list.items().len();
    let place =
        if index < 0 { count.checked_sub(index.unsigned_abs() as usize)? } else { usize::try_from(index).ok()? };
    list.items().nth(place)
}

#[cfg(test)]
mod tests {
    use uncia_document::{Interner, Parser};

    use super::*;

    fn found(path: &str, event: &str) -> String {
        let document = Parser::new(Interner::new()).parse(event.as_bytes()).unwrap();
        match Path::parse(path).unwrap().find(document.root()) {
            Found::Absent => "absent".to_owned(),
            Found::One(value) => value.to_json(),
            Found::Many(values) => format!("{:?}", values.iter().map(|value| value.to_json()).collect::<Vec<_>>()),
        }
    }

    #[test]
    fn paths() {
        let event = r#"{"a":{"b":[{"c":1},{"c":null},{"C":3}],"B":7,"odd.name":4},"x":null,"l":[[1],[2,3]]}"#;
        for (path, expected) in [
            ("a.b[0].c", "1"),
            ("A.B", "7"),
            ("a.b[-1].c", "3"),
            ("a.b[9]", "absent"),
            ("a.b[-4]", "absent"),
            ("a.b[*].c", r#"["1", "3"]"#),
            ("a.b[].c", r#"["1", "3"]"#),
            (r#"a."odd.name""#, "4"),
            (r"a['odd.name']", "4"),
            ("x", "null"),
            ("x.y", "absent"),
            ("l[*][0]", r#"["1", "2"]"#),
            ("a[*]", "absent"),
            ("a[0]", "absent"),
        ] {
            assert_eq!(found(path, event), expected, "{path}");
        }
        for path in ["", "a..b", "a[b]", "a.b[?x]", "a | b", "length(a)", "a[", "a.[0]", "a\"b", "a.*", "a]"] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
