//! New content over what runs: what is broken in it stays as it was.
//!
//! Somebody edits files while events flow. A file that is half written, or wrong, must not put its detection out of
//! service: the version before goes on, and the problem is said. What was taken away on purpose is gone.

use std::collections::BTreeSet;
use std::path::Path;

use super::load::{Content, Item};
use super::problem::Weight;

impl Content {
    /// Puts back from the content before what a broken file of this one said; returns the ids.
    pub fn keep_from(&mut self, before: &Self) -> BTreeSet<String> {
        let broken = |id: &str, file: &str| {
            self.invalid().any(|problem| match &problem.id {
                Some(named) => named == id,
                // Whatever the file said, or the files of a folder, it cannot be read any more.
                None => Path::new(file).starts_with(&problem.file),
            })
        };
        let mut kept: BTreeSet<String> =
            before.items().filter(|(id, file)| broken(id, file)).map(|(id, _)| id.to_owned()).collect();
        // A derived rule is left out together with its base.
        let left_out = |id: &str| {
            let named = |problem: &&super::ContentProblem| problem.id.as_deref() == Some(id);
            self.problems.iter().filter(named).any(|problem| problem.weight == Weight::Warning)
                && !self.items().any(|(known, _)| known == id)
        };
        for rule in &before.rules {
            if rule.base.as_ref().is_some_and(|base| kept.contains(base.as_str())) && left_out(rule.id.as_str()) {
                kept.insert(rule.id.to_string());
            }
        }
        kept.iter().for_each(|id| {
            self.put_back(before, id);
        });
        kept
    }

    /// Replaces one item by what it was before; false if it was not there.
    pub fn put_back(&mut self, before: &Self, id: &str) -> bool {
        let Some(item) = before.item(id) else { return false };
        self.replace(id, item);
        true
    }

    /// Ids and files of all items.
    fn items(&self) -> impl Iterator<Item = (&str, &str)> {
        let rules = self.rules.iter().map(|rule| (rule.id.as_str(), rule.file.as_str()));
        let globals = self.globals.iter().map(|global| (global.id.as_str(), global.file.as_str()));
        let models = self.data_models.iter().map(|model| (model.id.as_str(), model.file.as_str()));
        let others = self.others.iter().map(|other| (other.id.as_str(), other.file.as_str()));
        rules.chain(globals).chain(models).chain(others)
    }

    fn item(&self, id: &str) -> Option<Item> {
        if let Some(rule) = self.rules.iter().find(|rule| rule.id.as_str() == id) {
            return Some(Item::Rule(Box::new(rule.clone())));
        }
        if let Some(global) = self.globals.iter().find(|global| global.id == id) {
            return Some(Item::Global(global.clone()));
        }
        if let Some(model) = self.data_models.iter().find(|model| model.id == id) {
            return Some(Item::DataModel(model.clone()));
        }
        let other = self.others.iter().find(|other| other.id == id)?;
        let query = self.queries.iter().find(|query| query.id == id);
        Some(Item::Other(other.clone(), query.cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ContentRoot;

    const PYTHON: &str = "def rule(event):\n    return True\n";

    fn rule(id: &str, more: &str) -> String {
        format!("AnalysisType: rule\nRuleID: {id}\nEnabled: true\nSeverity: Low\nLogTypes: [T]\n{more}\n")
    }

    fn content(files: &[(&str, String)]) -> Content {
        let python = ("rules/p.py", PYTHON.to_owned());
        let files = files.iter().chain([&python]);
        Content::load([files
            .map(|(path, text)| ((*path).to_owned(), text.clone().into_bytes()))
            .collect::<ContentRoot>()])
    }

    fn shown(content: &Content) -> Vec<(&str, &str)> {
        content.rules.iter().map(|rule| (rule.id.as_str(), rule.display_name.as_str())).collect()
    }

    #[test]
    fn what_is_broken_stays_and_what_is_gone_is_gone() {
        let named = |id: &str, name: &str| rule(id, &format!("Filename: p.py\nDisplayName: {name}"));
        let before = content(&[
            ("rules/a.yml", named("A", "first")),
            ("rules/b.yml", named("B", "first")),
            ("rules/c.yml", named("C", "first")),
            ("rules/d.yml", named("D", "first")),
        ]);
        assert_eq!(before.problems, []);
        let mut after = content(&[
            ("rules/a.yml", named("A", "second")),
            // No YAML any more …
            ("rules/b.yml", "AnalysisType: [rule".to_owned()),
            // … and no file that it names.
            ("rules/c.yml", rule("C", "Filename: absent.py")),
            ("rules/e.yml", named("E", "new")),
        ]);
        assert_eq!(after.keep_from(&before), ["B", "C"].map(str::to_owned).into());
        assert_eq!(shown(&after), [("A", "second"), ("E", "new"), ("B", "first"), ("C", "first")]);
        assert_eq!(after.invalid().count(), 2);
    }

    #[test]
    fn a_rule_is_not_run_without_its_broken_filter() {
        let filter = |condition: &str| {
            rule("A", &format!("Filename: p.py\nInlineFilters:\n  - {{Key: k, Condition: {condition}, Value: v}}"))
        };
        let before = content(&[("rules/a.yml", filter("Equals"))]);
        let mut after = content(&[("rules/a.yml", filter("Eqals"))]);
        assert!(after.rules[0].filters.is_empty());
        assert_eq!(after.keep_from(&before).len(), 1);
        assert_eq!(after.rules[0].filters.len(), 1);
    }

    #[test]
    fn a_derived_rule_stays_with_its_base() {
        let derived = "AnalysisType: rule\nRuleID: A.More\nBaseDetection: A\nEnabled: true\nSeverity: High\n";
        let files = |base: String| content(&[("rules/a.yml", base), ("rules/m.yml", derived.to_owned())]);
        let before = files(rule("A", "Filename: p.py"));
        assert_eq!(before.rules.len(), 2, "{:?}", before.problems);
        let mut after = files("AnalysisType: rule\nRuleID: A\n".to_owned());
        assert_eq!(after.keep_from(&before).len(), 2);
        assert_eq!(after.rules.len(), 2);
    }
}
