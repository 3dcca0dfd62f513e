//! Where the marks of an axis stand, and how times and levels are written. Draws nothing.

/// Steps between marks of time, in seconds: those that people count in.
const TIME_STEPS_S: [f64; 16] =
    [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 21_600.0];

/// A mark on the axis of time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimeTick {
    /// From the start, in seconds.
    pub(super) at_s: f64,
    pub(super) label: String,
}

/// Marks over `duration_s` seconds, `most` at most.
pub(super) fn time_ticks(duration_s: f64, most: usize) -> Vec<TimeTick> {
    if duration_s.is_nan() || duration_s <= 0.0 || most == 0 {
        return vec![TimeTick { at_s: 0.0, label: time(0.0, 0) }];
    }
    let rough = duration_s / most as f64;
    let step_s = if rough <= 0.5 {
        round_step(rough)
    } else {
        let whole_days = || (rough / 86_400.0).ceil() * 86_400.0;
        let half_days = || (rough <= 43_200.0).then_some(43_200.0);
        TIME_STEPS_S.into_iter().find(|&step| step >= rough).or_else(half_days).unwrap_or_else(whole_days)
    };
    let n_decimals = (-step_s.log10()).ceil().clamp(0.0, 9.0) as usize;
    let n_ticks = (duration_s / step_s * (1.0 + 1e-9)).floor() as u64;
    (0..=n_ticks)
        .map(|n| {
            let at_s = n as f64 * step_s;
            TimeTick { at_s, label: if duration_s < 1.0 { short_time(at_s, step_s) } else { time(at_s, n_decimals) } }
        })
        .collect()
}

/// 1, 2 or 5 times a power of ten, no less than `rough`.
fn round_step(rough: f64) -> f64 {
    let decade = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= rough * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * decade
}

/// Hours, minutes and seconds: `1:02:03`, `2:03.25`.
pub(super) fn time(seconds: f64, n_decimals: usize) -> String {
    let scale = 10u64.pow(n_decimals as u32);
    // Rounded once, so that no part comes out as 60.
    let units = (seconds.max(0.0) * scale as f64).round() as u64;
    let (whole, part) = (units / scale, units % scale);
    let (h, m, s) = (whole / 3_600, whole / 60 % 60, whole % 60);
    let fraction = if n_decimals == 0 { String::new() } else { format!(".{part:0n_decimals$}") };
    if h > 0 { format!("{h}:{m:02}:{s:02}{fraction}") } else { format!("{m}:{s:02}{fraction}") }
}

/// A length in time, as exact as people want it: `0.833 ms`, `0:03.061`, `1:02:03`.
pub(super) fn length(seconds: f64) -> String {
    match seconds {
        s if s > 0.0 && s < 1.0 => format!("{:.3} ms", s * 1e3),
        s if s < 600.0 => time(s, 3),
        s => time(s, 0),
    }
}

/// Parts of a second: `250 ms`; where marks are closer than that, `0.0125 ms`.
fn short_time(seconds: f64, step_s: f64) -> String {
    let n_decimals = (-(step_s * 1e3).log10()).ceil().clamp(0.0, 6.0) as usize;
    format!("{:.n_decimals$} ms", seconds * 1e3)
}

/// A level: `-3.2 dBFS`, or `silent`.
pub(super) fn dbfs(lin: f32) -> String {
    if lin > 0.0 { format!("{:.1} dBFS", 20.0 * lin.log10()) } else { "silent".to_owned() }
}

/// How levels are spread over the height of a channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LevelScale {
    /// Evenly, up to this level.
    Linear { top_lin: f32 },
    /// In dB from the middle, where `floor_db` and everything below it is, out to `top_db`.
    Decibel { floor_db: f32, top_db: f32 },
}

impl LevelScale {
    /// A scale that shows `peak_lin`: full scale, or more where there is more.
    pub(super) fn linear(peak_lin: f32) -> Self {
        let top_lin = if peak_lin <= 1.0 { 1.0 } else { round_step(f64::from(peak_lin)) as f32 };
        LevelScale::Linear { top_lin }
    }

    /// As [`Self::linear`], in dB.
    pub(super) fn decibel(peak_lin: f32) -> Self {
        let peak_db = 20.0 * peak_lin.max(1.0).log10();
        LevelScale::Decibel { floor_db: -72.0, top_db: (peak_db / 6.0).ceil() * 6.0 }
    }

    /// Where a sample stands: 0 in the middle, 1 at the top, -1 at the bottom.
    pub(super) fn place(self, sample_lin: f32) -> f32 {
        match self {
            LevelScale::Linear { top_lin } => sample_lin / top_lin,
            LevelScale::Decibel { floor_db, top_db } => {
                let db = 20.0 * sample_lin.abs().log10();
                ((db - floor_db) / (top_db - floor_db)).max(0.0).copysign(sample_lin)
            }
        }
        .clamp(-1.0, 1.0)
    }

    /// Marks from the middle to the top: place and words. As many as go where each wants `room` of the half height.
    pub(super) fn ticks(self, room: f32) -> Vec<(f32, String)> {
        let candidates: Vec<(f32, String)> = match self {
            LevelScale::Linear { top_lin } => {
                let parts: &[f32] = if room <= 0.25 { &[1.0, 0.5, 0.0] } else { &[1.0, 0.0] };
                let full = (top_lin > 1.0).then_some(1.0);
                let values = parts.iter().map(|part| part * top_lin).chain(full);
                values.map(|value| (self.place(value), format!("{value}"))).collect()
            }
            LevelScale::Decibel { floor_db, top_db } => {
                let steps: &[f32] = &[0.0, -12.0, -24.0, -48.0];
                let above = (top_db > 0.0).then_some(top_db);
                let values = above.into_iter().chain(steps.iter().copied()).filter(|&db| db > floor_db);
                values.map(|db| ((db - floor_db) / (top_db - floor_db), format!("{db}"))).collect()
            }
        };
        let mut kept: Vec<(f32, String)> = Vec::new();
        for (place, label) in candidates {
            if kept.iter().all(|(other, _)| (other - place).abs() >= room) {
                kept.push((place, label));
            }
        }
        kept
    }

    /// Where full scale is.
    pub(super) fn full_scale(self) -> f32 {
        self.place(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(duration_s: f64, most: usize) -> Vec<String> {
        time_ticks(duration_s, most).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn marks_stand_at_times_that_people_count_in() {
        assert_eq!(labels(10.0, 5), ["0:00", "0:02", "0:04", "0:06", "0:08", "0:10"]);
        assert_eq!(labels(95.0, 4), ["0:00", "0:30", "1:00", "1:30"]);
        assert_eq!(labels(2.0, 4), ["0:00.0", "0:00.5", "0:01.0", "0:01.5", "0:02.0"]);
        assert_eq!(labels(86_400.0, 4), ["0:00", "6:00:00", "12:00:00", "18:00:00", "24:00:00"]);
        assert_eq!(labels(0.02, 2), ["0 ms", "10 ms", "20 ms"]);
        assert_eq!(labels(0.001, 2), ["0.0 ms", "0.5 ms", "1.0 ms"]);
        assert_eq!(labels(30.0 * 86_400.0, 3), ["0:00", "240:00:00", "480:00:00", "720:00:00"]);
        assert_eq!(labels(0.0, 5), ["0:00"]);
        for duration_s in [1e-5, 0.3, 1.0, 59.9, 61.0, 3_599.0, 4_000.0, 1e5, 1e7] {
            for most in [1, 3, 8, 14] {
                let n = time_ticks(duration_s, most).len();
                assert!((1..=most + 1).contains(&n), "{duration_s} s: {n} of {most}");
            }
        }
    }

    #[test]
    fn times_are_rounded_once() {
        assert_eq!(time(59.999, 2), "1:00.00");
        assert_eq!(time(3_599.96, 1), "1:00:00.0");
        assert_eq!(time(3_661.5, 3), "1:01:01.500");
        assert_eq!([0.0, 0.25, 3.0614, 7_200.4].map(length), ["0:00.000", "250.000 ms", "0:03.061", "2:00:00"]);
    }

    #[test]
    fn levels_are_spread_as_the_scale_says() {
        let linear = LevelScale::linear(0.3);
        assert_eq!(linear.place(-0.5), -0.5);
        assert_eq!(linear.ticks(0.2), [(1.0, "1".to_owned()), (0.5, "0.5".to_owned()), (0.0, "0".to_owned())]);
        assert_eq!(linear.ticks(0.6), [(1.0, "1".to_owned()), (0.0, "0".to_owned())]);
        assert_eq!(LevelScale::linear(1.7), LevelScale::Linear { top_lin: 2.0 });
        assert_eq!(LevelScale::linear(1.7).full_scale(), 0.5);
        let decibel = LevelScale::decibel(0.3);
        assert_eq!((decibel.place(1.0), decibel.place(-1.0), decibel.place(0.0)), (1.0, -1.0, 0.0));
        assert!((decibel.place(-0.5) + 66.0 / 72.0).abs() < 1e-3);
        assert_eq!(decibel.place(1e-9), 0.0);
        assert_eq!(decibel.ticks(0.1)[1].1, "-12");
        assert_eq!(LevelScale::decibel(1.7), LevelScale::Decibel { floor_db: -72.0, top_db: 6.0 });
        assert_eq!((dbfs(1.0), dbfs(0.0)), ("0.0 dBFS".to_owned(), "silent".to_owned()));
    }
}
