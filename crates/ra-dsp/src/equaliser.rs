//! An equaliser: a chain of second-order filters. Does not change its settings while it runs: build another and let the
//! insert slots crossfade.
//!
//! Coefficients are Robert Bristow-Johnson's ("Cookbook formulae for audio equalizer biquad filter coefficients", W3C
//! Note of 2021, "audio-eq-cookbook"), run in the transposed direct form II with `f64` state.

use std::f64::consts::TAU;

use ra_core::StreamSpec;

use crate::error::check_range;
use crate::{DspError, Insert};

/// The most bands that an equaliser takes.
const MAX_BANDS: usize = 64;

/// State below this is silence: it must not decay into denormal numbers, which are slow.
const SILENCE: f64 = 1e-30;

/// The shape of one band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BandKind {
    /// A bell of `gain_db` around `hz`.
    Peak,
    /// `gain_db` below `hz`, half of it (in dB) at `hz`.
    LowShelf,
    /// `gain_db` above `hz`, half of it (in dB) at `hz`.
    HighShelf,
    /// Passes what is below `hz`; 12 dB per octave; `gain_db` is not used.
    LowPass,
    /// Passes what is above `hz`; 12 dB per octave; `gain_db` is not used.
    HighPass,
    /// Takes `hz` out; `gain_db` is not used.
    Notch,
}

/// One band of an equaliser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Its shape.
    pub kind: BandKind,
    /// Its corner or centre in hertz: above 0, below half the sample rate.
    pub hz: f64,
    /// Its gain in dB, −60 to 60.
    pub gain_db: f64,
    /// Its quality, 0.01 to 1000: the larger, the narrower. 0.7071 makes passes maximally flat.
    pub q: f64,
}

/// What an [`Equaliser`] does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EqualiserConfig {
    /// The bands, at most 64; each hears the one before it. None: sound passes untouched.
    pub bands: Vec<Band>,
}

/// A second-order section, normalised to `a0 = 1`.
#[derive(Clone, Copy, Debug)]
struct Biquad {
    b0: f64,
    b1: f64,
    b2: f64,
    a1: f64,
    a2: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    z1: f64,
    z2: f64,
}

/// Filters an interleaved stream through a chain of bands. It has no latency beyond the filters' own phase.
#[derive(Debug)]
pub struct Equaliser {
    channels: usize,
    sample_rate_hz: f64,
    sections: Vec<Biquad>,
    /// A row of channels per section.
    states: Vec<State>,
}

impl Equaliser {
    /// Builds an equaliser for a stream.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    ///
    /// # Errors
    /// [`DspError::Setting`] names the number that is out of range.
    pub fn new(config: &EqualiserConfig, spec: StreamSpec) -> Result<Self, DspError> {
        check_range("a number of bands", config.bands.len() as f64, 0.0..=MAX_BANDS as f64, "")?;
        let sample_rate_hz = f64::from(spec.sample_rate.hz());
        let sections =
            config.bands.iter().map(|band| Biquad::new(band, sample_rate_hz)).collect::<Result<Vec<_>, _>>()?;
        let channels = spec.channels.get();
        let states = vec![State::default(); sections.len() * channels];
        Ok(Self { channels, sample_rate_hz, sections, states })
    }

    /// The gain at a frequency, in dB: what a steady tone of `hz` is changed by.
    pub fn response_db(&self, hz: f64) -> f64 {
        self.sections.iter().map(|section| section.response_db(hz / self.sample_rate_hz * TAU)).sum()
    }
}

impl Biquad {
    // rt-lint: control-side
    fn new(band: &Band, sample_rate_hz: f64) -> Result<Self, DspError> {
        check_range("a band's quality", band.q, 0.01..=1000.0, "")?;
        check_range("a band's gain", band.gain_db, -60.0..=60.0, " dB")?;
        if !(band.hz > 0.0 && band.hz < sample_rate_hz / 2.0) {
            let expected = format!("above 0 and below {} Hz, half the sample rate", sample_rate_hz / 2.0);
            return Err(DspError::Setting { what: "a band's frequency", actual: band.hz, expected });
        }
        let (sin, cos) = (band.hz / sample_rate_hz * TAU).sin_cos();
        let alpha = sin / (2.0 * band.q);
        let a = 10f64.powf(band.gain_db / 40.0);
        let shelf = 2.0 * a.sqrt() * alpha;
        let (b, a) = match band.kind {
            BandKind::Peak => {
                ([1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a], [1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a])
            }
            BandKind::LowShelf => (
                [
                    a * ((a + 1.0) - (a - 1.0) * cos + shelf),
                    2.0 * a * ((a - 1.0) - (a + 1.0) * cos),
                    a * ((a + 1.0) - (a - 1.0) * cos - shelf),
                ],
                [
                    (a + 1.0) + (a - 1.0) * cos + shelf,
                    -2.0 * ((a - 1.0) + (a + 1.0) * cos),
                    (a + 1.0) + (a - 1.0) * cos - shelf,
                ],
            ),
            BandKind::HighShelf => (
                [
                    a * ((a + 1.0) + (a - 1.0) * cos + shelf),
                    -2.0 * a * ((a - 1.0) + (a + 1.0) * cos),
                    a * ((a + 1.0) + (a - 1.0) * cos - shelf),
                ],
                [
                    (a + 1.0) - (a - 1.0) * cos + shelf,
                    2.0 * ((a - 1.0) - (a + 1.0) * cos),
                    (a + 1.0) - (a - 1.0) * cos - shelf,
                ],
            ),
            BandKind::LowPass => {
                ([(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
            }
            BandKind::HighPass => {
                ([(1.0 + cos) / 2.0, -(1.0 + cos), (1.0 + cos) / 2.0], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
            }
            BandKind::Notch => ([1.0, -2.0 * cos, 1.0], [1.0 + alpha, -2.0 * cos, 1.0 - alpha]),
        };
        Ok(Self { b0: b[0] / a[0], b1: b[1] / a[0], b2: b[2] / a[0], a1: a[1] / a[0], a2: a[2] / a[0] })
    }

    /// `|H(e^jw)|` in dB.
    fn response_db(&self, w: f64) -> f64 {
        let power = |c0: f64, c1: f64, c2: f64| {
            let re = c0 + c1 * w.cos() + c2 * (2.0 * w).cos();
            let im = c1 * w.sin() + c2 * (2.0 * w).sin();
            re * re + im * im
        };
        10.0 * (power(self.b0, self.b1, self.b2) / power(1.0, self.a1, self.a2)).log10()
    }
}

impl Insert for Equaliser {
    fn process(&mut self, interleaved: &mut [f32]) {
        let channels = self.channels;
        for frame in interleaved.chunks_exact_mut(channels) {
            for (channel, sample) in frame.iter_mut().enumerate() {
                let mut x = f64::from(*sample);
                for (section, row) in self.sections.iter().zip(self.states.chunks_exact_mut(channels)) {
                    let state = &mut row[channel];
                    let y = section.b0 * x + state.z1;
                    state.z1 = section.b1 * x - section.a1 * y + state.z2;
                    state.z2 = section.b2 * x - section.a2 * y;
                    x = y;
                }
                *sample = x as f32;
            }
        }
        for state in &mut self.states {
            // Written so that NaN, which would never leave a recursive filter, ends here too.
            for z in [&mut state.z1, &mut state.z2] {
                if !(z.abs() >= SILENCE && z.is_finite()) {
                    *z = 0.0;
                }
            }
        }
    }

    fn latency_frames(&self) -> usize {
        0
    }

    fn name(&self) -> &'static str {
        "equaliser"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [BandKind; 6] = [
        BandKind::Peak,
        BandKind::LowShelf,
        BandKind::HighShelf,
        BandKind::LowPass,
        BandKind::HighPass,
        BandKind::Notch,
    ];

    fn spec() -> StreamSpec {
        StreamSpec::new(48_000, 2).unwrap()
    }

    fn single(kind: BandKind, hz: f64, gain_db: f64, q: f64) -> Equaliser {
        Equaliser::new(&EqualiserConfig { bands: vec![Band { kind, hz, gain_db, q }] }, spec()).unwrap()
    }

    /// The analogue prototypes that the cookbook starts from, seen through the bilinear transform: a second derivation,
    /// from the other end, of what the digital filter must do.
    fn analogue_db(kind: BandKind, hz: f64, gain_db: f64, q: f64, at_hz: f64) -> f64 {
        let half = std::f64::consts::PI / 48_000.0;
        let w = (at_hz * half).tan() / (hz * half).tan();
        let a = 10f64.powf(gain_db / 40.0);
        let size = |re: f64, im: f64| re.hypot(im);
        let low = 1.0 - w * w;
        let lin = match kind {
            BandKind::Peak => size(low, w * a / q) / size(low, w / (a * q)),
            BandKind::LowShelf => a * size(a - w * w, w * a.sqrt() / q) / size(1.0 - a * w * w, w * a.sqrt() / q),
            BandKind::HighShelf => a * size(1.0 - a * w * w, w * a.sqrt() / q) / size(a - w * w, w * a.sqrt() / q),
            BandKind::LowPass => 1.0 / size(low, w / q),
            BandKind::HighPass => w * w / size(low, w / q),
            BandKind::Notch => low.abs() / size(low, w / q),
        };
        20.0 * lin.log10()
    }

    /// The level change of a steady tone of a whole number of hertz, measured on the sound, in dB, on both channels.
    fn measured_db(equaliser: &mut Equaliser, hz: f64) -> [f64; 2] {
        let mut sums = [[0.0f64; 2]; 2];
        for second in 0..2 {
            for n in 0..48_000 {
                let phase = f64::from(n) / 48_000.0 * hz * TAU;
                let mut frame = [(0.25 * phase.sin()) as f32, (-0.125 * phase.sin()) as f32];
                equaliser.process(&mut frame);
                if second == 1 {
                    for (sum, x) in sums.iter_mut().zip(frame) {
                        sum[0] += f64::from(x) * phase.cos();
                        sum[1] += f64::from(x) * phase.sin();
                    }
                }
            }
        }
        let level = |sum: [f64; 2], amplitude: f64| 20.0 * (sum[0].hypot(sum[1]) / 24_000.0 / amplitude).log10();
        [level(sums[0], 0.25), level(sums[1], 0.125)]
    }

    #[test]
    fn tones_come_out_as_the_analogue_prototype_says() {
        for kind in KINDS {
            for (hz, gain_db, q) in [(1000.0, 9.0, 0.75), (4000.0, -12.0, 2.0), (60.0, 6.0, 1.0)] {
                let mut equaliser = single(kind, hz, gain_db, q);
                for at_hz in [30.0, 500.0, 1000.0, 3500.0, 15_000.0] {
                    let expected = analogue_db(kind, hz, gain_db, q, at_hz);
                    if expected < -80.0 {
                        continue;
                    }
                    for measured in measured_db(&mut equaliser, at_hz) {
                        assert!(
                            (measured - expected).abs() < 0.01,
                            "{kind:?} {hz} Hz at {at_hz} Hz: {measured} dB, expected {expected}"
                        );
                    }
                    assert!((equaliser.response_db(at_hz) - expected).abs() < 1e-6);
                }
            }
        }
        assert!(measured_db(&mut single(BandKind::Notch, 1000.0, 0.0, 1.0), 1000.0)[0] < -100.0);
    }

    #[test]
    fn bands_are_heard_one_after_the_other() {
        let config = EqualiserConfig {
            bands: vec![
                Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 6.0, q: 1.0 },
                Band { kind: BandKind::HighPass, hz: 300.0, gain_db: 0.0, q: 0.7 },
            ],
        };
        let mut both = Equaliser::new(&config, spec()).unwrap();
        let expected = analogue_db(BandKind::Peak, 1000.0, 6.0, 1.0, 400.0)
            + analogue_db(BandKind::HighPass, 300.0, 0.0, 0.7, 400.0);
        assert!((measured_db(&mut both, 400.0)[1] - expected).abs() < 0.01);
    }

    #[test]
    fn without_bands_sound_passes_to_the_bit() {
        let mut none = Equaliser::new(&EqualiserConfig::default(), spec()).unwrap();
        let mut block = [0.1, -0.7, 1e-30, 3.0];
        none.process(&mut block);
        assert_eq!(block, [0.1, -0.7, 1e-30, 3.0]);
    }

    #[test]
    fn silence_ends_it_and_nan_does_not_stay() {
        let mut equaliser = single(BandKind::Peak, 100.0, 12.0, 5.0);
        let mut block = [f32::NAN; 8];
        equaliser.process(&mut block);
        let mut block = [0.5; 512];
        equaliser.process(&mut block);
        assert!(block.iter().all(|x| x.is_finite()));
        for _ in 0..5000 {
            let mut block = [0.0; 256];
            equaliser.process(&mut block);
        }
        assert!(equaliser.states.iter().all(|state| state.z1 == 0.0 && state.z2 == 0.0));
    }

    #[test]
    fn what_makes_no_filter_is_refused() {
        let band = Band { kind: BandKind::Peak, hz: 1000.0, gain_db: 0.0, q: 1.0 };
        for wrong in [
            Band { hz: 24_000.0, ..band },
            Band { hz: 0.0, ..band },
            Band { hz: f64::NAN, ..band },
            Band { q: 0.0, ..band },
            Band { gain_db: 200.0, ..band },
        ] {
            let result = Equaliser::new(&EqualiserConfig { bands: vec![wrong] }, spec());
            assert!(matches!(result, Err(DspError::Setting { .. })), "{wrong:?}");
        }
        assert!(Equaliser::new(&EqualiserConfig { bands: vec![band; 65] }, spec()).is_err());
    }
}
