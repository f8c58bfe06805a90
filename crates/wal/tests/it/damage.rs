//! Rotten bits: every one is noticed, and costs no other entry.

use std::path::PathBuf;

use uncia_wal::fs::SimulatedFs;
use uncia_wal::{Damage, Position, WalError};

use crate::shape::{append_all, entry, number, open, read_all};

const ENTRIES: u64 = 40;

/// A log of some segments, all but the newest of them sealed.
fn filled() -> SimulatedFs {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    for first in (0..ENTRIES).step_by(4) {
        let group = (first..first + 4).map(|number| entry(number, 60 + 23 * number as usize % 400)).collect();
        assert!(append_all(&wal, group).iter().all(Result::is_ok));
    }
    disk
}

fn sealed(disk: &SimulatedFs) -> Vec<(PathBuf, u64)> {
    let mut files = disk.files();
    files.pop();
    assert!(files.len() >= 3);
    files
}

#[test]
fn every_flipped_bit_of_a_sealed_segment_is_noticed() {
    let disk = filled();
    for (segment, (path, len)) in (1..).zip(sealed(&disk)) {
        for offset in 0..len {
            let bit = (offset % 8) as u8;
            disk.flip_bit(&path, offset, bit);
            let (wal, recovery) = open(&disk);
            let damages = wal.verify().unwrap();
            let [damage] = damages.as_slice() else { panic!("{path:?} {offset}: {damages:?}") };
            assert_eq!(damage.segment, segment);
            assert!((damage.offset..damage.offset + damage.bytes).contains(&offset), "{offset}: {damage:?}");

            let (entries, errors) = read_all(&wal, Position::START);
            let read: Vec<u64> = entries.iter().map(|entry| number(&entry.bytes)).collect();
            if offset < 1024 {
                assert_eq!((read.len() as u64, errors.len()), (ENTRIES, 0));
                assert_eq!(recovery.corrupt, damages);
            } else {
                assert_eq!((read.len() as u64, errors.len(), damage.entries), (ENTRIES - 1, 1, Some(1)));
            }
            assert!(read.is_sorted());
            drop(wal);
            disk.flip_bit(&path, offset, bit);
        }
    }
}

#[test]
fn a_segment_without_any_header_is_lost_alone() {
    let disk = filled();
    let (path, len) = sealed(&disk)[1].clone();
    disk.flip_bit(&path, 20, 0);
    disk.flip_bit(&path, 532, 0);
    let (wal, recovery) = open(&disk);
    let whole = Damage { segment: 2, offset: 0, bytes: len, entries: None, acknowledged: true };
    assert_eq!(recovery.corrupt, std::slice::from_ref(&whole));
    let (entries, errors) = read_all(&wal, Position::START);
    assert!(matches!(errors.as_slice(), [WalError::Damaged(damage)] if *damage == whole));
    let read: Vec<u64> = entries.iter().map(|entry| number(&entry.bytes)).collect();
    assert_eq!((read[0], *read.last().unwrap()), (0, ENTRIES - 1));
}

#[test]
fn a_missing_segment_is_told() {
    use uncia_wal::Fs;
    let disk = filled();
    let (path, _) = sealed(&disk)[1].clone();
    disk.remove(&path).unwrap();
    let (wal, recovery) = open(&disk);
    assert_eq!((recovery.corrupt.len(), recovery.corrupt[0].segment), (1, 2));
    let (entries, errors) = read_all(&wal, Position::START);
    let [WalError::Damaged(damage)] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(damage.entries, Some(ENTRIES - entries.len() as u64));
}

#[test]
fn a_cut_segment_is_told() {
    use uncia_wal::Fs;
    let disk = filled();
    let (path, len) = sealed(&disk)[1].clone();
    disk.open(&path).unwrap().set_len(len - 3).unwrap();
    let (wal, _) = open(&disk);
    let (entries, errors) = read_all(&wal, Position::START);
    assert_eq!((entries.len() as u64, errors.len()), (ENTRIES - 1, 1));
    let WalError::Damaged(damage) = &errors[0] else { panic!("{errors:?}") };
    assert_eq!((damage.segment, damage.entries, damage.acknowledged), (2, Some(1), true));
}

#[test]
fn damage_in_the_newest_segment_keeps_what_follows() {
    let disk = filled();
    let (path, _) = disk.files().pop().unwrap();
    disk.flip_bit(&path, 1024 + 30, 3);
    let (wal, recovery) = open(&disk);
    assert_eq!((recovery.corrupt.len(), recovery.corrupt[0].offset, recovery.truncated_bytes), (1, 1024, 0));
    let (entries, errors) = read_all(&wal, Position::START);
    assert_eq!((entries.len() as u64, errors.len()), (ENTRIES - 1, 1));
}

/// The power went while the next segment was made: the full one had been synced, so its end is damaged, not torn.
#[test]
fn damage_at_the_end_of_a_full_segment_is_not_cut_off() {
    use uncia_wal::Fs;
    let disk = filled();
    let (newest, _) = disk.files().pop().unwrap();
    disk.create(&newest).unwrap();
    let (full, len) = sealed(&disk).pop().unwrap();
    disk.flip_bit(&full, len - 1, 0);
    let (wal, recovery) = open(&disk);
    assert_eq!((recovery.truncated_bytes, recovery.corrupt.len()), (0, 1));
    assert!(recovery.corrupt[0].acknowledged);
    assert_eq!(
        recovery.corrupt,
        wal.verify().unwrap().into_iter().map(|damage| Damage { entries: None, ..damage }).collect::<Vec<_>>()
    );
}

/// A sender puts the bytes of a record into an entry; damage to that entry must not bring the record to life.
#[test]
fn an_entry_cannot_hold_a_forged_record() {
    let disk = SimulatedFs::new();
    let (wal, _) = open(&disk);
    let mut forged = Vec::new();
    for seq in 1_u64..40 {
        // Without the salt, the best guess is a salt of zero.
        let frame = [&[0; 8][..], &4_u32.to_le_bytes(), &seq.to_le_bytes(), b"evil"].concat();
        forged.extend_from_slice(&4_u32.to_le_bytes());
        forged.extend_from_slice(&crc32c::crc32c(&frame).to_le_bytes());
        forged.extend_from_slice(&seq.to_le_bytes());
        forged.extend_from_slice(b"evil");
    }
    append_all(&wal, vec![entry(0, 10), forged.into(), entry(1, 10)]);
    drop(wal);
    let (path, _) = disk.files().pop().unwrap();
    disk.flip_bit(&path, 1024 + 16 + 18 + 1, 0);
    let (wal, _) = open(&disk);
    let (entries, errors) = read_all(&wal, Position::START);
    assert_eq!(entries.iter().map(|entry| number(&entry.bytes)).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(errors.len(), 1);
}

#[test]
fn damage_reads_well() {
    let damage = |entries| Damage { segment: 3, offset: 1024, bytes: 40, entries, acknowledged: true }.to_string();
    assert_eq!(damage(Some(1)), "segment 3 is damaged at offset 1024: 40 bytes and 1 entry cannot be read");
    assert_eq!(damage(Some(2)), "segment 3 is damaged at offset 1024: 40 bytes and 2 entries cannot be read");
    assert_eq!(damage(None), "segment 3 is damaged at offset 1024: 40 bytes and the entries there cannot be read");
}
