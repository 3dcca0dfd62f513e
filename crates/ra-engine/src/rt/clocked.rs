//! Follows a source that runs on a clock of its own: finds out when its frames were captured, and reads them at the rate
//! and the place that put each sound where it belongs on the mix timeline.
//!
//! Positions are the source's own, as its stamps count them. What the source did not deliver in time is a faded hole, and
//! frames that come after their time are dropped: the timeline moves for nobody.

use ra_core::{FramePosition, GapReason, Ppm, SourceState};
use ra_dsp::{ClockEstimator, Observation, RateSteering, SteeredResampler};

use super::block_time::BlockTime;
use super::hold::Hold;
use super::hole_report::HoleReport;
use super::mix_position::MixPosition;
use super::source_ring::{Report, SourceRing};

/// How long silence runs through the resampler before it is let go of, beyond its own reach, in milliseconds: the fade at
/// a hole's start.
const CLOSING_MS: f64 = 2.0;

/// What a follower is made of, on the control side.
pub(crate) struct FollowerParts {
    pub(crate) estimator: ClockEstimator,
    pub(crate) steering: RateSteering,
    pub(crate) resampler: SteeredResampler,
    pub(crate) in_hz: u32,
    pub(crate) out_hz: u32,
    pub(crate) channels: usize,
    /// Of the period that was granted, in frames of the source; 0: not known.
    pub(crate) period_frames: u32,
    /// How much later than the engine's latency says this source is to sound, in nanoseconds.
    pub(crate) trim_ns: f64,
}

/// One clocked source's reader.
pub(crate) struct ClockFollower {
    estimator: ClockEstimator,
    steering: RateSteering,
    resampler: SteeredResampler,
    /// A block's input.
    input: Box<[f32]>,
    in_hz: f64,
    /// Input frames per output frame at the nominal rates.
    nominal_step: f64,
    trim_ns: f64,
    /// [`BlockTime::capture_rate_end`] of the last block.
    capture_rate: f64,
    phase: Phase,
    /// The first frame of what the estimator follows now; older ones belong to a clock that is not known any more.
    segment_start: i64,
    /// The place behind the last frame that went into the resampler.
    end_position: i64,
    /// The place behind the last frame that has arrived.
    newest_end: i64,
    closing_frames: i64,
    holes: HoleReport,
    sound_end: FramePosition,
    gave_sound: bool,
    /// Stamps that were rejected, and jumps, before the estimator that is there now.
    past_counts: (u64, u64),
    /// Why there is no sound, where there is none.
    hole_reason: GapReason,
    reading: Option<Reading>,
    /// What was dropped because it came too late ends here: its absence is no overrun.
    dropped_until: i64,
    /// So many frames at the end of what has come are not to be heard; taken note of at the next look.
    doubtful_frames: u64,
    /// What is there from here on is not to be heard.
    doubtful_from: i64,
    /// It was there when the mix began, and has not sounded yet: its first frame is the beginning, and has no fade.
    begins_with_the_mix: bool,
    /// How much sooner than it had to the newest delivery came; told in the block that finds it.
    slack_ns: Option<f64>,
    /// The least that was left since the delivery before it.
    spare_ns: f64,
    /// Whether it begins at all.
    hold: Hold,
}

/// Where the reading stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Silent, until there is sound that is due.
    Waiting,
    /// Following the estimate.
    Reading,
    /// The timeline goes on elsewhere: reads what is left up to `sound_until`, fades, and waits from `silent_until` on.
    Leaving { sound_until: i64, silent_until: i64 },
}

/// What sounds at a block's first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) frame: i64,
    pub(crate) fraction: f64,
    /// Frames read per nominal frame, on average over the block.
    pub(crate) rate_factor: f64,
}

impl ClockFollower {
    // rt-lint: control-side
    pub(crate) fn new(parts: FollowerParts) -> Self {
        let reach_frames = parts.resampler.reach_frames() as i64;
        let fade_frames = (CLOSING_MS * f64::from(parts.in_hz) / 1000.0).ceil() as i64;
        Self {
            input: vec![0.0; parts.resampler.max_input_frames() * parts.channels].into_boxed_slice(),
            estimator: parts.estimator,
            steering: parts.steering,
            resampler: parts.resampler,
            in_hz: f64::from(parts.in_hz),
            nominal_step: f64::from(parts.in_hz) / f64::from(parts.out_hz),
            trim_ns: parts.trim_ns,
            capture_rate: 1.0,
            phase: Phase::Waiting,
            segment_start: 0,
            end_position: 0,
            newest_end: 0,
            closing_frames: fade_frames + 2 * reach_frames,
            holes: HoleReport::default(),
            sound_end: FramePosition(0),
            gave_sound: false,
            past_counts: (0, 0),
            hole_reason: GapReason::Underrun,
            reading: None,
            dropped_until: i64::MIN,
            doubtful_frames: 0,
            doubtful_from: i64::MAX,
            begins_with_the_mix: false,
            slack_ns: None,
            spare_ns: f64::INFINITY,
            hold: Hold::new(f64::from(parts.period_frames) / f64::from(parts.in_hz) * 1e9),
        }
    }

    /// Nothing was before its first frame.
    pub(crate) fn begin_with_the_mix(&mut self) {
        self.begins_with_the_mix = true;
    }

    /// See [`Follower::distrust_tail`](super::follower::Follower::distrust_tail).
    pub(crate) fn distrust_tail(&mut self, n_frames: u64) {
        self.doubtful_frames = n_frames;
    }

    /// Sees what has arrived.
    pub(crate) fn poll(&mut self, ring: &mut SourceRing) {
        let Self { estimator, phase, segment_start, newest_end, end_position, closing_frames, hole_reason, .. } = self;
        let (hold, in_hz) = (&mut self.hold, self.in_hz);
        let (mut has_come, mut is_torn) = (false, false);
        let mut segment_begins = |at: i64| {
            is_torn = true;
            *segment_start = at;
            *hole_reason = GapReason::NotCaptured;
            if *phase == Phase::Reading {
                let silent_until = at.max(*end_position) + *closing_frames;
                *phase = Phase::Leaving { sound_until: at, silent_until };
            }
        };
        ring.reader.poll_stamps(&mut |stamp| {
            if stamp.is_after_break {
                estimator.mark_break();
                segment_begins(stamp.position.0 as i64);
            }
            has_come = true;
            *newest_end = (stamp.position.0 + stamp.n_frames) as i64;
            hold.see_period_ns(stamp.n_frames as f64 / in_hz * 1e9);
            if let Observation::Jumped { from_position, .. } =
                estimator.observe(stamp.position, stamp.n_frames, stamp.capture_ns)
            {
                segment_begins(from_position.0 as i64);
            }
        });
        let n_doubtful = std::mem::take(&mut self.doubtful_frames);
        if n_doubtful > 0 {
            self.doubtful_from = self.newest_end.saturating_sub_unsigned(n_doubtful);
        }
        // Late is what comes after all. What was not captured never does, and a device that is dead is not late.
        self.slack_ns = None;
        if has_come {
            let spare_ns = std::mem::replace(&mut self.spare_ns, f64::INFINITY);
            // Periods slide along our blocks: who is late now can be late by a block more.
            let slack_ns = if spare_ns < 0.0 { spare_ns - self.block_ns() } else { spare_ns };
            self.slack_ns = (!is_torn && spare_ns.is_finite()).then_some(slack_ns);
        }
        let counts = self.estimator.counts();
        let counters = &ring.counters;
        counters.stamps_rejected.set(self.past_counts.0 + counts.outliers);
        counters.clock_jumps.set(self.past_counts.1 + counts.jumps);
        counters.drift_ppm.set(self.estimator.drift().map(|Ppm(ppm)| ppm));
        counters.jitter_us.set(self.estimator.is_locked().then(|| self.estimator.jitter_sigma_us()));
    }

    /// Fills `out` with what was captured for the block at `time`.
    pub(crate) fn next_block(&mut self, ring: &mut SourceRing, out: &mut [f32], time: &BlockTime, report: Report<'_>) {
        self.reading = None;
        self.sound_end = time.position;
        self.gave_sound = false;
        if self.phase == Phase::Waiting {
            if !self.try_start(ring, time) {
                out.fill(0.0);
                self.tell_waiting(ring, time.position + self.resampler.output_frames() as u64, report);
                return;
            }
            self.tell_waiting(ring, time.position, report);
        }
        // Whole frames apart from the fraction: after months, one number would not hold both.
        let lead = self.resampler.lead_frames();
        let (frame, fraction) = (self.end_position - lead.ceil() as i64, lead.ceil() - lead);
        let rate_end = self.next_rate(time, frame, fraction);
        let rate_start = self.resampler.rate();
        let rate_factor = (rate_start / self.capture_rate + rate_end / time.capture_rate_end) / 2.0;
        self.capture_rate = time.capture_rate_end;
        self.reading = Some(Reading { frame, fraction, rate_factor });
        let n_frames = self.resampler.input_frames_next(rate_end);
        let step = self.nominal_step * rate_start;
        let mix_position = MixPosition { block: time.position.0 as f64, frame, fraction, step };
        self.fill_input(ring, n_frames, &mix_position, report);
        let input = &self.input[..n_frames * ring.channels];
        if self.resampler.process(input, rate_end, out).is_err() {
            // Only for blocks of another length, which are not asked for above.
            out.fill(0.0);
        }
        self.end_position += n_frames as i64;
        match self.phase {
            Phase::Leaving { silent_until, .. } if self.end_position >= silent_until => self.phase = Phase::Waiting,
            Phase::Reading => self.spare(self.end_position),
            Phase::Leaving { .. } | Phase::Waiting => {}
        }
    }

    /// Notes by how much what a block reads up to `end_position` was there before it had to.
    fn spare(&mut self, end_position: i64) {
        let spare_frames = (self.newest_end - end_position) as f64;
        self.spare_ns = self.spare_ns.min(spare_frames / self.in_hz * 1e9);
    }

    fn block_ns(&self) -> f64 {
        self.resampler.output_frames() as f64 * self.nominal_step / self.in_hz * 1e9
    }

    /// Begins to read, where sound is due in this block.
    fn try_start(&mut self, ring: &mut SourceRing, time: &BlockTime) -> bool {
        let begin = time.capture_start().minus_ns(self.trim_ns);
        let end = time.capture_end().minus_ns(self.trim_ns);
        let (Some(first), Some(last)) =
            (self.estimator.frame_at(begin.ns, begin.fraction_ns), self.estimator.frame_at(end.ns, end.fraction_ns))
        else {
            return false;
        };
        let reach_frames = self.resampler.reach_frames() as i64;
        if ring.reader.is_finished() || last.frame + reach_frames < self.segment_start {
            return false;
        }
        if self.is_held(ring, time, first.frame - reach_frames, last.frame + reach_frames) {
            return false;
        }
        let rate_factor = self.estimator.rate_factor();
        self.capture_rate = time.capture_rate_end;
        self.resampler.restart(first.fraction, rate_factor * self.capture_rate);
        self.steering.start(rate_factor);
        self.end_position = first.frame - reach_frames;
        self.phase = Phase::Reading;
        self.begins_with_the_mix &= self.end_position <= self.segment_start;
        if !self.begins_with_the_mix {
            // Its sound has begun before it is heard, for the first time or again: it fades in, from the first frame that is
            // heard on. What the filter lies over in front of that is not.
            ring.fader.after_silence(reach_frames as u32);
        }
        true
    }

    /// Whether it still waits for a longer latency, with what this block would read from `from` to `to`. That is dropped then;
    /// how late it was counts as if it had been heard.
    fn is_held(&mut self, ring: &mut SourceRing, time: &BlockTime, from: i64, to: i64) -> bool {
        if self.hold.until_ns().is_none() {
            return false;
        }
        self.spare(to);
        if !self.hold.look(time.latency_ns, self.newest_end >= to, time.duration_ns) {
            ring.counters.held_until_ns.set(None);
            return false;
        }
        self.dropped_until = self.dropped_until.max(from);
        // Two rounds for every gap in the ring; what is left of many gaps is for the next block.
        for _ in 0..16 {
            let Ok(late @ 1..) = usize::try_from(from - ring.reader.position().0 as i64) else { break };
            if ring.reader.discard(late) == 0 && ring.reader.take_gap().is_none() {
                break;
            }
        }
        true
    }

    /// It is not to begin before the latency is so long, in nanoseconds, or its deliveries prove that they need less; 0: it may.
    pub(crate) fn hold(&mut self, ring: &SourceRing, until_ns: f64) {
        self.hold.set_until_ns(until_ns);
        ring.counters.held_until_ns.set(self.hold.until_ns());
    }

    /// The rate at this block's end that brings the reading to where it should be.
    fn next_rate(&mut self, time: &BlockTime, frame: i64, fraction: f64) -> f64 {
        let as_before = self.resampler.rate() / self.capture_rate * time.capture_rate_end;
        if self.phase != Phase::Reading {
            return as_before;
        }
        let begin = time.capture_start().minus_ns(self.trim_ns);
        let Some(target) = self.estimator.frame_at(begin.ns, begin.fraction_ns) else {
            return as_before;
        };
        let error_s = ((target.frame - frame) as f64 + (target.fraction - fraction)) / self.in_hz;
        let rate_factor = self.estimator.rate_factor();
        // What the engine moves by itself is known, and needs no smoothing.
        self.steering.next(error_s, rate_factor, self.estimator.age_s()) * time.capture_rate_end
    }

    /// Puts the next `n_frames` into `input`: sound where there is some for its place, else a hole.
    fn fill_input(&mut self, ring: &mut SourceRing, n_frames: usize, mix: &MixPosition, report: Report<'_>) {
        let channels = ring.channels;
        let sound_until = match self.phase {
            Phase::Leaving { sound_until, .. } => sound_until.min(self.doubtful_from),
            Phase::Waiting | Phase::Reading => self.doubtful_from,
        };
        let mut done = 0;
        // A round reads frames, drops some or steps over a gap: bounded by the block's length.
        for _ in 0..2 * n_frames + 2 {
            if done == n_frames {
                return;
            }
            let wanted = self.end_position + done as i64;
            let most = n_frames - done;
            let next = ring.reader.position().0 as i64;
            let mut reason = self.hole_reason;
            let mut is_before_the_beginning = false;
            let n_silent = if wanted >= self.doubtful_from {
                // Nothing more comes. Two rounds for every gap in the ring; what is left of many gaps is for the next block.
                for _ in 0..16 {
                    if ring.reader.discard(usize::MAX) == 0 && ring.reader.take_gap().is_none() {
                        break;
                    }
                }
                most
            } else if wanted >= sound_until {
                most
            } else if next < wanted {
                // Too late for its place.
                let late = usize::try_from(wanted - next).unwrap_or(usize::MAX);
                self.dropped_until = self.dropped_until.max(wanted);
                if ring.reader.discard(late) > 0 || ring.reader.take_gap().is_some() {
                    continue;
                }
                most
            } else if next > wanted {
                if wanted >= self.segment_start.max(self.dropped_until) {
                    // Counted by the ring: it had no room for them.
                    reason = GapReason::Overrun;
                }
                is_before_the_beginning = self.begins_with_the_mix;
                most.min(usize::try_from(next - wanted).unwrap_or(usize::MAX))
            } else {
                let left = most.min(usize::try_from(sound_until - wanted).unwrap_or(usize::MAX));
                let n_read = ring.read_sound(&mut self.input[done * channels..(done + left) * channels]);
                if n_read > 0 {
                    self.holes.sounding();
                    self.begins_with_the_mix = false;
                    if self.phase == Phase::Reading {
                        self.hole_reason = GapReason::Underrun;
                    }
                    done += n_read;
                    self.sound_end = mix.frame_of(wanted + n_read as i64);
                    self.gave_sound = true;
                    continue;
                }
                if ring.reader.take_gap().is_some() {
                    continue;
                }
                most
            };
            let hole = &mut self.input[done * channels..(done + n_silent) * channels];
            if is_before_the_beginning {
                hole.fill(0.0);
            } else {
                ring.fader.hole(hole);
            }
            if ring.counters.state() != SourceState::Opening && !ring.is_finished() {
                let (from, to) = (mix.of(wanted), mix.of(wanted + n_silent as i64));
                self.holes.silent(from, to, reason, &ring.counters, report);
            }
            done += n_silent;
        }
        // Out of rounds, which the bound above makes impossible: silence is better than old sound.
        self.input[done * channels..n_frames * channels].fill(0.0);
    }

    /// Tells that nothing was read from what was told last up to `until`.
    fn tell_waiting(&mut self, ring: &SourceRing, until: FramePosition, report: Report<'_>) {
        if ring.counters.state() != SourceState::Live || ring.is_finished() {
            return;
        }
        // None: nothing is missing since the timeline jumped.
        let Some(from) = self.holes.open_end() else { return };
        self.holes.silent(from as f64, until.0 as f64, self.hole_reason, &ring.counters, report);
    }

    /// The sound before this follower's own, which was `old`'s, ended at `silent_from`, for that reason.
    pub(crate) fn continue_from(&mut self, old: &mut ClockFollower, silent_from: FramePosition, reason: GapReason) {
        if old.in_hz == self.in_hz {
            // The same device on the same crystal, as far as anybody knows; the estimator finds out where it is not.
            std::mem::swap(&mut self.estimator, &mut old.estimator);
            self.estimator.mark_break();
            self.past_counts = old.past_counts;
        } else {
            let counts = old.estimator.counts();
            self.past_counts = (old.past_counts.0 + counts.outliers, old.past_counts.1 + counts.jumps);
        }
        self.holes.open_at(silent_from);
        self.hole_reason = reason;
    }

    /// Whether some of the last block was sound.
    pub(crate) fn gave_sound(&self) -> bool {
        self.gave_sound
    }

    /// Whether silence is told as missing now.
    pub(crate) fn is_in_a_hole(&self) -> bool {
        self.holes.open_end().is_some()
    }

    /// The timeline has jumped.
    pub(crate) fn restart(&mut self) {
        self.phase = Phase::Waiting;
        self.holes.sounding();
    }

    /// Where the sound of the last block ended; a hole that follows it and has been told counts as told.
    pub(crate) fn sound_end(&self) -> FramePosition {
        self.holes.open_end().map_or(self.sound_end, |told| self.sound_end.max(FramePosition(told)))
    }

    /// What sounded at the first frame of the last block; `None`: silence.
    pub(crate) fn reading(&self) -> Option<Reading> {
        self.reading
    }

    /// How much sooner than it had to the newest delivery came, if one has come since the last block; negative: too late.
    pub(crate) fn slack_ns(&self) -> Option<f64> {
        self.slack_ns
    }

    /// Whether its sound runs into the mix now, or what is left of it.
    pub(crate) fn is_underway(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// What is still on its way when the ring is empty, in the engine's frames: the resampler's reach on both sides, and the
    /// fade at the end of the sound.
    pub(crate) fn tail_frames(&self) -> usize {
        (self.closing_frames as f64 / self.nominal_step).ceil() as usize + 1
    }
}
