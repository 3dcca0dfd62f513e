//! What can go wrong when an engine is built, commanded or stopped.

use ra_core::{SinkError, SourceError, SpecError};

/// Why an engine could not be built, started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A setting is out of range.
    #[error("{key} is {actual}, expected {expected}")]
    Setting {
        /// The field of [`crate::EngineConfig`].
        key: &'static str,
        /// What was given.
        actual: String,
        /// What would do.
        expected: &'static str,
    },
    /// A rate or a channel count is out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A ring could not be made.
    #[error(transparent)]
    Queue(#[from] ra_queue::QueueError),
    /// A thread could not be started.
    #[error("the thread {thread} could not be started: {cause}")]
    Thread {
        /// Its name.
        thread: String,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Why a command was not carried out. Nothing was changed by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
    /// No such source: it never was, or it is gone.
    #[error("there is no source {name:?}")]
    UnknownSource {
        /// The name that was given.
        name: String,
    },
    /// No such sink: it never was, or it is gone.
    #[error("there is no sink {name:?}")]
    UnknownSink {
        /// The name that was given.
        name: String,
    },
    /// No such bus.
    #[error("there is no bus {name:?}; there are {}", known.join(", "))]
    UnknownBus {
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// No such insert on that strip.
    #[error("there is no insert number {number} on {strip}")]
    UnknownInsert {
        /// The strip.
        strip: String,
        /// The number that was given.
        number: u32,
    },
    /// The name is in use.
    #[error("the name {name:?} is in use by another {what}")]
    NameTaken {
        /// `source`, `sink` or `bus`.
        what: &'static str,
        /// The name that was given.
        name: String,
    },
    /// A value is out of range.
    #[error("{key} is {actual}, expected {expected}")]
    Value {
        /// Which value.
        key: &'static str,
        /// What was given.
        actual: String,
        /// What would do.
        expected: String,
    },
    /// A fixed bound of the mixer is reached.
    #[error("the mixer holds at most {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The source could not be opened.
    #[error("source {name:?}: {cause}")]
    Source {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: SourceError,
    },
    /// The sink could not be opened, or refused what it was told.
    #[error("sink {name:?}: {cause}")]
    Sink {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: SinkError,
    },
    /// The sink did not return in time and was given up on.
    #[error("sink {name:?} was {reason}")]
    SinkEvicted {
        /// Its name.
        name: String,
        /// For how long it was waited.
        reason: String,
    },
    /// The sink ended before it could do what it was told.
    #[error("sink {name:?} has ended")]
    SinkEnded {
        /// Its name.
        name: String,
    },
    /// The sink waits for its first block.
    #[error("sink {name:?} is not open yet")]
    NotOpen {
        /// Its name.
        name: String,
    },
    /// Too many commands wait for the sink already.
    #[error("sink {name:?} is busy: {n_waiting} commands wait for it")]
    SinkBusy {
        /// Its name.
        name: String,
        /// How many.
        n_waiting: usize,
    },
    /// A resampler or an effect could not be made.
    #[error(transparent)]
    Dsp(#[from] ra_dsp::DspError),
    /// A ring could not be made.
    #[error(transparent)]
    Queue(#[from] ra_queue::QueueError),
    /// A thread could not be started, or ended before it answered.
    #[error("{what} of {name:?} failed: {message}")]
    Thread {
        /// What it was for.
        what: &'static str,
        /// Whose it was.
        name: String,
        /// What the system said.
        message: String,
    },
    /// It takes a real-time engine: an offline one cannot wait for somebody else's clock.
    #[error("source {name:?} runs on its own clock: an offline mix takes only sources that can be pulled")]
    ClockedOffline {
        /// Its name.
        name: String,
    },
}
