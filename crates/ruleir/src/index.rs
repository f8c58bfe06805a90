//! The rule index of a log type: which rules need not be asked about an event.
//!
//! For a handful of paths the index holds, rule by rule, what was proved of it there: which tests on a text must fail,
//! or that the path being absent, null, true or false is enough. An event is looked up once per path; what the paths
//! exclude adds up.

use ahash::AHashMap;
use uncia_document::Value;

use crate::event::Event;
use crate::fault::Fault;
use crate::ir::{FunctionId, Key, Model, Program};
use crate::prove::{paths_read, prove};
use crate::subject::{Guard, Hypothesis, Path, Proof, Test, TestKind};

/// Rules of a log type, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    words: Vec<u64>,
}

impl RuleSet {
    #[must_use]
    pub fn new(rules: usize) -> Self {
        Self { words: vec![0; rules.div_ceil(64)] }
    }

    pub fn insert(&mut self, place: usize) {
        self.words[place / 64] |= 1 << (place % 64);
    }

    #[inline]
    #[must_use]
    pub fn contains(&self, place: usize) -> bool {
        self.words[place / 64] & (1 << (place % 64)) != 0
    }

    pub fn remove_one(&mut self, place: usize) {
        self.words[place / 64] &= !(1 << (place % 64));
    }

    /// The place of the nth member.
    #[must_use]
    pub fn nth(&self, nth: usize) -> Option<usize> {
        (0..self.words.len() * 64).filter(|place| self.contains(*place)).nth(nth)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The places that are not in the set, ascending, of so many rules.
    pub fn others(&self, rules: usize) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(move |(place, word)| {
            let mut left = !word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64 && place * 64 + bit < rules).then_some(place * 64 + bit)
            })
        })
    }

    fn clear(&mut self) {
        self.words.fill(0);
    }

    fn copy(&mut self, other: &Self) {
        self.words.copy_from_slice(&other.words);
    }

    fn add(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    fn remove(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= !other);
    }

    fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(word, other)| word & other != 0)
    }
}

/// What an index is made of, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    pub rules: usize,
    /// Rules that every event concerns, as far as we can prove.
    pub always: usize,
    /// Paths, and how many rules have a proof there.
    pub paths: Vec<(String, usize)>,
}

/// The index of one log type.
#[derive(Debug, Default)]
pub struct Index {
    rules: usize,
    entries: Vec<Entry>,
    guard_paths: Vec<Path>,
}

/// One path.
#[derive(Debug)]
struct Entry {
    keys: Box<[Key]>,
    text: Proved,
    /// Rules with a proof for texts of which one of these tests holds after all.
    equals: AHashMap<Box<str>, RuleSet>,
    folded: AHashMap<Box<str>, RuleSet>,
    others: Vec<(Test, RuleSet)>,
    /// Rules that look at the lower case: their tests are known for ASCII texts only.
    minds_case: RuleSet,
    bools: [Proved; 2],
    /// By level.
    absent: Vec<Proved>,
    null: Vec<Proved>,
}

/// Rules proved to say `False`, and the guards of these proofs.
#[derive(Debug, Default)]
struct Proved {
    rules: RuleSet,
    guards: Vec<Guarded>,
}

/// Rules that share a guard.
#[derive(Debug)]
struct Guarded {
    /// Place of the guard's path.
    path: usize,
    allowed: u8,
    tests: Vec<Test>,
    rules: RuleSet,
}

/// Paths an index has at most; each costs a lookup per event.
const MAX_PATHS: usize = 16;
/// Longer paths are no good keys.
const MAX_LEVELS: usize = 4;

impl Index {
    /// The index of a log type's rules; those without a function are always candidates.
    #[must_use]
    pub fn build(program: &Program, log_type: &str, rules: &[Option<FunctionId>]) -> Self {
        let model = program.models.get(log_type);
        let prover = Builder { program, model, rules };
        let mut index = Self { rules: rules.len(), ..Self::default() };
        let (chosen, covered) = prover.chosen();
        for Candidate { keys, readers, .. } in chosen {
            let entry = index.entry(&prover, keys, &readers, &covered);
            index.entries.push(entry);
        }
        index
    }

    /// `covered`: the rules with a proof that supposes nothing; others need not be looked for at every path.
    fn entry(&mut self, builder: &Builder<'_>, keys: Box<[Key]>, readers: &[usize], covered: &RuleSet) -> Entry {
        let rules = self.rules;
        let none = || Proved { rules: RuleSet::new(rules), guards: Vec::new() };
        let levels = keys.len();
        let mut entry = Entry {
            text: none(),
            equals: AHashMap::new(),
            folded: AHashMap::new(),
            others: Vec::new(),
            minds_case: RuleSet::new(rules),
            bools: [none(), none()],
            absent: (0..levels).map(|_| none()).collect(),
            null: (0..levels).map(|_| none()).collect(),
            keys: keys.clone(),
        };
        for &place in readers {
            let is_wanted = |proof: &Proof| !proof.has_supposed || !covered.contains(place);
            let proof = |hypothesis| builder.prove(place, &keys, hypothesis).filter(is_wanted);
            if let Some(proof) = proof(Hypothesis::Text) {
                self.enter(&mut entry.text, place, &proof.guards);
                for test in &proof.tests {
                    entry.enter(place, test, rules);
                }
                if Fault::MissingUnproved.is_on() {
                    entry.absent.iter_mut().for_each(|absent| absent.rules.insert(place));
                }
            }
            for value in [false, true] {
                if let Some(proof) = proof(Hypothesis::Bool(value)) {
                    self.enter(&mut entry.bools[usize::from(value)], place, &proof.guards);
                }
            }
            for level in 0..levels {
                let hypothesis = level as u8 + 1;
                if let Some(proof) = proof(Hypothesis::Absent(hypothesis)) {
                    self.enter(&mut entry.absent[level], place, &proof.guards);
                }
                if let Some(proof) = proof(Hypothesis::Null(hypothesis)) {
                    self.enter(&mut entry.null[level], place, &proof.guards);
                }
            }
        }
        entry
    }

    fn enter(&mut self, proved: &mut Proved, place: usize, guards: &[Guard]) {
        let rules = self.rules;
        proved.rules.insert(place);
        for guard in guards {
            let path = match self.guard_paths.iter().position(|known| *known == guard.path) {
                Some(known) => known,
                None => {
                    self.guard_paths.push(guard.path.clone());
                    self.guard_paths.len() - 1
                }
            };
            let is_same =
                |known: &&mut Guarded| (known.path, known.allowed, &known.tests) == (path, guard.allowed, &guard.tests);
            match proved.guards.iter_mut().find(is_same) {
                Some(known) => known.rules.insert(place),
                None => {
                    let mut guarded = RuleSet::new(rules);
                    guarded.insert(place);
                    let (allowed, tests) = (guard.allowed, guard.tests.clone());
                    proved.guards.push(Guarded { path, allowed, tests, rules: guarded });
                }
            }
        }
    }

    /// The rules that provably say `False` of the event.
    pub fn excluded(&self, event: &Event<'_>, scratch: &mut Scratch) {
        let Scratch { excluded, here, states } = scratch;
        excluded.words.resize(self.rules.div_ceil(64), 0);
        excluded.clear();
        here.words.resize(self.rules.div_ceil(64), 0);
        states.clear();
        states.resize(self.guard_paths.len(), None);
        for entry in &self.entries {
            let Some(proved) = entry.excluded(event, here) else { continue };
            for Guarded { path, allowed, tests, rules } in &proved.guards {
                if !here.meets(rules) {
                    continue;
                }
                let (state, value) = *states[*path].get_or_insert_with(|| self.guard_paths[*path].found(event));
                let passes = match value {
                    Value::String(text) => tests.iter().any(|test| test.holds(event.text(text))),
                    _ => false,
                };
                if state & allowed == 0 || passes {
                    here.remove(rules);
                }
            }
            excluded.add(here);
        }
    }

    /// No event can be told not to concern the rule.
    #[must_use]
    pub fn always(&self, place: usize) -> bool {
        let proved = |entry: &Entry| {
            entry.text.rules.contains(place) || entry.absent.iter().any(|absent| absent.rules.contains(place))
        };
        !self.entries.iter().any(proved)
    }

    #[must_use]
    pub fn stats(&self) -> IndexStats {
        let mut paths = Vec::new();
        for entry in &self.entries {
            let shown = entry.keys.iter().map(|key| &*key.text).collect::<Vec<_>>().join(".");
            paths.push((shown, entry.text.rules.len()));
        }
        IndexStats { rules: self.rules, always: (0..self.rules).filter(|place| self.always(*place)).count(), paths }
    }
}

/// What a lookup leaves and needs; keep one.
#[derive(Debug, Default)]
pub struct Scratch {
    pub excluded: RuleSet,
    here: RuleSet,
    states: Vec<Option<(u8, Value)>>,
}

/// What an index is built from.
struct Builder<'a> {
    program: &'a Program,
    model: Option<&'a Model>,
    rules: &'a [Option<FunctionId>],
}

/// A path that some rules read: the rules, and those with a proof there, by value and by absence; then those with a proof
/// that supposes something.
struct Candidate {
    shown: String,
    keys: Box<[Key]>,
    readers: Vec<usize>,
    proved: [RuleSet; 4],
}

/// Places in `Candidate::proved`.
const BY_VALUE: usize = 0;
const BY_ABSENCE: usize = 1;
const SUPPOSING: usize = 2;

impl Builder<'_> {
    fn prove(&self, place: usize, keys: &[Key], hypothesis: Hypothesis) -> Option<Proof> {
        prove(self.program, self.model, self.rules[place]?, keys, hypothesis).ok()
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut found: AHashMap<String, Candidate> = AHashMap::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let Some(rule) = *rule else { continue };
            for (path, _) in paths_read(self.program, self.model, rule) {
                if path.keys.len() > MAX_LEVELS {
                    continue;
                }
                let candidate = found.entry(path.shown()).or_insert_with(|| Candidate {
                    shown: path.shown(),
                    keys: path.keys.clone(),
                    readers: Vec::new(),
                    proved: std::array::from_fn(|_| RuleSet::new(self.rules.len())),
                });
                if candidate.keys != path.keys || candidate.readers.last() == Some(&place) {
                    continue;
                }
                candidate.readers.push(place);
                let hypotheses = [Hypothesis::Text, Hypothesis::Absent(path.keys.len() as u8)];
                for (by, hypothesis) in [BY_VALUE, BY_ABSENCE].into_iter().zip(hypotheses) {
                    if let Some(proof) = self.prove(place, &path.keys, hypothesis) {
                        let by = if proof.has_supposed { by + SUPPOSING } else { by };
                        candidate.proved[by].insert(place);
                    }
                }
            }
        }
        let mut found: Vec<Candidate> = found.into_values().collect();
        found.sort_unstable_by(|one, two| one.shown.cmp(&two.shown));
        found
    }

    /// The paths of the index: each time the path that covers most rules that have no proof yet, first by value, then by
    /// absence, without supposing anything and then with it. And the rules that are covered by value without supposing.
    fn chosen(&self) -> (Vec<Candidate>, RuleSet) {
        let mut candidates = self.candidates();
        let mut chosen: Vec<Candidate> = Vec::new();
        let mut covered = RuleSet::new(self.rules.len());
        let mut surely = covered.clone();
        for by in [BY_VALUE, BY_VALUE + SUPPOSING, BY_ABSENCE, BY_ABSENCE + SUPPOSING] {
            chosen.iter().for_each(|candidate| covered.add(&candidate.proved[by]));
            while chosen.len() < MAX_PATHS {
                let gain = |candidate: &Candidate| {
                    let mut new = candidate.proved[by].clone();
                    new.remove(&covered);
                    new.len()
                };
                let best = (0..candidates.len()).rev().max_by_key(|place| gain(&candidates[*place]));
                let Some(best) = best.filter(|best| gain(&candidates[*best]) > 0) else { break };
                let best = candidates.swap_remove(best);
                covered.add(&best.proved[by]);
                chosen.push(best);
                candidates.sort_unstable_by(|one, two| one.shown.cmp(&two.shown));
            }
            if by == BY_VALUE {
                surely = covered.clone();
            }
        }
        (chosen, surely)
    }
}

impl Entry {
    fn enter(&mut self, place: usize, test: &Test, rules: usize) {
        if test.folded {
            self.minds_case.insert(place);
        }
        let map = if test.folded { &mut self.folded } else { &mut self.equals };
        if test.kind == TestKind::Equals {
            map.entry(test.text.clone()).or_insert_with(|| RuleSet::new(rules)).insert(place);
            return;
        }
        match self.others.iter_mut().find(|(known, _)| known == test) {
            Some((_, set)) => set.insert(place),
            None => {
                let mut set = RuleSet::new(rules);
                set.insert(place);
                self.others.push((test.clone(), set));
            }
        }
    }

    /// Puts the rules that this path excludes, guards aside, into `out`; nothing when it excludes none.
    fn excluded(&self, event: &Event<'_>, out: &mut RuleSet) -> Option<&Proved> {
        let mut here = event.root;
        for (level, key) in self.keys.iter().enumerate() {
            let Value::Object(_) = here else { return None };
            let Some(value) = event.exact_member(here, key) else {
                // Under another case the rule would find it.
                if event.member(here, key).is_some() {
                    return None;
                }
                return taken(&self.absent[level], out);
            };
            if value == Value::Null {
                return taken(&self.null[level], out);
            }
            here = value;
        }
        match here {
            Value::Bool(value) => taken(&self.bools[usize::from(value)], out),
            Value::String(text) => {
                taken(&self.text, out)?;
                self.minus_tests(event.text(text), out);
                Some(&self.text)
            }
            _ => None,
        }
    }

    fn minus_tests(&self, text: &str, out: &mut RuleSet) {
        if let Some(rules) = self.equals.get(text) {
            out.remove(rules);
        }
        let needs_lower = !self.minds_case.is_empty();
        let mut lower = std::borrow::Cow::Borrowed(text);
        if needs_lower {
            if !text.is_ascii() {
                out.remove(&self.minds_case);
            } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                lower = text.to_ascii_lowercase().into();
            }
            if let Some(rules) = self.folded.get(&*lower) {
                out.remove(rules);
            }
        }
        for (test, rules) in &self.others {
            if out.meets(rules) && test.holds(if test.folded { &lower } else { text }) {
                out.remove(rules);
            }
        }
    }
}

fn taken<'a>(proved: &'a Proved, out: &mut RuleSet) -> Option<&'a Proved> {
    if proved.rules.is_empty() {
        return None;
    }
    out.copy(&proved.rules);
    Some(proved)
}
