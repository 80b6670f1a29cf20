//! Sound: how long it plays.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use super::mp4::Movie;
use super::{ProbeError, mp3};
use crate::media::ogg::{OPUS_RATE, OggError, Packets, opus_pre_skip};

/// What a sound says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SoundInfo {
    /// Its media type, as a message has it.
    pub mimetype: &'static str,
    /// How long it plays.
    pub duration: Duration,
}

/// Reads how long a sound plays: Ogg with Opus or Vorbis, MP4, WAV, or MP3.
///
/// Of Ogg and MP3 the whole file is read, as nothing at its beginning says how long it is; memory does not grow with it.
///
/// # Errors
/// [`ProbeError`]; [`ProbeError::Unknown`] if it is something else, as AAC and AMR without a container.
pub fn sound(mut file: impl Read + Seek) -> Result<SoundInfo, ProbeError> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(12).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    if head.starts_with(b"OggS") {
        return ogg(BufReader::new(file));
    }
    if head.starts_with(b"RIFF") && head.ends_with(b"WAVE") {
        return wav(BufReader::new(file));
    }
    if let Some(movie) = Movie::read(&mut file)? {
        let duration = movie.duration.filter(|_| movie.has_sound).ok_or(ProbeError::Unknown)?;
        return Ok(SoundInfo { mimetype: "audio/mp4", duration });
    }
    let duration = mp3::duration(file)?.ok_or(ProbeError::Unknown)?;
    Ok(SoundInfo { mimetype: "audio/mpeg", duration })
}

fn ogg(file: impl Read) -> Result<SoundInfo, ProbeError> {
    let mut packets = Packets::new(file);
    let head = packets.next().map_err(fault)?.unwrap_or_default();
    let (mimetype, rate, skipped) = if let Some(skipped) = opus_pre_skip(&head) {
        ("audio/ogg; codecs=opus", OPUS_RATE, skipped)
    } else if let Some([_, _, _, _, _, a, b, c, d, ..]) = head.strip_prefix(b"\x01vorbis") {
        ("audio/ogg", u32::from_le_bytes([*a, *b, *c, *d]), 0)
    } else {
        return Err(ProbeError::Unknown);
    };
    while packets.next().map_err(fault)?.is_some() {}
    let samples = packets.position().unwrap_or_default().saturating_sub(skipped.into());
    if rate == 0 {
        return Err(ProbeError::Malformed);
    }
    Ok(SoundInfo { mimetype, duration: mp3::time(samples, rate) })
}

fn fault(error: OggError) -> ProbeError {
    match error {
        OggError::Read(error) => ProbeError::Read(error),
        OggError::Malformed => ProbeError::Malformed,
        OggError::TooLarge => ProbeError::TooLarge,
    }
}

fn wav(mut file: impl Read + Seek) -> Result<SoundInfo, ProbeError> {
    /// How many chunks are looked at.
    const MAX_CHUNKS: usize = 1000;
    let (mut at, mut bytes_a_second) = (12_u64, 0_u32);
    for _ in 0..MAX_CHUNKS {
        file.seek(SeekFrom::Start(at))?;
        let [mut kind, mut length] = [[0; 4]; 2];
        file.read_exact(&mut kind)?;
        file.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        match &kind {
            b"fmt " => {
                let mut format = [0; 12];
                file.read_exact(&mut format)?;
                bytes_a_second = format.last_chunk().copied().map_or(0, u32::from_le_bytes);
            }
            b"data" if bytes_a_second > 0 => {
                let duration = mp3::time(length.into(), bytes_a_second);
                return Ok(SoundInfo { mimetype: "audio/wav", duration });
            }
            b"data" => return Err(ProbeError::Malformed),
            _ => {}
        }
        // Chunks begin at even places.
        at += 8 + u64::from(length) + u64::from(length & 1);
    }
    Err(ProbeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::{mp3::tests::frames, mp4};
    use super::*;
    use crate::media::ogg::tests::{opus_head, page};

    fn opus(samples: u64) -> Vec<u8> {
        [page(5, 0, &[&opus_head(1, 312, 0)]), page(5, 0, &[b"OpusTags"]), page(5, samples, &[&[1; 700]])]
            .concat()
    }

    fn vorbis(rate: u32) -> Vec<u8> {
        let head = [b"\x01vorbis\0\0\0\0\x02".as_slice(), &rate.to_le_bytes(), &[0; 14]].concat();
        [page(5, 0, &[&head]), page(5, 44_100, &[b"x"])].concat()
    }

    fn wave(bytes_a_second: u32) -> Vec<u8> {
        let format = [b"fmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0".as_slice(), &bytes_a_second.to_le_bytes()];
        let format = [&format.concat(), [2, 0, 16, 0].as_slice()].concat();
        [b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0".as_slice(), &format, b"data\x80\x3E\0\0"].concat()
    }

    #[test]
    fn each_format_says_how_long_it_plays() {
        for (file, mimetype, millis) in [
            (opus(48_000 * 3 + 312), "audio/ogg; codecs=opus", 3000),
            (vorbis(44_100), "audio/ogg", 1000),
            (wave(16_000), "audio/wav", 1000),
            (mp4::tests::sound(2500), "audio/mp4", 2500),
            (frames(1000), "audio/mpeg", 26_122),
        ] {
            let sound = sound(Cursor::new(file)).unwrap();
            assert_eq!((sound.mimetype, sound.duration.as_millis()), (mimetype, millis));
        }
    }

    #[test]
    fn what_is_no_sound_is_refused_with_its_cause() {
        for (file, expected) in [
            (Vec::new(), "Unknown"),
            (b"#!AMR\n\x3C".to_vec(), "Unknown"),
            (page(1, 1, &[b"\x80theora"]), "Unknown"),
            (opus(1)[..20].to_vec(), "Malformed"),
            (vorbis(0), "Malformed"),
            (wave(0), "Malformed"),
            (wave(16_000)[..30].to_vec(), "Malformed"),
            (mp4::tests::sound(0), "Unknown"),
        ] {
            assert_eq!(format!("{:?}", sound(Cursor::new(file)).unwrap_err()), expected);
        }
        assert_eq!(sound(Cursor::new(opus(1))).unwrap().duration, Duration::ZERO);
    }

    proptest! {
        #[test]
        fn any_damage_is_read_or_refused(
            which in 0_usize..5,
            places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes =
                [opus(9), vorbis(8000), wave(8000), mp4::tests::sound(9), frames(5)][which].clone();
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _ = sound(Cursor::new(&bytes[..cut.index(bytes.len())]));
            let _ = sound(Cursor::new(bytes));
        }
    }
}
