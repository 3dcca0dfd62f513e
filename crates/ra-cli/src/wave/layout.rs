//! Puts a sound's outline, its gaps and its axes on a picture. Knows no file format and no colour.

use super::envelope::{ChannelLevel, Column, Envelope};
use super::shape::{Anchor, Picture, Role, Shape, Size, TextMetrics};
use super::sidecar::FileGap;
use super::ticks::{LevelScale, dbfs, time, time_ticks};

const LEFT: f64 = 58.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 40.0;
/// Between two channels.
const BETWEEN: f64 = 8.0;
/// The height of the marks of clipping, at both edges of a channel.
const CLIP_MARK: f64 = 6.0;
/// The least width of a picture: its margins, and columns enough to see something.
pub(super) const LEAST_WIDTH: u32 = 200;
/// A channel flatter than this shows nothing.
const LEAST_LANE: f64 = 12.0;

/// What is drawn.
pub(super) struct Scene<'a> {
    /// The file's name.
    pub(super) title: String,
    /// What it is, one fact each, the most important first.
    pub(super) facts: Vec<String>,
    pub(super) envelope: &'a Envelope,
    pub(super) sample_rate_hz: u32,
    pub(super) gaps: &'a [FileGap],
    pub(super) is_decibel: bool,
}

/// How many columns a picture of this width has.
pub(super) fn columns_in(width: u32) -> usize {
    (f64::from(width.max(LEAST_WIDTH)) - LEFT - RIGHT) as usize
}

/// The height of a picture that nobody gave one.
pub(super) fn usual_height(n_channels: usize) -> u32 {
    let lane = match n_channels {
        1 => 240.0,
        2 => 160.0,
        3..=8 => 90.0,
        _ => 44.0,
    };
    height_of(n_channels, lane)
}

/// The least height at which every channel can be seen.
pub(super) fn least_height(n_channels: usize) -> u32 {
    height_of(n_channels, LEAST_LANE)
}

fn height_of(n_channels: usize, lane: f64) -> u32 {
    (TOP + BOTTOM + n_channels as f64 * lane + n_channels.saturating_sub(1) as f64 * BETWEEN) as u32
}

/// Where one channel is drawn.
#[derive(Clone, Copy)]
struct Lane {
    top: f64,
    height: f64,
}

impl Lane {
    /// The row of a place between -1, the bottom, and 1.
    fn row(self, place: f32) -> f64 {
        self.top + self.height * (1.0 - f64::from(place)) / 2.0
    }
}

/// Draws a scene.
pub(super) fn lay_out(scene: &Scene<'_>, width: u32, height: u32, metrics: TextMetrics) -> Picture {
    let plot_width = columns_in(width) as f64;
    let n_channels = scene.envelope.n_channels();
    let lane_height = (f64::from(height) - TOP - BOTTOM - (n_channels - 1) as f64 * BETWEEN) / n_channels as f64;
    let levels: Vec<ChannelLevel> = (0..n_channels).map(|channel| scene.envelope.level(channel)).collect();
    let peak_lin = levels.iter().map(|level| level.peak_lin).fold(0.0, f32::max);
    let scale = if scene.is_decibel { LevelScale::decibel(peak_lin) } else { LevelScale::linear(peak_lin) };
    let is_clipped = levels.iter().any(|level| level.clipped_samples > 0);

    let mut drawing = Drawing { shapes: Vec::new(), metrics, width: f64::from(width) };
    drawing.rect(0.0, 0.0, f64::from(width), f64::from(height), Role::Ground);
    drawing.header(scene, is_clipped);
    let lanes: Vec<Lane> = (0..n_channels)
        .map(|n| Lane { top: (TOP + n as f64 * (lane_height + BETWEEN)).round(), height: lane_height.floor() })
        .collect();
    let bottom = lanes.last().map_or(TOP, |lane| lane.top + lane.height);
    for lane in &lanes {
        drawing.rect(LEFT, lane.top, plot_width, lane.height, Role::Lane);
    }
    drawing.time_axis(scene, plot_width, &lanes, bottom);
    for (channel, lane) in lanes.iter().enumerate() {
        let name = channel_name(channel, n_channels);
        drawing.channel(*lane, plot_width, scale, &scene.envelope.columns(channel, plot_width as usize), &name);
    }
    drawing.gaps(scene, plot_width, bottom);
    Picture { width, height, description: describe(scene, &levels), shapes: drawing.shapes }
}

fn channel_name(channel: usize, n_channels: usize) -> String {
    match (n_channels, channel) {
        (1, _) => String::new(),
        (2, 0) => "L".to_owned(),
        (2, _) => "R".to_owned(),
        _ => (channel + 1).to_string(),
    }
}

fn describe(scene: &Scene<'_>, levels: &[ChannelLevel]) -> String {
    let levels = levels.iter().map(|level| format!("peak {}, RMS {}", dbfs(level.peak_lin), dbfs(level.rms_lin)));
    format!("Waveform of {}: {}; {}", scene.title, scene.facts.join(", "), levels.collect::<Vec<_>>().join("; "))
}

struct Drawing {
    shapes: Vec<Shape>,
    metrics: TextMetrics,
    width: f64,
}

impl Drawing {
    fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, role: Role) {
        self.shapes.push(Shape::Rect { x, y, width, height, role });
    }

    fn text(&mut self, (x, y): (f64, f64), text: impl Into<String>, anchor: Anchor, size: Size, role: Role) {
        self.shapes.push(Shape::Text { x, y, text: text.into(), anchor, size, role });
    }

    /// The title, the facts as far as there is room, and what the colours mean.
    fn header(&mut self, scene: &Scene<'_>, is_clipped: bool) {
        let room = self.width - LEFT - RIGHT;
        let mut legend = vec![("peak", Role::Peak), ("RMS", Role::Rms)];
        if is_clipped {
            legend.push(("clipped", Role::Clip));
        }
        if !scene.gaps.is_empty() {
            legend.push(("missing", Role::Gap));
        }
        const SWATCH: f64 = 12.0;
        let width_of = |text: &str| SWATCH + 5.0 + text.chars().count() as f64 * self.metrics.label_advance + 14.0;
        let legend_width = legend.iter().map(|(text, _)| width_of(text)).sum::<f64>() - 14.0;
        // In a narrow picture the name matters more.
        let has_legend = legend_width < room * 0.6;
        let mut x = self.width - RIGHT - legend_width;
        let title_room = if has_legend { room - legend_width - 20.0 } else { room };
        let widths: Vec<f64> = legend.iter().map(|(text, _)| width_of(text)).collect();
        let title = shortened(&scene.title, (title_room / self.metrics.title_advance) as usize);
        self.text((LEFT, 32.0), title, Anchor::Left, Size::Title, Role::Ink);
        for ((text, role), width) in legend.into_iter().zip(widths).filter(|_| has_legend) {
            self.rect(x, 20.0, SWATCH, SWATCH, role);
            self.text(
                (x + SWATCH + 5.0, 20.0 + (SWATCH + self.metrics.label_height) / 2.0),
                text,
                Anchor::Left,
                Size::Label,
                Role::Muted,
            );
            x += width;
        }
        let mut line = String::new();
        for fact in &scene.facts {
            let longer = if line.is_empty() { fact.clone() } else { format!("{line} \u{b7} {fact}") };
            if longer.chars().count() as f64 * self.metrics.label_advance > room {
                break;
            }
            line = longer;
        }
        self.text((LEFT, 60.0), line, Anchor::Left, Size::Label, Role::Muted);
    }

    fn time_axis(&mut self, scene: &Scene<'_>, plot_width: f64, lanes: &[Lane], bottom: f64) {
        let duration_s = scene.envelope.n_frames() as f64 / f64::from(scene.sample_rate_hz);
        // The longest label that there can be decides how many there are.
        let longest = time(duration_s, if duration_s < 60.0 { 2 } else { 0 }).chars().count() as f64;
        let most = (plot_width / ((longest + 5.0) * self.metrics.label_advance)).clamp(1.0, 16.0) as usize;
        for tick in time_ticks(duration_s, most) {
            let part = if duration_s > 0.0 { tick.at_s / duration_s } else { 0.0 };
            let x = LEFT + (part * plot_width).round().min(plot_width - 1.0);
            for lane in lanes {
                self.rect(x, lane.top, 1.0, lane.height, Role::Grid);
            }
            self.rect(x, bottom, 1.0, 5.0, Role::Axis);
            let half = tick.label.chars().count() as f64 * self.metrics.label_advance / 2.0;
            let x = x.min(self.width - 4.0 - half);
            self.text(
                (x, bottom + 12.0 + self.metrics.label_height),
                tick.label,
                Anchor::Middle,
                Size::Label,
                Role::Muted,
            );
        }
    }

    fn channel(&mut self, lane: Lane, plot_width: f64, scale: LevelScale, columns: &[Column], name: &str) {
        let digit = self.metrics.label_height;
        for (place, label) in scale.ticks(((digit + 5.0) / (lane.height / 2.0)) as f32) {
            for place in if place == 0.0 { vec![0.0] } else { vec![place, -place] } {
                let row = lane.row(place).round().min(lane.top + lane.height - 1.0);
                self.rect(LEFT, row, plot_width, 1.0, Role::Grid);
                // At the edges beside the line, so that neighbours do not touch.
                let y = (row + digit / 2.0).round().clamp(lane.top + digit, lane.top + lane.height.max(digit));
                let has_room = place > 0.0 || (place < 0.0 && lane.height > 60.0) || (place == 0.0 && name.len() < 3);
                if has_room {
                    let sign = if place < 0.0 && matches!(scale, LevelScale::Linear { .. }) { "-" } else { "" };
                    self.text((LEFT - 7.0, y), format!("{sign}{label}"), Anchor::Right, Size::Label, Role::Muted);
                }
            }
        }
        let band = |ends: fn(&Column) -> (f32, f32), role| {
            let row = |column: &Column| {
                let (low, high) = ends(column);
                let (top, bottom) = (lane.row(scale.place(high)), lane.row(scale.place(low)));
                // A pixel at least: silence is a line.
                let air = (1.0 - (bottom - top)).max(0.0) / 2.0;
                let most = lane.top + lane.height;
                ((top - air).clamp(lane.top, most - 1.0), (bottom + air).clamp(lane.top + 1.0, most))
            };
            Shape::Band { x: LEFT, columns: columns.iter().map(row).collect(), role }
        };
        if !columns.is_empty() {
            self.shapes.push(band(|column| (column.min_lin, column.max_lin), Role::Peak));
            // Within the peaks: a sound far from zero has no more to one side than it really has.
            let rms = |column: &Column| {
                let (low, high) = (column.min_lin.min(0.0), column.max_lin.max(0.0));
                ((-column.rms_lin).max(low), column.rms_lin.min(high))
            };
            self.shapes.push(band(rms, Role::Rms));
        }
        if scale.full_scale() < 1.0 {
            for place in [scale.full_scale(), -scale.full_scale()] {
                self.rect(LEFT, lane.row(place).round(), plot_width, 1.0, Role::Axis);
            }
        }
        self.rect(LEFT, lane.row(0.0).round(), plot_width, 1.0, Role::Axis);
        for (x, width) in runs(columns, |column| column.is_clipped) {
            // Two pixels at least, or nobody sees it.
            let (x, width) = (x.min(plot_width - 2.0), width.max(2.0));
            self.rect(LEFT + x, lane.top, width, CLIP_MARK.min(lane.height / 3.0), Role::Clip);
            let height = CLIP_MARK.min(lane.height / 3.0);
            self.rect(LEFT + x, lane.top + lane.height - height, width, height, Role::Clip);
        }
        if !name.is_empty() {
            self.text((8.0, (lane.row(0.0) + digit / 2.0).round()), name, Anchor::Left, Size::Label, Role::Ink);
        }
    }

    fn gaps(&mut self, scene: &Scene<'_>, plot_width: f64, bottom: f64) {
        let n_frames = scene.envelope.n_frames();
        for gap in scene.gaps.iter().filter(|gap| gap.in_file_frame < n_frames) {
            let part = |frame: u64| frame.min(n_frames) as f64 / n_frames as f64 * plot_width;
            let from = part(gap.in_file_frame).floor();
            let to = part(gap.in_file_frame.saturating_add(gap.n_frames)).ceil().max(from + 2.0).min(plot_width);
            let seconds = gap.n_frames as f64 / f64::from(scene.sample_rate_hz);
            let note = format!("{seconds:.3} s missing: {}", gap.reason);
            let (x, width) = (LEFT + from.min(plot_width - 2.0), (to - from).max(2.0));
            self.shapes.push(Shape::Hatch { x, y: TOP, width, height: bottom - TOP, role: Role::Gap, note });
        }
    }
}

/// Runs of columns that something is true of: where each begins, and how wide it is.
fn runs(columns: &[Column], is_in: impl Fn(&Column) -> bool) -> Vec<(f64, f64)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (n, _) in columns.iter().enumerate().filter(|(_, column)| is_in(column)) {
        match runs.last_mut() {
            Some((_, end)) if *end == n => *end = n + 1,
            _ => runs.push((n, n + 1)),
        }
    }
    runs.into_iter().map(|(from, end)| (from as f64, (end - from) as f64)).collect()
}

/// A name without its middle where it is too long: its end tells what it is.
fn shortened(name: &str, most_chars: usize) -> String {
    let n = name.chars().count();
    if n <= most_chars {
        return name.to_owned();
    }
    let kept = most_chars.saturating_sub(3).max(2);
    let head: String = name.chars().take(kept.div_ceil(2)).collect();
    let tail: String = name.chars().skip(n - kept / 2).collect();
    format!("{head}...{tail}")
}

#[cfg(test)]
mod tests;
