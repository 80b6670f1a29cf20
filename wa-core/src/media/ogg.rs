//! The packets in an Ogg file: what voice notes are made of. Checksums of pages are not looked at: files here were proven
//! whole, or are the caller's own. RFC 3533, RFC 7845.

use std::io::{self, Read};

/// How long a packet may be that is kept; of longer ones nothing is. No packet of sound is longer.
const MAX_PACKET: usize = 64 << 10;

/// How many pages of a file are read: months of sound.
const MAX_PAGES: u32 = 4_000_000;

/// The head of a page, up to the number of its parts.
const HEAD: usize = 27;

/// How a page says that no packet ends in it.
const NOWHERE: u64 = u64::MAX;

/// Reads the packets of the first stream of a file; those of others between them are left out.
#[derive(Debug)]
pub(super) struct Packets<R> {
    reader: R,
    stream: Option<u32>,
    pages: u32,
    /// The lengths of the parts of this page that are still to be read.
    parts: std::vec::IntoIter<u8>,
    packet: Vec<u8>,
    position: Option<u64>,
}

/// An Ogg file that is none.
#[derive(Debug)]
pub(super) enum OggError {
    Read(io::Error),
    Malformed,
    TooLarge,
}

impl From<io::Error> for OggError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Malformed } else { Self::Read(error) }
    }
}

impl<R: Read> Packets<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            stream: None,
            pages: 0,
            parts: Vec::new().into_iter(),
            packet: Vec::new(),
            position: None,
        }
    }

    /// Where the stream is, as its last page says: for sound, how many samples there were up to it.
    pub(super) const fn position(&self) -> Option<u64> {
        self.position
    }

    /// The next packet; empty if it is longer than any of sound. `None` at the end, or where the file was cut.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, OggError> {
        let mut is_too_long = false;
        loop {
            let Some(part) = self.parts.next() else {
                if self.next_page()? {
                    continue;
                }
                return Ok(None);
            };
            let start = self.packet.len();
            self.packet.resize(start + usize::from(part), 0);
            let rest = self.packet.get_mut(start..).unwrap_or_default();
            self.reader.read_exact(rest)?;
            if self.packet.len() > MAX_PACKET {
                self.packet.clear();
                is_too_long = true;
            }
            if part < u8::MAX {
                let packet = std::mem::take(&mut self.packet);
                return Ok(Some(if is_too_long { Vec::new() } else { packet }));
            }
        }
    }

    /// Reads the head of the next page of the stream; `false` at the end of the file.
    fn next_page(&mut self) -> Result<bool, OggError> {
        loop {
            let mut head = [0; HEAD];
            let mut filled = 0;
            while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.reader.read(rest) {
                    Ok(0) if filled == 0 => return Ok(false),
                    Ok(0) => return Err(OggError::Malformed),
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let [b'O', b'g', b'g', b'S', 0, flags, head @ ..] = head else {
                return Err(OggError::Malformed);
            };
            self.pages += 1;
            if self.pages > MAX_PAGES {
                return Err(OggError::TooLarge);
            }
            let (position, rest) = head.split_first_chunk().ok_or(OggError::Malformed)?;
            let (stream, rest) = rest.split_first_chunk().ok_or(OggError::Malformed)?;
            let stream = u32::from_le_bytes(*stream);
            let mut parts = vec![0; rest.last().copied().unwrap_or_default().into()];
            self.reader.read_exact(&mut parts)?;
            if *self.stream.get_or_insert(stream) != stream {
                let length = parts.iter().map(|part| u64::from(*part)).sum();
                io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
                continue;
            }
            let position = u64::from_le_bytes(*position);
            if position != NOWHERE {
                self.position = Some(position);
            }
            // A page that begins anew drops what was not ended.
            if flags & 1 == 0 {
                self.packet.clear();
            }
            self.parts = parts.into_iter();
            return Ok(true);
        }
    }
}

/// How many samples at the beginning are not to be heard, as the first packet of Opus says; `None` for another packet.
pub(super) fn opus_pre_skip(packet: &[u8]) -> Option<u16> {
    let [_, _, low, high, _, _, _, _, _, _, _, ..] = *packet.strip_prefix(b"OpusHead")? else { return None };
    Some(u16::from_le_bytes([low, high]))
}

/// How many samples of Opus make a second, whatever it was recorded with.
pub(super) const OPUS_RATE: u32 = 48_000;

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// A page of this stream with these packets, at this position.
    pub(crate) fn page(stream: u32, position: u64, packets: &[&[u8]]) -> Vec<u8> {
        let mut parts = Vec::new();
        for packet in packets {
            parts.extend(std::iter::repeat_n(u8::MAX, packet.len() / 255));
            parts.push(u8::try_from(packet.len() % 255).unwrap());
        }
        paged(stream, position, 0, &parts, &packets.concat())
    }

    fn paged(stream: u32, position: u64, flags: u8, parts: &[u8], body: &[u8]) -> Vec<u8> {
        [
            b"OggS\0".as_slice(),
            &[flags],
            &position.to_le_bytes(),
            &stream.to_le_bytes(),
            &[0; 8],
            &[u8::try_from(parts.len()).unwrap()],
            parts,
            body,
        ]
        .concat()
    }

    pub(crate) fn opus_head(channels: u8, pre_skip: u16, family: u8) -> Vec<u8> {
        let skip = pre_skip.to_le_bytes();
        [b"OpusHead\x01".as_slice(), &[channels], &skip, &48_000_u32.to_le_bytes(), &[0, 0, family]].concat()
    }

    fn all(file: &[u8]) -> Result<Vec<Vec<u8>>, OggError> {
        let mut packets = Packets::new(Cursor::new(file));
        let mut all = Vec::new();
        while let Some(packet) = packets.next()? {
            all.push(packet);
        }
        Ok(all)
    }

    #[test]
    fn packets_go_over_pages_and_other_streams_are_left_out() {
        let long = vec![3; 600];
        let file = [
            page(1, 0, &[b"a", b""]),
            page(2, 9, &[b"not mine"]),
            paged(1, NOWHERE, 0, &[255, 255], &long[..510]),
            paged(1, 77, 1, &[90, 2], &[&long[510..], b"bc"].concat()),
        ]
        .concat();
        assert_eq!(all(&file).unwrap(), [b"a".to_vec(), Vec::new(), long, b"bc".to_vec()]);
        let mut packets = Packets::new(Cursor::new(&file));
        while packets.next().unwrap().is_some() {}
        assert_eq!(packets.position(), Some(77));
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let part = paged(1, NOWHERE, 1, &[255; 255], &vec![1; 255 * 255]);
        let file = [part.repeat(20), paged(1, 0, 1, &[1], b"x"), page(1, 1, &[b"y"])].concat();
        assert_eq!(all(&file).unwrap(), [Vec::new(), b"y".to_vec()]);
    }

    #[test]
    fn a_file_that_was_cut_is_malformed() {
        let file = page(1, 0, &[b"abc"]);
        for length in 1..file.len() {
            assert!(matches!(all(&file[..length]), Err(OggError::Malformed)), "{length}");
        }
        assert!(all(&[]).unwrap().is_empty());
    }

    #[test]
    fn the_head_of_opus_is_read() {
        assert_eq!(opus_pre_skip(&opus_head(1, 312, 0)), Some(312));
        assert_eq!(opus_pre_skip(b"OpusHead\x01"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            parts in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let _ = all(&bytes);
            let _ = all(&paged(1, 1, 0, &parts, &bytes));
        }
    }
}
