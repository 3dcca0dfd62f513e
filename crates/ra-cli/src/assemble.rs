//! From a config to the sources, effects and sinks that it describes: opens sound files, creates no file, opens no device,
//! starts nothing. What turns out to be wrong is reported with its line, like every other error of a config.

#[cfg(feature = "device")]
mod devices;
#[cfg(not(feature = "device"))]
#[path = "assemble/no_devices.rs"]
mod devices;
mod inputs;
mod recordings;
mod streams;

use ra_engine::core::{Clock, Sink, StreamSpec, SystemClock};
use ra_engine::dsp::{DspError, Equaliser, Insert, Limiter};
use ra_engine::{AnySource, BusConfig, CommandError, EngineHandle, MAIN_BUS, SinkConfig, SourceConfig, Strip};

use crate::Failure;
use crate::config::{
    Config, ConfigError, ConfigText, InsertEntry, InsertKind, SinkEntry, SinkKind, SourceEntry, SourceKind,
};

pub(crate) use recordings::escape_template;
pub(crate) use streams::Titles;

/// Everything that a config describes, ready to be given to an engine.
pub(crate) struct Assembly {
    text: ConfigText,
    main_spec: StreamSpec,
    main_inserts: Vec<InsertEntry>,
    buses: Vec<(BusConfig, Vec<InsertEntry>)>,
    /// The sources, in their order.
    pub(crate) sources: Vec<AssembledSource>,
    /// The sinks, in their order.
    pub(crate) sinks: Vec<AssembledSink>,
}

/// A source that can be added.
pub(crate) struct AssembledSource {
    /// What the engine is told.
    pub(crate) config: SourceConfig,
    /// What it is, for people.
    pub(crate) description: String,
    /// Whether it is a file that ends by itself.
    pub(crate) is_ending_file: bool,
    input: Input,
    inserts: Vec<InsertEntry>,
    offset: usize,
}

impl AssembledSource {
    /// The format of its own bus beside a `main` of this one; `None` for a device, which is not open yet.
    fn bus_spec(&self, main: StreamSpec) -> Option<StreamSpec> {
        match &self.input {
            Input::Open(source) => Some(StreamSpec { sample_rate: main.sample_rate, ..source.spec() }),
            Input::Device(_) => None,
        }
    }
}

/// Where a source's sound comes from.
enum Input {
    /// A file or a signal: open.
    Open(AnySource),
    /// A device: opened when it is added, and not before.
    Device(devices::CaptureConfig),
}

/// A sink that can be added: no file is created and no device opened before that.
pub(crate) struct AssembledSink {
    /// What the engine is told.
    pub(crate) config: SinkConfig,
    /// What it is, for people.
    pub(crate) description: String,
    sink: Box<dyn Sink>,
    offset: usize,
}

/// Makes everything that a config describes.
///
/// # Errors
/// [`ConfigError`] with every file that can't be opened and every setting that turns out to make no sense.
pub(crate) fn assemble(config: &Config) -> Result<Assembly, ConfigError> {
    let main_spec = config.engine.main_spec();
    let mut faults = Faults { config, problems: Vec::new() };
    faults.check_inserts(&Strip::Bus(MAIN_BUS.to_owned()), main_spec, &config.main_inserts);
    for bus in &config.buses {
        let spec = StreamSpec { channels: bus.config.channels, ..main_spec };
        faults.check_inserts(&Strip::Bus(bus.config.name.clone()), spec, &bus.inserts);
    }
    // Sources whose clocks are compared hear one room, which begins now for all of them.
    let room_origin_ns = SystemClock.now_ns();
    let sources: Vec<_> = config.sources.iter().filter_map(|entry| faults.source(entry, room_origin_ns)).collect();
    recordings::check_paths(config, &mut |offset, message| faults.note(offset, message));
    let sinks: Vec<_> = config.sinks.iter().filter_map(|entry| faults.sink(entry, &sources)).collect();
    faults.finish()?;
    Ok(Assembly {
        text: config.text.clone(),
        main_spec,
        main_inserts: config.main_inserts.clone(),
        buses: config.buses.iter().map(|bus| (bus.config.clone(), bus.inserts.clone())).collect(),
        sources,
        sinks,
    })
}

impl Assembly {
    /// Gives everything to an engine that has not been started: all of it begins at the same block. Sources come first,
    /// so that no file is created where a device can't be opened.
    ///
    /// # Errors
    /// [`Failure`] where a device or a file can't be opened, or the engine refuses; it names the line.
    pub(crate) fn install(self, handle: &EngineHandle) -> Result<(), Failure> {
        let Assembly { text, main_spec, main_inserts, buses, sources, sinks } = self;
        let refused = |offset: usize, cause: CommandError| refusal(&text, offset, &cause);
        add_inserts(handle, &text, Strip::Bus(MAIN_BUS.to_owned()), main_spec, &main_inserts)?;
        for (bus, inserts) in buses {
            let (strip, spec) = (Strip::Bus(bus.name.clone()), StreamSpec { channels: bus.channels, ..main_spec });
            handle.add_bus(bus).map_err(|cause| refused(0, cause))?;
            add_inserts(handle, &text, strip, spec, &inserts)?;
        }
        for AssembledSource { config, input, inserts, offset, .. } in sources {
            let source = match input {
                Input::Open(source) => source,
                Input::Device(capture) => devices::open_source(capture, &config, main_spec)
                    .map_err(|e| Failure::running(text.problem(offset, format!("source {:?}: {e}", config.name))))?,
            };
            let spec = StreamSpec { sample_rate: main_spec.sample_rate, ..source.spec() };
            let strip = Strip::Source(config.name.clone());
            handle.add_source(config, source).map_err(|cause| refused(offset, cause))?;
            add_inserts(handle, &text, strip, spec, &inserts)?;
        }
        for AssembledSink { config, sink, offset, .. } in sinks {
            handle.add_boxed_sink(config, sink).map_err(|cause| refused(offset, cause))?;
        }
        Ok(())
    }
}

/// Whose fault a refusal is: the machine's where something can't be opened, the config's in all other cases.
fn refusal(text: &ConfigText, offset: usize, cause: &CommandError) -> Failure {
    let problem = text.problem(offset, cause.to_string());
    match cause {
        CommandError::Source { .. }
        | CommandError::Sink { .. }
        | CommandError::Thread { .. }
        | CommandError::Stopped => Failure::running(problem),
        _ => Failure::usage(problem),
    }
}

fn add_inserts(
    handle: &EngineHandle,
    text: &ConfigText,
    strip: Strip,
    spec: StreamSpec,
    entries: &[InsertEntry],
) -> Result<(), Failure> {
    for entry in entries {
        let insert = make_insert(entry, spec)
            .map_err(|e| Failure::usage(text.problem(entry.offset, format!("{strip}: {e}"))))?;
        handle.add_insert(strip.clone(), insert).map_err(|cause| refusal(text, entry.offset, &cause))?;
    }
    Ok(())
}

fn make_insert(entry: &InsertEntry, spec: StreamSpec) -> Result<Box<dyn Insert>, DspError> {
    Ok(match &entry.kind {
        InsertKind::Limiter(config) => Box::new(Limiter::new(*config, spec)?),
        InsertKind::Equaliser(config) => Box::new(Equaliser::new(config, spec)?),
    })
}

/// What was found to be wrong so far.
struct Faults<'c> {
    config: &'c Config,
    problems: Vec<crate::config::Problem>,
}

impl Faults<'_> {
    fn note(&mut self, offset: usize, message: String) {
        self.problems.push(self.config.text.problem(offset, message));
    }

    fn finish(mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(ConfigError { problems: self.problems })
    }

    fn check_inserts(&mut self, strip: &Strip, spec: StreamSpec, entries: &[InsertEntry]) {
        for entry in entries {
            if let Err(e) = make_insert(entry, spec) {
                self.note(entry.offset, format!("{strip}: {e}"));
            }
        }
    }

    fn source(&mut self, entry: &SourceEntry, room_origin_ns: u64) -> Option<AssembledSource> {
        let name = &entry.config.name;
        let channels = entry.channels.as_ref();
        let made = match &entry.kind {
            SourceKind::File(file) => inputs::open_file(self.config.base_dir(), file, channels),
            SourceKind::Mock(mock) => inputs::make_mock(mock, room_origin_ns, channels),
            SourceKind::Device(device) => match devices::plan_source(device, channels) {
                Ok((capture, description)) => {
                    return Some(self.assembled(entry, Input::Device(capture), description));
                }
                Err(message) => Err((entry.offset, message)),
            },
        };
        match made {
            Ok(source) => {
                let spec = StreamSpec { sample_rate: self.config.engine.sample_rate, ..source.spec() };
                self.check_inserts(&Strip::Source(name.clone()), spec, &entry.inserts);
                let description = format!("{}, {}", source.describe(), source.spec());
                Some(self.assembled(entry, Input::Open(source), description))
            }
            Err((offset, message)) => {
                self.note(offset, format!("source {name:?}: {message}"));
                None
            }
        }
    }

    fn assembled(&self, entry: &SourceEntry, input: Input, description: String) -> AssembledSource {
        AssembledSource {
            config: entry.config.clone(),
            description,
            is_ending_file: matches!(&entry.kind, SourceKind::File(file) if !file.looped),
            input,
            inserts: entry.inserts.clone(),
            offset: entry.offset,
        }
    }

    fn sink(&mut self, entry: &SinkEntry, sources: &[AssembledSource]) -> Option<AssembledSink> {
        let made = match &entry.kind {
            SinkKind::Record(record) => {
                let spec = streams::bus_spec(self.config, sources, &entry.config.from);
                recordings::make_recorder(self.config.base_dir(), &entry.config.name, record, spec)
            }
            SinkKind::Output(output) => devices::make_sink(output, &entry.config.name, &self.config.engine)
                .map_err(|message| (entry.offset, message)),
            SinkKind::Icecast(icecast) => streams::make_stream(self.config, sources, &entry.config.from, icecast),
        };
        match made {
            Ok((sink, description)) => {
                Some(AssembledSink { config: entry.config.clone(), description, sink, offset: entry.offset })
            }
            Err((offset, message)) => {
                self.note(offset, format!("sink {:?}: {message}", entry.config.name));
                None
            }
        }
    }
}
