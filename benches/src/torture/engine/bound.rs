//! The largest step from one frame to the next that a storm may make, from what is known of it: tones, ramps, holes.
//!
//! A tone of amplitude `A` and frequency `f` steps by at most `2·A·sin(π·f/rate)`. A gain between 0 and 1 that is ramped
//! over `n` frames adds `A/n`. A clocked source that is opened anew leaves a hole with faded edges, which add `A` over the
//! lengths of the fades; its resampler lets every edge overshoot a little. On a bus the sources' steps add up at worst.

use std::f64::consts::PI;

use ra_engine::EngineConfig;

use super::plan::{DEVICES_PER_THREAD, N_PLACES, TONES_PER_THREAD};

/// Level of every source. Low enough that all of them together do not clip.
pub(super) const TONE_DBFS: f64 = -26.0;
/// How long the engine's fades at a hole's start and end take, in milliseconds, as its `rt/hole.rs` has them.
const HOLE_FADES_MS: [f64; 2] = [1.5, 5.0];
/// What a band-limited edge overshoots by: Gibbs' 9 %, rounded up.
const OVERSHOOT: f64 = 1.1;
/// What a steered rate, a resampler's ripple and single precision add.
const TOLERANCE: f64 = 1.02;

/// The tone of a place, in hertz. Low tones have small slopes, beside which an unramped change stands out.
pub(super) fn tone_hz(place: usize) -> f64 {
    21.0 + 2.0 * place as f64
}

/// Whether the source of a place is clocked.
pub(super) fn is_clocked(place: usize) -> bool {
    place % (TONES_PER_THREAD + DEVICES_PER_THREAD) >= TONES_PER_THREAD
}

/// Peak of every source.
pub(super) fn amplitude_lin() -> f64 {
    10_f64.powf(TONE_DBFS / 20.0)
}

/// The bounds of an engine's buses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    rate_hz: f64,
    ramp_frames: f64,
}

impl Bounds {
    pub(super) fn of(config: &EngineConfig) -> Self {
        Self { rate_hz: f64::from(config.sample_rate.hz()), ramp_frames: f64::from(config.ramp_frames()) }
    }

    /// The tone's own slope, per frame.
    fn tone_lin(self, place: usize) -> f64 {
        amplitude_lin() * 2.0 * (PI * tone_hz(place) / self.rate_hz).sin()
    }

    /// A full ramp's slope, per frame.
    pub(super) fn ramp_lin(self) -> f64 {
        amplitude_lin() / self.ramp_frames
    }

    /// The slopes of a hole's edges, per frame.
    fn holes_lin(self) -> f64 {
        HOLE_FADES_MS.iter().map(|ms| amplitude_lin() / (ms * self.rate_hz / 1000.0)).sum()
    }

    /// On the bus of the place's source.
    pub(super) fn source_lin(self, place: usize) -> f64 {
        let steady = self.tone_lin(place) + self.ramp_lin();
        let worst = if is_clocked(place) { (steady + self.holes_lin()) * OVERSHOOT } else { steady };
        worst * TOLERANCE
    }

    /// On `main`, with a source in every place.
    pub(super) fn main_lin(self) -> f64 {
        (0..N_PLACES).map(|place| self.source_lin(place)).sum()
    }

    /// How it comes about, for people.
    pub(super) fn explanation(self) -> String {
        let clocked = (0..N_PLACES).filter(|&place| is_clocked(place)).count();
        format!(
            "steps: {N_PLACES} tones of {TONE_DBFS} dBFS ({:.4}), {}-{} Hz: slope at most {:.6} a frame; ramps over {} \
             frames add {:.6}; {clocked} of them are clocked, with holes faded over {} and {} ms that add {:.6}, and {:.0} % \
             of overshoot: a source's own bus {:.6} or {:.6}, main {:.6}; a tone cut at its peak would step by {:.4}",
            amplitude_lin(),
            tone_hz(0),
            tone_hz(N_PLACES - 1),
            self.tone_lin(N_PLACES - 1),
            self.ramp_frames,
            self.ramp_lin(),
            HOLE_FADES_MS[0],
            HOLE_FADES_MS[1],
            self.holes_lin(),
            (OVERSHOOT - 1.0) * 100.0,
            self.source_lin(TONES_PER_THREAD - 1),
            self.source_lin(N_PLACES - 1),
            self.main_lin(),
            amplitude_lin(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cut_off_is_far_above_what_all_of_them_may_do() {
        let bounds = Bounds::of(&EngineConfig::default());
        assert!(bounds.main_lin() < amplitude_lin() / 4.0, "{}", bounds.explanation());
        assert!(bounds.source_lin(0) < amplitude_lin() / 100.0);
        assert!(bounds.source_lin(N_PLACES - 1) < amplitude_lin() / 30.0);
        assert!(amplitude_lin() * (N_PLACES as f64) < 1.0, "all of them together do not clip");
        assert_eq!((0..N_PLACES).filter(|&place| is_clocked(place)).count(), super::super::plan::N_SLOTS);
    }
}
