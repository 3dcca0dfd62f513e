//! A PulseAudio server with null sinks, for tests: their monitors are the microphones. Knows nothing of streams.
//!
//! A null sink's clock adds whole microseconds per period: use 50 000 Hz where the rate has to be exact.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A sink of the server: what is played on it is heard on the source `NAME.monitor`.
#[derive(Clone, Copy, Debug)]
pub struct NullSink {
    /// Its name, for `--device=NAME` and as `pulseaudio:NAME`.
    pub name: &'static str,
    /// Its rate in hertz.
    pub rate_hz: u32,
    /// Its channel count.
    pub channels: u16,
}

/// A server that runs until this is dropped; and for 30 s without clients at most, should the test be killed.
pub struct PulseServer {
    server: Child,
    folder: PathBuf,
    sinks: Vec<NullSink>,
}

const CHILD_FOLDER: &str = "RA_TEST_PULSE_FOLDER";
const PATIENCE: Duration = Duration::from_secs(20);

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
        body(&mut PulseServer::start(Path::new(&folder), sinks));
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
        .env("PULSE_SERVER", format!("unix:{}/native", folder.path().display()))
        // ALSA's own "default" would otherwise reach for whatever server there is.
        .env_remove("ALSA_CONFIG_PATH")
        .status()
        .unwrap_or_else(|e| panic!("{test} could not be started again: {e}"));
    assert!(status.success(), "{test} failed in its own process: {status}");
}

fn is_installed(tool: &str) -> bool {
    let version = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

impl PulseServer {
    fn start(folder: &Path, sinks: &[NullSink]) -> Self {
        let server = Self::spawn(folder, sinks);
        let mut this = Self { server, folder: folder.to_owned(), sinks: sinks.to_vec() };
        this.wait_until_up();
        this
    }

    fn spawn(folder: &Path, sinks: &[NullSink]) -> Child {
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
        for NullSink { name, rate_hz, channels } in sinks {
            // Without norewinds a null sink delivers two seconds at a time.
            let module = format!("module-null-sink sink_name={name} rate={rate_hz} channels={channels} norewinds=1");
            command.args(["-L", &module]);
        }
        command.spawn().unwrap_or_else(|e| panic!("pulseaudio did not start: {e}"))
    }

    fn wait_until_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !pactl(&["info"]) {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(!matches!(self.server.try_wait(), Ok(Some(_))), "pulseaudio ended at once: {log}");
            assert!(Instant::now() < deadline, "pulseaudio did not come up: {log}");
            thread::sleep(Duration::from_millis(20));
        }
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
        self.server = Self::spawn(&self.folder, &self.sinks);
        self.wait_until_up();
    }

    /// Tells the server something with `pactl`; returns whether it obeyed.
    pub fn control(&self, arguments: &[&str]) -> bool {
        pactl(arguments)
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

fn pactl(arguments: &[&str]) -> bool {
    let status = Command::new("pactl").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The longest stretch of a tone near `hz` without a hole, a jump or a change of level, found in steps of 10 ms.
///
/// A sound server on a busy machine tears holes of its own, which nobody reports: what is to be measured is the rest.
pub fn longest_clean_stretch(samples: &[f32], rate_hz: f64, hz: f64) -> &[f32] {
    let window = (rate_hz / 100.0) as usize;
    let tones: Vec<(f64, f64)> = samples
        .chunks_exact(window)
        .enumerate()
        .map(|(w, chunk)| correlate(chunk, w * window, std::f64::consts::TAU * hz / rate_hz))
        .collect();
    let follows = |a: (f64, f64), b: (f64, f64)| {
        // At 300 ppm off, the phase turns by 0.02 radians in 10 ms.
        let turn = (a.0 * b.1 - a.1 * b.0).atan2(a.0 * b.0 + a.1 * b.1);
        let levels = (a.0.hypot(a.1), b.0.hypot(b.1));
        levels.0 > 1e-3 && (levels.1 / levels.0 - 1.0).abs() < 0.02 && turn.abs() < 0.05
    };
    let (mut best, mut start) = (0..0, 0);
    for w in 0..tones.len() {
        if w > 0 && !follows(tones[w - 1], tones[w]) {
            start = w;
        }
        if w + 1 - start > best.len() {
            best = start..w + 1;
        }
    }
    &samples[best.start * window..best.end * window]
}

/// Twice the Hann-weighted mean of a tone's samples turned back by `radians` each: its amplitude and phase as a complex
/// number.
fn correlate(samples: &[f32], first: usize, radians: f64) -> (f64, f64) {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (i, &x) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (std::f64::consts::TAU * (i as f64 + 0.5) / samples.len() as f64).cos();
        let angle = radians * (first + i) as f64;
        re += hann * f64::from(x) * angle.cos();
        im -= hann * f64::from(x) * angle.sin();
        weight += hann;
    }
    (2.0 * re / weight, 2.0 * im / weight)
}

/// The frequency in hertz and the peak level in dBFS of a tone near `hz` in one channel.
///
/// Correlates windows of a 10th of a second and takes the frequency from the phase's advance from window to window;
/// a jump in the sound shows as a frequency that is off, a hole as a level that is.
///
/// # Panics
/// With less than half a second of samples.
pub fn measure_tone(samples: &[f32], rate_hz: f64, hz: f64) -> (f64, f64) {
    let window = (rate_hz / 10.0) as usize;
    assert!(samples.len() >= 5 * window, "{} samples are too few to measure", samples.len());
    let radians = std::f64::consts::TAU * hz / rate_hz;
    let (mut power, mut turned, mut last_phase) = (0.0, 0.0, None::<f64>);
    let n_windows = samples.len() / window;
    for (w, chunk) in samples.chunks_exact(window).enumerate() {
        let (re, im) = correlate(chunk, w * window, radians);
        power += re * re + im * im;
        let phase = im.atan2(re);
        if let Some(last) = last_phase {
            let step: f64 = phase - last;
            turned += step - std::f64::consts::TAU * (step / std::f64::consts::TAU).round();
        }
        last_phase = Some(phase);
    }
    let seconds = (n_windows - 1) as f64 * window as f64 / rate_hz;
    let found_hz = hz + turned / std::f64::consts::TAU / seconds;
    (found_hz, 10.0 * (power / n_windows as f64).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_ends_at_a_hole() {
        let tone = |i: usize| 0.25 * (std::f64::consts::TAU * 997.0 * i as f64 / 48_000.0).sin() as f32;
        let mut samples: Vec<f32> = (0..96_000).map(tone).collect();
        samples[20_000..20_400].fill(0.0);
        samples.drain(80_000..80_013);
        let clean = longest_clean_stretch(&samples, 48_000.0, 997.0);
        assert!((58_000..60_000).contains(&clean.len()), "{}", clean.len());
        let start = clean.as_ptr().addr().wrapping_sub(samples.as_ptr().addr()) / 4;
        assert!((20_400..21_400).contains(&start), "{start}");
    }

    #[test]
    fn a_tone_is_measured_to_a_thousandth_of_a_hertz_and_decibel() {
        let tone: Vec<f32> = (0..48_000)
            .map(|i| 0.25 * (std::f64::consts::TAU * 997.1 * f64::from(i) / 48_000.0).sin() as f32)
            .collect();
        let (hz, db) = measure_tone(&tone, 48_000.0, 997.0);
        assert!((hz - 997.1).abs() < 1e-3, "{hz}");
        assert!((db - 20.0 * 0.25f64.log10()).abs() < 1e-2, "{db}");
    }
}
