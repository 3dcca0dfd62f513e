//! A scenario's text as a whole: its syntax, the engine's settings, and what the sources say of each other.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use ra_engine::core::SampleRate;
use ra_engine::sources::SimulatedDevice;
use ra_engine::{Latency, Quality};
use toml::de::DeTable;

use super::Scenario;
use super::source_table;
use super::table::Table;
use super::text::{Findings, problem_at};
use crate::{Problem, ScenarioError};

/// A file of more bytes than this is something else: a recording, a device.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads and parses a file.
pub(super) fn load(file: &Path) -> Result<Scenario, ScenarioError> {
    let whole_file =
        |message| ScenarioError { problems: vec![Problem { file: file.to_path_buf(), line: 0, column: 0, message }] };
    let found = std::fs::metadata(file).map_err(|e| whole_file(format!("{e}, expected a scenario file")))?;
    if found.is_dir() {
        return Err(whole_file("is a directory, expected a scenario file".to_owned()));
    }
    // What a pipe or a device holds is known when it was read, and not before.
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file);
    opened.and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(|e| whole_file(e.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(whole_file(format!("has more than {MOST_BYTES} bytes, expected a scenario file")));
    }
    parse(file, &bytes)
}

/// Parses bytes.
pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Scenario, ScenarioError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let offset = e.valid_up_to();
        let message = format!("byte 0x{:02x} is no UTF-8, expected a TOML text", bytes[offset]);
        ScenarioError { problems: vec![problem_at(file, bytes, offset, message)] }
    })?;
    let findings = Findings::default();
    let (document, syntax_errors) = DeTable::parse_recoverable(text);
    let scenario = if syntax_errors.is_empty() {
        read(Table::new(document.get_ref(), 0, String::new(), &findings), &findings)
    } else {
        // What was recovered from broken syntax would only give echoes of it.
        for error in syntax_errors {
            findings.error(error.span().map_or(0, |span| span.start), error.message());
        }
        Scenario::new(1.0)
    };
    drop(document);
    findings.finish(file, bytes)?;
    Ok(scenario)
}

fn read(mut root: Table<'_, '_>, findings: &Findings) -> Scenario {
    let duration_s = root.number("duration_s", 0.001..=1e8, "s");
    if duration_s.is_none() {
        root.missing("duration_s", "how long to run, in seconds");
    }
    let mut scenario = Scenario::new(duration_s.unwrap_or(1.0));
    if let Some(seed) = root.integer("seed", 0..=u64::MAX, "") {
        scenario.seed = seed;
    }
    if let Some(rate) = sample_rate(&mut root) {
        scenario.sample_rate = rate;
    }
    if let Some(frames) = root.integer("block_frames", 16..=8192, "frames") {
        scenario.block_frames = frames as usize;
    }
    if let Some(ms) = root.number_or_word("latency_ms", 1.0..=10_000.0, "auto") {
        scenario.latency = ms.map_or(Latency::Auto, Latency::Ms);
    }
    let qualities = [("fast", Quality::Fast), ("balanced", Quality::Balanced), ("best", Quality::Best)];
    if let Some(quality) = root.choice("quality", &qualities) {
        scenario.quality = quality;
    }
    scenario.measure_from_s = root.number("measure_from_s", 0.0..=1e8, "s");
    if scenario.measure_from_s.is_some_and(|from_s| from_s >= scenario.duration_s) && duration_s.is_some() {
        let message = format!("measure_from_s is behind the end, expected less than {} s", scenario.duration_s);
        root.error(root.offset_of("measure_from_s"), message);
    }
    let tables = root.tables("source", "source", "[[source]] tables");
    if tables.is_empty() {
        root.error(0, "there is no [[source]], expected one at least");
    }
    root.finish();

    let mut offsets = Vec::new();
    let mut taken = HashSet::new();
    for table in tables {
        let (source, source_offsets) = source_table::read(table, &mut taken);
        scenario.sources.push(source);
        offsets.push(source_offsets);
    }
    // What only the parts together tell: a tone above half a rate, a clock that is off by too much in all, a ring that no
    // memory is given for.
    let band_rate = scenario.band_rate();
    for (index, offsets) in offsets.iter().enumerate().filter(|(_, offsets)| offsets.is_read) {
        let source = &scenario.sources[index];
        let device = SimulatedDevice::new(source.simulated_config(scenario.seed, index, band_rate));
        if let Err(cause) =
            device.and_then(|_| scenario.check_ring(source)).and_then(|()| scenario.check_fallback(source))
        {
            let cause = cause.to_string();
            findings.error(offsets.of(&cause), format!("source {:?}: {cause}", source.name));
        }
    }
    scenario
}

/// `sample_rate` of a table.
pub(super) fn sample_rate(table: &mut Table<'_, '_>) -> Option<SampleRate> {
    let hz = table.integer("sample_rate", SampleRate::MIN_HZ.into()..=SampleRate::MAX_HZ.into(), "Hz")?;
    SampleRate::new(u32::try_from(hz).ok()?).ok()
}
