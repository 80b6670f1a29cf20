//! QR codes as pictures.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};
use qrcode::{Color, EcLevel, QrCode};

/// White around the code, in modules, as readers want it.
const QUIET: u32 = 4;
/// Pixels of a module.
const SCALE: u32 = 6;

/// A text as a QR code.
pub(crate) struct Picture {
    code: QrCode,
}

impl Picture {
    /// `None` for a text that is too long for a code.
    pub(crate) fn of(text: &str) -> Option<Self> {
        QrCode::with_error_correction_level(text, EcLevel::L).ok().map(|code| Self { code })
    }

    fn width(&self) -> u32 {
        u32::try_from(self.code.width()).unwrap_or(0)
    }

    fn is_dark(&self, x: u32, y: u32) -> bool {
        let inside = |at: u32| at.checked_sub(QUIET).filter(|at| *at < self.width());
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return false };
        self.code[(x as usize, y as usize)] == Color::Dark
    }

    /// As PNG.
    pub(crate) fn png(&self) -> Vec<u8> {
        let side = (self.width() + 2 * QUIET) * SCALE;
        let picture = GrayImage::from_fn(side, side, |x, y| {
            Luma([if self.is_dark(x / SCALE, y / SCALE) { 0 } else { 255 }])
        });
        let mut bytes = Cursor::new(Vec::new());
        // Writing to memory does not fail.
        let _ = picture.write_to(&mut bytes, ImageFormat::Png);
        bytes.into_inner()
    }

    /// As SVG.
    pub(crate) fn svg(&self) -> String {
        use std::fmt::Write as _;
        let side = self.width() + 2 * QUIET;
        let mut path = String::new();
        for y in 0..side {
            for x in (0..side).filter(|x| self.is_dark(*x, y)) {
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{path}"/></svg>"##
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_picture_of_its_size() {
        let picture = Picture::of("2@abc,def,ghi,1").unwrap();
        let side = (picture.width() + 8) * 6;
        let read = image::load_from_memory(&picture.png()).unwrap();
        assert_eq!((read.width(), read.height()), (side, side));
        assert!(picture.svg().starts_with("<svg "));
        assert!(Picture::of(&"x".repeat(5000)).is_none());
    }
}
