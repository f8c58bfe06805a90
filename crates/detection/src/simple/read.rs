//! The YAML of match expressions, checked: what does not fit is noted with its line and the way out.

use uncia_model::Severity;

use super::condition::Condition;
use super::expression::{Check, Comparison, Expression, Scalar, Test};
use super::network::Network;
use super::path::Path;
use super::rule::SimpleRule;
use super::template::Template;
use crate::content::yaml::{Node, Yaml};

/// What is wrong, and on which line.
pub(crate) type Complaints = Vec<(usize, String)>;

/// Expressions inside expressions; deeper ones would overflow the stack.
const MAX_DEPTH: usize = 32;

/// Where an expression stands, which decides what is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grammar {
    Full,
    /// `KeyPath`, `Enrichment`, `All` and `Any` alone.
    Filter,
}

/// The rule of a YAML file; what is wrong with it goes to `complaints`.
pub(crate) fn read_rule(file: &Node, complaints: &mut Complaints) -> SimpleRule {
    let mut reader = Reader { complaints, grammar: Grammar::Full };
    let mut rule = SimpleRule::default();
    if let Some(node) = file.get("Detection") {
        if matches!(&node.yaml, Yaml::List(items) if items.is_empty()) {
            reader.wrong(
                node.line,
                "`Detection` is empty; it would match every event: write `Condition: AlwaysTrue` if that is meant",
            );
        }
        rule.expressions = reader.expressions("Detection", node, 0);
    }
    if let Some(node) = present(file, "AlertTitle") {
        match node.scalar_text() {
            Some(text) => rule.title = Some(Template::parse(&text)),
            None => reader.wrong(node.line, format!("`AlertTitle` must be text, found {}", node.kind())),
        }
    }
    for node in reader.list(file, "AlertContext") {
        rule.context.extend(reader.context_entry(node));
    }
    for node in reader.list(file, "GroupBy") {
        rule.group_by.extend(reader.only_path(node));
    }
    for node in reader.list(file, "DynamicSeverities") {
        rule.severities.extend(reader.dynamic_severity(node));
    }
    rule
}

/// The inline filters of a rule; none for `All: []`, which says nothing.
pub(crate) fn read_filters(node: &Node, complaints: &mut Complaints) -> Vec<Expression> {
    let mut reader = Reader { complaints, grammar: Grammar::Filter };
    let says_something = |expression: &Expression| !matches!(expression, Expression::All(inner) | Expression::Any(inner) if inner.is_empty());
    reader.expressions("InlineFilters", node, 0).into_iter().filter(says_something).collect()
}

struct Reader<'a> {
    complaints: &'a mut Complaints,
    grammar: Grammar,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, message: impl Into<String>) {
        self.complaints.push((line, message.into()));
    }

    fn list<'n>(&mut self, file: &'n Node, key: &str) -> &'n [Node] {
        let Some(node) = present(file, key) else { return &[] };
        if let Yaml::List(items) = &node.yaml {
            return items;
        }
        self.wrong(node.line, format!("`{key}` must be a list, found {}", node.kind()));
        &[]
    }

    fn expressions(&mut self, name: &str, node: &Node, depth: usize) -> Vec<Expression> {
        let items = match &node.yaml {
            Yaml::List(items) => items,
            Yaml::Null => return Vec::new(),
            _ => {
                self.wrong(node.line, format!("`{name}` must be a list of match expressions, found {}", node.kind()));
                return Vec::new();
            }
        };
        if depth > MAX_DEPTH {
            self.wrong(node.line, format!("`{name}`: expressions are nested deeper than {MAX_DEPTH}"));
            return Vec::new();
        }
        items.iter().filter_map(|item| self.expression(item, depth)).collect()
    }

    fn expression(&mut self, node: &Node, depth: usize) -> Option<Expression> {
        let Yaml::Map(pairs) = &node.yaml else {
            self.wrong(node.line, format!("a match expression must be a mapping, found {}", node.kind()));
            return None;
        };
        for name in ["All", "Any", "OnlyOne", "None"] {
            let Some(inner) = node.get(name) else { continue };
            self.only(node, &[name]);
            if self.grammar == Grammar::Filter && matches!(name, "OnlyOne" | "None") {
                self.wrong(inner.line, format!("`{name}` has no place in inline filters; `All` and `Any` have"));
            }
            let inner = self.expressions(name, inner, depth + 1);
            return Some(match name {
                "All" => Expression::All(inner),
                "Any" => Expression::Any(inner),
                "OnlyOne" => Expression::OnlyOne(inner),
                _ => Expression::Neither(inner),
            });
        }
        let Some(name_node) = present(node, "Condition") else {
            let has: Vec<&str> = pairs.iter().map(|(key, _)| key.text.as_str()).collect();
            let message = format!(
                "a match expression needs `Condition`, `All`, `Any`, `OnlyOne` or `None`, found `{}`",
                has.join("`, `")
            );
            self.wrong(node.line, message);
            return None;
        };
        let name = name_node.scalar_text().unwrap_or_default();
        let Some(condition) = Condition::parse(&name) else {
            self.wrong(name_node.line, format!("there is no condition `{name}`; there are {}", nearest(&name)));
            return None;
        };
        self.conditioned(node, &name, condition, depth)
    }

    fn conditioned(&mut self, node: &Node, name: &str, condition: Condition, depth: usize) -> Option<Expression> {
        if let Condition::Always(truth) = condition {
            self.only(node, &["Condition"]);
            self.not_in_filters(node.line, name);
            return Some(Expression::Always(truth));
        }
        if let Condition::Elements(quantifier) = condition {
            self.only(node, &["Key", "DeepKey", "KeyPath", "Condition", "Expressions"]);
            self.not_in_filters(node.line, name);
            let path = self.path(node)?;
            let Some(inner) = node.get("Expressions") else {
                self.wrong(node.line, format!("`{name}` needs `Expressions`, which are asked of the elements"));
                return None;
            };
            let expressions = self.expressions("Expressions", inner, depth + 1);
            return Some(Expression::Elements { path, quantifier, expressions });
        }
        let has_key = ["Key", "DeepKey", "KeyPath", "Enrichment"].iter().any(|key| present(node, key).is_some());
        if let (Condition::Compare(comparison), false) = (condition, has_key) {
            self.only(node, &["Condition", "Values"]);
            self.not_in_filters(node.line, "a comparison of two fields");
            return self.fields(node, name, comparison);
        }
        self.only(node, &["Key", "DeepKey", "KeyPath", "Enrichment", "Condition", "Value", "Values"]);
        let check = self.check(node, name, condition);
        if let Some(enrichment) = present(node, "Enrichment") {
            return self.enrichment(enrichment, check?);
        }
        let path = self.path(node);
        Some(Expression::Key { path: path?, check: check? })
    }

    fn check(&mut self, node: &Node, name: &str, condition: Condition) -> Option<Check> {
        let plain = |test, negated| Some(Check { test, negated });
        match condition {
            Condition::Exists { negated } => plain(Test::Exists, negated),
            Condition::Null { negated } => plain(Test::Null, negated),
            Condition::NullOrEmpty { negated } => plain(Test::NullOrEmpty, negated),
            Condition::Address { kind, negated } => plain(Test::Address(kind), negated),
            Condition::Compare(Comparison { operator, letters, negated }) => {
                let Some(value) = node.get("Value") else {
                    self.wrong(node.line, format!("`{name}` needs `Value`"));
                    return None;
                };
                Some(Check { test: Test::Compare(operator, letters, self.scalar(value)?), negated })
            }
            Condition::In { negated } => {
                let values = self.values(node, name)?;
                let scalars: Option<Vec<Scalar>> = values.iter().map(|value| self.scalar(value)).collect();
                Some(Check { test: Test::In(scalars?), negated })
            }
            Condition::InNetworks { negated } => {
                let one = node.get("Value").map(std::slice::from_ref);
                let values = one.or_else(|| self.values(node, name))?;
                let networks: Option<Vec<Network>> = values.iter().map(|value| self.network(value)).collect();
                Some(Check { test: Test::InNetworks(networks?), negated })
            }
            Condition::Always(_) | Condition::Elements(_) => None,
        }
    }

    fn values<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Node]> {
        match node.get("Values").map(|values| &values.yaml) {
            Some(Yaml::List(items)) => Some(items),
            _ => {
                self.wrong(node.line, format!("`{name}` needs a list of `Values`"));
                None
            }
        }
    }

    fn scalar(&mut self, node: &Node) -> Option<Scalar> {
        match &node.yaml {
            Yaml::Bool(value) => Some(Scalar::Bool(*value)),
            Yaml::Int(digits) => Some(Scalar::Number(digits.clone(), digits.parse().unwrap_or(f64::INFINITY))),
            Yaml::Float(number, text) => Some(Scalar::Number(text.clone(), *number)),
            Yaml::Text(text) => Some(Scalar::text(text)),
            _ => {
                self.wrong(node.line, format!("a value must be text, a number, true or false, found {}", node.kind()));
                None
            }
        }
    }

    fn network(&mut self, node: &Node) -> Option<Network> {
        let text = node.scalar_text().unwrap_or_default();
        let network = Network::parse(&text);
        if network.is_none() {
            self.wrong(node.line, format!("`{text}` is no network; write it like `10.0.0.0/8`"));
        }
        network
    }

    /// `Values` with two keys.
    fn fields(&mut self, node: &Node, name: &str, comparison: Comparison) -> Option<Expression> {
        let keys = match node.get("Values").map(|values| &values.yaml) {
            Some(Yaml::List(items)) => items.as_slice(),
            _ => &[],
        };
        let [left, right] = keys else {
            let found = keys.len();
            self.wrong(
                node.line,
                format!("`{name}` needs a key and a `Value`, or `Values` with two keys, found {found}"),
            );
            return None;
        };
        let (left, right) = (self.only_path(left), self.only_path(right));
        Some(Expression::Fields { left: left?, right: right?, comparison })
    }

    fn enrichment(&mut self, node: &Node, check: Check) -> Option<Expression> {
        self.only(node, &["Table", "Selector", "FieldPath"]);
        let mut text = |key: &str| {
            let text = node.get(key).and_then(Node::scalar_text).filter(|text| !text.is_empty());
            if text.is_none() {
                self.complaints.push((node.line, format!("`Enrichment` needs `{key}`")));
            }
            text
        };
        let (table, selector, field) = (text("Table"), text("Selector"), text("FieldPath"));
        let answer = Path::field("p_enrichment").then_field(&table?).then_field(&selector?);
        let field = self.key_path(node.line, &field?)?;
        Some(Expression::Enrichment { answer, field, check })
    }

    /// A mapping that is a key specifier and nothing else.
    fn only_path(&mut self, node: &Node) -> Option<Path> {
        self.only(node, &["Key", "DeepKey", "KeyPath"]);
        self.path(node)
    }

    fn path(&mut self, node: &Node) -> Option<Path> {
        let written: Vec<(&str, &Node)> =
            ["Key", "DeepKey", "KeyPath"].iter().filter_map(|key| Some((*key, present(node, key)?))).collect();
        let [(name, value)] = written.as_slice() else {
            self.wrong(
                node.line,
                "exactly one of `Key`, `DeepKey`, `KeyPath` and `Enrichment` must name what is compared",
            );
            return None;
        };
        if self.grammar == Grammar::Filter && *name != "KeyPath" {
            self.wrong(value.line, format!("`{name}` has no place in inline filters; `KeyPath` has"));
        }
        match (*name, &value.yaml) {
            ("DeepKey", Yaml::List(items)) => self.deep_key(items, value.line),
            // One string where a list is meant.
            ("Key" | "DeepKey", _) => match value.scalar_text() {
                Some(text) => Some(Path::field(&text)),
                None => {
                    self.wrong(value.line, format!("`{name}` must be a name, found {}", value.kind()));
                    None
                }
            },
            _ => self.key_path(value.line, &value.scalar_text().unwrap_or_default()),
        }
    }

    fn deep_key(&mut self, items: &[Node], line: usize) -> Option<Path> {
        let mut path = Path::empty();
        for item in items {
            path = match &item.yaml {
                Yaml::Int(digits) => path.then_index(digits.parse().unwrap_or(i64::MAX)),
                Yaml::Text(name) => path.then_field(name),
                _ => {
                    self.wrong(
                        item.line,
                        format!("`DeepKey` must be a list of names and numbers, found {} in it", item.kind()),
                    );
                    return None;
                }
            };
        }
        if items.is_empty() {
            self.wrong(line, "`DeepKey` is empty");
            return None;
        }
        Some(path)
    }

    fn key_path(&mut self, line: usize, text: &str) -> Option<Path> {
        Path::parse(text).map_err(|error| self.wrong(line, error.to_string())).ok()
    }

    fn context_entry(&mut self, node: &Node) -> Option<(String, Path)> {
        self.only(node, &["KeyName", "KeyValue"]);
        let name = node.get("KeyName").and_then(Node::scalar_text);
        let (Some(name), Some(value)) = (name, present(node, "KeyValue")) else {
            self.wrong(node.line, "an entry of `AlertContext` needs `KeyName` and `KeyValue`");
            return None;
        };
        Some((name, self.only_path(value)?))
    }

    fn dynamic_severity(&mut self, node: &Node) -> Option<(Severity, Vec<Expression>)> {
        self.only(node, &["ChangeTo", "Conditions"]);
        let written = node.get("ChangeTo").and_then(Node::scalar_text).unwrap_or_default();
        let severity = Severity::parse(&written);
        if severity.is_none() {
            let message = format!("`ChangeTo` must be Info, Low, Medium, High or Critical, found `{written}`");
            self.wrong(node.line, message);
        }
        let Some(conditions) = present(node, "Conditions") else {
            self.wrong(node.line, "an entry of `DynamicSeverities` needs `Conditions`");
            return None;
        };
        let conditions = self.expressions("Conditions", conditions, 0);
        Some((severity?, conditions))
    }

    fn not_in_filters(&mut self, line: usize, what: &str) {
        if self.grammar == Grammar::Filter {
            self.wrong(line, format!("{what} has no place in inline filters"));
        }
    }

    fn only(&mut self, node: &Node, known: &[&str]) {
        let Yaml::Map(pairs) = &node.yaml else {
            self.wrong(node.line, format!("a mapping with {} is needed, found {}", known.join(", "), node.kind()));
            return;
        };
        for (key, _) in pairs.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            self.wrong(key.line, format!("`{}` has no place here; there may be {}", key.text, known.join(", ")));
        }
    }
}

/// A key that is there and not null.
fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|node| node.yaml != Yaml::Null)
}

/// The conditions that begin like the one asked for, or all.
fn nearest(name: &str) -> String {
    let core = |name: &str| {
        let name = name.to_lowercase();
        let name = name.strip_prefix("doesnot").or_else(|| name.strip_prefix("isnot")).unwrap_or(&name).to_owned();
        name.strip_prefix("is").unwrap_or(&name).chars().take(5).collect::<String>()
    };
    let wanted = core(name);
    let like: Vec<&str> = Condition::names().filter(|known| !wanted.is_empty() && core(known) == wanted).collect();
    if like.is_empty() { Condition::names().collect::<Vec<_>>().join(", ") } else { like.join(", ") }
}
