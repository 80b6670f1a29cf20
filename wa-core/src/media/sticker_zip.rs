//! The ZIP that a sticker pack is on the media hosts: made, and read from strangers. Nothing is written to a disk, so no
//! name in it can lead anywhere. Protocol: media, "Sticker packs".

use std::collections::BTreeSet;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Crc;
use flate2::read::DeflateDecoder;
use sha2::{Digest as _, Sha256};

use super::webp::WebpHead;

/// How many stickers a pack may have.
pub const MAX_STICKERS: usize = 60;

/// How many bytes a sticker may have.
pub const MAX_STICKER_LENGTH: usize = 1 << 20;

/// How many bytes the ZIP of a pack may have: all stickers, the tray's picture, and what is around them.
pub const MAX_ZIP_LENGTH: usize = (MAX_STICKERS + 2) * MAX_STICKER_LENGTH;

/// How long a pack's id may be, in bytes.
const MAX_ID_LENGTH: usize = 128;

/// The files of a ZIP that are read; a pack has 61.
const MAX_FILES: usize = 128;

/// The marks of a file, of its entry in the directory, and of the directory's end.
const LOCAL: u32 = 0x0403_4B50;
const CENTRAL: u32 = 0x0201_4B50;
const END: u32 = 0x0605_4B50;

/// The length of each without names and comments.
const LOCAL_LENGTH: usize = 30;
const CENTRAL_LENGTH: usize = 46;
const END_LENGTH: usize = 22;

/// How a file is stored.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The version of the format that is needed to read it, 2.0; and the first of January 1980.
const VERSION: u16 = 20;
const DATE: u16 = 0x21;

/// A ZIP of stickers cannot be made, or not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StickerZipError {
    /// The pack's id is empty, longer than 128 bytes, or has a slash, a dot or a control character in it.
    #[error("the id of a sticker pack is not a good one")]
    Id,
    /// There is none, or there are more than [`MAX_STICKERS`].
    #[error("a pack has 1 to {MAX_STICKERS} stickers, not {count}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// A sticker, or the tray's picture, is no WebP.
    #[error("a sticker is a WebP file")]
    NoWebp,
    /// A file has more than [`MAX_STICKER_LENGTH`] bytes, there are too many, or they are too much together.
    #[error("the files of the sticker pack are too large")]
    TooLarge,
    /// It is no ZIP, or it is damaged, encrypted, or packed in an unusual way.
    #[error("the ZIP of the sticker pack is malformed")]
    Malformed,
}

/// The ZIP of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StickerZip {
    /// The file.
    pub bytes: Vec<u8>,
    /// The names of the stickers in it, one for each that was given. Stickers that are the same have the same.
    pub names: Vec<String>,
    /// The name of the tray's picture in it.
    pub tray_icon: String,
}

/// A file of a ZIP.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ZippedFile {
    /// Its name there. A stranger chose it.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Makes the ZIP of a pack: the tray's picture and the stickers, all WebP, the same ones once.
///
/// # Errors
/// [`StickerZipError`], all but `Malformed`.
pub fn pack<S: AsRef<[u8]>>(
    id: &str,
    tray_icon: &[u8],
    stickers: &[S],
) -> Result<StickerZip, StickerZipError> {
    let is_good = |sign: char| !matches!(sign, '/' | '\\' | '.') && !sign.is_control();
    if id.is_empty() || id.len() > MAX_ID_LENGTH || !id.chars().all(is_good) {
        return Err(StickerZipError::Id);
    }
    if stickers.is_empty() || stickers.len() > MAX_STICKERS {
        return Err(StickerZipError::Count { count: stickers.len() });
    }
    let mut zip = Writer::default();
    let icon_name = format!("{id}.webp");
    zip.add(&icon_name, tray_icon)?;
    let mut names = Vec::with_capacity(stickers.len());
    let mut known = BTreeSet::from([icon_name.clone()]);
    for sticker in stickers {
        let sticker = sticker.as_ref();
        let name = format!("{}.webp", URL_SAFE_NO_PAD.encode(Sha256::digest(sticker)));
        if known.insert(name.clone()) {
            zip.add(&name, sticker)?;
        }
        names.push(name);
    }
    Ok(StickerZip { bytes: zip.finish()?, names, tray_icon: icon_name })
}

/// Reads the files of a pack's ZIP, stored or deflated; directories are left out.
///
/// At most [`MAX_ZIP_LENGTH`] bytes are read, and no more are written.
///
/// # Errors
/// [`StickerZipError::TooLarge`], [`StickerZipError::Malformed`].
pub fn unpack(zip: &[u8]) -> Result<Vec<ZippedFile>, StickerZipError> {
    if zip.len() > MAX_ZIP_LENGTH {
        return Err(StickerZipError::TooLarge);
    }
    let (mut directory, count) = directory(zip).ok_or(StickerZipError::Malformed)?;
    if count > MAX_FILES {
        return Err(StickerZipError::TooLarge);
    }
    let mut files = Vec::with_capacity(count);
    let (mut names, mut total) = (BTreeSet::new(), 0);
    for _ in 0..count {
        let (entry, rest) = Entry::read(directory).ok_or(StickerZipError::Malformed)?;
        directory = rest;
        if entry.name.ends_with('/') {
            continue;
        }
        let bytes = entry.unpack(zip)?;
        total += bytes.len();
        if total > MAX_ZIP_LENGTH {
            return Err(StickerZipError::TooLarge);
        }
        if !names.insert(entry.name.clone()) {
            return Err(StickerZipError::Malformed);
        }
        files.push(ZippedFile { name: entry.name, bytes });
    }
    Ok(files)
}

/// The directory at the end, and how many entries it has. Behind it may be a comment.
fn directory(zip: &[u8]) -> Option<(&[u8], usize)> {
    let last = zip.len().checked_sub(END_LENGTH)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let mut ends = (first..=last).rev().filter_map(|at| zip.get(at..));
    let end = ends.find(|end| u32_at(end, 0) == Some(END))?;
    let start = usize::try_from(u32_at(end, 16)?).ok()?;
    Some((zip.get(start..)?, u16_at(end, 10)?.into()))
}

/// A file, as the directory has it.
struct Entry {
    name: String,
    is_encrypted: bool,
    method: u16,
    crc: u32,
    packed: usize,
    length: usize,
    offset: usize,
}

impl Entry {
    /// The first one of a directory, and what is behind it.
    fn read(directory: &[u8]) -> Option<(Self, &[u8])> {
        if u32_at(directory, 0)? != CENTRAL {
            return None;
        }
        let size = |at| usize::try_from(u32_at(directory, at)?).ok();
        let name_end = CENTRAL_LENGTH + usize::from(u16_at(directory, 28)?);
        let end = name_end + usize::from(u16_at(directory, 30)?) + usize::from(u16_at(directory, 32)?);
        let name = std::str::from_utf8(directory.get(CENTRAL_LENGTH..name_end)?).ok()?;
        let entry = Self {
            name: name.to_owned(),
            is_encrypted: u16_at(directory, 8)? & 1 != 0,
            method: u16_at(directory, 10)?,
            crc: u32_at(directory, 16)?,
            packed: size(20)?,
            length: size(24)?,
            offset: size(42)?,
        };
        Some((entry, directory.get(end..)?))
    }

    fn unpack(&self, zip: &[u8]) -> Result<Vec<u8>, StickerZipError> {
        if self.length > MAX_STICKER_LENGTH {
            return Err(StickerZipError::TooLarge);
        }
        let packed = self.packed_bytes(zip).ok_or(StickerZipError::Malformed)?;
        let bytes = match self.method {
            STORED if !self.is_encrypted => packed.to_vec(),
            DEFLATED if !self.is_encrypted => {
                let mut bytes = Vec::new();
                // One more than it may have, so that more is noticed.
                let limit = self.length as u64 + 1;
                let read = DeflateDecoder::new(packed).take(limit).read_to_end(&mut bytes);
                read.map_err(|_| StickerZipError::Malformed)?;
                bytes
            }
            _ => return Err(StickerZipError::Malformed),
        };
        if bytes.len() == self.length && crc(&bytes) == self.crc {
            Ok(bytes)
        } else {
            Err(StickerZipError::Malformed)
        }
    }

    /// Behind its head, whose name and extra field may be of another length than in the directory.
    fn packed_bytes<'z>(&self, zip: &'z [u8]) -> Option<&'z [u8]> {
        let file = zip.get(self.offset..)?;
        if u32_at(file, 0)? != LOCAL {
            return None;
        }
        let start = LOCAL_LENGTH + usize::from(u16_at(file, 26)?) + usize::from(u16_at(file, 28)?);
        file.get(start..)?.get(..self.packed)
    }
}

/// A ZIP in the making.
#[derive(Default)]
struct Writer {
    files: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Writer {
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), StickerZipError> {
        if WebpHead::read(bytes).is_none() {
            return Err(StickerZipError::NoWebp);
        }
        if bytes.len() > MAX_STICKER_LENGTH {
            return Err(StickerZipError::TooLarge);
        }
        let length = u32_of(bytes.len())?;
        let offset = u32_of(self.files.len())?;
        let name_length = u16::try_from(name.len()).map_err(|_| StickerZipError::Id)?;
        // What the head of a file and its entry in the directory have in common: version, flags (names are UTF-8),
        // method, time, date, checksum, both lengths, the lengths of name and extra field.
        let mut common = Vec::with_capacity(26);
        for word in [VERSION, 1 << 11, STORED, 0, DATE] {
            common.extend(word.to_le_bytes());
        }
        for number in [crc(bytes), length, length] {
            common.extend(number.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend([0; 2]);
        self.files.extend(LOCAL.to_le_bytes());
        self.files.extend(&common);
        self.files.extend(name.bytes());
        self.files.extend(bytes);
        self.directory.extend(CENTRAL.to_le_bytes());
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&common);
        // No comment, the first disk, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.bytes());
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<u8>, StickerZipError> {
        let (start, length) = (u32_of(self.files.len())?, u32_of(self.directory.len())?);
        let mut zip = self.files;
        zip.extend(self.directory);
        zip.extend(END.to_le_bytes());
        zip.extend([0; 4]); // this disk is the first
        zip.extend(self.count.to_le_bytes());
        zip.extend(self.count.to_le_bytes());
        zip.extend(length.to_le_bytes());
        zip.extend(start.to_le_bytes());
        zip.extend([0; 2]); // no comment
        Ok(zip)
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn u32_of(length: usize) -> Result<u32, StickerZipError> {
    u32::try_from(length).map_err(|_| StickerZipError::TooLarge)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use proptest::prelude::*;

    use super::super::webp::tests::sticker;
    use super::*;

    fn three() -> StickerZip {
        let stickers = [sticker(false, 1), sticker(true, 2), sticker(false, 1)];
        pack("cats-1", &sticker(false, 9), &stickers).unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let zip = three();
        assert_eq!(zip.names[0], zip.names[2], "the same once");
        let files = unpack(&zip.bytes).unwrap();
        let expected = [
            (zip.tray_icon.as_str(), sticker(false, 9)),
            (zip.names[0].as_str(), sticker(false, 1)),
            (zip.names[1].as_str(), sticker(true, 2)),
        ];
        assert_eq!(zip.tray_icon, "cats-1.webp");
        assert_eq!(zip.names[1].len(), 43 + 5);
        assert!(files.iter().map(|file| (file.name.as_str(), file.bytes.clone())).eq(expected));
    }

    /// Any tool reads it: the stored bytes stand where the format says, for a name of eleven letters.
    #[test]
    fn the_file_is_laid_out_as_the_format_says() {
        let zip = three().bytes;
        assert!(zip.starts_with(b"PK\x03\x04\x14\0\0\x08\0\0\0\0\x21\0"));
        assert_eq!(&zip[30..41], b"cats-1.webp");
        assert_eq!(&zip[41..45], b"RIFF");
        let end = &zip[zip.len() - 22..];
        assert!(end.starts_with(b"PK\x05\x06\0\0\0\0\x03\0\x03\0"));
        let directory = u32_at(end, 16).unwrap() as usize;
        assert!(zip[directory..].starts_with(b"PK\x01\x02"));
        assert_eq!(directory + u32_at(end, 12).unwrap() as usize + 22, zip.len());
    }

    #[test]
    fn what_is_no_pack_is_refused_with_its_cause() {
        let (good, none) = (sticker(false, 1), Vec::<Vec<u8>>::new());
        let one = [good.clone()];
        for id in ["", "a/b", "a\\b", "..", "a\n", &"x".repeat(129)] {
            assert_eq!(pack(id, &good, &one), Err(StickerZipError::Id));
        }
        assert_eq!(pack("a", &good, &none), Err(StickerZipError::Count { count: 0 }));
        assert_eq!(pack("a", &good, &vec![good.clone(); 61]), Err(StickerZipError::Count { count: 61 }));
        assert_eq!(pack("a", b"no", &one), Err(StickerZipError::NoWebp));
        assert_eq!(pack("a", &good, &[vec![0; 50]]), Err(StickerZipError::NoWebp));
        let mut large = good.clone();
        large.resize(MAX_STICKER_LENGTH + 1, 0);
        assert_eq!(pack("a", &good, &[large]), Err(StickerZipError::TooLarge));
        assert!(pack("a", &good, &vec![good.clone(); 60]).is_ok());
    }

    /// A ZIP of one file, deflated, that says it has so many bytes.
    fn deflated(bytes: &[u8], says: u32) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        let packed = encoder.finish().unwrap();
        let sizes = [crc(bytes), u32_of(packed.len()).unwrap(), says].map(u32::to_le_bytes).concat();
        let local = [b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0".as_slice(), &sizes, b"\x01\0\x02\0a##"].concat();
        let start = u32_of(local.len() + packed.len()).unwrap().to_le_bytes();
        let central =
            [b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0".as_slice(), &sizes, b"\x01\0", &[0; 16], b"a"];
        let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &[47, 0, 0, 0], &start, b"\x02\0ok"];
        [local, packed, central.concat(), end.concat()].concat()
    }

    #[test]
    fn other_tools_deflate_and_add_extra_fields_and_comments() {
        let bytes = vec![7; 5000];
        let files = unpack(&deflated(&bytes, 5000)).unwrap();
        assert_eq!(files, [ZippedFile { name: "a".to_owned(), bytes }]);
    }

    #[test]
    fn a_zip_that_grows_is_stopped() {
        let bomb = vec![0; MAX_STICKER_LENGTH * 20];
        assert_eq!(unpack(&deflated(&bomb, 5000)), Err(StickerZipError::Malformed));
        assert_eq!(unpack(&deflated(&bomb, 20 << 20)), Err(StickerZipError::TooLarge));
        assert_eq!(unpack(&vec![0; MAX_ZIP_LENGTH + 1]), Err(StickerZipError::TooLarge));
        // The same file, again and again: each entry is small, all together are not.
        let one = deflated(&vec![0; MAX_STICKER_LENGTH], 1 << 20);
        let start = u32_at(&one[one.len() - 24..], 16).unwrap() as usize;
        let mut many = one[..start].to_vec();
        for number in 0..100_u8 {
            many.extend(&one[start..start + 46]);
            many.push(number);
        }
        let end = [b"PK\x05\x06\0\0\0\0\x64\0\x64\0".as_slice(), &[0; 4]];
        many.extend(end.concat());
        many.extend(u32_of(start).unwrap().to_le_bytes());
        many.extend([0; 2]);
        assert_eq!(unpack(&many), Err(StickerZipError::TooLarge));
    }

    #[test]
    fn damage_is_noticed() {
        let zip = three().bytes;
        let mut changed = zip.clone();
        changed[60] ^= 1;
        assert_eq!(unpack(&changed), Err(StickerZipError::Malformed));
        for length in 0..zip.len() {
            assert_eq!(unpack(&zip[..length]), Err(StickerZipError::Malformed), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&bytes);
        }

        #[test]
        fn any_damage_is_read_or_refused(
            places in proptest::collection::vec((0_usize..500, any::<u8>()), 1..8),
        ) {
            let mut zip = three().bytes;
            for (place, byte) in places {
                let place = place % zip.len();
                zip[place] = byte;
            }
            let _ = unpack(&zip);
        }
    }
}
