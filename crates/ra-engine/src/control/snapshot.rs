//! What the control side says when it is asked how things are.

use ra_core::{BusStats, EngineStats, SinkState, SinkStats, SourceStats, Stats};
use ra_dsp::SharedLevels;

use super::Control;

impl Control {
    /// A snapshot of everything.
    pub(crate) fn stats(&self) -> Stats {
        let sources: Vec<_> = self
            .sources
            .iter()
            .map(|entry| SourceStats {
                name: entry.config.name.clone(),
                description: entry.description.clone(),
                state: entry.state(),
                reason: entry.reason(),
                account: self.account_of(entry),
                inserted_frames: entry.counters.inserted_frames.get(),
                non_finite_samples: entry.counters.non_finite_samples.get(),
                xruns: entry.counters.xruns.get(),
                drift_ppm: None,
                gaps: entry.gaps.to_vec(),
                levels: levels_of(&entry.levels),
            })
            .collect();
        let sinks = self
            .sinks
            .iter()
            .map(|entry| {
                let text = entry.shared.text();
                let state = if entry.removed && text.state == SinkState::Ok { SinkState::Removed } else { text.state };
                SinkStats {
                    name: entry.config.name.clone(),
                    from: entry.config.from.clone(),
                    state,
                    reason: text.reason,
                    account: entry.shared.account(),
                    gaps: text.gaps.to_vec(),
                    files: text.files,
                    notes: text.notes,
                }
            })
            .collect();
        let present = self.buses.iter().filter(|bus| !bus.leaving);
        let buses = present
            .map(|bus| BusStats {
                name: bus.name.clone(),
                non_finite_samples: bus.non_finite_samples.get(),
                levels: levels_of(&bus.levels),
            })
            .collect();
        let engine = EngineStats {
            blocks: self.counters.blocks.get(),
            late_blocks: self.counters.late_blocks.get(),
            xruns: self.counters.late_gaps.get() + sources.iter().map(|source| source.xruns).sum::<u64>(),
            realtime: self.grant.clone(),
            failure: self.failure.clone(),
        };
        Stats { engine, sources, buses, sinks }
    }
}

fn levels_of(levels: &SharedLevels) -> Vec<ra_core::Level> {
    (0..levels.channels()).map(|channel| levels.load(channel)).collect()
}
