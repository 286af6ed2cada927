//! A terminal's screen as SVG: text by colour, blocks and lines as shapes, so that it looks alike whatever font there is.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// Size of a character, in pixels.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;

/// Margin around the screen.
const MARGIN: f64 = 14.0;

const PAPER: &str = "#10161b";
const INK: &str = "#d7dee4";

/// The terminal's colours 1 to 6 on a dark ground.
const COLOURS: [&str; 6] = ["#ff8577", "#57d38c", "#e8bb4a", "#7db8ff", "#cda6f5", "#5fcfdd"];

/// Style that cells drawn together have in common.
#[derive(Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "as terminals have them")]
struct Style {
    colour: Option<u8>,
    bold: bool,
    dim: bool,
    underline: bool,
    inverse: bool,
}

/// The whole screen as one picture.
pub(crate) fn still(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let mut body = String::new();
    for (index, row) in self::rows(screen).iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        write!(body, "<g transform=\"translate(0 {})\">{row}</g>", top(index)).unwrap();
    }
    document((columns, rows), "", &body)
}

/// The rows of a screen, each drawn at the height 0.
pub(crate) fn rows(screen: &Screen) -> Vec<String> {
    let (rows, columns) = screen.size();
    let row = |row: u16| {
        let cells = (0..columns).filter_map(|column| Some((column, screen.cell(row, column)?)));
        drawn(&cells.filter(|(_, cell)| !cell.is_wide_continuation()).collect::<Vec<_>>())
    };
    (0..rows).map(row).collect()
}

/// Position of a row.
pub(crate) fn top(row: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a screen has few rows")]
    let row = row as f64;
    row * HEIGHT
}

/// Width of a picture with this number of columns.
pub(crate) fn width(columns: u16) -> f64 {
    2.0 * MARGIN + f64::from(columns) * WIDTH
}

/// A complete SVG around a drawing; its origin is the first character.
pub(crate) fn document((columns, rows): (u16, u16), style: &str, body: &str) -> String {
    let (width, height) = (width(columns), 2.0 * MARGIN + f64::from(rows) * HEIGHT);
    let mut colours = String::new();
    for (number, colour) in (1..).zip(COLOURS) {
        write!(colours, ".c{number}{{fill:{colour}}}").unwrap();
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\
         <style>text{{font:14px ui-monospace,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:{INK};white-space:pre}}\
         rect,path{{fill:{INK}}}{colours}.b{{font-weight:700}}.d{{opacity:.66}}.p{{fill:{PAPER}}}{style}</style>\
         <rect class=\"p\" width=\"100%\" height=\"100%\" rx=\"8\"/>\
         <svg x=\"{MARGIN}\" y=\"{MARGIN}\" width=\"{}\" height=\"{}\">{body}</svg></svg>\n",
        width - 2.0 * MARGIN,
        height - 2.0 * MARGIN,
    )
}

fn drawn(cells: &[(u16, &Cell)]) -> String {
    let mut svg = String::new();
    let mut rest = cells;
    while let Some((column, first)) = rest.first() {
        let style = Style::of(first);
        let shape = shape(first);
        let alike = |(_, cell): &&(u16, &Cell)| Style::of(cell) == style && self::shape(cell) == shape;
        let length = rest.iter().take_while(alike).count();
        let (run, after) = rest.split_at(length);
        let end = after.first().map_or(run[length - 1].0 + 1, |(column, _)| *column);
        style.draw(&mut svg, run, f64::from(*column) * WIDTH, f64::from(end - column) * WIDTH, shape);
        rest = after;
    }
    svg
}

/// From where to where a character that is a shape reaches, as parts of its cell; lines along a row are joined.
fn shape(cell: &Cell) -> Option<(f64, f64, bool)> {
    match cell.contents() {
        "█" => Some((0.12, 0.88, true)),
        "─" => Some((0.46, 0.54, true)),
        "┃" => Some((0.0, 1.0, false)),
        _ => None,
    }
}

impl Style {
    fn of(cell: &Cell) -> Self {
        let colour = match cell.fgcolor() {
            Color::Idx(number @ 1..=6) => Some(number),
            _ => None,
        };
        let (bold, dim, underline, inverse) = (cell.bold(), cell.dim(), cell.underline(), cell.inverse());
        // A blank cell shows only its lines.
        match cell.contents().trim() {
            "" => Self { colour, bold: false, dim: false, underline, inverse },
            _ => Self { colour, bold, dim, underline, inverse },
        }
    }

    fn draw(self, svg: &mut String, run: &[(u16, &Cell)], x: f64, width: f64, shape: Option<(f64, f64, bool)>) {
        let colour = self.colour.map(|number| format!("c{number}"));
        let class = |more: &[(bool, &str)]| {
            let more = more.iter().filter(|(is, _)| *is).map(|(_, class)| (*class).to_owned());
            let classes: Vec<_> = colour.iter().cloned().chain(more).collect();
            if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) }
        };
        if self.inverse {
            write!(svg, "<rect{} x=\"{x:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>", class(&[])).unwrap();
        }
        if self.underline {
            write!(svg, "<rect{} x=\"{x:.1}\" y=\"16.4\" width=\"{width:.1}\" height=\".8\"/>", class(&[])).unwrap();
        }
        match shape {
            Some((from, to, true)) => {
                let (y, height) = (from * HEIGHT, (to - from) * HEIGHT);
                let class = class(&[]);
                write!(svg, "<rect{class} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>")
                    .unwrap();
            }
            Some((_, _, false)) => {
                for (column, _) in run {
                    let x = (f64::from(*column) + 0.36) * WIDTH;
                    write!(svg, "<rect x=\"{x:.1}\" width=\"2.4\" height=\"{HEIGHT}\"/>").unwrap();
                }
            }
            None => {
                let content =
                    |cell: &Cell| if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
                let text: String = run.iter().map(|(_, cell)| content(cell)).collect();
                let (text, before) = (text.trim_end(), text.len() - text.trim_start().len());
                if text.trim().is_empty() {
                    return;
                }
                #[expect(clippy::cast_precision_loss, reason = "a row is short")]
                let (x, length) = (x + before as f64 * WIDTH, text.trim_start().chars().count() as f64 * WIDTH);
                let class = class(&[(self.bold, "b"), (self.dim, "d"), (self.inverse, "p")]);
                let text = text.trim_start().replace('&', "&amp;").replace('<', "&lt;");
                write!(svg, "<text{class} x=\"{x:.1}\" y=\"13.4\" textLength=\"{length:.1}\">{text}</text>").unwrap();
            }
        }
    }
}
