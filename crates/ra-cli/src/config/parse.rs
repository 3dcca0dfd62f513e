//! A config's text as a whole: its syntax, its tables, and what they say of each other.

use std::io::Read;
use std::path::Path;

use ra_engine::core::{ChannelCount, SampleRate};
use ra_engine::{BusConfig, EngineConfig, MAIN_BUS, Master, SOURCE_BUS_PREFIX};
use toml::de::DeTable;

use super::model::{BusEntry, Config, InsertEntry, SinkKind, SourceEntry, SourceKind};
use super::names::{self, Names};
use super::problem::{ConfigError, ConfigText, Findings, Problem};
use super::table_reader::{At, MOST_WORDS, TableReader, clip, one_of};
use super::{engine_section, icecast_section, insert_section, sink_section, source_section};

/// A config of more bytes than this is something else: a recording, a device.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads and parses a config file.
///
/// # Errors
/// [`ConfigError`] with every problem that was found, the unreadable file included.
pub fn load_config(file: &Path) -> Result<Config, ConfigError> {
    let whole_file =
        |message| ConfigError { problems: vec![Problem { file: file.to_path_buf(), line: 0, column: 0, message }] };
    let found = std::fs::metadata(file).map_err(|e| whole_file(format!("{e}, expected a config file")))?;
    if found.is_dir() {
        return Err(whole_file("is a directory, expected a config file".to_owned()));
    }
    // What a pipe or a device holds is known when it was read, and not before.
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file);
    opened.and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(|e| whole_file(e.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(whole_file(format!("has more than {MOST_BYTES} bytes, expected a config file")));
    }
    parse_config(file, &bytes)
}

/// Parses a config that is in memory; `file` is its name in messages and where its relative paths start.
///
/// Total: any bytes give a config or a list of errors. Opens nothing.
///
/// # Errors
/// [`ConfigError`] with every problem that was found.
pub fn parse_config(file: &Path, bytes: &[u8]) -> Result<Config, ConfigError> {
    let text = ConfigText::new(file, bytes)?;
    let findings = Findings::default();
    let (document, syntax_errors) = DeTable::parse_recoverable(text.text());
    if !syntax_errors.is_empty() {
        // What was recovered from broken syntax would only give echoes of it.
        for error in syntax_errors {
            let offset = error.span().map_or(0, |span| span.start);
            findings.error(offset, error.message());
        }
        return Err(findings.finish(&text).err().unwrap_or(ConfigError { problems: Vec::new() }));
    }

    let mut root = TableReader::new(document.get_ref(), 0, String::new(), &findings);
    let (engine, master_offset) = engine_section::read(&mut root);

    let bus_tables = root.tables("bus", "bus", "[[bus]] tables");
    let source_tables = root.tables("source", "source", "[[source]] tables");
    let sink_tables = root.tables("sink", "sink", "[[sink]] tables");
    let no_sources = root.is_absent_or_empty("source");
    let no_sinks = root.is_absent_or_empty("sink");
    root.finish();

    let mut main_inserts = Vec::new();
    let mut bus_names = Names::new("bus");
    let mut buses = Vec::new();
    for table in bus_tables {
        if let Some(bus) = read_bus(table, engine.channels, &mut bus_names, &mut main_inserts) {
            buses.push(bus);
        }
    }
    let mut source_names = Names::new("source");
    let parsed_sources: Vec<_> =
        source_tables.into_iter().map(|table| source_section::read(table, &engine, &mut source_names)).collect();
    let mut sink_names = Names::new("sink");
    let parsed_sinks: Vec<_> =
        sink_tables.into_iter().map(|table| sink_section::read(table, &mut sink_names)).collect();

    for route in parsed_sources.iter().flat_map(|parsed| &parsed.routes) {
        check_bus(&findings, &route.place, "to", &route.bus, &bus_names);
    }
    for from in parsed_sinks.iter().filter_map(|parsed| parsed.from.as_ref()) {
        match from.bus.value.strip_prefix(SOURCE_BUS_PREFIX) {
            Some(source) => check_source(&findings, &from.place, source, from.bus.offset, &source_names),
            None => check_bus(&findings, &from.place, "from", &from.bus, &bus_names),
        }
    }
    source_section::check_fallbacks(&findings, &parsed_sources, &source_names);
    check_metadata_from(&findings, &parsed_sources, &parsed_sinks);
    let streams = parsed_sinks.iter().filter_map(|sink| sink.entry.as_ref()).filter_map(|sink| match &sink.kind {
        SinkKind::Icecast(entry) => Some((sink.config.name.as_str(), &**entry)),
        _ => None,
    });
    icecast_section::check_mounts(&findings, streams);
    check_master(&findings, &engine, master_offset.unwrap_or(0), &parsed_sinks);
    if no_sources {
        findings.error(0, "there is no [[source]], expected one at least");
    }
    if no_sinks {
        findings.warning(0, "there is no [[sink]]: nothing is recorded or played");
    }

    let mut sources: Vec<_> = parsed_sources.into_iter().filter_map(|parsed| parsed.entry).collect();
    share_room(&mut sources, engine.sample_rate);
    let sinks: Vec<_> = parsed_sinks.into_iter().filter_map(|parsed| parsed.entry).collect();
    drop(document);
    let warnings = findings.finish(&text)?;
    Ok(Config { text, engine, buses, main_inserts, sources, sinks, warnings })
}

/// A name that one table uses for another, with what people know the table as.
pub(super) struct Reference {
    /// What people know the table as.
    pub(super) place: String,
    /// The name.
    pub(super) bus: At<String>,
}

/// Mock sources stand in one room: its sound has the band of the lowest rate that it passes through, and every source's
/// errors are its own.
fn share_room(sources: &mut [SourceEntry], engine_rate: SampleRate) {
    let rates = sources.iter().filter_map(|source| match &source.kind {
        SourceKind::Mock(mock) => Some(mock.config.spec.sample_rate),
        _ => None,
    });
    let band_rate = rates.chain([engine_rate]).min();
    for (source, index) in sources.iter_mut().zip(1..) {
        let SourceKind::Mock(mock) = &mut source.kind else { continue };
        mock.config.band_rate = band_rate;
        if let Some(paced) = &mut mock.paced {
            paced.name.clone_from(&source.config.name);
            paced.seed = mock.config.seed.wrapping_add(index);
        }
    }
}

/// Titles come from the tags of files.
fn check_metadata_from(
    findings: &Findings,
    sources: &[source_section::ParsedSource],
    sinks: &[sink_section::ParsedSink],
) {
    let sources: Vec<_> = sources.iter().filter_map(|source| source.entry.as_ref()).collect();
    for sink in sinks.iter().filter_map(|sink| sink.entry.as_ref()) {
        if let SinkKind::Icecast(entry) = &sink.kind
            && let Some(from) = &entry.metadata_from
        {
            icecast_section::check_metadata_from(findings, &sink.config.name, from, &sources);
        }
    }
}

/// The master is an output: nothing else has a clock.
fn check_master(findings: &Findings, engine: &EngineConfig, offset: usize, sinks: &[sink_section::ParsedSink]) {
    let Master::Sink(name) = &engine.master else { return };
    let entries = sinks.iter().filter_map(|sink| sink.entry.as_ref());
    let outputs: Vec<_> =
        entries.filter(|sink| matches!(sink.kind, SinkKind::Output(_))).map(|sink| sink.config.name.as_str()).collect();
    if outputs.contains(&name.as_str()) {
        return;
    }
    let expected = match outputs.is_empty() {
        true => "\"clock\": there is no sink of kind output".to_owned(),
        false => format!("a sink of kind output: {}", one_of(outputs.into_iter())),
    };
    findings.error(offset, format!("[engine]: master names the sink {:?}, expected {expected}", clip(name)));
}

fn check_bus(findings: &Findings, place: &str, key: &str, bus: &At<String>, known: &Names) {
    if bus.value != MAIN_BUS && !known.contains(&bus.value) {
        let buses = std::iter::once(MAIN_BUS).chain(known.iter().filter(|&name| name != MAIN_BUS));
        let message = format!("{place}: {key} names the bus {:?}, expected {}", clip(&bus.value), one_of(buses));
        findings.error(bus.offset, message);
    }
}

fn check_source(findings: &Findings, place: &str, source: &str, offset: usize, known: &Names) {
    if !known.contains(source) {
        // One more than are shown: it is hinted at.
        let sources =
            known.iter().take(MOST_WORDS + 1).map(|name| format!("{SOURCE_BUS_PREFIX}{name}")).collect::<Vec<_>>();
        let expected = one_of(sources.iter().map(String::as_str));
        findings.error(offset, format!("{place}: from names the source {:?}, expected {expected}", clip(source)));
    }
}

fn read_bus(
    mut table: TableReader<'_, '_>,
    default_channels: ChannelCount,
    known: &mut Names,
    main_inserts: &mut Vec<InsertEntry>,
) -> Option<BusEntry> {
    let name = names::read(&mut table, known);
    if let Some(name) = &name
        && name.value.starts_with(SOURCE_BUS_PREFIX)
    {
        table.error(name.offset, format_args!("a bus can't be named \"{SOURCE_BUS_PREFIX}…\": that means a source"));
    }
    let is_main = name.as_ref().is_some_and(|name| name.value == MAIN_BUS);
    let inserts = insert_section::read(&mut table);
    if is_main {
        table.refuse(&["channels"], "does not belong here: main has the channels of [engine]");
        table.finish();
        main_inserts.extend(inserts);
        return None;
    }
    let channels = engine_section::channels(&mut table).unwrap_or(default_channels);
    table.finish();
    Some(BusEntry { config: BusConfig { name: name?.value, channels }, inserts })
}
