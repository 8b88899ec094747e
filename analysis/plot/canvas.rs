//! Writes SVG: shapes, and text as outlines that are defined once.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::font::{Fonts, Weight};
use super::paint::{Paint, dark_style};

/// Where a text stands against its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct TextStyle {
    pub size: f64,
    pub weight: Weight,
    pub paint: Paint,
    pub anchor: Anchor,
    /// Read from below, a quarter turn to the left.
    pub is_turned: bool,
}

impl TextStyle {
    /// Regular text of the figure's ink, from its start.
    pub fn new(size: f64) -> Self {
        Self { size, weight: Weight::Regular, paint: Paint::Ink, anchor: Anchor::Start, is_turned: false }
    }
}

/// The glyphs that texts have used, which their images define once.
pub type Glyphs = BTreeSet<(Weight, u16)>;

/// Where shapes are drawn: y points down, in pixels.
pub struct Canvas {
    pub fonts: Fonts,
    body: String,
    glyphs: Glyphs,
    /// Distinguishes this image's clips from those of other images on one page.
    name: String,
    num_clips: usize,
}

/// A number with two decimals at most.
pub fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// `text` for use as text in XML or HTML: no character of it is taken for markup, and none is one that XML forbids.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

impl Canvas {
    /// Starts empty. `name` is of letters, digits and hyphens, and differs between the images of one page.
    pub fn new(name: &str) -> Self {
        Self { fonts: Fonts::new(), body: String::new(), glyphs: Glyphs::new(), name: name.to_owned(), num_clips: 0 }
    }

    /// A rectangle of one colour.
    pub fn rectangle(&mut self, [x, y, width, height]: [f64; 4], paint: Paint, opacity: f64) {
        self.push(&format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" {}{}/>",
            short(x),
            short(y),
            short(width.max(0.0)),
            short(height.max(0.0)),
            paint.fill(),
            opaque("fill", opacity)
        ));
    }

    /// A straight line.
    pub fn line(&mut self, from: [f64; 2], to: [f64; 2], paint: Paint, width: f64) {
        self.path(&[from, to], paint, width, "", 1.0);
    }

    /// A line through `points`. `dashes` are lengths such as "4 3", or empty.
    pub fn path(&mut self, points: &[[f64; 2]], paint: Paint, width: f64, dashes: &str, opacity: f64) {
        let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
        self.push(&format!(
            "<path d=\"{}\" {} stroke-width=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes}{}/>",
            path_data(points),
            paint.stroke(),
            short(width),
            opaque("stroke", opacity)
        ));
    }

    /// A filled polygon.
    pub fn polygon(&mut self, points: &[[f64; 2]], paint: Paint, opacity: f64) {
        self.push(&format!("<path d=\"{}Z\" {}{}/>", path_data(points), paint.fill(), opaque("fill", opacity)));
    }

    /// The area inside an odd number of `rings`.
    pub fn region(&mut self, rings: &[Vec<[f64; 2]>], paint: Paint) {
        let data: String = rings.iter().map(|ring| format!("{}Z", path_data(ring))).collect();
        self.push(&format!("<path d=\"{data}\" fill-rule=\"evenodd\" {}/>", paint.fill()));
    }

    /// A disc, or a ring where it is `hollow`.
    pub fn circle(&mut self, [x, y]: [f64; 2], radius: f64, paint: Paint, hollow: bool, opacity: f64) {
        let look = if hollow {
            format!("{} stroke-width=\"1.4\"", paint.outline())
        } else {
            format!("{}{}", paint.fill(), opaque("fill", opacity))
        };
        self.push(&format!("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {look}/>", short(x), short(y), short(radius)));
    }

    /// A text whose line stands on `at`.
    pub fn text(&mut self, [x, y]: [f64; 2], style: TextStyle, text: &str) {
        let laid = self.fonts.lay(style.weight, text);
        let units = self.fonts.units(style.weight);
        let start = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -laid.width / 2.0,
            Anchor::End => -laid.width,
        };
        let turn = if style.is_turned { " rotate(-90)" } else { "" };
        let mut item = format!("<g transform=\"translate({} {}){turn}\" {}>", short(x), short(y), style.paint.fill());
        // Glyphs of one size and height share a scale.
        for part in laid.glyphs.chunk_by(|a, b| a.scale == b.scale && a.y == b.y) {
            let scale = style.size * part[0].scale / units;
            let rise = -style.size * part[0].y;
            let _ = write!(item, "<g transform=\"translate(0 {}) scale({scale:.6} {:.6})\">", short(rise), -scale);
            for placed in part {
                let x = (style.size * (start + placed.x) / scale).round();
                self.glyphs.insert((style.weight, placed.glyph));
                let _ = write!(item, "<use href=\"#{}\" x=\"{x}\"/>", glyph_id(style.weight, placed.glyph));
            }
            item.push_str("</g>");
        }
        item.push_str("</g>");
        self.push(&item);
    }

    /// Draws `inside` cut to a rectangle.
    pub fn clipped(&mut self, [x, y, width, height]: [f64; 4], inside: impl FnOnce(&mut Self)) {
        self.num_clips += 1;
        let id = format!("llc-clip-{}-{}", self.name, self.num_clips);
        let [x, y, width, height] = [x, y, width, height].map(short);
        self.push(&format!(
            "<clipPath id=\"{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/></clipPath><g clip-path=\"url(#{id})\">"
        ));
        inside(self);
        self.push("</g>");
    }

    fn push(&mut self, item: &str) {
        self.body.push_str(item);
        self.body.push('\n');
    }

    /// The image as its own file.
    pub fn into_file(self, size: [f64; 2], title: &str, description: &str) -> String {
        let definitions = format!("<style>{}</style>\n{}", dark_style(), definitions(&self.glyphs));
        self.element(size, title, description, &definitions)
    }

    /// The image as an element of a page, and the glyphs that the page must define.
    pub fn into_element(self, size: [f64; 2], title: &str, description: &str) -> (String, Glyphs) {
        let element = self.element(size, title, description, "");
        (element, self.glyphs)
    }

    fn element(&self, [width, height]: [f64; 2], title: &str, description: &str, definitions: &str) -> String {
        let (width, height) = (short(width), short(height));
        let (title, description) = (escape(&plain(title)), escape(&plain(description)));
        let (paper, body) = (Paint::Paper.fill(), &self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             role=\"img\" aria-label=\"{title}\">\n<title>{title}</title><desc>{description}</desc>\n{definitions}\
             <rect width=\"{width}\" height=\"{height}\" {paper}/>\n{body}</svg>\n"
        )
    }
}

/// The outlines of `glyphs`, for [`Canvas::into_element`].
pub fn definitions(glyphs: &Glyphs) -> String {
    let fonts = Fonts::new();
    let mut text = String::from("<defs>\n");
    for &(weight, glyph) in glyphs {
        let _ = writeln!(text, "<path id=\"{}\" d=\"{}\"/>", glyph_id(weight, glyph), fonts.outline(weight, glyph));
    }
    text.push_str("</defs>\n");
    text
}

/// A label without the marks that raise and lower.
pub fn plain(text: &str) -> String {
    text.replace("^{", "^").replace("_{", "_").replace('}', "")
}

fn glyph_id(weight: Weight, glyph: u16) -> String {
    format!("llc-{}{glyph}", if weight == Weight::Bold { "b" } else { "r" })
}

/// An attribute for what is seen through: of `part`, "fill" or "stroke". (The plain `opacity` would cost a layer for each shape.)
fn opaque(part: &str, opacity: f64) -> String {
    if opacity < 1.0 { format!(" {part}-opacity=\"{}\"", short(opacity)) } else { String::new() }
}

fn path_data(points: &[[f64; 2]]) -> String {
    let mut data = String::new();
    for (i, [x, y]) in points.iter().enumerate() {
        let _ = write!(data, "{}{} {}", if i == 0 { 'M' } else { 'L' }, short(*x), short(*y));
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_decimals_at_most() {
        assert_eq!([1.0, -0.001, 2.5, 3.14259, 100.0].map(short), ["1", "0", "2.5", "3.14", "100"]);
    }

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(escape("<a href=\"x\">'&\u{1b}"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\u{fffd}");
    }
}
