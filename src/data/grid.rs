//! Lays images out in rows, to look at them.
//!
//! *Tested by*: the places of pixels.

use image::{Rgb, RgbImage};

use super::Pictures;

/// Pixels between two images.
const GAP: u32 = 2;

/// The first images of each of `variants`, `columns` in a line: the first line shows the first variant of the first images, the next
/// one their second variant, and so on, then come the next images. Each pixel becomes a square of side `scale`. All variants are of
/// one shape and number; `columns` and `scale` are at least 1.
pub fn grid(variants: &[Pictures], columns: usize, scale: usize) -> RgbImage {
    let Some(first) = variants.first() else { return RgbImage::new(0, 0) };
    let [channels, height, width] = first.shape;
    let (tile_height, tile_width) = ((height * scale) as u32, (width * scale) as u32);
    let lines = first.len().div_ceil(columns) * variants.len();
    let side = |count: usize, tile: u32| count as u32 * (tile + GAP) + GAP;
    let white = Rgb([255; 3]);
    let mut image = RgbImage::from_pixel(side(columns.min(first.len()), tile_width), side(lines, tile_height), white);
    for (nth, variant) in variants.iter().enumerate() {
        for index in 0..variant.len() {
            let picture = variant.picture(index);
            let line = index / columns * variants.len() + nth;
            let (left, top) = (side(index % columns, tile_width), side(line, tile_height));
            for y in 0..tile_height {
                for x in 0..tile_width {
                    let place = y as usize / scale * width + x as usize / scale;
                    let level = |channel: usize| picture[channel.min(channels - 1) * height * width + place];
                    image.put_pixel(left + x, top + y, Rgb([level(0), level(1), level(2)]));
                }
            }
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_picture_are_below_one_another() {
        let of = |start: u8| Pictures {
            shape: [1, 1, 2],
            pixels: (start..start + 6).collect(),
            labels: vec![0; 3],
            classes: vec!["a".into()],
        };
        let image = grid(&[of(10), of(20)], 2, 3);
        // Two images of 6×3 a line, four lines.
        assert_eq!(image.dimensions(), (2 + 2 * 8, 2 + 4 * 5));
        for (x, y, level) in
            [(2, 2, 10), (5, 2, 11), (10, 4, 12), (2, 7, 20), (13, 7, 23), (2, 12, 14), (5, 19, 25), (0, 0, 255)]
        {
            assert_eq!(image.get_pixel(x, y), &Rgb([level; 3]), "{x}, {y}");
        }
        assert_eq!(image.get_pixel(10, 12), &Rgb([255; 3]), "the last line is not full");
    }

    #[test]
    fn colours_keep_their_channels() {
        let one = Pictures { shape: [3, 1, 1], pixels: vec![1, 2, 3], labels: vec![0], classes: vec!["a".into()] };
        assert_eq!(grid(&[one], 5, 1).get_pixel(2, 2), &Rgb([1, 2, 3]));
    }
}
