//! The recorder as a sink. Checks what it is told, and hands everything else to the session.

use std::path::Path;

use ra_core::{Block, Gap, Sink, SinkCommand, SinkError, SinkReport, SinkStart, StreamSpec};

use super::{channel_choice::ChannelChoice, config::RecorderConfig, opener::Opener, session::Session};

/// Records a bus into files that open unrepaired at every moment: WAV (above 4 GiB the same file is RF64), FLAC, Opus.
///
/// * A file bears its final name from the start and never replaces another.
/// * One file goes on exactly where the one before it ends: together they are what one file would have been.
/// * Lost and refused frames are silence, so that the length equals the time, and are listed in `FILE.json`.
/// * A block is taken whole or refused whole. A full disk refuses blocks once the buffer (256 KiB, or two blocks) is
///   full; what was taken before goes to the file first when there is room again, then silence for what was refused.
///   [`Sink::flush`] reports the fault as soon as it shows.
/// * What a killed process can lose is the last `header_interval_ms` of audio and one block.
/// * Dropped without [`Sink::finish`], it still writes everything that it took.
///
/// # Real-time safety
/// Not real-time safe: allocates, does I/O. It belongs on a thread of its own.
///
/// # Examples
/// ```
/// use ra_core::{Block, BlockStamp, FramePosition, Sink, SinkStart, StreamSpec};
/// use ra_sinks::{Recorder, RecorderConfig};
/// # let dir = tempfile::tempdir()?;
/// # let template = dir.path().join("{name}-{index}.wav");
/// // let template = "out/{name}-{index}.wav";
/// let spec = StreamSpec::new(48_000, 1)?;
/// let mut recorder = Recorder::new(RecorderConfig::new(template))?;
/// recorder.start(&SinkStart {
///     name: "mic".into(),
///     spec,
///     block_frames: 128,
///     position: FramePosition(0),
///     unix_ns: 0,
///     unix_minus_monotonic_ns: None,
/// })?;
/// recorder.write(&Block { stamp: BlockStamp::default(), spec, samples: &[0.25; 128] })?;
/// let report = recorder.finish()?;
/// assert!(report.files[0].ends_with("mic-0001.wav"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Recorder {
    config: RecorderConfig,
    session: Option<Session>,
}

impl Recorder {
    /// Checks the configuration. Opens nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for a template that can't be understood, an extension that stands for no format of this
    /// build, and everything that is out of its bounds.
    pub fn new(config: RecorderConfig) -> Result<Self, SinkError> {
        config.check()?;
        Opener::new(&config)?;
        Ok(Self { config, session: None })
    }

    /// Checks what depends on the sink's name: that no file of it leaves the template's directory, and that file systems
    /// take all of their names. [`Sink::start`] does the same.
    ///
    /// # Errors
    /// [`SinkError::Setting`].
    pub fn check_name(&self, name: &str) -> Result<(), SinkError> {
        Opener::new(&self.config)?.check(name)
    }

    /// Checks what depends on the format of the blocks: that the bus has the channels that are recorded, and that the codec
    /// can carry them at that rate and bit rate. [`Sink::start`] does the same, when the files of others may be there
    /// already.
    ///
    /// # Errors
    /// [`SinkError::Setting`].
    pub fn check_spec(&self, spec: StreamSpec) -> Result<(), SinkError> {
        let choice = ChannelChoice::new(&self.config.channels, spec)?;
        Opener::new(&self.config)?.check_spec(&self.config, choice.map_or(spec, |choice| choice.spec()))
    }

    /// The file being written, between `start` and `finish`; `None` also while it is paused.
    pub fn path(&self) -> Option<&Path> {
        self.session.as_ref().and_then(Session::path)
    }

    fn started(&mut self) -> Result<&mut Session, SinkError> {
        self.session.as_mut().ok_or_else(not_started)
    }
}

fn not_started() -> SinkError {
    SinkError::Fatal("a recorder that was not started".into())
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("config", &self.config).field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Sink for Recorder {
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.has_ended()) {
            let path = session.path().map(|path| path.display().to_string()).unwrap_or_default();
            return Err(SinkError::Fatal(format!("{path} is still being recorded")));
        }
        // The old one's journal is closed before the new one opens it.
        self.session = None;
        self.session = Some(Session::begin(&self.config, start)?);
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.started()?.write(block)
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), SinkError> {
        self.started()?.gap(gap)
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.started()?.flush()
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        let session = self.started()?;
        if session.has_ended() {
            return Err(not_started());
        }
        session.finish()
    }

    fn command(&mut self, command: &SinkCommand) -> Result<(), SinkError> {
        self.started()?.command(command)
    }

    fn take_back_frames(&mut self) -> u64 {
        self.session.as_mut().map_or(0, Session::take_lost_frames)
    }

    fn take_report(&mut self) -> Option<SinkReport> {
        self.session.as_mut().and_then(Session::take_report)
    }
}
