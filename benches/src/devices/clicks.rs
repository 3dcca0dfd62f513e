//! One click that two servers hear: how far it lies from itself in the recordings of both. A process for each server plays
//! at every whole second of the monotonic clock, which they share, as its own server's clock goes.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ra_core::{Block, FramePosition, Gap, SampleRate, Sink, SinkError, SinkReport, SinkStart};
use ra_device::testing::Servers;
use ra_device::{OutputRequest, OutputStream, PeriodOutput};
use ra_engine::dsp::ClockEstimator;
use ra_engine::{Engine, EngineConfig, SinkConfig, SourceConfig};
use serde::Serialize;

use super::own_process::command;
use super::skew::{DEVICES, EXACT, device_source, scene};

/// The first word of a process that plays.
const PLAY: &str = "--play-clicks";
/// The device that it plays on: of the server that is its environment's.
const SPEAKER: &str = "pulseaudio:exact";
/// A click is a Gaussian pulse: so wide, in nanoseconds, and so high.
const WIDTH_NS: f64 = 200_000.0;
const HEIGHT_LIN: f64 = 0.8;
/// Above this a click has begun.
const HEARD_LIN: f32 = 0.1;
/// Behind its beginning, a click is over after so many frames.
const CLICK_FRAMES: usize = 192;
/// Clocks and cushions settle first.
const SETTLE: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct ClickRun {
    /// How long clicks are compared.
    pub length: Duration,
}

/// What came of it. Distances are the first device's click less the second one's.
#[derive(Clone, Debug, Serialize)]
pub struct ClickFigures {
    /// Clicks that both heard, and those that only one did.
    pub n_pairs: usize,
    /// See `n_pairs`.
    pub n_single: usize,
    /// From the first pair to the last, in seconds.
    pub length_s: f64,
    /// Of the first ten pairs, of the last ten, of all: the mean distance in milliseconds.
    pub first_ms: f64,
    /// See `first_ms`.
    pub last_ms: f64,
    /// See `first_ms`.
    pub mean_ms: f64,
    /// The largest distance of all, in milliseconds.
    pub worst_ms: f64,
    /// From the smallest to the largest, in milliseconds.
    pub spread_ms: f64,
    /// How far clicks lie behind their whole second, on the mean, device by device, in milliseconds: what the servers' own
    /// idea of their latency is off.
    pub behind_ms: [f64; 2],
}

/// Plays clicks if the arguments say so; the process is then to end.
///
/// # Errors
/// The device can't be opened.
pub fn play_clicks() -> Result<bool> {
    if std::env::args().nth(1).as_deref() != Some(PLAY) {
        return Ok(false);
    }
    let request = OutputRequest { device: SPEAKER.to_owned(), ..OutputRequest::default() };
    let stream = OutputStream::open(&request, |spec| Box::new(Clicks::new(spec.sample_rate, spec.channels.get())))?;
    stream.start()?;
    // Until its standard input ends: that is its parent's end.
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(true)
}

/// Plays a pulse at each whole second, as well as the sound system says when that is.
struct Clicks {
    clock: ClockEstimator,
    position: u64,
    channels: usize,
}

impl Clicks {
    fn new(rate: SampleRate, channels: usize) -> Self {
        Self { clock: ClockEstimator::new(rate), position: 0, channels }
    }
}

impl PeriodOutput for Clicks {
    fn render(&mut self, playback_ns: u64, interleaved: &mut [f32]) {
        let n_frames = (interleaved.len() / self.channels) as u64;
        self.clock.observe(FramePosition(self.position), n_frames, playback_ns);
        for (frame, number) in interleaved.chunks_exact_mut(self.channels).zip(self.position..) {
            let Some(time) = self.clock.time_of(FramePosition(number)) else { continue };
            frame.fill(pulse(time.ns as f64 + time.fraction_ns) as f32);
        }
        self.position += n_frames;
    }
}

fn pulse(ns: f64) -> f64 {
    let beside_ns = ns - (ns / 1e9).round() * 1e9;
    HEIGHT_LIN * (-(beside_ns / WIDTH_NS).powi(2)).exp()
}

/// A click: its place on the mix timeline in frames, and how far it is behind its whole second.
#[derive(Clone, Copy, Debug)]
struct Click {
    place_frames: f64,
    behind_ns: f64,
}

/// Finds clicks.
struct ClickTape {
    clicks: Arc<Mutex<Vec<Click>>>,
    /// The one that is being heard: where it began, and its samples.
    begun: Option<(u64, u64, Vec<f32>)>,
}

impl Sink for ClickTape {
    fn start(&mut self, _start: &SinkStart) -> Result<(), SinkError> {
        Ok(())
    }

    fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        let channels = block.spec.channels.get();
        let rate_hz = f64::from(block.spec.sample_rate.hz());
        for (n, frame) in block.samples.chunks_exact(channels).enumerate() {
            let at_ns = block.stamp.capture_ns + (n as f64 * 1e9 / rate_hz) as u64;
            match &mut self.begun {
                Some((_, _, samples)) => samples.push(frame[0]),
                None if frame[0] > HEARD_LIN => {
                    self.begun = Some((block.stamp.position.0 + n as u64, at_ns, vec![frame[0]]));
                }
                None => {}
            }
            if let Some((from, from_ns, samples)) = self.begun.take_if(|(_, _, samples)| samples.len() == CLICK_FRAMES)
            {
                // The centre by fourth powers: what lies below where it was noticed, on one side only, weighs nothing.
                let weight = |sample: &f32| f64::from(*sample).powi(4);
                let sum: f64 = samples.iter().map(weight).sum();
                let centre = samples.iter().enumerate().map(|(n, s)| n as f64 * weight(s)).sum::<f64>() / sum;
                let ns = from_ns as f64 + centre * 1e9 / rate_hz;
                let click = Click { place_frames: from as f64 + centre, behind_ns: ns - (ns / 1e9).round() * 1e9 };
                self.clicks.lock().unwrap_or_else(PoisonError::into_inner).push(click);
            }
        }
        Ok(())
    }

    fn gap(&mut self, _gap: &Gap) -> Result<(), SinkError> {
        self.begun = None;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<SinkReport, SinkError> {
        Ok(SinkReport::default())
    }
}

/// A process that plays until this is dropped.
struct Speaker(Child);

impl Speaker {
    fn start(folder: &Path, address: &str) -> Result<Self> {
        let mut command = command(folder)?;
        command.arg(PLAY).env("PULSE_SERVER", address).stdin(Stdio::piped());
        Ok(Self(command.spawn().context("no process to play clicks")?))
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        // Both fail only where it has ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl ClickRun {
    /// Runs it in `folder`, whose environment this process must have.
    ///
    /// # Errors
    /// What the engine refuses; no click that both heard.
    pub fn run(&self, folder: &Path) -> Result<ClickFigures> {
        let servers = Servers::start(folder, &scene());
        let addresses = [Some(servers.a.address()), servers.b.as_ref().map(|server| server.address())];
        let _speakers: Vec<Speaker> =
            addresses.into_iter().flatten().map(|address| Speaker::start(folder, &address)).collect::<Result<_>>()?;
        let mut engine = Engine::new(EngineConfig::default())?;
        let handle = engine.handle();
        let mut heard = Vec::new();
        for (name, device, _) in DEVICES {
            handle.add_source(SourceConfig::named(name), device_source(device, EXACT.rate_hz)?)?;
            let clicks = Arc::new(Mutex::new(Vec::new()));
            let tape = ClickTape { clicks: clicks.clone(), begun: None };
            handle.add_sink(SinkConfig { from: format!("source:{name}"), ..SinkConfig::named(name) }, tape)?;
            heard.push(clicks);
        }
        engine.start()?;
        sleep(SETTLE);
        for clicks in &heard {
            clicks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        sleep(self.length);
        engine.stop()?;
        let clicks = |at: usize| heard[at].lock().unwrap_or_else(PoisonError::into_inner).clone();
        compare(&clicks(0), &clicks(1))
    }
}

/// Pairs clicks that are less than half a second apart.
fn compare(a: &[Click], b: &[Click]) -> Result<ClickFigures> {
    const RATE_HZ: f64 = 48_000.0;
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for one in a {
        let distance = |other: &Click| one.place_frames - other.place_frames;
        let nearest = b.iter().map(distance).min_by(|x, y| x.abs().total_cmp(&y.abs()));
        if let Some(frames) = nearest.filter(|frames| frames.abs() < RATE_HZ / 2.0) {
            pairs.push((one.place_frames / RATE_HZ, frames * 1e3 / RATE_HZ));
        }
    }
    ensure!(pairs.len() >= 2, "{} clicks of one and {} of the other make {} pairs", a.len(), b.len(), pairs.len());
    let mean = |values: &[(f64, f64)]| values.iter().map(|pair| pair.1).sum::<f64>() / values.len() as f64;
    let at_ends = pairs.len().min(10);
    let (least, most) = pairs.iter().fold((f64::MAX, f64::MIN), |(l, m), pair| (l.min(pair.1), m.max(pair.1)));
    let behind = |clicks: &[Click]| clicks.iter().map(|click| click.behind_ns).sum::<f64>() / clicks.len() as f64 / 1e6;
    Ok(ClickFigures {
        n_pairs: pairs.len(),
        n_single: a.len().max(b.len()) - pairs.len(),
        length_s: pairs[pairs.len() - 1].0 - pairs[0].0,
        first_ms: mean(&pairs[..at_ends]),
        last_ms: mean(&pairs[pairs.len() - at_ends..]),
        mean_ms: mean(&pairs),
        worst_ms: least.abs().max(most.abs()),
        spread_ms: most - least,
        behind_ms: [behind(a), behind(b)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_core::{BlockStamp, StreamSpec};

    #[test]
    fn a_click_is_found_to_a_hundredth_of_a_frame() {
        let clicks = Arc::new(Mutex::new(Vec::new()));
        let mut tape = ClickTape { clicks: clicks.clone(), begun: None };
        let spec = StreamSpec::new(48_000, 1).unwrap();
        for number in 0..1_200_u64 {
            // Frame 0 is captured at second 7; clicks are heard 10.25 frames late.
            let time_ns = |frame: u64| 7e9 + (frame as f64 - 10.25) * 1e9 / 48_000.0;
            let samples: Vec<f32> = (number * 128..(number + 1) * 128).map(|at| pulse(time_ns(at)) as f32).collect();
            let capture_ns = 7_000_000_000 + (number as f64 * 128.0 * 1e9 / 48_000.0) as u64;
            let stamp = BlockStamp { seq: number, position: FramePosition(number * 128), capture_ns };
            tape.write(&Block { stamp, spec, samples: &samples }).unwrap();
        }
        let clicks = clicks.lock().unwrap();
        let late: Vec<f64> = clicks.iter().map(|click| click.place_frames % 48_000.0).collect();
        assert!(late.len() >= 3 && late[1..].iter().all(|late| (late - 10.25).abs() < 0.01), "{late:?}");
        assert!((clicks[1].behind_ns - 10.25 * 1e9 / 48_000.0).abs() < 500.0, "{clicks:?}");
    }

    #[test]
    fn clicks_are_paired_with_themselves() {
        let click = |place_frames| Click { place_frames, behind_ns: 0.0 };
        let a: Vec<_> = (0..20).map(|n| click(f64::from(n) * 48_000.0)).collect();
        let b: Vec<_> = (1..20).map(|n| click(f64::from(n) * 48_000.0 - 48.0 - f64::from(n))).collect();
        let figures = compare(&a, &b).unwrap();
        assert_eq!((figures.n_pairs, figures.n_single), (19, 1));
        assert!((figures.worst_ms - 67.0 / 48.0).abs() < 1e-6 && (figures.spread_ms - 18.0 / 48.0).abs() < 1e-6);
        assert!(compare(&a, &[]).is_err());
    }
}
