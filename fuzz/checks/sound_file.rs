//! What must hold of any bytes that are opened as a sound file: frames as announced, the same however they are read, no
//! NaN that is not in the file, and an end. Says nothing about how it sounds.

use std::io::Write;
use std::path::{Path, PathBuf};

use ra_core::{PulledSource, Source, StreamEvent, StreamSpec};
use ra_sources::{AtEnd, FileConfig, FileSource};

/// Samples after which a case is long enough.
const MOST_SAMPLES: u64 = 1 << 21;
/// The most samples that are played again, in other pieces.
const MOST_AGAIN: u64 = 1 << 18;
/// Samples of a read.
const BLOCK_SAMPLES: usize = 4096;

/// What a file came to.
#[derive(Debug, PartialEq)]
pub(crate) enum Played {
    /// It was not opened.
    Refused,
    /// It ended in an error.
    Failed,
    /// It was played to its end, or long enough.
    Whole,
}

/// Opens `bytes` as a sound file, plays it, and checks what comes of it.
///
/// # Panics
/// Where something does not hold.
pub(crate) fn check(bytes: &[u8]) -> Played {
    let file = write(bytes);
    let path = file.path().to_path_buf();
    let mut source = match FileSource::open(FileConfig::new(&path)) {
        Ok(source) => source,
        Err(error) => {
            check_words(&error.to_string());
            return Played::Refused;
        }
    };
    let may_hold_nan = holds_floats(bytes);
    let said_frames = source.remaining_frames();
    let mut first = Heard::default();
    let end = play(&mut source, BLOCK_SAMPLES, MOST_SAMPLES, bytes.len(), &mut |spec, samples| {
        assert!(may_hold_nan || samples.iter().all(|x| x.is_finite()), "a sample that is no number, from {path:?}");
        first.hear(spec, samples);
    });
    source.notes().iter().for_each(|note| check_words(note));
    if matches!(end, End::LongEnough) {
        return Played::Whole;
    }
    if let Some(said) = said_frames
        && first.n_frames > said
    {
        let told = source.notes().iter().any(|note| note.contains("behind the end that the header states"));
        assert!(told, "{} frames, {said} were announced, {:?}", first.n_frames, source.notes());
    }
    if matches!(end, End::Error) {
        return Played::Failed;
    }
    assert!(first.n_frames > 0 || said_frames == Some(0), "an end, and nothing before it");
    if first.n_frames > 0 && first.n_samples <= MOST_AGAIN && first.n_formats == 1 {
        check_loop(&path, &first, bytes);
    }
    Played::Whole
}

/// Plays the file twice over in pieces of another size: both times it must be what it was, sample for sample.
fn check_loop(path: &Path, first: &Heard, bytes: &[u8]) {
    let config = FileConfig { at_end: AtEnd::Loop, ..FileConfig::new(path) };
    let mut source = FileSource::open(config).unwrap_or_else(|e| panic!("it plays, and does not loop: {e}"));
    let channels = source.spec().channels.get();
    let block_samples = channels * (1 + bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 777);
    let mut rounds = [Heard::default(), Heard::default()];
    let end = play(&mut source, block_samples, 2 * first.n_samples, bytes.len(), &mut |spec, mut samples| {
        for round in &mut rounds {
            let n = samples.len().min((first.n_samples - round.n_samples) as usize);
            round.hear(spec, &samples[..n]);
            samples = &samples[n..];
        }
    });
    assert!(matches!(end, End::LongEnough), "a loop that ends");
    for round in rounds {
        assert_eq!((round.n_samples, round.hash), (first.n_samples, first.hash), "it sounds otherwise in a loop");
    }
}

enum End {
    /// The source said so.
    Said,
    Error,
    LongEnough,
}

/// Reads `source` to its end, to an error, or until `most_samples` have come.
fn play(
    source: &mut FileSource,
    block_samples: usize,
    most_samples: u64,
    n_bytes: usize,
    hear: &mut dyn FnMut(StreamSpec, &[f32]),
) -> End {
    let mut out = vec![0.0; block_samples.max(source.spec().channels.get())];
    let mut n_samples = 0;
    let mut n_changes = 0;
    while n_samples < most_samples {
        let spec = source.spec();
        match source.read(&mut out) {
            Ok(StreamEvent::Frames { n_frames }) => {
                assert!(n_frames >= 1, "a read of nothing");
                let samples = &out[..spec.samples(n_frames)];
                hear(spec, samples);
                n_samples += samples.len() as u64;
            }
            Ok(StreamEvent::FormatChanged { spec: changed }) => {
                assert_eq!(source.spec(), changed);
                out.resize(block_samples.max(changed.channels.get()), 0.0);
                n_changes += 1;
                assert!(n_changes <= n_bytes, "more formats than bytes");
            }
            Ok(StreamEvent::EndOfStream) => {
                assert!(matches!(source.read(&mut out), Ok(StreamEvent::EndOfStream)), "an end that is none");
                return End::Said;
            }
            Ok(event) => panic!("{event:?} from a file"),
            Err(error) => {
                check_words(&error.to_string());
                assert!(source.read(&mut out).is_err(), "it failed, and goes on: {error}");
                return End::Error;
            }
        }
    }
    End::LongEnough
}

/// What was heard, in so few words that length costs nothing.
struct Heard {
    n_frames: u64,
    n_samples: u64,
    n_formats: u64,
    spec: Option<StreamSpec>,
    /// FNV-1a over the bits of the samples.
    hash: u64,
}

impl Default for Heard {
    fn default() -> Self {
        Self { n_frames: 0, n_samples: 0, n_formats: 0, spec: None, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Heard {
    fn hear(&mut self, spec: StreamSpec, samples: &[f32]) {
        if self.spec != Some(spec) {
            self.spec = Some(spec);
            self.n_formats += 1;
        }
        self.n_frames += spec.frames(samples.len()) as u64;
        self.n_samples += samples.len() as u64;
        for sample in samples {
            // A NaN is a NaN, whatever its bits became in a register.
            let bits = if sample.is_nan() { f32::NAN.to_bits() } else { sample.to_bits() };
            self.hash = (self.hash ^ u64::from(bits)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Whether the file may keep its samples as floats, and so NaN among them.
fn holds_floats(bytes: &[u8]) -> bool {
    let is_float_fmt = |chunk: &[u8]| {
        chunk.starts_with(b"fmt ")
            && (chunk[8..10] == [3, 0] || (chunk[8..10] == [0xfe, 0xff] && chunk[32..34] == [3, 0]))
    };
    let names = [&b"fl32"[..], b"FL32", b"fl64", b"FL64", b"fpcm", b"lpcm"];
    bytes.windows(34).any(is_float_fmt) || bytes.windows(4).any(|word| names.contains(&word))
}

/// Words for people: some, and none that move a terminal's cursor.
fn check_words(words: &str) {
    assert!(!words.is_empty() && !words.chars().any(char::is_control), "{words:?}");
}

/// A file in memory where the system has such a place.
fn write(bytes: &[u8]) -> tempfile::NamedTempFile {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let file = tempfile::NamedTempFile::new_in(&dir).and_then(|mut file| file.write_all(bytes).map(|()| file));
    file.unwrap_or_else(|e| panic!("no file in {}: {e}", dir.display()))
}
