//! Test files in pantherlog's form: several documents, one test each.

use uncia_model::LogType;

use super::{Reader, entry};
use crate::schema::error::SchemaError;
use crate::schema::yaml::{Node, load};

/// A record, or several, with the events that they must become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestCase {
    pub name: String,
    pub log_type: LogType,
    pub input: String,
    /// Events as JSON texts.
    pub results: Vec<String>,
    /// In its file, from 1.
    pub line: usize,
}

/// Reads all tests of a file, or says all that is wrong with it.
pub(crate) fn read_cases(file: &str, text: &str) -> Result<Vec<TestCase>, Vec<SchemaError>> {
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for (line, document) in documents(text) {
        let loaded = load(&document);
        let mut reader = Reader { file, path: Vec::new(), definitions: &[], refs: Vec::new(), errors: Vec::new() };
        match &loaded {
            Ok(root) => {
                let case = reader.case(root);
                cases.extend(case.map(|case| TestCase { line: case.line + line, ..case }));
            }
            Err(error) => reader.error(error.line, format!("not YAML: {}", error.message)),
        }
        errors.extend(reader.errors.into_iter().map(|error| SchemaError { line: error.line + line, ..error }));
    }
    if errors.is_empty() { Ok(cases) } else { Err(errors) }
}

/// Documents with the number of lines before each. Block texts are indented, so a line of dashes always separates.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut documents = vec![(0, String::new())];
    for (place, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_end() == "---" {
            documents.push((place + 1, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
        }
    }
    let says_something =
        |document: &str| document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    documents.retain(|(_, document)| says_something(document));
    documents
}

impl<'a> Reader<'a> {
    fn case(&mut self, root: &'a Node) -> Option<TestCase> {
        let pairs = self.mapping(root)?;
        for (key, _) in pairs {
            self.known_key(key, &["name", "logType", "input", "result", "results"]);
        }
        let name = entry(pairs, "name").and_then(|(_, node)| node.text()).unwrap_or_default().to_owned();
        let log_type = self.required_string(root, pairs, "logType");
        let input = self.required_string(root, pairs, "input");
        let mut results = Vec::new();
        if let Some((_, result)) = entry(pairs, "result") {
            results.push(self.within("result", |r| r.string(result))?);
        }
        if let Some((_, more)) = entry(pairs, "results") {
            for result in self.within("results", |r| r.sequence(more))? {
                results.push(self.within("results", |r| r.string(result))?);
            }
        }
        Some(TestCase { name, log_type: log_type?.into(), input: input?, results, line: root.line })
    }
}
