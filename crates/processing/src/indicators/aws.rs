//! AWS resources: ARNs and the ids within them, and the walk through free-form JSON that finds them by their keys.

use uncia_document::{Document, KeyId, Text, Value};

use super::{Indicators, List, Scanner, scan};

/// Twelve digits.
pub(super) fn account_id(document: &Document, text: Text, out: &mut Indicators) {
    let found = document.text(text);
    if found.len() == 12 && found.bytes().all(|b| b.is_ascii_digit()) {
        out.add(List::AwsAccountIds, text);
    }
}

pub(super) fn instance_id(document: &Document, text: Text, out: &mut Indicators) {
    if document.text(text).starts_with("i-") {
        out.add(List::AwsInstanceIds, text);
    }
}

/// `arn:partition:service:region:account:resource`, the resource with colons of its own.
pub(super) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.bytes().filter(|&b| b == b':').take(5).count() == 5
}

/// The ARN, its account, its instance, and the e-mail address of a federated session. Says whether it was one.
pub(super) fn arn(document: &Document, text: Text, out: &mut Indicators) -> bool {
    let found = document.text(text);
    if !is_arn(found) {
        return false;
    }
    out.add(List::AwsArns, text);
    let mut colons = memchr::memchr_iter(b':', found.as_bytes()).skip(3);
    let (Some(before_account), Some(after_account)) = (colons.next(), colons.next()) else { return true };
    account_id(document, text.slice(before_account + 1, after_account), out);
    let resource = &found[after_account + 1..];
    let last = resource.rfind('/').map(|slash| text.slice(after_account + 2 + slash, found.len()));
    if let Some(last) = last {
        if resource.starts_with("instance/") {
            instance_id(document, last, out);
        }
        if resource.starts_with("assumed-role/") && document.text(last).contains('@') {
            out.add(List::Emails, last);
        }
    }
    true
}

/// What a key says about its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Unknown,
    Arn,
    InstanceId,
    AccountId,
    Tags,
    Ip,
    Domain,
    Host,
    Nothing,
}

/// What keys mean, remembered by key id.
#[derive(Default)]
pub(crate) struct AwsKeys {
    meanings: Vec<Meaning>,
}

impl AwsKeys {
    fn meaning(&mut self, id: KeyId, key: &str) -> Meaning {
        if id == KeyId::NONE {
            return meaning(key);
        }
        if self.meanings.len() <= id.index() {
            self.meanings.resize(id.index() + 1, Meaning::Unknown);
        }
        let known = &mut self.meanings[id.index()];
        if *known == Meaning::Unknown {
            *known = meaning(key);
        }
        *known
    }
}

fn meaning(key: &str) -> Meaning {
    match key {
        "arn" | "ARN" | "aws:SourceArn" => Meaning::Arn,
        "instanceId" | "instance-id" => Meaning::InstanceId,
        "accountId" | "account" => Meaning::AccountId,
        "tags" => Meaning::Tags,
        "ipv6Addresses" | "publicIp" | "privateIpAddress" | "ipAddressV4" | "sourceIPAddress" => Meaning::Ip,
        "publicDnsName" | "privateDnsName" | "domain" => Meaning::Domain,
        // Answers of DNS: addresses and names alike.
        "Rdata" | "rdata" => Meaning::Host,
        _ if key.ends_with("InstanceId") => Meaning::InstanceId,
        _ if key.ends_with("AccountId") => Meaning::AccountId,
        _ => Meaning::Nothing,
    }
}

/// `aws_auto`: walks a JSON value; `key` is the key it stands under.
pub(crate) fn scan_tree(
    keys: &mut AwsKeys,
    document: &mut Document,
    key: (KeyId, &str),
    value: Value,
    out: &mut Indicators,
) {
    let meaning = keys.meaning(key.0, key.1);
    walk(keys, document, meaning, value, out);
}

fn walk(keys: &mut AwsKeys, document: &mut Document, meaning: Meaning, value: Value, out: &mut Indicators) {
    match value {
        Value::String(text) => string(document, meaning, text, out),
        Value::Number(literal) if meaning == Meaning::AccountId => account_id(document, literal, out),
        Value::Array(_) => {
            for place in 0..document.items(value).len() {
                let item = document.items(value)[place];
                walk(keys, document, meaning, item, out);
            }
        }
        Value::Object(_) => {
            if meaning == Meaning::Tags {
                tag(document, value, out);
            }
            for place in 0..document.members(value).len() {
                let member = document.members(value)[place];
                let meaning = keys.meaning(member.key.id, document.key(member.key));
                walk(keys, document, meaning, member.value, out);
            }
        }
        _ => {}
    }
}

fn string(document: &mut Document, meaning: Meaning, text: Text, out: &mut Indicators) {
    let scanner = match meaning {
        Meaning::InstanceId => Scanner::AwsInstanceId,
        Meaning::AccountId => Scanner::AwsAccountId,
        Meaning::Tags => Scanner::AwsTag,
        Meaning::Ip => Scanner::Ip,
        Meaning::Domain => Scanner::Domain,
        Meaning::Host => Scanner::Hostname,
        Meaning::Arn | Meaning::Nothing | Meaning::Unknown => {
            // Any other string may be an ARN too.
            if document.text(text).starts_with("arn:") {
                arn(document, text, out);
            }
            return;
        }
    };
    scan(scanner, document, text, out);
}

/// `{"key": …, "value": …}` of a resource's tags.
fn tag(document: &mut Document, value: Value, out: &mut Indicators) {
    let object = document.at(value);
    let (Some(key), Some(value)) = (object.get("key"), object.get("value")) else { return };
    if let (Some(key), Some(value)) = (key.as_str(), value.as_str()) {
        let both = format!("{key}:{value}");
        let text = document.push_text(&both);
        out.add(List::AwsTags, text);
    }
}
