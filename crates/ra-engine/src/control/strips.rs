//! Builds a source's strip for the mixer.

use std::sync::Arc;

use ra_core::{FramePosition, SampleRate};
use ra_dsp::{ClockEstimator, LevelMeter, Quality, RateSteering, SteeredResampler};

use super::Control;
use super::inserts::MAX_COMPENSATION_MS;
use super::sources::{Kind, Life, SourceEntry};
use crate::CommandError;
use crate::rt::clocked::{ClockFollower, FollowerParts};
use crate::rt::command::{MixerCommand, SourceId};
use crate::rt::follower::{Feed, Follower};
use crate::rt::gap_teller::GapTeller;
use crate::rt::gate::Gate;
use crate::rt::hole::HoleFader;
use crate::rt::hole_report::HoleReport;
use crate::rt::insert_chain::InsertChain;
use crate::rt::source_ring::SourceRing;
use crate::rt::stand_in::StandIn;
use crate::rt::strip::SourceStrip;

/// How long a fallback source and the one that it stands in for take to change places, in milliseconds.
const TAKEOVER_MS: f64 = 5.0;
/// A source that was lost and is open again already is stood in for when it has been silent for so long.
const MISSED_MS: f64 = 10.0;

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
        let routes: Vec<_> = match self.sources.iter().find(|source| source.id == id) {
            Some(entry) if entry.life == Life::Opening => {
                let buses = entry.config.to.iter().filter_map(|bus| self.bus_by_name(bus).ok().map(|bus| bus.id));
                buses.map(|bus| Box::new(self.new_route(entry, bus))).collect()
            }
            _ => return Ok(None),
        };
        let engine_rate = self.config.sample_rate;
        let block_frames = self.config.block_frames;
        let ramp_frames = self.config.ramp_frames();
        let name = self.sources.iter().find(|source| source.id == id).map(|source| source.config.name.clone());
        let is_standby = name.is_some_and(|name| self.is_a_fallback(&name));
        let Some(follower) = self.build_follower(id, period_frames)? else { return Ok(None) };
        let Some(entry) = self.source_mut(id) else { return Ok(None) };
        let channels = entry.spec.channels;
        let takeover_frames = engine_rate.frames_in_ms_ceil(TAKEOVER_MS) as u32;
        let most_path_frames = engine_rate.frames_in_ms_ceil(MAX_COMPENSATION_MS);
        let gate = Gate::new(channels.get(), block_frames, takeover_frames, most_path_frames);
        let mut strip = SourceStrip {
            id,
            follower,
            block: vec![0.0; channels.get() * block_frames].into_boxed_slice(),
            chain: InsertChain::new(channels.get(), most_path_frames, ramp_frames),
            meter: LevelMeter::new(channels.get()),
            levels: Arc::clone(&entry.levels),
            routes,
            removing: false,
            ended: false,
            away: None,
            next_away: None,
            is_returning: false,
            silent_from: FramePosition(0),
            gaps: GapTeller::new(Arc::clone(&entry.counters)),
            is_new: true,
            finished_blocks: 0,
            quiet_blocks: 0,
            is_absence_told: false,
            next: None,
            stand_in: StandIn::new(gate, is_standby),
            missed_frames: engine_rate.frames_in_ms_ceil(MISSED_MS),
        };
        strip.reserve_routes();
        Ok(Some(strip))
    }

    /// The reader of a source's ring; `None` where the ring has a reader already, or the source has gone.
    pub(super) fn build_follower(
        &mut self,
        id: SourceId,
        period_frames: Option<u32>,
    ) -> Result<Option<Follower>, CommandError> {
        let engine_rate = self.config.sample_rate;
        let (block_frames, quality) = (self.config.block_frames, self.config.quality);
        let latency = self.config.latency;
        let Some(entry) = self.source_mut(id) else { return Ok(None) };
        let Some(reader) = entry.reader.take() else { return Ok(None) };
        let channels = entry.spec.channels.get();
        let (feed, ring_rate, least_latency_ns) = match &entry.kind {
            Kind::Pulled(_) => (Feed::Pulled(HoleReport::default()), engine_rate, 0.0),
            Kind::Clocked(_) => {
                let (follower, least_ns) = make_follower(entry, engine_rate, block_frames, period_frames, quality)?;
                entry.judge_latency(latency, least_ns);
                (Feed::Clocked(Box::new(follower)), entry.spec.sample_rate, least_ns)
            }
        };
        let ring = SourceRing {
            reader,
            fader: HoleFader::new(channels, ring_rate.hz()),
            channels,
            counters: Arc::clone(&entry.counters),
        };
        Ok(Some(Follower { ring, feed, least_latency_ns, sound_end: FramePosition(0), gave_sound: false }))
    }
}

/// A clocked source's follower, and the least latency that it needs, in nanoseconds.
fn make_follower(
    entry: &SourceEntry,
    engine_rate: SampleRate,
    block_frames: usize,
    period_frames: Option<u32>,
    quality: Quality,
) -> Result<(ClockFollower, f64), CommandError> {
    let rate = entry.spec.sample_rate;
    let resampler = SteeredResampler::new(entry.spec.channels.get(), rate, engine_rate, block_frames, quality)?;
    let ns_of = |frames: f64, rate: SampleRate| frames / f64::from(rate.hz()) * 1e9;
    let block_ns = ns_of(block_frames as f64, engine_rate);
    // A block is mixed when its first frame is due: its last one must have been delivered by then, and what the filter
    // reads behind it.
    let trim_ns = entry.config.latency_offset_ms * 1e6;
    let own_frames = f64::from(period_frames.unwrap_or(0)) + resampler.reach_frames() as f64 + 1.0;
    let least_ns = block_ns + ns_of(own_frames, rate) - trim_ns;
    let follower = ClockFollower::new(FollowerParts {
        estimator: ClockEstimator::new(rate),
        steering: RateSteering::new(block_ns / 1e9),
        resampler,
        in_hz: rate.hz(),
        out_hz: engine_rate.hz(),
        channels: entry.spec.channels.get(),
        period_frames: period_frames.unwrap_or(0),
        trim_ns,
    });
    Ok((follower, least_ns))
}
