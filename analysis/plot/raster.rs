//! Turns the SVG of a figure into a PNG.

use anyhow::{Context, Result};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

/// Pixels of an image for one of its SVG: 192 to the inch, for print and for dense screens.
const SCALE: f32 = 2.0;

/// The image as PNG, on white.
///
/// # Errors
///
/// Where `svg` is none, or too large for memory.
pub fn png(svg: &str) -> Result<Vec<u8>> {
    let tree = Tree::from_str(svg, &Options::default()).context("the figure is not an SVG")?;
    let size = tree.size().to_int_size().scale_by(SCALE).context("the figure has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the figure is too large")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().context("the figure can't be written as PNG")
}
