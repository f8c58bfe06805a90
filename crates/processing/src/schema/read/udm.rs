//! `udm`: which core fields a log type has, and where.

use super::{Reader, entry};
use crate::schema::spec::UdmSpec;
use crate::schema::yaml::{Content, Node};

impl<'a> Reader<'a> {
    /// A list of `{name: source.ip, paths: [{path: clientIp}]}`, or the same as a mapping from names to paths.
    pub(super) fn udm(&mut self, node: &'a Node) -> Option<Vec<UdmSpec>> {
        let mut specs: Vec<UdmSpec> = Vec::new();
        if let Content::Mapping(pairs) = &node.content {
            for (name, paths) in pairs {
                let name = self.udm_name(name)?;
                let paths = self.udm_paths(paths)?;
                self.udm_is_free(node.line, &name, &specs);
                specs.push(UdmSpec { name, paths });
            }
            return Some(specs);
        }
        for node in self.sequence(node)? {
            let pairs = self.mapping(node)?;
            for (key, _) in pairs {
                self.known_key(key, &["name", "paths", "path"]);
            }
            let Some((_, name)) = entry(pairs, "name") else { return self.missing(node, "name") };
            let name = self.udm_name(name)?;
            let paths = match (entry(pairs, "paths"), entry(pairs, "path")) {
                (Some((_, paths)), _) | (None, Some((_, paths))) => self.udm_paths(paths)?,
                (None, None) => return self.missing(node, "paths"),
            };
            self.udm_is_free(node.line, &name, &specs);
            specs.push(UdmSpec { name, paths });
        }
        Some(specs)
    }

    fn udm_name(&mut self, node: &Node) -> Option<Vec<String>> {
        let text = self.string(node)?;
        let text = text.strip_prefix("p_udm.").unwrap_or(&text);
        let is_word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !text.split('.').all(is_word) {
            self.error(
                node.line,
                format!("`{text}` is no core field: lower-case words with dots, such as `source.ip`"),
            );
            return None;
        }
        Some(text.split('.').map(str::to_owned).collect())
    }

    /// One path, or a list of paths, each alone or as `{path: …}`.
    fn udm_paths(&mut self, node: &'a Node) -> Option<Vec<Vec<String>>> {
        let one = std::slice::from_ref(node);
        let nodes = match &node.content {
            Content::Scalar { .. } | Content::Mapping(_) => one,
            Content::Sequence(nodes) => nodes,
        };
        if nodes.is_empty() {
            self.error(node.line, "at least one path is needed");
            return None;
        }
        let mut paths = Vec::new();
        for node in nodes {
            let text = match &node.content {
                Content::Mapping(pairs) => {
                    for (key, _) in pairs {
                        self.known_key(key, &["path"]);
                    }
                    self.required_string(node, pairs, "path")?
                }
                _ => self.string(node)?,
            };
            paths.push(self.path_of(node, &text)?);
        }
        Some(paths)
    }

    fn udm_is_free(&mut self, line: usize, name: &[String], earlier: &[UdmSpec]) {
        let clashes = |other: &&UdmSpec| other.name.starts_with(name) || name.starts_with(&other.name);
        if let Some(other) = earlier.iter().find(clashes) {
            let (name, other) = (name.join("."), other.name.join("."));
            self.error(line, format!("core field `{name}` stands in the way of `{other}`"));
        }
    }
}
