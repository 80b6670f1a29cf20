//! Films: the boxes of an MP4 that say how long and how large it is. No picture is decoded. ISO/IEC 14496-12.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use super::ProbeError;

/// How many boxes of a file are looked at.
const MAX_BOXES: u32 = 10_000;

/// How many bytes of a box are read. Those that are looked into are shorter.
const MAX_BOX: u64 = 120;

/// What a file begins with.
const KINDS: [&[u8; 4]; 6] = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"];

/// What a film says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoInfo {
    /// How long it is, if it says so; a film that is made while it is sent may not.
    pub duration: Option<Duration>,
    /// Width and height in pixels, as it is shown: a film that was turned is turned.
    pub size: (u32, u32),
    /// It has sound. A GIF has none.
    pub has_sound: bool,
}

/// Reads what an MP4 (or QuickTime) film says of itself. It seeks past what it does not need, so that files of any size
/// are read in some reads.
///
/// # Errors
/// - [`ProbeError::Unknown`]: it is no MP4, or has no picture in it.
/// - [`ProbeError::Malformed`], [`ProbeError::TooLarge`]: it is damaged, or has an absurd number of parts.
/// - [`ProbeError::Read`].
pub fn video(file: impl Read + Seek) -> Result<VideoInfo, ProbeError> {
    let movie = Movie::read(file)?.ok_or(ProbeError::Unknown)?;
    let size = movie.size.ok_or(ProbeError::Unknown)?;
    Ok(VideoInfo { duration: movie.duration, size, has_sound: movie.has_sound })
}

/// What an MP4 is, film or not.
#[derive(Debug, Default)]
pub(super) struct Movie {
    pub(super) duration: Option<Duration>,
    size: Option<(u32, u32)>,
    pub(super) has_sound: bool,
}

impl Movie {
    /// `None` if it is no MP4.
    pub(super) fn read(file: impl Read + Seek) -> Result<Option<Self>, ProbeError> {
        let mut boxes = Boxes { file: BufReader::new(file), left: MAX_BOXES };
        let mut head = Vec::new();
        boxes.file.seek(SeekFrom::Start(0))?;
        boxes.file.by_ref().take(8).read_to_end(&mut head)?;
        if !KINDS.iter().any(|kind| head.get(4..) == Some(kind.as_slice())) {
            return Ok(None);
        }
        let end = boxes.file.seek(SeekFrom::End(0))?;
        let mut at = 0;
        while let Some(found) = boxes.next(at, end)? {
            if &found.kind == b"moov" {
                let mut movie = Self::default();
                movie.read_boxes(&mut boxes, found.body, found.end)?;
                return Ok(Some(movie));
            }
            at = found.end;
        }
        // It began as one, and then nothing said what it is.
        Err(ProbeError::Malformed)
    }

    fn read_boxes<R: Read + Seek>(
        &mut self,
        boxes: &mut Boxes<R>,
        mut at: u64,
        end: u64,
    ) -> Result<(), ProbeError> {
        let (mut scale, mut length) = (0, None);
        while let Some(found) = boxes.next(at, end)? {
            match &found.kind {
                b"mvhd" => {
                    let body = boxes.body(&found)?;
                    let is_long = body.first() == Some(&1);
                    scale = u32_at(&body, if is_long { 20 } else { 12 })?;
                    length = length.or(long_or_short(&body, is_long, if is_long { 24 } else { 16 })?);
                }
                b"mvex" => {
                    let mut at = found.body;
                    while let Some(inner) = boxes.next(at, found.end)? {
                        if &inner.kind == b"mehd" {
                            let body = boxes.body(&inner)?;
                            let whole = long_or_short(&body, body.first() == Some(&1), 4)?;
                            length = whole.or(length);
                        }
                        at = inner.end;
                    }
                }
                b"trak" => self.read_track(boxes, &found)?,
                _ => {}
            }
            at = found.end;
        }
        self.duration = length.filter(|length| *length > 0).and_then(|length| {
            let scale = u64::from(scale);
            let rest = length.checked_rem(scale)?.checked_mul(1_000_000_000)?.checked_div(scale)?;
            Some(Duration::from_secs(length.checked_div(scale)?) + Duration::from_nanos(rest))
        });
        Ok(())
    }

    fn read_track<R: Read + Seek>(&mut self, boxes: &mut Boxes<R>, track: &Found) -> Result<(), ProbeError> {
        let (mut size, mut handler, mut at) = (None, None, track.body);
        while let Some(found) = boxes.next(at, track.end)? {
            match &found.kind {
                b"tkhd" => {
                    let body = boxes.body(&found)?;
                    let matrix = if body.first() == Some(&1) { 52 } else { 40 };
                    // Of a turned film, what makes x of x is zero, and what makes y of x is not.
                    let is_turned = u32_at(&body, matrix)? == 0 && u32_at(&body, matrix + 4)? != 0;
                    let width = u32_at(&body, matrix + 36)? >> 16;
                    let height = u32_at(&body, matrix + 40)? >> 16;
                    size = Some(if is_turned { (height, width) } else { (width, height) });
                }
                b"mdia" => {
                    let mut at = found.body;
                    while let Some(inner) = boxes.next(at, found.end)? {
                        if &inner.kind == b"hdlr" {
                            handler = boxes.body(&inner)?.get(8..12).map(<[u8]>::to_vec);
                        }
                        at = inner.end;
                    }
                }
                _ => {}
            }
            at = found.end;
        }
        match handler.as_deref() {
            Some(b"vide") => {
                self.size = self.size.or_else(|| size.filter(|(width, height)| *width > 0 && *height > 0));
            }
            Some(b"soun") => self.has_sound = true,
            _ => {}
        }
        Ok(())
    }
}

/// A box: its kind, and where its content begins and ends.
struct Found {
    kind: [u8; 4],
    body: u64,
    end: u64,
}

/// Finds boxes, up to a number of them.
struct Boxes<R> {
    file: BufReader<R>,
    left: u32,
}

impl<R: Read + Seek> Boxes<R> {
    /// The box that begins here. `None` at the end.
    fn next(&mut self, at: u64, end: u64) -> Result<Option<Found>, ProbeError> {
        /// A box without content.
        const HEAD: u64 = 8;
        if end.saturating_sub(at) < HEAD {
            return Ok(None);
        }
        self.left = self.left.checked_sub(1).ok_or(ProbeError::TooLarge)?;
        self.file.seek(SeekFrom::Start(at))?;
        let [mut size, mut kind] = [[0; 4]; 2];
        self.file.read_exact(&mut size)?;
        self.file.read_exact(&mut kind)?;
        let (body, length) = match u32::from_be_bytes(size) {
            // Up to the end.
            0 => (at + HEAD, end - at),
            1 => {
                let mut size = [0; 8];
                self.file.read_exact(&mut size)?;
                (at + HEAD + 8, u64::from_be_bytes(size))
            }
            length => (at + HEAD, length.into()),
        };
        let stop = at.checked_add(length).filter(|stop| (body..=end).contains(stop));
        Ok(Some(Found { kind, body, end: stop.ok_or(ProbeError::Malformed)? }))
    }

    /// The beginning of its content.
    fn body(&mut self, found: &Found) -> Result<Vec<u8>, ProbeError> {
        self.file.seek(SeekFrom::Start(found.body))?;
        let mut body = Vec::new();
        self.file.by_ref().take(MAX_BOX.min(found.end - found.body)).read_to_end(&mut body)?;
        Ok(body)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ProbeError> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    bytes.copied().map(u32::from_be_bytes).ok_or(ProbeError::Malformed)
}

/// A length of 64 or 32 bits; `None` if all of them are set, which says that nobody knows.
fn long_or_short(bytes: &[u8], is_long: bool, at: usize) -> Result<Option<u64>, ProbeError> {
    let high = u32_at(bytes, at)?;
    if !is_long {
        return Ok((high != u32::MAX).then_some(high.into()));
    }
    let long = u64::from(high) << 32 | u64::from(u32_at(bytes, at + 4)?);
    Ok((long != u64::MAX).then_some(long))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn track(handler: &[u8; 4], width: u32, height: u32, is_turned: bool) -> Vec<u8> {
        let one = 1 << 16;
        let matrix = if is_turned {
            [0, one, 0, one, 0, 0, 0, 0, 1 << 30]
        } else {
            [one, 0, 0, 0, one, 0, 0, 0, 1 << 30]
        };
        let head =
            [&[7, 0, 0, 1, 0, 0, 0, 0, 0, 0], matrix.as_slice(), &[width << 16, height << 16]].concat();
        let media = boxed(b"hdlr", &[&[0; 8], handler.as_slice(), &[0; 13]].concat());
        boxed(b"trak", &[boxed(b"tkhd", &words(&head)), boxed(b"mdia", &media)].concat())
    }

    /// A movie of these tracks, whose length is told in thousandths of a second.
    fn movie(length: u32, parts: &[Vec<u8>]) -> Vec<u8> {
        let head = boxed(b"mvhd", &words(&[&[0, 0, 0, 1000, length][..], &[0; 20]].concat()));
        boxed(b"moov", &[head, parts.concat()].concat())
    }

    /// A sound in an MP4.
    pub(crate) fn sound(length: u32) -> Vec<u8> {
        [boxed(b"ftyp", b"M4A \0\0\0\0"), movie(length, &[track(b"soun", 0, 0, false)])].concat()
    }

    fn film() -> Vec<u8> {
        let tracks = [track(b"soun", 0, 0, false), track(b"vide", 640, 360, false)];
        // The content before its description, as cameras write it, and with a length of 64 bits.
        let content = [&words(&[1]), b"mdat".as_slice(), &[0, 0, 0, 0, 0, 0, 0, 24], &[7; 8]].concat();
        [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"free", &[]), content, movie(12_345, &tracks)].concat()
    }

    #[test]
    fn a_film_says_how_long_and_how_large_it_is() {
        let expected =
            VideoInfo { duration: Some(Duration::from_millis(12_345)), size: (640, 360), has_sound: true };
        assert_eq!(video(Cursor::new(film())).unwrap(), expected);
    }

    #[test]
    fn a_turned_film_is_turned() {
        let file = [boxed(b"ftyp", b"qt  "), movie(1, &[track(b"vide", 1920, 1080, true)])].concat();
        let film = video(Cursor::new(file)).unwrap();
        assert_eq!((film.size, film.has_sound), ((1080, 1920), false));
    }

    #[test]
    fn long_times_and_fragments_are_read() {
        let head = [&[1 << 24, 0, 0, 0, 0, 90_000, 0, 180_000][..], &[0; 20]].concat();
        let parts = [boxed(b"mvhd", &words(&head)), track(b"vide", 2, 2, false)].concat();
        let file = boxed(b"moov", &parts);
        assert_eq!(video(Cursor::new(file)).unwrap().duration, Some(Duration::from_secs(2)));
        // Its length stands where the fragments are announced, or nowhere.
        let fragments = boxed(b"mvex", &boxed(b"mehd", &words(&[0, 3000])));
        let file = movie(0, &[track(b"vide", 2, 2, false), fragments]);
        assert_eq!(video(Cursor::new(file)).unwrap().duration, Some(Duration::from_secs(3)));
        for length in [0, u32::MAX] {
            let file = movie(length, &[track(b"vide", 2, 2, false)]);
            assert_eq!(video(Cursor::new(file)).unwrap().duration, None);
        }
    }

    #[test]
    fn what_is_no_film_is_refused_with_its_cause() {
        let endless = [boxed(b"ftyp", b"isom"), boxed(b"free", &[]).repeat(20_000)].concat();
        let beyond = [&words(&[1]), b"ftyp".as_slice(), &[0xFF; 8]].concat();
        let cut = film()[..film().len() - 30].to_vec();
        let no_time = boxed(b"moov", &boxed(b"mvhd", &[0; 8]));
        for (file, expected) in [
            (Vec::new(), "Unknown"),
            (b"RIFF\0\0\0\0WEBP".to_vec(), "Unknown"),
            (sound(1), "Unknown"),
            (boxed(b"ftyp", b"isom"), "Malformed"),
            (beyond, "Malformed"),
            (cut, "Malformed"),
            (no_time, "Malformed"),
            (endless, "TooLarge"),
        ] {
            assert_eq!(format!("{:?}", video(Cursor::new(file)).unwrap_err()), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            kind in prop_oneof![Just(b"mvhd"), Just(b"trak"), Just(b"tkhd"), Just(b"mvex")],
        ) {
            let _ = video(Cursor::new(&bytes));
            let _ = video(Cursor::new(boxed(b"moov", &bytes)));
            let _ = video(Cursor::new(boxed(b"moov", &boxed(kind, &bytes))));
            let _ = video(Cursor::new(boxed(b"moov", &boxed(b"trak", &boxed(kind, &bytes)))));
        }

        #[test]
        fn any_damage_is_read_or_refused(
            places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut bytes = film();
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _ = video(Cursor::new(bytes));
        }
    }
}
