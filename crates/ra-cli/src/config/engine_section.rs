//! `[engine]`: the timeline, its rings and its thread.

use ra_engine::core::{ChannelCount, SampleRate};
use ra_engine::{EngineConfig, FanOutBackend, Latency, Master, Quality, RealtimeRequest};
use toml::de::DeValue;

use super::table_reader::{At, TableReader, as_number, clip};

/// Reads `[engine]` from the root; what is not there, or wrong, is as in the default. With it, where `master` stands.
pub(super) fn read(root: &mut TableReader<'_, '_>) -> (EngineConfig, Option<usize>) {
    let mut engine = EngineConfig::default();
    let Some(mut table) = root.table("engine", "a table [engine]") else { return (engine, None) };
    table.rename("[engine]".to_owned());
    if let Some(rate) = sample_rate(&mut table) {
        engine.sample_rate = rate;
    }
    if let Some(channels) = channels(&mut table) {
        engine.channels = channels;
    }
    if let Some(frames) = table.integer("block_frames", 16..=8192, "") {
        engine.block_frames = frames.value as usize;
    }
    if let Some(latency) = latency(&mut table) {
        engine.latency = latency;
    }
    let qualities = [("fast", Quality::Fast), ("balanced", Quality::Balanced), ("best", Quality::Best)];
    if let Some(quality) = table.choice("quality", &qualities) {
        engine.quality = quality.value;
    }
    if let Some(ms) = table.number("ring_ms", 50.0..=60_000.0, "(milliseconds)") {
        engine.ring_ms = ms;
    }
    if let Some(ms) = table.number("ramp_ms", 1.0..=1000.0, "(milliseconds)") {
        engine.ramp_ms = ms;
    }
    let classes = [("fifo", RealtimeRequest::default()), ("off", RealtimeRequest::Ordinary)];
    if let Some(class) = table.choice("realtime", &classes) {
        engine.realtime = class.value;
    }
    if let Some(backend) = fan_out(&mut table) {
        engine.fan_out = backend;
    }
    let master = master(&mut table);
    if let Some(master) = &master {
        engine.master = master.value.clone();
    }
    table.finish();
    (engine, master.map(|master| master.offset))
}

/// `sample_rate` of a table, in the engine's bounds.
pub(super) fn sample_rate(table: &mut TableReader<'_, '_>) -> Option<SampleRate> {
    let hz = table.integer("sample_rate", SampleRate::MIN_HZ.into()..=SampleRate::MAX_HZ.into(), "Hz")?;
    SampleRate::new(u32::try_from(hz.value).ok()?).ok()
}

/// `channels` of a table, as a count.
pub(super) fn channels(table: &mut TableReader<'_, '_>) -> Option<ChannelCount> {
    let count = table.integer("channels", 1..=ChannelCount::MAX.into(), "")?;
    ChannelCount::new(u16::try_from(count.value).ok()?).ok()
}

fn latency(table: &mut TableReader<'_, '_>) -> Option<Latency> {
    let value = table.raw("latency_ms")?;
    match value.get_ref() {
        DeValue::String(word) if word == "auto" => Some(Latency::Auto),
        other => {
            let ms = as_number(other).filter(|ms| (1.0..=10_000.0).contains(ms));
            if ms.is_none() {
                table.expected("latency_ms", value, "\"auto\" or a number from 1 to 10000 (milliseconds)");
            }
            ms.map(Latency::Ms)
        }
    }
}

#[cfg(not(feature = "spmcq"))]
fn fan_out(table: &mut TableReader<'_, '_>) -> Option<FanOutBackend> {
    let ring = [("ring", Some(FanOutBackend::Ring)), ("spmcq", None)];
    let chosen = table.choice("fan_out", &ring)?;
    if chosen.value.is_none() {
        table.error(chosen.offset, "fan_out is \"spmcq\", which is not in this build (feature spmcq)");
    }
    chosen.value
}

#[cfg(feature = "spmcq")]
fn fan_out(table: &mut TableReader<'_, '_>) -> Option<FanOutBackend> {
    let backends = [("ring", FanOutBackend::Ring), ("spmcq", FanOutBackend::Spmcq)];
    table.choice("fan_out", &backends).map(|chosen| chosen.value)
}

/// `master`: who gives the pace. The sink that it names is looked for when all are known.
fn master(table: &mut TableReader<'_, '_>) -> Option<At<Master>> {
    let expected = "\"clock\" or \"sink:NAME\", an output";
    let master = table.string("master", expected)?;
    let value = match master.value.strip_prefix("sink:") {
        Some(name) if !name.is_empty() => Master::Sink(name.to_owned()),
        None if master.value == "clock" => Master::Clock,
        _ => {
            table.error(master.offset, format_args!("master is {:?}, expected {expected}", clip(&master.value)));
            return None;
        }
    };
    Some(At { value, offset: master.offset })
}
