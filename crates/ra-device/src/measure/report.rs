//! What a test of devices found.

use ra_core::Granted;

use super::{CallbackReport, ChannelLevel, RateReport, RoundTrip, Verdict, delivery::Deliveries, verdict};
use crate::{Direction, StreamCounts};

/// One stream of a test.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StreamReport {
    /// The id that was asked for.
    pub asked: String,
    /// The device that was opened.
    pub device: String,
    /// Which way its sound goes.
    pub direction: Direction,
    /// The nominal rate that it was opened with, in hertz.
    pub sample_rate: u32,
    /// The rate that was asked for, if one was.
    pub asked_sample_rate: Option<u32>,
    /// The channels that it was opened with.
    pub channels: u16,
    /// Frames in a period, where the sound system says so.
    pub period_frames: Option<u32>,
    /// Frames that were asked for in a period, if they were.
    pub asked_period_frames: Option<u32>,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The rate that it really has; `None` where too little came to tell.
    pub rate: Option<RateReport>,
    /// Its callbacks.
    pub callbacks: CallbackReport,
    /// The longest time without a callback, from its start to the test's end, in seconds, beyond what the frames of its
    /// longest callback last.
    pub longest_stall_s: f64,
    /// Frames in all.
    pub frames: u64,
    /// Times the sound system said that it ran over or under.
    pub xruns: u64,
    /// Errors of every kind that the sound system reported.
    pub errors: u64,
    /// Stamps in the future, or absurdly old, that were replaced by a guess.
    pub replaced_stamps: u64,
    /// Records of callbacks that this test had no room for: it was itself kept from running, and its figures are wrong.
    pub lost_records: u64,
    /// The scheduling class of the callbacks' thread, where the system says: `fifo 70`, `ordinary` …
    pub callback_thread: Option<String>,
    /// Why nothing came any more, if that happened.
    pub loss: Option<String>,
}

impl StreamReport {
    /// What the stream itself says of a test; the rest is for the caller to fill in.
    pub(super) fn of(direction: Direction, granted: &Granted, counts: StreamCounts, deliveries: &Deliveries) -> Self {
        Self {
            asked: String::new(),
            device: granted.device.clone(),
            direction,
            sample_rate: granted.spec.sample_rate.hz(),
            asked_sample_rate: None,
            channels: granted.spec.channels.as_u16(),
            period_frames: granted.period_frames,
            asked_period_frames: None,
            seconds: 0.0,
            rate: RateReport::of(deliveries),
            callbacks: CallbackReport::of(deliveries),
            longest_stall_s: 0.0,
            frames: counts.frames,
            xruns: counts.xruns,
            errors: counts.errors,
            replaced_stamps: counts.replaced_stamps,
            lost_records: 0,
            callback_thread: None,
            loss: None,
        }
    }
}

/// What a test of an input, an output or both found.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MeasureReport {
    /// The input, if one was tested.
    pub input: Option<StreamReport>,
    /// The output, if one was tested.
    pub output: Option<StreamReport>,
    /// The level of each channel of the input.
    pub levels: Vec<ChannelLevel>,
    /// The way through both, where both were tested.
    pub round_trip: Option<RoundTrip>,
    /// What is wrong, and what is worth knowing.
    pub verdict: Verdict,
}

impl MeasureReport {
    /// Judges what was found.
    pub(super) fn judged(
        input: Option<StreamReport>,
        output: Option<StreamReport>,
        levels: Vec<ChannelLevel>,
        round_trip: Option<RoundTrip>,
    ) -> Self {
        let mut report = Self { input, output, levels, round_trip, verdict: Verdict::default() };
        report.verdict = verdict::judge(&report);
        report
    }
}
