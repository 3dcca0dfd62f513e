//! One thread of a storm: carries out its commands of the list, each at its time or as soon as the one before it is
//! answered. Draws nothing: what it does is in the list.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use ra_core::{Clock, StreamSpec, SystemClock};
use ra_engine::sinks::{Recorder, RecorderConfig};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, EngineHandle, SinkConfig, SourceConfig};

use super::bound::{Bounds, TONE_DBFS, tone_hz};
use super::command::{Command, Heard, sink_name, source_name};
use super::device::DeviceSlot;
use super::ledger::Ledger;
use super::listeners::ListenersDoor;
use super::plan::Planned;
use super::sinks::CountingSink;

/// How far the devices' clocks are off, by slot.
const PPM: [f64; 4] = [80.0, -120.0, 30.0, -60.0];
/// A removed source fades for a ramp before another one takes its place: what sounds at once is what the bound counts.
const RAMPS_BETWEEN: u64 = 3;

/// What a performer works with.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) handle: EngineHandle,
    pub(super) devices: Arc<Vec<DeviceSlot>>,
    pub(super) listeners: ListenersDoor,
    pub(super) ledger: Arc<Ledger>,
    pub(super) bounds: Bounds,
    pub(super) recordings: PathBuf,
    /// Of one ramp, in nanoseconds.
    pub(super) ramp_ns: u64,
    pub(super) begin_ns: u64,
    /// Commands carried out so far, by all performers.
    pub(super) n_done: Arc<AtomicUsize>,
}

/// Carries out the commands; returns those that the engine refused, in words.
pub(super) fn perform(stage: &Stage, commands: &[Planned]) -> Vec<String> {
    let mut refused = Vec::new();
    let mut performer = Performer { stage, heard: Vec::new(), place_free_ns: 0 };
    for planned in commands {
        SystemClock.sleep_until_ns(stage.begin_ns + planned.at_us * 1000);
        if let Err(cause) = performer.carry_out(planned.command) {
            refused.push(format!("{}: {cause:#}", planned.command));
        }
        stage.n_done.fetch_add(1, Ordering::Relaxed);
    }
    refused
}

struct Performer<'a> {
    stage: &'a Stage,
    /// The places of this thread's sources.
    heard: Vec<(u32, usize)>,
    /// From when on a removed source's place may be taken.
    place_free_ns: u64,
}

impl Performer<'_> {
    fn carry_out(&mut self, command: Command) -> Result<()> {
        let handle = &self.stage.handle;
        match command {
            Command::AddTone { source, place, rate_hz, channels } => {
                let signal = Signal::Tone { hz: tone_hz(place), dbfs: TONE_DBFS };
                let tone = MockSource::new(MockConfig::new(StreamSpec::new(rate_hz, channels)?, signal))?;
                self.stage.ledger.add_tone(source_name(source));
                self.add_source(source, place, AnySource::pulled(tone))
            }
            Command::AddDevice { source, place, slot, rate_hz, channels } => {
                let spec = StreamSpec::new(rate_hz, channels)?;
                let device = self.stage.devices.get(slot).context("no such device slot")?;
                let (device, offered_frames) = device.source(spec, tone_hz(place), PPM[slot % PPM.len()]);
                self.stage.ledger.add_device(source_name(source), offered_frames);
                self.add_source(source, place, AnySource::clocked(device))
            }
            Command::RemoveSource { source } => {
                self.heard.retain(|&(number, _)| number != source);
                let result = handle.remove_source(&source_name(source));
                self.place_free_ns = SystemClock.now_ns() + RAMPS_BETWEEN * self.stage.ramp_ns;
                Ok(result?)
            }
            Command::SetGain { source, gain_db } => Ok(handle.set_gain_db(&source_name(source), gain_db)?),
            Command::SetPan { source, pan } => Ok(handle.set_pan(&source_name(source), pan)?),
            Command::SetMute { source, mute } => Ok(handle.set_mute(&source_name(source), mute)?),
            Command::SetSolo { source, solo } => Ok(handle.set_solo(&source_name(source), solo)?),
            Command::FlipRate { slot, rate_hz, .. } => {
                self.stage.devices.get(slot).context("no such device slot")?.flip_to(rate_hz);
                Ok(())
            }
            Command::AddListener { consumer, heard } => {
                let reader = handle.subscribe(&heard.bus())?;
                self.stage.listeners.add(sink_name(consumer), reader, self.bound_lin(heard)?);
                Ok(())
            }
            Command::RemoveListener { consumer } => {
                self.stage.listeners.remove(sink_name(consumer));
                Ok(())
            }
            Command::AddSink { consumer, heard } => {
                let (sink, truth) = CountingSink::new();
                self.stage.ledger.add_sink(sink_name(consumer), truth);
                Ok(handle.add_sink(sink_config(consumer, heard), sink)?)
            }
            Command::StartRecorder { consumer, heard } => {
                let recorder = Recorder::new(RecorderConfig::new(self.stage.recordings.join("{name}.wav")))?;
                self.stage.ledger.add_recorder(sink_name(consumer));
                Ok(handle.add_sink(sink_config(consumer, heard), recorder)?)
            }
            Command::RemoveSink { consumer } | Command::StopRecorder { consumer } => {
                Ok(handle.remove_sink(&sink_name(consumer))?)
            }
        }
    }

    fn add_source(&mut self, source: u32, place: usize, any: AnySource) -> Result<()> {
        SystemClock.sleep_until_ns(self.place_free_ns);
        self.heard.push((source, place));
        Ok(self.stage.handle.add_source(SourceConfig::named(source_name(source)), any)?)
    }

    fn bound_lin(&self, heard: Heard) -> Result<f64> {
        match heard {
            Heard::Main => Ok(self.stage.bounds.main_lin()),
            Heard::Source(source) => {
                let place = self.heard.iter().find(|(number, _)| *number == source);
                Ok(self.stage.bounds.source_lin(place.context("a source of another thread")?.1))
            }
        }
    }
}

fn sink_config(consumer: u32, heard: Heard) -> SinkConfig {
    SinkConfig { from: heard.bus(), ..SinkConfig::named(sink_name(consumer)) }
}
