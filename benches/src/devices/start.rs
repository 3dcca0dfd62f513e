//! From the start of `ra run` to the first frame of a JACK device that is recorded.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use ra_device::testing::{Scene, Servers, missing_tools, prepare};
use serde::Serialize;

const CONFIG: &str = r#"
[[source]]
name = "jack"
kind = "device"
device = "jack:input"
[[sink]]
name = "take"
kind = "record"
path = "take-{index}.wav"
"#;

/// What to measure.
#[derive(Clone, Debug)]
pub struct StartRun {
    /// The program, built with JACK.
    pub ra: PathBuf,
    /// How often.
    pub n_rounds: usize,
}

/// What came of it, in milliseconds from the start of the process.
#[derive(Clone, Debug, Serialize)]
pub struct StartFigures {
    /// Until the first frame of the recording was captured, round by round.
    pub first_frame_ms: Vec<f64>,
    /// Until the device's sound was in the mix.
    pub live_ms: Vec<f64>,
}

impl StartRun {
    /// The program to measure: the one that `RA_BIN` names, where it was built with JACK and there is a JACK server.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub fn possible() -> Result<PathBuf, String> {
        let scene = Scene { jack_period_frames: Some(256), ..Scene::default() };
        let missing = missing_tools(&scene);
        if !missing.is_empty() {
            return Err(format!("not installed: {}", missing.join(", ")));
        }
        let ra = std::env::var_os("RA_BIN").map(PathBuf::from).ok_or("RA_BIN names no ra")?;
        let output =
            Command::new(&ra).args(["devices", "--json"]).output().map_err(|e| format!("{}: {e}", ra.display()))?;
        let knows_jack = String::from_utf8_lossy(&output.stdout).contains("\"jack\"");
        if knows_jack { Ok(ra) } else { Err(format!("{} was built without JACK", ra.display())) }
    }

    /// Runs it in `folder`.
    ///
    /// # Errors
    /// `ra` fails or leaves no recording.
    pub fn run(&self, folder: &Path) -> Result<StartFigures> {
        let _servers = Servers::start(folder, &Scene { jack_period_frames: Some(256), ..Scene::default() });
        std::fs::write(folder.join("jack.toml"), CONFIG)?;
        let mut figures = StartFigures { first_frame_ms: Vec::new(), live_ms: Vec::new() };
        for round in 1..=self.n_rounds {
            let mut command = Command::new(&self.ra);
            prepare(&mut command, folder);
            command.current_dir(folder).args(["run", "jack.toml", "--for", "1500ms", "--summary", "jack.json"]);
            let begun = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as f64;
            let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output().context("ra does not start")?;
            ensure!(output.status.success(), "ra run: {}", String::from_utf8_lossy(&output.stderr));
            let first_ns = first_frame_ns(&folder.join(format!("take-{round:04}.wav.json")))?;
            let live_ms = live_ms(&folder.join("jack.json"))?;
            let first_ms = (first_ns - begun) / 1e6;
            figures.first_frame_ms.push(first_ms);
            figures.live_ms.push(first_ms + live_ms);
        }
        Ok(figures)
    }
}

fn read(path: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// When the first frame was captured, in nanoseconds since the Unix epoch.
fn first_frame_ns(sidecar: &Path) -> Result<f64> {
    let json = read(sidecar)?;
    json["start"]["unix_ns"].as_f64().with_context(|| format!("no start.unix_ns in {json}"))
}

/// When the device came to life, in milliseconds from the first frame of the mix.
fn live_ms(summary: &Path) -> Result<f64> {
    let json = read(summary)?;
    let states = json["sources"][0]["states"].as_array().with_context(|| format!("no states in {json}"))?;
    let live = states.iter().find(|change| change["state"] == "live").context("it was never live")?;
    live["at_ms"].as_f64().context("no at_ms")
}
