//! The system packages: what each is for, how to see that it is there, and what goes on without it. Names are those of
//! Debian and Ubuntu; whether a thing is there is asked of the thing itself, on every distribution.

use std::{path::Path, process::Command, process::Stdio};

use super::Purpose;

/// A package that something here needs.
pub(crate) struct Package {
    /// Its name on Debian and Ubuntu.
    pub(crate) name: &'static str,
    /// The first purpose that needs it.
    pub(crate) purpose: Purpose,
    /// What there is when it is installed.
    evidence: Evidence,
    /// What cannot be done without it.
    pub(crate) without: &'static str,
    /// A program beside which it is not wanted: it would take that one's place.
    not_beside: Option<&'static str>,
}

enum Evidence {
    Program(&'static str),
    /// Known to pkg-config, headers and all.
    Library(&'static str),
    File(&'static str),
    /// A file in one of a folder's folders: `/usr/lib/*/name`.
    FileBelow(&'static str, &'static str),
}

const fn package(name: &'static str, purpose: Purpose, evidence: Evidence, without: &'static str) -> Package {
    Package { name, purpose, evidence, without, not_beside: None }
}

/// Everything, the most needed first.
pub(super) const PACKAGES: &[Package] = &[
    package("pkg-config", Purpose::Build, Evidence::Program("pkg-config"), "sound devices are left out of the build"),
    package("libasound2-dev", Purpose::Build, Evidence::Library("alsa"), "sound devices are left out of the build"),
    package("cmake", Purpose::Build, Evidence::Program("cmake"), "libopus is built by it: the default build fails"),
    package(
        "alsa-utils",
        Purpose::Demo,
        Evidence::File("/usr/share/sounds/alsa/Front_Center.wav"),
        "the demo plays made-up sound instead of speech",
    ),
    // Next to PipeWire's own PulseAudio server, installing the real one would take the desktop's sound away.
    Package {
        not_beside: Some("pipewire-pulse"),
        ..package(
            "pulseaudio",
            Purpose::Demo,
            Evidence::Program("pulseaudio"),
            "no sound device on a machine that has none of its own",
        )
    },
    package("pulseaudio-utils", Purpose::Demo, Evidence::Program("paplay"), "as pulseaudio"),
    package(
        "libasound2-plugins",
        Purpose::Test,
        Evidence::FileBelow("/usr/lib", "alsa-lib/libasound_module_pcm_pulse.so"),
        "tests of ALSA over PulseAudio fail",
    ),
    package("jackd2", Purpose::Test, Evidence::Program("jackd"), "tests with a JACK server are left out"),
    package("libjack-jackd2-dev", Purpose::Test, Evidence::Library("jack"), "as jackd2"),
    package(
        "faketime",
        Purpose::Test,
        Evidence::FileBelow("/usr/lib", "faketime/libfaketimeMT.so.1"),
        "servers whose clocks run fast are left out of tests and benches",
    ),
    package("sox", Purpose::Test, Evidence::Program("sox"), "tests that let sox judge our files fail"),
    package("ffmpeg", Purpose::Test, Evidence::Program("ffmpeg"), "tests that let ffmpeg judge our files fail"),
    package("icecast2", Purpose::Test, Evidence::Program("icecast2"), "tests of streams to a real Icecast server fail"),
    package(
        "strace",
        Purpose::Test,
        Evidence::Program("strace"),
        "the audio thread's system calls are not counted from outside",
    ),
    package("espeak-ng", Purpose::Test, Evidence::Program("espeak-ng"), "tests with real speech fail"),
    package(
        "python3-soundfile",
        Purpose::Test,
        Evidence::File("/usr/lib/python3/dist-packages/soundfile.py"),
        "tests that let libsndfile judge our files fail",
    ),
    package("sndfile-programs", Purpose::Test, Evidence::Program("sndfile-info"), "as python3-soundfile"),
];

impl Package {
    /// Whether this machine should have it at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.not_beside.is_none_or(|program| !has_program(program))
    }

    /// Whether what it brings is there, wherever that came from.
    pub(super) fn is_there(&self) -> bool {
        match self.evidence {
            Evidence::Program(name) => has_program(name),
            Evidence::Library(name) => has_library(name),
            Evidence::File(path) => Path::new(path).is_file(),
            Evidence::FileBelow(dir, rest) => has_file_below(Path::new(dir), rest),
        }
    }
}

/// Whether a program is on the path.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}

/// Whether pkg-config knows a library.
pub(crate) fn has_library(name: &str) -> bool {
    let mut command = Command::new("pkg-config");
    command.args(["--exists", name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn has_file_below(dir: &Path, rest: &str) -> bool {
    let mut folders = dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    dir.join(rest).is_file() || folders.any(|folder| folder.join(rest).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_looked_for_where_it_is() {
        assert!(has_program(if cfg!(windows) { "cmd.exe" } else { "sh" }));
        assert!(!has_program("no-such-program-here"));
        assert!(!has_library("no-such-library-here"));
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(has_file_below(dir, "src/command.rs"), "xtask/src/command.rs is below the root");
        assert!(has_file_below(dir, "Cargo.toml"));
        assert!(!has_file_below(dir, "no-such-file"));
        assert!(!has_file_below(Path::new("/no/such/folder"), "x"));
    }

    #[test]
    fn a_package_is_not_wanted_beside_what_it_would_replace() {
        let it = |not_beside| Package {
            not_beside,
            ..package("p", Purpose::Build, Evidence::Program("no-such-program-here"), "nothing works")
        };
        let present = if cfg!(windows) { "cmd.exe" } else { "sh" };
        assert!(it(None).is_wanted());
        assert!(it(Some("no-such-program-here")).is_wanted());
        assert!(!it(Some(present)).is_wanted());
        assert!(!it(None).is_there());
    }

    #[test]
    fn the_build_needs_little_and_every_name_is_there_once() {
        let build: Vec<&str> = PACKAGES.iter().filter(|p| p.purpose == Purpose::Build).map(|p| p.name).collect();
        assert_eq!(build, ["pkg-config", "libasound2-dev", "cmake"]);
        let mut names: Vec<&str> = PACKAGES.iter().map(|p| p.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PACKAGES.len());
    }
}
