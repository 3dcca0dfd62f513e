//! The scenes with one source: what the device does in each, who plays, and what comes of it.

use anyhow::Result;
use ra_engine::sources::{ClockModel, Outliers};
use serde::Serialize;

use super::arena::{Scene, Trace, play};
use super::contestant::Losses;
use super::contestants::Entrant;
use super::pictures::Album;
use super::score::{
    SAMPLE_US, Score, peak_us, settled_s, slope_of_stamps_us_per_10min, slope_sigma_us_per_10min, slope_us_per_10min,
};
use crate::median;

/// The scene: 50 ± 10 ppm over 600 s.
pub(super) const WANDERING: ClockModel =
    ClockModel { ppm: 50.0, thermal_ppm: 10.0, thermal_period_s: 600.0, ..ClockModel::PERFECT };
pub(super) const JITTER_US: f64 = 200.0;
pub(super) const OUTLIERS: Outliers = Outliers { probability: 0.001, ms: 10.0 };
/// Behind the start, in the scenes that are not about it, in seconds.
const JUDGED_FROM_S: f64 = 60.0;
const COLD_PPM: [f64; 4] = [100.0, -200.0, 0.0, 200.0];
const STEADY_PPM: f64 = 37.0;
const STEADY_JITTER_US: [f64; 5] = [0.0, 20.0, 50.0, 100.0, 200.0];
const STEP_AT_S: f64 = 120.0;
const STEP_PPM: f64 = 100.0;

/// How long everything takes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Lengths {
    /// The wandering clock, in seconds.
    pub wander_s: f64,
    /// Each cold start, in seconds.
    pub cold_s: f64,
    /// Different errors of the stamps, and places of the periods, for cold starts.
    pub cold_seeds: u64,
    /// The one cold start that is watched for longer, in seconds.
    pub cold_long_s: f64,
    /// The steady clock, in seconds, the first minute included.
    pub steady_s: f64,
    /// Different errors of the stamps, for the steady clock.
    pub steady_seeds: u64,
    /// The step of the rate, in seconds behind it.
    pub step_s: f64,
    /// Eight sources, in seconds.
    pub eight_s: f64,
    /// Before sound is judged, in seconds.
    pub quality_from_s: f64,
}

impl Lengths {
    /// What is published.
    pub const FULL: Lengths = Lengths {
        wander_s: 3600.0,
        cold_s: 60.0,
        cold_seeds: 5,
        cold_long_s: 900.0,
        steady_s: 660.0,
        steady_seeds: 5,
        step_s: 900.0,
        eight_s: 86_400.0,
        quality_from_s: 60.0,
    };
    /// Shows that the bench works.
    pub const QUICK: Lengths = Lengths {
        wander_s: 600.0,
        cold_s: 60.0,
        cold_seeds: 5,
        cold_long_s: 120.0,
        steady_s: 660.0,
        steady_seeds: 1,
        step_s: 60.0,
        eight_s: 600.0,
        quality_from_s: 15.0,
    };
}

/// What everybody did in every scene.
#[derive(Clone, Debug, Serialize)]
pub struct SceneFigures {
    /// 50 ± 10 ppm over 600 s, 200 us of jitter, 0.1 % outliers of 10 ms, from 60 s on.
    pub wander: Vec<WanderFigures>,
    /// The same without outliers.
    pub wander_without_outliers: Vec<WanderFigures>,
    /// Cold starts at four rates, medians over the seeds.
    pub cold_start: Vec<ColdFigures>,
    /// One at +100 ppm, watched for longer.
    pub cold_start_long: Vec<ColdFigures>,
    /// A constant +37 ppm from 60 s on, by jitter.
    pub steady: Vec<SteadyFigures>,
    /// A step from 0 to +100 ppm.
    pub step: Vec<StepFigures>,
}

/// A wandering clock.
#[derive(Clone, Debug, Serialize)]
pub struct WanderFigures {
    /// Who.
    pub entrant: Entrant,
    /// How well, from 60 s on.
    #[serde(flatten)]
    pub score: Score,
    /// How well in the second half, for those that need minutes to settle.
    pub second_half: Score,
    /// At what loss.
    #[serde(flatten)]
    pub losses: Losses,
}

/// A start from nothing.
#[derive(Clone, Debug, Serialize)]
pub struct ColdFigures {
    /// Who.
    pub entrant: Entrant,
    /// The source's rate.
    pub ppm: f64,
    /// The largest |offset| after the first second.
    pub peak_us: f64,
    /// Until inside two samples for good, from the start; null: never.
    pub two_samples_s: Option<f64>,
    /// Until inside one sample for good, from the start; null: never.
    pub one_sample_s: Option<f64>,
}

/// A clock that does not change.
#[derive(Clone, Debug, Serialize)]
pub struct SteadyFigures {
    /// Who.
    pub entrant: Entrant,
    /// Of the stamps.
    pub jitter_us: f64,
    /// Of a straight line through the offset, per seed.
    pub slopes_us_per_10min: Vec<f64>,
    /// Of a straight line through the errors of the very stamps, as an offset: nobody who has but the stamps knows better.
    pub slopes_of_stamps_us_per_10min: Vec<f64>,
    /// The standard deviation that those must have, with that jitter and so many stamps.
    pub sigma_of_stamps_us_per_10min: f64,
    /// Rms of the offset, worst seed.
    pub offset_rms_us: f64,
}

/// A clock whose rate steps.
#[derive(Clone, Debug, Serialize)]
pub struct StepFigures {
    /// Who.
    pub entrant: Entrant,
    /// Of the stamps.
    pub jitter_us: f64,
    /// The largest |offset| behind the step.
    pub peak_us: f64,
    /// From the step until inside one sample for good; null: never.
    pub one_sample_s: Option<f64>,
}

/// Plays every scene to every entrant. What is to be drawn goes into `album`.
///
/// # Errors
/// A scene or the engine's settings make no sense.
pub fn run_scenes(lengths: &Lengths, album: &mut Album) -> Result<SceneFigures> {
    let mut figures = SceneFigures {
        wander: Vec::new(),
        wander_without_outliers: Vec::new(),
        cold_start: Vec::new(),
        cold_start_long: Vec::new(),
        steady: Vec::new(),
        step: Vec::new(),
    };
    for entrant in Entrant::ALL {
        let trace = play_to(entrant, &wander(lengths, OUTLIERS))?;
        figures.wander.push(wander_figures(entrant, &trace, lengths));
        album.wander(entrant, trace);
        let trace = play_to(entrant, &wander(lengths, Outliers::default()))?;
        figures.wander_without_outliers.push(wander_figures(entrant, &trace, lengths));
        for ppm in COLD_PPM {
            figures.cold_start.push(cold_start(entrant, ppm, lengths)?);
        }
        let trace = play_to(entrant, &cold(COLD_PPM[0], 1, lengths.cold_long_s))?;
        figures.cold_start_long.push(cold_figures(entrant, COLD_PPM[0], &[&trace]));
        album.cold_start(entrant, trace);
        for jitter_us in STEADY_JITTER_US {
            figures.steady.push(steady(entrant, jitter_us, lengths)?);
        }
        for jitter_us in [0.0, JITTER_US] {
            figures.step.push(step(entrant, jitter_us, lengths)?);
        }
    }
    Ok(figures)
}

fn play_to(entrant: Entrant, scene: &Scene) -> Result<Trace> {
    play(scene, entrant.enter()?.as_mut())
}

fn wander(lengths: &Lengths, outliers: Outliers) -> Scene {
    Scene {
        clock: WANDERING,
        jitter_us: JITTER_US,
        outliers,
        seed: 1,
        seconds: lengths.wander_s,
        judged_from_s: JUDGED_FROM_S,
    }
}

fn wander_figures(entrant: Entrant, trace: &Trace, lengths: &Lengths) -> WanderFigures {
    WanderFigures {
        entrant,
        score: Score::of(trace, JUDGED_FROM_S),
        second_half: Score::of(trace, lengths.wander_s / 2.0),
        losses: trace.losses,
    }
}

fn cold(ppm: f64, seed: u64, seconds: f64) -> Scene {
    Scene {
        clock: ClockModel { ppm, ..ClockModel::PERFECT },
        jitter_us: JITTER_US,
        outliers: Outliers::default(),
        seed,
        seconds,
        judged_from_s: 0.0,
    }
}

fn cold_start(entrant: Entrant, ppm: f64, lengths: &Lengths) -> Result<ColdFigures> {
    let traces: Vec<Trace> = (1..=lengths.cold_seeds)
        .map(|seed| play_to(entrant, &cold(ppm, seed, lengths.cold_s)))
        .collect::<Result<_>>()?;
    Ok(cold_figures(entrant, ppm, &traces.iter().collect::<Vec<_>>()))
}

/// Medians; one that never gets there counts as infinitely slow.
fn cold_figures(entrant: Entrant, ppm: f64, traces: &[&Trace]) -> ColdFigures {
    let peaks: Vec<f64> = traces.iter().map(|trace| peak_us(trace, 1.0)).collect();
    let settled = |limit_us: f64| {
        let times: Vec<f64> =
            traces.iter().map(|trace| settled_s(trace, 0.0, limit_us).unwrap_or(f64::INFINITY)).collect();
        Some(median(&times)).filter(|time| time.is_finite())
    };
    ColdFigures {
        entrant,
        ppm,
        peak_us: median(&peaks),
        two_samples_s: settled(2.0 * SAMPLE_US),
        one_sample_s: settled(SAMPLE_US),
    }
}

fn steady(entrant: Entrant, jitter_us: f64, lengths: &Lengths) -> Result<SteadyFigures> {
    let mut figures = SteadyFigures {
        entrant,
        jitter_us,
        slopes_us_per_10min: Vec::new(),
        slopes_of_stamps_us_per_10min: Vec::new(),
        sigma_of_stamps_us_per_10min: slope_sigma_us_per_10min(jitter_us, lengths.steady_s - JUDGED_FROM_S),
        offset_rms_us: 0.0,
    };
    for seed in 1..=lengths.steady_seeds {
        let scene = Scene {
            clock: ClockModel { ppm: STEADY_PPM, ..ClockModel::PERFECT },
            jitter_us,
            outliers: Outliers::default(),
            seed,
            seconds: lengths.steady_s,
            judged_from_s: JUDGED_FROM_S,
        };
        let trace = play_to(entrant, &scene)?;
        figures.slopes_us_per_10min.push(slope_us_per_10min(&trace, JUDGED_FROM_S));
        figures.slopes_of_stamps_us_per_10min.push(slope_of_stamps_us_per_10min(&trace, JUDGED_FROM_S));
        figures.offset_rms_us = figures.offset_rms_us.max(Score::of(&trace, JUDGED_FROM_S).offset_us.rms);
    }
    Ok(figures)
}

fn step(entrant: Entrant, jitter_us: f64, lengths: &Lengths) -> Result<StepFigures> {
    let scene = Scene {
        clock: ClockModel { step_ppm: STEP_PPM, step_at_s: STEP_AT_S, ..ClockModel::PERFECT },
        jitter_us,
        outliers: Outliers::default(),
        seed: 1,
        seconds: STEP_AT_S + lengths.step_s,
        judged_from_s: STEP_AT_S,
    };
    let trace = play_to(entrant, &scene)?;
    let one_sample_s = settled_s(&trace, STEP_AT_S, SAMPLE_US);
    Ok(StepFigures { entrant, jitter_us, peak_us: peak_us(&trace, STEP_AT_S), one_sample_s })
}
