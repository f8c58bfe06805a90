//! Indicators: what an event says about addresses, users, hashes and cloud resources, in columns that all tables share.
//!
//! A scanner looks at one string and writes none or some values to the `p_any_*` lists. Values are pieces of the
//! document's text wherever they appear there as they are, so that the usual event copies nothing.

mod aws;
mod punycode;

use std::net::IpAddr;

use uncia_document::{Document, Scratch, Text, Value};
use uncia_model::fields;

pub(crate) use aws::{AwsKeys, scan_tree};

/// A `p_any_*` list, by its place in [`fields::ANY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    IpAddresses,
    DomainNames,
    Emails,
    Usernames,
    ActorIds,
    TraceIds,
    Md5Hashes,
    Sha1Hashes,
    Sha256Hashes,
    AwsAccountIds,
    AwsInstanceIds,
    AwsArns,
    AwsTags,
    MacAddresses,
    SerialNumbers,
}

const LISTS: usize = List::SerialNumbers as usize + 1;
const _: () = assert!(LISTS == fields::ANY.len());

/// A name that `indicators` may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanner {
    Ip,
    Domain,
    Hostname,
    Url,
    NetAddr,
    Email,
    Username,
    ActorId,
    TraceId,
    Md5,
    Sha1,
    Sha256,
    AwsAccountId,
    AwsInstanceId,
    AwsArn,
    AwsArnOnly,
    AwsTag,
    /// Walks a whole JSON value by its keys.
    AwsAuto,
    Mac,
    SerialNumber,
}

impl Scanner {
    const TABLE: [(&str, Self); 20] = [
        ("ip", Self::Ip),
        ("domain", Self::Domain),
        ("hostname", Self::Hostname),
        ("url", Self::Url),
        ("net_addr", Self::NetAddr),
        ("email", Self::Email),
        ("username", Self::Username),
        ("actor_id", Self::ActorId),
        ("trace_id", Self::TraceId),
        ("md5", Self::Md5),
        ("sha1", Self::Sha1),
        ("sha256", Self::Sha256),
        ("aws_account_id", Self::AwsAccountId),
        ("aws_instance_id", Self::AwsInstanceId),
        ("aws_arn", Self::AwsArn),
        ("aws_arn_only", Self::AwsArnOnly),
        ("aws_tag", Self::AwsTag),
        ("aws_auto", Self::AwsAuto),
        ("mac", Self::Mac),
        ("serial_number", Self::SerialNumber),
    ];

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|(known, _)| *known == name).map(|(_, scanner)| *scanner)
    }

    pub(crate) fn names() -> Vec<&'static str> {
        Self::TABLE.iter().map(|(name, _)| *name).collect()
    }
}

/// The lists of the event in work.
#[derive(Default)]
pub(crate) struct Indicators {
    lists: [Vec<Text>; LISTS],
    sorted: Vec<Text>,
}

impl Indicators {
    pub(crate) fn clear(&mut self) {
        self.lists.iter_mut().for_each(Vec::clear);
    }

    fn add(&mut self, list: List, text: Text) {
        self.lists[list as usize].push(text);
    }

    /// Hands over each non-empty list, sorted and without doubles, as an array of the document.
    pub(crate) fn drain(
        &mut self,
        document: &mut Document,
        scratch: &mut Scratch,
        mut each: impl FnMut(&mut Document, &mut Scratch, usize, Value),
    ) {
        for place in 0..LISTS {
            if self.lists[place].is_empty() {
                continue;
            }
            self.sorted.append(&mut self.lists[place]);
            self.sorted.sort_unstable_by(|&a, &b| document.text(a).cmp(document.text(b)));
            self.sorted.dedup_by(|a, b| document.text(*a) == document.text(*b));
            let from = scratch.items.len();
            scratch.items.extend(self.sorted.drain(..).map(Value::String));
            let list = document.close_array(scratch, from);
            each(document, scratch, place, list);
        }
    }
}

/// Runs one scanner on a string of the document.
pub(crate) fn scan(scanner: Scanner, document: &mut Document, text: Text, out: &mut Indicators) {
    let text = trim(document, text);
    if text.is_empty() {
        return;
    }
    let found = document.text(text);
    match scanner {
        Scanner::Ip => {
            if is_ip(found) {
                out.add(List::IpAddresses, text);
            }
        }
        Scanner::Domain => domain(document, text, out),
        Scanner::Hostname => hostname(document, text, out),
        Scanner::Url => {
            if let Some((from, to)) = url_host(found) {
                hostname(document, text.slice(from, to), out);
            }
        }
        Scanner::NetAddr => {
            let (from, to) = without_port(found);
            hostname(document, text.slice(from, to), out);
        }
        Scanner::Email => {
            if found.contains('@') {
                out.add(List::Emails, text);
            }
        }
        Scanner::Username => out.add(List::Usernames, text),
        Scanner::ActorId => out.add(List::ActorIds, text),
        Scanner::TraceId => out.add(List::TraceIds, text),
        Scanner::Md5 => hash(document, text, 32, List::Md5Hashes, out),
        Scanner::Sha1 => hash(document, text, 40, List::Sha1Hashes, out),
        Scanner::Sha256 => hash(document, text, 64, List::Sha256Hashes, out),
        Scanner::AwsAccountId => aws::account_id(document, text, out),
        Scanner::AwsInstanceId => aws::instance_id(document, text, out),
        Scanner::AwsArn => {
            aws::arn(document, text, out);
        }
        Scanner::AwsArnOnly => {
            if aws::is_arn(found) {
                out.add(List::AwsArns, text);
            }
        }
        Scanner::AwsTag => out.add(List::AwsTags, text),
        // The walk needs the value and its key; `scan_tree` does it.
        Scanner::AwsAuto => {}
        Scanner::Mac => {
            if let Some(mac) = mac(found) {
                let text = document.push_text(&mac);
                out.add(List::MacAddresses, text);
            }
        }
        Scanner::SerialNumber => out.add(List::SerialNumbers, text),
    }
}

fn trim(document: &Document, text: Text) -> Text {
    let whole = document.text(text);
    if let (Some(first), Some(last)) = (whole.as_bytes().first(), whole.as_bytes().last())
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return text;
    }
    let from = whole.len() - whole.trim_start().len();
    text.slice(from, from + whole.trim().len())
}

/// An IPv4 or IPv6 literal. The first byte settles most other texts.
fn is_ip(text: &str) -> bool {
    let could_be = text.as_bytes().first().is_some_and(|&b| b.is_ascii_hexdigit() || b == b':');
    could_be && text.len() <= 45 && text.parse::<IpAddr>().is_ok()
}

fn hostname(document: &mut Document, text: Text, out: &mut Indicators) {
    if is_ip(document.text(text)) {
        out.add(List::IpAddresses, text);
    } else {
        domain(document, text, out);
    }
}

fn domain(document: &mut Document, text: Text, out: &mut Indicators) {
    let name = document.text(text);
    if name.is_empty() {
        return;
    }
    match punycode::decode_domain(name) {
        None => out.add(List::DomainNames, text),
        Some(decoded) => {
            let text = document.push_text(&decoded);
            out.add(List::DomainNames, text);
        }
    }
}

/// Where a URL's host stands, without user, port and brackets.
fn url_host(url: &str) -> Option<(usize, usize)> {
    let mut from = match url.find("//")? {
        0 => 2,
        colon => {
            let scheme = url[..colon].strip_suffix(':')?;
            let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
            if !is_scheme {
                return None;
            }
            colon + 2
        }
    };
    let to = url[from..].find(['/', '?', '#']).map_or(url.len(), |end| from + end);
    if let Some(user_end) = url[from..to].rfind('@') {
        from += user_end + 1;
    }
    let authority = &url[from..to];
    if authority.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let (host_from, host_to) = without_port(authority);
    Some((from + host_from, from + host_to))
}

/// Strips `:port` and the brackets of `[v6]`, with or without a port; else the whole text.
fn without_port(text: &str) -> (usize, usize) {
    if let Some(rest) = text.strip_prefix('[')
        && let Some(end) = rest.find(']')
    {
        let after = &rest[end + 1..];
        if after.is_empty() || after.starts_with(':') {
            return (1, end + 1);
        }
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (0, host.len()),
        _ => (0, text.len()),
    }
}

fn hash(document: &mut Document, text: Text, digits: usize, list: List, out: &mut Indicators) {
    let found = document.text(text);
    if found.len() != digits || !found.bytes().all(|b| b.is_ascii_hexdigit()) {
        return;
    }
    if found.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = found.to_ascii_lowercase();
        let text = document.push_text(&lower);
        out.add(list, text);
    } else {
        out.add(list, text);
    }
}

/// Twelve hex digits with `:`, `-`, `.` or nothing between them, in lower case with colons.
fn mac(text: &str) -> Option<String> {
    let mut out = String::with_capacity(17);
    let mut digits = 0;
    let mut separators = 0;
    for c in text.chars() {
        match c {
            ':' | '-' | '.' if digits % 2 == 0 && digits > 0 => {
                separators += 1;
                continue;
            }
            _ if !c.is_ascii_hexdigit() => return None,
            _ => {}
        }
        if digits > 0 && digits % 2 == 0 {
            out.push(':');
        }
        digits += 1;
        out.push(c.to_ascii_lowercase());
    }
    // Bare digits would take every twelve-digit account number for a network card.
    (digits == 12 && (2..=5).contains(&separators)).then_some(out)
}

#[cfg(test)]
mod tests;
