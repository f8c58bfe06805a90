//! Core fields: `p_udm`, a small vocabulary that means the same in every log type, filled from the event's own fields
//! after they were transformed and masked.

use uncia_document::{Document, Interner, Key, KeyId, Member, Scratch, Value};
use uncia_model::fields;

use crate::schema::{UdmSpec, column_name};

/// How a log type fills its core fields.
pub(super) struct UdmPlan {
    key: KeyId,
    nodes: Box<[Node]>,
}

struct Node {
    key: KeyId,
    name: Box<str>,
    value: Source,
}

enum Source {
    Group(Vec<Node>),
    /// The first path that leads to a value.
    Paths(Box<[Path]>),
}

struct Path {
    first: KeyId,
    names: Box<[Box<str>]>,
}

impl UdmPlan {
    pub(super) fn compile(specs: &[UdmSpec], interner: &Interner) -> Option<Self> {
        let mut nodes = Vec::new();
        for spec in specs {
            insert(&mut nodes, &spec.name, spec, interner);
        }
        (!nodes.is_empty()).then(|| Self { key: interner.intern(fields::UDM), nodes: nodes.into() })
    }

    /// Puts `p_udm` on the scratch behind the event's members, which stand on the scratch before `own`.
    pub(super) fn append(&self, document: &mut Document, scratch: &mut Scratch, own: usize) {
        if let Some(value) = group(&self.nodes, document, scratch, own) {
            let key = Key { id: self.key, text: document.push_text(fields::UDM) };
            scratch.members.push(Member { key, value });
        }
    }
}

fn insert(nodes: &mut Vec<Node>, name: &[String], spec: &UdmSpec, interner: &Interner) {
    let Some((first, rest)) = name.split_first() else { return };
    let key = interner.intern(first);
    if rest.is_empty() {
        let path = |path: &Vec<String>| {
            let names: Box<[Box<str>]> = path.iter().map(|part| column_name(part).into()).collect();
            let first = names.first().map_or(KeyId::NONE, |name| interner.intern(name));
            Path { first, names }
        };
        let paths = spec.paths.iter().map(path).collect();
        nodes.push(Node { key, name: first.as_str().into(), value: Source::Paths(paths) });
        return;
    }
    let place = nodes.iter().position(|node| *node.name == **first && matches!(node.value, Source::Group(_)));
    let place = place.unwrap_or_else(|| {
        nodes.push(Node { key, name: first.as_str().into(), value: Source::Group(Vec::new()) });
        nodes.len() - 1
    });
    if let Source::Group(inner) = &mut nodes[place].value {
        insert(inner, rest, spec, interner);
    }
}

fn group(nodes: &[Node], document: &mut Document, scratch: &mut Scratch, own: usize) -> Option<Value> {
    let from = scratch.members.len();
    for node in nodes {
        let value = match &node.value {
            Source::Group(inner) => group(inner, document, scratch, own),
            Source::Paths(paths) => paths.iter().find_map(|path| find(path, document, scratch, own)),
        };
        let Some(value) = value else { continue };
        let key = Key { id: node.key, text: document.push_text(&node.name) };
        scratch.members.push(Member { key, value });
    }
    if scratch.members.len() == from {
        return None;
    }
    Some(document.close_object(scratch, from))
}

fn find(path: &Path, document: &mut Document, scratch: &mut Scratch, own: usize) -> Option<Value> {
    let (name, rest) = path.names.split_first()?;
    let is_first = |member: &&Member| {
        (path.first == KeyId::NONE || member.key.id == KeyId::NONE || member.key.id == path.first)
            && document.key(member.key) == &**name
    };
    let value = scratch.members[..own].iter().find(is_first)?.value;
    below(value, rest, document, scratch)
}

/// The value at the end of a path; through a list it leads to the list of what each item has there.
fn below(value: Value, path: &[Box<str>], document: &mut Document, scratch: &mut Scratch) -> Option<Value> {
    let Some((name, rest)) = path.split_first() else {
        return (!matches!(value, Value::Null | Value::EmptyArray)).then_some(value);
    };
    if let Some(inner) = super::derive::member(document, value, name) {
        return below(inner, rest, document, scratch);
    }
    if !matches!(value, Value::Array(_)) {
        return None;
    }
    let from = scratch.items.len();
    for place in 0..document.items(value).len() {
        let item = document.items(value)[place];
        if let Some(found) = below(item, path, document, scratch) {
            scratch.items.push(found);
        }
    }
    if scratch.items.len() == from {
        return None;
    }
    Some(document.close_array(scratch, from))
}
