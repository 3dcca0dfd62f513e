//! A picture as a list of shapes, in pixels from the upper left corner. Knows neither sound nor file formats.

/// What a shape is, and so what colour it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Behind everything.
    Ground,
    /// Behind one channel.
    Lane,
    /// Lines to read values by.
    Grid,
    /// Lines that stand out: zero, full scale.
    Axis,
    /// Words that matter.
    Ink,
    /// Words that explain.
    Muted,
    /// From the lowest to the highest sample.
    Peak,
    /// The root of the mean square.
    Rms,
    /// Clipped samples.
    Clip,
    /// Sound that is missing.
    Gap,
}

/// Which side of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// How large a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Title,
    Label,
}

/// One shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Rect {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        role: Role,
    },
    /// Slanted lines over a part of the picture.
    Hatch {
        x: f64,
        y: f64,
        width: f64,
        height: f64,
        role: Role,
        /// What it means, where the format has a place for that.
        note: String,
    },
    /// Columns one pixel wide, from `x` on, each from its upper to its lower end.
    Band {
        x: f64,
        columns: Vec<(f64, f64)>,
        role: Role,
    },
    /// `y` is the line that the letters stand on.
    Text {
        x: f64,
        y: f64,
        text: String,
        anchor: Anchor,
        size: Size,
        role: Role,
    },
}

/// How wide text is in a file format, in pixels a character.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextMetrics {
    pub(super) title_advance: f64,
    pub(super) label_advance: f64,
    /// How high a digit of a label is, in pixels.
    pub(super) label_height: f64,
}

/// Everything that is drawn, back to front.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    /// In a sentence, for those who can't see it.
    pub(super) description: String,
    pub(super) shapes: Vec<Shape>,
}
