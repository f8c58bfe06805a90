//! Power cuts at random moments, several in a row: nothing acknowledged is lost, nothing is invented, order is kept, and
//! a position never names two entries.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use uncia_wal::fs::{Operation, SimulatedFs};
use uncia_wal::{Position, Wal, WalError};

use crate::shape::{Dice, append_all, block_on, entry, number, open, queue_all, read_all, seeds, try_open};

/// What the test knows of the log, beside the log.
#[derive(Default)]
struct Ledger {
    /// Bytes by number, of all that was ever offered.
    offered: BTreeMap<u64, Vec<u8>>,
    acknowledged: BTreeMap<u64, Position>,
    /// What was ever read at a position.
    read: BTreeMap<Position, u64>,
    consumed: Position,
    next: u64,
}

#[test]
fn power_cuts() {
    for seed in seeds(10_000) {
        let outcome = catch_unwind(AssertUnwindSafe(|| many_lives(seed)));
        if let Err(panic) = outcome {
            eprintln!("SEED={seed} cargo nextest run -p uncia-wal power_cuts");
            std::panic::resume_unwind(panic);
        }
    }
}

fn many_lives(seed: u64) {
    let mut dice = Dice(seed);
    let disk = SimulatedFs::new();
    let mut ledger = Ledger::default();
    for _ in 0..1 + dice.below(4) {
        one_life(&disk, &mut dice, &mut ledger);
        disk.crash(dice.next());
    }
    let (wal, _) = try_open(&disk, ledger.consumed).unwrap();
    check(&disk, &wal, &mut ledger);
}

fn one_life(disk: &SimulatedFs, dice: &mut Dice, ledger: &mut Ledger) {
    use Operation::{Create, Remove, SetLen, Sync, SyncDir, Write};
    match dice.below(4) {
        // A sync fails at some moment of this life, perhaps during opening.
        0 => disk.fail(Sync, 1 + dice.below(12) as u64, std::io::ErrorKind::Other),
        // The power goes off in the middle of something, or after everything.
        1 | 2 => {
            let operation = [Write, Write, Write, Sync, Sync, Sync, Create, Remove, SetLen, SyncDir][dice.below(10)];
            disk.cut_power_at(operation, 1 + dice.below(10) as u64, dice.next());
        }
        _ => {}
    }
    let wal = match try_open(disk, ledger.consumed) {
        Ok((wal, _)) => wal,
        Err(_) if disk.is_off() => return,
        Err(WalError::Io { action: "read" | "sync", .. }) => return,
        Err(error) => panic!("{error}"),
    };
    check(disk, &wal, ledger);
    for _ in 0..dice.below(8) {
        match dice.below(8) {
            0 => {
                let positions: Vec<Position> = ledger.read.keys().copied().collect();
                if let Some(position) = positions.get(dice.below(positions.len().max(1))) {
                    ledger.consumed = ledger.consumed.max(*position);
                    let released = wal.release(ledger.consumed);
                    assert!(released.is_ok() || disk.is_off(), "{released:?}");
                }
            }
            1 => check(disk, &wal, ledger),
            _ => append(disk, &wal, dice, ledger),
        }
    }
}

fn append(disk: &SimulatedFs, wal: &Wal, dice: &mut Dice, ledger: &mut Ledger) {
    let mut entries = Vec::new();
    let first = ledger.next;
    for _ in 0..1 + dice.below(6) {
        let len = [0, 10, 300, 700, 1500, 5000][dice.below(6)];
        let entry = entry(ledger.next, dice.below(len + 1));
        ledger.offered.insert(ledger.next, entry.to_vec());
        ledger.next += 1;
        entries.push(entry);
    }
    // While the first one is synced, the others gather to be one group.
    let answers = disk.while_syncs_wait(|| queue_all(wal, entries));
    for (number, answer) in (first..).zip(answers.into_iter().map(block_on)) {
        match answer {
            Ok(position) => assert_eq!(ledger.acknowledged.insert(number, position), None),
            Err(WalError::Poisoned { .. }) => {}
            Err(_) if disk.is_off() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn check(disk: &SimulatedFs, wal: &Wal, ledger: &mut Ledger) {
    let (entries, errors) = read_all(wal, ledger.consumed);
    if disk.is_off() {
        return;
    }
    for error in errors {
        // A torn group of which a later part reached the disk looks like damage, but never like a certain loss.
        assert!(matches!(&error, WalError::Damaged(damage) if !damage.acknowledged), "{error}");
    }
    let mut last = None;
    for entry in &entries {
        let number = number(&entry.bytes);
        assert_eq!(ledger.offered[&number], entry.bytes, "entry {number} has other bytes");
        assert!(last < Some(number), "entry {number} is out of order");
        last = Some(number);
        let before = ledger.read.insert(entry.position, number);
        assert!(before.is_none_or(|before| before == number), "position {} was used twice", entry.position);
        assert!(entry.position < entry.next && entry.next <= wal.synced_end());
    }
    let read: BTreeSet<u64> = entries.iter().map(|entry| number(&entry.bytes)).collect();
    for (number, position) in &ledger.acknowledged {
        if *position < ledger.consumed {
            continue;
        }
        assert!(read.contains(number), "acknowledged entry {number} at {position} is lost");
        assert_eq!(ledger.read[position], *number);
    }
}

/// Segments that were released vanish from the oldest on, whenever the power goes: a gap would look like damage.
#[test]
fn a_release_that_is_interrupted_leaves_no_gap() {
    for seed in 0..500 {
        let disk = SimulatedFs::new();
        let (wal, _) = open(&disk);
        assert!(append_all(&wal, (0..80).map(|value| entry(value, 400)).collect()).iter().all(Result::is_ok));
        if seed % 2 == 0 {
            disk.cut_power_at(Operation::SyncDir, 1 + seed % 5, seed);
        }
        let released = wal.release(wal.synced_end());
        assert_eq!(released.is_err(), seed % 2 == 0);
        disk.crash(seed);
        let (wal, recovery) = open(&disk);
        assert_eq!(recovery.corrupt, []);
        assert_eq!(number(&read_all(&wal, Position::START).0.last().unwrap().bytes), 79);
    }
}

/// A cut while the n-th file operation of each kind is the last one: nothing is half done.
#[test]
fn opening_again_after_every_failed_operation() {
    for operation in [Operation::Create, Operation::Write, Operation::SetLen, Operation::Sync, Operation::SyncDir] {
        for nth in 1..60 {
            let disk = SimulatedFs::new();
            let mut acknowledged = Vec::new();
            disk.fail(operation, nth, std::io::ErrorKind::Other);
            if let Ok((wal, _)) = try_open(&disk, Position::START) {
                for number in 0..40 {
                    let answer = append_all(&wal, vec![entry(number, 300)]).remove(0);
                    if answer.is_ok() {
                        acknowledged.push(number);
                    }
                }
            }
            for seed in 0..20 {
                disk.crash(seed);
                let (wal, _) = open(&disk);
                let (entries, _) = read_all(&wal, Position::START);
                let read: BTreeSet<u64> = entries.iter().map(|entry| number(&entry.bytes)).collect();
                let lost: Vec<&u64> = acknowledged.iter().filter(|number| !read.contains(number)).collect();
                assert!(lost.is_empty(), "{operation:?} {nth}: lost {lost:?}");
            }
        }
    }
}
