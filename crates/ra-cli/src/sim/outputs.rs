//! Where a simulation's results go: files that appear whole, under their names, when all is done. An earlier report or
//! WAV is replaced; the scenario never is.

use std::path::{Path, PathBuf};

use ra_sim::Scenario;

use crate::Failure;
use crate::args::SimArgs;
use crate::stdout::print_result;

/// `--json`.
pub(super) enum JsonOutput {
    Stdout,
    /// Something that is written to and has no content of its own: a pipe, a device.
    Stream(PathBuf),
    File(PartFile),
}

/// `--wav`.
pub(super) struct WavOutput(PartFile);

/// A file that is written under another name until it is whole. Removed where it is not.
pub(super) struct PartFile {
    path: PathBuf,
    part: PathBuf,
}

impl JsonOutput {
    /// Checks where the report goes; creates nothing.
    pub(super) fn plan(path: &Path, scenario: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(JsonOutput::Stdout);
        }
        let is_stream = std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if is_stream {
            return Ok(JsonOutput::Stream(path.to_path_buf()));
        }
        let file = PartFile::plan(path, scenario, "json")?;
        if is_used(path) && !is_report(path) {
            return Err(refused(path, "exists, is no earlier report, and is not written over"));
        }
        Ok(JsonOutput::File(file))
    }

    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, JsonOutput::Stdout)
    }

    pub(super) fn write(self, document: &str) -> Result<(), Failure> {
        match self {
            JsonOutput::Stdout => print_result(document),
            JsonOutput::Stream(path) => std::fs::write(&path, document).map_err(|e| failed(&path, &e)),
            JsonOutput::File(file) => {
                std::fs::write(&file.part, document).map_err(|e| failed(&file.path, &e))?;
                file.complete()
            }
        }
    }
}

impl WavOutput {
    /// Checks where the samples go; creates nothing.
    pub(super) fn plan(path: &Path, scenario: &Path) -> Result<Self, Failure> {
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            return Err(refused(path, "expected a name that ends in .wav"));
        }
        let file = PartFile::plan(path, scenario, "wav")?;
        if is_used(path) && !is_wav(path) {
            return Err(refused(path, "exists, is no WAV file, and is not written over"));
        }
        Ok(Self(file))
    }

    /// The file to write.
    pub(super) fn writing_to(&self) -> &Path {
        &self.0.part
    }

    /// Gives the finished file its name, and says what it is.
    pub(super) fn complete(self, scenario: &Scenario) -> Result<String, Failure> {
        let n_channels: usize = scenario.sources.iter().map(|source| source.channels.get()).sum();
        let (n_frames, rate) = (scenario.n_frames(), scenario.sample_rate);
        let channels = if n_channels == 1 { "channel" } else { "channels" };
        let line = format!("{}: {n_frames} frames, {rate}, {n_channels} {channels}, f32\n", self.0.path.display());
        self.0.complete().map(|()| line)
    }
}

impl PartFile {
    fn plan(path: &Path, scenario: &Path, extension: &str) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else { return Err(refused(path, "is no file, expected the name of one")) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return Err(refused(path, &format!("there is no directory {}", parent.display())));
        }
        if path.symlink_metadata().is_ok() {
            if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
                return Err(refused(path, "is no plain file and can't be replaced"));
            }
            if path.canonicalize().is_ok_and(|real| scenario.canonicalize().is_ok_and(|other| real == other)) {
                return Err(refused(path, "is the scenario itself, expected another file"));
            }
        }
        let mut part_name = std::ffi::OsString::from(".");
        part_name.push(name);
        part_name.push(format!(".{}.part.{extension}", std::process::id()));
        Ok(Self { path: path.to_path_buf(), part: path.with_file_name(part_name) })
    }

    fn complete(self) -> Result<(), Failure> {
        std::fs::rename(&self.part, &self.path).map_err(|e| failed(&self.path, &e))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Behind `complete` there is none; before it, the failure that is told is the one that led here.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// Refuses one file for both outputs.
pub(super) fn refuse_the_same(args: &SimArgs) -> Result<(), Failure> {
    match (&args.json, &args.wav) {
        (Some(json), Some(wav)) if json == wav => {
            Err(refused(json, "is to hold both the report and the samples, expected two files"))
        }
        _ => Ok(()),
    }
}

fn is_used(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

fn is_report(path: &Path) -> bool {
    let json = std::fs::read(path).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    json.is_some_and(|json| json.get("schema").is_some() && json.get("pairs").is_some())
}

fn is_wav(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && (&magic == b"RIFF" || &magic == b"RF64")
}

fn refused(path: &Path, message: &str) -> Failure {
    Failure::Usage(format!("{}: {message}", path.display()))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Running(format!("{}: {error}", path.display()))
}
