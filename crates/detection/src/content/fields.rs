//! Reading the keys of a content file: each key is taken once with the type it must have, and what does not fit is
//! noted with its line instead of ending the reading.

use super::problem::{ContentProblem, Weight};
use super::yaml::{Key, Node, Yaml};

/// The pairs of a mapping and a place for problems.
pub(crate) struct Fields<'a> {
    pairs: &'a [(Key, Node)],
    line: usize,
    /// What the mapping is called in messages; empty for the file itself.
    part: String,
    file: &'a str,
    id: Option<&'a str>,
    problems: &'a mut Vec<ContentProblem>,
}

impl<'a> Fields<'a> {
    /// `None`, with a problem noted, if the node is no mapping.
    pub(crate) fn of(
        node: &'a Node,
        part: &str,
        file: &'a str,
        id: Option<&'a str>,
        problems: &'a mut Vec<ContentProblem>,
    ) -> Option<Self> {
        let Yaml::Map(pairs) = &node.yaml else {
            let what = if part.is_empty() { "the file" } else { part };
            let message = format!("{what} must be a mapping of keys to values, found {}", node.kind());
            problems.push(problem(file, id, node.line, message));
            return None;
        };
        Some(Self { pairs, line: node.line, part: part.to_owned(), file, id, problems })
    }

    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        let found = self.pairs.iter().find(|(name, _)| name.text == key).map(|(_, node)| node)?;
        (found.yaml != Yaml::Null).then_some(found)
    }

    /// Notes that a key's value does not fit.
    pub(crate) fn wrong(&mut self, line: usize, message: impl Into<String>) {
        let message = message.into();
        let message = if self.part.is_empty() { message } else { format!("{}: {message}", self.part) };
        self.problems.push(problem(self.file, self.id, line, message));
    }

    pub(crate) fn warn(&mut self, line: usize, message: impl Into<String>) {
        self.wrong(line, message);
        if let Some(last) = self.problems.last_mut() {
            last.weight = Weight::Warning;
        }
    }

    fn mistyped(&mut self, key: &str, node: &Node, wanted: &str) {
        let found = match (node.kind(), node.scalar_text()) {
            ("text", Some(text)) if text.len() <= 40 => format!("the text `{text}`"),
            (kind, _) => kind.to_owned(),
        };
        self.wrong(node.line, format!("`{key}` must be {wanted}, found {found}"));
    }

    pub(crate) fn missing(&mut self, key: &str, wanted: &str) {
        self.wrong(self.line, format!("`{key}` is missing; add {wanted}"));
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        if let Yaml::Text(text) = &node.yaml {
            return Some(text.clone());
        }
        self.mistyped(key, node, "text");
        // A number or a bool is plain enough to be used all the same.
        node.scalar_text()
    }

    pub(crate) fn required_text(&mut self, key: &str) -> Option<String> {
        let text = self.text(key).filter(|text| !text.trim().is_empty());
        if text.is_none() {
            self.missing(key, "it with some text");
        }
        text
    }

    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        if let Yaml::Bool(value) = node.yaml {
            return Some(value);
        }
        self.mistyped(key, node, "true or false");
        None
    }

    pub(crate) fn required_flag(&mut self, key: &str) -> Option<bool> {
        if self.node(key).is_none() {
            self.missing(key, &format!("`{key}: true` or `{key}: false`"));
        }
        self.flag(key)
    }

    pub(crate) fn whole(&mut self, key: &str) -> Option<u64> {
        let node = self.node(key)?;
        let value = match &node.yaml {
            Yaml::Int(digits) => digits.parse().ok(),
            _ => None,
        };
        if value.is_none() {
            self.mistyped(key, node, "a whole number from 0");
        }
        value
    }

    pub(crate) fn list(&mut self, key: &str) -> &'a [Node] {
        let Some(node) = self.node(key) else { return &[] };
        if let Yaml::List(items) = &node.yaml {
            return items;
        }
        self.mistyped(key, node, "a list");
        &[]
    }

    /// A list of texts; numbers count as their text.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for item in self.list(key) {
            match item.scalar_text() {
                Some(text) => texts.push(text),
                None => self.wrong(item.line, format!("`{key}` must be a list of texts, found {} in it", item.kind())),
            }
        }
        texts
    }

    /// A list of texts without doubles.
    pub(crate) fn set(&mut self, key: &str, ignoring_case: bool) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        let line = self.node(key).map_or(self.line, |node| node.line);
        for text in self.texts(key) {
            let same = |has: &String| *has == text || (ignoring_case && has.eq_ignore_ascii_case(&text));
            if texts.iter().any(same) {
                self.wrong(line, format!("`{key}` names `{text}` twice; keep one"));
                continue;
            }
            texts.push(text);
        }
        texts
    }

    pub(crate) fn pairs(&mut self, key: &str) -> &'a [(Key, Node)] {
        let Some(node) = self.node(key) else { return &[] };
        if let Yaml::Map(pairs) = &node.yaml {
            return pairs;
        }
        self.mistyped(key, node, "a mapping");
        &[]
    }

    /// Notes keys that are not known, with the likeliest one that is.
    pub(crate) fn only(&mut self, known: &[&[&str]]) {
        for (key, _) in self.pairs {
            if known.iter().any(|part| part.contains(&key.text.as_str())) {
                continue;
            }
            let nearest = known
                .iter()
                .flat_map(|part| part.iter())
                .map(|name| (distance(&key.text.to_lowercase(), &name.to_lowercase()), *name))
                .min()
                .filter(|(distance, _)| *distance <= 2);
            let hint = nearest.map_or("remove it".to_owned(), |(_, name)| format!("did you mean `{name}`?"));
            self.wrong(key.line, format!("`{}` is no known key; {hint}", key.text));
        }
    }

    /// The fields of a mapping inside this one.
    pub(crate) fn inner<'b>(&'b mut self, node: &'b Node, part: &str) -> Option<Fields<'b>> {
        let part = if self.part.is_empty() { part.to_owned() } else { format!("{}: {part}", self.part) };
        Fields::of(node, &part, self.file, self.id, self.problems)
    }

    pub(crate) fn line_of(&self, key: &str) -> usize {
        self.node(key).map_or(self.line, |node| node.line)
    }
}

pub(crate) fn problem(file: &str, id: Option<&str>, line: usize, message: String) -> ContentProblem {
    let line = (line > 0).then_some(line);
    ContentProblem { weight: Weight::Invalid, file: file.to_owned(), line, id: id.map(str::to_owned), message }
}

/// Single-letter changes between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let kept = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = kept.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("treshold", "threshold"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("tags", "tags"), 0);
    }
}
