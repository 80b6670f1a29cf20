//! The head of a WebP file: what a sticker is, without decoding it.

/// What the head of a WebP file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebpHead {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// It moves.
    pub is_animated: bool,
}

/// How many bytes of a file say what it is.
const HEAD: usize = 30;

/// Marks a file as moving, in the flags of an extended one.
const ANIMATION: u8 = 0b10;

impl WebpHead {
    /// Reads the first 30 bytes of a file; `None` if it is no WebP.
    #[must_use]
    pub fn read(file: &[u8]) -> Option<Self> {
        let head: &[u8; HEAD] = file.first_chunk()?;
        let (riff, rest) = head.split_first_chunk::<8>()?;
        let (kind, rest) = rest.split_first_chunk::<8>()?;
        if !riff.starts_with(b"RIFF") || !kind.starts_with(b"WEBP") {
            return None;
        }
        // What follows is the first chunk: four bytes of length, then what it says.
        let [_, _, _, _, a, b, c, d, e, f, g, h, i, j] = *rest.first_chunk::<14>()?;
        let word = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
        match kind.last_chunk::<4>()? {
            // One less than each, in 24 bits.
            b"VP8X" => Some(Self {
                width: 1 + (word(e, f) | u32::from(g) << 16),
                height: 1 + (word(h, i) | u32::from(j) << 16),
                is_animated: a & ANIMATION != 0,
            }),
            // One less than each, in 14 bits, after a mark.
            b"VP8L" if a == 0x2F => {
                let bits = u32::from_le_bytes([b, c, d, e]);
                let (width, height) = (1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF));
                Some(Self { width, height, is_animated: false })
            }
            // A key frame begins so; the upper two bits ask for scaling.
            b"VP8 " if [d, e, f] == [0x9D, 0x01, 0x2A] => {
                let (width, height) = (word(g, h) & 0x3FFF, word(i, j) & 0x3FFF);
                (width > 0 && height > 0).then_some(Self { width, height, is_animated: false })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The head of a WebP file with one chunk of this kind.
    fn head(kind: &[u8; 4], chunk: &[u8]) -> Vec<u8> {
        let mut file = [b"RIFF\0\0\0\0WEBP", kind.as_slice(), &[0; 4], chunk].concat();
        file.resize(HEAD.max(file.len()), 0);
        file
    }

    /// What passes as a sticker of 512 by 512 pixels; the mark tells one from another.
    pub(crate) fn sticker(is_animated: bool, mark: u8) -> Vec<u8> {
        let flags = if is_animated { ANIMATION } else { 0 };
        let mut file = head(b"VP8X", &[flags, 0, 0, 0, 0xFF, 1, 0, 0xFF, 1, 0]);
        file.extend([mark; 40]);
        file
    }

    #[test]
    fn each_kind_of_webp_says_how_large_it_is() {
        let (still, moving) = (sticker(false, 1), sticker(true, 1));
        let bits = (99_u32 | 49 << 14).to_le_bytes();
        let lossless = head(b"VP8L", &[&[0x2F][..], &bits].concat());
        let lossy = head(b"VP8 ", &[0, 0, 0, 0x9D, 0x01, 0x2A, 100, 0x40, 50, 0]);
        for (file, width, height, is_animated) in [
            (still, 512, 512, false),
            (moving, 512, 512, true),
            (lossless, 100, 50, false),
            (lossy, 100, 50, false),
        ] {
            assert_eq!(WebpHead::read(&file), Some(WebpHead { width, height, is_animated }));
        }
    }

    #[test]
    fn what_is_no_webp_is_told() {
        let cut = sticker(false, 1)[..HEAD - 1].to_vec();
        for file in [Vec::new(), cut, vec![0; 40], head(b"ICCP", &[0; 10]), head(b"VP8L", &[0; 10])] {
            assert_eq!(WebpHead::read(&file), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = WebpHead::read(&bytes);
            for kind in [b"VP8X", b"VP8L", b"VP8 "] {
                let _ = WebpHead::read(&head(kind, &bytes));
            }
        }
    }
}
