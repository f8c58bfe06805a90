//! Everyday life: appending, tailing, releasing, opening again, on the machine's own file system too.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use uncia_wal::fs::{Operation, RealFs, SimulatedFs};
use uncia_wal::{Position, Recovery, Wal, WalConfig, WalError};

use crate::shape::{append_all, block_on, config, entry, number, open, read_all, try_open};

#[test]
fn entries_come_back_with_their_positions() {
    let disk = SimulatedFs::new();
    let (wal, recovery) = open(&disk);
    assert_eq!(recovery, Recovery { next: Position::new(1, 1024), ..Recovery::default() });
    let offered: Vec<Bytes> = (0..50).map(|number| entry(number, number as usize * 17)).collect();
    let positions: Vec<Position> = append_all(&wal, offered.clone()).into_iter().map(Result::unwrap).collect();
    let (entries, errors) = read_all(&wal, Position::START);
    assert!(errors.is_empty());
    assert_eq!(entries.iter().map(|entry| entry.bytes.clone()).collect::<Vec<_>>(), offered);
    assert_eq!(entries.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions);
    // Reading goes on from any `next`.
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(read_all(&wal, entry.next).0, entries[index + 1..]);
    }
    assert_eq!(entries.last().unwrap().next, wal.synced_end());
    assert_eq!(wal.verify().unwrap(), []);
}

#[test]
fn empty_and_oversized_entries() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    let answers = append_all(&wal, vec![Bytes::new(), Bytes::from(vec![1; 20_000]), Bytes::new()]);
    assert!(answers.iter().all(Result::is_ok));
    let lengths: Vec<usize> = read_all(&wal, Position::START).0.iter().map(|entry| entry.bytes.len()).collect();
    assert_eq!(lengths, [0, 20_000, 0]);
    let refused = block_on(wal.append(Bytes::from(vec![0; 64 * 1024 * 1024 + 1]))).unwrap_err();
    assert!(matches!(refused, WalError::TooLarge { limit: 67_108_864, .. }));
}

#[test]
fn appends_that_wait_share_a_sync() {
    let disk = SimulatedFs::new();
    let (wal, _) = Wal::open(Arc::new(disk.clone()), "/wal".as_ref(), WalConfig::default()).unwrap();
    // The disk is slow: the first sync lasts until all appends wait.
    let answers = disk.while_syncs_wait(|| {
        let mut answers: Vec<_> = (0..2000).map(|number| Box::pin(wal.append(entry(number, 20)))).collect();
        for answer in &mut answers {
            assert!(answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        answers
    });
    for answer in answers {
        block_on(answer).unwrap();
    }
    // Two for the new segment, one or two for the appends.
    assert!(disk.calls(Operation::Sync) <= 3, "{} syncs", disk.calls(Operation::Sync));
    assert_eq!(read_all(&wal, Position::START).0.len(), 2000);
}

#[test]
fn a_reader_goes_on_when_more_is_appended() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    let mut reader = wal.read_from(Position::START);
    for value in 0..60 {
        assert!(reader.next().is_none());
        let end = wal.synced_end();
        append_all(&wal, vec![entry(value, 200)]).remove(0).unwrap();
        assert!(block_on(wal.wait_beyond(end)) > end);
        assert_eq!(number(&reader.next().unwrap().unwrap().bytes), value);
    }
}

#[test]
fn readers_and_appenders_at_once() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    std::thread::scope(|scope| {
        for appender in 0..4_u64 {
            let wal = &wal;
            scope.spawn(move || {
                for value in 0..200 {
                    block_on(wal.append(entry(appender * 1000 + value, 50))).unwrap();
                }
            });
        }
        let mut reader = wal.read_from(Position::START);
        let mut last = [None; 4];
        let mut read = 0;
        while read < 800 {
            let Some(entry) = reader.next() else {
                block_on(wal.wait_beyond(reader.position()));
                continue;
            };
            let value = number(&entry.unwrap().bytes);
            let appender = (value / 1000) as usize;
            assert!(last[appender] < Some(value));
            last[appender] = Some(value);
            read += 1;
        }
        assert!(reader.next().is_none());
    });
}

#[test]
fn release_keeps_what_is_not_consumed() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    append_all(&wal, (0..60).map(|number| entry(number, 300)).collect());
    let (entries, _) = read_all(&wal, Position::START);
    let segments = disk.files().len();
    assert!(segments > 4);
    assert_eq!(wal.release(Position::new(3, 2000)).unwrap(), 2);
    assert_eq!(disk.files().len(), segments - 2);
    let left: Vec<_> = entries.iter().filter(|entry| entry.position.segment >= 3).cloned().collect();
    let (read, errors) = read_all(&wal, Position::START);
    assert_eq!((read, errors.len()), (left, 0));
    assert_eq!(wal.release(wal.synced_end()).unwrap(), segments - 3);
    assert_eq!(disk.files().len(), 1);
    let next = append_all(&wal, vec![entry(99, 1)]).remove(0).unwrap();
    assert!(next >= entries.last().unwrap().next);
}

#[test]
fn opening_goes_on_behind_what_the_store_consumed() {
    let disk = SimulatedFs::new();
    // The directory was lost, the store was not.
    let (wal, recovery) = try_open(&disk, Position::new(7, 4000)).unwrap();
    assert_eq!(recovery.next, Position::new(8, 1024));
    append_all(&wal, (0..20).map(|number| entry(number, 300)).collect());
    drop(wal);
    let (wal, _) = try_open(&disk, Position::new(9, 1024)).unwrap();
    assert!(disk.files().iter().all(|(path, _)| !path.ends_with("0000000000000008.wal")));
    assert!(!read_all(&wal, Position::new(9, 1024)).0.is_empty());
}

#[test]
fn an_unused_log_does_not_grow_by_opening() {
    let disk = SimulatedFs::new();
    for _ in 0..5 {
        drop(open(&disk));
    }
    assert_eq!(disk.files().len(), 1);
}

#[test]
fn the_machines_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("a/b/wal");
    let (wal, _) = Wal::open(Arc::new(RealFs), &place, config(Position::START)).unwrap();
    let answers = append_all(&wal, (0..60).map(|number| entry(number, 300)).collect());
    assert!(answers.iter().all(Result::is_ok));
    drop(wal);
    let names = std::fs::read_dir(&place).unwrap().count();
    assert!(names > 3, "{names}");
    let newest = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let mut torn = std::fs::read(&newest).unwrap();
    torn.extend_from_slice(&[7; 100]);
    std::fs::write(&newest, torn).unwrap();

    let (wal, recovery) = Wal::open(Arc::new(RealFs), &place, config(Position::START)).unwrap();
    assert_eq!((recovery.truncated_bytes, recovery.corrupt.len()), (100, 0));
    let (entries, errors) = read_all(&wal, Position::START);
    assert!(errors.is_empty());
    assert_eq!(entries.iter().map(|entry| number(&entry.bytes)).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    assert!(wal.release(wal.synced_end()).unwrap() > 3);
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Wal::open(Arc::new(RealFs), dir.path(), config(Position::START)).unwrap());
    let path = dir.path().join("0000000000000001.wal");
    let mut bytes = std::fs::read(&path).unwrap();
    for start in [0, 512] {
        bytes[start + 8] = 9;
        let crc = crc32c::crc32c(&bytes[start..start + 508]);
        bytes[start + 508..start + 512].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let refused = Wal::open(Arc::new(RealFs), dir.path(), config(Position::START)).unwrap_err().to_string();
    assert!(refused.ends_with("has format 9 and this program knows 1: use the newer uncia that wrote it"), "{refused}");
}
