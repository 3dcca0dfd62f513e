//! The way of the sound from a bus to one opened device: conversion, steering, ring. Pure: the time is a parameter, and
//! the device's end is a [`ClockedPlayer`] that anything may ask for periods.

use std::sync::Arc;

use ra_core::{Block, Gap, SampleRate, StreamSpec};
use ra_dsp::{DspError, Quality};

use super::{
    OutputRole,
    adapter::{Adapter, CHUNK_FRAMES, Rates},
    bus_clock::BusClock,
    clock::{ClockedPlayer, Stream, with_clock},
    feed::{Feed, feed_and_player},
    shared::Shared,
    steering::Steering,
};

/// How a line is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineConfig {
    pub(super) bus: StreamSpec,
    pub(super) device: StreamSpec,
    pub(super) cushion_ms: f64,
    pub(super) quality: Quality,
    pub(super) role: OutputRole,
}

/// The sink's end.
pub(super) struct Line {
    device_rate: SampleRate,
    bus_rate: SampleRate,
    adapter: Adapter,
    feed: Feed,
    steering: Option<Steering>,
    shared: Arc<Shared>,
    inserted_frames: u64,
    /// Frames of the bus whose loss was told already.
    told_frames: u64,
}

/// The three ends of a line: the sink's, the device's, and that of whoever follows its clock.
pub(super) struct LineParts {
    pub(super) line: Line,
    pub(super) player: ClockedPlayer,
    pub(super) stamps: Stream,
}

impl LineParts {
    /// Makes a line.
    ///
    /// # Errors
    /// [`DspError`] for rates that can't be converted into each other.
    pub(super) fn new(config: &LineConfig) -> Result<Self, DspError> {
        let LineConfig { bus, device, cushion_ms, quality, role } = *config;
        let is_followed = role == OutputRole::Master && bus.sample_rate == device.sample_rate;
        let rates = if is_followed { Rates::Same } else { Rates::Steered(quality) };
        let adapter = Adapter::new(bus, device, rates)?;
        // The resampler gives its frames in chunks: a block of the bus may come out as one more of them.
        let cushion_frames = device.sample_rate.frames_in_ms_ceil(cushion_ms).max(2 * CHUNK_FRAMES);
        let shared = Arc::new(Shared::new(cushion_frames));
        let (feed, player) = feed_and_player(device, Arc::clone(&shared));
        let (player, stamps) = with_clock(player, device.sample_rate);
        let steering = (!is_followed)
            .then(|| Steering::new(bus.sample_rate, device.sample_rate, CHUNK_FRAMES, stamps.for_steering));
        let line = Line {
            device_rate: device.sample_rate,
            bus_rate: bus.sample_rate,
            adapter,
            feed,
            steering,
            shared,
            inserted_frames: 0,
            told_frames: 0,
        };
        Ok(Self { line, player, stamps: stamps.for_followers })
    }
}

impl Line {
    /// Takes a block. The bus's clock has seen it already; `jumped_s`: what that found.
    pub(super) fn write(&mut self, block: &Block<'_>, bus: &BusClock, jumped_s: Option<f64>) -> Result<(), DspError> {
        if let (Some(steering), Some(by_s)) = (&mut self.steering, jumped_s) {
            steering.bus_jumped(by_s);
        }
        self.adapter.push(block.stamp.position, block.samples);
        let Self { adapter, feed, steering, shared, .. } = self;
        let mut rate = steering.as_ref().map_or(1.0, Steering::rate);
        while adapter.has_chunk(rate) {
            if let Some(steering) = steering {
                rate = match feed.is_dropping() {
                    true => steering.same_rate(shared),
                    false => steering.next_rate(adapter.place(), feed.next_frame(), bus, shared),
                };
            }
            match adapter.next_chunk(rate)? {
                Some(chunk) => feed.write(chunk),
                // It needs a frame more at this rate.
                None => break,
            }
        }
        Ok(())
    }

    /// Frames of the bus are missing: fades over the place, and puts in silence for them where the device still plays, so
    /// that what follows sounds when it should.
    pub(super) fn gap(&mut self, gap: &Gap) {
        let n_frames = usize::try_from(gap.n_frames).unwrap_or(usize::MAX);
        let n_device = self.to_device(gap.n_frames);
        let is_bearable = self.shared.run().is_some() && n_device <= self.feed.queued_frames() as u64;
        self.adapter.cut(if is_bearable { n_frames } else { 0 });
        if is_bearable {
            self.inserted_frames += n_device;
        }
    }

    /// Writes everything that is left; the device plays it as soon as it can.
    pub(super) fn end(&mut self) -> Result<(), DspError> {
        let rate = self.steering.as_ref().map_or(1.0, Steering::rate);
        self.adapter.end(rate);
        while let Some(chunk) = self.adapter.next_chunk(rate)? {
            self.feed.write(chunk);
        }
        self.feed.end();
        Ok(())
    }

    /// Frames of the bus that were taken, will not be heard, and were not told yet.
    pub(super) fn take_lost_frames(&mut self) -> u64 {
        let lost_frames = self.to_bus(self.dropped_frames());
        let n_new = lost_frames.saturating_sub(self.told_frames);
        self.told_frames += n_new;
        n_new
    }

    /// Nothing more is played: returns the frames of the bus that are lost by it and were not told yet.
    pub(super) fn abandon(mut self) -> u64 {
        let waiting_frames = self.adapter.waiting_frames() as u64;
        self.take_lost_frames() + waiting_frames + self.to_bus(self.unplayed_frames())
    }

    /// Frames in the ring and before it, of the device.
    pub(super) fn unplayed_frames(&self) -> u64 {
        let (written_frames, _) = self.feed.counts();
        written_frames.saturating_sub(self.shared.played_frames() + self.shared.skipped_frames())
    }

    /// Frames that the device had no time for.
    pub(super) fn dropped_frames(&self) -> u64 {
        self.feed.counts().1 + self.shared.skipped_frames()
    }

    /// Frames that were offered to the device, in its own rate: those that were dropped included.
    pub(super) fn offered_frames(&self) -> u64 {
        let (written_frames, dropped_frames) = self.feed.counts();
        written_frames + dropped_frames
    }

    /// Frames of silence that the device got because nothing else was there, and for gaps.
    pub(super) fn inserted_frames(&self) -> u64 {
        self.shared.silent_frames() + self.inserted_frames
    }

    /// How long what is in the ring lasts, in nanoseconds.
    pub(super) fn queued_ns(&self) -> u64 {
        self.device_rate.ns_of_frames(self.feed.queued_frames() as u64)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn steering(&self) -> Option<&Steering> {
        self.steering.as_ref()
    }

    pub(super) fn device_rate(&self) -> SampleRate {
        self.device_rate
    }

    fn to_bus(&self, device_frames: u64) -> u64 {
        rescale(device_frames, self.device_rate, self.bus_rate)
    }

    fn to_device(&self, bus_frames: u64) -> u64 {
        rescale(bus_frames, self.bus_rate, self.device_rate)
    }
}

fn rescale(n_frames: u64, from: SampleRate, to: SampleRate) -> u64 {
    (u128::from(n_frames) * u128::from(to.hz()) / u128::from(from.hz())).min(u128::from(u64::MAX)) as u64
}
