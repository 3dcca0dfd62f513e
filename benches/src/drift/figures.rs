//! All figures of one run, and what of them is held to the targets.

use serde::Serialize;

use super::contestants::Entrant;
use super::cost::CostFigures;
use super::eight::EightFigures;
use super::quality::QualityFigures;
use super::real::{RealFigures, Stamps};
use super::scenes::{Lengths, SceneFigures, SteadyFigures};
use super::target::Target;
use crate::median;

/// What the bench found.
#[derive(Clone, Debug, Serialize)]
pub struct DriftFigures {
    /// How long everything was watched.
    pub lengths: Lengths,
    /// One source, everybody.
    pub scenes: SceneFigures,
    /// Eight sources, this engine.
    pub eight: EightFigures,
    /// What the engine does to sound while it steers, by quality.
    pub quality: Vec<QualityFigures>,
    /// What it costs.
    pub cost: CostFigures,
    /// Real threads; null where they were left out.
    pub real: Option<RealFigures>,
    /// What is held to a bound.
    pub targets: Vec<Target>,
}

impl DriftFigures {
    /// Holds what was found to the targets.
    pub fn new(
        lengths: Lengths,
        scenes: SceneFigures,
        eight: EightFigures,
        quality: Vec<QualityFigures>,
        cost: CostFigures,
        real: Option<RealFigures>,
    ) -> Self {
        let mut targets = of_scenes(&scenes);
        targets.extend(of_eight(&eight));
        targets.extend(of_sound(&quality));
        targets.extend(of_cost(&cost));
        targets.extend(real.iter().flat_map(of_real));
        Self { lengths, scenes, eight, quality, cost, real, targets }
    }
}

fn of_scenes(scenes: &SceneFigures) -> Vec<Target> {
    let mut targets = Vec::new();
    for ours in scenes.wander.iter().filter(|row| row.entrant == Entrant::Ra) {
        let offset_us = ours.score.offset_us;
        targets.push(Target::at_most("wander: offset rms, us", offset_us.rms, 10.0));
        targets.push(Target::at_most("wander: offset p99, us", offset_us.p99, 20.8));
        targets.push(Target::at_most("wander: offset max, us", offset_us.max, 50.0));
        targets.push(Target::at_most("wander: ratio noise, ppm rms", ours.score.ratio_noise_ppm, 2.0));
        let n_lost = ours.losses.lost_frames + ours.losses.inserted_frames;
        targets.push(Target::at_most("wander: frames lost or inserted", n_lost as f64, 0.0));
    }
    let cold = || scenes.cold_start.iter().filter(|row| row.entrant == Entrant::Ra);
    let peak_us = cold().map(|row| row.peak_us).fold(f64::NAN, f64::max);
    targets.push(Target::at_most("cold start: peak after 1 s, median of seeds, worst ppm, us", peak_us, 100.0));
    let settled_s = cold().map(|row| row.two_samples_s.unwrap_or(f64::INFINITY)).fold(f64::NAN, f64::max);
    targets.push(Target::at_most("cold start: inside 41.7 us for good, median, worst ppm, s", settled_s, 3.0));
    let steady: Vec<&SteadyFigures> = scenes.steady.iter().filter(|row| row.entrant == Entrant::Ra).collect();
    for row in &steady {
        let slopes = row.slopes_us_per_10min.iter().map(|slope| slope.abs());
        let (jitter_us, sigma) = (row.jitter_us, row.sigma_of_stamps_us_per_10min);
        let figure = format!("steady, {jitter_us} us jitter (stamps alone: {sigma:.2}): |slope|, median, us / 10 min");
        targets.push(Target::at_most(figure, median(&slopes.collect::<Vec<_>>()), 1.0));
    }
    let beyond = steady.iter().flat_map(|row| row.slopes_us_per_10min.iter().zip(&row.slopes_of_stamps_us_per_10min));
    let beyond = beyond.map(|(slope, of_stamps)| (slope - of_stamps).abs()).fold(f64::NAN, f64::max);
    targets.push(Target::at_most("steady: |slope| beyond that of the stamps, worst, us / 10 min", beyond, 1.0));
    targets
}

fn of_eight(eight: &EightFigures) -> [Target; 3] {
    [
        Target::at_most("eight sources: worst pair p99, us", eight.worst_p99_us, 20.8),
        Target::at_most("eight sources: dropped frames", eight.dropped_frames as f64, 0.0),
        Target::at_most("eight sources: inserted frames", eight.inserted_frames as f64, 0.0),
    ]
}

fn of_sound(quality: &[QualityFigures]) -> Vec<Target> {
    let best = quality.iter().filter(|row| row.quality == "best");
    best.flat_map(|row| {
        let tones = row
            .tones
            .iter()
            .map(|tone| Target::at_most(format!("best: THD+N of {} Hz, dB", tone.hz), tone.worst_thd_n_db, -130.0));
        tones.chain([Target::at_most("best: level to 20 kHz, +- dB", row.flatness_db, 0.01)]).collect::<Vec<_>>()
    })
    .collect()
}

fn of_cost(cost: &CostFigures) -> Vec<Target> {
    let mut targets = Vec::new();
    for row in cost.followers.iter().filter(|row| row.quality == "balanced") {
        targets.push(Target::at_most("balanced: one stereo follower, % of a core", row.percent_of_core, 1.0));
        targets.push(Target::at_least("balanced: followers that fit into a core", row.fit_into_a_core, 32.0));
    }
    for row in &cost.simulation {
        let bound = if row.quality == "fast" { 720.0 } else { 200.0 };
        let figure = format!("simulation at {}, 2 sources, x real time", row.quality);
        targets.push(Target::at_least(figure, row.times_real_time, bound));
    }
    targets
}

fn of_real(real: &RealFigures) -> Vec<Target> {
    let pairs = real.pairs.iter();
    pairs
        .map(|pair| {
            let stamps = match pair.stamps {
                Stamps::Exact => "exact stamps",
                Stamps::WakeUp => "stamps by wake-up",
            };
            let figure = format!("real threads, {stamps}: |slope|, us / 10 min");
            Target::at_most(figure, pair.slope_us_per_10min.abs(), 100.0)
        })
        .collect()
}
