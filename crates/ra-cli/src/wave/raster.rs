//! A picture as PNG: drawn pixel by pixel, with letters of our own. What is no whole pixel high is that much fainter.

use std::io;

use super::font;
use super::shape::{Anchor, Picture, Role, Shape, Size, TextMetrics};
use super::theme::{Rgb, Theme};

/// Pixels of a letter's dot, of a title and of a label.
const TITLE_DOT: u32 = 3;
const LABEL_DOT: u32 = 2;

/// What its letters take.
pub(super) const METRICS: TextMetrics = TextMetrics {
    title_advance: (font::ADVANCE * TITLE_DOT) as f64,
    label_advance: (font::ADVANCE * LABEL_DOT) as f64,
    label_height: (font::ASCENT * LABEL_DOT) as f64,
};

/// Writes a picture as a PNG file.
pub(super) fn write_png(picture: &Picture, theme: Theme) -> io::Result<Vec<u8>> {
    let mut canvas = Canvas::new(picture, theme);
    picture.shapes.iter().for_each(|shape| canvas.draw(shape));
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // For programs that read it to somebody.
    encoder.add_itxt_chunk("Description".to_owned(), picture.description.clone())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&canvas.pixels)?;
    writer.finish()?;
    Ok(file)
}

struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
    theme: Theme,
}

impl Canvas {
    fn new(picture: &Picture, theme: Theme) -> Self {
        let [red, green, blue] = theme.colour(Role::Ground);
        let n_pixels = picture.width as usize * picture.height as usize;
        let pixels = [red, green, blue].into_iter().cycle().take(n_pixels * 3).collect();
        Self { width: picture.width, height: picture.height, pixels, theme }
    }

    fn draw(&mut self, shape: &Shape) {
        match shape {
            Shape::Rect { x, y, width, height, role } => {
                let colour = self.theme.colour(*role);
                for column in x.round() as u32..(x + width).round() as u32 {
                    self.upright(column, *y, y + height, colour, 1.0);
                }
            }
            Shape::Hatch { x, y, width, height, role, .. } => {
                let colour = self.theme.colour(*role);
                for column in x.round() as u32..(x + width).round() as u32 {
                    self.upright(column, *y, y + height, colour, 0.22);
                    for row in y.round() as u32..(y + height).round() as u32 {
                        if (column + row) % 10 < 3 {
                            self.blend(column, row, colour, 0.85);
                        }
                    }
                }
            }
            Shape::Band { x, columns, role } => {
                let colour = self.theme.colour(*role);
                for ((top, bottom), column) in columns.iter().zip(x.round() as u32..) {
                    self.upright(column, *top, *bottom, colour, 1.0);
                }
            }
            Shape::Text { x, y, text, anchor, size, role } => {
                let dot = if *size == Size::Title { TITLE_DOT } else { LABEL_DOT };
                let width = f64::from(text.chars().count() as u32 * font::ADVANCE * dot);
                let left = match anchor {
                    Anchor::Left => *x,
                    Anchor::Middle => x - width / 2.0,
                    Anchor::Right => x - width + f64::from(dot),
                };
                let top = y.round() as i64 - i64::from(font::ASCENT * dot);
                self.letters(text, left.round() as i64, top, dot, self.theme.colour(*role));
            }
        }
    }

    fn letters(&mut self, text: &str, left: i64, top: i64, dot: u32, colour: Rgb) {
        for (n, letter) in text.chars().enumerate() {
            for (x, y) in font::pixels(letter) {
                for (dx, dy) in (0..dot).flat_map(|dx| (0..dot).map(move |dy| (dx, dy))) {
                    let x = left + (n as u32 * font::ADVANCE * dot + x * dot + dx) as i64;
                    let y = top + i64::from(y * dot + dy);
                    if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                        self.blend(x, y, colour, 1.0);
                    }
                }
            }
        }
    }

    /// One column from `top` to `bottom`, whose first and last pixel are covered in part.
    fn upright(&mut self, column: u32, top: f64, bottom: f64, colour: Rgb, opacity: f64) {
        for row in top.max(0.0) as u32..bottom.ceil().max(0.0) as u32 {
            let covered = bottom.min(f64::from(row) + 1.0) - top.max(f64::from(row));
            self.blend(column, row, colour, covered.clamp(0.0, 1.0) * opacity);
        }
    }

    fn blend(&mut self, x: u32, y: u32, colour: Rgb, opacity: f64) {
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y as usize * self.width as usize + x as usize) * 3;
        for (below, above) in self.pixels[at..at + 3].iter_mut().zip(colour) {
            *below = (f64::from(*below) * (1.0 - opacity) + f64::from(above) * opacity).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_where_the_shapes_are() {
        let shapes = vec![
            Shape::Rect { x: 1.0, y: 1.0, width: 2.0, height: 1.0, role: Role::Clip },
            Shape::Band { x: 4.0, columns: vec![(1.5, 3.0)], role: Role::Ink },
        ];
        let picture = Picture { width: 6, height: 4, description: "a test".to_owned(), shapes };
        let file = write_png(&picture, Theme::Light).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(&file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        let at = |x: usize, y: usize| -> Rgb { pixels[(y * 6 + x) * 3..][..3].try_into().unwrap() };
        let (ground, clip, ink) =
            (Theme::Light.colour(Role::Ground), Theme::Light.colour(Role::Clip), Theme::Light.colour(Role::Ink));
        assert_eq!([at(0, 1), at(1, 1), at(2, 1), at(3, 1), at(1, 2)], [ground, clip, clip, ground, ground]);
        assert_eq!([at(4, 0), at(4, 2), at(4, 3)], [ground, ink, ground]);
        let half = at(4, 1);
        assert!(half[0] > ink[0] + 80 && half[0] < ground[0] - 80, "half covered, half as dark: {half:?}");
    }

    #[test]
    fn letters_outside_the_picture_are_left_out() {
        let text = |x, y| Shape::Text {
            x,
            y,
            text: "abc\u{e9}".to_owned(),
            anchor: Anchor::Middle,
            size: Size::Title,
            role: Role::Ink,
        };
        let shapes = vec![text(0.0, 3.0), text(20.0, 40.0)];
        write_png(&Picture { width: 20, height: 20, description: String::new(), shapes }, Theme::Dark).unwrap();
    }
}
