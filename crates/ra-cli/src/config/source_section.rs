//! `[[source]]`: where sound comes from, and how it stands in the mix.

use std::collections::{HashMap, HashSet};

use ra_engine::core::{ChannelCount, StreamSpec};
use ra_engine::sources::{MockConfig, Signal};
use ra_engine::{EngineConfig, MonoLaw, OnLoss, OnRateMismatch, SourceConfig};
use toml::de::DeValue;

use super::insert_section;
use super::model::{DeviceEntry, FileEntry, MockEntry, SourceEntry, SourceKind};
use super::names::{self, Names};
use super::parse::Reference;
use super::problem::Findings;
use super::table_reader::{At, MOST_WORDS, TableReader, as_integer, clip, one_of};
use super::{engine_section, signal_section};

/// Keys that belong to `kind = "device"`, beside those that are shared.
const DEVICE_KEYS: [&str; 1] = ["device"];
/// Keys that belong to `kind = "file"`.
const FILE_KEYS: [&str; 2] = ["path", "loop"];
/// Keys that belong to `kind = "mock"`.
const MOCK_KEYS: [&str; 4] = ["signal", "seed", "clock", "jitter_us"];
/// Keys that belong to `kind = "device"` and `kind = "mock"`.
const LIVE_KEYS: [&str; 5] = ["sample_rate", "period_frames", "latency_offset_ms", "on_rate_mismatch", "required"];

#[derive(Clone, Copy)]
enum KindWord {
    Device,
    File,
    Mock,
}

/// What was read of one table.
pub(super) struct ParsedSource {
    /// The source, if enough of it makes sense.
    pub(super) entry: Option<SourceEntry>,
    /// The buses that it names.
    pub(super) routes: Vec<Reference>,
    /// The source that stands in for it.
    pub(super) fallback: Option<At<String>>,
}

/// Reads one `[[source]]`.
pub(super) fn read(mut table: TableReader<'_, '_>, engine: &EngineConfig, known: &mut Names) -> ParsedSource {
    let offset = table.offset();
    let name = names::read(&mut table, known);
    let mut config = SourceConfig::named(name.map(|name| name.value).unwrap_or_default());
    let routes = read_strip(&mut table, &mut config);
    let fallback = read_on_loss(&mut table, &mut config);
    let inserts = insert_section::read(&mut table);

    let words = [("device", KindWord::Device), ("file", KindWord::File), ("mock", KindWord::Mock)];
    let kind = table.choice("kind", &words);
    if kind.is_none() {
        table.missing("kind", "\"device\", \"file\" or \"mock\"");
    }
    let Some(kind) = kind else {
        // Nothing is known of the other keys: only those that no kind has are unknown.
        for key in DEVICE_KEYS.into_iter().chain(FILE_KEYS).chain(MOCK_KEYS).chain(LIVE_KEYS).chain(["channels"]) {
            table.raw(key);
        }
        table.finish();
        return ParsedSource { entry: None, routes, fallback };
    };
    let mut channels = None;
    if !matches!(kind.value, KindWord::File) {
        read_following(&mut table, &mut config);
    }
    let kind = match kind.value {
        KindWord::Device => {
            let kind = read_device(&mut table);
            channels = read_selection(&mut table);
            Some(kind)
        }
        KindWord::File => {
            let kind = read_file(&mut table);
            channels = read_selection(&mut table);
            kind
        }
        KindWord::Mock => Some(read_mock(&mut table, engine, &mut channels)),
    };
    table.finish();
    let entry = kind.map(|kind| SourceEntry { config, kind, channels, inserts, offset });
    ParsedSource { entry, routes, fallback }
}

fn read_strip(table: &mut TableReader<'_, '_>, config: &mut SourceConfig) -> Vec<Reference> {
    if let Some(db) = table.number("gain_db", -120.0..=40.0, "dB") {
        config.gain_db = db as f32;
    }
    if let Some(pan) = table.number("pan", -1.0..=1.0, "(left to right)") {
        config.pan = pan as f32;
    }
    config.mute = table.boolean("mute").unwrap_or(config.mute);
    config.solo = table.boolean("solo").unwrap_or(config.solo);
    let laws = [("-3dB", MonoLaw::Minus3Db), ("unity", MonoLaw::Unity)];
    if let Some(law) = table.choice("mono", &laws) {
        config.mono_law = law.value;
    }
    let expected = "a list of buses such as [\"main\"]";
    let Some(list) = table.list("to", expected) else { return Vec::new() };
    let mut routes: Vec<Reference> = Vec::new();
    let mut seen = HashSet::new();
    for item in list.value {
        match item.get_ref() {
            DeValue::String(bus) => {
                let bus = At { value: bus.to_string(), offset: item.span().start };
                if seen.insert(bus.value.clone()) {
                    routes.push(Reference { place: table.place().to_owned(), bus });
                } else {
                    table.error(bus.offset, format_args!("to names the bus {:?} twice", clip(&bus.value)));
                }
            }
            _ => table.expected("an item of to", item, "the name of a bus"),
        }
    }
    config.to = routes.iter().map(|route| route.bus.value.clone()).collect();
    routes
}

/// How a source that has a clock of its own is followed.
fn read_following(table: &mut TableReader<'_, '_>, config: &mut SourceConfig) {
    if let Some(ms) = table.number("latency_offset_ms", -1000.0..=1000.0, "ms") {
        config.latency_offset_ms = ms;
    }
    let answers = [("follow", OnRateMismatch::Follow), ("refuse", OnRateMismatch::Refuse)];
    if let Some(answer) = table.choice("on_rate_mismatch", &answers) {
        config.on_rate_mismatch = answer.value;
    }
    config.required = table.boolean("required").unwrap_or(config.required);
}

/// What is heard in a source's place when it is lost, and how soon it is heard again.
fn read_on_loss(table: &mut TableReader<'_, '_>, config: &mut SourceConfig) -> Option<At<String>> {
    let expected = "\"silence\" or \"fallback:NAME\"";
    let policy = table.string("on_loss", expected);
    if let Some(ms) = table.number("return_after_ms", 0.0..=60_000.0, "ms") {
        config.return_after_ms = ms;
        if !policy.as_ref().is_some_and(|policy| policy.value.starts_with("fallback:")) {
            table.warn_unused(&["return_after_ms"], "has no effect without on_loss = \"fallback:NAME\"");
        }
    }
    let policy = policy?;
    match policy.value.strip_prefix("fallback:") {
        Some(name) if !name.is_empty() => {
            config.on_loss = OnLoss::Fallback(name.to_owned());
            return Some(At { value: name.to_owned(), offset: policy.offset });
        }
        None if policy.value == "silence" => {}
        _ => table.error(policy.offset, format_args!("on_loss is {:?}, expected {expected}", clip(&policy.value))),
    }
    None
}

/// Every fallback is a source, and none leads back to where it began.
pub(super) fn check_fallbacks(findings: &Findings, sources: &[ParsedSource], known: &Names) {
    let named: Vec<(&str, Option<&At<String>>)> = sources
        .iter()
        .filter_map(|source| Some((source.entry.as_ref()?.config.name.as_str(), source.fallback.as_ref())))
        .collect();
    let places: HashMap<&str, usize> = named.iter().zip(0..).map(|(&(name, _), at)| (name, at)).collect();
    for &(name, fallback) in &named {
        if let Some(fallback) = fallback.filter(|fallback| !known.contains(&fallback.value)) {
            let mut others = known.iter().filter(|&other| other != name).take(MOST_WORDS + 1).peekable();
            let expected =
                if others.peek().is_some() { one_of(others) } else { "another source: there is none".to_owned() };
            let shown = clip(&fallback.value);
            let message = format!("source {name:?}: on_loss names the source {shown:?}, expected {expected}");
            findings.error(fallback.offset, message);
        }
    }
    // Each chain is gone along once, up to what another one has gone along before.
    let mut walked = vec![None; named.len()];
    for start in 0..named.len() {
        let mut next = Some(start);
        while let Some(at) = next.filter(|&at| walked[at].is_none()) {
            walked[at] = Some(start);
            next = named[at].1.and_then(|fallback| places.get(fallback.value.as_str()).copied());
        }
        // Where it has come back to its own steps, there is a circle.
        let Some(first) = next.filter(|&at| walked[at] == Some(start)) else { continue };
        let mut circle = vec![named[first].0];
        let mut link = named[first].1;
        while let Some(fallback) = link.filter(|_| circle.len() <= named.len()) {
            circle.push(&fallback.value);
            link = if fallback.value == circle[0] { None } else { named[places[fallback.value.as_str()]].1 };
        }
        let offset = named[first].1.map_or(0, |fallback| fallback.offset);
        let shown = clip(&circle.join(" → "));
        findings.error(offset, format!("source {:?}: on_loss leads back to itself: {shown}", circle[0]));
    }
}

fn read_device(table: &mut TableReader<'_, '_>) -> SourceKind {
    let device = read_device_id(table);
    let sample_rate_hz = engine_section::sample_rate(table).map(|rate| rate.hz());
    let period_frames = read_period(table);
    table.refuse(&FILE_KEYS, "belongs to kind = \"file\"");
    table.refuse(&MOCK_KEYS, "belongs to kind = \"mock\"");
    SourceKind::Device(DeviceEntry { device, sample_rate_hz, period_frames })
}

/// `device`: an id as `ra devices` prints it, or the system's default.
pub(super) fn read_device_id(table: &mut TableReader<'_, '_>) -> String {
    let expected = "a device's id as `ra devices` prints it, or \"default\"";
    match table.string("device", expected) {
        Some(id) if id.value.is_empty() => {
            table.error(id.offset, format_args!("device is \"\", expected {expected}"));
            id.value
        }
        Some(id) => id.value,
        None => "default".to_owned(),
    }
}

/// `period_frames`, for devices of all kinds.
pub(super) fn read_period(table: &mut TableReader<'_, '_>) -> Option<u32> {
    table.integer("period_frames", 1..=65_536, "").and_then(|frames| u32::try_from(frames.value).ok())
}

fn read_file(table: &mut TableReader<'_, '_>) -> Option<SourceKind> {
    let expected = "the path of a sound file";
    let path = table.string("path", expected);
    if path.is_none() {
        table.missing("path", expected);
    }
    let looped = table.boolean("loop").unwrap_or(false);
    table.refuse(&DEVICE_KEYS, "belongs to kind = \"device\"");
    table.refuse(&MOCK_KEYS, "belongs to kind = \"mock\"");
    table.refuse(&LIVE_KEYS, "belongs to kind = \"device\" and \"mock\": a file has its own");
    let path = path?;
    Some(SourceKind::File(FileEntry { path: At { value: path.value.into(), offset: path.offset }, looped }))
}

fn read_mock(
    table: &mut TableReader<'_, '_>,
    engine: &EngineConfig,
    selection: &mut Option<At<Vec<u16>>>,
) -> SourceKind {
    let signal = signal_section::read_signal(table);
    let sample_rate = engine_section::sample_rate(table).unwrap_or(engine.sample_rate);
    let mut channels = if matches!(signal.value, Signal::Pair { .. }) { ChannelCount::STEREO } else { engine.channels };
    // A number is how many channels the mock has; a list, as for every source, which of them are taken.
    match table.raw("channels").map(|value| value.get_ref()) {
        Some(DeValue::Array(_)) => *selection = read_selection(table),
        _ => channels = engine_section::channels(table).unwrap_or(channels),
    }
    let seed = table.integer("seed", 0..=u64::MAX, "").map_or(0, |seed| seed.value);
    let paced = signal_section::read_clock(table);
    table.refuse(&DEVICE_KEYS, "belongs to kind = \"device\"");
    table.refuse(&FILE_KEYS, "belongs to kind = \"file\"");
    let config = MockConfig { seed, ..MockConfig::new(StreamSpec { sample_rate, channels }, signal.value) };
    let clock_offset = paced.as_ref().map_or(table.offset(), |paced| paced.offset);
    let paced = paced.map(|paced| paced.value);
    SourceKind::Mock(MockEntry { config, paced, signal_offset: signal.offset, clock_offset })
}

/// `channels` as a list: which of a source's channels are taken, counted from 1, in which order.
fn read_selection(table: &mut TableReader<'_, '_>) -> Option<At<Vec<u16>>> {
    let expected = "a list of channels counted from 1, such as [1, 2]";
    let list = table.list("channels", expected)?;
    if list.value.is_empty() || list.value.len() > usize::from(ChannelCount::MAX) {
        let found = list.value.len();
        table.error(list.offset, format_args!("channels has {found} items, expected 1 to {}", ChannelCount::MAX));
        return None;
    }
    let mut taken = Vec::with_capacity(list.value.len());
    for item in list.value {
        match as_integer(item.get_ref()).and_then(|n| u16::try_from(n).ok()) {
            Some(n) if (1..=ChannelCount::MAX).contains(&n) => taken.push(n),
            _ => {
                let expected = format!("a channel from 1 to {}", ChannelCount::MAX);
                table.expected("an item of channels", item, &expected);
                return None;
            }
        }
    }
    Some(At { value: taken, offset: list.offset })
}
