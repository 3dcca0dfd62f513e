//! What is wrong with a device, by what a test found; and what is worth knowing without being wrong. Pure.

use super::{ChannelLevel, FindingCode, MeasureReport, RoundTrip, StreamReport, Verdict};
use crate::Direction;

/// A crystal is within 100 ppm, a bad one within 200: what is further off runs by something else.
const CRYSTAL_PPM: f64 = 200.0;
/// Beyond this a rate is not the one that it claims to be.
const WRONG_RATE_PPM: f64 = 1_000.0;
/// −40 dBFS: a tenth of what makes an edit click, and ten times what a sound converter has.
const DC_LIN: f64 = 0.01;
/// Without a callback for so long, a device has stalled, in seconds.
const STALLED_S: f64 = 0.5;
/// Jumps of less than this in all lose no frame that anybody could miss, in milliseconds.
const LOST_MS: f64 = 1.0;
/// Sweeps that stand this far apart were not only carried but moved, in frames.
const MOVED_FRAMES: f64 = 0.5;

/// Judges a report, whose own verdict is not looked at.
pub(super) fn judge(report: &MeasureReport) -> Verdict {
    let mut verdict = Verdict::default();
    for stream in [&report.input, &report.output].into_iter().flatten() {
        judge_stream(&mut verdict, stream);
    }
    if report.input.as_ref().is_some_and(|input| input.frames > 0) {
        // Between sweeps there is silence of our own making.
        judge_levels(&mut verdict, &report.levels, report.round_trip.is_none());
    }
    if let Some(trip) = &report.round_trip {
        judge_trip(&mut verdict, trip);
    }
    verdict.good = verdict.faults.is_empty();
    verdict
}

fn judge_stream(verdict: &mut Verdict, stream: &StreamReport) {
    let way = stream.direction;
    if let Some(reason) = &stream.loss {
        verdict.fault(FindingCode::Lost, format!("the {way} was lost after {:.1} s: {reason}", stream.seconds));
    }
    if stream.frames == 0 {
        let text = format!("the {way} opened and started, and never called back in {:.1} s", stream.seconds);
        return verdict.fault(FindingCode::NoCallbacks, text);
    }
    if stream.lost_records > 0 {
        let text = format!("the test could not keep up with the {way}: {} callbacks unrecorded", stream.lost_records);
        verdict.fault(FindingCode::Unmeasured, text);
    }
    if stream.longest_stall_s > STALLED_S {
        let text = format!("the {way} did not call back for {:.2} s when it should have", stream.longest_stall_s);
        verdict.fault(FindingCode::Stalled, text);
    }
    if stream.xruns > 0 {
        verdict.fault(FindingCode::Xruns, format!("the {way} ran over or under {}", times(stream.xruns)));
    }
    judge_rate(verdict, stream);
    if stream.replaced_stamps > 0 {
        let text = format!("{} of the {way}'s stamps were in the future or absurdly old", stream.replaced_stamps);
        verdict.note(FindingCode::ReplacedStamps, text);
    }
    let unexplained = stream.errors.saturating_sub(stream.xruns);
    if unexplained > 0 && stream.loss.is_none() {
        verdict.note(FindingCode::Errors, format!("the {way}'s sound system reported {unexplained} errors"));
    }
    let asked = [
        (stream.asked_sample_rate, Some(stream.sample_rate), "Hz"),
        (stream.asked_period_frames, stream.period_frames, "frames in a period"),
    ];
    for (asked, granted, unit) in asked {
        if let (Some(asked), Some(granted)) = (asked, granted)
            && asked != granted
        {
            let text = format!("the {way} was asked for {asked} {unit} and has {granted}");
            verdict.note(FindingCode::NotAsAsked, text);
        }
    }
}

fn judge_rate(verdict: &mut Verdict, stream: &StreamReport) {
    let Some(rate) = &stream.rate else { return };
    let (way, ppm) = (stream.direction, rate.drift_ppm);
    // Frames that are lost make fewer come than the clock says, and a clock by stamps that step wrongly is none: what is
    // off by both is off.
    let delivered_ppm = (rate.delivered_hz / f64::from(stream.sample_rate) - 1.0) * 1e6;
    let both_ppm = if ppm.signum() == delivered_ppm.signum() { ppm.abs().min(delivered_ppm.abs()) } else { 0.0 };
    let surely_off_ppm = both_ppm - 3.0 * rate.sigma_ppm;
    if surely_off_ppm > WRONG_RATE_PPM {
        let text = format!("the {way} claims {} Hz and has {:.1} Hz ({ppm:+.0} ppm)", stream.sample_rate, rate.rate_hz);
        verdict.fault(FindingCode::WrongRate, text);
    } else if surely_off_ppm > CRYSTAL_PPM {
        let text = format!("the {way}'s clock is {ppm:+.0} ppm off, more than a crystal's; the engine follows it");
        verdict.note(FindingCode::UnusualRate, text);
    }
    if rate.jumps > 0 {
        let (how_often, in_all_ms) = (times(rate.jumps), rate.jumped_ms.abs());
        // There and back again is a stamp that was wrong for a while; and what an output's stamps do is the sound system's
        // opinion of its own latency, and loses no frame.
        if stream.direction == Direction::Input && in_all_ms >= LOST_MS {
            let what = if rate.jumped_ms > 0.0 { "lost" } else { "came twice" };
            let text =
                format!("the input's stamps jumped {how_often}, {in_all_ms:.1} ms in all: frames {what}, untold");
            verdict.fault(FindingCode::Jumps, text);
        } else {
            let text = format!("the {way}'s stamps jumped {how_often}, {in_all_ms:.1} ms in all");
            verdict.note(FindingCode::StampJumps, text);
        }
    }
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

fn judge_levels(verdict: &mut Verdict, levels: &[ChannelLevel], holes_matter: bool) {
    if !levels.is_empty() && levels.iter().all(|level| level.digital_silence) {
        let text = "the input delivers digital silence: not even a converter's noise".to_owned();
        return verdict.fault(FindingCode::DigitalSilence, text);
    }
    for (i, level) in levels.iter().enumerate() {
        let channel = i + 1;
        if level.digital_silence {
            verdict.note(FindingCode::SilentChannel, format!("channel {channel} is digital silence"));
        }
        if level.non_finite_samples > 0 {
            let text = format!("channel {channel} has {} samples that are no numbers", level.non_finite_samples);
            verdict.fault(FindingCode::NotNumbers, text);
        }
        if level.stuck {
            verdict.fault(FindingCode::Stuck, format!("channel {channel} stands still at {:+.4}", level.dc_lin));
        } else if level.dc_lin.abs() > DC_LIN {
            let text =
                format!("channel {channel} has a DC offset of {:+.4} ({:.1} dBFS)", level.dc_lin, dbfs(level.dc_lin));
            verdict.fault(FindingCode::Dc, text);
        }
        if level.clipped_samples > 0 && !level.stuck {
            let text = format!("channel {channel} is clipped: {} samples at full scale", level.clipped_samples);
            verdict.fault(FindingCode::Clipping, text);
        }
        if level.holes > 0 && holes_matter {
            let text = format!(
                "channel {channel} has {} holes of exact zeros, the longest {:.1} ms",
                level.holes, level.longest_hole_ms
            );
            verdict.note(FindingCode::Holes, text);
        }
    }
}

fn judge_trip(verdict: &mut Verdict, trip: &RoundTrip) {
    if trip.sweeps_heard == 0 {
        let text = match trip.sweeps_played {
            0 => "no sweep could be played in so short a test".to_owned(),
            n => format!("the input hears none of the output's {n} sweeps"),
        };
        return verdict.fault(FindingCode::NotHeard, text);
    }
    if trip.sweeps_heard < trip.sweeps_played {
        let text = format!("{} of {} sweeps were heard", trip.sweeps_heard, trip.sweeps_played);
        verdict.fault(FindingCode::UnsteadyTrip, text);
    }
    // Two clocks that differ draw the lags apart evenly: no fault of the way.
    if trip.lag_spread_frames > MOVED_FRAMES && !is_straight(&trip.lags_frames) {
        let text = format!(
            "the way out and back changed by {:.2} frames from sweep to sweep: the sound system adds or leaves out frames",
            trip.lag_spread_frames
        );
        verdict.fault(FindingCode::UnsteadyTrip, text);
    }
}

/// Whether lags lie on a line to half a frame; two of them tell nothing.
fn is_straight(lags: &[f64]) -> bool {
    let (Some(first), Some(last)) = (lags.first(), lags.last()) else { return true };
    let n = (lags.len() - 1).max(1) as f64;
    let on_line = |i: usize| first + (last - first) * i as f64 / n;
    lags.len() > 2 && lags.iter().enumerate().all(|(i, lag)| (lag - on_line(i)).abs() < MOVED_FRAMES)
}

/// The decibels of an amplitude against full scale.
fn dbfs(lin: f64) -> f64 {
    20.0 * lin.abs().log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{CallbackReport, Finding, RateReport};

    fn stream() -> StreamReport {
        let rate = RateReport {
            rate_hz: 48_000.96,
            drift_ppm: 20.0,
            sigma_ppm: 2.0,
            estimator_ppm: None,
            stamp_jitter_us: 10.0,
            seconds: 4.5,
            delivered_hz: 48_000.96,
            jumps: 0,
            jumped_ms: 0.0,
        };
        StreamReport {
            asked: "alsa:hw:CARD=Mic,DEV=0".into(),
            device: "alsa:hw:CARD=Mic,DEV=0 (Mic)".into(),
            direction: Direction::Input,
            sample_rate: 48_000,
            asked_sample_rate: None,
            channels: 2,
            period_frames: Some(256),
            asked_period_frames: Some(256),
            seconds: 5.0,
            rate: Some(rate),
            callbacks: CallbackReport { n: 900, shortest_frames: 256, ..CallbackReport::default() },
            longest_stall_s: 0.4,
            frames: 240_000,
            xruns: 0,
            errors: 0,
            replaced_stamps: 0,
            lost_records: 0,
            callback_thread: None,
            loss: None,
        }
    }

    fn level() -> ChannelLevel {
        ChannelLevel { peak_lin: 0.3, rms_lin: 0.1, dc_lin: 0.001, ..ChannelLevel::default() }
    }

    fn trip() -> RoundTrip {
        RoundTrip {
            sweeps_played: 3,
            sweeps_heard: 3,
            lags_frames: vec![960.0, 960.1, 960.0],
            lag_spread_frames: 0.1,
            ..RoundTrip::default()
        }
    }

    fn codes(
        change: impl FnOnce(&mut StreamReport, &mut Vec<ChannelLevel>, &mut RoundTrip),
    ) -> (Vec<FindingCode>, Vec<FindingCode>) {
        let (mut input, mut levels, mut trip) = (stream(), vec![level(), level()], trip());
        change(&mut input, &mut levels, &mut trip);
        let verdict = MeasureReport::judged(Some(input), None, levels, Some(trip)).verdict;
        assert_eq!(verdict.good, verdict.faults.is_empty());
        let of = |findings: &[Finding]| findings.iter().map(|f| f.code).collect();
        (of(&verdict.faults), of(&verdict.notes))
    }

    #[test]
    fn a_good_device_is_good() {
        assert_eq!(codes(|_, _, _| {}), (vec![], vec![]));
    }

    #[test]
    fn every_fault_of_a_stream_is_found() {
        let fault = |change: &dyn Fn(&mut StreamReport)| codes(|input, _, _| change(input)).0;
        assert_eq!(fault(&|s| s.loss = Some("gone".into())), [FindingCode::Lost]);
        assert_eq!(fault(&|s| (s.frames, s.rate) = (0, None)), [FindingCode::NoCallbacks]);
        assert_eq!(fault(&|s| s.lost_records = 1), [FindingCode::Unmeasured]);
        assert_eq!(fault(&|s| s.longest_stall_s = 0.6), [FindingCode::Stalled]);
        assert_eq!(fault(&|s| (s.xruns, s.errors) = (2, 2)), [FindingCode::Xruns]);
        let off = |s: &mut StreamReport, ppm: f64, sigma_ppm: f64| {
            if let Some(rate) = &mut s.rate {
                (rate.drift_ppm, rate.sigma_ppm) = (ppm, sigma_ppm);
                rate.delivered_hz = 48_000.0 * (1.0 + ppm * 1e-6);
            }
        };
        assert_eq!(fault(&|s| off(s, -81_250.0, 5.0)), [FindingCode::WrongRate]);
        assert_eq!(fault(&|s| off(s, 1_200.0, 100.0)), [], "not surely");
        let by_stamps_alone = |s: &mut StreamReport| {
            off(s, 6_655.0, 5.0);
            if let Some(rate) = &mut s.rate {
                rate.delivered_hz = 48_024.0;
            }
        };
        assert_eq!(fault(&by_stamps_alone), [], "as many came as should");
        let jump = |s: &mut StreamReport, ms: f64| {
            if let Some(rate) = &mut s.rate {
                (rate.jumps, rate.jumped_ms) = (2, ms);
            }
        };
        assert_eq!(fault(&|s| jump(s, 40.0)), [FindingCode::Jumps]);
        assert_eq!(fault(&|s| jump(s, -40.0)), [FindingCode::Jumps]);
        assert_eq!(codes(|s, _, _| jump(s, 0.1)), (vec![], vec![FindingCode::StampJumps]), "there and back");
        let output = |s: &mut StreamReport, _: &mut Vec<ChannelLevel>, _: &mut RoundTrip| {
            s.direction = Direction::Output;
            jump(s, 40.0);
        };
        assert_eq!(codes(output), (vec![], vec![FindingCode::StampJumps]));
        assert_eq!(codes(|s, _, _| off(s, 500.0, 5.0)), (vec![], vec![FindingCode::UnusualRate]));
    }

    #[test]
    fn every_fault_of_the_sound_is_found() {
        let fault = |change: &dyn Fn(&mut ChannelLevel)| codes(|_, levels, _| change(&mut levels[1])).0;
        assert_eq!(fault(&|c| c.clipped_samples = 3), [FindingCode::Clipping]);
        assert_eq!(fault(&|c| c.dc_lin = -0.02), [FindingCode::Dc]);
        assert_eq!(fault(&|c| (c.stuck, c.dc_lin) = (true, 0.5)), [FindingCode::Stuck]);
        assert_eq!(fault(&|c| c.non_finite_samples = 1), [FindingCode::NotNumbers]);
        assert_eq!(fault(&|c| c.digital_silence = true), [], "the other channel has sound");
        let silent = |_: &mut StreamReport, levels: &mut Vec<ChannelLevel>, _: &mut RoundTrip| {
            levels.iter_mut().for_each(|level| level.digital_silence = true);
        };
        assert_eq!(codes(silent).0, [FindingCode::DigitalSilence]);
    }

    #[test]
    fn the_way_round_is_judged_by_its_sweeps() {
        assert_eq!(codes(|_, _, trip| trip.sweeps_heard = 0).0, [FindingCode::NotHeard]);
        assert_eq!(codes(|_, _, trip| trip.sweeps_heard = 2).0, [FindingCode::UnsteadyTrip]);
        let lags = |lags: [f64; 3]| {
            codes(|_, _, trip| (trip.lags_frames, trip.lag_spread_frames) = (lags.to_vec(), lags[2] - lags[0])).0
        };
        assert_eq!(lags([0.0, 20.0, 20.0]), [FindingCode::UnsteadyTrip]);
        assert_eq!(lags([0.0, 10.0, 20.0]), [], "two clocks");
    }

    #[test]
    fn what_is_worth_knowing_is_noted() {
        let note = |change: &dyn Fn(&mut StreamReport)| codes(|input, _, _| change(input)).1;
        assert_eq!(note(&|s| s.replaced_stamps = 1), [FindingCode::ReplacedStamps]);
        assert_eq!(note(&|s| s.errors = 1), [FindingCode::Errors]);
        assert_eq!(note(&|s| s.asked_sample_rate = Some(44_100)), [FindingCode::NotAsAsked]);
        assert_eq!(note(&|s| s.period_frames = Some(1024)), [FindingCode::NotAsAsked]);
        let mut levels = vec![level()];
        levels[0].holes = 1;
        let alone = MeasureReport::judged(Some(stream()), None, levels.clone(), None).verdict;
        assert_eq!(alone.notes.iter().map(|f| f.code).collect::<Vec<_>>(), [FindingCode::Holes]);
        let between_sweeps = MeasureReport::judged(Some(stream()), None, levels, Some(trip())).verdict;
        assert!(between_sweeps.notes.is_empty(), "{between_sweeps:?}");
        assert_eq!(codes(|_, levels, _| levels[0].digital_silence = true).1, [FindingCode::SilentChannel]);
    }
}
