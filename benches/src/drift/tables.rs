//! What the bench prints for people.

use super::figures::DriftFigures;
use super::real::RealFigures;
use super::scenes::{ColdFigures, SceneFigures, WanderFigures};
use crate::{Table, median};

impl std::fmt::Display for DriftFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "50 +- 10 ppm over 600 s, 200 us jitter, 0.1 % outliers of 10 ms, {} s, from 60 s on",
            self.lengths.wander_s
        )?;
        writeln!(f, "{}", wander(&self.scenes.wander))?;
        writeln!(f, "the same without outliers")?;
        writeln!(f, "{}", wander(&self.scenes.wander_without_outliers))?;
        writeln!(
            f,
            "cold start, 200 us jitter, {} s, medians of {} seeds",
            self.lengths.cold_s, self.lengths.cold_seeds
        )?;
        writeln!(f, "{}", cold(&self.scenes.cold_start))?;
        writeln!(f, "cold start, watched for {} s, one seed", self.lengths.cold_long_s)?;
        writeln!(f, "{}", cold(&self.scenes.cold_start_long))?;
        writeln!(f, "steady +37 ppm, from 60 s on for {} s: slope in us per 10 minutes", self.lengths.steady_s - 60.0)?;
        writeln!(f, "{}", steady(&self.scenes))?;
        writeln!(f, "step from 0 to +100 ppm")?;
        writeln!(f, "{}", step(&self.scenes))?;
        self.fmt_eight(f)?;
        self.fmt_sound(f)?;
        self.fmt_cost(f)?;
        if let Some(real) = &self.real {
            fmt_real(real, f)?;
        }
        let mut table = Table::new(["target", "found", "bound", ""]);
        self.targets.iter().for_each(|target| table.row(target.row()));
        write!(f, "{table}")
    }
}

fn wander(rows: &[WanderFigures]) -> Table {
    let header =
        ["us", "rms", "p99", "max", "mean", "rms*", "p99*", "max*", "2nd half rms*", "max*", "ppm", "lost", "inserted"];
    let mut table = Table::new(header);
    for row in rows {
        let (score, late) = (&row.score, &row.second_half);
        let figures = [
            score.offset_us.rms,
            score.offset_us.p99,
            score.offset_us.max,
            score.mean_us,
            score.wander_us.rms,
            score.wander_us.p99,
            score.wander_us.max,
            late.wander_us.rms,
            late.wander_us.max,
            score.ratio_noise_ppm,
        ];
        let cells = [row.entrant.name().to_owned()].into_iter().chain(figures.map(short));
        table.row(cells.chain([row.losses.lost_frames.to_string(), row.losses.inserted_frames.to_string()]));
    }
    table
}

fn cold(rows: &[ColdFigures]) -> Table {
    let mut table = Table::new(["", "ppm", "peak after 1 s, us", "inside 41.7 us, s", "inside 20.8 us, s"]);
    for row in rows {
        let name = row.entrant.name().to_owned();
        table.row([name, row.ppm.to_string(), short(row.peak_us), time(row.two_samples_s), time(row.one_sample_s)]);
    }
    table
}

fn steady(scenes: &SceneFigures) -> Table {
    let mut table =
        Table::new(["", "jitter us", "median |slope|", "worst", "sigma of stamps'", "worst beyond stamps'", "rms us"]);
    let worst = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max);
    for row in &scenes.steady {
        let slopes: Vec<f64> = row.slopes_us_per_10min.iter().map(|slope| slope.abs()).collect();
        let beyond = row.slopes_us_per_10min.iter().zip(&row.slopes_of_stamps_us_per_10min);
        let beyond: Vec<f64> = beyond.map(|(slope, of_stamps)| (slope - of_stamps).abs()).collect();
        table.row([
            row.entrant.name().to_owned(),
            row.jitter_us.to_string(),
            short(median(&slopes)),
            short(worst(&slopes)),
            short(row.sigma_of_stamps_us_per_10min),
            short(worst(&beyond)),
            short(row.offset_rms_us),
        ]);
    }
    table
}

fn step(scenes: &SceneFigures) -> Table {
    let mut table = Table::new(["", "jitter us", "peak us", "inside 20.8 us, s"]);
    for row in &scenes.step {
        let name = row.entrant.name().to_owned();
        table.row([name, row.jitter_us.to_string(), short(row.peak_us), time(row.one_sample_s)]);
    }
    table
}

impl DriftFigures {
    fn fmt_eight(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let eight = &self.eight;
        writeln!(
            f,
            "eight sources, -200 ... +200 ppm, 44.1/48/96 kHz, 100 us jitter, {} s at {}",
            eight.seconds, eight.quality
        )?;
        let rms: Vec<f64> = eight.pairs.iter().map(|pair| pair.rms_us).collect();
        let (p99, max) = (short(eight.worst_p99_us), short(eight.worst_max_us));
        let n_pairs = eight.pairs.len();
        writeln!(f, "{n_pairs} pairs: median rms {} us, worst p99 {p99} us, worst max {max} us", short(median(&rms)))?;
        writeln!(f, "dropped {}, inserted {} frames\n", eight.dropped_frames, eight.inserted_frames)
    }

    fn fmt_sound(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "sound while the loop steers (50 +- 10 ppm, 200 us jitter): THD+N outside 20 Hz, worst of 6 pieces"
        )?;
        let mut table = Table::new(["", "Hz", "worst dB", "median dB", "slow wander, us rms"]);
        for quality in &self.quality {
            for tone in &quality.tones {
                table.row([
                    quality.quality.clone(),
                    tone.hz.to_string(),
                    format!("{:.1}", tone.worst_thd_n_db),
                    format!("{:.1}", tone.median_thd_n_db),
                    short(tone.wander_us),
                ]);
            }
        }
        writeln!(f, "{table}")?;
        let mut table = Table::new(["level, dB", "fast", "balanced", "best"]);
        let n_levels = self.quality.first().map_or(0, |quality| quality.levels.len());
        for n in 0..n_levels {
            let name = self.quality.first().map(|quality| format!("{} Hz", quality.levels[n].hz));
            let levels = self.quality.iter().map(|quality| format!("{:+.5}", quality.levels[n].level_db));
            table.row(name.into_iter().chain(levels));
        }
        writeln!(f, "{table}")
    }

    fn fmt_cost(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut table = Table::new([
            "stereo followers",
            "step p50 us",
            "p99 us",
            "max us",
            "one: % of a core",
            "fit into a core",
            "p99, % of a block",
        ]);
        for row in &self.cost.followers {
            let us = |ns: u64| format!("{:.1}", ns as f64 / 1e3);
            table.row([
                format!("{} {}", row.n_followers, row.quality),
                us(row.step.p50_ns),
                us(row.step.p99_ns),
                us(row.step.max_ns),
                format!("{:.3}", row.percent_of_core),
                format!("{:.0}", row.fit_into_a_core),
                format!("{:.1}", row.p99_percent_of_block),
            ]);
        }
        writeln!(f, "{table}")?;
        let mut table =
            Table::new(["simulation, 2 stereo devices", "x real time, by a core's time", "with silence for sound"]);
        for row in &self.cost.simulation {
            table.row([
                row.quality.clone(),
                format!("{:.0}", row.times_real_time),
                format!("{:.0}", row.times_real_time_silent),
            ]);
        }
        writeln!(f, "{table}")
    }
}

fn fmt_real(real: &RealFigures, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    writeln!(f, "real threads, {} s, +150 and -150 ppm; the mixer's class: {}", real.seconds, real.realtime_class)?;
    let counts = (real.late_blocks, real.dropped_frames, real.inserted_frames);
    writeln!(f, "late blocks {}, dropped frames {}, inserted frames {}", counts.0, counts.1, counts.2)?;
    let mut table = Table::new([
        "stamps",
        "mean us",
        "rms*",
        "max*",
        "slope us/10 min",
        "found ppm",
        "",
        "woke late p50 us",
        "p99",
        "max",
        "disturbed s",
    ]);
    for pair in &real.pairs {
        let ppm = |ppm: Option<f64>| ppm.map_or_else(|| "-".to_owned(), |ppm| format!("{ppm:+.3}"));
        let us = |ns: u64| format!("{:.0}", ns as f64 / 1e3);
        table.row([
            format!("{:?}", pair.stamps),
            short(pair.mean_us),
            short(pair.wander_rms_us),
            short(pair.wander_max_us),
            short(pair.slope_us_per_10min),
            ppm(pair.found_fast_ppm),
            ppm(pair.found_slow_ppm),
            us(pair.lateness.p50_ns),
            us(pair.lateness.p99_ns),
            us(pair.lateness.max_ns),
            pair.disturbed_seconds.to_string(),
        ]);
    }
    writeln!(f, "{table}")
}

/// As many digits as mean something.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.2}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_never_is_a_word() {
        assert_eq!([0.123, 45.678, 123.45, 4567.8].map(short), ["0.12", "45.68", "123.5", "4568"]);
        assert_eq!((time(None), time(Some(1.5))), ("never".to_owned(), "1.50".to_owned()));
    }
}
