//! Silent spans of a recording: bounded, however long it is. Measures what is given, before it is quantised.

use ra_core::{FramePosition, SampleRate};

use super::{bounded_list::BoundedList, policy::SilenceRule};

/// How many spans are kept from the start of a recording, and how many of the latest.
const KEPT_SPANS: usize = 500;

/// A run of frames on the mix timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at_frame: FramePosition,
    pub(crate) n_frames: u64,
}

/// Finds silence as it comes.
#[derive(Clone, Debug)]
pub(crate) struct SilenceLog {
    rule: SilenceRule,
    below_lin: f32,
    least_frames: u64,
    spans: BoundedList<Span, KEPT_SPANS>,
    /// In the spans that are over.
    n_frames: u64,
    /// The run that lasts until now.
    run: Option<Span>,
}

impl SilenceLog {
    pub(crate) fn new(rule: SilenceRule, rate: SampleRate) -> Self {
        Self {
            rule,
            below_lin: 10f32.powf(rule.below_dbfs / 20.0),
            least_frames: (rate.frames_in_ms_ceil(rule.at_least.as_secs_f64() * 1e3) as u64).max(1),
            spans: BoundedList::default(),
            n_frames: 0,
            run: None,
        }
    }

    /// Takes whole interleaved frames of `channels`. What is no number counts as silence, as it does in the levels.
    pub(crate) fn add(&mut self, position: FramePosition, channels: usize, interleaved: &[f32]) {
        let is_loud = |frame: &[f32]| frame.iter().any(|sample| sample.is_finite() && sample.abs() >= self.below_lin);
        // Most blocks are of one kind as a whole.
        let mut at = position;
        let mut frames = interleaved.chunks_exact(channels).map(is_loud).peekable();
        while let Some(is_loud) = frames.next() {
            let mut n_frames = 1;
            while frames.next_if_eq(&is_loud).is_some() {
                n_frames += 1;
            }
            let run = Span { at_frame: at, n_frames };
            at += n_frames;
            if is_loud {
                // `frames` borrows the threshold: what ends is settled behind the loop's turn.
                end_run(&mut self.run, &mut self.spans, &mut self.n_frames, self.least_frames);
            } else {
                extend_run(&mut self.run, run);
            }
        }
    }

    /// Nothing was there: silence.
    pub(crate) fn add_gap(&mut self, position: FramePosition, n_frames: u64) {
        if n_frames > 0 {
            extend_run(&mut self.run, Span { at_frame: position, n_frames });
        }
    }

    /// The rule by which it goes.
    pub(crate) const fn rule(&self) -> SilenceRule {
        self.rule
    }

    /// The spans that are kept; the last may be one that is not over.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().copied().chain(self.open_span())
    }

    /// All spans.
    pub(crate) fn n_spans(&self) -> u64 {
        self.spans.n_entries() + u64::from(self.open_span().is_some())
    }

    /// Spans that are counted and not kept.
    pub(crate) fn n_omitted(&self) -> u64 {
        self.spans.n_omitted()
    }

    /// Frames in all spans.
    pub(crate) fn n_frames(&self) -> u64 {
        self.n_frames + self.open_span().map_or(0, |span| span.n_frames)
    }

    fn open_span(&self) -> Option<Span> {
        self.run.filter(|run| run.n_frames >= self.least_frames)
    }
}

fn extend_run(run: &mut Option<Span>, by: Span) {
    match run {
        Some(run) => run.n_frames += by.n_frames,
        None => *run = Some(by),
    }
}

fn end_run<const N: usize>(
    run: &mut Option<Span>,
    spans: &mut BoundedList<Span, N>,
    n_frames: &mut u64,
    least_frames: u64,
) {
    if let Some(span) = run.take().filter(|span| span.n_frames >= least_frames) {
        *n_frames += span.n_frames;
        spans.push(span);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn log() -> SilenceLog {
        let rule = SilenceRule { below_dbfs: -40.0, at_least: Duration::from_millis(10) };
        SilenceLog::new(rule, SampleRate::HZ_48000)
    }

    fn spans(log: &SilenceLog) -> Vec<(u64, u64)> {
        log.iter().map(|span| (span.at_frame.0, span.n_frames)).collect()
    }

    #[test]
    fn silence_is_what_lasts_long_enough_on_all_channels() {
        let mut log = log();
        let mut at = 1000;
        let mut add = |log: &mut SilenceLog, left: f32, right: f32, n: u64| {
            log.add(FramePosition(at), 2, &[left, right].repeat(n as usize));
            at += n;
        };
        add(&mut log, 0.5, 0.0, 100);
        add(&mut log, 0.009, -0.009, 479);
        add(&mut log, 0.0, 0.011, 1);
        assert_eq!(spans(&log), [], "a frame too short");
        add(&mut log, 0.0, f32::NAN, 200);
        add(&mut log, -0.0099, 0.0, 280);
        assert_eq!(spans(&log), [(1580, 480)], "not over, and told already");
        add(&mut log, 0.5, 0.5, 1);
        add(&mut log, 0.0, 0.0, 5000);
        assert_eq!(spans(&log), [(1580, 480), (2061, 5000)]);
        assert_eq!((log.n_spans(), log.n_frames(), log.n_omitted()), (2, 5480, 0));
    }

    #[test]
    fn gaps_are_silent_and_the_list_is_bounded() {
        let mut log = log();
        for n in 0..2000 {
            log.add(FramePosition(n * 1000), 1, &[0.5; 500]);
            log.add_gap(FramePosition(n * 1000 + 500), 500);
        }
        log.add(FramePosition(2_000_000), 1, &[0.5]);
        assert_eq!((log.n_spans(), log.n_omitted(), log.n_frames()), (2000, 1000, 1_000_000));
        assert_eq!(spans(&log).len(), 1000);
        assert_eq!(spans(&log)[0], (500, 500));
    }
}
