//! How loud a voice note is over its time: the 64 values that a player draws. Feature `waveform`.
//! Protocol: media, "Message fields".

use std::fmt;
use std::io::{self, BufReader, Read};
use std::time::Duration;

use ruopus::OpusDecoder;

use super::ogg::{OPUS_RATE, OggError, Packets, opus_pre_skip};

/// How many values a waveform has.
pub const VALUES: usize = 64;

/// The largest of them.
const LOUDEST: f32 = 100.0;

/// How long a voice note may be.
pub const MAX_DURATION: Duration = Duration::from_secs(2 * 60 * 60);

/// A piece whose loudness is one number: 10 ms of samples.
const PIECE: usize = OPUS_RATE as usize / 100;

/// As many pieces as the longest voice note has.
const MAX_PIECES: usize = 2 * 60 * 60 * 100;

/// What a player shows of a voice note.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VoiceNote {
    /// How long it is.
    pub duration: Duration,
    /// How loud it is over its time, from 0 to 100; the loudest part has 100.
    pub waveform: [u8; VALUES],
}

impl fmt::Debug for VoiceNote {
    /// Without the waveform: one sees in it where somebody speaks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceNote").field("duration", &self.duration).finish_non_exhaustive()
    }
}

/// No waveform of a sound. It can be sent without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaveformError {
    /// The file cannot be read.
    #[error("the sound cannot be read")]
    Read(#[source] io::Error),
    /// It is no Opus in Ogg, of one or two channels. Voice notes are; convert it.
    #[error("a voice note is Opus in Ogg")]
    NoVoiceNote,
    /// It is damaged.
    #[error("the sound is damaged")]
    Malformed,
    /// It is longer than [`MAX_DURATION`].
    #[error("the sound is too long for a voice note")]
    TooLong,
    /// There is nothing to be heard in it.
    #[error("the sound is empty")]
    Empty,
}

impl From<OggError> for WaveformError {
    fn from(error: OggError) -> Self {
        match error {
            OggError::Read(error) => Self::Read(error),
            OggError::Malformed => Self::Malformed,
            OggError::TooLarge => Self::TooLong,
        }
    }
}

/// Decodes a voice note, Opus in Ogg, and tells how long and how loud it is.
///
/// It computes while it is called: a second for some minutes of speech, and ten times that for music; in an asynchronous
/// program it belongs into `spawn_blocking`. It takes about 3 MiB for the longest.
///
/// # Errors
/// [`WaveformError`].
pub fn voice_note(file: impl Read) -> Result<VoiceNote, WaveformError> {
    let mut packets = Packets::new(BufReader::new(file));
    let head = packets.next()?.unwrap_or_default();
    let pre_skip = opus_pre_skip(&head).filter(|_| is_simple(&head)).ok_or(WaveformError::NoVoiceNote)?;
    // What encoders say of themselves.
    packets.next()?;
    let mut decoder = OpusDecoder::new(1);
    let mut loudness = Loudness { skip: pre_skip.into(), ..Loudness::default() };
    while let Some(packet) = packets.next()? {
        // Nothing was sent while nobody spoke.
        if packet.is_empty() {
            continue;
        }
        let samples = decoder.decode_packet(&packet).map_err(|_| WaveformError::Malformed)?;
        loudness.add(&samples)?;
    }
    let heard = loudness.samples;
    // The last page says where the sound ends within the last packet.
    let told = packets.position().map(|position| position.saturating_sub(pre_skip.into()));
    let samples = told.filter(|told| *told > 0 && *told < heard).unwrap_or(heard);
    if samples == 0 {
        return Err(WaveformError::Empty);
    }
    let rate = u64::from(OPUS_RATE);
    let duration =
        Duration::from_secs(samples / rate) + Duration::from_nanos(samples % rate * 1_000_000_000 / rate);
    Ok(VoiceNote { duration, waveform: loudness.waveform() })
}

/// One or two channels in one stream.
fn is_simple(head: &[u8]) -> bool {
    matches!(head.get(9), Some(1 | 2)) && head.get(18) == Some(&0)
}

/// How loud each piece was so far.
#[derive(Default)]
struct Loudness {
    /// How many samples are not to be heard.
    skip: usize,
    samples: u64,
    pieces: Vec<f32>,
    /// The piece that is not full yet: the sum of its samples, and how many there are.
    sum: f32,
    count: usize,
}

impl Loudness {
    fn add(&mut self, samples: &[f32]) -> Result<(), WaveformError> {
        let skipped = self.skip.min(samples.len());
        self.skip -= skipped;
        for sample in samples.get(skipped..).unwrap_or_default() {
            self.samples += 1;
            self.sum += if sample.is_finite() { sample.abs() } else { 0.0 };
            self.count += 1;
            if self.count == PIECE {
                self.end_piece();
            }
        }
        if self.pieces.len() > MAX_PIECES { Err(WaveformError::TooLong) } else { Ok(()) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a piece has 480 samples")]
    fn end_piece(&mut self) {
        self.pieces.push(self.sum / self.count as f32);
        (self.sum, self.count) = (0.0, 0);
    }

    /// The mean of each 64th part, against the loudest.
    fn waveform(mut self) -> [u8; VALUES] {
        if self.count > 0 {
            self.end_piece();
        }
        let count = self.pieces.len();
        let means: [f32; VALUES] = std::array::from_fn(|index| {
            let start = index * count / VALUES;
            let end = ((index + 1) * count / VALUES).max(start + 1);
            mean(self.pieces.get(start..end.min(count)).unwrap_or_default())
        });
        let loudest = means.iter().copied().fold(0.0, f32::max);
        means.map(|mean| scaled(mean, loudest))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a part of two hours has some ten thousand pieces")]
fn mean(pieces: &[f32]) -> f32 {
    pieces.iter().sum::<f32>() / pieces.len().max(1) as f32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
fn scaled(mean: f32, loudest: f32) -> u8 {
    if loudest > 0.0 { (mean / loudest * LOUDEST).round().clamp(0.0, LOUDEST) as u8 } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::ogg::tests::{opus_head, page};
    use super::*;

    /// Three seconds of two tones: soft, then loud, then in between. Made with another encoder than the decoder here.
    const NOTE: &[u8] = include_bytes!("../../tests/media/voice-note.ogg");

    #[test]
    fn a_voice_note_says_how_long_and_how_loud_it_is() {
        let note = voice_note(NOTE).unwrap();
        assert_eq!(note.duration, Duration::from_secs(3));
        // Away from the seams, each third is as loud as the tones were: 0.1, 0.8 and 0.3.
        for (range, expected) in [(2..20, 8..=18), (23..41, 75..=100), (45..62, 28..=48)] {
            let part = &note.waveform[range];
            assert!(part.iter().all(|value| expected.contains(value)), "{expected:?}: {part:?}");
        }
        assert!(note.waveform.contains(&100));
    }

    #[test]
    fn a_short_note_has_all_values_as_well() {
        let mut packets = Packets::new(NOTE);
        let all: Vec<_> = std::iter::from_fn(|| packets.next().unwrap()).collect();
        let sound = all[2..].iter().max_by_key(|packet| packet.len()).unwrap();
        let file = [page(1, 0, &[&opus_head(1, 0, 0)]), page(1, 0, &[b"OpusTags"]), page(1, 480, &[sound])];
        let note = voice_note(Cursor::new(file.concat())).unwrap();
        assert_eq!(note.duration, Duration::from_millis(10));
        assert!(note.waveform.contains(&100));
    }

    #[test]
    fn what_is_no_voice_note_is_refused_with_its_cause() {
        let file = |head: &[u8], packet: &[u8]| {
            [page(1, 0, &[head]), page(1, 0, &[b"OpusTags"]), page(1, 480, &[packet])].concat()
        };
        for (bytes, expected) in [
            (Vec::new(), "NoVoiceNote"),
            (b"ID3".to_vec(), "Malformed"),
            (file(b"\x01vorbis", b"x"), "NoVoiceNote"),
            (file(&opus_head(6, 0, 1), b"x"), "NoVoiceNote"),
            (file(&opus_head(1, 0, 0), b""), "Empty"),
            // Two frames of the same length in an odd number of bytes.
            (file(&opus_head(1, 0, 0), &[1, 0, 0, 0]), "Malformed"),
            (NOTE[..NOTE.len() - 1].to_vec(), "Malformed"),
        ] {
            assert_eq!(format!("{:?}", voice_note(Cursor::new(bytes)).unwrap_err()), expected);
        }
    }

    #[test]
    fn two_hours_are_the_most() {
        let mut loudness = Loudness::default();
        let minute = vec![0.5; OPUS_RATE as usize * 60];
        for _ in 0..120 {
            loudness.add(&minute).unwrap();
        }
        assert!(matches!(loudness.add(&minute), Err(WaveformError::TooLong)));
        assert_eq!(loudness.waveform(), [100; VALUES]);
        assert_eq!(Loudness::default().waveform(), [0; VALUES]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn any_packet_is_decoded_or_refused(packets in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..120), 1..4,
        )) {
            let packets: Vec<_> = packets.iter().map(Vec::as_slice).collect();
            let head = opus_head(1, 0, 0);
            let file = [page(1, 0, &[&head]), page(1, 0, &[b""]), page(1, 960, &packets)].concat();
            let _ = voice_note(Cursor::new(file));
        }

        #[test]
        fn any_damage_is_decoded_or_refused(
            places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let mut note = NOTE.to_vec();
            for (place, byte) in places {
                let place = place.index(note.len());
                note[place] = byte;
            }
            let _ = voice_note(Cursor::new(note));
        }
    }
}
