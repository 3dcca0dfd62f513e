//! A device that can be pulled out, hears a tone, and delivers it with its time of capture.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;
use ra_core::{PeriodInput, SourceStats, StreamEvent, StreamSpec};

use super::{Bench, ByHand, ORIGIN_NS, spec};
use crate::command::Command;
use crate::{AnySource, BusEvent, BusReader, EngineConfig, Latency, SourceConfig};

pub(super) const LATENCY_FRAMES: u64 = 960;
pub(super) const HZ: f64 = 500.0;

pub(super) fn config() -> EngineConfig {
    EngineConfig { latency: Latency::Ms(20.0), ..EngineConfig::default() }
}

/// What every device hears.
pub(super) fn room(t_s: f64) -> f32 {
    (0.5 * (std::f64::consts::TAU * HZ * t_s).cos()) as f32
}

/// A device that can be pulled out, and begins anew with every start.
pub(super) struct Fickle {
    pub(super) input: Arc<Mutex<Option<Box<dyn PeriodInput>>>>,
    pub(super) flips_to: Arc<Mutex<Option<StreamSpec>>>,
    pub(super) is_gone: Arc<AtomicBool>,
    pub(super) says: Arc<Mutex<Option<StreamEvent>>>,
    granted_frames: Arc<AtomicU32>,
    /// What it delivers at once; 0: 5 ms.
    period_frames: u64,
    pub(super) rate_hz: f64,
    /// When its frame 0 was captured, in seconds of the mix; `None`: it is not open.
    pub(super) opened_s: Option<f64>,
    pub(super) next_frame: u64,
}

impl Fickle {
    pub(super) fn add(bench: &mut Bench, config: SourceConfig) -> Self {
        let (source, device) = Self::new();
        bench.tell(|reply| Command::AddSource { config, source, reply }).unwrap();
        device
    }

    pub(super) fn new() -> (AnySource, Self) {
        let input = Arc::new(Mutex::new(None));
        let source = ByHand::new(spec(48_000, 1), &input);
        let (flips_to, is_gone) = (Arc::clone(&source.flips_to), Arc::clone(&source.is_gone));
        let (says, granted_frames) = (Arc::clone(&source.says), Arc::clone(&source.period_frames));
        let device = Self {
            input,
            flips_to,
            is_gone,
            says,
            granted_frames,
            period_frames: 0,
            rate_hz: 48_000.0,
            opened_s: None,
            next_frame: 0,
        };
        (AnySource::clocked(source), device)
    }

    /// From its next start on it grants and delivers such periods.
    pub(super) fn set_periods(&mut self, granted_frames: u32, period_frames: u64) {
        self.granted_frames.store(granted_frames, Ordering::Relaxed);
        self.period_frames = period_frames;
    }

    pub(super) fn go(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
        *self.input.lock() = None;
        self.opened_s = None;
    }

    pub(super) fn come_back(&mut self) {
        self.is_gone.store(false, Ordering::Relaxed);
    }

    /// Delivers every period that is complete by then.
    pub(super) fn deliver_until(&mut self, now_ns: u64) {
        let mut input = self.input.lock();
        let Some(input) = input.as_mut() else {
            self.opened_s = None;
            return;
        };
        let now_s = (now_ns as f64 - ORIGIN_NS as f64) / 1e9;
        if self.opened_s.is_none() {
            (self.opened_s, self.next_frame) = (Some(now_s), 0);
        }
        let opened_s = self.opened_s.unwrap();
        let at = |n: u64| opened_s + n as f64 / self.rate_hz;
        let n_frames = if self.period_frames > 0 { self.period_frames } else { (self.rate_hz / 200.0) as u64 };
        while at(self.next_frame + n_frames) <= now_s {
            let period: Vec<f32> = (0..n_frames).map(|n| room(at(self.next_frame + n))).collect();
            let capture_ns = (ORIGIN_NS as f64 + at(self.next_frame) * 1e9).round() as u64;
            input.push(capture_ns, &period);
            self.next_frame += n_frames;
        }
    }

    /// Where the sound ends that it has delivered, on the mix timeline.
    pub(super) fn end_frame(&self) -> u64 {
        ((self.opened_s.unwrap() + self.next_frame as f64 / self.rate_hz) * 48_000.0).round() as u64 + LATENCY_FRAMES
    }

    /// Where its sound begins since it was opened last.
    pub(super) fn begin_frame(&self) -> u64 {
        (self.opened_s.unwrap() * 48_000.0).round() as u64 + LATENCY_FRAMES
    }
}

pub(super) fn run(
    bench: &mut Bench,
    reader: &mut BusReader,
    n_blocks: u64,
    mut deliver: impl FnMut(u64, u64),
) -> Vec<f32> {
    let mut got = Vec::new();
    for n in 0..n_blocks {
        deliver(n, bench.mixer.next_deadline_ns());
        bench.step();
        while let BusEvent::Block(block) = reader.read() {
            got.extend_from_slice(block.samples);
        }
    }
    got
}

pub(super) fn source(bench: &Bench, name: &str) -> SourceStats {
    bench.control.stats().sources.into_iter().find(|source| source.name == name).unwrap()
}

pub(super) fn largest_step(got: &[f32]) -> f32 {
    got.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max)
}

/// The tone's own slope, the fades' at a hole's edges, and what the resampler overshoots by.
pub(super) const STEEPEST: f32 = (0.5 * std::f32::consts::TAU * HZ as f32 / 48_000.0 + 0.5 / 72.0 + 0.5 / 240.0) * 1.1;
