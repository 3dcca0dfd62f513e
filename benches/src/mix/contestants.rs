//! Who mixes: `ra mix`, and the peers that are installed, each by the command line that suits it best.
//!
//! Everybody gets the same files in the same order and writes 32-bit float WAV at unity gain. Nobody's output is used
//! before it was checked.

use std::{
    ffi::OsString,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde::Serialize;

/// What a contestant is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// `ra` itself.
    Ours,
    /// Another program, as its manual says to use it.
    Peer,
    /// The same program with its buffers tuned for this job, where that makes it faster.
    PeerTuned,
    /// Not a mixer: reads every byte once and drops it. Nobody who reads can cost less.
    Floor,
}

/// A command that mixes the files of a folder into one file there.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// Its name in the report.
    pub name: &'static str,
    /// What it is to the comparison.
    pub role: Role,
    /// What its program says of itself.
    pub version: String,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Contestant {
    /// Its output's name within the folder; `None` for the floor, which writes nothing.
    pub fn output(&self) -> Option<String> {
        (self.role != Role::Floor).then(|| format!("out-{}.wav", self.name.replace(' ', "-")))
    }

    /// The command, to be run in the folder of the files. Silent, but for errors.
    pub fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(dir).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Its command line for the report, from the first input to the last one shortened.
    pub fn command_line(&self) -> String {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut words = vec![program];
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy().into_owned()));
        let is_input = |word: &String| word.contains("in-");
        if let (Some(first), Some(last)) = (words.iter().position(is_input), words.iter().rposition(is_input))
            && first < last
        {
            words.splice(first + 1..=last, ["…".to_owned()]);
        }
        words.join(" ")
    }

    /// `ra mix`.
    pub fn ours(ra: PathBuf, inputs: &[PathBuf]) -> Self {
        let version = version_of(&ra, "--version").unwrap_or_default();
        let mut contestant = Self { name: "ra mix", role: Role::Ours, version, program: ra, args: Vec::new() };
        contestant.push(["mix"]);
        contestant.args.extend(inputs.iter().map(OsString::from));
        contestant.push_output("-o");
        contestant
    }

    /// Reads the files with 256 KiB a call, by this very program: `program` must call [`read_whole`] for
    /// `--read-only FILE...`.
    pub fn floor(program: PathBuf, inputs: &[PathBuf]) -> Self {
        let mut args = vec![OsString::from("--read-only")];
        args.extend(inputs.iter().map(OsString::from));
        Self { name: "read only", role: Role::Floor, version: String::new(), program, args }
    }

    /// The peers that are installed, and the names of those that are not.
    pub fn peers(inputs: &[PathBuf]) -> (Vec<Self>, Vec<&'static str>) {
        let peers = [ffmpeg(inputs, None), ffmpeg(inputs, Some(1 << 18)), sox(inputs), gstreamer(inputs)];
        let (mut present, mut absent) = (Vec::new(), Vec::new());
        for mut peer in peers {
            let option = if peer.program == Path::new("ffmpeg") { "-version" } else { "--version" };
            match version_of(&peer.program, option) {
                Some(version) => {
                    peer.version = version;
                    present.push(peer);
                }
                None => absent.push(peer.name),
            }
        }
        (present, absent)
    }

    fn peer(name: &'static str, role: Role, program: &str) -> Self {
        Self { name, role, version: String::new(), program: program.into(), args: Vec::new() }
    }

    fn push<const N: usize>(&mut self, words: [&str; N]) {
        self.args.extend(words.map(OsString::from));
    }

    fn push_output(&mut self, option: &str) {
        let output = self.output().unwrap_or_default();
        self.push([option, &output]);
    }
}

/// ffmpeg's `amix` without its automatic scaling. Its WAV reader takes 4 KiB at a time unless told otherwise: with
/// `packet_bytes` of 256 KiB it costs a quarter, so that is measured too.
fn ffmpeg(inputs: &[PathBuf], packet_bytes: Option<u32>) -> Contestant {
    let mut it = match packet_bytes {
        None => Contestant::peer("ffmpeg amix", Role::Peer, "ffmpeg"),
        Some(_) => Contestant::peer("ffmpeg amix tuned", Role::PeerTuned, "ffmpeg"),
    };
    it.push(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    for input in inputs {
        if let Some(bytes) = packet_bytes {
            it.push(["-max_size", &bytes.to_string()]);
        }
        it.push(["-i", &input.to_string_lossy()]);
    }
    let filter = format!("amix=inputs={}:normalize=0:dropout_transition=0", inputs.len());
    it.push(["-filter_complex", &filter]);
    it.push(["-c:a"]);
    it.push_output("pcm_f32le");
    it
}

/// `sox -m`, told not to divide by the number of inputs. Larger buffers and threads were tried: no gain.
fn sox(inputs: &[PathBuf]) -> Contestant {
    let mut it = Contestant::peer("sox -m", Role::Peer, "sox");
    it.push(["-m"]);
    for input in inputs {
        it.push(["-v", "1", &input.to_string_lossy()]);
    }
    it.push(["-e", "float", "-b"]);
    it.push_output("32");
    it
}

/// GStreamer's `audiomixer`, with blocks of 256 KiB from the files and 100 ms from the mixer: the best of what was
/// tried, by a few percent. More buffers and queues (a thread per file) cost more.
fn gstreamer(inputs: &[PathBuf]) -> Contestant {
    let mut it = Contestant::peer("gst audiomixer", Role::Peer, "gst-launch-1.0");
    it.push(["-q", "audiomixer", "name=m", "output-buffer-duration=100000000", "!"]);
    it.push(["audio/x-raw,format=F32LE,channels=2,rate=48000", "!", "wavenc", "!", "filesink"]);
    let output = format!("location={}", it.output().unwrap_or_default());
    it.push([output.as_str()]);
    for input in inputs {
        let location = format!("location={}", input.display());
        it.push(["filesrc", &location, "blocksize=262144", "!", "wavparse", "!", "m."]);
    }
    it
}

/// The first line that a program says of its version; `None` where it is not installed.
fn version_of(program: &Path, option: &str) -> Option<String> {
    let output = Command::new(program).arg(option).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The command line that makes a program that calls [`read_whole`] the floor, as its files; `None` for any other.
pub fn read_only(mut args: impl Iterator<Item = OsString>) -> Option<Vec<PathBuf>> {
    (args.next()? == "--read-only").then(|| args.map(PathBuf::from).collect())
}

/// Reads every byte of the files once.
///
/// # Errors
/// A file cannot be read.
pub fn read_whole(files: &[PathBuf]) -> Result<()> {
    let mut buffer = vec![0; 1 << 18];
    for path in files {
        let context = || format!("cannot read {}", path.display());
        let mut file = File::open(path).with_context(context)?;
        while file.read(&mut buffer).with_context(context)? > 0 {
            std::hint::black_box(&buffer);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Vec<PathBuf> {
        (1..=3).map(|n| PathBuf::from(format!("in-0{n}.wav"))).collect()
    }

    #[test]
    fn every_contestant_takes_every_input_and_has_an_output_of_its_own() {
        let contestants =
            [ffmpeg(&inputs(), None), ffmpeg(&inputs(), Some(4096)), sox(&inputs()), gstreamer(&inputs())];
        let mut outputs: Vec<_> = contestants.iter().filter_map(Contestant::output).collect();
        for contestant in &contestants {
            let args: Vec<_> = contestant.args.iter().map(|arg| arg.to_string_lossy()).collect();
            let n_inputs = args.iter().filter(|arg| arg.contains("in-0")).count();
            assert_eq!(n_inputs, 3, "{}", contestant.name);
            let output = contestant.output().unwrap();
            assert!(args.iter().any(|arg| arg.contains(&output)), "{}", contestant.name);
        }
        outputs.sort();
        outputs.dedup();
        assert_eq!(outputs.len(), contestants.len());
    }

    #[test]
    fn the_command_line_shows_one_input_of_many() {
        assert_eq!(sox(&inputs()).command_line(), "sox -m -v 1 in-01.wav … -e float -b 32 out-sox--m.wav");
        assert_eq!(sox(&inputs()[..1]).command_line(), "sox -m -v 1 in-01.wav -e float -b 32 out-sox--m.wav");
    }

    #[test]
    fn only_the_floors_own_option_makes_the_floor() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>().into_iter();
        assert_eq!(read_only(args(&["--read-only", "a"])), Some(vec![PathBuf::from("a")]));
        assert_eq!(read_only(args(&["--quick"])), None);
        assert_eq!(read_only(args(&[])), None);
        assert!(read_whole(&[PathBuf::from("/nowhere/at/all.wav")]).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version_of(Path::new("no-such-program-here"), "--version"), None);
    }
}
