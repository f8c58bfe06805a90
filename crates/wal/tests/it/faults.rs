//! Disks that fill up, fail and recover while the log is open.

use std::future::Future;
use std::io::ErrorKind;
use std::task::{Context, Waker};

use uncia_wal::fs::{Operation, SimulatedFs};
use uncia_wal::{Position, WalError};

use crate::shape::{append_all, block_on, entry, number, open, read_all};

fn append(wal: &uncia_wal::Wal, value: u64) -> Result<Position, WalError> {
    append_all(wal, vec![entry(value, 300)]).remove(0)
}

fn numbers(wal: &uncia_wal::Wal) -> Vec<u64> {
    let (entries, errors) = read_all(wal, Position::START);
    assert!(errors.is_empty(), "{errors:?}");
    entries.iter().map(|entry| number(&entry.bytes)).collect()
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    for capacity in (1024..9000_u64).step_by(7) {
        let disk = SimulatedFs::new();
        disk.set_capacity(Some(capacity));
        let (wal, _) = open(&disk);
        let mut kept = Vec::new();
        for value in 0..40 {
            match append(&wal, value) {
                Ok(_) => kept.push(value),
                Err(WalError::Full { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(kept.len() < 40);
        disk.set_capacity(None);
        append(&wal, 100).unwrap();
        kept.push(100);
        assert_eq!(numbers(&wal), kept);
        drop(wal);
        disk.crash(capacity);
        let (wal, recovery) = open(&disk);
        assert_eq!(numbers(&wal), kept);
        assert_eq!(recovery.corrupt, []);
    }
}

#[test]
fn a_failed_write_is_taken_back() {
    for nth in 2..20 {
        let disk = SimulatedFs::new();
        let (wal, _) = open(&disk);
        disk.fail(Operation::Write, nth - 1, ErrorKind::Other);
        // The cut after it fails as well, the first time.
        disk.fail(Operation::SetLen, 1, ErrorKind::Other);
        let kept: Vec<u64> = (0..40).filter(|value| append(&wal, *value).is_ok()).collect();
        assert_eq!(kept.len(), 39);
        assert_eq!(numbers(&wal), kept);
        drop(wal);
        assert_eq!(numbers(&open(&disk).0), kept);
    }
}

/// Half of a refused group is on the disk. The next entry, of the same length, must not bring the rest back to life.
#[test]
fn refused_entries_stay_refused() {
    for cut_fails in [false, true] {
        let disk = SimulatedFs::new();
        let (wal, _) = open(&disk);
        // While the first entry is synced, four more gather to be one group.
        let mut context = Context::from_waker(Waker::noop());
        let (first, group) = disk.while_syncs_wait(|| {
            let mut first = Box::pin(wal.append(entry(50, 100)));
            assert!(first.as_mut().poll(&mut context).is_pending());
            // One write made the segment, the second is the entry's.
            while disk.calls(Operation::Write) < 2 {
                std::thread::yield_now();
            }
            disk.fail(Operation::Write, 1, ErrorKind::Other);
            if cut_fails {
                disk.fail(Operation::SetLen, 1, ErrorKind::Other);
            }
            let mut group: Vec<_> = (0..4).map(|value| Box::pin(wal.append(entry(value, 100)))).collect();
            for append in &mut group {
                assert!(append.as_mut().poll(&mut context).is_pending());
            }
            (first, group)
        });
        block_on(first).unwrap();
        for append in group {
            assert!(block_on(append).is_err());
        }
        append_all(&wal, vec![entry(60, 100)]).remove(0).unwrap();
        drop(wal);
        assert_eq!(numbers(&open(&disk).0), [50, 60]);
    }
}

#[test]
fn a_failed_sync_poisons_until_opened_again() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    append(&wal, 0).unwrap();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    let refused = append(&wal, 1).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "write-ahead log takes nothing until it is opened again: \
         write-ahead log: cannot sync /wal/0000000000000001.wal: other error"
    );
    assert!(matches!(append(&wal, 2), Err(WalError::Poisoned { .. })));
    assert!(wal.poison().is_some());
    // What was acknowledged is still read.
    assert_eq!(numbers(&wal), [0]);
    drop(wal);
    let (wal, _) = open(&disk);
    append(&wal, 3).unwrap();
    assert_eq!(numbers(&wal), [0, 3]);
}

#[test]
fn a_read_error_is_told_and_the_place_tried_again() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    append(&wal, 7).unwrap();
    disk.fail(Operation::Read, 1, ErrorKind::Other);
    let mut reader = wal.read_from(Position::START);
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "write-ahead log: cannot read /wal/0000000000000001.wal");
    assert_eq!(number(&reader.next().unwrap().unwrap().bytes), 7);
    assert!(reader.next().is_none());
}
