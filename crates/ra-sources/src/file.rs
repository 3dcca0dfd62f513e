//! Sound from files, as fast as it is asked for. Resamples nothing, paces nothing, and changes no sample but by its scale.

mod codec;
mod decoded;
mod gapless;
mod mp4_edit;
mod ogg_tail;
mod pcm;
mod riff_info;
mod tags;
mod trim;
mod watched_file;
mod wav;
mod wav_format;
mod wav_header;

use std::path::{Path, PathBuf};

use ra_core::{Metadata, PulledSource, Source, SourceError, StreamEvent, StreamSpec};

use decoded::{Decoded, DecodedReader};
use watched_file::WatchedFile;
use wav::WavReader;
use wav_header::{WavFault, WavHeader};

/// What happens behind the last frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtEnd {
    /// The source ends.
    #[default]
    Stop,
    /// The first frame follows the last one, without a seam and without an end.
    Loop,
}

/// Settings of a file source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// The file.
    pub path: PathBuf,
    /// What happens at its end. Default: it stops.
    pub at_end: AtEnd,
}

impl FileConfig {
    /// The file at `path`, played once.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), at_end: AtEnd::Stop }
    }
}

/// A sound file, in its own rate and channels.
///
/// WAV (RIFF, RF64, BW64; integers of 8 to 32 bits, floats of 32 and 64) is read by ra itself; FLAC, MP3, Ogg (Vorbis,
/// FLAC), AAC and ALAC (M4A, ADTS), AIFF, CAF and WAV in other codings by symphonia. Lossy files play gapless: the
/// encoder's run-in and padding are left out where the file says what they are. Opus is refused by name.
///
/// As a [`PulledSource`] it gives frames as fast as they are asked for; a [`PacedSource`](crate::PacedSource) around it
/// plays it at its rate, on absolute deadlines.
///
/// # Damaged files
/// What is there is played, and [`notes`](Self::notes) says what was odd (each note is also logged as a warning): a WAV
/// whose header claims more than the file holds, or leaves the size open (0xFFFFFFFF), or claims 0 and is followed by
/// something that is no chunk, is played to the end of the file; one that claims less is played as far as it claims
/// (except where a size ran over at 4 GiB); a broken last frame is left out; a packet that can't be decoded becomes
/// silence of its length. A file that shrinks while it plays is an error, behind the frames that were still there.
///
/// Samples are passed on as they are: NaN and infinity in a float file too. The mixer counts and silences them.
///
/// # Examples
/// ```
/// use ra_core::{PulledSource, StreamEvent};
/// use ra_sources::{FileConfig, FileSource};
/// # let dir = std::env::temp_dir().join(format!("ra-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let path = dir.join("two.wav");
/// # std::fs::write(&path, b"RIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data\x04\0\0\0\0\0\0\x40")?;
/// let mut file = FileSource::open(FileConfig::new(&path))?;
/// let mut out = [0.0; 256];
/// assert_eq!(file.read(&mut out)?, StreamEvent::Frames { n_frames: 2 });
/// assert_eq!(out[..2], [0.0, 0.5]);
/// assert_eq!(file.read(&mut out)?, StreamEvent::EndOfStream);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileSource {
    config: FileConfig,
    reader: Reader,
    notes: Vec<String>,
    /// Frames since the file was last begun: none by its end means that looping would never give any.
    frames_this_time: u64,
    /// Why it can't go on; said again by every later read.
    failed: Option<String>,
    /// A fault that came behind frames of the same read.
    deferred: Option<SourceError>,
}

enum Reader {
    Wav(Box<WavReader>),
    Decoded(Box<DecodedReader>),
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("config", &self.config).field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl FileSource {
    /// Opens a file and reads its header, and of a coded file the first packet.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O.
    ///
    /// # Errors
    /// [`SourceError::File`] where it is missing, unreadable, empty, or no regular file; [`SourceError::Format`] where it
    /// is no sound file, is damaged beyond use, or has no frame and is to be looped; [`SourceError::Spec`] for a rate or a
    /// channel count out of range.
    pub fn open(config: FileConfig) -> Result<Self, SourceError> {
        let io = |cause| SourceError::File { path: config.path.clone(), cause };
        let file = WatchedFile::open(&config.path).map_err(io)?;
        let header = file.look(|f| Ok(wav_header::read_header(f, file.len()))).map_err(io)?;
        let header = header.map_err(|fault| match fault {
            WavFault::Io(cause) => io(cause),
            WavFault::Spec(cause) => SourceError::Spec { what: config.path.display().to_string(), cause },
            WavFault::Damaged(message) => SourceError::Format { path: config.path.clone(), message },
        })?;
        let mut notes = Vec::new();
        let reader = match header {
            WavHeader::Linear(layout) => {
                let file = file.into_file().map_err(io)?;
                let mut reader = WavReader::new(&config.path, file, layout)?;
                notes = reader.take_notes();
                Reader::Wav(Box::new(reader))
            }
            WavHeader::Other => Reader::Decoded(Box::new(DecodedReader::open(&config.path, file)?)),
        };
        for note in &notes {
            log::warn!("{}: {note}", config.path.display());
        }
        let source = Self { config, reader, notes, frames_this_time: 0, failed: None, deferred: None };
        if source.config.at_end == AtEnd::Loop && source.reader.is_empty() {
            return Err(source.no_frames());
        }
        Ok(source)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.config.path
    }

    /// What the file says that its sound is called: title, artist, album, comment, from ID3, Vorbis comments, MP4 or RIFF
    /// tags. Empty where it says nothing.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates, does I/O (opens the file anew).
    pub fn metadata(&self) -> Metadata {
        tags::read_tags(&self.config.path)
    }

    /// What was odd about the file so far, one sentence each, for people. Grows while it plays; not with its length.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn no_frames(&self) -> SourceError {
        let message = "no frames in it, expected at least one to loop".to_owned();
        SourceError::Format { path: self.config.path.clone(), message }
    }

    /// Takes over what the decoder has found, once it is complete.
    fn take_remarks(&mut self) {
        if let Reader::Decoded(reader) = &self.reader {
            for remark in reader.remarks() {
                if !self.notes.contains(&remark) {
                    log::warn!("{}: {remark}", self.config.path.display());
                    // A count that has grown replaces the smaller one: loops must not make this grow.
                    let words = |s: &str| s.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
                    self.notes.retain(|note| words(note) != words(&remark));
                    self.notes.push(remark);
                }
            }
        }
    }

    /// One step: some frames, or an event.
    fn step(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        let read = match &mut self.reader {
            Reader::Wav(reader) => reader.read(out).map(Decoded::Frames),
            Reader::Decoded(reader) => reader.read(out),
        };
        let n_frames = match read {
            Ok(Decoded::Frames(n_frames)) => n_frames,
            Ok(Decoded::FormatChanged(spec)) => return Ok(StreamEvent::FormatChanged { spec }),
            Ok(Decoded::End) => 0,
            Err(error) => {
                // What was odd before the fault is told all the same.
                self.take_remarks();
                return Err(error);
            }
        };
        if n_frames > 0 {
            self.frames_this_time += n_frames as u64;
            return Ok(StreamEvent::Frames { n_frames });
        }
        self.take_remarks();
        match self.config.at_end {
            AtEnd::Stop => Ok(StreamEvent::EndOfStream),
            AtEnd::Loop if self.frames_this_time == 0 => Err(self.no_frames()),
            AtEnd::Loop => {
                self.frames_this_time = 0;
                match &mut self.reader {
                    Reader::Wav(reader) => reader.rewind()?,
                    Reader::Decoded(reader) => reader.rewind()?,
                }
                Ok(StreamEvent::Frames { n_frames: 0 })
            }
        }
    }
}

impl Reader {
    /// Whether there is no frame for certain: not because a coded file says so of itself.
    fn is_empty(&self) -> bool {
        match self {
            Reader::Wav(reader) => reader.remaining_frames() == 0,
            Reader::Decoded(reader) => reader.is_over(),
        }
    }

    fn remaining_frames(&self) -> Option<u64> {
        match self {
            Reader::Wav(reader) => Some(reader.remaining_frames()),
            Reader::Decoded(reader) => reader.remaining_frames(),
        }
    }
}

impl Source for FileSource {
    fn spec(&self) -> StreamSpec {
        match &self.reader {
            Reader::Wav(reader) => reader.spec(),
            Reader::Decoded(reader) => reader.spec(),
        }
    }

    fn describe(&self) -> String {
        format!("file {}", self.config.path.display())
    }
}

impl PulledSource for FileSource {
    /// As the trait says. A loop's last frame is followed by its first one within the same call. Coded files are read
    /// packet by packet until `out` is full. An `out` with room for no frame is answered with 0 frames.
    fn read(&mut self, out: &mut [f32]) -> Result<StreamEvent, SourceError> {
        if let Some(error) = self.deferred.take() {
            self.failed = Some(error.to_string());
            return Err(error);
        }
        if let Some(message) = &self.failed {
            let message = format!("it failed before: {message}");
            return Err(SourceError::Format { path: self.config.path.clone(), message });
        }
        let channels = self.spec().channels.get();
        let whole = out.len() / channels * channels;
        let mut filled = 0;
        while filled < whole {
            match self.step(&mut out[filled..whole]) {
                Ok(StreamEvent::Frames { n_frames }) => filled += n_frames * channels,
                // What comes behind frames is said by the next call, which finds it again.
                Ok(StreamEvent::EndOfStream) if filled > 0 => break,
                Ok(StreamEvent::FormatChanged { .. }) if filled > 0 => break,
                Ok(StreamEvent::EndOfStream) if matches!(&self.reader, Reader::Decoded(reader) if reader.gave_nothing()) =>
                {
                    let message = "no frame of sound could be decoded from it".to_owned();
                    self.failed = Some(message.clone());
                    return Err(SourceError::Format { path: self.config.path.clone(), message });
                }
                Ok(event) => {
                    if let (StreamEvent::FormatChanged { spec }, Reader::Decoded(reader)) = (&event, &mut self.reader) {
                        reader.accept(*spec);
                    }
                    return Ok(event);
                }
                Err(error) if filled > 0 => {
                    self.deferred = Some(error);
                    break;
                }
                Err(error) => {
                    self.failed = Some(error.to_string());
                    return Err(error);
                }
            }
        }
        Ok(StreamEvent::Frames { n_frames: filled / channels })
    }

    /// Exact for WAV. For coded files what the file states, where that can be believed: `None` for MP3 without an
    /// encoder's tag, for ADTS, for chained Ogg; `None` for loops.
    fn remaining_frames(&self) -> Option<u64> {
        match self.config.at_end {
            AtEnd::Stop => self.reader.remaining_frames(),
            AtEnd::Loop => None,
        }
    }
}
