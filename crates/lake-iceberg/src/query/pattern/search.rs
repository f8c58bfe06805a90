//! Matches of a pattern in the rows of one partition.
//!
//! First backwards: from which steps, at which rows, can the pattern still end? Then forwards: at each row the first step, in the
//! pattern's order of preference, from which it can. That finds the match that trying and turning back would find, in one pass.

use arrow::array::BooleanArray;

use super::program::{Program, Step};

/// Bytes of what is known of a partition's rows.
const MAX_KNOWLEDGE: usize = 1 << 30;
/// Rows of all matches of a partition, which may overlap.
const MAX_ENTRIES: usize = 50_000_000;

/// Where the search goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    PastLastRow,
    ToNextRow,
    /// The first row of the match that has the symbol.
    ToFirst(usize),
    ToLast(usize),
}

/// A pattern, and what is wanted of its matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recogniser {
    pub(crate) program: Program,
    pub(crate) symbols: Vec<String>,
    /// The symbols that have a definition, in the order of the conditions given; others are on every row.
    pub(crate) defined: Vec<usize>,
    pub(crate) skip: Skip,
    /// Matches of no rows are told.
    pub(crate) empty: bool,
    /// Rows of no match are told.
    pub(crate) unmatched: bool,
}

/// A row of a match; a match without rows tells of the row at which it was found, a row of no match of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) row: usize,
    /// From 1; `None` for a row of no match.
    pub(crate) number: Option<usize>,
    pub(crate) sequence: Option<usize>,
    pub(crate) symbol: Option<usize>,
    pub(crate) shown: bool,
}

impl Recogniser {
    /// Whether the pattern can match no rows at all.
    pub(crate) fn can_be_empty(&self) -> bool {
        let (mut open, mut seen) = (vec![0], vec![false; self.program.steps.len()]);
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            match self.program.steps[place] {
                Step::Done => return true,
                Step::Row { .. } => {}
                Step::Split(first, second) => open.extend([first, second]),
                Step::Jump(next) => open.push(next),
                Step::Start | Step::End => open.push(place + 1),
            }
        }
        false
    }

    /// All matches, in the order of their first rows. `conditions` are those of the defined symbols.
    pub(crate) fn entries(&self, conditions: &[BooleanArray], rows: usize) -> Result<Vec<Entry>, String> {
        let mut by_symbol: Vec<Option<&BooleanArray>> = vec![None; self.symbols.len()];
        for (&symbol, condition) in self.defined.iter().zip(conditions) {
            by_symbol[symbol] = Some(condition);
        }
        let known = Knowledge::of(&self.program, &by_symbol, rows)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut matched = vec![false; if self.unmatched { rows } else { 0 }];
        let mut walk = Walk { known: &known, seen: vec![0; self.program.steps.len()], turn: 0, open: Vec::new() };
        let (mut row, mut number) = (0, 0);
        while row < rows {
            if !known.can_end(row, 0) {
                row += 1;
                continue;
            }
            number += 1;
            let begin = entries.len();
            walk.follow(row, |sequence, symbol, hidden| {
                let at = row + sequence;
                let (symbol, shown) = (Some(symbol), !hidden);
                entries.push(Entry { row: at, number: Some(number), sequence: Some(sequence + 1), symbol, shown });
            });
            let found = &entries[begin..];
            if self.unmatched {
                found.iter().for_each(|entry| matched[entry.row] = true);
                matched[row] = true;
            }
            if found.is_empty() {
                if self.empty {
                    let entry = Entry { row, number: Some(number), sequence: Some(1), symbol: None, shown: true };
                    entries.push(entry);
                }
                row += 1;
                continue;
            }
            row = self.next_row(found)?;
            if entries.len() > MAX_ENTRIES {
                return Err(format!(
                    "overlapping matches have more than {MAX_ENTRIES} rows: skip past the last row, or name more partitions"
                ));
            }
        }
        let unmatched = matched.iter().enumerate().filter(|(_, matched)| !**matched);
        let alone = |row| Entry { row, number: None, sequence: None, symbol: None, shown: true };
        entries.extend(unmatched.map(|(row, _)| alone(row)));
        Ok(entries)
    }

    fn next_row(&self, found: &[Entry]) -> Result<usize, String> {
        let first = found[0].row;
        let (entry, symbol) = match self.skip {
            Skip::PastLastRow => return Ok(first + found.len()),
            Skip::ToNextRow => return Ok(first + 1),
            Skip::ToFirst(symbol) => (found.iter().find(|entry| entry.symbol == Some(symbol)), symbol),
            Skip::ToLast(symbol) => (found.iter().rfind(|entry| entry.symbol == Some(symbol)), symbol),
        };
        let name = &self.symbols[symbol];
        match entry {
            Some(entry) if entry.row > first => Ok(entry.row),
            Some(_) => Err(format!("AFTER MATCH SKIP TO {name} would match the same rows again: it is the first row")),
            None => Err(format!("AFTER MATCH SKIP TO {name}: a match has no row with this symbol")),
        }
    }
}

/// From which steps, before which rows, the pattern can end; a bit for each.
struct Knowledge<'a> {
    program: &'a Program,
    rows: usize,
    words: usize,
    bits: Vec<u64>,
}

impl<'a> Knowledge<'a> {
    fn of(program: &'a Program, conditions: &[Option<&BooleanArray>], rows: usize) -> Result<Self, String> {
        let words = program.steps.len().div_ceil(64);
        if (rows + 1).saturating_mul(words * 8) > MAX_KNOWLEDGE {
            return Err(format!("{rows} rows of one partition are too many for this pattern: name more partitions"));
        }
        let mut known = Self { program, rows, words, bits: vec![0; (rows + 1) * words] };
        let before = predecessors(program);
        let mut open = Vec::new();
        for row in (0..=rows).rev() {
            for (place, step) in program.steps.iter().enumerate() {
                let can_end = match *step {
                    Step::Done => true,
                    Step::Row { symbol, .. } => {
                        let has_symbol = row < rows
                            && conditions[symbol]
                                .is_none_or(|condition| !is_null(condition, row) && condition.value(row));
                        has_symbol && known.can_end(row + 1, place + 1)
                    }
                    _ => false,
                };
                if can_end {
                    open.push(place);
                }
            }
            while let Some(place) = open.pop() {
                if known.can_end(row, place) {
                    continue;
                }
                known.bits[row * words + place / 64] |= 1 << (place % 64);
                open.extend(before[place].iter().copied().filter(|&earlier| known.is_open(earlier, row)));
            }
        }
        Ok(known)
    }

    fn can_end(&self, row: usize, place: usize) -> bool {
        (self.bits[row * self.words + place / 64] >> (place % 64)) & 1 == 1
    }

    /// Whether a step that takes no row may be passed before this row.
    fn is_open(&self, place: usize, row: usize) -> bool {
        match self.program.steps[place] {
            Step::Start => row == 0,
            Step::End => row == self.rows,
            _ => true,
        }
    }
}

fn is_null(condition: &BooleanArray, row: usize) -> bool {
    arrow::array::Array::is_null(condition, row)
}

/// For each step, the steps that lead to it without a row.
fn predecessors(program: &Program) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); program.steps.len()];
    for (place, step) in program.steps.iter().enumerate() {
        match *step {
            Step::Split(first, second) => {
                before[first].push(place);
                before[second].push(place);
            }
            Step::Jump(next) => before[next].push(place),
            Step::Start | Step::End => before[place + 1].push(place),
            Step::Row { .. } | Step::Done => {}
        }
    }
    before
}

/// Follows one match after the other.
struct Walk<'a> {
    known: &'a Knowledge<'a>,
    /// In which turn a step was last looked at: a repetition of nothing ends by itself.
    seen: Vec<usize>,
    turn: usize,
    open: Vec<usize>,
}

impl Walk<'_> {
    /// Tells the rows of the match that begins at `start`: how many came before, symbol, hidden.
    fn follow(&mut self, start: usize, mut tell: impl FnMut(usize, usize, bool)) {
        let mut place = 0;
        for sequence in 0.. {
            match self.next(start + sequence, place) {
                Some((taken, symbol, hidden)) => {
                    tell(sequence, symbol, hidden);
                    place = taken + 1;
                }
                None => return,
            }
        }
    }

    /// The step that takes this row, or none if the match ends before it.
    fn next(&mut self, row: usize, from: usize) -> Option<(usize, usize, bool)> {
        self.turn += 1;
        self.open.clear();
        self.open.push(from);
        while let Some(place) = self.open.pop() {
            if self.seen[place] == self.turn || !self.known.can_end(row, place) {
                continue;
            }
            self.seen[place] = self.turn;
            match self.known.program.steps[place] {
                Step::Row { symbol, hidden } => return Some((place, symbol, hidden)),
                Step::Done => return None,
                Step::Split(first, second) => self.open.extend([second, first]),
                Step::Jump(next) => self.open.push(next),
                Step::Start | Step::End => {
                    if self.known.is_open(place, row) {
                        self.open.push(place + 1);
                    }
                }
            }
        }
        None
    }
}
