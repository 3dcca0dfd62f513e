//! What the control side says when it is asked how things are.

use ra_core::{BusStats, EngineStats, MasterStats, SinkState, SinkStats, SourceStats, Stats};
use ra_dsp::SharedLevels;

use super::Control;
use crate::Master;

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
                since_ms: entry.supervision.log.since_ms(),
                reason: entry.reason(),
                fallback: entry.config.on_loss.fallback().map(str::to_owned),
                losses: entry.supervision.losses,
                reconnects: entry.supervision.reconnects,
                failed_opens: entry.supervision.failed_opens,
                hung_calls: entry.supervision.hung_calls,
                device_errors: entry.supervision.device_errors,
                states: entry.supervision.log.to_vec(),
                notes: entry.supervision.notes.clone(),
                account: self.account_of(entry),
                inserted_frames: entry.counters.inserted_frames.get(),
                non_finite_samples: entry.counters.non_finite_samples.get(),
                xruns: entry.counters.xruns.get(),
                drift_ppm: entry.counters.drift_ppm.get(),
                jitter_us: entry.counters.jitter_us.get(),
                rejected_stamps: entry.counters.stamps_rejected.get(),
                clock_jumps: entry.counters.clock_jumps.get(),
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
                    reason: text.reason.or_else(|| entry.stall_reason()),
                    policy: text.policy,
                    lags: entry.shared.lags(),
                    stalls: entry.shared.stalls(),
                    account: entry.shared.account(),
                    gaps: text.gaps.to_vec(),
                    files: text.report.files,
                    files_omitted: text.report.files_omitted,
                    notes: text.report.notes,
                }
            })
            .collect();
        let present = self.buses.iter().filter(|bus| !bus.leaving);
        let buses = present
            .map(|bus| BusStats {
                name: bus.name.clone(),
                ring_ms: self.config.ms_of_blocks(bus.subscribe.n_blocks() as u64),
                ring_bytes: bus.subscribe.memory_bytes() as u64,
                non_finite_samples: bus.non_finite_samples.get(),
                levels: levels_of(&bus.levels),
            })
            .collect();
        let engine = EngineStats {
            blocks: self.counters.blocks.get(),
            late_blocks: self.counters.late_blocks.get(),
            xruns: self.counters.late_gaps.get() + sources.iter().map(|source| source.xruns).sum::<u64>(),
            latency_us: self.counters.latency_ns.get() as f64 / 1000.0,
            master: MasterStats {
                asked: match &self.config.master {
                    Master::Clock => "clock".to_owned(),
                    Master::Sink(name) => format!("sink:{name}"),
                },
                state: self.counters.master_state(),
                drift_ppm: self.counters.master_ppm.get(),
                reason: self.master_reason.clone(),
            },
            realtime: self.grant.clone(),
            suspends: self.clock_watch.suspends,
            suspended_ms: self.clock_watch.suspended_ns as f64 / 1e6,
            clock_steps: self.clock_watch.steps,
            clock_stepped_ms: self.clock_watch.stepped_ns as f64 / 1e6,
            lost_events: self.counters.lost_events.get(),
            failure: self.failure.clone(),
        };
        Stats { engine, sources, buses, sinks }
    }
}

fn levels_of(levels: &SharedLevels) -> Vec<ra_core::Level> {
    (0..levels.channels()).map(|channel| levels.load(channel)).collect()
}
