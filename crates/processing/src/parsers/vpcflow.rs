//! VPC flow logs: words between spaces. The first line may name the columns; otherwise they are those of version 2.

use uncia_model::Head;

use super::Line;
use super::header::{Header, lines};
use super::options::piece_of;
use super::pairs::{Pairs, Piece};

/// The format that AWS writes unless told otherwise.
const VERSION_2: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

pub(super) fn default_columns() -> Vec<Box<str>> {
    VERSION_2.map(Box::from).to_vec()
}

/// A first line is a header if it names a column that every format has.
pub(super) fn header(head: &Head) -> Option<Header> {
    let first = lines(head).next()?;
    let names: Vec<Box<str>> = first.split_ascii_whitespace().map(Box::from).collect();
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_header = names.iter().any(|name| VERSION_2.contains(&&**name)) && names.iter().all(|name| is_name(name));
    is_header.then(|| Header::new(head, names, 1, first))
}

pub(super) fn read(line: &Line<'_>, header: Option<&Header>, pairs: &mut Pairs) -> Result<(), String> {
    let expected = header.map_or(VERSION_2.len(), |header| header.columns.len());
    let mut count = 0;
    for (place, word) in line.text.split_ascii_whitespace().enumerate() {
        count += 1;
        if place < expected && word != "-" {
            pairs.push(Piece::Column(place as u16), piece_of(line.text, word));
        }
    }
    if count != expected {
        return Err(format!("the line has {count} words, a flow of this format has {expected}"));
    }
    if header.is_none() && !line.text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("no version number is at the line's beginning".to_owned());
    }
    Ok(())
}
