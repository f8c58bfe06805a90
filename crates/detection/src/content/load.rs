//! All content of some roots: files are read one by one, later roots replace what earlier ones say of the same id.

use std::collections::{HashMap, HashSet};

use uncia_model::DetectionId;

use super::detection;
use super::fields::{Fields, problem};
use super::problem::{ContentProblem, Weight};
use super::root::{Candidate, ContentRoot};
use super::supporting;
use super::yaml::{self, Key, Node, Yaml};
use crate::spec::{AnalysisType, DataModelSpec, GlobalSpec, Logic, LookupSpec, OtherItem, QuerySpec, RuleSpec};
use crate::{Engine, PythonSource};

/// Content in its specs, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// Rules, scheduled rules, policies and correlation rules, in the order of roots and files.
    pub rules: Vec<RuleSpec>,
    pub globals: Vec<GlobalSpec>,
    pub data_models: Vec<DataModelSpec>,
    /// Queries, lookup tables, packs and prompts.
    pub others: Vec<OtherItem>,
    /// The queries among these.
    pub queries: Vec<QuerySpec>,
    pub problems: Vec<ContentProblem>,
    /// Derived rules that were left out, because their base is not there.
    pub without_base: usize,
}

/// One file's item.
pub(super) enum Item {
    Rule(Box<RuleSpec>),
    Global(GlobalSpec),
    DataModel(DataModelSpec),
    Other(OtherItem, Option<QuerySpec>),
}

/// A rule whose base is looked up once everything is read.
struct Derived {
    id: String,
    base: String,
    file: String,
    node: Node,
}

impl Content {
    /// Reads everything that can be read. What is wrong is in `problems`.
    pub fn load<R: Into<ContentRoot>>(roots: impl IntoIterator<Item = R>) -> Self {
        let mut content = Self::default();
        let mut derived = Vec::new();
        let mut known = HashSet::new();
        for root in roots {
            content.add_root(&root.into(), &mut derived, &mut known);
        }
        for spec in derived {
            content.derive(spec);
        }
        content.check_data_models();
        content.check_packs(&known);
        content
    }

    #[must_use]
    pub fn rule(&self, id: &DetectionId) -> Option<&RuleSpec> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// The lookup tables whose rows are here, by name.
    pub fn lookups(&self) -> impl Iterator<Item = (&OtherItem, &LookupSpec)> {
        self.others.iter().filter_map(|item| Some((item, item.lookup.as_deref()?)))
    }

    fn add_root(&mut self, root: &ContentRoot, derived: &mut Vec<Derived>, known: &mut HashSet<String>) {
        let files = match root.candidates() {
            Ok(files) => files,
            Err((folder, reason)) => {
                self.problems.push(problem(&folder, None, 0, format!("cannot read content: {reason}")));
                return;
            }
        };
        let mut ids: HashMap<String, String> = HashMap::new();
        for file in &files {
            if let Some((id, item)) = self.read(root, file, &mut ids, derived) {
                ids.insert(id.clone(), file.shown.clone());
                self.replace(&id, item);
            }
        }
        known.extend(ids.into_keys());
    }

    /// One file to one item; `None` if it is no content or not usable.
    fn read(
        &mut self,
        root: &ContentRoot,
        file: &Candidate,
        ids: &mut HashMap<String, String>,
        derived: &mut Vec<Derived>,
    ) -> Option<(String, Item)> {
        let shown = file.shown.as_str();
        let node = match file.text.as_ref().map_err(|reason| (0, format!("cannot read it: {reason}"))) {
            Ok(text) => yaml::parse(text).map_err(|error| (error.line, error.message)),
            Err(error) => Err(error),
        };
        let node = match node {
            Ok(node) => node,
            Err((line, message)) => {
                self.problems.push(problem(shown, None, line, message));
                return None;
            }
        };
        let written = node.get("AnalysisType")?;
        let kind = written.scalar_text().and_then(|text| AnalysisType::parse(&text));
        let Some(kind) = kind else {
            let known = AnalysisType::ALL.map(AnalysisType::as_str).join(", ");
            let message = format!("`AnalysisType` must be one of {known}");
            self.problems.push(problem(shown, None, written.line, message));
            return None;
        };
        if file.supporting && !matches!(kind, AnalysisType::Global | AnalysisType::DataModel) {
            return None;
        }
        let id = self.id_of(kind, shown, &node, ids)?;
        if let (AnalysisType::Rule, Some(base)) = (kind, node.get("BaseDetection").and_then(Node::scalar_text)) {
            ids.insert(id.clone(), shown.to_owned());
            derived.push(Derived { id, base, file: shown.to_owned(), node });
            return None;
        }
        let python = |name: &str| python_source(root, file, &id, name);
        let mut fields = Fields::of(&node, "", shown, Some(&id), &mut self.problems)?;
        let item = match kind {
            AnalysisType::Global => Item::Global(supporting::global(&id, shown, &mut fields, &python)?),
            AnalysisType::DataModel => Item::DataModel(supporting::data_model(&id, shown, &mut fields, &python)?),
            AnalysisType::Rule | AnalysisType::ScheduledRule | AnalysisType::Policy | AnalysisType::CorrelationRule => {
                Item::Rule(Box::new(detection::read(kind, &id, shown, &node, &mut fields, &python)?))
            }
            _ => {
                let (item, query) = supporting::other(kind, &id, shown, &mut fields, &python);
                Item::Other(item, query)
            }
        };
        Some((id, item))
    }

    fn id_of(&mut self, kind: AnalysisType, shown: &str, node: &Node, ids: &HashMap<String, String>) -> Option<String> {
        let key = kind.id_key();
        let mut fields = Fields::of(node, "", shown, None, &mut self.problems)?;
        let id = fields.required_text(key)?;
        let line = fields.line_of(key);
        if let Some(letter) = id.chars().find(|letter| r#"<>&"%"#.contains(*letter)) {
            fields.wrong(line, format!("`{key}` must not hold `{letter}`"));
            return None;
        }
        if let Some(other) = ids.get(&id) {
            fields.wrong(line, format!("`{key}: {id}` is already the id of {other}; ids are unique among all items"));
            return None;
        }
        Some(id)
    }

    /// Takes an item in; what an earlier root said under the same id is gone.
    pub(super) fn replace(&mut self, id: &str, item: Item) {
        let place = self.rules.iter().position(|rule| rule.id.as_str() == id);
        self.globals.retain(|global| global.id != id);
        self.data_models.retain(|model| model.id != id);
        self.others.retain(|other| other.id != id);
        self.queries.retain(|query| query.id != id);
        match (place, item) {
            (Some(place), Item::Rule(rule)) => self.rules[place] = *rule,
            (None, Item::Rule(rule)) => self.rules.push(*rule),
            (place, item) => {
                if let Some(place) = place {
                    self.rules.remove(place);
                }
                match item {
                    Item::Global(global) => self.globals.push(global),
                    Item::DataModel(model) => self.data_models.push(model),
                    Item::Other(other, query) => {
                        self.others.push(other);
                        self.queries.extend(query);
                    }
                    Item::Rule(_) => {}
                }
            }
        }
    }

    /// A derived rule: its base's logic, its base's fields where it has none of its own.
    fn derive(&mut self, derived: Derived) {
        let Derived { id, base, file, node } = derived;
        let line = node.get("BaseDetection").map_or(0, |node| node.line);
        let is_base = |rule: &&RuleSpec| {
            rule.id.as_str() == base && rule.base.is_none() && rule.analysis_type == AnalysisType::Rule
        };
        let found = self.rules.iter().find(is_base);
        let Some(found) = found.cloned() else {
            let message =
                format!("its base `{base}` is not among the loaded rules, or is itself derived; it is left out");
            let warning = problem(&file, Some(&id), line, message);
            self.problems.push(ContentProblem { weight: Weight::Warning, ..warning });
            self.without_base += 1;
            return;
        };
        let merged = merged(&found.written, &node);
        let python = |_: &str| match &found.logic {
            Logic::Python(source) => Ok(source.clone()),
            _ => Err("its base has no Python file".to_owned()),
        };
        let Some(mut fields) = Fields::of(&merged, "", &file, Some(&id), &mut self.problems) else { return };
        let spec = detection::read(AnalysisType::Rule, &id, &file, &merged, &mut fields, &python);
        if let Some(mut spec) = spec {
            spec.base = Some(found.id.clone());
            self.replace(&id, Item::Rule(Box::new(spec)));
        }
    }

    /// At most one enabled model a log type: the first stays.
    fn check_data_models(&mut self) {
        let mut taken: HashMap<String, String> = HashMap::new();
        for model in self.data_models.iter_mut().filter(|model| model.enabled) {
            let conflict =
                model.log_types.iter().find_map(|kind| taken.get(kind.as_str()).map(|other| (kind.clone(), other)));
            if let Some((log_type, other)) = conflict {
                let message = format!("`{log_type}` already has the enabled data model `{other}`; disable one of them");
                self.problems.push(problem(&model.file, Some(&model.id), 0, message));
                model.enabled = false;
                continue;
            }
            taken.extend(model.log_types.iter().map(|kind| (kind.as_str().to_owned(), model.id.clone())));
        }
    }

    /// A pack names what there is. What is there and cannot be loaded has its own problem.
    fn check_packs(&mut self, known: &HashSet<String>) {
        for pack in self.others.iter().filter(|item| item.analysis_type == AnalysisType::Pack) {
            let absent = |id: &&String| {
                let broken = self.problems.iter().any(|problem| problem.id.as_ref() == Some(*id));
                !known.contains(*id) && !broken
            };
            let absent: Vec<String> = pack.ids.iter().filter(absent).cloned().collect();
            if !absent.is_empty() {
                let message =
                    format!("the pack names what is not there: {}; add it, or leave it out", absent.join(", "));
                self.problems.push(problem(&pack.file, Some(&pack.id), 0, message));
            }
        }
    }

    /// What keeps modules from loading, found by the engine that was started with this content: syntax errors, failed
    /// imports, a missing `rule()`.
    #[must_use]
    pub fn setup_problems(&self, engine: &Engine) -> Vec<ContentProblem> {
        let mut problems = Vec::new();
        for (id, error) in engine.setup_errors() {
            let Some(rule) = self.rule(&id) else { continue };
            let message = format!("its Python cannot be loaded: {error}");
            problems.push(problem(&rule.file, Some(id.as_str()), 0, message));
        }
        problems
    }

    /// Problems that make the content invalid, as opposed to surprising.
    pub fn invalid(&self) -> impl Iterator<Item = &ContentProblem> {
        self.problems.iter().filter(|problem| problem.weight == Weight::Invalid)
    }
}

/// The base's pairs with the derived rule's in their place; logic keys of the derived rule do not count.
fn merged(base: &Node, derived: &Node) -> Node {
    let (Yaml::Map(base_pairs), Yaml::Map(own_pairs)) = (&base.yaml, &derived.yaml) else { return base.clone() };
    let from_base = |key: &Key| matches!(key.text.as_str(), "Detection" | "Filename" | "LogTypes" | "CreatedBy");
    let own: Vec<_> = own_pairs.iter().filter(|(key, _)| !from_base(key)).cloned().collect();
    let is_own = |key: &Key| own.iter().any(|(name, _)| name.text == key.text);
    let mut pairs: Vec<_> = base_pairs.iter().filter(|(key, _)| !is_own(key)).cloned().collect();
    pairs.extend(own.iter().cloned());
    Node { line: derived.line, yaml: Yaml::Map(pairs) }
}

fn python_source(root: &ContentRoot, yaml: &Candidate, id: &str, name: &str) -> Result<PythonSource, String> {
    let source = root.beside(yaml, name)?;
    let file = name.rsplit('/').next().unwrap_or(name);
    Ok(PythonSource { name: id.to_owned(), file: file.to_owned(), source })
}
