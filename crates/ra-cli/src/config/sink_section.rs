//! `[[sink]]`: where sound goes.

use ra_engine::sinks::SampleFormat;
use ra_engine::{ConsumerClass, OnLag, SinkConfig};

use super::model::{OutputEntry, RecordEntry, SinkEntry, SinkKind};
use super::names::{self, Names};
use super::parse::Reference;
use super::source_section::{read_device_id, read_period};
use super::table_reader::{At, TableReader};

/// Keys that belong to `kind = "record"`.
const RECORD_KEYS: [&str; 3] = ["path", "format", "sidecar"];
/// Keys that belong to `kind = "output"`.
const OUTPUT_KEYS: [&str; 3] = ["device", "cushion_ms", "period_frames"];
/// Keys of recorders that are documented, and that a later version will understand.
const LATER_RECORD_KEYS: [&str; 5] = ["split_every", "keep", "max_total", "pre_roll", "failover"];
/// Keys of `kind = "icecast"`, which a later version will understand.
const ICECAST_KEYS: [&str; 8] =
    ["url", "user", "password_env", "password_file", "codec", "bitrate_kbps", "metadata", "mount"];

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
        Some(At { value: KindWord::Record, .. }) => read_record(&mut table),
        Some(At { value: KindWord::Output, .. }) => Some(read_output(&mut table)),
        Some(At { value: KindWord::Icecast, offset }) => {
            table.error(offset, "kind is \"icecast\", which is not supported yet, expected \"record\" or \"output\"");
            ask_for_all(&mut table);
            None
        }
        None => {
            table.missing("kind", "\"record\" or \"output\"");
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
    for key in RECORD_KEYS.into_iter().chain(OUTPUT_KEYS).chain(LATER_RECORD_KEYS).chain(ICECAST_KEYS) {
        table.raw(key);
    }
}

fn read_record(table: &mut TableReader<'_, '_>) -> Option<SinkKind> {
    let expected = "a path such as \"out/{name}-{time}.wav\"";
    let path = table.string("path", expected);
    if path.is_none() {
        table.missing("path", expected);
    }
    let formats = [SampleFormat::F32, SampleFormat::S24, SampleFormat::S16].map(|format| (format.name(), format));
    let format = table.choice("format", &formats).map_or(SampleFormat::F32, |format| format.value);
    let sidecar = table.boolean("sidecar").unwrap_or(true);
    table.refuse(&LATER_RECORD_KEYS, "is not supported yet");
    table.refuse(&OUTPUT_KEYS, "belongs to kind = \"output\"");
    let path = path?;
    let path = At { value: path.value.into(), offset: path.offset };
    Some(SinkKind::Record(RecordEntry { path, format, sidecar }))
}

fn read_output(table: &mut TableReader<'_, '_>) -> SinkKind {
    let device = read_device_id(table);
    let cushion_ms = table.number("cushion_ms", 5.0..=5000.0, "(milliseconds)");
    let period_frames = read_period(table);
    table.refuse(&RECORD_KEYS, "belongs to kind = \"record\"");
    SinkKind::Output(OutputEntry { device, cushion_ms, period_frames })
}
