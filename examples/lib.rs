//! What the examples share.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The text as a QR code in blocks, for a terminal.
///
/// # Errors
/// When the text is too long for any QR code.
pub fn qr_blocks(text: &str) -> Result<String, qrcode::types::QrError> {
    let code = QrCode::with_error_correction_level(text, qrcode::EcLevel::L)?;
    Ok(code.render::<Dense1x2>().quiet_zone(true).build())
}

/// The quick start of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
