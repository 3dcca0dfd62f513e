//! The pictures of the bench: offset over time, one line for each contestant. Measures nothing.

use std::path::Path;

use anyhow::Result;

use super::arena::{BLOCK_S, Trace, block_at};
use super::contestants::Entrant;
use super::score::SAMPLE_US;
use crate::plot::{Axis, LinePlot, Mark, Series};

/// What is kept of the scenes that are drawn.
#[derive(Debug, Default)]
pub struct Album {
    is_wanted: bool,
    wander: Vec<(Entrant, Vec<f32>)>,
    cold_start: Vec<(Entrant, Vec<f32>)>,
}

impl Album {
    /// Keeps what is needed, if it is.
    pub fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    pub(super) fn wander(&mut self, entrant: Entrant, trace: Trace) {
        if self.is_wanted {
            self.wander.push((entrant, trace.offsets_us));
        }
    }

    pub(super) fn cold_start(&mut self, entrant: Entrant, trace: Trace) {
        if self.is_wanted {
            self.cold_start.push((entrant, trace.offsets_us));
        }
    }

    /// Draws them into a folder; returns how many.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn draw(&self, folder: &Path) -> Result<usize> {
        let pictures = self.pictures();
        for (name, picture) in &pictures {
            picture.write(&folder.join(name))?;
        }
        Ok(pictures.len())
    }

    fn pictures(&self) -> [(&'static str, LinePlot); 4] {
        [
            ("drift-wander.svg", self.wander_close()),
            ("drift-wander-log.svg", self.wander_log()),
            ("drift-cold-start.svg", self.cold_close()),
            ("drift-cold-start-log.svg", self.cold_log()),
        ]
    }
}

impl Album {
    /// Those that stay near their place.
    fn wander_close(&self) -> LinePlot {
        let close = [Entrant::Dll, Entrant::DllTuned, Entrant::Ra];
        LinePlot {
            title: "Offset of a source at 50 ± 10 ppm, 200 us of jitter, 0.1 % outliers of 10 ms".to_owned(),
            x: Axis::linear("time (min)"),
            y: Axis::linear("offset (us)").over(-150.0, 150.0),
            series: lines(&self.wander, &close, 60.0, 0.0, f64::INFINITY),
            marks: vec![Mark::y(SAMPLE_US, "one sample"), Mark::y(-SAMPLE_US, "")],
        }
    }

    /// All, by the worst of every 20 s.
    fn wander_log(&self) -> LinePlot {
        let all = |_: Entrant| true;
        LinePlot {
            title: "The same for all: the largest |offset| of every 20 s".to_owned(),
            x: Axis::linear("time (min)"),
            y: Axis::log("|offset| (us)"),
            series: worst(&self.wander, all, 60.0, |t_s| (t_s / 20.0).floor() as i64),
            marks: vec![Mark::y(SAMPLE_US, "one sample")],
        }
    }

    /// The first seconds of those that find their place.
    fn cold_close(&self) -> LinePlot {
        let close = [Entrant::DropRepeat, Entrant::Dll, Entrant::DllTuned, Entrant::Ra];
        LinePlot {
            title: "Cold start at +100 ppm, 200 us of jitter".to_owned(),
            x: Axis::linear("time since the first sound was captured (s)").over(0.0, 20.0),
            y: Axis::linear("offset (us)").over(-250.0, 250.0),
            series: lines(&self.cold_start, &close, 1.0, 0.0, 20.0),
            marks: vec![
                Mark::y(2.0 * SAMPLE_US, "two samples"),
                Mark::y(-2.0 * SAMPLE_US, ""),
                Mark::x(3.0, "inside from here on: the target"),
            ],
        }
    }

    /// All, by the worst of every twentieth of a decade of time.
    fn cold_log(&self) -> LinePlot {
        let all = |_: Entrant| true;
        LinePlot {
            title: "The same for all: the largest |offset|, by the logarithm of time".to_owned(),
            x: Axis::log("time since the first sound was captured (s)").over(0.1, 1000.0),
            y: Axis::log("|offset| (us)"),
            series: worst(&self.cold_start, all, 1.0, |t_s| (t_s.max(1e-3).log10() * 20.0).floor() as i64),
            marks: vec![Mark::y(SAMPLE_US, "one sample"), Mark::x(3.0, "3 s")],
        }
    }
}

/// The offsets of `wanted`, in that order: the last is drawn on top. `unit_s`: seconds per unit of the x axis.
fn lines(traces: &[(Entrant, Vec<f32>)], wanted: &[Entrant], unit_s: f64, from_s: f64, to_s: f64) -> Vec<Series> {
    let found = wanted.iter().filter_map(|wanted| traces.iter().find(|(entrant, _)| entrant == wanted));
    found
        .map(|(entrant, offsets_us)| {
            let blocks = block_at(from_s)..offsets_us.len().min(block_at(to_s));
            let points = blocks.map(|n| (n as f64 * BLOCK_S / unit_s, f64::from(offsets_us[n])));
            Series::new(entrant.name(), points.collect())
        })
        .collect()
}

/// The largest |offset| of each group of blocks, in the middle of its time.
fn worst(
    traces: &[(Entrant, Vec<f32>)],
    is_wanted: impl Fn(Entrant) -> bool,
    unit_s: f64,
    group: impl Fn(f64) -> i64,
) -> Vec<Series> {
    let wanted = traces.iter().filter(|(entrant, _)| is_wanted(*entrant));
    wanted
        .map(|(entrant, offsets_us)| {
            let blocks: Vec<(f64, f64)> = offsets_us
                .iter()
                .enumerate()
                .filter(|(_, offset)| offset.is_finite())
                .map(|(n, offset)| (n as f64 * BLOCK_S, f64::from(offset.abs())))
                .collect();
            let points = blocks.chunk_by(|a, b| group(a.0) == group(b.0)).map(|blocks| {
                let peak_us = blocks.iter().map(|(_, offset_us)| *offset_us).fold(0.0, f64::max);
                (blocks[blocks.len() / 2].0 / unit_s, peak_us)
            });
            Series::new(entrant.name(), points.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::Losses;

    #[test]
    fn the_worst_of_each_group_is_kept_and_silence_is_no_value() {
        let mut offsets_us = vec![1.0; 3000];
        offsets_us[10] = -50.0;
        offsets_us[2000] = f32::NAN;
        let series = worst(&[(Entrant::Ra, offsets_us)], |_| true, 1.0, |t_s| t_s as i64);
        assert_eq!(series[0].points.len(), 8);
        assert_eq!((series[0].points[0].1, series[0].points[1].1), (50.0, 1.0));
        assert!(series[0].points.iter().all(|(_, y)| y.is_finite()));
    }

    #[test]
    fn every_picture_stays_below_200_kb() {
        let mut album = Album::new(true);
        for entrant in Entrant::ALL {
            let trace = Trace {
                offsets_us: (0..400_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 20) as f32).collect(),
                rate_errors_ppm: Vec::new(),
                losses: Losses::default(),
                stamp_errors_us: Vec::new(),
            };
            album.wander(entrant, trace.clone());
            album.cold_start(entrant, trace);
        }
        for (name, picture) in album.pictures() {
            let length = picture.to_svg().unwrap().len();
            assert!((1_000..200_000).contains(&length), "{name}: {length}");
        }
    }
}
