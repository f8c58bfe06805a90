//! Which log types a record may be of: the plans that its payload's log types stand for, and an index over them.
//!
//! Hundreds of schemas must cost no more than a few. Each JSON schema is listed under one key that its records cannot
//! be without: the required key that the fewest schemas require, or, where nothing is required, each of its keys, as a
//! record that shares none is never taken. A record's top-level keys then name the few plans worth a look.

use ahash::AHashMap;
use uncia_document::{Document, KeyId, Value};
use uncia_model::LogType;

use super::mismatch::Mismatch;
use super::plan::{Allowed, Plan, Probe};

/// The plans that a payload's log types stand for.
#[derive(Default)]
pub(super) struct Candidates {
    log_types: Option<Vec<LogType>>,
    /// Places of plans that read JSON, in the order of trial.
    pub(super) json: Vec<usize>,
    /// Places of plans that read text, in the order of trial.
    pub(super) text: Vec<usize>,
    /// Log types that no schema describes.
    pub(super) unknown: Vec<LogType>,
    /// The payload names its log types; otherwise every known one may be.
    pub(super) is_named: bool,
    index: Index,
}

impl Candidates {
    /// Keeps the last payload's answer: records come in runs.
    pub(super) fn select(&mut self, log_types: &[LogType], plans: &[Plan]) {
        if self.log_types.as_deref() == Some(log_types) {
            return;
        }
        let wanted = |log_type: &LogType| log_types.is_empty() || log_types.contains(log_type);
        let places = || plans.iter().enumerate().filter(|(_, plan)| wanted(&plan.log_type));
        self.json = places().filter(|(_, plan)| plan.reads_json).map(|(place, _)| place).collect();
        self.text = places().filter(|(_, plan)| plan.text.is_some()).map(|(place, _)| place).collect();
        let is_known = |log_type: &LogType| plans.iter().any(|plan| plan.log_type == *log_type);
        self.unknown = log_types.iter().filter(|log_type| !is_known(log_type)).cloned().collect();
        self.is_named = !log_types.is_empty();
        self.index = if self.json.len() > 1 { Index::new(&self.json, plans) } else { Index::default() };
        self.log_types = Some(log_types.to_vec());
    }

    pub(super) fn len(&self) -> usize {
        let is_only_text = |place: &&usize| !self.json.contains(place);
        self.json.len() + self.text.iter().filter(is_only_text).count() + self.unknown.len()
    }

    /// Only this one, for the next record.
    pub(super) fn narrow(&mut self, place: usize) {
        self.json = vec![place];
        self.text.clear();
        self.log_types = None;
    }
}

/// Keys to the places in [`Candidates::json`] that are worth a look when a record has the key.
#[derive(Default)]
struct Index {
    /// By key id: place in `lists` + 1, or 0.
    by_key: Box<[u16]>,
    lists: Vec<Vec<u16>>,
    /// Looked at whatever the record has: keys without ids.
    always: Vec<u16>,
}

impl Index {
    fn new(json: &[usize], plans: &[Plan]) -> Self {
        let mut demand: AHashMap<KeyId, usize> = AHashMap::new();
        for &place in json {
            for (key, _) in &plans[place].probe.required {
                *demand.entry(*key).or_default() += 1;
            }
        }
        let mut lists: AHashMap<KeyId, Vec<u16>> = AHashMap::new();
        let mut index = Self::default();
        for (&place, nth) in json.iter().zip(0_u16..) {
            let probe = &plans[place].probe;
            let rarest = probe.required.iter().map(|(key, _)| *key).min_by_key(|key| (demand[key], key.index()));
            match rarest {
                Some(key) => lists.entry(key).or_default().push(nth),
                None if probe.has_unnumbered => index.always.push(nth),
                None => probe.keys.iter().for_each(|key| lists.entry(*key).or_default().push(nth)),
            }
        }
        let size = lists.keys().map(|key| key.index() + 1).max().unwrap_or(0);
        let mut by_key = vec![0; size];
        for (key, list) in lists {
            index.lists.push(list);
            by_key[key.index()] = index.lists.len() as u16;
        }
        index.by_key = by_key.into();
        index
    }

    #[inline]
    fn list(&self, key: KeyId) -> &[u16] {
        match self.by_key.get(key.index()) {
            Some(&list) if list > 0 => &self.lists[usize::from(list) - 1],
            _ => &[],
        }
    }
}

/// The record's top-level members by key id, so that each candidate's probe is a few array reads.
#[derive(Default)]
pub(super) struct TopLevel {
    seen: Vec<(u32, Value)>,
    epoch: u32,
    /// Which of [`Candidates::json`] are worth a look, a bit each.
    chosen: Vec<u64>,
}

impl TopLevel {
    pub(super) fn learn(&mut self, document: &Document, root: Value, candidates: &Candidates) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.clear();
            self.epoch = 1;
        }
        self.chosen.clear();
        self.chosen.resize(candidates.json.len().div_ceil(64), 0);
        for &nth in &candidates.index.always {
            self.choose(nth);
        }
        for member in document.members(root) {
            if member.key.id == KeyId::NONE {
                continue;
            }
            let index = member.key.id.index();
            if self.seen.len() <= index {
                self.seen.resize(index + 1, (0, Value::Null));
            }
            self.seen[index] = (self.epoch, member.value);
            for &nth in candidates.index.list(member.key.id) {
                self.choose(nth);
            }
        }
    }

    #[inline]
    fn choose(&mut self, nth: u16) {
        self.chosen[usize::from(nth) / 64] |= 1 << (nth % 64);
    }

    /// The next of [`Candidates::json`] that is worth a look, in the order of trial.
    #[inline]
    pub(super) fn next_chosen(&mut self) -> Option<usize> {
        for (place, word) in self.chosen.iter_mut().enumerate() {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(place * 64 + bit);
            }
        }
        None
    }

    #[inline]
    fn get(&self, id: KeyId) -> Value {
        match self.seen.get(id.index()) {
            Some(&(epoch, value)) if epoch == self.epoch => value,
            _ => Value::Null,
        }
    }

    pub(super) fn passes(&self, document: &Document, probe: &Probe) -> bool {
        let is_allowed = |allowed: &Allowed| match self.get(allowed.key) {
            Value::String(text) | Value::Number(text) => {
                let text = document.text(text);
                allowed.words.iter().any(|word| **word == *text)
            }
            _ => true,
        };
        probe.required.iter().all(|(key, _)| self.get(*key) != Value::Null) && probe.allowed.iter().all(is_allowed)
    }

    /// Whether the record has any of the log type's fields.
    pub(super) fn shares_a_field(&self, probe: &Probe) -> bool {
        probe.keys.iter().any(|key| self.get(*key) != Value::Null)
    }

    /// Why the probe did not pass.
    pub(super) fn objection(&self, document: &Document, probe: &Probe) -> String {
        if let Some((_, name)) = probe.required.iter().find(|(key, _)| self.get(*key) == Value::Null) {
            return Mismatch::new("required, but missing or null").in_field(name).to_string();
        }
        for allowed in &probe.allowed {
            let value = document.at(self.get(allowed.key));
            if value.as_str().is_some_and(|text| !allowed.words.iter().any(|word| **word == *text)) {
                return format!("{} is not in the `allow` list", value.to_json());
            }
        }
        super::coerce::NO_FIELD.to_owned()
    }
}
