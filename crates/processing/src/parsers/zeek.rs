//! Zeek's own format: columns between tabs, described by `#` lines at the file's head.

use uncia_model::Head;

use super::Line;
use super::header::{Header, lines};
use super::options::piece_of;
use super::pairs::{Pairs, Piece};

/// What a file's `#` lines say beside the columns' names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ZeekSettings {
    separator: String,
    set_separator: String,
    empty: String,
    unset: String,
    /// Whether a column holds a list.
    lists: Vec<bool>,
    path: Option<Box<str>>,
}

impl Default for ZeekSettings {
    fn default() -> Self {
        Self {
            separator: "\t".to_owned(),
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
            lists: Vec::new(),
            path: None,
        }
    }
}

pub(super) fn header(head: &Head) -> Result<Option<Header>, String> {
    let mut settings = ZeekSettings::default();
    let mut columns: Vec<Box<str>> = Vec::new();
    let mut count = 0;
    for line in lines(head) {
        let Some(said) = line.strip_prefix('#') else { break };
        count += 1;
        if let Some(separator) = said.strip_prefix("separator ") {
            settings.separator = unescaped(separator);
            continue;
        }
        let (name, value) = said.split_once(&*settings.separator).unwrap_or((said, ""));
        match name {
            "set_separator" => settings.set_separator = unescaped(value),
            "empty_field" => settings.empty = value.to_owned(),
            "unset_field" => settings.unset = value.to_owned(),
            "path" => settings.path = Some(value.into()),
            "fields" => columns = value.split(&*settings.separator).map(Box::from).collect(),
            "types" => {
                let is_list = |kind: &str| kind.starts_with("set[") || kind.starts_with("vector[");
                settings.lists = value.split(&*settings.separator).map(is_list).collect();
            }
            _ => {}
        }
    }
    if columns.is_empty() {
        return Err("no `#fields` line is at the file's head".to_owned());
    }
    Ok(Some(Header::new(head, columns, count, "").with_zeek(settings)))
}

pub(super) fn read(line: &Line<'_>, header: Option<&Header>, pairs: &mut Pairs) -> Result<(), String> {
    let Some((header, settings)) = header.and_then(|header| Some((header, header.zeek.as_ref()?))) else {
        return Err("the `#fields` line of its file is not known".to_owned());
    };
    let mut count = 0;
    for (place, cell) in line.text.split(&*settings.separator).enumerate() {
        count += 1;
        if place >= header.columns.len() {
            break;
        }
        if cell == settings.unset {
            continue;
        }
        let name = Piece::Column(place as u16);
        if settings.lists.get(place) == Some(&true) {
            let items = cell.split(&*settings.set_separator).filter(|_| cell != settings.empty);
            let items: Vec<Piece> = items.map(|item| value(line.text, item, settings, pairs)).collect();
            pairs.push_list(name, items);
            continue;
        }
        let cell = if cell == settings.empty { "" } else { cell };
        let value = if cell.is_empty() { Piece::Line(0, 0) } else { value(line.text, cell, settings, pairs) };
        pairs.push(name, value);
    }
    if count != header.columns.len() {
        return Err(format!("the line has {count} columns, the header has {}", header.columns.len()));
    }
    if let Some(path) = &settings.path {
        let name = pairs.spare(|spare| spare.push_str("_path"));
        let value = pairs.spare(|spare| spare.push_str(path));
        pairs.push(name, value);
    }
    Ok(())
}

/// A value without the `\x09` that stand for separators in it.
fn value(line: &str, cell: &str, settings: &ZeekSettings, pairs: &mut Pairs) -> Piece {
    let hides_something = cell.contains("\\x") && (settings.separator.len() == 1 || cell.contains('\\'));
    if !hides_something {
        return piece_of(line, cell);
    }
    pairs.spare(|spare| super::fastmatch::unescape(cell, spare))
}

/// `\x09` as the character it is.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    super::fastmatch::unescape(text.trim(), &mut plain);
    if plain.is_empty() {
        plain.push_str(if text.is_empty() { "\t" } else { text });
    }
    plain
}
