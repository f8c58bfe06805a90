//! Which detections a test run takes: `KEY=VALUE[,VALUE]` and `KEY!=VALUE`, on the keys of their YAML.

use std::str::FromStr;

use crate::content::yaml::{Node, Yaml};
use crate::spec::RuleSpec;

/// One condition; several are all to hold. Keys and values are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    key: String,
    values: Vec<String>,
    excludes: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no filter; write KEY=VALUE, KEY=VALUE,VALUE or KEY!=VALUE, such as Severity=High,Critical")]
pub struct FilterError(String);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, values) = text.split_once('=').ok_or_else(|| FilterError(text.to_owned()))?;
        let (key, excludes) = match key.strip_suffix('!') {
            Some(key) => (key, true),
            None => (key, false),
        };
        if key.trim().is_empty() {
            return Err(FilterError(text.to_owned()));
        }
        let values = values.split(',').map(|value| value.trim().to_lowercase()).collect();
        Ok(Self { key: key.trim().to_lowercase(), values, excludes })
    }
}

impl Filter {
    #[must_use]
    pub fn admits(&self, rule: &RuleSpec) -> bool {
        let found = values(&rule.written, &self.key).iter().any(|value| self.values.contains(value));
        found != self.excludes
    }
}

/// What the YAML says under a key, lower case; an absent key is the empty text.
fn values(written: &Node, key: &str) -> Vec<String> {
    let Yaml::Map(pairs) = &written.yaml else { return Vec::new() };
    let Some((_, node)) = pairs.iter().find(|(name, _)| name.text.eq_ignore_ascii_case(key)) else {
        return vec![String::new()];
    };
    let texts: Vec<Option<String>> = match &node.yaml {
        Yaml::List(items) => items.iter().map(Node::scalar_text).collect(),
        _ => vec![node.scalar_text()],
    };
    texts.into_iter().flatten().map(|text| text.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    #[test]
    fn filters() {
        let yaml = "AnalysisType: rule\nRuleID: A.B\nEnabled: true\nFilename: a.py\nSeverity: High\n\
                    LogTypes: [X.Y, Z]\n";
        let files = [("rules/a.yml", yaml), ("rules/a.py", "")];
        let root = files.into_iter().map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
        let content = Content::load([root.collect::<crate::ContentRoot>()]);
        for (text, admits) in [
            ("Severity=high", true),
            ("severity=Low,HIGH", true),
            ("Severity!=High", false),
            ("Enabled=True", true),
            ("LogTypes=z", true),
            ("LogTypes=z,q", true),
            ("LogTypes!=q", true),
            ("RuleID=A.B", true),
            ("RuleID=A", false),
            ("CreateAlert=", true),
            ("CreateAlert!=false", true),
        ] {
            assert_eq!(text.parse::<Filter>().unwrap().admits(&content.rules[0]), admits, "{text}");
        }
        for text in ["Severity", "=x", "!=x", ""] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
