//! MP3: how long it plays. ISO/IEC 11172-3 and 13818-3, layer III.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::time::Duration;

use super::ProbeError;

/// How many frames are counted: seven hours.
const MAX_FRAMES: u32 = 1_000_000;

/// How much of a frame may be looked at to find how many there are.
const INFO: usize = 200;

/// The sound of a frame.
struct Frame {
    /// How many samples a second.
    rate: u32,
    /// How many samples it has.
    samples: u32,
    /// How many bytes it has.
    length: u32,
}

impl Frame {
    /// Reads the head of a frame of layer III.
    fn read(head: [u8; 4]) -> Option<Self> {
        /// Of version 1 and the others, in thousands of bits a second.
        const BIT_RATES: [[u32; 14]; 2] = [
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        ];
        const RATES: [u32; 3] = [44_100, 48_000, 32_000];
        let [sync, kind, rates, _] = head;
        if sync != 0xFF || kind & 0xE6 != 0xE2 {
            return None;
        }
        let (table, samples, divisor) = match kind >> 3 & 3 {
            3 => (0, 1152, 1),
            2 => (1, 576, 2),
            0 => (1, 576, 4),
            _ => return None,
        };
        let bit_rate = BIT_RATES.get(table)?.get(usize::from(rates >> 4).checked_sub(1)?)? * 1000;
        let rate = RATES.get(usize::from(rates >> 2 & 3))? / divisor;
        let padding = u32::from(rates >> 1 & 1);
        Some(Self { rate, samples, length: samples / 8 * bit_rate / rate + padding })
    }
}

/// How long it plays; `None` if it is no MP3.
pub(super) fn duration(file: impl Read + Seek) -> Result<Option<Duration>, ProbeError> {
    let mut file = BufReader::new(file);
    let end = file.seek(SeekFrom::End(0))?;
    let mut at = tags(&mut file)?;
    let (mut first, mut count) = (None, 0_u32);
    loop {
        let mut head = [0; 4];
        if end.saturating_sub(at) < 4 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut head)?;
        let Some(frame) = Frame::read(head) else { break };
        if first.is_none() {
            let mut info = Vec::new();
            file.by_ref().take(INFO as u64).read_to_end(&mut info)?;
            if let Some(frames) = told(&info) {
                return Ok(Some(time(u64::from(frames) * u64::from(frame.samples), frame.rate)));
            }
        }
        count = count.checked_add(1).filter(|count| *count <= MAX_FRAMES).ok_or(ProbeError::TooLarge)?;
        at += u64::from(frame.length);
        first.get_or_insert(frame);
    }
    // One alone may be by chance.
    let Some(frame) = first.filter(|_| count > 1) else { return Ok(None) };
    Ok(Some(time(u64::from(count) * u64::from(frame.samples), frame.rate)))
}

pub(super) fn time(samples: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    Duration::from_secs(samples / rate) + Duration::from_nanos(samples % rate * 1_000_000_000 / rate)
}

/// Where the sound begins: behind an ID3 tag, if there is one.
fn tags(file: &mut (impl Read + Seek)) -> Result<u64, ProbeError> {
    let mut head = [0; 10];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut head).or_else(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(error),
    })?;
    let [b'I', b'D', b'3', _, _, _, length @ ..] = head else { return Ok(0) };
    // Seven bits of each byte.
    Ok(10 + length.iter().fold(0, |length, byte| length << 7 | u64::from(byte & 0x7F)))
}

/// How many frames there are, as encoders say in the first one.
fn told(info: &[u8]) -> Option<u32> {
    let at = info.windows(4).position(|word| word == b"Xing" || word == b"Info")?;
    let [_, _, _, _, 0, 0, 0, flags, a, b, c, d, ..] = *info.get(at..)? else { return None };
    (flags & 1 != 0).then_some(u32::from_be_bytes([a, b, c, d])).filter(|frames| *frames > 0)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    /// So many frames of 128,000 bits a second at 44,100 Hz.
    pub(crate) fn frames(count: usize) -> Vec<u8> {
        let mut frame = vec![0; 417];
        frame[..4].copy_from_slice(&[0xFF, 0xFB, 0x90, 0]);
        frame.repeat(count)
    }

    fn seconds(file: Vec<u8>) -> Option<f64> {
        duration(Cursor::new(file)).unwrap().map(|time| time.as_secs_f64())
    }

    #[test]
    fn frames_are_counted_and_tags_are_left_out() {
        let expected = 100.0 * 1152.0 / 44_100.0;
        let near = |file| (seconds(file).unwrap() - expected).abs() < 1e-6;
        assert!(near(frames(100)));
        let tagged = [b"ID3\x04\0\0\0\0\x01\x02".as_slice(), &[0xFF; 130], &frames(100), b"TAG"].concat();
        assert!(near(tagged));
        let mut told = frames(1);
        told[36..48].copy_from_slice(b"Xing\0\0\0\x01\0\0\0\x64");
        assert!(near(told));
        // Version 2 at 16,000 Hz and 8,000 bits a second.
        let mut frame = [0; 36];
        frame[..4].copy_from_slice(&[0xFF, 0xF3, 0x18, 0]);
        assert!((seconds(frame.repeat(10)).unwrap() - 0.36).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_mp3_is_told() {
        for file in [Vec::new(), b"ID3".to_vec(), vec![0; 100], vec![0xFF; 100], frames(1)] {
            assert_eq!(seconds(file), None);
        }
    }
}
