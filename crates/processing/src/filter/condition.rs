//! Conditions on an event's fields: the operators of simple detections, in groups of all or any.
//!
//! A key is a path with dots. Lists on its way are looked into: a condition holds for a list if it holds for one of its
//! items. What is negated (`DoesNotEqual`, `IsNotIn` …) holds exactly where its positive form does not, so it holds for
//! missing fields too.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value as Json;
use uncia_document::{Ref, Value};

/// One condition, or a group of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConditionConfig {
    /// All of these must hold.
    pub all: Option<Vec<Self>>,
    /// One of these must hold.
    pub any: Option<Vec<Self>>,
    /// The field, as a path with dots.
    pub key: Option<String>,
    pub condition: Option<Operator>,
    pub value: Option<Json>,
    pub values: Option<Vec<Json>>,
}

/// What is asked of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Operator {
    Equals,
    DoesNotEqual,
    Contains,
    DoesNotContain,
    StartsWith,
    EndsWith,
    Exists,
    DoesNotExist,
    IsNull,
    IsNotNull,
    IsNullOrEmpty,
    IsGreaterThan,
    IsGreaterThanOrEquals,
    IsLessThan,
    IsLessThanOrEquals,
    IsIn,
    IsNotIn,
    IsIPAddressInCIDR,
}

/// A condition, ready.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Test { path: Vec<String>, test: Test, negated: bool },
}

#[derive(Debug)]
pub(super) enum Test {
    Exists,
    NotEmpty,
    Equals(Json),
    Contains(Json),
    StartsWith(String),
    EndsWith(String),
    Compares(Json, &'static [Ordering]),
    IsIn(Vec<Json>),
    InNetwork(Vec<Network>),
}

impl Condition {
    pub(super) fn compile(config: &ConditionConfig) -> Result<Self, String> {
        let group = |members: &[ConditionConfig]| match members {
            [] => Err("an empty group".to_owned()),
            members => members.iter().map(Self::compile).collect::<Result<Vec<_>, _>>(),
        };
        match config {
            ConditionConfig { all: Some(all), any: None, key: None, condition: None, value: None, values: None } => {
                Ok(Self::All(group(all)?))
            }
            ConditionConfig { all: None, any: Some(any), key: None, condition: None, value: None, values: None } => {
                Ok(Self::Any(group(any)?))
            }
            ConditionConfig { all: None, any: None, key: Some(key), condition: Some(operator), value, values } => {
                let path: Vec<String> = key.split('.').map(str::to_owned).collect();
                if path.iter().any(String::is_empty) {
                    return Err(format!("`{key}` is no path: keys with dots between them"));
                }
                let test = Test::compile(*operator, value.as_ref(), values.as_deref())
                    .map_err(|message| format!("`{key}`: {operator:?} {message}"))?;
                Ok(Self::Test { path, test, negated: operator.is_negated() })
            }
            _ => Err("give `key` and `condition`, or `all`, or `any`".to_owned()),
        }
    }

    pub(super) fn holds(&self, event: Ref<'_>) -> bool {
        match self {
            Self::All(members) => members.iter().all(|member| member.holds(event)),
            Self::Any(members) => members.iter().any(|member| member.holds(event)),
            Self::Test { path, test, negated } => any_at(event, path, test) != *negated,
        }
    }
}

impl Operator {
    fn is_negated(self) -> bool {
        matches!(
            self,
            Self::DoesNotEqual
                | Self::DoesNotContain
                | Self::DoesNotExist
                | Self::IsNull
                | Self::IsNullOrEmpty
                | Self::IsNotIn
        )
    }
}

impl Test {
    fn compile(operator: Operator, value: Option<&Json>, values: Option<&[Json]>) -> Result<Self, String> {
        use Operator as Op;
        let one = || match (value, values) {
            (Some(value), None) if !value.is_object() && !value.is_array() => Ok(value.clone()),
            _ => Err("needs a `value`".to_owned()),
        };
        let text = || match one()? {
            Json::String(text) => Ok(text),
            _ => Err("needs a text as its `value`".to_owned()),
        };
        let list = || match (value, values) {
            (None, Some(values)) if !values.is_empty() => Ok(values.to_vec()),
            _ => Err("needs `values`".to_owned()),
        };
        Ok(match operator {
            Op::Exists | Op::DoesNotExist | Op::IsNull | Op::IsNotNull | Op::IsNullOrEmpty => {
                if value.is_some() || values.is_some() {
                    return Err("takes no value".to_owned());
                }
                if operator == Op::IsNullOrEmpty { Self::NotEmpty } else { Self::Exists }
            }
            Op::Equals | Op::DoesNotEqual => Self::Equals(one()?),
            Op::Contains | Op::DoesNotContain => Self::Contains(one()?),
            Op::StartsWith => Self::StartsWith(text()?),
            Op::EndsWith => Self::EndsWith(text()?),
            Op::IsGreaterThan => Self::Compares(one()?, &[Ordering::Greater]),
            Op::IsGreaterThanOrEquals => Self::Compares(one()?, &[Ordering::Greater, Ordering::Equal]),
            Op::IsLessThan => Self::Compares(one()?, &[Ordering::Less]),
            Op::IsLessThanOrEquals => Self::Compares(one()?, &[Ordering::Less, Ordering::Equal]),
            Op::IsIn | Op::IsNotIn => Self::IsIn(list()?),
            Op::IsIPAddressInCIDR => {
                let networks = if values.is_some() { list()? } else { vec![one()?] };
                let read = |network: &Json| {
                    let network = network.as_str().and_then(Network::parse);
                    network.ok_or_else(|| "needs networks such as `10.0.0.0/8`".to_owned())
                };
                Self::InNetwork(networks.iter().map(read).collect::<Result<_, _>>()?)
            }
        })
    }

    fn holds(&self, value: Ref<'_>) -> bool {
        match self {
            Self::Exists => !value.is_null(),
            Self::NotEmpty => match value.value() {
                Value::Null | Value::EmptyArray => false,
                Value::String(_) => value.as_str().is_some_and(|text| !text.is_empty()),
                Value::Array(_) => value.items().len() > 0,
                Value::Object(_) => value.members().len() > 0,
                _ => true,
            },
            _ if value.is_array() => value.items().any(|item| self.holds_for_item(item)),
            Self::Contains(Json::String(part)) => with_text(value, |text| text.contains(part.as_str())),
            _ => self.holds_for_item(value),
        }
    }

    fn holds_for_item(&self, value: Ref<'_>) -> bool {
        match self {
            Self::Exists | Self::NotEmpty => self.holds(value),
            // Of a list, an item as a whole.
            Self::Equals(wanted) | Self::Contains(wanted) => compare(value, wanted) == Some(Ordering::Equal),
            Self::StartsWith(start) => with_text(value, |text| text.starts_with(start.as_str())),
            Self::EndsWith(end) => with_text(value, |text| text.ends_with(end.as_str())),
            Self::Compares(wanted, orders) => compare(value, wanted).is_some_and(|order| orders.contains(&order)),
            Self::IsIn(wanted) => wanted.iter().any(|wanted| compare(value, wanted) == Some(Ordering::Equal)),
            Self::InNetwork(networks) => {
                let address = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
                address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
            }
        }
    }
}

fn any_at(value: Ref<'_>, path: &[String], test: &Test) -> bool {
    let Some((key, rest)) = path.split_first() else { return test.holds(value) };
    if value.is_array() {
        return value.items().any(|item| any_at(item, path, test));
    }
    value.get(key).is_some_and(|inner| any_at(inner, rest, test))
}

fn with_text(value: Ref<'_>, test: impl Fn(&str) -> bool) -> bool {
    match value.value() {
        Value::Timestamp(stamp) => test(&stamp.to_string()),
        _ => value.as_str().is_some_and(test),
    }
}

/// How a field compares with a configured value; `None` if they are of different kinds. Numbers beyond 64 bits compare
/// as floats, timestamps by their text.
fn compare(value: Ref<'_>, wanted: &Json) -> Option<Ordering> {
    match (value.value(), wanted) {
        (Value::Bool(has), Json::Bool(wanted)) => Some(has.cmp(wanted)),
        (Value::Timestamp(stamp), Json::String(wanted)) => Some(stamp.to_string().as_str().cmp(wanted)),
        (Value::Number(_), Json::Number(wanted)) => match (value.as_i64(), wanted.as_i64()) {
            (Some(has), Some(wanted)) => Some(has.cmp(&wanted)),
            _ => value.as_f64()?.partial_cmp(&wanted.as_f64()?),
        },
        (Value::String(_), Json::String(wanted)) => Some(value.as_str()?.cmp(wanted)),
        (Value::Number(_), Json::String(wanted)) => Some(value.literal()?.cmp(wanted)),
        _ => None,
    }
}

/// A network in CIDR notation; a bare address is a network of one.
#[derive(Debug)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        // An IPv4 address in IPv6 clothes is the IPv4 address.
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(other)) => {
                let differing = u32::from(network) ^ u32::from(other);
                differing.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(other)) => {
                let differing = u128::from(network) ^ u128::from(other);
                differing.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
