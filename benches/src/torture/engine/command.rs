//! One live command of a storm, as it stands in the list: plain data with one written form. Carries out nothing.

/// What a consumer hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Heard {
    /// The bus `main`.
    Main,
    /// One source's own bus.
    Source(u32),
}

impl Heard {
    /// The engine's name for it.
    pub(super) fn bus(self) -> String {
        match self {
            Heard::Main => ra_engine::MAIN_BUS.to_owned(),
            Heard::Source(source) => format!("{}{}", ra_engine::SOURCE_BUS_PREFIX, source_name(source)),
        }
    }
}

/// A source's name in the engine; no two sources of a storm share one.
pub(super) fn source_name(source: u32) -> String {
    format!("s{source}")
}

/// A sink's name in the engine; no two sinks of a storm share one.
pub(super) fn sink_name(consumer: u32) -> String {
    format!("c{consumer}")
}

/// What is done to the engine. Sources, consumers and device slots go by number; a place is one of those that hold one
/// live source each, and has a tone of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Command {
    /// A pulled source with the place's tone.
    AddTone {
        source: u32,
        place: usize,
        rate_hz: u32,
        channels: u16,
    },
    /// A clocked source with the place's tone, on a device that is there all the time.
    AddDevice {
        source: u32,
        place: usize,
        slot: usize,
        rate_hz: u32,
        channels: u16,
    },
    RemoveSource {
        source: u32,
    },
    SetGain {
        source: u32,
        gain_db: f32,
    },
    SetPan {
        source: u32,
        pan: f32,
    },
    SetMute {
        source: u32,
        mute: bool,
    },
    SetSolo {
        source: u32,
        solo: bool,
    },
    /// The device goes on at another rate, as a sound server's does when somebody else asks for one.
    FlipRate {
        source: u32,
        slot: usize,
        rate_hz: u32,
    },
    /// A reader of a bus, that looks at every step of the sound.
    AddListener {
        consumer: u32,
        heard: Heard,
    },
    RemoveListener {
        consumer: u32,
    },
    /// A sink that counts what it gets.
    AddSink {
        consumer: u32,
        heard: Heard,
    },
    RemoveSink {
        consumer: u32,
    },
    /// A recorder that writes a WAV file.
    StartRecorder {
        consumer: u32,
        heard: Heard,
    },
    StopRecorder {
        consumer: u32,
    },
    // RECORDER SPLIT: belongs here as `SplitRecorder { consumer }`, between start and stop, once the engine has a command
    // for it; then `plan.rs` draws it for a recorder that runs, and `performer.rs` carries it out.
}

impl std::fmt::Display for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The list's hash is over these words: a changed form is another list.
        let of = |heard: &Heard| heard.bus();
        match self {
            Self::AddTone { source, place, rate_hz, channels } => {
                write!(f, "add tone s{source} place {place} {rate_hz} Hz {channels} ch")
            }
            Self::AddDevice { source, place, slot, rate_hz, channels } => {
                write!(f, "add device s{source} place {place} slot {slot} {rate_hz} Hz {channels} ch")
            }
            Self::RemoveSource { source } => write!(f, "remove source s{source}"),
            Self::SetGain { source, gain_db } => write!(f, "gain s{source} {gain_db} dB"),
            Self::SetPan { source, pan } => write!(f, "pan s{source} {pan}"),
            Self::SetMute { source, mute } => write!(f, "mute s{source} {mute}"),
            Self::SetSolo { source, solo } => write!(f, "solo s{source} {solo}"),
            Self::FlipRate { source, slot, rate_hz } => write!(f, "flip s{source} slot {slot} to {rate_hz} Hz"),
            Self::AddListener { consumer, heard } => write!(f, "add listener c{consumer} to {}", of(heard)),
            Self::RemoveListener { consumer } => write!(f, "remove listener c{consumer}"),
            Self::AddSink { consumer, heard } => write!(f, "add sink c{consumer} to {}", of(heard)),
            Self::RemoveSink { consumer } => write!(f, "remove sink c{consumer}"),
            Self::StartRecorder { consumer, heard } => write!(f, "start recorder c{consumer} of {}", of(heard)),
            Self::StopRecorder { consumer } => write!(f, "stop recorder c{consumer}"),
        }
    }
}

impl Command {
    /// The kind of it, for the count by kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::AddTone { .. } => "add a pulled source",
            Self::AddDevice { .. } => "add a clocked source",
            Self::RemoveSource { .. } => "remove a source",
            Self::SetGain { .. } => "gain",
            Self::SetPan { .. } => "pan",
            Self::SetMute { .. } => "mute",
            Self::SetSolo { .. } => "solo",
            Self::FlipRate { .. } => "change a source's rate",
            Self::AddListener { .. } => "add a reader of a bus",
            Self::RemoveListener { .. } => "remove a reader",
            Self::AddSink { .. } => "add a sink",
            Self::RemoveSink { .. } => "remove a sink",
            Self::StartRecorder { .. } => "start a recorder",
            Self::StopRecorder { .. } => "stop a recorder",
        }
    }
}
