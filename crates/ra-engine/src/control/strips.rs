//! Builds a source's strip for the mixer.

use std::sync::Arc;

use ra_core::{FramePosition, SampleRate};
use ra_dsp::{LevelMeter, SteeredResampler};

use super::Control;
use super::inserts::MAX_COMPENSATION_MS;
use super::sources::{Kind, Life, SourceEntry};
use crate::rt::command::{MixerCommand, SourceId};
use crate::rt::follower::{Cushion, Feed, Follower, Resampling};
use crate::rt::hole::HoleFader;
use crate::rt::insert_chain::InsertChain;
use crate::rt::source_ring::SourceRing;
use crate::rt::strip::SourceStrip;
use crate::{CommandError, Latency};

impl Control {
    /// Builds the strip and sends it to the mixer.
    pub(super) fn enter_mix(&mut self, id: SourceId, period_frames: Option<u32>) {
        match self.build_strip(id, period_frames) {
            Ok(Some(strip)) => {
                let n_routes = strip.routes.len();
                self.tell(MixerCommand::AddSource(Box::new(strip)));
                let mut solo = false;
                if let Some(entry) = self.source_mut(id) {
                    entry.life = Life::Present;
                    entry.in_mixer = true;
                    entry.n_routes += n_routes;
                    entry.answer(Ok(()));
                    solo = entry.config.solo;
                }
                if solo {
                    self.send_all_gains();
                }
            }
            Ok(None) => {}
            Err(cause) => {
                if let Some(entry) = self.source_mut(id) {
                    entry.life = Life::Failed;
                    entry.reason = Some(cause.to_string());
                    entry.answer(Err(cause));
                }
                self.stop_clocked(id);
            }
        }
    }

    fn build_strip(&mut self, id: SourceId, period_frames: Option<u32>) -> Result<Option<SourceStrip>, CommandError> {
        let any_solo = self.any_solo();
        let routes: Vec<_> = match self.sources.iter().find(|source| source.id == id) {
            Some(entry) if entry.life == Life::Opening => {
                let buses = entry.config.to.iter().filter_map(|bus| self.bus_by_name(bus).ok().map(|bus| bus.id));
                buses.map(|bus| Box::new(self.new_route(entry, bus, any_solo))).collect()
            }
            _ => return Ok(None),
        };
        let engine_rate = self.config.sample_rate;
        let (block_frames, quality, latency) = (self.config.block_frames, self.config.quality, self.config.latency);
        let ramp_frames = self.config.ramp_frames();
        let Some(entry) = self.source_mut(id) else { return Ok(None) };
        let Some(reader) = entry.reader.take() else { return Ok(None) };
        let channels = entry.spec.channels;
        let (feed, ring_rate) = match &entry.kind {
            Kind::Pulled(_) => (Feed::Pulled, engine_rate),
            Kind::Clocked(_) => {
                let cushion = make_cushion(entry, engine_rate, block_frames, period_frames, latency, quality)?;
                (Feed::Clocked(Box::new(cushion)), entry.spec.sample_rate)
            }
        };
        let ring = SourceRing {
            reader,
            fader: HoleFader::new(channels.get(), ring_rate.hz()),
            channels: channels.get(),
            rate_hz: ring_rate.hz(),
            engine_rate_hz: engine_rate.hz(),
            counters: Arc::clone(&entry.counters),
            owed_silence_frames: 0,
            in_underrun: false,
            block_frames: block_frames as u64,
            restart_from_ns: 0,
            is_restarting: false,
            silence_frames: 0,
            last_filled_frames: 0,
        };
        let mut strip = SourceStrip {
            id,
            follower: Follower { ring, feed },
            block: vec![0.0; channels.get() * block_frames].into_boxed_slice(),
            chain: InsertChain::new(channels.get(), engine_rate.frames_in_ms_ceil(MAX_COMPENSATION_MS), ramp_frames),
            meter: LevelMeter::new(channels.get()),
            levels: Arc::clone(&entry.levels),
            routes,
            removing: false,
            ended: false,
            lost: false,
            silent_from: FramePosition(0),
        };
        strip.reserve_routes();
        Ok(Some(strip))
    }
}

fn make_cushion(
    entry: &SourceEntry,
    engine_rate: SampleRate,
    block_frames: usize,
    period_frames: Option<u32>,
    latency: Latency,
    quality: ra_dsp::Quality,
) -> Result<Cushion, CommandError> {
    let rate = entry.spec.sample_rate;
    let two_periods = 2 * period_frames.unwrap_or(0) as usize;
    // A step reads a whole block at once: with less than that and a period, every jitter would be an underrun.
    let least_frames =
        rate.frames_in_ns(engine_rate.ns_of_frames(block_frames as u64)) as usize + period_frames.unwrap_or(0) as usize;
    let target_frames = match latency {
        Latency::Ms(ms) => rate.frames_in_ms_ceil(ms),
        Latency::Auto => rate.frames_in_ms_ceil(latency.nominal_ms()).max(two_periods),
    };
    let resampling = if rate == engine_rate {
        None
    } else {
        let resampler = SteeredResampler::new(entry.spec.channels.get(), rate, engine_rate, block_frames, quality)?;
        let n_samples = resampler.max_input_frames() * entry.spec.channels.get();
        Some(Resampling { resampler, input: vec![0.0; n_samples].into_boxed_slice() })
    };
    Ok(Cushion {
        target_frames: target_frames.max(least_frames).min(entry.ring_capacity_frames / 2),
        grows: latency == Latency::Auto,
        capacity_frames: entry.ring_capacity_frames,
        primed: false,
        resampling,
    })
}
