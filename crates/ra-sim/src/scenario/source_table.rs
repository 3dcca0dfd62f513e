//! `[[source]]`: a device, its clock, and what it hears.

use std::collections::HashSet;

use ra_engine::core::ChannelCount;
use ra_engine::sources::{ClockModel, Outliers, Signal};
use ra_engine::{OnLoss, OnRateMismatch};

use super::ScenarioSource;
use super::fault_table;
use super::parse::sample_rate;
use super::table::{Table, one_of};

/// What `on_loss` can be.
const ON_LOSS: &str = "\"silence\" or \"fallback:NAME\"";
/// The bounds of levels, in dBFS.
const DBFS: std::ops::RangeInclusive<f64> = -200.0..=40.0;
/// The most characters that a name may have.
const MOST_CHARS: usize = 64;

/// Where the parts of a source stand, for what is found out later.
pub(super) struct Offsets {
    /// Whether every part of it could be read.
    pub(super) is_read: bool,
    table: usize,
    sample_rate: usize,
    on_loss: usize,
    signal: usize,
    clock: usize,
    faults: usize,
    /// Of each fault.
    fault: Vec<usize>,
}

impl Offsets {
    /// Where the part stands that an error's text begins with.
    pub(super) fn of(&self, error: &str) -> usize {
        let begins = |part: &str| error.starts_with(part);
        let fault = error.strip_prefix("fault ").and_then(|rest| rest.split_once(':')?.0.parse::<usize>().ok());
        if let Some(&offset) = fault.and_then(|n| self.fault.get(n.checked_sub(1)?)) {
            offset
        } else if begins("signal") || begins("band_rate") {
            self.signal
        } else if begins("sample_rate") {
            self.sample_rate
        } else if begins("on_loss") {
            self.on_loss
        } else if begins("clock") {
            self.clock
        } else if begins("fault") {
            self.faults
        } else {
            self.table
        }
    }
}

/// Reads one source, whose name joins those that are `taken`. What is not there, or wrong, is as in the default.
pub(super) fn read(mut table: Table<'_, '_>, taken: &mut HashSet<String>) -> (ScenarioSource, Offsets) {
    let name = read_name(&mut table, taken);
    let signal = read_signal(&mut table);
    let mut is_read = name.is_some() && signal.is_some();
    let mut source = ScenarioSource::new(name.unwrap_or_default(), signal.unwrap_or(Signal::Silence));
    if let Some(rate) = sample_rate(&mut table) {
        source.sample_rate = rate;
    }
    if let Some(n) = table.integer("channels", 1..=ChannelCount::MAX.into(), "") {
        source.channels = u16::try_from(n).ok().and_then(|n| ChannelCount::new(n).ok()).unwrap_or(source.channels);
    } else if matches!(signal, Some(Signal::Pair { .. })) && table.offset_of("channels") == table.offset {
        source.channels = ChannelCount::STEREO;
    }
    if let Some(frames) = table.integer("period_frames", 1..=65_536, "frames") {
        source.period_frames = u32::try_from(frames).unwrap_or(source.period_frames);
    }
    if let Some(us) = table.number("jitter_us", 0.0..=1_000_000.0, "(microseconds)") {
        source.jitter_us = us;
    }
    if let Some(ms) = table.number("latency_offset_ms", -1000.0..=1000.0, "(milliseconds)") {
        source.latency_offset_ms = ms;
    }
    let policies = [("follow", OnRateMismatch::Follow), ("refuse", OnRateMismatch::Refuse)];
    if let Some(policy) = table.choice("on_rate_mismatch", &policies) {
        source.on_rate_mismatch = policy;
    }
    let mut on_loss_offset = table.offset;
    if let Some(policy) = table.string("on_loss", ON_LOSS) {
        on_loss_offset = policy.offset;
        match policy.value.strip_prefix("fallback:") {
            Some(fallback) if !fallback.is_empty() => source.on_loss = OnLoss::Fallback(fallback.to_owned()),
            _ if policy.value == "silence" => {}
            _ => table.error(policy.offset, format_args!("on_loss is {:?}, expected {ON_LOSS}", policy.value)),
        }
    }
    if let Some(ms) = table.number("return_after_ms", 0.0..=60_000.0, "(milliseconds)") {
        source.return_after_ms = ms;
    }
    source.required = table.boolean("required").unwrap_or(source.required);
    if let Some(clock) = table.table("clock", "a table such as { ppm = 50.0 }") {
        source.clock = read_clock(clock);
    }
    if let Some(outliers) = table.table("outliers", "a table such as { probability = 0.001, ms = 10.0 }") {
        source.outliers = read_outliers(outliers);
    }
    let faults =
        table.tables("faults", "fault", "a list of tables such as { kind = \"unplug\", at_s = 10.0, for_s = 1.0 }");
    let mut fault_offsets = Vec::with_capacity(faults.len());
    for fault in faults {
        match fault_table::read(fault) {
            Some((faults, offset)) => {
                fault_offsets.extend(faults.iter().map(|_| offset));
                source.faults.extend(faults);
            }
            None => is_read = false,
        }
    }
    let offsets = Offsets {
        is_read,
        table: table.offset,
        signal: table.offset_of("signal"),
        clock: table.offset_of("clock"),
        sample_rate: table.offset_of("sample_rate"),
        on_loss: on_loss_offset,
        faults: table.offset_of("faults"),
        fault: fault_offsets,
    };
    table.finish();
    (source, offsets)
}

fn read_name(table: &mut Table<'_, '_>, taken: &mut HashSet<String>) -> Option<String> {
    let Some(name) = table.string("name", "a name of its own") else {
        table.missing("name", "a name of its own");
        return None;
    };
    let shown: String = name.value.chars().take(MOST_CHARS).collect();
    let is_bad = |c: char| c == '/' || c == '\\' || c.is_control();
    let is_path_like = name.value == "." || name.value == "..";
    if name.value.is_empty() || name.value.chars().count() > MOST_CHARS || is_path_like || name.value.contains(is_bad) {
        let expected = format!("1 to {MOST_CHARS} characters, none of them a slash or a control character");
        table.error(name.offset, format_args!("name is {shown:?}, expected {expected}"));
        return None;
    }
    table.rename(format!("source {shown:?}"));
    if !taken.insert(name.value.clone()) {
        table.error(name.offset, "the name is used by another source above");
        return None;
    }
    Some(name.value)
}

#[derive(Clone, Copy)]
enum SignalKind {
    Tone,
    Impulses,
    Noise,
    Sweep,
    Silence,
    Pair,
}

fn read_signal(source: &mut Table<'_, '_>) -> Option<Signal> {
    let expected = "a table such as { kind = \"tone\", hz = 997.0, dbfs = -12.0 }";
    let Some(mut table) = source.table("signal", expected) else {
        source.missing("signal", expected);
        return None;
    };
    let kinds = [
        ("tone", SignalKind::Tone),
        ("impulses", SignalKind::Impulses),
        ("noise", SignalKind::Noise),
        ("sweep", SignalKind::Sweep),
        ("silence", SignalKind::Silence),
        ("pair", SignalKind::Pair),
    ];
    let Some(kind) = table.choice("kind", &kinds) else {
        table.missing("kind", one_of(&kinds));
        return None;
    };
    let (hz, seconds) = (0.001..=384_000.0, 0.001..=86_400.0);
    let signal = match kind {
        SignalKind::Tone => Signal::Tone {
            hz: table.number("hz", hz, "Hz").unwrap_or(1000.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
        },
        SignalKind::Impulses => Signal::Impulses {
            every_s: table.number("every_s", seconds, "s").unwrap_or(1.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(Signal::IMPULSES_DBFS),
        },
        SignalKind::Noise => Signal::Noise { dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0) },
        SignalKind::Sweep => Signal::Sweep {
            from_hz: table.number("from_hz", hz.clone(), "Hz").unwrap_or(20.0),
            to_hz: table.number("to_hz", hz, "Hz").unwrap_or(20_000.0),
            s: table.number("s", seconds, "s").unwrap_or(10.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
        },
        SignalKind::Silence => Signal::Silence,
        SignalKind::Pair => Signal::Pair {
            correlation: table.number("correlation", -1.0..=1.0, "").unwrap_or(0.5),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
            noise_dbfs: table.number("noise_dbfs", f64::NEG_INFINITY..=*DBFS.end(), "dBFS").unwrap_or(-60.0),
        },
    };
    table.finish();
    Some(signal)
}

fn read_clock(mut table: Table<'_, '_>) -> ClockModel {
    let perfect = ClockModel::PERFECT;
    let ppm = -100_000.0..=100_000.0;
    let clock = ClockModel {
        ppm: table.number("ppm", ppm.clone(), "ppm").unwrap_or(perfect.ppm),
        thermal_ppm: table.number("thermal_ppm", ppm.clone(), "ppm").unwrap_or(perfect.thermal_ppm),
        thermal_period_s: table.number("thermal_period_s", 0.1..=1e9, "s").unwrap_or(perfect.thermal_period_s),
        step_ppm: table.number("step_ppm", ppm, "ppm").unwrap_or(perfect.step_ppm),
        step_at_s: table.number("step_at_s", 0.0..=1e9, "s").unwrap_or(perfect.step_at_s),
    };
    table.finish();
    clock
}

fn read_outliers(mut table: Table<'_, '_>) -> Outliers {
    let probability = table.number("probability", 0.0..=1.0, "").unwrap_or(0.0);
    table.missing("probability", "a number from 0 to 1");
    let ms = table.number("ms", 0.0..=10_000.0, "(milliseconds)").unwrap_or(0.0);
    table.missing("ms", "how late they come, in milliseconds");
    table.finish();
    Outliers { probability, ms }
}
