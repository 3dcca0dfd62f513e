//! `[[sink]]` with `kind = "record"`: where and how, when a new file begins, what is kept for how long.

use std::time::Duration;

use ra_engine::sinks::{
    ClockMark, OggCodec, RecordFrom, RecorderConfig, SampleFormat, Sidecar, SilenceRule, SplitRule,
};

use super::metadata_section::read_metadata;
use super::model::{RecordEntry, SinkKind};
use super::table_reader::{At, TableReader, as_integer, clip};
use crate::duration::parse_duration;
use crate::size::parse_size;

/// Every key of this kind.
pub(super) const RECORD_KEYS: [&str; 17] = [
    "path",
    "format",
    "sidecar",
    "codec",
    "bitrate_kbps",
    "metadata",
    "channels",
    "split_every",
    "split_at",
    "start",
    "pre_roll",
    "silence_dbfs",
    "silence_s",
    "keep",
    "max_total",
    "failover",
    "sync_ms",
];

/// What counts as silence where only one of its two keys is set.
const USUAL_SILENCE: SilenceRule = SilenceRule { below_dbfs: -60.0, at_least: Duration::from_secs(2) };

/// Reads the keys of a recorder.
pub(super) fn read(table: &mut TableReader<'_, '_>) -> Option<SinkKind> {
    let expected = "a path such as \"out/{name}-{time}.wav\"";
    let path = table.string("path", expected);
    if path.is_none() {
        table.missing("path", expected);
    }
    refuse_control(table, "path", path.as_ref());
    // What is wrong is told, whatever the path is.
    let mut config = RecorderConfig::new(path.as_ref().map_or("x.wav", |path| path.value.as_str()));
    read_format(table, path.is_some(), &mut config);
    if let Some(sidecar) = table.boolean("sidecar") {
        config.sidecar = if sidecar { Sidecar::Written } else { Sidecar::None };
    }
    if let Some(metadata) = read_metadata(table, "a table with title, artist, album, comment") {
        config.metadata = metadata;
    }
    config.channels = read_channels(table);
    config.split = read_split(table);
    if let Some(start) = table.choice("start", &[("recording", RecordFrom::Start), ("paused", RecordFrom::Resume)]) {
        config.record_from = start.value;
        if start.value == RecordFrom::Resume {
            table.warning(
                start.offset,
                "start: resuming a recorder is not supported yet by `ra run`: it will record nothing",
            );
        }
    }
    if let Some(pre_roll) = duration(table, "pre_roll", "such as \"30s\", at most \"10m\"") {
        config.pre_roll = pre_roll;
    }
    config.silence = read_silence(table);
    config.retention.keep = duration(table, "keep", "such as \"30d\"");
    config.retention.max_total_bytes = size(table, "max_total", "such as \"100GB\"");
    if let Some(ms) = table.integer("sync_ms", 1..=3_600_000, "(milliseconds)") {
        config.sync = ra_engine::sinks::SyncRhythm::EveryMs(u32::try_from(ms.value).unwrap_or(u32::MAX));
    }
    let failover = table.string("failover", "a directory");
    refuse_control(table, "failover", failover.as_ref());
    let failover = failover.map(|At { value, offset }| At { value: value.into(), offset });
    let mut place_of = |key| Some((key, At { value: (), offset: table.raw(key)?.span().start }));
    let places = RECORD_KEYS.into_iter().filter_map(&mut place_of).collect();
    let path = path?;
    let path = At { value: path.value.into(), offset: path.offset };
    Some(SinkKind::Record(Box::new(RecordEntry { path, failover, places, config })))
}

/// File systems take control characters; terminals obey them.
fn refuse_control(table: &TableReader<'_, '_>, key: &str, path: Option<&At<String>>) {
    if let Some(path) = path.filter(|path| path.value.contains(char::is_control)) {
        table.error(path.offset, format_args!("{key} is {:?}, expected no control characters", clip(&path.value)));
    }
}

/// What depends on the extension is refused only where that is known.
fn read_format(table: &mut TableReader<'_, '_>, has_path: bool, config: &mut RecorderConfig) {
    let formats = [SampleFormat::F32, SampleFormat::S24, SampleFormat::S16].map(|format| (format.name(), format));
    let is = |extensions: &[&str]| {
        let extension = config.path_template.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
    };
    let (is_lossy, is_ogg, is_flac) = (is(&["opus", "ogg", "mp3"]), is(&["ogg"]), is(&["flac"]));
    if !has_path {
        // That it is missing is told.
    } else if is_lossy {
        table.refuse(&["format"], "belongs to .wav and .flac: this codec has samples of no kind");
    } else {
        table.refuse(&["bitrate_kbps"], "belongs to .opus, .ogg and .mp3");
    }
    if has_path && !is_ogg {
        table.refuse(&["codec"], "belongs to .ogg: other extensions say what they hold");
    }
    if let Some(format) = table.choice("format", &formats) {
        if is_flac && format.value == SampleFormat::F32 {
            table.error(format.offset, "format is \"f32\", expected \"s24\" or \"s16\": FLAC keeps whole numbers");
        }
        config.format = format.value;
    }
    if let Some(codec) = table.choice("codec", &[("opus", OggCodec::Opus), ("vorbis", OggCodec::Vorbis)]) {
        config.ogg_codec = codec.value;
    }
    if let Some(kbps) = table.integer("bitrate_kbps", 8..=2000, "(kbit/s)") {
        config.bitrate_kbps = u32::try_from(kbps.value).unwrap_or(u32::MAX);
    }
}

fn read_channels(table: &mut TableReader<'_, '_>) -> Vec<u16> {
    const EXPECTED: &str = "a list of 1 to 256 channels of the bus, counted from 1";
    let Some(list) = table.list("channels", EXPECTED) else { return Vec::new() };
    if list.value.is_empty() || list.value.len() > 256 {
        table.error(list.offset, format_args!("channels lists {}, expected {EXPECTED}", list.value.len()));
        return Vec::new();
    }
    let mut channels = Vec::new();
    for item in list.value {
        let channel = as_integer(item.get_ref()).and_then(|n| u16::try_from(n).ok()).filter(|n| (1..=256).contains(n));
        match channel {
            Some(channel) if channels.contains(&channel) => {
                table.error(item.span().start, format_args!("channels lists {channel} twice, expected each once"));
            }
            Some(channel) => channels.push(channel),
            None => table.expected("a channel", item, "a whole number from 1 to 256"),
        }
    }
    channels
}

fn read_split(table: &mut TableReader<'_, '_>) -> SplitRule {
    let expected = "a length such as \"1h\" or \"10s\", or a size such as \"512MB\"";
    let mut rule = SplitRule::default();
    if let Some(text) = table.string("split_every", expected) {
        match (parse_duration(&text.value), parse_size(&text.value)) {
            (Ok(length), _) => rule.every = Some(length),
            (_, Ok(bytes)) => rule.every_bytes = Some(bytes),
            _ => table.error(text.offset, format_args!("split_every is {:?}, expected {expected}", text.value)),
        }
    }
    rule.at = table.choice("split_at", &ClockMark::WORDS).map(|mark| mark.value);
    rule
}

fn read_silence(table: &mut TableReader<'_, '_>) -> Option<SilenceRule> {
    let below_dbfs = table.number("silence_dbfs", -200.0..=0.0, "dBFS");
    let at_least_s = table.number("silence_s", 0.01..=86_400.0, "s");
    (below_dbfs.is_some() || at_least_s.is_some()).then(|| SilenceRule {
        below_dbfs: below_dbfs.map_or(USUAL_SILENCE.below_dbfs, |dbfs| dbfs as f32),
        at_least: at_least_s.map_or(USUAL_SILENCE.at_least, Duration::from_secs_f64),
    })
}

fn duration(table: &mut TableReader<'_, '_>, key: &'static str, such_as: &str) -> Option<Duration> {
    let text = table.string(key, &format!("a duration {such_as}"))?;
    let duration = parse_duration(&text.value);
    if duration.is_err() {
        table.error(text.offset, format_args!("{key} is {:?}, expected a duration {such_as}", text.value));
    }
    duration.ok()
}

fn size(table: &mut TableReader<'_, '_>, key: &'static str, such_as: &str) -> Option<u64> {
    let text = table.string(key, &format!("a size {such_as}"))?;
    let bytes = parse_size(&text.value);
    if bytes.is_err() {
        table.error(text.offset, format_args!("{key} is {:?}, expected a size {such_as}", text.value));
    }
    bytes.ok()
}
