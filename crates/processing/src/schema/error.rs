//! What is wrong in a schema file, where, and what was probably meant.

use std::fmt;

/// A mistake in a schema file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SchemaError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Where in the schema, e.g. `fields.userIdentity.type`; empty for the file as a whole.
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ", {hint}"),
            None => Ok(()),
        }
    }
}

/// `did you mean …?`, if one of the known words is near enough.
pub(crate) fn nearest(word: &str, known: &[&str]) -> Option<String> {
    let folded = word.to_lowercase();
    let (distance, best) =
        known.iter().map(|candidate| (distance(&folded, &candidate.to_lowercase()), candidate)).min()?;
    let tolerance = if word.chars().count() <= 4 { 2 } else { 3 };
    (distance < tolerance).then(|| format!("did you mean `{best}`?"))
}

/// Edits between two words: insertions, deletions, replacements, and two neighbours swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        assert_eq!(nearest("tpye", &["name", "type"]).as_deref(), Some("did you mean `type`?"));
        assert_eq!(
            nearest("timeformat", &["timeFormat", "timeFormats"]).as_deref(),
            Some("did you mean `timeFormat`?")
        );
        assert_eq!(nearest("colour", &["name", "type"]), None);
    }
}
