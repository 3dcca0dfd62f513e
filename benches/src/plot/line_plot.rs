//! Draws series between two axes, as SVG. Its own light ground makes it readable on a dark page too.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::{Span, number};
use super::decimate::min_max;
use super::{Axis, Series};

/// Large, because coordinates are whole pixels here: a page shows it at about half of this.
const SIZE: (u32, u32) = (1760, 880);
const LEFT: i32 = 150;
const RIGHT: i32 = 40;
const MARGIN: i32 = 16;
/// A point costs about 9 bytes: all series together stay below 200 KB.
const MOST_POINTS: usize = 18_000;
const FONT: &str = "Helvetica, Arial, sans-serif";
const TITLE_PX: u32 = 34;
const TEXT_PX: u32 = 26;
const MARK_PX: u32 = 22;
const GROUND: RGBColor = RGBColor(252, 252, 250);
const INK: RGBColor = RGBColor(35, 38, 45);
const GRID: RGBColor = RGBColor(222, 224, 228);
const MARK: RGBColor = RGBColor(120, 124, 132);
/// Told apart by the colour-blind too: Okabe and Ito, "Color Universal Design", 2008; its yellow, too light here, is darker.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(35, 38, 45),
    RGBColor(150, 140, 20),
];

/// A picture of lines.
///
/// # Examples
/// ```
/// use ra_benches::plot::{Axis, LinePlot, Mark, Series};
/// let offset: Vec<(f64, f64)> = (0..100_000).map(|n| (f64::from(n) * 0.01, (f64::from(n) * 0.001).sin())).collect();
/// let plot = LinePlot {
///     title: "Offset of a source".to_owned(),
///     x: Axis::linear("time (s)"),
///     y: Axis::linear("offset (us)"),
///     series: vec![Series::new("a", offset)],
///     marks: vec![Mark::y(0.5, "one half")],
/// };
/// assert!(plot.to_svg()?.starts_with("<svg"));
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LinePlot {
    /// Above everything: what is shown, in one line.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Up to eight have a colour of their own.
    pub series: Vec<Series>,
    /// Values to compare with: targets, bounds.
    pub marks: Vec<Mark>,
}

/// A thin line across the picture, with a few words.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    at: MarkAt,
    label: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum MarkAt {
    X(f64),
    Y(f64),
}

impl Mark {
    /// An upright line.
    pub fn x(at: f64, label: impl Into<String>) -> Self {
        Self { at: MarkAt::X(at), label: label.into() }
    }

    /// A level line.
    pub fn y(at: f64, label: impl Into<String>) -> Self {
        Self { at: MarkAt::Y(at), label: label.into() }
    }
}

impl LinePlot {
    /// Draws it.
    ///
    /// # Errors
    /// The drawing library refuses something.
    pub fn to_svg(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, SIZE)).map_err(|cause| anyhow!("{}: {cause}", self.title))?;
        Ok(svg)
    }

    /// Draws it into a file.
    ///
    /// # Errors
    /// The drawing library refuses something, or the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        std::fs::write(file, self.to_svg()?).with_context(|| format!("cannot write the picture {}", file.display()))
    }

    fn draw(&self, backend: SVGBackend<'_>) -> Result<(), Box<dyn std::error::Error + '_>> {
        let points = || self.series.iter().flat_map(|series| series.pieces()).flatten();
        let marks_x = self.marks.iter().filter_map(|mark| if let MarkAt::X(at) = mark.at { Some(at) } else { None });
        let marks_y = self.marks.iter().filter_map(|mark| if let MarkAt::Y(at) = mark.at { Some(at) } else { None });
        let x = self.x.span(points().map(|point| point.0).chain(marks_x), 0.0);
        let y = self.y.span(points().map(|point| point.1).chain(marks_y), 0.04);

        let root = backend.into_drawing_area();
        root.fill(&GROUND)?;
        let title = (FONT, TITLE_PX).into_font().style(FontStyle::Bold).color(&INK);
        root.draw(&Text::new(self.title.as_str(), (LEFT, 24), title))?;
        let legend_bottom = self.draw_legend(&root)?;

        let (_, chart_area) = root.split_vertically(legend_bottom);
        let text = |px: u32| (FONT, px).into_font().color(&INK);
        let mut chart = ChartBuilder::on(&chart_area)
            .margin_top(16)
            .margin_right(RIGHT)
            .margin_bottom(12)
            .margin_left(MARGIN)
            .x_label_area_size(84)
            .y_label_area_size(LEFT - MARGIN)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .max_light_lines(1)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(2))
            .axis_style(INK.stroke_width(2))
            .x_labels(11)
            .y_labels(9)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .label_style(text(TEXT_PX))
            .axis_desc_style(text(TEXT_PX))
            .x_desc(self.x.label.as_str())
            .y_desc(self.y.label.as_str())
            .draw()?;
        let n_columns = MOST_POINTS / 2 / self.series.len().max(1);
        let column = |at: f64| (x.part(at) * n_columns.min(SIZE.0 as usize) as f64) as usize;
        for (n, series) in self.series.iter().enumerate() {
            for piece in series.pieces() {
                let line = min_max(piece, column);
                chart.draw_series(LineSeries::new(line, colour(n).stroke_width(3)))?;
            }
        }
        self.draw_marks(&chart, &x, &y)?;
        root.present()?;
        Ok(())
    }

    fn draw_marks(
        &self,
        chart: &ChartContext<'_, SVGBackend<'_>, Cartesian2d<Span, Span>>,
        x: &Span,
        y: &Span,
    ) -> Result<(), Box<dyn std::error::Error + '_>> {
        let area = chart.plotting_area();
        let (width, height) = area.dim_in_pixel();
        let pixel = area.strip_coord_spec();
        let text = (FONT, MARK_PX).into_font().color(&INK);
        for mark in &self.marks {
            let label_width = text_width(&mark.label, MARK_PX);
            let (line, left, top) = match mark.at {
                MarkAt::X(at) => {
                    let column = (x.part(at) * f64::from(width)) as i32;
                    // On the side where there is room.
                    let left = if column > width as i32 / 2 { column - 12 - label_width } else { column + 12 };
                    ([(column, 0), (column, height as i32)], left, 10)
                }
                MarkAt::Y(at) => {
                    let row = ((1.0 - y.part(at)) * f64::from(height)) as i32;
                    let top = if row > 40 { row - MARK_PX as i32 - 8 } else { row + 8 };
                    ([(0, row), (width as i32, row)], width as i32 - 12 - label_width, top)
                }
            };
            pixel.draw(&PathElement::new(line, MARK.stroke_width(2)))?;
            // Over whatever line runs there.
            let ground = [(left - 6, top - 3), (left + label_width + 6, top + MARK_PX as i32 + 3)];
            pixel.draw(&Rectangle::new(ground, GROUND.mix(0.85).filled()))?;
            let anchor = Pos::new(HPos::Center, VPos::Top);
            pixel.draw(&Text::new(mark.label.as_str(), (left + label_width / 2, top), text.pos(anchor)))?;
        }
        Ok(())
    }

    /// Names and colours in rows below the title; returns where they end.
    fn draw_legend(
        &self,
        root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    ) -> Result<i32, Box<dyn std::error::Error + '_>> {
        const ROW: i32 = 40;
        const SAMPLE: i32 = 44;
        let style = (FONT, TEXT_PX).into_font().color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        let (mut at, mut middle) = (LEFT, 88);
        for (n, series) in self.series.iter().enumerate() {
            let width = SAMPLE + 12 + text_width(&series.name, TEXT_PX) + 40;
            if at > LEFT && at + width > SIZE.0 as i32 - RIGHT {
                (at, middle) = (LEFT, middle + ROW);
            }
            root.draw(&PathElement::new([(at, middle), (at + SAMPLE, middle)], colour(n).stroke_width(7)))?;
            root.draw(&Text::new(series.name.as_str(), (at + SAMPLE + 12, middle), style.clone()))?;
            at += width;
        }
        Ok(middle + ROW / 2)
    }
}

/// About how wide a text is, in pixels: without the font at hand, a character counts as half as wide as it is high.
fn text_width(text: &str, px: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(px) * 0.53) as i32
}

fn colour(n: usize) -> RGBColor {
    COLOURS[n % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(series: Vec<Series>) -> LinePlot {
        LinePlot {
            title: "A <title> & more".to_owned(),
            x: Axis::linear("time (s)"),
            y: Axis::log("offset (us)"),
            series,
            marks: vec![Mark::y(20.8, "one sample"), Mark::x(3.0, "3 s")],
        }
    }

    #[test]
    fn it_stays_small_and_says_everything() {
        let wild = |n: u32, phase: u32| f64::from((n.wrapping_add(phase)).wrapping_mul(2_654_435_761) >> 12) * 1e-3;
        let series = (0..6).map(|s| {
            Series::new(format!("contestant {s}"), (0..400_000).map(|n| (f64::from(n) * 0.01, wild(n, s))).collect())
        });
        let svg = plot(series.collect()).to_svg().unwrap();
        assert!(svg.len() < 200_000, "{} bytes", svg.len());
        for text in ["A &lt;title&gt; &amp; more", "contestant 5", "time (s)", "offset (us)", "one sample", "3 s"] {
            assert!(svg.contains(text), "{text}");
        }
        for n in 0..6 {
            let RGBColor(red, green, blue) = colour(n);
            let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\"");
            assert_eq!(svg.matches(&stroke).count(), 2, "{stroke}: a line and its place in the legend");
        }
    }

    #[test]
    fn nothing_and_one_point_are_drawn_too() {
        plot(Vec::new()).to_svg().unwrap();
        plot(vec![Series::new("one", vec![(1.0, 1.0)]), Series::new("none", Vec::new())]).to_svg().unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = plot(Vec::new()).write(Path::new("/nowhere/at/all.svg")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all.svg"), "{error}");
    }
}
