//! What must hold of any bytes that are read as a config: a config that means the same however it is spelled, or errors
//! with their places. Opens no file that the bytes name.

use std::path::Path;

use ra_cli::{At, Config, SourceEntry, SourceKind, parse_config};
use ra_engine::core::{PulledSource, StreamEvent, StreamSpec};
use ra_engine::sources::{MockConfig, MockSource, Signal};

use super::problems::{self, Told};

/// More samples than this in one period or more entries than this are honest memory, and slow to try.
const MOST_SAMPLES: usize = 1 << 18;
const MOST_ENTRIES: usize = 16;

/// Every key of a config, and what stands in the place of one.
const KEYS: [&str; 79] = [
    "engine",
    "bus",
    "source",
    "sink",
    "sample_rate",
    "channels",
    "block_frames",
    "latency_ms",
    "quality",
    "ring_ms",
    "ramp_ms",
    "realtime",
    "fan_out",
    "master",
    "name",
    "inserts",
    "kind",
    "ceiling_db",
    "lookahead_ms",
    "release_ms",
    "bands",
    "hz",
    "gain_db",
    "q",
    "device",
    "path",
    "loop",
    "pan",
    "mono",
    "mute",
    "solo",
    "to",
    "on_loss",
    "return_after_ms",
    "required",
    "latency_offset_ms",
    "on_rate_mismatch",
    "signal",
    "seed",
    "clock",
    "jitter_us",
    "period_frames",
    "every_s",
    "dbfs",
    "from_hz",
    "to_hz",
    "s",
    "correlation",
    "noise_dbfs",
    "ppm",
    "thermal_ppm",
    "thermal_period_s",
    "step_ppm",
    "step_at_s",
    "from",
    "class",
    "format",
    "sidecar",
    "cushion_ms",
    "on_lag",
    "max_lag_ms",
    "evict_after_ms",
    "split_every",
    "keep",
    "max_total",
    "pre_roll",
    "failover",
    "url",
    "user",
    "codec",
    "metadata",
    "mount",
    "unknown key",
    "split_at",
    "start",
    "silence_dbfs",
    "silence_s",
    "sync_ms",
    "bitrate_kbps",
];

/// Reads `bytes` as a config and checks what comes of it; says whether it was accepted.
///
/// # Panics
/// Where something does not hold.
pub(crate) fn check(bytes: &[u8]) -> bool {
    match parse_config(Path::new("fuzz.toml"), bytes) {
        Ok(config) => {
            for warning in &config.warnings {
                let told = Told { line: warning.line, column: warning.column, message: &warning.message };
                problems::check(&told, bytes, &KEYS);
            }
            check_respelled(&config);
            check_assembly(&config);
            for selection in config.sources.iter().filter_map(|source| source.channels.as_ref()) {
                check_selection(selection);
            }
            true
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "refused without a reason");
            assert!(!error.to_string().is_empty());
            for problem in &error.problems {
                let told = Told { line: problem.line, column: problem.column, message: &problem.message };
                problems::check(&told, bytes, &KEYS);
            }
            false
        }
    }
}

/// Writes the config's text anew, by another writer's taste in order, quotes and spacing: it must mean the same.
fn check_respelled(config: &Config) {
    // What this library can't hold, such as a seed above 2^63, can't be written by it.
    let Ok(table) = toml::from_str::<toml::Table>(config.text.text()) else { return };
    let respelled = toml::to_string(&table).unwrap_or_else(|e| panic!("what was read can't be written: {e}"));
    let again = parse_config(Path::new("fuzz.toml"), respelled.as_bytes())
        .unwrap_or_else(|e| panic!("refused when it is spelled anew: {e}\n{respelled}"));
    assert_eq!(meaning(config), meaning(&again), "spelled anew:\n{respelled}");
    assert_eq!(config.warnings.len(), again.warnings.len(), "spelled anew:\n{respelled}");
}

/// All that a config says, without the places at which it says it.
fn meaning(config: &Config) -> String {
    let Config { engine, buses, main_inserts, sources, sinks, .. } = config;
    let text = format!("{engine:?} {buses:?} {main_inserts:?} {sources:?} {sinks:?}");
    let mut parts = text.split("offset: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "offset: _" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// An accepted config is assembled, or refused with a reason and a place. Sound files are left alone: another check's.
fn check_assembly(config: &Config) {
    let is_small = |source: &SourceEntry| match &source.kind {
        SourceKind::Mock(mock) => {
            let period_frames = mock.paced.as_ref().map_or(1, |paced| paced.period_frames as usize);
            mock.config.spec.samples(period_frames) <= MOST_SAMPLES
        }
        SourceKind::Device(_) => true,
        SourceKind::File(_) => false,
    };
    let n_inserts = config.main_inserts.len()
        + config.buses.iter().map(|bus| bus.inserts.len()).sum::<usize>()
        + config.sources.iter().map(|source| source.inserts.len()).sum::<usize>();
    let n_entries = config.sources.len() + config.sinks.len() + config.buses.len() + n_inserts;
    if n_entries > MOST_ENTRIES || !config.sources.iter().all(is_small) {
        return;
    }
    if let Err(error) = ra_cli::fuzzing::assemble(config) {
        assert!(!error.problems.is_empty(), "refused without a reason");
        for problem in &error.problems {
            assert!(problem.line >= 1 && problem.column >= 1, "{problem}");
            assert!(!problem.message.chars().any(char::is_control), "a control character in {:?}", problem.message);
        }
    }
}

/// Selecting channels is the same as picking them by hand, in the order asked for; channels that are not there are refused.
fn check_selection(selection: &At<Vec<u16>>) {
    const N_FRAMES: usize = 3;
    let wanted = &selection.value;
    let most = wanted.iter().copied().max().unwrap_or(1);
    let source = |channels: u16| {
        let spec = StreamSpec::new(48_000, channels).unwrap_or_else(|e| panic!("{channels} channels: {e}"));
        let config = MockConfig { seed: 7, ..MockConfig::new(spec, Signal::Noise { dbfs: -20.0 }) };
        Box::new(MockSource::new(config).unwrap_or_else(|e| panic!("{e}")))
    };
    let read = |mut source: Box<dyn PulledSource>| {
        let mut samples = vec![0.0; source.spec().samples(N_FRAMES)];
        assert_eq!(source.read(&mut samples).ok(), Some(StreamEvent::Frames { n_frames: N_FRAMES }));
        samples
    };
    let all = read(source(most));
    let selected = ra_cli::fuzzing::select_channels(source(most), wanted).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(selected.spec().channels.get(), wanted.len());
    let picked =
        all.chunks_exact(usize::from(most)).flat_map(|frame| wanted.iter().map(|&n| frame[usize::from(n) - 1]));
    assert!(read(selected).into_iter().eq(picked), "channels {wanted:?}");
    if most > 1 {
        assert!(ra_cli::fuzzing::select_channels(source(most - 1), wanted).is_err(), "channel {most} of {}", most - 1);
    }
}
