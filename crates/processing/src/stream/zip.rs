//! The members of a zip file, read from front to back.
//!
//! The directory at a zip's end is not needed to read it: every member has a header of its own, and deflated data says
//! itself where it ends. So a zip of any size is read without holding it, from a pipe too, and one that is cut off gives
//! what was there. What cannot be read so, stored data of unknown length, is refused by name.

use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::inflate::Packed;

const MEMBER: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
/// The directory's entries, its end, its 64-bit end, and the extra data before it.
const AFTER_MEMBERS: [u32; 4] = [0x0201_4b50, 0x0605_4b50, 0x0606_4b50, 0x0806_4b50];
/// What split archives begin with.
const SPLIT: [u32; 2] = [0x3030_4b50, DESCRIPTOR];
const ZIP64: u16 = 1;

/// The members one after the other; clones read the same file.
#[derive(Clone)]
pub(super) struct Members(Arc<Mutex<File>>);

struct File {
    packed: Packed,
    member: Option<Member>,
    is_at_start: bool,
}

struct Member {
    data: Data,
    /// Packed bytes still to come, where the header says so.
    left: Option<u64>,
    /// The checksum and length that the header promises; none where they follow the data.
    promised: Option<(u32, u64)>,
    is_64: bool,
    crc: Crc,
    is_ended: bool,
    /// The checksum is wrong, which is told behind the last byte.
    is_wrong: bool,
}

enum Data {
    Stored,
    Deflated(Box<Decompress>),
    /// Cannot be read, and why.
    Refused(String),
}

/// A member's header, as far as reading needs it.
struct Header {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    is_64: bool,
    name: String,
}

impl Members {
    pub(super) fn new(packed: Packed) -> Self {
        Self(Arc::new(Mutex::new(File { packed, member: None, is_at_start: true })))
    }

    /// Goes to the next member that is a file and gives its name. What is left of the present one is passed over.
    pub(super) fn next(&self) -> io::Result<Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

impl Read for Members {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(out)
    }
}

impl File {
    fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            self.pass_over()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let is_folder = header.name.ends_with('/');
            let is_hidden = header.name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
            let name = header.name.clone();
            self.member = Some(Member::of(header));
            if !is_folder && !is_hidden {
                return Ok(Some(name));
            }
        }
    }

    /// Leaves the present member.
    fn pass_over(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        if member.is_ended {
            return Ok(());
        }
        if let Some(left) = member.left {
            if io::copy(&mut (&mut self.packed).take(left), &mut io::sink())? < left {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if member.promised.is_none() {
                descriptor(&mut self.packed, member.is_64)?;
            }
            return Ok(());
        }
        if let Data::Refused(why) = member.data {
            return Err(invalid(format!("{why}, and its length is unknown")));
        }
        self.member = Some(member);
        let mut buffer = vec![0; 64 * 1024];
        while self.read(&mut buffer)? > 0 {}
        self.member = None;
        Ok(())
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut signature = self.u32()?;
        if std::mem::take(&mut self.is_at_start) && SPLIT.contains(&signature) {
            signature = self.u32()?;
        }
        if AFTER_MEMBERS.contains(&signature) {
            return Ok(None);
        }
        if signature != MEMBER {
            return Err(invalid("no member where one should begin"));
        }
        let mut fixed = [0; 26];
        self.packed.read_exact(&mut fixed)?;
        let u16_at = |at: usize| u16::from_le_bytes([fixed[at], fixed[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let mut name = vec![0; usize::from(u16_at(22))];
        self.packed.read_exact(&mut name)?;
        let mut extra = vec![0; usize::from(u16_at(24))];
        self.packed.read_exact(&mut extra)?;
        let mut header = Header {
            flags: u16_at(2),
            method: u16_at(4),
            crc: u32_at(10),
            packed: u64::from(u32_at(14)),
            unpacked: u64::from(u32_at(18)),
            is_64: false,
            name: String::from_utf8_lossy(&name).into_owned(),
        };
        header.read_extra(&extra);
        Ok(Some(header))
    }

    fn u32(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.packed.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(member) = &mut self.member else { return Ok(0) };
        if std::mem::take(&mut member.is_wrong) {
            return Err(invalid("the checksum is wrong"));
        }
        if member.is_ended || out.is_empty() {
            return Ok(0);
        }
        let count = member.read(&mut self.packed, out)?;
        member.crc.update(&out[..count]);
        if !member.is_ended {
            return Ok(count);
        }
        let promised = match member.promised {
            Some(promised) => promised,
            None => descriptor(&mut self.packed, member.is_64)?,
        };
        // The length is compared as the checksum counts it, modulo 4 GiB.
        member.is_wrong = promised.0 != member.crc.sum() || promised.1 as u32 != member.crc.amount();
        if count == 0 && std::mem::take(&mut member.is_wrong) {
            return Err(invalid("the checksum is wrong"));
        }
        Ok(count)
    }
}

impl Header {
    /// The lengths beyond 32 bits.
    fn read_extra(&mut self, mut extra: &[u8]) {
        while let [id0, id1, length0, length1, rest @ ..] = extra {
            let length = usize::from(u16::from_le_bytes([*length0, *length1])).min(rest.len());
            let (field, after) = rest.split_at(length);
            if u16::from_le_bytes([*id0, *id1]) == ZIP64 {
                self.is_64 = true;
                let mut numbers = field.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
                for length in [&mut self.unpacked, &mut self.packed] {
                    if *length == u64::from(u32::MAX)
                        && let Some(number) = numbers.next()
                    {
                        *length = number;
                    }
                }
            }
            extra = after;
        }
    }
}

impl Member {
    fn of(header: Header) -> Self {
        let is_encrypted = header.flags & 1 != 0;
        let follows = header.flags & 8 != 0;
        let data = match header.method {
            _ if is_encrypted => Data::Refused("encrypted".to_owned()),
            0 if follows && header.packed == 0 => Data::Refused("stored without its length".to_owned()),
            0 => Data::Stored,
            8 => Data::Deflated(Box::new(Decompress::new(false))),
            other => Data::Refused(format!("packed by method {other}; known are stored and deflate")),
        };
        let is_known = !follows || header.packed > 0;
        Self {
            data,
            left: is_known.then_some(header.packed),
            promised: (!follows).then_some((header.crc, header.unpacked)),
            is_64: header.is_64,
            crc: Crc::new(),
            is_ended: false,
            is_wrong: false,
        }
    }

    fn read(&mut self, packed: &mut Packed, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.data {
            Data::Refused(why) => Err(invalid(why.clone())),
            Data::Stored => {
                let left = self.left.unwrap_or(0);
                let count = packed.take(left).read(out)?;
                self.left = Some(left - count as u64);
                self.is_ended = left == count as u64;
                if count == 0 && left > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(count)
            }
            Data::Deflated(inflater) => loop {
                let input = packed.fill_buf()?;
                let usable =
                    self.left.map_or(input.len(), |left| input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                if input.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if usable == 0 {
                    return Err(invalid("the deflated data is longer than its header says"));
                }
                let (read, written) = (inflater.total_in(), inflater.total_out());
                let status = inflater
                    .decompress(&input[..usable], out, FlushDecompress::None)
                    .map_err(|error| invalid(error.to_string()))?;
                let count = (inflater.total_out() - written) as usize;
                let consumed = inflater.total_in() - read;
                packed.consume(consumed as usize);
                self.left = self.left.map(|left| left - consumed);
                if status == Status::StreamEnd {
                    self.is_ended = true;
                    // Bytes that the header counts behind the deflated data's end.
                    if let Some(left) = self.left.take() {
                        io::copy(&mut packed.take(left), &mut io::sink())?;
                    }
                    return Ok(count);
                }
                if count > 0 {
                    return Ok(count);
                }
                if consumed == 0 {
                    return Err(invalid("the deflated data is damaged"));
                }
            },
        }
    }
}

/// The checksum and length behind the data, with or without a signature before them.
fn descriptor(packed: &mut Packed, is_64: bool) -> io::Result<(u32, u64)> {
    let mut word = || -> io::Result<u32> {
        let mut bytes = [0; 4];
        packed.read_exact(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    };
    let first = word()?;
    let crc = if first == DESCRIPTOR { word()? } else { first };
    let mut length = || -> io::Result<u64> {
        let low = u64::from(word()?);
        Ok(if is_64 { low | u64::from(word()?) << 32 } else { low })
    };
    length()?;
    Ok((crc, length()?))
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}
