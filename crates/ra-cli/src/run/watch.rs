//! Tells people what changes in a run: sources and sinks that fail, end or come back, and frames that are lost. Says each
//! thing once, and losses at most once in a while. Decides nothing.

use std::collections::HashMap;
use std::time::Duration;

use log::Level;
use ra_engine::core::{SinkState, SourceState, Stats};

use crate::meters::{sink_state, source_state};

/// Between two reports of losses of one source or sink.
const HOLD_DOWN: Duration = Duration::from_secs(5);

/// Changes of one state that are said at once, however soon behind each other.
const MOST_CHANGES: u32 = 6;

/// What was last said of each source and sink.
#[derive(Debug, Default)]
pub(super) struct Watch {
    rows: HashMap<String, Row>,
}

#[derive(Debug, Default)]
struct Row {
    state: &'static str,
    /// When a change was said last, and how many were in a row that came soon behind each other.
    changed_at: Duration,
    n_soon: u32,
    lost_frames: u64,
    lost_said_at: Option<Duration>,
    non_finite_samples: u64,
}

impl Watch {
    /// Logs what has changed since the last call.
    pub(super) fn report_changes(&mut self, stats: &Stats, elapsed: Duration) {
        for (level, message) in self.changes(stats, elapsed) {
            log::log!(level, "{message}");
        }
    }

    fn changes(&mut self, stats: &Stats, elapsed: Duration) -> Vec<(Level, String)> {
        let mut said = Vec::new();
        for source in &stats.sources {
            let who = format!("source {:?}", source.name);
            let level = match source.state {
                SourceState::Failed | SourceState::Lost | SourceState::Stalled | SourceState::Fallback => Level::Warn,
                _ => Level::Info,
            };
            let row = self.rows.entry(who.clone()).or_default();
            row.state(&mut said, &who, level, source_state(source.state), source.reason.as_deref(), elapsed);
            let lost_frames = source.account.dropped_frames + source.inserted_frames;
            row.losses(&mut said, &who, "dropped or replaced by silence", lost_frames, elapsed);
            if row.non_finite_samples == 0 && source.non_finite_samples > 0 {
                let message =
                    format!("{who} delivers samples that are no numbers: they become silence, and are counted");
                said.push((Level::Warn, message));
            }
            row.non_finite_samples = source.non_finite_samples;
        }
        for sink in &stats.sinks {
            let files: Vec<_> = sink.files.iter().map(|file| file.display().to_string()).collect();
            let files = if files.is_empty() { String::new() } else { format!(" ({})", files.join(", ")) };
            let who = format!("sink {:?}{files}", sink.name);
            let level = match sink.state {
                SinkState::Failed | SinkState::Panicked => Level::Warn,
                _ => Level::Info,
            };
            let row = self.rows.entry(format!("sink {:?}", sink.name)).or_default();
            row.state(&mut said, &who, level, sink_state(sink.state), sink.reason.as_deref(), elapsed);
            row.losses(&mut said, &who, "dropped", sink.account.dropped_frames, elapsed);
        }
        said
    }
}

impl Row {
    fn state(
        &mut self,
        said: &mut Vec<(Level, String)>,
        who: &str,
        level: Level,
        state: &'static str,
        reason: Option<&str>,
        elapsed: Duration,
    ) {
        // Of one that comes and goes all the time, a change is said now and then.
        let is_soon = elapsed < self.changed_at + HOLD_DOWN;
        if self.state != state && !(is_soon && self.n_soon >= MOST_CHANGES) {
            self.state = state;
            self.n_soon = match elapsed.saturating_sub(self.changed_at) {
                passed if passed > 10 * HOLD_DOWN => 0,
                _ if is_soon => self.n_soon + 1,
                _ => self.n_soon.saturating_sub(1),
            };
            self.changed_at = elapsed;
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            said.push((level, format!("{who}: {state}{reason}")));
        }
    }

    fn losses(&mut self, said: &mut Vec<(Level, String)>, who: &str, how: &str, lost_frames: u64, elapsed: Duration) {
        let is_held_down = self.lost_said_at.is_some_and(|at| elapsed < at + HOLD_DOWN);
        if lost_frames > self.lost_frames && !is_held_down {
            said.push((Level::Warn, format!("{who}: {} frames {how}", lost_frames - self.lost_frames)));
            self.lost_frames = lost_frames;
            self.lost_said_at = Some(elapsed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_engine::core::{SinkStats, SourceStats};

    #[test]
    fn changes_are_said_once_and_losses_once_in_a_while() {
        let mut watch = Watch::default();
        let mut stats = Stats {
            sources: vec![SourceStats { name: "mic".into(), state: SourceState::Live, ..SourceStats::default() }],
            sinks: vec![SinkStats {
                name: "rec".into(),
                state: SinkState::Ok,
                files: vec!["a.wav".into()],
                ..SinkStats::default()
            }],
            ..Stats::default()
        };
        let at = |s| Duration::from_secs(s);
        let texts = |said: Vec<(Level, String)>| said.into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(watch.changes(&stats, at(0))), ["source \"mic\": live", "sink \"rec\" (a.wav): ok"]);
        assert!(watch.changes(&stats, at(0)).is_empty());

        stats.sources[0].account.dropped_frames = 10;
        assert_eq!(texts(watch.changes(&stats, at(1))), ["source \"mic\": 10 frames dropped or replaced by silence"]);
        stats.sources[0].account.dropped_frames = 25;
        assert!(watch.changes(&stats, at(5)).is_empty());
        assert_eq!(texts(watch.changes(&stats, at(6))), ["source \"mic\": 15 frames dropped or replaced by silence"]);

        // Who comes and goes all the time is told of six times, and then now and then, as it is by then.
        let mut flapping = Watch::default();
        let n_said = (0..100).map(|n| {
            stats.sources[0].state = if n % 2 == 0 { SourceState::Stalled } else { SourceState::Live };
            flapping
                .changes(&stats, Duration::from_millis(100 * n))
                .iter()
                .filter(|said| said.1.contains("mic"))
                .count()
        });
        assert_eq!(n_said.sum::<usize>(), 9, "one of them of lost frames");
        assert_eq!(flapping.changes(&stats, at(16)).len(), 0, "it is live, as was said last");
        stats.sources[0].state = SourceState::Stalled;
        assert_eq!(texts(flapping.changes(&stats, at(17))), ["source \"mic\": stalled"]);

        stats.sources[0].state = SourceState::Lost;
        stats.sources[0].reason = Some("unplugged".into());
        stats.sources[0].non_finite_samples = 3;
        stats.sinks[0].state = SinkState::Failed;
        stats.sinks[0].reason = Some("no space left".into());
        let said = watch.changes(&stats, at(20));
        assert!(said.iter().all(|(level, _)| *level == Level::Warn));
        assert_eq!(
            texts(said),
            [
                "source \"mic\": lost: unplugged",
                "source \"mic\" delivers samples that are no numbers: they become silence, and are counted",
                "sink \"rec\" (a.wav): failed: no space left",
            ]
        );
    }
}
