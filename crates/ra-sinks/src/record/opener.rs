//! Opens the files of a recorder under their final names, in its directory or in the one that stands in. Overwrites nothing.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ra_core::{FramePosition, Metadata, SinkError, SinkStart, StreamSpec};

use super::{
    config::{OggCodec, OriginNote, RecorderConfig, Sidecar, SyncRhythm},
    container::{self, ContainerConfig, FileFormat, Origin},
    series::{BegunBy, PlaceInSeries, Series},
    sidecar::SidecarFile,
    splitter::FileCost,
    storage::{FileStorage, Lasting, create_directories, sync_directory_of},
    storage_meter::{FileLength, MeteredStorage},
    take::{About, Take, TakeParts},
    template::{Nth, PathTemplate},
};

/// Where a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the template says.
    First,
    /// In the directory that stands in.
    Failover,
}

/// What a new file is.
pub(crate) struct NewFile<'a> {
    /// Of its first frame.
    pub(crate) start: SinkStart,
    pub(crate) begun_by: BegunBy,
    pub(crate) pre_roll_frames: u64,
    pub(crate) metadata: &'a Metadata,
    pub(crate) series: &'a Series,
    /// The file that is written until this one goes on: where it begins, and how many frames it will hold.
    pub(crate) before: Option<(&'a Path, FramePosition, u64)>,
}

/// A file that has been begun.
pub(crate) struct Opened {
    pub(crate) take: Take,
    pub(crate) place: Place,
    pub(crate) length: FileLength,
    /// Where every frame costs the same.
    pub(crate) cost: Option<FileCost>,
}

/// Knows the names.
pub(crate) struct Opener {
    format: FileFormat,
    first: Names,
    failover: Option<Names>,
}

struct Names {
    template: PathTemplate,
    /// The number of the latest file, where numbers alone tell files apart.
    latest: u32,
}

impl Opener {
    /// Checks the template, and that this build has the codec.
    pub(crate) fn new(config: &RecorderConfig) -> Result<Self, SinkError> {
        let template = PathTemplate::parse(&config.path_template)?;
        let setting = |what: &str, message: String| SinkError::Setting { what: what.to_owned(), message };
        let path = || format!("path {}", config.path_template.display());
        let extension = config.path_template.extension();
        let is_ogg = extension.is_some_and(|extension| extension.eq_ignore_ascii_case("ogg"));
        let format = match template.file_format() {
            Some(FileFormat::Opus) if is_ogg && config.ogg_codec == OggCodec::Vorbis => FileFormat::Vorbis,
            Some(format) => format,
            None => return Err(setting(&path(), "no format, expected an extension".into())),
        };
        if let Some(codec) = format.codec().filter(|codec| !codec.is_built_in()) {
            let message = format!("{} is not built in: it takes the feature \"{}\"", codec.name(), codec.feature());
            return Err(setting(&path(), message));
        }
        if template.is_fixed() && !config.split.is_never() {
            return Err(setting(&path(), "one name for many files, expected {time} or {index} in it".into()));
        }
        let failover = config.failover.as_deref().map(|directory| template.moved_to(directory));
        if let Some(directory) = &config.failover {
            if directory.as_os_str().is_empty() || directory.as_os_str().as_encoded_bytes().contains(&0) {
                return Err(setting(
                    "failover",
                    format!("{:?}, expected a directory", directory.display().to_string()),
                ));
            }
            if *directory == template.root() {
                return Err(setting("failover", format!("{}, which is the first directory", directory.display())));
            }
        }
        let names = |template| Names { template, latest: 1 };
        Ok(Self { format, first: names(template), failover: failover.map(names) })
    }

    /// Whether a sink called `name` can have such files.
    pub(crate) fn check(&self, name: &str) -> Result<(), SinkError> {
        self.first.template.check(name)?;
        self.failover.as_ref().map_or(Ok(()), |names| names.template.check(name))
    }

    /// Whether the format of the files can carry such blocks.
    pub(crate) fn check_spec(&self, config: &RecorderConfig, spec: StreamSpec) -> Result<(), SinkError> {
        container::check(self.format, config.format, config.bitrate_kbps, spec).map_err(|cause| SinkError::Setting {
            what: format!("path {}", config.path_template.display()),
            message: cause.to_string(),
        })
    }

    /// The directory in which all files of that place lie; `None`: there is no such place.
    pub(crate) fn root(&self, place: Place) -> Option<PathBuf> {
        match place {
            Place::First => Some(self.first.template.root()),
            Place::Failover => self.failover.as_ref().map(|names| names.template.root()),
        }
    }

    /// Whether there is a second directory.
    pub(crate) const fn has_failover(&self) -> bool {
        self.failover.is_some()
    }

    /// Begins a file in the first of `places` where that works.
    ///
    /// # Errors
    /// Why it did not in the first of them.
    pub(crate) fn open(
        &mut self,
        config: &RecorderConfig,
        file: &NewFile<'_>,
        places: &[Place],
    ) -> Result<Opened, SinkError> {
        let mut first_error = None;
        for &place in places {
            match self.open_in(config, file, place) {
                Ok(opened) => {
                    if let (Place::Failover, Some(error)) = (place, &first_error) {
                        let (name, path) = (&file.start.name, opened.take.path().display());
                        log::error!("{name}: {error}; it records in the second directory: {path}");
                    }
                    return Ok(opened);
                }
                Err(error) => {
                    if place == Place::Failover {
                        log::error!("{}: the second directory does not help: {error}", file.start.name);
                    }
                    first_error.get_or_insert(error);
                }
            }
        }
        Err(first_error.unwrap_or_else(|| SinkError::Unsupported { what: "a file in no place".into() }))
    }

    fn open_in(&mut self, config: &RecorderConfig, file: &NewFile<'_>, place: Place) -> Result<Opened, SinkError> {
        let format = self.format;
        let names = match (place, &mut self.failover) {
            (Place::First, _) => &mut self.first,
            (Place::Failover, Some(failover)) => failover,
            (Place::Failover, None) => {
                return Err(SinkError::Unsupported { what: "a second directory".into() });
            }
        };
        let is_first = file.series.n_files() == 0;
        let (storage, path) = create_file(names, config, &file.start, is_first)?;
        let begun = begin(config, format, file, storage, &path, place);
        match &begun {
            Ok(_) if config.sync != SyncRhythm::Never => {
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
}

fn begin(
    config: &RecorderConfig,
    format: FileFormat,
    file: &NewFile<'_>,
    storage: FileStorage,
    path: &Path,
    place: Place,
) -> Result<Opened, SinkError> {
    let (storage, length) = MeteredStorage::new(Box::new(storage));
    let container_config = ContainerConfig {
        format,
        sample_format: config.format,
        bitrate_kbps: config.bitrate_kbps,
        start: &file.start,
        origin: if config.origin == OriginNote::Written { Origin::Written } else { Origin::None },
        tags: file.metadata.clone(),
    };
    let at_path = |cause: io::Error| match cause.kind() {
        // No disk is at fault: the format can't carry this stream.
        io::ErrorKind::Unsupported => {
            SinkError::Setting { what: format!("path {}", path.display()), message: cause.to_string() }
        }
        _ => SinkError::File { path: path.to_owned(), cause },
    };
    let container = container::create(Box::new(storage), &container_config).map_err(at_path)?;
    let frame_bytes = (config.format.bytes() * file.start.spec.channels.get()) as u64;
    let cost = (format == FileFormat::Wav).then(|| FileCost { head_bytes: length.bytes(), frame_bytes });
    let series: PlaceInSeries = file.series.place_of(path, file.start.position, file.before);
    let parts = TakeParts {
        start: file.start.clone(),
        path: path.to_owned(),
        container,
        sidecar: (config.sidecar == Sidecar::Written).then(|| SidecarFile::beside(path)),
        about: About {
            format: match format {
                FileFormat::Wav | FileFormat::Flac => config.format.name(),
                FileFormat::Opus => "opus",
                FileFormat::Vorbis => "vorbis",
                FileFormat::Mp3 => "mp3",
            },
            series,
            begun_by: file.begun_by,
            pre_roll_frames: file.pre_roll_frames,
            metadata: file.metadata.clone(),
        },
    };
    Ok(Opened { take: Take::begin(config, parts)?, place, length, cost })
}

/// Creates the first of the template's files that does not exist.
fn create_file(
    names: &mut Names,
    config: &RecorderConfig,
    start: &SinkStart,
    is_first: bool,
) -> Result<(FileStorage, PathBuf), SinkError> {
    let template = &names.template;
    // Where the time tells them apart, numbers begin anew with each.
    let from = if template.is_dated() { 1 } else { names.latest };
    let nth = if is_first { Nth::First } else { Nth::Later { from } };
    let mut taken = None;
    for (n, path) in template.candidates(&start.name, start.unix_ns, nth)? {
        if config.sidecar == Sidecar::Written {
            let sidecar = SidecarFile::beside(&path);
            if let Some(path) = sidecar.taken() {
                taken = Some(path.to_owned());
                continue;
            }
        }
        match create_with_directories(&path, config.sync) {
            Ok(storage) => {
                names.latest = n;
                return Ok((storage, path));
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => taken = Some(path),
            Err(cause) => return Err(SinkError::File { path, cause }),
        }
    }
    let message = if template.is_fixed() {
        "exists and is not overwritten; {time} or {index} in the path makes names that are free"
    } else {
        "exists, and so does every other name that the path stands for"
    };
    Err(SinkError::File {
        path: taken.unwrap_or_else(|| config.path_template.clone()),
        cause: io::Error::new(io::ErrorKind::AlreadyExists, message),
    })
}

fn create_with_directories(path: &Path, sync: SyncRhythm) -> io::Result<FileStorage> {
    match (FileStorage::create_new(path), path.parent()) {
        (Err(e), Some(parent)) if e.kind() == io::ErrorKind::NotFound => {
            create_directories(parent, if sync == SyncRhythm::Never { Lasting::No } else { Lasting::Yes })?;
            FileStorage::create_new(path)
        }
        (created, _) => created,
    }
}
