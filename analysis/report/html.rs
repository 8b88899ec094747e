//! Writes HTML: escaped text, numbers with exponents, and the frame of the page.

use crate::plot::canvas::escape;

/// The look of the page: the reader's own fonts, colours for light and dark, columns as there is room.
const STYLE: &str = include_str!("style.css");

/// `given` as text of the page.
pub fn text(given: &str) -> String {
    escape(given)
}

/// A text of figures, in which `^{…}` raises and `_{…}` lowers, as text of the page.
pub fn number(given: &str) -> String {
    let (mut page, mut closing) = (String::new(), "");
    let mut rest = given;
    while let Some(at) = rest.find(['^', '_', '}']) {
        let (before, from) = rest.split_at(at);
        page += &escape(before);
        let (mark, length) = match (from, closing) {
            (from, "") if from.starts_with("^{") => ("<sup>", 2),
            (from, "") if from.starts_with("_{") => ("<sub>", 2),
            (from, open) if from.starts_with('}') && !open.is_empty() => (open, 1),
            (from, _) => (&from[..1], 1),
        };
        closing = match mark {
            "<sup>" => "</sup>",
            "<sub>" => "</sub>",
            mark if mark == closing => "",
            _ => closing,
        };
        page += mark;
        rest = &from[length..];
    }
    page + &escape(rest) + closing
}

/// The whole page. `style`, `glyphs` and `body` are markup.
pub fn document(title: &str, style: &str, glyphs: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n\
         <style>\n{STYLE}\n{style}\n</style>\n</head>\n<body>\n\
         <svg width=\"0\" height=\"0\" class=\"glyphs\" aria-hidden=\"true\">{glyphs}</svg>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// A command line as a shell takes it: `llc`, whatever the program's path was, and the words, quoted where they must be.
pub fn command_line(argv: &[String]) -> String {
    let words = argv.iter().skip(1).map(|word| quoted(word));
    std::iter::once("llc".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_raised_and_markup_is_not() {
        assert_eq!(number("<2×10^{−7} & {a}"), "&lt;2×10<sup>−7</sup> &amp; {a}");
        assert_eq!(number("a_b ^ c_{n}"), "a_b ^ c<sub>n</sub>");
    }

    #[test]
    fn a_command_can_be_given_to_a_shell() {
        let argv = ["/opt/llc", "dln", "--comment", "it's $HOME", "--layer-widths", "20,10"].map(str::to_owned);
        assert_eq!(command_line(&argv), r"llc dln --comment 'it'\''s $HOME' --layer-widths 20,10");
    }
}
