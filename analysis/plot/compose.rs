//! Puts a figure together: title, caption, keys, panels; as one file, or panel by panel for a page.

use super::canvas::{Anchor, Canvas, Glyphs, TextStyle};
use super::draw::{Margins, draw, draw_shape, margins};
use super::font::{Fonts, Weight};
use super::paint::Paint;
use super::panel::{Drawing, Key, Panel};

const EDGE: f64 = 18.0;
const TITLE_SIZE: f64 = 16.0;
const CAPTION_SIZE: f64 = 11.5;
const CAPTION_LINE: f64 = 16.0;
const KEY_SIZE: f64 = 11.5;
const KEY_LINE: f64 = 21.0;
const BETWEEN: f64 = 16.0;
const RAMP: [f64; 2] = [110.0, 9.0];

/// An image of all of `drawing` in one SVG file; `note` is for its description, which no one sees.
pub fn file(drawing: &Drawing, name: &str, note: &str) -> String {
    let mut canvas = Canvas::new(name);
    let [width, height] = drawing.panel_size;
    let columns = drawing.columns.clamp(1, drawing.panels.len().max(1));
    let rows = drawing.panels.len().div_ceil(columns);
    // The axes of a column are in line, those of all rows equally far apart.
    let all = room(&canvas.fonts, drawing.panels.iter());
    let of_column = |i: usize| room(&canvas.fonts, drawing.panels.iter().skip(i).step_by(columns));
    let rooms: Vec<Margins> = (0..columns).map(of_column).collect();
    let row_height = height + all.top + all.bottom;
    let inside = rooms.iter().map(|room| width + room.left + room.right).sum::<f64>() + (columns - 1) as f64 * BETWEEN;
    let picture_width = 2.0 * EDGE + inside;

    let mut y = EDGE + TITLE_SIZE - 2.0;
    for line in wrapped(&canvas.fonts, Weight::Bold, TITLE_SIZE, &drawing.title, inside) {
        canvas.text([EDGE, y], TextStyle { weight: Weight::Bold, ..TextStyle::new(TITLE_SIZE) }, &line);
        y += TITLE_SIZE + 4.0;
    }
    for line in wrapped(&canvas.fonts, Weight::Regular, CAPTION_SIZE, &drawing.caption, inside) {
        canvas.text([EDGE, y], TextStyle { paint: Paint::Muted, ..TextStyle::new(CAPTION_SIZE) }, &line);
        y += CAPTION_LINE;
    }
    if !drawing.keys.is_empty() {
        y = keys(&mut canvas, &drawing.keys, [EDGE, y + 6.0], inside) + 6.0;
    }
    y -= 4.0;
    for (i, panel) in drawing.panels.iter().enumerate() {
        let (column, row) = (i % columns, i / columns);
        let before: f64 = rooms[..column].iter().map(|room| room.left + width + room.right + BETWEEN).sum();
        let corner = [EDGE + before, y + row as f64 * (row_height + BETWEEN)];
        draw(&mut canvas, panel, [corner[0] + rooms[column].left, corner[1] + all.top, width, height]);
    }
    let bottom = y + rows as f64 * row_height + rows.saturating_sub(1) as f64 * BETWEEN + EDGE;
    let description = format!("{} {note}", drawing.caption);
    canvas.into_file([picture_width, bottom], &drawing.title, description.trim())
}

/// The keys of `drawing`, if it has any, and each of its panels, as elements of a page; `glyphs` collects what the page must define.
pub fn elements(drawing: &Drawing, name: &str, glyphs: &mut Glyphs) -> (Option<String>, Vec<String>) {
    let mut add = |(element, used): (String, Glyphs)| {
        glyphs.extend(used);
        element
    };
    let room = room(&Fonts::new(), drawing.panels.iter());
    let [width, height] = drawing.panel_size;
    let size = [width + room.left + room.right + 4.0, height + room.top + room.bottom + 2.0];
    let panels = drawing.panels.iter().enumerate().map(|(i, panel)| {
        let mut canvas = Canvas::new(&format!("{name}-{i}"));
        draw(&mut canvas, panel, [room.left, room.top, width, height]);
        let title = if panel.title.is_empty() { &drawing.title } else { &panel.title };
        add(canvas.into_element(size, title, &drawing.caption))
    });
    let panels = panels.collect();
    let keys = (!drawing.keys.is_empty()).then(|| {
        let mut canvas = Canvas::new(&format!("{name}-keys"));
        let bottom = keys(&mut canvas, &drawing.keys, [0.0, 15.0], size[0]);
        add(canvas.into_element([size[0], bottom - 10.0], "Key", ""))
    });
    (keys, panels)
}

/// The room that each of `panels` gets, so that their axes are in line.
fn room<'a>(fonts: &Fonts, panels: impl Iterator<Item = &'a Panel>) -> Margins {
    panels.map(|panel| margins(fonts, panel)).fold(Margins::default(), Margins::max)
}

/// Draws the keys from `at`, the first line's foot, and returns the foot of the line after the last.
fn keys(canvas: &mut Canvas, keys: &[Key], at: [f64; 2], width: f64) -> f64 {
    let text = TextStyle::new(KEY_SIZE);
    let [mut x, mut y] = at;
    for key in keys {
        let needed = key_width(&canvas.fonts, key);
        if x > at[0] && x + needed > at[0] + width {
            (x, y) = (at[0], y + KEY_LINE);
        }
        let middle = y - 0.36 * KEY_SIZE;
        match key {
            Key::Point(shape, paint, label) => {
                draw_shape(canvas, *shape, [x + 5.0, middle], 4.2, *paint, 1.0);
                let label = canvas.fonts.shortened(text.weight, text.size, label, width - 15.0);
                canvas.text([x + 15.0, y], text, &label);
            }
            Key::Line(paint, dashes, label) => {
                canvas.path(&[[x, middle], [x + 18.0, middle]], *paint, 2.0, dashes, 1.0);
                let label = canvas.fonts.shortened(text.weight, text.size, label, width - 24.0);
                canvas.text([x + 24.0, y], text, &label);
            }
            Key::Ramp { label, low, high } => {
                let muted = TextStyle { paint: Paint::Muted, ..text };
                canvas.text([x, y], text, label);
                x += canvas.fonts.width(text.weight, text.size, label) + 9.0;
                canvas.text([x, y], muted, low);
                x += canvas.fonts.width(text.weight, text.size, low) + 6.0;
                let step = RAMP[0] / f64::from(Paint::LAST_STEP + 1);
                for i in 0..=Paint::LAST_STEP {
                    let area = [x + f64::from(i) * step, middle - RAMP[1] / 2.0, step + 0.4, RAMP[1]];
                    canvas.rectangle(area, Paint::Step(i), 1.0);
                }
                x += RAMP[0] + 6.0;
                canvas.text([x, y], TextStyle { anchor: Anchor::Start, ..muted }, high);
                x += canvas.fonts.width(text.weight, text.size, high) - needed + 20.0;
            }
        }
        x += needed;
    }
    y + KEY_LINE
}

fn key_width(fonts: &Fonts, key: &Key) -> f64 {
    let width = |label: &str| fonts.width(Weight::Regular, KEY_SIZE, label);
    match key {
        Key::Point(_, _, label) => 33.0 + width(label),
        Key::Line(_, _, label) => 42.0 + width(label),
        Key::Ramp { label, low, high } => width(label) + width(low) + width(high) + RAMP[0] + 41.0,
    }
}

/// `text` in lines of at most `width`, as far as its words allow.
fn wrapped(fonts: &Fonts, weight: Weight, size: f64, text: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if fonts.width(weight, size, &format!("{line} {word}")) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
