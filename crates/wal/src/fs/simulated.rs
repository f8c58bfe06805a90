//! A file system in memory that behaves as badly as real ones may.
//!
//! Each file has what is on the disk and what programs see. A write goes to the latter; [`File::sync`] carries it over.
//! [`SimulatedFs::crash`] keeps, of every unsynced 512-byte sector, any of the versions it went through or none, any of
//! the lengths the file had, and any of the unsynced changes of the directory. After a failed sync its writes are in
//! limbo, as on Linux: programs still see them, but only a new write to the same sector brings them to the disk for sure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Fs};

const SECTOR: usize = 512;

/// What an injected fault can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Create,
    Open,
    Remove,
    SyncDir,
    Read,
    Write,
    SetLen,
    Sync,
}

/// A file system in memory. Clones share the disk.
#[derive(Clone, Debug, Default)]
pub struct SimulatedFs {
    disk: Arc<Mutex<Disk>>,
    /// Held while syncs are to wait.
    slow: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Disk {
    /// Counts crashes: handles from before one are dead.
    boot: u64,
    inodes: Vec<Inode>,
    /// Names as programs see them, and as they are on the disk.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    capacity: Option<u64>,
    calls: BTreeMap<Operation, u64>,
    faults: BTreeMap<(Operation, u64), Fault>,
    /// Between an injected power cut and the crash that the test says.
    off: bool,
    random: u64,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Error(io::ErrorKind),
    PowerCut { seed: u64 },
}

#[derive(Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Versions of sectors since the last sync, oldest first.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Versions whose sync failed.
    limbo: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Lengths since the last good sync.
    lengths: Vec<usize>,
}

impl SimulatedFs {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power and brings it back: what was not synced survives by chance. Open handles are dead afterwards,
    /// faults are gone.
    pub fn crash(&self, seed: u64) {
        let mut disk = self.disk();
        disk.crash(seed);
        disk.off = false;
    }

    /// The power goes off in the n-th call of the operation from now, counted from 1; every call fails until
    /// [`SimulatedFs::crash`] brings it back.
    pub fn cut_power_at(&self, operation: Operation, nth: u64, seed: u64) {
        self.inject(operation, nth, Fault::PowerCut { seed });
    }

    #[must_use]
    pub fn is_off(&self) -> bool {
        self.disk().off
    }

    /// The n-th call of the operation from now, counted from 1, fails. Only this one.
    pub fn fail(&self, operation: Operation, nth: u64, kind: io::ErrorKind) {
        self.inject(operation, nth, Fault::Error(kind));
    }

    fn inject(&self, operation: Operation, nth: u64, fault: Fault) {
        let mut disk = self.disk();
        let call = disk.calls.get(&operation).copied().unwrap_or(0) + nth;
        disk.faults.insert((operation, call), fault);
    }

    /// How often the operation was called.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.disk().calls.get(&operation).copied().unwrap_or(0)
    }

    /// Syncs that are called meanwhile end only afterwards.
    pub fn while_syncs_wait<T>(&self, act: impl FnOnce() -> T) -> T {
        let _slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        act()
    }

    /// Bytes that all files together may have; writes beyond it fail half-way with `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.disk().capacity = bytes;
    }

    /// Flips one bit on the disk. Panics if the file has no such bit.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) {
        let mut disk = self.disk();
        let inode = disk.names[path];
        let offset = usize::try_from(offset).expect("files are small");
        disk.inodes[inode].seen[offset] ^= 1 << bit;
        if let Some(byte) = disk.inodes[inode].durable.get_mut(offset) {
            *byte ^= 1 << bit;
        }
    }

    /// All files and their lengths, by name.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let disk = self.disk();
        disk.names.iter().map(|(path, inode)| (path.clone(), disk.inodes[*inode].seen.len() as u64)).collect()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    fn crash(&mut self, seed: u64) {
        let mut dice = Dice(seed);
        self.boot += 1;
        self.faults.clear();
        // Some crashes keep everything or nothing, most keep a part.
        let keep = [0, 256, 128, 20, 236][dice.below(5)];
        let changed: BTreeSet<PathBuf> = self.names.keys().chain(self.durable_names.keys()).cloned().collect();
        for path in changed {
            let (seen, durable) = (self.names.get(&path).copied(), self.durable_names.get(&path).copied());
            if seen == durable || !dice.chance(keep) {
                continue;
            }
            match seen {
                Some(inode) => self.durable_names.insert(path, inode),
                None => self.durable_names.remove(&path),
            };
        }
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            inode.crash(&mut dice, keep);
        }
    }

    fn call(&mut self, operation: Operation) -> io::Result<()> {
        match self.fault(operation)? {
            Some(fault) => Err(self.strike(fault)),
            None => Ok(()),
        }
    }

    /// Counts a call and says what hits it.
    fn fault(&mut self, operation: Operation) -> io::Result<Option<Fault>> {
        if self.off {
            return Err(powerless());
        }
        let call = self.calls.entry(operation).or_insert(0);
        *call += 1;
        Ok(self.faults.remove(&(operation, *call)))
    }

    fn strike(&mut self, fault: Fault) -> io::Error {
        match fault {
            Fault::Error(kind) => kind.into(),
            Fault::PowerCut { seed } => {
                self.crash(seed);
                self.off = true;
                powerless()
            }
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> u64 {
        self.names.values().map(|inode| self.inodes[*inode].seen.len() as u64).sum()
    }
}

impl Inode {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        let first = offset.min(self.seen.len()) / SECTOR;
        if self.seen.len() < end {
            self.seen.resize(end, 0);
            self.lengths.push(end);
        }
        self.seen[offset..end].copy_from_slice(bytes);
        for sector in first..=(end - 1) / SECTOR {
            self.note(sector);
        }
    }

    fn set_len(&mut self, len: usize) {
        self.seen.resize(len, 0);
        self.lengths.push(len);
        let beyond = len.div_ceil(SECTOR);
        self.unsynced.retain(|sector, _| *sector < beyond);
        self.limbo.retain(|sector, _| *sector < beyond);
        if !len.is_multiple_of(SECTOR) {
            self.note(len / SECTOR);
        }
    }

    /// Remembers a sector as it is now.
    fn note(&mut self, sector: usize) {
        let mut version = self.seen[sector * SECTOR..].to_vec();
        version.resize(SECTOR, 0);
        self.unsynced.entry(sector).or_default().push(version);
    }

    fn sync(&mut self) {
        self.durable.resize(self.seen.len(), 0);
        self.lengths.clear();
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            self.limbo.remove(&sector);
            if let Some(version) = versions.last() {
                put_sector(&mut self.durable, sector, version);
            }
        }
    }

    fn sync_failed(&mut self) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            self.limbo.entry(sector).or_default().extend(versions);
        }
    }

    fn crash(&mut self, dice: &mut Dice, keep: usize) {
        let mut lengths = vec![self.durable.len()];
        lengths.append(&mut self.lengths);
        // The file system may also have noted the length but none of the data.
        let len = if dice.chance(keep) { lengths[dice.below(lengths.len())] } else { lengths[0] };
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut kept = std::mem::take(&mut self.durable);
        kept.resize(longest.max(len), 0);
        let mut candidates = std::mem::take(&mut self.limbo);
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            candidates.entry(sector).or_default().extend(versions);
        }
        for (sector, versions) in candidates {
            if dice.chance(keep) {
                put_sector(&mut kept, sector, &versions[dice.below(versions.len())]);
            }
        }
        kept.resize(len, 0);
        self.seen.clone_from(&kept);
        self.durable = kept;
    }
}

fn powerless() -> io::Error {
    io::Error::other("the power went off")
}

fn put_sector(bytes: &mut [u8], sector: usize, version: &[u8]) {
    let start = sector * SECTOR;
    let end = bytes.len().min(start + SECTOR);
    if start < end {
        bytes[start..end].copy_from_slice(&version[..end - start]);
    }
}

struct Handle {
    disk: SimulatedFs,
    boot: u64,
    inode: usize,
}

impl Handle {
    fn call<T>(&self, operation: Operation, act: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.disk();
        self.alive(&disk)?;
        disk.call(operation)?;
        act(&mut disk.inodes[self.inode])
    }

    fn alive(&self, disk: &Disk) -> io::Result<()> {
        if disk.boot == self.boot { Ok(()) } else { Err(powerless()) }
    }
}

impl Fs for SimulatedFs {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        if disk.off {
            return Err(powerless());
        }
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.call(Operation::Create)?;
        let inode = if let Ok(inode) = disk.find(path) {
            disk.inodes[inode].set_len(0);
            inode
        } else {
            disk.inodes.push(Inode::default());
            let inode = disk.inodes.len() - 1;
            disk.names.insert(path.to_path_buf(), inode);
            inode
        };
        Ok(Arc::new(Handle { disk: self.clone(), boot: disk.boot, inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.call(Operation::Open)?;
        let inode = disk.find(path)?;
        Ok(Arc::new(Handle { disk: self.clone(), boot: disk.boot, inode }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Operation::Remove)?;
        disk.find(path)?;
        disk.names.remove(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call(Operation::SyncDir)?;
        let Disk { names, durable_names, .. } = &mut *disk;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        durable_names.extend(names.iter().filter(|(path, _)| path.parent() == Some(dir)).map(|(p, i)| (p.clone(), *i)));
        Ok(())
    }

    fn random(&self) -> u64 {
        let mut disk = self.disk();
        disk.random += 1;
        Dice(disk.random).next()
    }
}

impl File for Handle {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.call(Operation::Read, |inode| {
            let start = usize::try_from(offset).expect("files are small");
            let bytes = inode.seen.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).expect("files are small");
        let mut disk = self.disk.disk();
        self.alive(&disk)?;
        let fault = disk.fault(Operation::Write)?;
        let free = disk.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(disk.used()));
        let inode = &mut disk.inodes[self.inode];
        if let Some(fault) = fault {
            inode.write(offset, &bytes[..bytes.len() / 2]);
            return Err(disk.strike(fault));
        }
        let room = inode.seen.len().saturating_sub(offset).saturating_add(usize::try_from(free).unwrap_or(usize::MAX));
        if bytes.len() > room {
            inode.write(offset, &bytes[..room]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        inode.write(offset, bytes);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let disk = self.disk.disk();
        self.alive(&disk)?;
        Ok(disk.inodes[self.inode].seen.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(Operation::SetLen, |inode| {
            inode.set_len(usize::try_from(len).expect("files are small"));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        drop(self.disk.slow.lock().unwrap_or_else(PoisonError::into_inner));
        let mut disk = self.disk.disk();
        self.alive(&disk)?;
        let outcome = disk.call(Operation::Sync);
        let inode = &mut disk.inodes[self.inode];
        // After a power cut there is nothing left to put into limbo.
        if outcome.is_ok() {
            inode.sync();
        } else {
            inode.sync_failed();
        }
        outcome
    }
}

/// A small generator (`SplitMix64`), so that a seed means the same crash on every machine and version.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }

    /// True in `of_256` of 256 cases.
    fn chance(&mut self, of_256: usize) -> bool {
        self.below(256) < of_256
    }
}
