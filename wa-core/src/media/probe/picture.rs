//! Pictures: JPEG, PNG and WebP.

use std::fmt;
use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use super::ProbeError;
use crate::media::webp::WebpHead;

/// How many pixels a picture may have that is decoded.
pub const MAX_PIXELS: u64 = 40_000_000;

/// How many bytes a decoder may take for itself, beside the picture.
const MAX_ALLOC: u64 = 256 << 20;

/// How good a thumbnail is, of 100.
const QUALITY: u8 = 80;

/// What a picture says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureInfo {
    /// Its media type.
    pub mimetype: &'static str,
    /// Width and height in pixels, as it is shown: a picture that lies on its side is turned.
    pub size: (u32, u32),
    /// It moves: a WebP of several frames.
    pub is_animated: bool,
}

/// A small JPEG.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thumbnail {
    /// The file.
    pub jpeg: Vec<u8>,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbnail({} by {}, {} bytes)", self.width, self.height, self.jpeg.len())
    }
}

/// Reads what a JPEG, PNG or WebP says of itself, without decoding it.
///
/// # Errors
/// [`ProbeError::Unknown`], [`ProbeError::Malformed`], [`ProbeError::TooLarge`].
pub fn picture(file: &[u8]) -> Result<PictureInfo, ProbeError> {
    let (mut decoder, format) = decoder(file, MAX_PIXELS)?;
    let orientation = decoder.orientation().map_err(|error| fault(&error))?;
    Ok(info(file, format, turned(decoder.dimensions(), orientation)))
}

/// A decoded picture, of which thumbnails are made. Of one that moves, the first frame.
#[derive(Clone)]
pub struct Picture {
    image: DynamicImage,
    info: PictureInfo,
}

impl Picture {
    /// Decodes a JPEG, PNG or WebP of at most [`MAX_PIXELS`].
    ///
    /// It takes some nanoseconds per pixel, and up to 12 bytes.
    ///
    /// # Errors
    /// [`ProbeError::Unknown`], [`ProbeError::Malformed`], [`ProbeError::TooLarge`].
    pub fn decode(file: &[u8]) -> Result<Self, ProbeError> {
        Self::decode_up_to(file, MAX_PIXELS)
    }

    /// As [`Self::decode`], of at most so many pixels.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_up_to(file: &[u8], max_pixels: u64) -> Result<Self, ProbeError> {
        let (mut decoder, format) = decoder(file, max_pixels)?;
        let orientation = decoder.orientation().map_err(|error| fault(&error))?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(|error| fault(&error))?;
        image.apply_orientation(orientation);
        let info = info(file, format, (image.width(), image.height()));
        Ok(Self { image, info })
    }

    /// What it says of itself.
    #[must_use]
    pub const fn info(&self) -> PictureInfo {
        self.info
    }

    /// A JPEG that fits into a square of so many pixels; no larger than the picture is. What shines through becomes
    /// white. About 100 are right for the thumbnail in a message, which then has a few KiB.
    #[must_use]
    pub fn thumbnail(&self, side: u32) -> Thumbnail {
        let side = side.max(1);
        let is_small = self.image.width() <= side && self.image.height() <= side;
        let small =
            if is_small { self.image.to_rgba8() } else { self.image.thumbnail(side, side).to_rgba8() };
        let (width, height) = small.dimensions();
        let opaque = small.pixels().flat_map(|pixel| {
            let [colours @ .., alpha] = pixel.0;
            colours.map(|colour| on_white(colour, alpha))
        });
        let opaque = RgbImage::from_raw(width, height, opaque.collect()).expect("three bytes for each pixel");
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
            .encode_image(&opaque)
            .expect("a JPEG has up to 65,535 pixels a side, and so had the picture");
        Thumbnail { jpeg, width, height }
    }

    /// As [`Self::thumbnail`], as a PNG that may shine through: for the thumbnail of a sticker.
    #[must_use]
    pub fn png_thumbnail(&self, side: u32) -> Vec<u8> {
        let small = self.image.thumbnail(side.max(1), side.max(1)).to_rgba8();
        let mut png = Cursor::new(Vec::new());
        small.write_to(&mut png, ImageFormat::Png).expect("writing to memory works");
        png.into_inner()
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Picture").field("info", &self.info).finish_non_exhaustive()
    }
}

fn decoder(file: &[u8], max_pixels: u64) -> Result<(impl ImageDecoder, ImageFormat), ProbeError> {
    let mut reader = ImageReader::new(Cursor::new(file)).with_guessed_format()?;
    let format = reader.format().filter(|format| mimetype(*format).is_some()).ok_or(ProbeError::Unknown)?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOC);
    // As a JPEG can have, which thumbnails become.
    limits.max_image_width = Some(u16::MAX.into());
    limits.max_image_height = Some(u16::MAX.into());
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| fault(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(ProbeError::TooLarge);
    }
    if width == 0 || height == 0 {
        return Err(ProbeError::Malformed);
    }
    Ok((decoder, format))
}

fn info(file: &[u8], format: ImageFormat, size: (u32, u32)) -> PictureInfo {
    PictureInfo {
        mimetype: mimetype(format).unwrap_or_default(),
        size,
        is_animated: WebpHead::read(file).is_some_and(|head| head.is_animated),
    }
}

const fn mimetype(format: ImageFormat) -> Option<&'static str> {
    Some(match format {
        ImageFormat::Jpeg => "image/jpeg",
        ImageFormat::Png => "image/png",
        ImageFormat::WebP => "image/webp",
        _ => return None,
    })
}

const fn turned((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        _ => (width, height),
    }
}

fn on_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u16::from(colour), u16::from(alpha));
    let mixed = (colour * alpha + 255 * (255 - alpha)) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

const fn fault(error: &ImageError) -> ProbeError {
    match error {
        ImageError::Limits(_) => ProbeError::TooLarge,
        ImageError::Unsupported(_) => ProbeError::Unknown,
        _ => ProbeError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;

    /// Red on the left, nothing on the right.
    fn half(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, _| Rgba([255, 0, 0, if x < width / 2 { 255 } else { 0 }]))
    }

    fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        image.into().write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        file(DynamicImage::from(half(width, height)).to_rgb8(), ImageFormat::Jpeg)
    }

    /// A WebP that moves, with this still one as its only frame.
    fn animated(still: &[u8], width: u8, height: u8) -> Vec<u8> {
        let image = &still[12..];
        let frame = [&[0; 6][..], &[width - 1, 0, 0, height - 1, 0, 0, 100, 0, 0, 0], image].concat();
        let chunk = |kind: &[u8], body: &[u8]| {
            [kind, &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
        };
        let head = chunk(b"VP8X", &[0b1_0010, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0]);
        let body = [b"WEBP".to_vec(), head, chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame)].concat();
        chunk(b"RIFF", &body)
    }

    #[test]
    fn pictures_say_what_they_are() {
        let webp = file(half(30, 20), ImageFormat::WebP);
        for (file, mimetype, is_animated) in [
            (jpeg(30, 20), "image/jpeg", false),
            (file(half(30, 20), ImageFormat::Png), "image/png", false),
            (webp.clone(), "image/webp", false),
            (animated(&webp, 30, 20), "image/webp", true),
        ] {
            let expected = PictureInfo { mimetype, size: (30, 20), is_animated };
            assert_eq!(picture(&file).unwrap(), expected);
            assert_eq!(Picture::decode(&file).unwrap().info(), expected);
        }
    }

    #[test]
    fn a_thumbnail_is_small_and_keeps_the_shape() {
        for file in [jpeg(400, 200), file(half(400, 200), ImageFormat::WebP)] {
            let thumbnail = Picture::decode(&file).unwrap().thumbnail(100);
            assert_eq!((thumbnail.width, thumbnail.height), (100, 50));
            assert!(thumbnail.jpeg.len() < 4096, "{} bytes", thumbnail.jpeg.len());
            assert_eq!(picture(&thumbnail.jpeg).unwrap().size, (100, 50));
            // A picture is not made larger.
            let thumbnail = Picture::decode(&thumbnail.jpeg).unwrap().thumbnail(1000);
            assert_eq!((thumbnail.width, thumbnail.height), (100, 50));
        }
        let line = Picture::decode(&file(half(1000, 1), ImageFormat::Png)).unwrap().thumbnail(50);
        assert_eq!((line.width, line.height), (50, 1));
    }

    #[test]
    fn what_shines_through_becomes_white_in_a_jpeg_and_stays_in_a_png() {
        let webp = file(half(512, 512), ImageFormat::WebP);
        for sticker in [animated(&file(half(200, 200), ImageFormat::WebP), 200, 200), webp] {
            let sticker = Picture::decode(&sticker).unwrap();
            let thumbnail = image::load_from_memory(&sticker.thumbnail(64).jpeg).unwrap().to_rgb8();
            let [left, right] = [8, 56].map(|x| thumbnail.get_pixel(x, 32).0);
            assert!(left[0] > 240 && left[1] < 15 && right.iter().all(|colour| *colour > 240));
            let png = image::load_from_memory(&sticker.png_thumbnail(64)).unwrap().to_rgba8();
            assert_eq!([8, 56].map(|x| png.get_pixel(x, 32).0[3]), [255, 0]);
        }
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_turned() {
        // A block of Exif data behind the first mark: big endian, one entry, orientation 6.
        let exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let plain = jpeg(40, 20);
        let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
        let turned = [&plain[..2], &[0xFF, 0xE1], &length, exif, &plain[2..]].concat();
        assert_eq!(picture(&turned).unwrap().size, (20, 40));
        assert_eq!(Picture::decode(&turned).unwrap().info().size, (20, 40));
    }

    /// A PNG that says it is larger than it is.
    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let mut png = file(half(2, 2), ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        png
    }

    #[test]
    fn what_is_too_large_or_no_picture_is_refused_before_it_is_decoded() {
        for (width, height) in [(60_000, 60_000), (100_000, 1), (u32::MAX >> 1, u32::MAX >> 1)] {
            let error = Picture::decode(&png_of(width, height)).unwrap_err();
            assert!(matches!(error, ProbeError::TooLarge), "{error:?}");
            assert!(matches!(picture(&png_of(width, height)), Err(ProbeError::TooLarge)));
        }
        assert!(matches!(Picture::decode_up_to(&jpeg(30, 20), 599), Err(ProbeError::TooLarge)));
        assert!(Picture::decode_up_to(&jpeg(30, 20), 600).is_ok());
        assert!(matches!(Picture::decode(&png_of(2000, 2000)), Err(ProbeError::Malformed)));
        for bytes in [&b""[..], b"hello", b"GIF89a\x01\0\x01\0\0\0\0"] {
            assert!(matches!(picture(bytes), Err(ProbeError::Unknown)));
        }
        assert!(matches!(Picture::decode(&jpeg(30, 20)[..40]), Err(ProbeError::Malformed)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_damage_is_read_or_refused(
            format in prop_oneof![Just(ImageFormat::Jpeg), Just(ImageFormat::Png), Just(ImageFormat::WebP)],
            places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
            cut in any::<proptest::sample::Index>(),
        ) {
            let mut bytes = match format {
                ImageFormat::Jpeg => jpeg(64, 48),
                other => file(half(64, 48), other),
            };
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
                let _ = picture(bytes);
                if let Ok(picture) = Picture::decode_up_to(bytes, 1 << 20) {
                    let _ = picture.thumbnail(32);
                }
            }
        }
    }
}
