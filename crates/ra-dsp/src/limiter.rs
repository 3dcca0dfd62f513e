//! A look-ahead peak limiter. It limits sample values, not the true peak between samples.
//!
//! The shape is Geraint Luff's ("Designing a straightforward limiter", Signalsmith Audio, 2022): the gain that each
//! frame needs, its minimum over the look-ahead, an exponential release, then a moving average of the same length. The
//! running minimum is Daniel Lemire's monotonic wedge ("Streaming maximum-minimum filter using no more than three
//! comparisons per element", Nordic Journal of Computing 13(4), 2006).
//!
//! Why no sample passes the ceiling: with a window of W frames, the averaged gain at frame n is the mean of W held
//! gains, each of which is a minimum over W frames that include frame n−W+1; so each, and their mean, is at most what
//! that frame needs, and that frame is what comes out at n. Gains are whole numbers of 2⁻⁴⁰, rounded down, so the
//! running sum is exact for ever: unity stays unity to the bit.

use ra_core::StreamSpec;

use crate::error::check_range;
use crate::{DspError, Insert};

/// Unity gain in the limiter's own whole numbers.
const UNITY: u64 = 1 << 40;

/// The least that the gain recovers per frame, so that the release ends: 2⁻²⁶ of unity.
const LEAST_RELEASE: u64 = 1 << 14;

/// What a [`Limiter`] does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LimiterConfig {
    /// No sample is larger, in dBFS; −60 to 20.
    pub ceiling_db: f32,
    /// How far it looks ahead, and what it delays by, in ms; 0.1 to 50.
    pub lookahead_ms: f32,
    /// The time constant of its recovery, in ms; 1 to 10 000.
    pub release_ms: f32,
}

impl Default for LimiterConfig {
    /// −1 dBFS, 5 ms, 100 ms.
    fn default() -> Self {
        Self { ceiling_db: -1.0, lookahead_ms: 5.0, release_ms: 100.0 }
    }
}

/// A frame that may be the minimum of a window to come.
#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    frame: u64,
    gain: u64,
}

/// Keeps every sample within the ceiling by turning the level down smoothly, ahead of time.
///
/// - For finite input no output sample exceeds the ceiling, whatever comes.
/// - While nothing exceeds it, it is a pure delay of [`Insert::latency_frames`], bit for bit.
/// - The gain is the same for all channels, and changes by at most `1 / (latency_frames + 1)` per frame.
/// - The work is a constant per frame on average, and at most a constant for each frame of a block plus one look-ahead.
#[derive(Debug)]
pub struct Limiter {
    channels: usize,
    /// Rounded down from the ceiling in dB.
    ceiling: f32,
    window_frames: usize,
    /// The part of the way back to unity that is recovered per frame, in units of 2⁻⁴⁰.
    release: u64,
    frame: u64,
    /// `window_frames` frames of sound.
    sound: Vec<f32>,
    /// `window_frames` held gains, the terms of the moving average.
    held: Vec<u64>,
    held_sum: u64,
    held_gain: u64,
    /// Where in `sound` and `held` the present frame goes.
    slot: usize,
    /// A ring of candidates, oldest and smallest first, frames and gains both ascending.
    wedge: Vec<Candidate>,
    wedge_first: usize,
    wedge_len: usize,
}

impl Limiter {
    /// Builds a limiter for a stream.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    ///
    /// # Errors
    /// [`DspError::Setting`] names the number that is out of range.
    pub fn new(config: LimiterConfig, spec: StreamSpec) -> Result<Self, DspError> {
        check_range("a ceiling", f64::from(config.ceiling_db), -60.0..=20.0, " dBFS")?;
        check_range("a look-ahead", f64::from(config.lookahead_ms), 0.1..=50.0, " ms")?;
        check_range("a release", f64::from(config.release_ms), 1.0..=10_000.0, " ms")?;
        let channels = spec.channels.get();
        let window_frames = spec.sample_rate.frames_in_ms_ceil(f64::from(config.lookahead_ms)) + 1;
        let release_frames = f64::from(config.release_ms) * f64::from(spec.sample_rate.hz()) / 1000.0;
        let exact = 10f64.powf(f64::from(config.ceiling_db) / 20.0);
        let nearest = exact as f32;
        let ceiling = if f64::from(nearest) > exact { nearest.next_down() } else { nearest };
        Ok(Self {
            channels,
            ceiling,
            window_frames,
            release: ((1.0 - (-1.0 / release_frames).exp()) * UNITY as f64) as u64,
            frame: 0,
            sound: vec![0.0; window_frames * channels],
            held: vec![UNITY; window_frames],
            held_sum: UNITY * window_frames as u64,
            held_gain: UNITY,
            slot: 0,
            wedge: vec![Candidate::default(); window_frames + 1],
            wedge_first: 0,
            wedge_len: 0,
        })
    }

    /// The ceiling as a linear amplitude: what no sample exceeds.
    pub fn ceiling_lin(&self) -> f32 {
        self.ceiling
    }

    /// The gain at the last frame that came out; 1.0 while nothing is limited.
    pub fn gain_lin(&self) -> f32 {
        (self.held_sum as f64 / (UNITY * self.window_frames as u64) as f64) as f32
    }

    /// The gain that a frame needs by itself.
    fn needed_gain(&self, frame: &[f32]) -> u64 {
        let peak = frame.iter().fold(0.0f32, |peak, sample| peak.max(sample.abs()));
        if peak > self.ceiling { (f64::from(self.ceiling) / f64::from(peak) * UNITY as f64) as u64 } else { UNITY }
    }

    /// The smallest gain needed in the window that ends with this frame.
    fn window_minimum(&mut self, gain: u64) -> u64 {
        let capacity = self.wedge.len();
        while self.wedge_len > 0 && self.wedge[(self.wedge_first + self.wedge_len - 1) % capacity].gain >= gain {
            self.wedge_len -= 1;
        }
        self.wedge[(self.wedge_first + self.wedge_len) % capacity] = Candidate { frame: self.frame, gain };
        self.wedge_len += 1;
        if self.wedge[self.wedge_first].frame + self.window_frames as u64 <= self.frame {
            self.wedge_first = (self.wedge_first + 1) % capacity;
            self.wedge_len -= 1;
        }
        self.wedge[self.wedge_first].gain
    }

    /// Down at once, up by the release.
    fn hold(&mut self, minimum: u64) -> u64 {
        let missing = UNITY - self.held_gain;
        let recovered = ((u128::from(missing) * u128::from(self.release)) >> 40) as u64;
        let released = self.held_gain + recovered.max(LEAST_RELEASE).min(missing);
        self.held_gain = released.min(minimum);
        self.held_gain
    }
}

impl Insert for Limiter {
    fn process(&mut self, interleaved: &mut [f32]) {
        let full = (UNITY * self.window_frames as u64) as f64;
        for frame in interleaved.chunks_exact_mut(self.channels) {
            let needed = self.needed_gain(frame);
            let minimum = self.window_minimum(needed);
            let held = self.hold(minimum);
            self.held_sum = self.held_sum - self.held[self.slot] + held;
            self.held[self.slot] = held;

            let start = self.slot * self.channels;
            self.sound[start..start + self.channels].copy_from_slice(frame);
            self.slot = if self.slot + 1 == self.window_frames { 0 } else { self.slot + 1 };
            let oldest = self.slot * self.channels;
            let delayed = &self.sound[oldest..oldest + self.channels];
            let gain = self.held_sum as f64 / full;
            for (out, &sample) in frame.iter_mut().zip(delayed) {
                // The clamp takes off what rounding to f32 may add: half a unit in the last place.
                *out = ((f64::from(sample) * gain) as f32).clamp(-self.ceiling, self.ceiling);
            }
            self.frame += 1;
        }
    }

    fn latency_frames(&self) -> usize {
        self.window_frames - 1
    }

    fn name(&self) -> &'static str {
        "limiter"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db_to_lin;
    use proptest::prelude::*;

    fn limiter(ceiling_db: f32, lookahead_ms: f32, release_ms: f32, channels: u16) -> Limiter {
        let config = LimiterConfig { ceiling_db, lookahead_ms, release_ms };
        Limiter::new(config, StreamSpec::new(48_000, channels).unwrap()).unwrap()
    }

    #[test]
    fn below_the_ceiling_it_is_a_delay_to_the_bit() {
        let mut limiter = limiter(-1.0, 5.0, 100.0, 2);
        let latency = limiter.latency_frames();
        assert_eq!(latency, 240);
        let sound: Vec<f32> = (0..4000).map(|n| (n as f32 * 0.37).sin() * limiter.ceiling_lin()).collect();
        let mut out = sound.clone();
        out.chunks_mut(2 * 100).for_each(|block| limiter.process(block));
        assert_eq!(out[..2 * latency], vec![0.0; 2 * latency]);
        assert_eq!(out[2 * latency..], sound[..4000 - 2 * latency]);
    }

    #[test]
    fn a_loud_tone_settles_at_the_ceiling_and_the_gain_comes_back_to_unity() {
        let mut limiter = limiter(-6.0, 2.0, 50.0, 1);
        let slope = 1.0 / (limiter.latency_frames() + 1) as f32;
        let mut last = 1.0f32;
        let mut heard = Vec::new();
        for n in 0..96_000 {
            let level = if n < 48_000 { 2.0 } else { 0.1 };
            let mut frame = [level * (n as f32 * 1000.0 / 48_000.0 * std::f32::consts::TAU).sin()];
            limiter.process(&mut frame);
            assert!((limiter.gain_lin() - last).abs() <= slope + 1e-6);
            last = limiter.gain_lin();
            heard.push(frame[0]);
        }
        let peak = heard[24_000..40_000].iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
        let ceiling = db_to_lin(-6.0);
        assert!(peak <= ceiling && peak > 0.99 * ceiling, "{peak}");
        // A gain that is steady does not distort: what is left of the tone is a tone.
        let ripple = limiter_ripple(&heard[24_000..40_000]);
        assert!(ripple < -40.0, "{ripple} dB");
        assert_eq!(limiter.gain_lin(), 1.0);
    }

    /// What is not the 1 kHz tone, against it, in dB.
    fn limiter_ripple(sound: &[f32]) -> f64 {
        let (mut re, mut im, mut power) = (0.0f64, 0.0f64, 0.0f64);
        for (n, &x) in sound.iter().enumerate().take(sound.len() / 48 * 48) {
            let phase = n as f64 / 48.0 * std::f64::consts::TAU;
            re += f64::from(x) * phase.cos();
            im += f64::from(x) * phase.sin();
            power += f64::from(x) * f64::from(x);
        }
        let n = (sound.len() / 48 * 48) as f64;
        let tone = 2.0 * (re * re + im * im) / (n * n);
        10.0 * ((power / n - tone).max(1e-30) / tone).log10()
    }

    #[test]
    fn channels_share_one_gain() {
        let mut limiter = limiter(0.0, 1.0, 20.0, 2);
        for n in 0..2000 {
            let mut frame = [if n == 700 { 4.0 } else { 0.5 }, 0.25];
            limiter.process(&mut frame);
            if n >= limiter.latency_frames() && n != 700 + limiter.latency_frames() {
                assert!((frame[0] - 2.0 * frame[1]).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let spec = StreamSpec::new(48_000, 2).unwrap();
        for config in [
            LimiterConfig { ceiling_db: 21.0, ..Default::default() },
            LimiterConfig { ceiling_db: f32::NAN, ..Default::default() },
            LimiterConfig { lookahead_ms: 0.0, ..Default::default() },
            LimiterConfig { release_ms: f32::INFINITY, ..Default::default() },
        ] {
            assert!(matches!(Limiter::new(config, spec), Err(DspError::Setting { .. })));
        }
        let message = Limiter::new(LimiterConfig { lookahead_ms: 80.0, ..Default::default() }, spec).unwrap_err();
        assert_eq!(message.to_string(), "a look-ahead of 80, expected 0.1 to 50 ms");
    }

    proptest! {
        #[test]
        fn no_finite_input_gets_past_the_ceiling(
            samples in prop::collection::vec(prop_oneof![
                3 => -1.0f32..1.0, 2 => -20.0f32..20.0, 1 => any::<f32>().prop_filter("finite", |x| x.is_finite()),
            ], 0..1500),
            ceiling_db in -40.0f32..6.0, lookahead_ms in 0.1f32..5.0, release_ms in 1.0f32..500.0, block in 1usize..300,
        ) {
            let mut limiter = limiter(ceiling_db, lookahead_ms, release_ms, 2);
            let mut out = samples[..samples.len() / 2 * 2].to_vec();
            out.resize(out.len() + 2 * limiter.latency_frames(), 0.0);
            for piece in out.chunks_mut(2 * block) {
                limiter.process(piece);
                prop_assert!(limiter.gain_lin() <= 1.0);
            }
            for &sample in &out {
                prop_assert!(f64::from(sample.abs()) <= 10f64.powf(f64::from(ceiling_db) / 20.0));
            }
        }
    }
}
