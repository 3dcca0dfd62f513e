//! A JACK server without a sound card: exact periods, and nothing to hear.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, signal};

/// For a server to end by itself.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A server that runs until this is dropped.
pub struct JackServer {
    server: Child,
    name: String,
    period_frames: u32,
    log: PathBuf,
}

impl JackServer {
    /// Starts one at 48,000 Hz.
    ///
    /// # Panics
    /// Where it does not come up.
    pub(super) fn start(folder: &Path, period_frames: u32) -> Self {
        let name = name_for(folder);
        let log = folder.join("jack.log");
        let server = Self::spawn(&name, period_frames, &log);
        let mut this = Self { server, name, period_frames, log };
        this.wait_until_up();
        this
    }

    fn spawn(name: &str, period_frames: u32, log: &Path) -> Child {
        let log = fs::File::create(log).unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        let errors = log.try_clone().unwrap_or_else(|e| panic!("the log twice: {e}"));
        Command::new("jackd")
            .args([
                "--realtime",
                "-P",
                "70",
                "-n",
                name,
                "-d",
                "dummy",
                "-r",
                "48000",
                "-p",
                &period_frames.to_string(),
            ])
            .env("JACK_NO_START_SERVER", "1")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|e| panic!("jackd did not start: {e}"))
    }

    fn wait_until_up(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let wait = Command::new("jack_wait")
                .args(["-s", &self.name, "-w", "-t", "1"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if wait.is_ok_and(|status| status.success()) && self.is_listed() {
                return;
            }
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(!matches!(self.server.try_wait(), Ok(Some(_))), "jackd ended at once: {log}");
            assert!(Instant::now() < deadline, "jackd did not come up: {log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_listed(&self) -> bool {
        let ports = Command::new("jack_lsp").args(["-s", &self.name]).stderr(Stdio::null()).output();
        ports.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("system:capture_1"))
    }

    /// What `JACK_DEFAULT_SERVER` has to be for programs that are to find it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kills the server, as a crash would.
    pub fn kill(&mut self) {
        // Both fail only where it has ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Starts a killed server again, by the same name.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        self.server = Self::spawn(&self.name, self.period_frames, &self.log);
        self.wait_until_up();
    }

    /// Stops its process until [`JackServer::go_on`].
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
}

/// A name that no server of another folder has.
pub(super) fn name_for(folder: &Path) -> String {
    let own = folder.file_name().unwrap_or_default().to_string_lossy();
    format!("ra-{}", own.chars().filter(char::is_ascii_alphanumeric).collect::<String>())
}

impl Drop for JackServer {
    /// Ends it as a person would: one that is killed stays in the machine's list of JACK servers, which has room for eight.
    fn drop(&mut self) {
        if matches!(self.server.try_wait(), Ok(None)) {
            signal::send("TERM", self.server.id());
            signal::send("CONT", self.server.id());
            let deadline = Instant::now() + END_LIMIT;
            while matches!(self.server.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(5));
            }
        }
        self.kill();
    }
}
