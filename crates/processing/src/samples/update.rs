//! `expected:` of samples rewritten in their file, every other byte left as it is.
//!
//! The file is not written anew from what was read: comments, quoting and order are the author's. So the key's lines are
//! found by their indentation, and the result is read again before anybody trusts it.

use serde_json::Value as Json;

use crate::schema::{Sample, read_samples};
use crate::yaml_text;

/// Why a sample's expectation cannot be rewritten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sample `{sample}` on line {line}: {message}; write its `expected` by hand")]
pub struct UpdateError {
    pub sample: String,
    pub line: usize,
    pub message: &'static str,
}

/// The file's text with new expectations for some of its samples.
pub fn update_expected(file: &str, text: &str, changes: &[(&Sample, Json)]) -> Result<String, UpdateError> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut replaced: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for (sample, expected) in changes {
        let fails = |message| UpdateError { sample: sample.name.clone(), line: sample.line, message };
        let found = expected_lines(&lines, sample.line.saturating_sub(1));
        let (range, head) = found.ok_or_else(|| fails("its `expected` does not start a line of its own"))?;
        let indent = head.len() - head.trim_start_matches([' ', '-']).len();
        let mut fresh = format!("{head}expected:");
        yaml_text::write_value(&mut fresh, expected, indent);
        replaced.push((range, fresh));
    }
    replaced.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
    for (range, fresh) in &replaced {
        lines.splice(range.clone(), [fresh.as_str()]);
    }
    let updated = lines.concat();
    check(file, text, &updated, changes)?;
    Ok(updated)
}

/// The lines of a sample's `expected` and what stands before the key on the first of them.
fn expected_lines<'a>(lines: &[&'a str], from: usize) -> Option<(std::ops::Range<usize>, &'a str)> {
    let first = lines.get(from)?;
    let indent = first.len() - first.trim_start_matches([' ', '-']).len();
    let is_within = |line: &str| line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() >= indent;
    let key = (from..lines.len())
        .take_while(|&place| place == from || is_within(lines[place]))
        .find(|&place| lines[place].get(indent..).is_some_and(|rest| rest.starts_with("expected:")))?;
    let mut end = key + 1;
    while end < lines.len() {
        let line = lines[end];
        let is_deeper = line.len() - line.trim_start_matches(' ').len() > indent;
        if !line.trim().is_empty() && !is_deeper {
            break;
        }
        end += 1;
    }
    // Blank lines before what follows are not the value's.
    while end > key + 1 && lines[end - 1].trim().is_empty() {
        end -= 1;
    }
    Some((key..end, &lines[key][..indent]))
}

/// Refuses a text that says anything else than before but for the changes.
fn check(file: &str, before: &str, after: &str, changes: &[(&Sample, Json)]) -> Result<(), UpdateError> {
    let read = |text| read_samples(file, text).unwrap_or_default();
    let (before, after) = (read(before), read(after));
    for (place, sample) in before.iter().enumerate() {
        let change = changes.iter().find(|(changed, _)| changed.name == sample.name);
        let wanted = change.map_or(&sample.expected, |(_, expected)| expected);
        let is_right = after
            .get(place)
            .is_some_and(|found| found.name == sample.name && found.raw == sample.raw && found.expected == *wanted);
        if !is_right {
            let message = "the file is not laid out so that it can be rewritten";
            return Err(UpdateError { sample: sample.name.clone(), line: sample.line, message });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = r#"# kept
schema: Acme.Audit
fields:
  - {name: a, type: string}   # kept too
samples:
  - name: one
    raw: |-
      {"a": "x"}
    expected: {}   # goes

  # of the second
  - name: two
    expected: |
      {"a": "old",

       "b": 1}
    raw: '{"a":"y"}'
  - expected:
      a: old
    name: three
    raw: '{"a":"z"}'
"#;

    fn update(text: &str, changes: &[(&str, Json)]) -> Result<String, UpdateError> {
        let samples = read_samples("f", text).unwrap();
        let find = |name: &str| samples.iter().find(|sample| sample.name == name).unwrap();
        let changes: Vec<_> = changes.iter().map(|(name, expected)| (find(name), expected.clone())).collect();
        update_expected("f", text, &changes)
    }

    #[test]
    fn only_the_expectations_change() {
        let changes = [("three", json!({"a": "z"})), ("one", json!({"a": "x", "n": [1]})), ("two", json!({"a": "y"}))];
        insta::assert_snapshot!(update(FILE, &changes).unwrap(), @r##"
        # kept
        schema: Acme.Audit
        fields:
          - {name: a, type: string}   # kept too
        samples:
          - name: one
            raw: |-
              {"a": "x"}
            expected:
              a: x
              'n':
                - 1

          # of the second
          - name: two
            expected:
              a: 'y'
            raw: '{"a":"y"}'
          - expected:
              a: z
            name: three
            raw: '{"a":"z"}'
        "##);
    }

    #[test]
    fn what_cannot_be_done_safely_is_refused() {
        let flow =
            "schema: Acme.Audit\nfields: [{name: a, type: string}]\nsamples:\n  - {name: one, raw: x, expected: {}}\n";
        let error = update(flow, &[("one", json!({"a": "x"}))]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sample `one` on line 4: its `expected` does not start a line of its own; write its `expected` by hand"
        );
    }

    #[test]
    fn windows_line_ends_elsewhere_stay() {
        let text = "schema: Acme.Audit\r\nfields: [{name: a, type: string}]\r\nsamples:\r\n  - name: one\r\n    raw: x\r\n    expected: {}\r\n";
        let updated = update(text, &[("one", json!({"a": "x"}))]).unwrap();
        assert!(updated.ends_with("    raw: x\r\n    expected:\n      a: x\n"), "{updated:?}");
    }
}
