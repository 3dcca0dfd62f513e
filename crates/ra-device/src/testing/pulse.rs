//! A PulseAudio server of one's own, with null sinks.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, is_installed, signal};

/// A sink of the server: what is played on it is heard on the source `NAME.monitor`.
#[derive(Clone, Copy, Debug)]
pub struct NullSink {
    /// Its name, for `--device=NAME` and as `pulseaudio:NAME`.
    pub name: &'static str,
    /// Its rate in hertz. At 50,000 its clock is exact; at 48,000 it runs up to 94 ppm fast, since it adds up whole
    /// microseconds.
    pub rate_hz: u32,
    /// Its channel count.
    pub channels: u16,
}

impl NullSink {
    fn module(&self) -> [String; 5] {
        let Self { name, rate_hz, channels } = self;
        [
            "module-null-sink".to_owned(),
            format!("sink_name={name}"),
            format!("rate={rate_hz}"),
            format!("channels={channels}"),
            // Without it a null sink delivers two seconds at a time.
            "norewinds=1".to_owned(),
        ]
    }
}

/// A server that runs until this is dropped; and for 30 s without clients at most, should the test be killed.
pub struct PulseServer {
    server: Child,
    folder: PathBuf,
    sinks: Vec<NullSink>,
    /// How many seconds its clock counts in one.
    speed: f64,
}

const CHILD_FOLDER: &str = "RA_TEST_PULSE_FOLDER";

/// Runs `body` in a process of its own whose `PULSE_SERVER` is a fresh server with `sinks`.
///
/// Call it first thing in a test, and with the test's own path as `test`: the test binary is started again for this one
/// test, since the environment of a process with threads can't be changed safely. Where there is no `pulseaudio`, the
/// test fails if the environment says `CI=true`, and else says that it was skipped.
///
/// # Panics
/// Where the server does not start or the test fails.
pub fn with_pulse_server(test: &str, sinks: &[NullSink], body: impl FnOnce(&mut PulseServer)) {
    if let Some(folder) = env::var_os(CHILD_FOLDER) {
        body(&mut PulseServer::start(Path::new(&folder), sinks, 0.0));
        return;
    }
    if ["pulseaudio", "pactl", "pacat", "paplay"].iter().any(|tool| !is_installed(tool)) {
        assert!(env::var("CI").as_deref() != Ok("true"), "{test} needs pulseaudio and pulseaudio-utils");
        println!("skipped: {test}: pulseaudio or pulseaudio-utils is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap_or_else(|e| panic!("no folder for the server: {e}"));
    let this = env::current_exe().unwrap_or_else(|e| panic!("no path of this test: {e}"));
    let status = Command::new(this)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_FOLDER, folder.path())
        .env("PULSE_SERVER", address(folder.path()))
        // ALSA's own "default" would otherwise reach for whatever server there is.
        .env_remove("ALSA_CONFIG_PATH")
        .status()
        .unwrap_or_else(|e| panic!("{test} could not be started again: {e}"));
    assert!(status.success(), "{test} failed in its own process: {status}");
}

/// What `PULSE_SERVER` has to be for the server of a folder.
pub(super) fn address(folder: &Path) -> String {
    format!("unix:{}/native", folder.display())
}

impl PulseServer {
    /// Starts a server whose socket is in `folder`, and whose clock runs fast by `skew_ppm` (by libfaketime, unless that
    /// is 0).
    ///
    /// # Panics
    /// Where it does not come up.
    pub(super) fn start(folder: &Path, sinks: &[NullSink], skew_ppm: f64) -> Self {
        let speed = 1.0 + skew_ppm * 1e-6;
        let server = Self::spawn(folder, sinks, speed);
        let mut this = Self { server, folder: folder.to_owned(), sinks: sinks.to_vec(), speed };
        this.wait_until_up();
        this
    }

    fn spawn(folder: &Path, sinks: &[NullSink], speed: f64) -> Child {
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=30", "--disable-shm=yes"])
            .arg(format!("--log-target=file:{}", folder.join("log").display()))
            .args(["-L", &format!("module-native-protocol-unix auth-anonymous=1 socket={}/native", folder.display())])
            .env("HOME", folder)
            .env("XDG_RUNTIME_DIR", folder)
            .env_remove("PULSE_SERVER")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if speed != 1.0 {
            let library = faketime_library().unwrap_or_else(|| panic!("there is no libfaketimeMT.so.1"));
            command.env("FAKETIME", format!("+0 x{speed:.7}")).env("LD_PRELOAD", library);
        }
        for sink in sinks {
            command.args(["-L", &sink.module().join(" ")]);
        }
        command.spawn().unwrap_or_else(|e| panic!("pulseaudio did not start: {e}"))
    }

    fn wait_until_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.control(&["info"]) {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(!matches!(self.server.try_wait(), Ok(Some(_))), "pulseaudio ended at once: {log}");
            assert!(Instant::now() < deadline, "pulseaudio did not come up: {log}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What `PULSE_SERVER` has to be for programs that are to find it.
    pub fn address(&self) -> String {
        address(&self.folder)
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        // Both fail only where it has ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(self.folder.join("native"));
    }

    /// Starts a killed server again, at the same address and with the same sinks.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        self.server = Self::spawn(&self.folder, &self.sinks, self.speed);
        self.wait_until_up();
    }

    /// Stops its process: it neither answers nor captures until [`PulseServer::go_on`].
    ///
    /// # Panics
    /// Where it does not run.
    pub fn stop(&self) {
        signal::send("STOP", self.server.id());
    }

    /// Lets a stopped one run again.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn go_on(&self) {
        signal::send("CONT", self.server.id());
    }

    /// Takes a sink away, and its source with it, as if the device were unplugged.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn unplug(&self, name: &str) {
        let modules = self.ask(&["list", "short", "modules"]);
        let needle = format!("sink_name={name} ");
        let line = modules.lines().find(|line| format!("{line} ").contains(&needle));
        let index = line.and_then(|line| line.split_whitespace().next());
        let index = index.unwrap_or_else(|| panic!("no sink {name} among {modules}"));
        assert!(self.control(&["unload-module", index]), "pactl unload-module {index}");
    }

    /// Brings a sink, as if a device were plugged in.
    ///
    /// # Panics
    /// Where the server refuses.
    pub fn plug(&self, sink: NullSink) {
        let module = sink.module();
        let words: Vec<&str> = std::iter::once("load-module").chain(module.iter().map(String::as_str)).collect();
        assert!(self.control(&words), "pactl {words:?}");
    }

    /// Moves every stream that records to another source, as a person may do in a mixer.
    ///
    /// # Panics
    /// Where the server refuses.
    pub fn move_recorders_to(&self, source: &str) {
        for line in self.ask(&["list", "short", "source-outputs"]).lines() {
            let Some(index) = line.split_whitespace().next() else { continue };
            assert!(self.control(&["move-source-output", index, source]), "pactl move-source-output {index} {source}");
        }
    }

    /// Tells the server something with `pactl`; returns whether it obeyed.
    pub fn control(&self, arguments: &[&str]) -> bool {
        let status = self.pactl(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    /// What `pactl` prints.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.pactl(arguments).output().unwrap_or_else(|e| panic!("pactl did not start: {e}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn pactl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("pactl");
        command.args(arguments).env("PULSE_SERVER", self.address());
        command
    }

    /// A folder of the test's own, removed after it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A `paplay` that plays a sound file on a sink.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn play_file(&self, sink: &str, path: &Path) -> Child {
        Command::new("paplay")
            .arg(format!("--device={sink}"))
            .arg(path)
            .env("PULSE_SERVER", self.address())
            .spawn()
            .unwrap_or_else(|e| panic!("paplay did not start: {e}"))
    }

    /// A `pacat` of this server that plays what comes on its standard input, or records to its standard output.
    ///
    /// The samples are `f32`, little endian, interleaved.
    ///
    /// # Panics
    /// Where it can't be started.
    pub fn pacat(&self, mode: Pacat, device: &str, rate_hz: u32, channels: u16) -> Child {
        let (flag, stdin, stdout) = match mode {
            Pacat::Play => ("--playback", Stdio::piped(), Stdio::null()),
            Pacat::Record => ("--record", Stdio::null(), Stdio::piped()),
        };
        Command::new("pacat")
            .args([flag, "--raw", "--format=float32le", "--latency-msec=50"])
            .arg(format!("--device={device}"))
            .arg(format!("--rate={rate_hz}"))
            .arg(format!("--channels={channels}"))
            .env("PULSE_SERVER", self.address())
            .stdin(stdin)
            .stdout(stdout)
            .spawn()
            .unwrap_or_else(|e| panic!("pacat did not start: {e}"))
    }
}

/// What `pacat` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacat {
    /// Plays its standard input.
    Play,
    /// Records to its standard output.
    Record,
}

impl Drop for PulseServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where the library that skews clocks is: in a folder by the machine's architecture on Debian, else where it installs
/// itself.
pub(super) fn faketime_library() -> Option<PathBuf> {
    let name = "faketime/libfaketimeMT.so.1";
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let all = folders.chain(["/usr/lib".into(), "/usr/local/lib".into()]);
    all.map(|folder| folder.join(name)).find(|path| path.is_file())
}
