//! How long sound takes from the callback that plays it to the callback that brings it back. Pure.

use super::{
    delivery::Deliveries,
    impulse::{ImpulseResponse, Peak},
    line::TimeLine,
    sweep::{Score, Sweep},
};

/// A sweep was heard where it stands out of the rest by so much, in decibels. Of noise alone the strongest place stands
/// out by 13.
const HEARD_DB: f64 = 20.0;

/// How far a later sweep is looked for around its place, in seconds.
const REACH_S: f64 = 0.1;

/// Clocks that differ by more than this are allowed for, in ppm: the sweep is stretched.
const ALIKE_PPM: f64 = 0.5;

/// The round trip through an output and an input that hear each other.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RoundTrip {
    /// Sweeps that were played.
    pub sweeps_played: u64,
    /// Sweeps that were heard; nothing below is known where there is none.
    pub sweeps_heard: u64,
    /// From the callback that asks for a frame to the one that brings it back, in milliseconds, the frame's place in its
    /// period counted in both (with JACK: whole periods, and what the converters add).
    pub latency_ms: f64,
    /// The same in frames of the input.
    pub latency_frames: f64,
    /// The standard deviation of that, in frames: how well the callbacks of the two streams can be set against each other.
    pub latency_sigma_frames: f64,
    /// Where each sweep stands in the input, less where it stood in the output, in frames of the input, counted from each
    /// stream's beginning: to a hundredth of a frame, whatever the callbacks do.
    pub lags_frames: Vec<f64>,
    /// The largest of those less the smallest: what the sound system adds and leaves out on the way, and clocks that differ.
    pub lag_spread_frames: f64,
    /// How much longer the sound takes than the stamps of the two streams say, in milliseconds.
    pub beyond_stamps_ms: Option<f64>,
    /// The input's clock against the output's, by the sweeps; `None` with fewer than two.
    pub clock_ppm: Option<f64>,
    /// How strong the sweep comes back: 1 for as strong as it went out; negative for upside down.
    pub gain_lin: f64,
    /// How far the weakest of those heard stands out of the rest, in decibels.
    pub clear_db: f64,
    /// The channel of the input, counted from 1, in which it stands out most.
    pub channel: u16,
}

/// What was played and what was heard.
pub(super) struct Loop<'a> {
    pub(super) sweep: Sweep,
    pub(super) score: Score,
    pub(super) output: &'a Deliveries,
    pub(super) input: &'a Deliveries,
    /// From the input's first frame on.
    pub(super) channels: &'a [Vec<f64>],
}

impl RoundTrip {
    pub(super) fn of(heard: &Loop<'_>) -> Self {
        let played = Self { sweeps_played: heard.score.n, ..Self::default() };
        let best = heard.channels.iter().enumerate().filter_map(|(i, channel)| {
            let sweeps = heard.find(channel, 0.0)?;
            Some((i, sweeps))
        });
        let weakest = |sweeps: &[Found]| sweeps.iter().map(|s| s.peak.clear_db).fold(f64::INFINITY, f64::min);
        let Some((channel, mut sweeps)) = best.max_by(|a, b| {
            (a.1.len(), weakest(&a.1)).partial_cmp(&(b.1.len(), weakest(&b.1))).unwrap_or(std::cmp::Ordering::Equal)
        }) else {
            return played;
        };
        let mut clock_ppm = clock_ppm(&sweeps);
        // A sweep that another clock stretches seems to stand elsewhere: look again with one that is stretched alike.
        if let Some(ppm) = clock_ppm.filter(|ppm| ppm.abs() > ALIKE_PPM)
            && let Some(again) = heard.find(&heard.channels[channel], ppm)
        {
            sweeps = again;
            clock_ppm = self::clock_ppm(&sweeps);
        }
        let lags: Vec<f64> = sweeps.iter().map(|s| s.peak.at_frames - s.nominal_frames).collect();
        let (least, most) = lags.iter().fold((f64::MAX, f64::MIN), |(a, b), &lag| (a.min(lag), b.max(lag)));
        let rate_hz = f64::from(heard.input.rate().hz());
        let called = heard.trip_ns(&sweeps, |d| d.called_ns);
        let stamped = heard.trip_ns(&sweeps, |d| d.stamp_ns);
        let (latency_ns, sigma_ns) = called.unwrap_or((f64::NAN, f64::NAN));
        Self {
            sweeps_heard: sweeps.len() as u64,
            latency_ms: latency_ns / 1e6,
            latency_frames: latency_ns * rate_hz / 1e9,
            latency_sigma_frames: sigma_ns * rate_hz / 1e9,
            lags_frames: lags,
            lag_spread_frames: most - least,
            beyond_stamps_ms: stamped.map(|(ns, _)| ns / 1e6),
            clock_ppm,
            gain_lin: sweeps.iter().map(|s| s.peak.gain).sum::<f64>() / sweeps.len() as f64,
            clear_db: weakest(&sweeps),
            channel: channel as u16 + 1,
            ..played
        }
    }
}

/// A sweep that was heard.
struct Found {
    /// At which frame of the output it began.
    start_frame: f64,
    /// The same in frames of the input, as if both had the nominal rates.
    nominal_frames: f64,
    peak: Peak,
}

impl Loop<'_> {
    /// Looks for the sweeps in a channel whose clock is so much faster than the output's; `None` where none is heard.
    fn find(&self, channel: &[f64], ppm: f64) -> Option<Vec<Found>> {
        let (in_hz, out_hz) = (f64::from(self.input.rate().hz()), f64::from(self.output.rate().hz()));
        let real_hz = in_hz * (1.0 + ppm * 1e-6);
        let response = ImpulseResponse::of(channel, &self.sweep.samples(real_hz), real_hz, self.sweep.band_hz());
        let first = response.first_peak().filter(|peak| peak.clear_db > HEARD_DB)?;
        let mut starts = self.score.starts();
        let first_start = starts.next()? as f64;
        let found = self.score.starts().filter_map(|start| {
            let nominal_frames = start as f64 * in_hz / out_hz;
            let expected = first.at_frames + (start as f64 - first_start) * real_hz / out_hz;
            let peak = response.peak_near(expected, REACH_S * in_hz).filter(|peak| peak.clear_db > HEARD_DB)?;
            Some(Found { start_frame: start as f64, nominal_frames, peak })
        });
        Some(found.collect())
    }

    /// How long the sweeps took by the times that `time_of` takes from deliveries, and the standard deviation of that, in
    /// nanoseconds.
    fn trip_ns(&self, sweeps: &[Found], time_of: fn(&super::delivery::Delivery) -> u64) -> Option<(f64, f64)> {
        let output = TimeLine::through(self.output, time_of)?;
        let input = TimeLine::through(self.input, time_of)?;
        let trips = sweeps.iter().map(|s| input.ns_between(s.peak.at_frames, &output, s.start_frame));
        Some((trips.sum::<f64>() / sweeps.len() as f64, input.sigma_ns.hypot(output.sigma_ns)))
    }
}

/// How much faster the input counts frames than the output, by least squares through the sweeps.
fn clock_ppm(sweeps: &[Found]) -> Option<f64> {
    if sweeps.len() < 2 {
        return None;
    }
    let n = sweeps.len() as f64;
    let points = sweeps.iter().map(|s| (s.nominal_frames, s.peak.at_frames - s.nominal_frames));
    let (x, y) = points.clone().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (xx, xy) = points.fold((0.0, 0.0), |(xx, xy), p| (xx + (p.0 - x).powi(2), xy + (p.0 - x) * (p.1 - y)));
    Some(xy / xx * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::delivery::Piece;
    use ra_core::SampleRate;

    const OUT_FRAMES: u64 = 480;
    const IN_FRAMES: u64 = 441;

    /// Five seconds of an output at 48000 Hz and an input at 44100 Hz whose clock is `ppm` fast, both called every 10 ms of
    /// their own; what is played at t is captured at t + `delay_s`, and brought by the callback at the period's end.
    fn deliveries(ppm: f64) -> (Deliveries, Deliveries) {
        let (mut output, mut input) = (Deliveries::new(SampleRate::HZ_48000), Deliveries::new(SampleRate::HZ_44100));
        for i in 0..500u64 {
            let called_ns = 1_000_000_000 + i * 10_000_000;
            // The output is heard 20 ms after it is asked for.
            output.push(Piece { called_ns, stamp_ns: called_ns + 20_000_000, n_frames: OUT_FRAMES });
            let begins_ns = 1_000_000_000 + ((i * 10_000_000) as f64 / (1.0 + ppm * 1e-6)) as u64;
            input.push(Piece { called_ns: begins_ns + 10_000_000, stamp_ns: begins_ns, n_frames: IN_FRAMES });
        }
        (output, input)
    }

    fn trip(ppm: f64, delay_s: f64, gain: f64) -> RoundTrip {
        let (output, input) = deliveries(ppm);
        let sweep = Sweep::for_rates(48_000.0, 44_100.0);
        let score = Score::for_test(5.0, 48_000.0);
        let starts_s: Vec<f64> = score.starts().map(|start| start as f64 / 48_000.0).collect();
        let real_hz = 44_100.0 * (1.0 + ppm * 1e-6);
        let sample = |i: u64| -> f64 {
            let now_s = i as f64 / real_hz;
            // A little noise, so that there is a floor.
            let hiss = 1e-6 * ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / 8_388_608.0 - 1.0);
            starts_s.iter().map(|s| gain * sweep.at(now_s - s - delay_s)).sum::<f64>() + hiss
        };
        let deaf: Vec<f64> = vec![0.0; 500 * IN_FRAMES as usize];
        let channels = [deaf, (0..500 * IN_FRAMES).map(sample).collect()];
        RoundTrip::of(&Loop { sweep, score, output: &output, input: &input, channels: &channels })
    }

    #[test]
    fn the_latency_is_found_to_a_hundredth_of_a_frame() {
        // Asked for at t, heard at t + 20 ms + the way, and brought one period after it was captured.
        let way_s = 0.003_217_4;
        let found = trip(0.0, 0.020 + way_s, -0.5);
        assert_eq!((found.sweeps_played, found.sweeps_heard, found.channel), (3, 3, 2));
        let expected_frames = (0.020 + way_s + 0.010) * 44_100.0;
        assert!((found.latency_frames - expected_frames).abs() < 0.01, "{expected_frames}: {found:?}");
        assert!((found.latency_ms - 1e3 * (0.030 + way_s)).abs() < 1e-3, "{found:?}");
        assert!((found.beyond_stamps_ms.unwrap() - 1e3 * way_s).abs() < 1e-3, "{found:?}");
        assert!(found.lag_spread_frames < 0.001 && found.clock_ppm.unwrap().abs() < 0.02, "{found:?}");
        assert!((found.gain_lin + 0.5).abs() < 0.03 && found.clear_db > 40.0, "{found:?}");
    }

    #[test]
    fn clocks_that_differ_are_allowed_for() {
        for ppm in [-300.0, 100.0] {
            let found = trip(ppm, 0.030, 1.0);
            assert!((found.clock_ppm.unwrap() - ppm).abs() < 0.5, "{found:?}");
            // The period of 10 ms is one of the input's own clock.
            let expected_frames = 0.040 * 44_100.0;
            assert!((found.latency_frames - expected_frames).abs() < 0.05, "{ppm}: {expected_frames}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_heard_is_not_invented() {
        let found = trip(0.0, 0.03, 0.0);
        assert_eq!((found.sweeps_played, found.sweeps_heard), (3, 0));
    }
}
