//! `[[sink]]`: where sound goes.

use ra_engine::{ConsumerClass, OnLag, SinkConfig};

use super::icecast_section::{self, ICECAST_KEYS};
use super::model::{OutputEntry, SinkEntry, SinkKind};
use super::names::{self, Names};
use super::parse::Reference;
use super::record_section::{self, RECORD_KEYS};
use super::source_section::{read_device_id, read_period};
use super::table_reader::{At, TableReader};

/// Keys that belong to `kind = "output"`.
const OUTPUT_KEYS: [&str; 4] = ["device", "cushion_ms", "period_frames", "required"];

#[derive(Clone, Copy)]
enum KindWord {
    Record,
    Output,
    Icecast,
}

/// What was read of one table.
pub(super) struct ParsedSink {
    /// The sink, if enough of it makes sense.
    pub(super) entry: Option<SinkEntry>,
    /// What it hears.
    pub(super) from: Option<Reference>,
}

/// Reads one `[[sink]]`.
pub(super) fn read(mut table: TableReader<'_, '_>, known: &mut Names) -> ParsedSink {
    let offset = table.offset();
    let name = names::read(&mut table, known);
    let mut config = SinkConfig::named(name.map(|name| name.value).unwrap_or_default());
    let bus = table.string("from", "the name of a bus, or \"source:NAME\"");
    let from = bus.map(|bus| Reference { place: table.place().to_owned(), bus });
    if let Some(from) = &from {
        config.from = from.bus.value.clone();
    }
    let classes = [
        ("critical", ConsumerClass::Critical),
        ("normal", ConsumerClass::Normal),
        ("best-effort", ConsumerClass::BestEffort),
    ];
    if let Some(class) = table.choice("class", &classes) {
        config.class = class.value;
    }
    read_lag(&mut table, &mut config);
    let words = [("record", KindWord::Record), ("output", KindWord::Output), ("icecast", KindWord::Icecast)];
    let kind = table.choice("kind", &words);
    let kind = match kind {
        Some(At { value: KindWord::Record, .. }) => {
            let kind = record_section::read(&mut table);
            refuse_keys(&mut table, &OUTPUT_KEYS, &RECORD_KEYS, "output");
            refuse_keys(&mut table, &ICECAST_KEYS, &RECORD_KEYS, "icecast");
            kind
        }
        Some(At { value: KindWord::Output, .. }) => Some(read_output(&mut table)),
        Some(At { value: KindWord::Icecast, .. }) => {
            let entry = icecast_section::read(&mut table);
            refuse_keys(&mut table, &RECORD_KEYS, &ICECAST_KEYS, "record");
            refuse_keys(&mut table, &OUTPUT_KEYS, &ICECAST_KEYS, "output");
            entry.map(|entry| SinkKind::Icecast(Box::new(entry)))
        }
        None => {
            table.missing("kind", "\"record\", \"output\" or \"icecast\"");
            ask_for_all(&mut table);
            None
        }
    };
    table.finish();
    ParsedSink { entry: kind.map(|kind| SinkEntry { config, kind, offset }), from }
}

/// What happens when it can't keep up.
fn read_lag(table: &mut TableReader<'_, '_>, config: &mut SinkConfig) {
    let rules =
        [("drop-oldest", OnLag::DropOldest), ("skip-to-live", OnLag::SkipToLive), ("disconnect", OnLag::Disconnect)];
    config.on_lag = table.choice("on_lag", &rules).map(|rule| rule.value);
    // It is looked after every so often: what is shorter than that twice would be a lag each time.
    let least_ms = (2 * config.class.poll_ns() / 1_000_000).max(20);
    let milliseconds = |value: Option<At<u64>>| value.and_then(|ms| u32::try_from(ms.value).ok());
    config.max_lag_ms = milliseconds(table.integer("max_lag_ms", least_ms..=600_000, "(milliseconds)"));
    config.evict_after_ms = milliseconds(table.integer("evict_after_ms", 100..=3_600_000, "(milliseconds)"));
}

/// Nothing is known of the kind: only keys that no kind has are unknown.
fn ask_for_all(table: &mut TableReader<'_, '_>) {
    for key in RECORD_KEYS.into_iter().chain(OUTPUT_KEYS).chain(ICECAST_KEYS) {
        table.raw(key);
    }
}

/// Keys of another kind, as far as this one has none of that name.
fn refuse_keys(table: &mut TableReader<'_, '_>, keys: &[&'static str], own: &[&'static str], kind: &str) {
    let foreign: Vec<&'static str> = keys.iter().copied().filter(|key| !own.contains(key)).collect();
    table.refuse(&foreign, &format!("belongs to kind = \"{kind}\""));
}

fn read_output(table: &mut TableReader<'_, '_>) -> SinkKind {
    let device = read_device_id(table);
    let cushion_ms = table.number("cushion_ms", 5.0..=5000.0, "(milliseconds)");
    let period_frames = read_period(table);
    refuse_keys(table, &RECORD_KEYS, &OUTPUT_KEYS, "record");
    refuse_keys(table, &ICECAST_KEYS, &OUTPUT_KEYS, "icecast");
    let required = table.boolean("required").unwrap_or(true);
    SinkKind::Output(OutputEntry { device, cushion_ms, period_frames, required })
}
