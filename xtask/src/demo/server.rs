//! A sound server of our own, for a machine that has no sound device: PulseAudio with a room that hears speech, and
//! speakers that nobody hears. It touches no server of the person's, and is gone with this value.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// A private server; it ends when this is dropped.
pub(super) struct Server {
    dir: PathBuf,
    process: Child,
    speaker: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Server {
    /// The microphone: the monitor of a sink into which speech is played.
    pub(super) const INPUT: &str = "hall.monitor";
    /// The speakers.
    pub(super) const OUTPUT: &str = "speakers";
    const ROOM: &str = "hall";
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Starts the server, and lets `speech` be heard in its room over and over.
    pub(super) fn start(speech: &Path) -> Result<Self> {
        // Not below the target folder: a socket's path must be short.
        let dir = std::env::temp_dir().join(format!("ra-demo-{}", std::process::id()));
        std::fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let is_private = Command::new("chmod").arg("700").arg(&dir).status().is_ok_and(|status| status.success());
        ensure!(is_private, "cannot keep {} to ourselves", dir.display());
        let log = std::fs::File::create(dir.join("log")).context("cannot write the server's log")?;
        let process = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--disable-shm=yes"])
            .arg("-L")
            .arg(format!("module-native-protocol-unix auth-anonymous=1 socket={}", dir.join("native").display()))
            // Without norewinds a null sink's callbacks come every two seconds.
            .args(["-L", &format!("module-null-sink sink_name={} rate=48000 channels=2 norewinds=1", Self::ROOM)])
            .args(["-L", &format!("module-null-sink sink_name={} rate=48000 channels=2 norewinds=1", Self::OUTPUT)])
            .env("HOME", &dir)
            .env("XDG_RUNTIME_DIR", &dir)
            .env_remove("PULSE_SERVER")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start pulseaudio")?;
        let mut server = Self { dir, process, speaker: None };
        server.wait_until_it_answers()?;
        server.speak(speech);
        Ok(server)
    }

    /// What a client's environment needs to find it.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("PULSE_SERVER", format!("unix:{}", self.dir.join("native").display()))]
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).env("HOME", &self.dir).env("XDG_RUNTIME_DIR", &self.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + Self::PATIENCE;
        while !self.client("pactl").arg("info").status().context("cannot run pactl")?.success() {
            let is_gone = self.process.try_wait().is_ok_and(|status| status.is_some());
            if is_gone || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                bail!("the private PulseAudio does not answer: {}", log.trim());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn speak(&mut self, speech: &Path) {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut command = self.client("paplay");
        command.arg(format!("--device={}", Self::ROOM)).arg(speech);
        let thread = {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                // It ends by itself when the file is played, at once when the server is gone.
                while !is_over.load(Ordering::Acquire) && command.status().is_ok_and(|status| status.success()) {}
            })
        };
        self.speaker = Some((is_over, thread));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let speaker = self.speaker.take();
        if let Some((is_over, _)) = &speaker {
            is_over.store(true, Ordering::Release);
        }
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("cannot end the private PulseAudio: {error}");
        }
        if let Some((_, thread)) = speaker
            && thread.join().is_err()
        {
            eprintln!("the thread that played the speech panicked");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.dir) {
            eprintln!("cannot remove {}: {error}", self.dir.display());
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::{demo::sound, repo::is_ci, setup::has_program};

    #[test]
    fn the_microphone_hears_the_speech_and_the_server_goes_with_its_value() {
        if !["pulseaudio", "pactl", "paplay", "parec"].into_iter().all(has_program) {
            assert!(!is_ci(), "pulseaudio and pulseaudio-utils are not installed");
            eprintln!("left out: pulseaudio and pulseaudio-utils are not installed");
            return;
        }
        let dir = std::env::temp_dir();
        let server = Server::start(&sound::find(&dir, 1).unwrap().path).unwrap();
        let mut recorder = server.client("parec");
        recorder.args(["--device=hall.monitor", "--format=s16le", "--rate=48000", "--channels=1"]);
        let mut recorder = recorder.stdout(Stdio::piped()).spawn().unwrap();
        // Two seconds: the speech is shorter and comes again and again.
        let mut bytes = vec![0; 2 * 2 * 48_000];
        recorder.stdout.take().unwrap().read_exact(&mut bytes).unwrap();
        recorder.kill().unwrap();
        recorder.wait().unwrap();
        let samples = bytes.as_chunks().0.iter().map(|pair| f64::from(i16::from_le_bytes(*pair)) / 32_768.0);
        let mean_square = samples.map(|sample| sample * sample).sum::<f64>() / 96_000.0;
        let rms_dbfs = 10.0 * mean_square.log10();
        assert!((-50.0..0.0).contains(&rms_dbfs), "{rms_dbfs} dBFS");

        let (pid, dir) = (server.process.id(), server.dir.clone());
        drop(server);
        assert!(!dir.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
