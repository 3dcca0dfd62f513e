//! The recorder as a sink: opens a file under its final name and hands the blocks to the take. Overwrites nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ra_core::{Block, Gap, Sink, SinkError, SinkReport, SinkStart};

use super::{
    config::{RecorderConfig, Sidecar, SyncRhythm},
    sidecar::SidecarFile,
    storage::{FileStorage, sync_directory_of},
    take::Take,
    template::PathTemplate,
    wav_writer::WavWriter,
};

/// Records a bus into a WAV file that opens unrepaired at every moment; above 4 GiB the same file is RF64.
///
/// * The file bears its final name from the start and never replaces another.
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
    template: PathTemplate,
    take: Option<Take>,
}

impl Recorder {
    /// Checks the configuration. Opens nothing yet.
    ///
    /// # Errors
    /// [`SinkError::Setting`] for a template that can't be understood, an extension other than `.wav`, and an interval
    /// of 0.
    pub fn new(config: RecorderConfig) -> Result<Self, SinkError> {
        config.check_rhythms()?;
        let template = PathTemplate::parse(&config.path_template)?;
        Ok(Self { config, template, take: None })
    }

    /// The file being written, between `start` and `finish`.
    pub fn path(&self) -> Option<&Path> {
        self.take.as_ref().map(Take::path)
    }

    fn begin(&self, start: &SinkStart) -> Result<Take, SinkError> {
        let (storage, path) = self.create_file(start)?;
        let sidecar = (self.config.sidecar == Sidecar::Written).then(|| SidecarFile::beside(&path));
        let at_path = |cause| SinkError::File { path: path.clone(), cause };
        let begun = WavWriter::create(Box::new(storage), start.spec, self.config.format, start.block_frames)
            .map_err(at_path)
            .and_then(|wav| Take::begin(start, &self.config, path.clone(), Box::new(wav), sidecar));
        match &begun {
            Ok(_) if self.config.sync != SyncRhythm::Never => {
                if let Err(e) = sync_directory_of(&path) {
                    log::warn!("{}: the directory can't be synced: {e}", path.display());
                }
            }
            Ok(_) => {}
            // Nothing was recorded: the name is free again.
            Err(_) => {
                if let Err(e) = fs::remove_file(&path) {
                    log::warn!("{}: {e}", path.display());
                }
            }
        }
        begun
    }

    /// Creates the first of the template's files that does not exist.
    fn create_file(&self, start: &SinkStart) -> Result<(FileStorage, PathBuf), SinkError> {
        let mut taken = None;
        for path in self.template.candidates(&start.name, start.unix_ns)? {
            if self.config.sidecar == Sidecar::Written {
                let sidecar = SidecarFile::beside(&path);
                if sidecar.exists() {
                    taken = Some(sidecar.path().to_owned());
                    continue;
                }
            }
            match create_with_directories(&path) {
                Ok(storage) => return Ok((storage, path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => taken = Some(path),
                Err(cause) => return Err(SinkError::File { path, cause }),
            }
        }
        let message = if self.template.is_fixed() {
            "exists and is not overwritten; {time} or {index} in the path makes names that are free"
        } else {
            "exists, and so does every other name that the path stands for"
        };
        Err(SinkError::File {
            path: taken.unwrap_or_else(|| self.config.path_template.clone()),
            cause: io::Error::new(io::ErrorKind::AlreadyExists, message),
        })
    }

    fn started(&mut self) -> Result<&mut Take, SinkError> {
        self.take.as_mut().ok_or_else(not_started)
    }
}

fn not_started() -> SinkError {
    SinkError::Fatal("a recorder that was not started".into())
}

fn create_with_directories(path: &Path) -> io::Result<FileStorage> {
    match (FileStorage::create_new(path), path.parent()) {
        (Err(e), Some(parent)) if e.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(parent)?;
            FileStorage::create_new(path)
        }
        (created, _) => created,
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("config", &self.config).field("path", &self.path()).finish_non_exhaustive()
    }
}

impl Sink for Recorder {
    fn start(&mut self, start: &SinkStart) -> Result<(), SinkError> {
        if let Some(take) = &self.take {
            return Err(SinkError::Fatal(format!("{} is still being recorded", take.path().display())));
        }
        self.take = Some(self.begin(start)?);
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
        self.take.take().ok_or_else(not_started)?.finish()
    }
}
