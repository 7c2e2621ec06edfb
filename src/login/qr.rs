//! An address as a QR code for a terminal: light blocks on the dark ground that most terminals have.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

pub use crate::protocol::Qr;

/// Widest code that is drawn, in columns, quiet zone included: more would not fit beside a person's text.
const MAX_WIDTH: usize = 72;

impl Qr {
    /// The code of `address`; `None` if it gets too large for a terminal.
    pub fn of(address: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(address, EcLevel::L).ok()?;
        let drawn = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        let lines: Vec<String> = drawn.lines().map(str::to_owned).collect();
        let fits = lines.iter().all(|line| line.chars().count() <= MAX_WIDTH);
        fits.then_some(Self::from_lines(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_square_and_of_half_blocks() {
        let qr = Qr::of("https://github.com/login/device").unwrap();
        let widths: Vec<usize> = qr.lines().iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]));
        assert!((widths.len() * 2).abs_diff(widths[0]) <= 1, "{} × {}", widths.len(), widths[0]);
        assert!(qr.lines().concat().chars().all(|c| " █▀▄".contains(c)));
        assert_eq!(format!("{qr:?}"), "Qr(…)");
    }

    #[test]
    fn is_left_out_where_it_would_not_fit() {
        assert_eq!(Qr::of(&"x".repeat(1_000)), None);
        assert_eq!(Qr::of(&"x".repeat(100_000)), None);
    }
}
