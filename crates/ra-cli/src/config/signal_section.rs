//! `signal` and `clock` of a mock source: what it sounds like, and how wrong its clock is.

use ra_engine::sources::{ClockModel, PacedConfig, Signal};

use super::table_reader::{At, TableReader};

/// The highest frequency that any rate can hold.
const MOST_HZ: f64 = 384_000.0;
/// The bounds of levels, in dBFS.
const DBFS: std::ops::RangeInclusive<f64> = -200.0..=40.0;

#[derive(Clone, Copy)]
enum SignalWord {
    Tone,
    Impulses,
    Noise,
    Sweep,
    Silence,
    Pair,
}

/// Reads `signal`; without it, 1 kHz at −20 dBFS.
pub(super) fn read_signal(source: &mut TableReader<'_, '_>) -> At<Signal> {
    let default = At { value: Signal::DEFAULT, offset: source.offset() };
    let Some(mut table) = source.table("signal", "a table such as { kind = \"tone\", hz = 997.0, dbfs = -12.0 }")
    else {
        return default;
    };
    let words = [
        ("tone", SignalWord::Tone),
        ("impulses", SignalWord::Impulses),
        ("noise", SignalWord::Noise),
        ("sweep", SignalWord::Sweep),
        ("silence", SignalWord::Silence),
        ("pair", SignalWord::Pair),
    ];
    let Some(kind) = table.choice("kind", &words) else {
        table.missing("kind", "\"tone\", \"impulses\", \"noise\", \"sweep\", \"silence\" or \"pair\"");
        return default;
    };
    let hz = 0.001..=MOST_HZ;
    let seconds = 0.001..=86_400.0;
    let signal = match kind.value {
        SignalWord::Tone => Signal::Tone {
            hz: table.number("hz", hz, "Hz").unwrap_or(1000.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
        },
        SignalWord::Impulses => Signal::Impulses {
            every_s: table.number("every_s", seconds, "seconds").unwrap_or(1.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(Signal::IMPULSES_DBFS),
        },
        SignalWord::Noise => Signal::Noise { dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0) },
        SignalWord::Sweep => Signal::Sweep {
            from_hz: table.number("from_hz", hz.clone(), "Hz").unwrap_or(20.0),
            to_hz: table.number("to_hz", hz, "Hz").unwrap_or(20_000.0),
            s: table.number("s", seconds, "seconds").unwrap_or(10.0),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
        },
        SignalWord::Silence => Signal::Silence,
        SignalWord::Pair => Signal::Pair {
            correlation: table.number("correlation", -1.0..=1.0, "").unwrap_or(0.5),
            dbfs: table.number("dbfs", DBFS, "dBFS").unwrap_or(-20.0),
            noise_dbfs: table.number("noise_dbfs", f64::NEG_INFINITY..=*DBFS.end(), "dBFS").unwrap_or(-60.0),
        },
    };
    let signal = At { value: signal, offset: table.offset() };
    table.finish();
    signal
}

/// Reads `clock`, and `jitter_us` and `period_frames`, which take part only where there is one.
pub(super) fn read_clock(source: &mut TableReader<'_, '_>) -> Option<At<PacedConfig>> {
    let mut config = PacedConfig::default();
    if let Some(us) = source.number("jitter_us", 0.0..=1_000_000.0, "(microseconds)") {
        config.jitter_us = us;
    }
    if let Some(frames) = super::source_section::read_period(source) {
        config.period_frames = frames;
    }
    let Some(mut table) = source.table("clock", "a table such as { ppm = 50.0 }") else {
        if !source.has("clock") {
            let why = "has no effect without clock: a source without a clock of its own is pulled, not delivered";
            source.warn_unused(&["jitter_us", "period_frames"], why);
        }
        return None;
    };
    let perfect = ClockModel::PERFECT;
    let ppm = -100_000.0..=100_000.0;
    config.clock = ClockModel {
        ppm: table.number("ppm", ppm.clone(), "ppm").unwrap_or(perfect.ppm),
        thermal_ppm: table.number("thermal_ppm", ppm.clone(), "ppm").unwrap_or(perfect.thermal_ppm),
        thermal_period_s: table.number("thermal_period_s", 0.1..=1e9, "seconds").unwrap_or(perfect.thermal_period_s),
        step_ppm: table.number("step_ppm", ppm, "ppm").unwrap_or(perfect.step_ppm),
        step_at_s: table.number("step_at_s", 0.0..=1e9, "seconds").unwrap_or(perfect.step_at_s),
    };
    let offset = table.offset();
    table.finish();
    Some(At { value: config, offset })
}
