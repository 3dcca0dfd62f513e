//! The settings of an engine and of its strips: plain data with documented defaults, checked once.

use ra_core::{ChannelCount, SampleRate, StreamSpec};
pub use ra_core::{ConsumerClass, OnLag};
pub use ra_dsp::{MonoLaw, Quality};
pub use ra_queue::FanOutBackend;

use crate::{CommandError, EngineError};

/// The bus that is there by itself.
pub const MAIN_BUS: &str = "main";
/// A sink's `from` that begins with this hears one source, aligned and unmixed.
pub const SOURCE_BUS_PREFIX: &str = "source:";

/// The settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Rate of the mix timeline. Default 48 000 Hz.
    pub sample_rate: SampleRate,
    /// Channels of the bus `main`. Default stereo.
    pub channels: ChannelCount,
    /// Frames handled in one pass, 16 to 8192. Default 128.
    pub block_frames: usize,
    /// How long each bus's ring holds what its consumers have not read yet, in milliseconds, 50 to 60 000.
    /// Default 2000.
    pub ring_ms: f64,
    /// From capture to the mix point, for clocked sources. Default [`Latency::Auto`].
    pub latency: Latency,
    /// Which clock gives the pace. Default [`Master::Clock`].
    pub master: Master,
    /// Of the resamplers. Default `balanced`.
    pub quality: Quality,
    /// How long gain, pan, mute and solo take to change, in milliseconds, 1 to 1000. Default 10.
    pub ramp_ms: f64,
    /// What the mixer's thread asks the system for. What it got is in [`ra_core::RealtimeGrant`].
    pub realtime: RealtimeRequest,
    /// The ring behind each bus. Default our own.
    pub fan_out: FanOutBackend,
    /// How long [`crate::Engine::stop`] waits for a source or sink that does not end, in milliseconds. Default 5000.
    pub stop_timeout_ms: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            sample_rate: SampleRate::HZ_48000,
            channels: ChannelCount::STEREO,
            block_frames: 128,
            ring_ms: 2000.0,
            latency: Latency::Auto,
            master: Master::Clock,
            quality: Quality::Balanced,
            ramp_ms: 10.0,
            realtime: RealtimeRequest::default(),
            fan_out: FanOutBackend::Ring,
            stop_timeout_ms: 5000,
        }
    }
}

impl EngineConfig {
    /// Rate and channels of the bus `main`.
    pub fn main_spec(&self) -> StreamSpec {
        StreamSpec { sample_rate: self.sample_rate, channels: self.channels }
    }

    /// Blocks that each bus's ring holds.
    pub fn ring_blocks(&self) -> usize {
        (self.blocks_in_ms(self.ring_ms) as usize).max(8)
    }

    /// Blocks that last for `ms` at least.
    pub(crate) fn blocks_in_ms(&self, ms: f64) -> u64 {
        self.sample_rate.frames_in_ms_ceil(ms).div_ceil(self.block_frames) as u64
    }

    /// How long `n_blocks` last, in milliseconds.
    pub(crate) fn ms_of_blocks(&self, n_blocks: u64) -> f64 {
        n_blocks as f64 * self.block_frames as f64 * 1e3 / f64::from(self.sample_rate.hz())
    }

    /// Frames that a gain change takes.
    pub fn ramp_frames(&self) -> u32 {
        self.sample_rate.frames_in_ms_ceil(self.ramp_ms) as u32
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// [`EngineError::Setting`] names the first setting that is out of range.
    pub fn check(&self) -> Result<(), EngineError> {
        let bound = |ok: bool, key, actual: String, expected| {
            if ok { Ok(()) } else { Err(EngineError::Setting { key, actual, expected }) }
        };
        let in_range = |value: f64, low: f64, high: f64| (low..=high).contains(&value);
        bound(
            (16..=8192).contains(&self.block_frames),
            "block_frames",
            self.block_frames.to_string(),
            "16 to 8192 frames",
        )?;
        bound(in_range(self.ring_ms, 50.0, 60_000.0), "ring_ms", self.ring_ms.to_string(), "50 to 60000 ms")?;
        bound(in_range(self.ramp_ms, 1.0, 1000.0), "ramp_ms", self.ramp_ms.to_string(), "1 to 1000 ms")?;
        if let Latency::Ms(ms) = self.latency {
            bound(in_range(ms, 1.0, 10_000.0), "latency_ms", ms.to_string(), "\"auto\" or 1 to 10000 ms")?;
        }
        if let RealtimeRequest::Fifo { priority } = self.realtime {
            bound((1..=99).contains(&priority), "realtime priority", priority.to_string(), "1 to 99")?;
        }
        Ok(())
    }
}

/// The clock that everything else follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Master {
    /// The system's monotonic clock.
    #[default]
    Clock,
    /// The device behind the sink of that name, once it plays; the monotonic clock until then and when it goes. The pace
    /// glides from one to the other.
    Sink(String),
}

/// How long sound may take from capture to the mix point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// The least that covers what is seen: begins with what the devices' periods and the resamplers need, grows when
    /// deliveries come later than that, and shrinks when they have not for a minute. Changes by steering, never by a jump
    /// while a clocked source sounds: one that comes later and needs more by its periods is silent then until it has grown,
    /// 0.2 s for each millisecond.
    Auto,
    /// Fixed, in milliseconds.
    Ms(f64),
}

impl Latency {
    /// The most that [`Latency::Auto`] grows to, in milliseconds.
    pub const MAX_AUTO_MS: f64 = 2000.0;

    /// The most that it can become, in milliseconds.
    pub fn most_ms(self) -> f64 {
        match self {
            Latency::Auto => Self::MAX_AUTO_MS,
            Latency::Ms(ms) => ms,
        }
    }
}

/// What the mixer's thread asks the system for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RealtimeRequest {
    /// `SCHED_FIFO` (or the platform's class for audio) and locked memory.
    Fifo {
        /// 1 to 99.
        priority: i32,
    },
    /// An ordinary thread.
    Ordinary,
}

impl Default for RealtimeRequest {
    fn default() -> Self {
        RealtimeRequest::Fifo { priority: 70 }
    }
}

/// The settings of a source's strip.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Its name, unique among the sources.
    pub name: String,
    /// Gain in decibels, −120 to +40. Default 0.
    pub gain_db: f32,
    /// −1 is left, 0 the centre, 1 right. Default 0.
    pub pan: f32,
    /// Silent on every bus, and nobody is heard in its place. Default off.
    pub mute: bool,
    /// While any source is soloed, those that are not are silent, but for the fallbacks of those that are. Default off.
    pub solo: bool,
    /// The buses that it is routed to. Default `main`.
    pub to: Vec<String>,
    /// What mono is attenuated by at the centre of a stereo bus. Default −3 dB.
    pub mono_law: MonoLaw,
    /// How much later (or earlier, where negative) than its stamps say a clocked source is heard, in milliseconds, −1000
    /// to 1000: trims what a device does not know of its own latency. Default 0. Pulled sources have no stamps.
    pub latency_offset_ms: f64,
    /// What becomes of a clocked source whose rate is not the one that it claims. Default: it is followed.
    pub on_rate_mismatch: OnRateMismatch,
    /// What is heard in its place when it is lost. Default: silence.
    pub on_loss: OnLoss,
    /// How long it has to sound again, in milliseconds, 0 to 60 000, before it is heard in the place of its fallback.
    /// Default 150.
    pub return_after_ms: f64,
    /// Whether a clocked source must be there at the start: else one whose device is not there, or can't be opened, is
    /// waited for. Default yes.
    pub required: bool,
}

/// What is heard in place of a source that is lost. Its own timeline has silence of just the missing length either way: a
/// bus that hears `source:NAME` is not touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// Nothing.
    #[default]
    Silence,
    /// The source of that name, with its own gain and on its own buses. It is running all the time and is heard only while
    /// it stands in for somebody: from the moment on that the first source that names it comes, and until it is removed.
    /// Several sources may name one; one that is lost itself may have a fallback of its own. A name that is not there is
    /// silence until it is.
    Fallback(String),
}

impl OnLoss {
    /// The name of the fallback source.
    pub fn fallback(&self) -> Option<&str> {
        match self {
            OnLoss::Silence => None,
            OnLoss::Fallback(name) => Some(name),
        }
    }
}

/// What to do with a source that claims one rate and delivers another, more than 1 % away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRateMismatch {
    /// It is followed like any other; its reason says what was found.
    #[default]
    Follow,
    /// It is taken out of the mix as failed; its reason says what was found.
    Refuse,
}

impl SourceConfig {
    /// The defaults, with a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            gain_db: 0.0,
            pan: 0.0,
            mute: false,
            solo: false,
            to: vec![MAIN_BUS.to_owned()],
            mono_law: MonoLaw::Minus3Db,
            latency_offset_ms: 0.0,
            on_rate_mismatch: OnRateMismatch::Follow,
            on_loss: OnLoss::Silence,
            return_after_ms: 150.0,
            required: true,
        }
    }
}

/// The settings of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusConfig {
    /// Its name, unique among the buses.
    pub name: String,
    /// Its channels.
    pub channels: ChannelCount,
}

/// The settings of a sink. What is `None` is by its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkConfig {
    /// Its name, unique among the sinks.
    pub name: String,
    /// The bus that it hears, or `source:NAME` for one source, aligned and unmixed, before its gain. Default `main`.
    pub from: String,
    /// How much it matters. Default normal.
    pub class: ConsumerClass,
    /// How late it may be, in milliseconds of sound: 20 to 600 000, and at least twice the time between two of its class's
    /// looks. What is longer than its bus's ring gets a ring of its own, and a thread that fills it.
    pub max_lag_ms: Option<u32>,
    /// What happens when it is later.
    pub on_lag: Option<OnLag>,
    /// How long a call into it may take before it is given up on, in milliseconds: 100 to 3 600 000.
    pub evict_after_ms: Option<u32>,
}

impl SinkConfig {
    /// The defaults, with a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            from: MAIN_BUS.to_owned(),
            class: ConsumerClass::Normal,
            max_lag_ms: None,
            on_lag: None,
            evict_after_ms: None,
        }
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// [`CommandError::Value`] names the first setting that is out of range.
    pub fn check(&self) -> Result<(), CommandError> {
        let least_ms = (2 * self.class.poll_ns() / 1_000_000).max(20) as u32;
        in_range("max_lag_ms", self.max_lag_ms, least_ms, 600_000)?;
        in_range("evict_after_ms", self.evict_after_ms, 100, 3_600_000)
    }
}

/// The settings of a reader that a program has on a thread of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderConfig {
    /// How late it may be, in milliseconds of sound, 1 to 600 000. Default, and for what is longer: as the bus's ring is
    /// long.
    pub max_lag_ms: Option<u32>,
    /// What happens when it is later. Default: it loses the oldest blocks.
    pub on_lag: OnLag,
}

impl ReaderConfig {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`CommandError::Value`] names the first setting that is out of range.
    pub fn check(&self) -> Result<(), CommandError> {
        in_range("max_lag_ms", self.max_lag_ms, 1, 600_000)
    }
}

fn in_range(key: &'static str, value: Option<u32>, least: u32, most: u32) -> Result<(), CommandError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(CommandError::Value { key, actual: value.to_string(), expected: format!("{least} to {most}") })
        }
        _ => Ok(()),
    }
}
