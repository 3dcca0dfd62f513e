//! The contestants: this engine, and the ways in which others deal with drift, each written anew from its public
//! description and tuned with care.

mod delay_locked;
mod drop_repeat;
mod fill_loop;
mod ours;
mod uncorrected;

use anyhow::Result;
use serde::Serialize;

use super::contestant::Contestant;
use delay_locked::DelayLocked;
use drop_repeat::DropRepeat;
use fill_loop::FillLoop;
use ours::Ours;
use uncorrected::Uncorrected;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entrant {
    /// The engine of this project, whole.
    Ra,
    /// A queue behind a lock, and nothing else.
    Uncorrected,
    /// Single frames left out or repeated when the sound is 100 us off.
    DropRepeat,
    /// A controller with proportional and integral part on the queue's fill, every 10 s, with the gains of a well-known
    /// program.
    FillPi,
    /// The same with the gains that a search found best for this bench's wandering clock.
    FillPiTuned,
    /// A second-order delay-locked loop on the stamps, at the bandwidth of a well-known program.
    Dll,
    /// The same loop with a gate for outliers, and the bandwidths that a search found best for this bench's wandering clock.
    DllTuned,
}

impl Entrant {
    /// Everybody, this engine first.
    pub const ALL: [Entrant; 7] = [
        Entrant::Ra,
        Entrant::Uncorrected,
        Entrant::DropRepeat,
        Entrant::FillPi,
        Entrant::FillPiTuned,
        Entrant::Dll,
        Entrant::DllTuned,
    ];

    /// For tables and pictures.
    pub fn name(self) -> &'static str {
        match self {
            Entrant::Ra => "ra",
            Entrant::Uncorrected => "no correction",
            Entrant::DropRepeat => "drop/repeat at 100 us",
            Entrant::FillPi => "PI on fill, 10 s",
            Entrant::FillPiTuned => "PI on fill, tuned",
            Entrant::Dll => "DLL 0.1 Hz",
            Entrant::DllTuned => "DLL tuned, gated",
        }
    }

    /// A new one, that knows nothing yet.
    ///
    /// # Errors
    /// The engine refuses its settings.
    pub fn enter(self) -> Result<Box<dyn Contestant>> {
        Ok(match self {
            Entrant::Ra => Box::new(Ours::new()?),
            Entrant::Uncorrected => Box::new(Uncorrected::new()),
            Entrant::DropRepeat => Box::new(DropRepeat::new()),
            Entrant::FillPi => Box::new(FillLoop::usual()),
            Entrant::FillPiTuned => Box::new(FillLoop::tuned()),
            Entrant::Dll => Box::new(DelayLocked::usual()),
            Entrant::DllTuned => Box::new(DelayLocked::tuned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use ra_engine::sources::{ClockModel, Outliers};

    use super::super::arena::{Scene, Trace, play};
    use super::super::score::Score;
    use super::*;
    use Entrant::*;

    fn scene(ppm: f64, jitter_us: f64) -> Scene {
        Scene {
            clock: ClockModel { ppm, ..ClockModel::PERFECT },
            jitter_us,
            outliers: Outliers::default(),
            seed: 2,
            seconds: 60.0,
            judged_from_s: 0.0,
        }
    }

    fn trace(entrant: Entrant, ppm: f64, jitter_us: f64) -> Trace {
        play(&scene(ppm, jitter_us), entrant.enter().unwrap().as_mut()).unwrap()
    }

    #[test]
    fn a_perfect_clock_with_perfect_stamps_is_read_in_its_place() {
        for entrant in [Ra, DropRepeat, FillPi, FillPiTuned, Dll, DllTuned] {
            let trace = trace(entrant, 0.0, 0.0);
            let score = Score::of(&trace, 1.0);
            // The one that steps by whole frames begins at the nearest.
            assert!(score.offset_us.max < 11.0, "{entrant:?}: {score:?}");
            assert!(score.wander_us.max < 0.1 && score.ratio_noise_ppm < 0.01, "{entrant:?}: {score:?}");
            assert_eq!(trace.losses, Default::default(), "{entrant:?}");
        }
    }

    #[test]
    fn those_that_follow_do_so_in_both_directions_and_lose_nothing() {
        for entrant in [Ra, Dll, DllTuned] {
            for ppm in [-150.0, 150.0] {
                let trace = trace(entrant, ppm, 20.0);
                let score = Score::of(&trace, 40.0);
                assert!(score.offset_us.max < 10.0, "{entrant:?} at {ppm} ppm: {score:?}");
                assert_eq!(trace.losses, Default::default(), "{entrant:?}");
            }
        }
    }

    #[test]
    fn the_controller_on_the_fill_pulls_back_in_both_directions() {
        for (entrant, seconds) in [(FillPi, 900.0), (FillPiTuned, 300.0)] {
            for ppm in [-100.0, 100.0] {
                let long = Scene { seconds, ..scene(ppm, 20.0) };
                let score = Score::of(&play(&long, entrant.enter().unwrap().as_mut()).unwrap(), seconds - 60.0);
                assert!(score.offset_us.max < 60.0, "{entrant:?} at {ppm} ppm: {score:?}");
            }
        }
    }

    #[test]
    fn single_frames_are_lost_or_repeated_as_the_drift_demands() {
        // 200 ppm of a minute are 576 frames; up to 5 are not corrected yet, and 1 s passes before the first.
        let fast = trace(DropRepeat, 200.0, 100.0);
        assert!((540..580).contains(&fast.losses.lost_frames) && fast.losses.inserted_frames < 10, "{:?}", fast.losses);
        let slow = trace(DropRepeat, -200.0, 100.0);
        assert!((540..580).contains(&slow.losses.inserted_frames) && slow.losses.lost_frames < 10, "{:?}", slow.losses);
        for trace in [fast, slow] {
            let score = Score::of(&trace, 5.0);
            assert!(score.offset_us.max < 320.0 && score.silent_blocks == 0, "{score:?}");
        }
    }

    #[test]
    fn without_correction_sound_piles_up_and_is_thrown_away_or_runs_out() {
        // 1000 ppm of a minute are 60 ms, three cushions.
        let fast = trace(Uncorrected, 1_000.0, 100.0);
        assert!(fast.losses.lost_frames > 1_500 && fast.losses.inserted_frames == 0, "{:?}", fast.losses);
        let slow = trace(Uncorrected, -1_000.0, 100.0);
        assert!(slow.losses.inserted_frames > 1_000 && slow.losses.lost_frames == 0, "{:?}", slow.losses);
        assert!(Score::of(&slow, 1.0).silent_blocks > 8);
    }

    #[test]
    fn everybody_is_silent_and_counts_it_when_nothing_comes_in_time() {
        let late = Scene { outliers: Outliers { probability: 0.01, ms: 60.0 }, ..scene(0.0, 0.0) };
        for entrant in [Ra, DropRepeat, FillPi, Dll, DllTuned] {
            let trace = play(&late, entrant.enter().unwrap().as_mut()).unwrap();
            assert!(trace.losses.inserted_frames > 0, "{entrant:?}: {:?}", trace.losses);
        }
    }
}
