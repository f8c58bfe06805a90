//! A lookup table in memory: the texts of its rows in one piece, and where each key's rows are.
//!
//! A key such as `10.0.0.0/8` is a network too: an address is found in the smallest network that it belongs to.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashMap;

/// Whether keys are compared as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Exact,
    Folded,
}

/// Rows by key. Immutable; see [`TableBuilder`].
#[derive(Debug)]
pub struct LookupTable {
    name: Arc<str>,
    case: Case,
    text: String,
    /// Where each row's text ends; it begins where the one before ends.
    ends: Vec<u32>,
    index: AHashMap<Box<str>, Places>,
    /// By length of the prefix, in bits of an IPv6 address, and by the network's address.
    networks: AHashMap<(u8, u128), Places>,
    /// The lengths that occur, longest first.
    lengths: Vec<u8>,
}

/// The rows of a key. Most keys have one.
#[derive(Debug)]
enum Places {
    One(u32),
    Many(Vec<u32>),
}

/// Collects rows.
#[derive(Debug)]
pub struct TableBuilder {
    table: LookupTable,
    most_bytes: usize,
}

/// A table would take more memory than it may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lookup table {name} has more than {most_bytes} bytes: it is not loaded, and events are not enriched with it")]
pub struct TableFull {
    pub name: Arc<str>,
    pub most_bytes: usize,
}

impl TableBuilder {
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, case: Case, most_bytes: usize) -> Self {
        let table = LookupTable {
            name: name.into(),
            case,
            text: String::new(),
            ends: Vec::new(),
            index: AHashMap::new(),
            networks: AHashMap::new(),
            lengths: Vec::new(),
        };
        Self { table, most_bytes: most_bytes.min(u32::MAX as usize) }
    }

    /// Adds a row, the text of a JSON object, under its keys.
    pub fn add<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>, row: &str) -> Result<(), TableFull> {
        let table = &mut self.table;
        if table.text.len() + row.len() > self.most_bytes {
            return Err(TableFull { name: table.name.clone(), most_bytes: self.most_bytes });
        }
        let place = u32::try_from(table.ends.len()).unwrap_or(u32::MAX);
        table.text.push_str(row);
        table.ends.push(u32::try_from(table.text.len()).unwrap_or(u32::MAX));
        for key in keys {
            if let Some((length, network)) = network(key) {
                if let Err(gap) = table.lengths.binary_search_by(|other| length.cmp(other)) {
                    table.lengths.insert(gap, length);
                }
                let places = table.networks.entry((length, network)).or_insert(Places::One(place));
                places.push(place);
            }
            let key = folded(table.case, key);
            match table.index.get_mut(&*key) {
                Some(places) => places.push(place),
                None => {
                    table.index.insert(key.into(), Places::One(place));
                }
            }
        }
        Ok(())
    }

    /// Adds a row in place of those that its keys had: of rows with one key the last one counts.
    pub fn add_last(&mut self, keys: &[&str], row: &str) -> Result<(), TableFull> {
        for key in keys {
            self.table.index.remove(&*folded(self.table.case, key));
            if let Some(network) = network(key) {
                self.table.networks.remove(&network);
            }
        }
        self.add(keys.iter().copied(), row)
    }

    #[must_use]
    pub fn finish(mut self) -> LookupTable {
        self.table.text.shrink_to_fit();
        self.table
    }
}

impl Places {
    fn push(&mut self, place: u32) {
        match self {
            // Two keys of a row may be equal.
            Self::One(first) if *first == place => {}
            Self::One(first) => *self = Self::Many(vec![*first, place]),
            Self::Many(places) if places.last() == Some(&place) => {}
            Self::Many(places) => places.push(place),
        }
    }

    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Many(places) => places,
        }
    }
}

impl LookupTable {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// The texts of the rows of a key, in the order in which they were added.
    pub fn get(&self, key: &str) -> impl ExactSizeIterator<Item = &str> {
        let places = self.index.get(&*folded(self.case, key)).or_else(|| self.network_of(key));
        let places = places.map(Places::as_slice).unwrap_or_default();
        places.iter().map(|&place| self.row(place as usize))
    }

    /// The rows of the smallest network that an address belongs to.
    fn network_of(&self, key: &str) -> Option<&Places> {
        if self.lengths.is_empty() {
            return None;
        }
        let address = bits(key.parse().ok()?);
        self.lengths.iter().find_map(|&length| self.networks.get(&(length, address & mask(length))))
    }

    fn row(&self, place: usize) -> &str {
        let begin = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[begin as usize..self.ends[place] as usize]
    }
}

/// An address as one of IPv6.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const fn mask(length: u8) -> u128 {
    match length {
        0 => 0,
        _ => u128::MAX << (128 - length),
    }
}

/// `10.0.0.0/8` as length and address of IPv6.
fn network(key: &str) -> Option<(u8, u128)> {
    let (address, length) = key.split_once('/')?;
    let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
    let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    if length > most {
        return None;
    }
    let length = length + before;
    Some((length, bits(address) & mask(length)))
}

/// Snowflake writes names in capitals, and people do not.
fn folded(case: Case, key: &str) -> Cow<'_, str> {
    let stands = key.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase());
    match case {
        Case::Folded if !stands => Cow::Owned(key.to_uppercase()),
        _ => Cow::Borrowed(key),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_by_any_of_their_keys() {
        let mut builder = TableBuilder::new("t", Case::Folded, 100);
        builder.add(["DANA", "dana", "d@x.org"], "{\"a\":1}").unwrap();
        builder.add(["dana"], "{\"a\":2}").unwrap();
        assert_eq!(builder.add(["z"], &"x".repeat(100)).unwrap_err().most_bytes, 100);
        let table = builder.finish();
        assert_eq!(table.get("Dana").collect::<Vec<_>>(), ["{\"a\":1}", "{\"a\":2}"]);
        assert_eq!(table.get("D@X.ORG").collect::<Vec<_>>(), ["{\"a\":1}"]);
        assert_eq!(table.get("z").len(), 0);
    }

    #[test]
    fn addresses_in_the_smallest_network() {
        let mut builder = TableBuilder::new("t", Case::Exact, 10_000);
        for key in ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "2001:db8::/32", "::/0", "10.0.0.0/33", "no/8"] {
            builder.add_last(&[key], key).unwrap();
        }
        let table = builder.finish();
        for (address, expected) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.4", "10.1.0.0/16"),
            ("10.200.0.1", "10.0.0.0/8"),
            ("::ffff:10.200.0.1", "10.0.0.0/8"),
            ("2001:db8::1", "2001:db8::/32"),
            ("192.0.2.1", "::/0"),
            ("no/8", "no/8"),
        ] {
            assert_eq!(table.get(address).collect::<Vec<_>>(), [expected], "{address}");
        }
        assert_eq!(table.get("host").len(), 0);
    }

    #[test]
    fn of_rows_with_one_key_the_last_counts() {
        let mut builder = TableBuilder::new("t", Case::Exact, 10_000);
        for row in ["1", "2"] {
            builder.add_last(&["a", "10.0.0.0/8"], row).unwrap();
        }
        let table = builder.finish();
        assert_eq!(table.get("a").chain(table.get("10.0.0.1")).collect::<Vec<_>>(), ["2", "2"]);
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_of_lists(rows in prop::collection::vec(("[a-cA-Cä]{0,2}", 0..100_u8), 0..40), exact: bool) {
            let case = if exact { Case::Exact } else { Case::Folded };
            let mut builder = TableBuilder::new("t", case, 10_000);
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (key, n) in &rows {
                let row = format!("{{\"n\":{n}}}");
                builder.add([key.as_str()], &row).unwrap();
                expected.entry(if exact { key.clone() } else { key.to_uppercase() }).or_default().push(row);
            }
            let table = builder.finish();
            for (key, _) in &rows {
                let wanted = &expected[&if exact { key.clone() } else { key.to_uppercase() }];
                prop_assert_eq!(&table.get(key).collect::<Vec<_>>(), wanted);
            }
        }
    }
}
