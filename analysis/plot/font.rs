//! Sets text as outlines: the same image everywhere, with no font on the reader's machine.
//!
//! Marks in a text: `^{…}` raises, `_{…}` lowers, and a circumflex (U+0302) stands over the letter before it, as in λ̂.

use std::fmt::Write as _;

use ttf_parser::{Face, GlyphId, OutlineBuilder, Rect};

/// Which of the two fonts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Regular,
    Bold,
}

/// The fonts of the program (Inter, under the SIL Open Font License, font/OFL.txt).
pub struct Fonts {
    regular: Face<'static>,
    bold: Face<'static>,
}

/// One glyph of a text, in units of the text's size from its start; y points up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    pub glyph: u16,
    pub x: f64,
    pub y: f64,
    /// Size against the text's.
    pub scale: f64,
}

/// A text that has been set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Laid {
    pub glyphs: Vec<Placed>,
    /// In units of the text's size.
    pub width: f64,
}

/// Size, and shift against the text's size, of raised and lowered text.
const RAISED: (f64, f64) = (0.7, 0.36);
const LOWERED: (f64, f64) = (0.7, -0.14);
/// Between a letter and the circumflex above it.
const ACCENT_GAP: f64 = 0.035;
const CIRCUMFLEX: char = '\u{302}';

impl Fonts {
    /// Reads the fonts.
    pub fn new() -> Self {
        // The files are part of the program, and the tests below read them.
        let read = |bytes| Face::parse(bytes, 0).expect("the program's own font is readable");
        Self {
            regular: read(include_bytes!("font/Inter-Regular.otf")),
            bold: read(include_bytes!("font/Inter-SemiBold.otf")),
        }
    }

    fn face(&self, weight: Weight) -> &Face<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// Units of outlines in one size of text.
    pub fn units(&self, weight: Weight) -> f64 {
        f64::from(self.face(weight).units_per_em())
    }

    /// Sets `text` in one line.
    pub fn lay(&self, weight: Weight, text: &str) -> Laid {
        let face = self.face(weight);
        let units = self.units(weight);
        let mut laid = Laid::default();
        let mut style = (1.0, 0.0);
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek()) {
                ('^', Some('{')) | ('_', Some('{')) => {
                    style = if character == '^' { RAISED } else { LOWERED };
                    characters.next();
                    continue;
                }
                ('}', _) if style.0 < 1.0 => {
                    style = (1.0, 0.0);
                    continue;
                }
                (CIRCUMFLEX, _) => {
                    laid.glyphs.extend(accent(face, laid.glyphs.last()));
                    continue;
                }
                _ => {}
            }
            let glyph = face.glyph_index(character).unwrap_or(GlyphId(0));
            laid.glyphs.push(Placed { glyph: glyph.0, x: laid.width, y: style.1, scale: style.0 });
            laid.width += style.0 * f64::from(face.glyph_hor_advance(glyph).unwrap_or(0)) / units;
        }
        laid
    }

    /// Width of `text` at `size`.
    pub fn width(&self, weight: Weight, size: f64, text: &str) -> f64 {
        size * self.lay(weight, text).width
    }

    /// `text` at `size`, without what is too much for `width`, for which an ellipsis stands.
    pub fn shortened(&self, weight: Weight, size: f64, text: &str, width: f64) -> String {
        if self.width(weight, size, text) <= width {
            return text.to_owned();
        }
        // A mark is not torn: neither what is raised or lowered, nor a letter from its circumflex.
        let is_whole = |cut: &usize| {
            let (before, after) = text.split_at(*cut);
            let is_marked = before.ends_with(['^', '_']) && after.starts_with('{');
            before.matches('{').count() == before.matches('}').count() && !is_marked && !after.starts_with(CIRCUMFLEX)
        };
        let cuts = text.char_indices().map(|(cut, _)| cut).filter(is_whole);
        let shortened = cuts.map(|cut| format!("{}…", text[..cut].trim_end()));
        let fits = |text: &String| self.width(weight, size, text) <= width;
        shortened.take_while(fits).last().unwrap_or_else(|| "…".to_owned())
    }

    /// The outline of a glyph as an SVG path, in font units with y up; empty for a space.
    pub fn outline(&self, weight: Weight, glyph: u16) -> String {
        let mut path = PathText::default();
        self.face(weight).outline_glyph(GlyphId(glyph), &mut path);
        path.0
    }
}

/// The circumflex centred over the glyph `below`.
fn accent(face: &Face, below: Option<&Placed>) -> Option<Placed> {
    let (below, glyph) = (below?, face.glyph_index(CIRCUMFLEX)?);
    let units = f64::from(face.units_per_em());
    let (letter, hat) = (face.glyph_bounding_box(GlyphId(below.glyph))?, face.glyph_bounding_box(glyph)?);
    let centre = |r: Rect| f64::from(r.x_min + r.x_max) / 2.0;
    let x = below.x + below.scale * (centre(letter) - centre(hat)) / units;
    let y = below.y + below.scale * (f64::from(letter.y_max - hat.y_min) / units + ACCENT_GAP);
    Some(Placed { glyph: glyph.0, x, y, scale: below.scale })
}

/// Collects an outline as the text of an SVG path.
#[derive(Default)]
struct PathText(String);

impl PathText {
    fn push(&mut self, command: char, numbers: &[f32]) {
        self.0.push(command);
        for (i, number) in numbers.iter().enumerate() {
            // Writing to a String can't fail.
            let _ = write!(self.0, "{}{}", if i > 0 { " " } else { "" }, number.round());
        }
    }
}

impl OutlineBuilder for PathText {
    fn move_to(&mut self, x: f32, y: f32) {
        self.push('M', &[x, y]);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.push('L', &[x, y]);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.push('Q', &[x1, y1, x, y]);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.push('C', &[x1, y1, x2, y2, x, y]);
    }
    fn close(&mut self) {
        self.0.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_that_figures_use_is_in_both_fonts() {
        let fonts = Fonts::new();
        for weight in [Weight::Regular, Weight::Bold] {
            for character in "λβγεημ×−±·≤≥→‖²√–—…%|^_{}0123456789".chars() {
                assert!(fonts.face(weight).glyph_index(character).is_some(), "{character} {weight:?}");
            }
        }
    }

    #[test]
    fn a_circumflex_stands_over_its_letter_and_takes_no_width() {
        let fonts = Fonts::new();
        let (plain, hat) = (fonts.lay(Weight::Regular, "λ="), fonts.lay(Weight::Regular, "λ̂="));
        assert_eq!(plain.width, hat.width);
        assert_eq!(hat.glyphs.len(), 3);
        assert!(hat.glyphs[1].y > 0.0, "raised by {}", hat.glyphs[1].y);
    }

    #[test]
    fn what_is_too_long_ends_in_an_ellipsis_and_what_fits_is_left_alone() {
        let fonts = Fonts::new();
        let name = "mnist_3_7_permuted_labels_accuracy_loss";
        let whole = fonts.width(Weight::Bold, 13.0, name);
        assert_eq!(fonts.shortened(Weight::Bold, 13.0, name, whole), name);
        let short = fonts.shortened(Weight::Bold, 13.0, name, whole / 2.0);
        assert!(short.ends_with('…') && name.starts_with(short.trim_end_matches('…')), "{short}");
        let width = fonts.width(Weight::Bold, 13.0, &short);
        assert!(width <= whole / 2.0 && width > 0.4 * whole, "{width} of {whole}");
        assert_eq!(fonts.shortened(Weight::Bold, 13.0, name, 0.0), "…");
        let marked = "λ̂^{10}_{ab}, n";
        let whole = fonts.width(Weight::Bold, 13.0, marked);
        for share in 1..40 {
            let short = fonts.shortened(Weight::Bold, 13.0, marked, whole * f64::from(share) / 40.0);
            assert!(["…", "λ̂…", "λ̂^{10}…", "λ̂^{10}_{ab}…", "λ̂^{10}_{ab},…"].contains(&short.as_str()), "{short}");
        }
    }

    #[test]
    fn exponents_are_smaller_and_higher() {
        let laid = Fonts::new().lay(Weight::Regular, "10^{4}");
        assert_eq!(laid.glyphs.len(), 3);
        assert!(laid.glyphs[2].scale < 1.0 && laid.glyphs[2].y > 0.0 && laid.glyphs[1].y == 0.0);
    }
}
