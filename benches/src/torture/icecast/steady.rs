//! A stream as a listener gets it, for minutes: decoded by ffmpeg as it comes, its own time set against the listener's clock.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ra_sinks::icecast_testing::{Ears, Heard, IcecastServer, OggPages, ServerPlan};
use serde::Serialize;

use super::station::{Station, stream_config, wait_until};
use super::tone::ToneMeter;

const MOUNT: &str = "/live.ogg";
/// What is behind the server's first burst, in seconds from joining.
const BURST_S: f64 = 2.0;

/// What minutes of a stream came to.
#[derive(Clone, Debug, Serialize)]
pub struct SteadyFigures {
    /// For how long a listener listened, in seconds.
    pub listened_s: f64,
    /// Whole seconds that ffmpeg decoded meanwhile.
    pub decoded_s: usize,
    /// What ffmpeg complained of.
    pub decode_errors: String,
    /// Level of the tone that came out, the lowest and the highest second, in dBFS (peak).
    pub level_dbfs: [f64; 2],
    /// Its frequency, in Hz.
    pub tone_hz: f64,
    /// The largest turn of its phase from one second to the next, in frames: a frame that is missing is 1.
    pub largest_jump_frames: f64,
    /// How much faster the stream's time runs than the listener's clock, behind the first burst, in ppm.
    pub drift_ppm: f64,
    /// Pages that this is measured on.
    pub pages: usize,
    /// The longest that a page came later than the line through all of them, in ms.
    pub latest_ms: f64,
    /// Bytes of the stream in a second.
    pub bytes_per_s: f64,
    /// Frames that the engine dropped for the stream.
    pub dropped_frames: u64,
    /// Times that the stream reconnected.
    pub losses: u64,
    /// What the processor did for the sink's two threads, in percent of a core; `None` where the system does not say.
    pub cpu_percent: Option<f64>,
}

impl SteadyFigures {
    /// How far the stream's time may run from the clock, in ppm: 33, and 20 ms where the run is short, which is the same in
    /// ten minutes.
    pub fn bound_ppm(&self) -> f64 {
        (0.020 / self.listened_s * 1e6).max(33.0)
    }
}

/// Listens for `seconds`.
pub(super) fn run(seconds: u64, seed: u64, tell: &dyn Fn(&str)) -> Result<SteadyFigures> {
    let server = IcecastServer::start(ServerPlan::default());
    let station = Station::start()?;
    let probe = station.add("air", stream_config(&server.url(MOUNT), "steady", seed)?)?;
    wait_until("it is on the air", || Ok(probe.counts().acknowledged_frames > 24_000))?;
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-i", &server.url(MOUNT), "-ar", "48000", "-f", "f32le", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("ffmpeg can't be started")?;
    let mut sound = ffmpeg.stdout.take().context("no sound from ffmpeg")?;
    let mut words = ffmpeg.stderr.take().context("no words from ffmpeg")?;
    let meter = std::thread::spawn(move || meter_left(&mut sound));
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        drop(words.read_to_string(&mut text));
        text
    });
    let cpu_before = sink_cpu_ticks();
    let ears = Ears::one(server.address(), MOUNT);
    let begun = Instant::now();
    let mut told = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(100));
        station.stream("air")?;
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            tell(&format!("{} of {seconds} s", begun.elapsed().as_secs()));
        }
    }
    let cpu_percent = cpu_before.zip(sink_cpu_ticks()).map(|(before, after)| {
        // The kernel counts in hundredths of a second for everybody (proc(5), USER_HZ).
        (after.saturating_sub(before)) as f64 / begun.elapsed().as_secs_f64()
    });
    let heard = ears.close().pop().context("nobody listened")?;
    ensure!(heard.ended_s.is_none(), "the server hung up after {:?} s", heard.ended_s);
    // A stream that ends is no error of its decoder: it ends as live streams do, in the middle.
    drop(ffmpeg.kill());
    drop(ffmpeg.wait());
    let meter = meter.join().ok().context("the meter has panicked")?;
    let decode_errors = complaints.join().unwrap_or_default();
    let losses = probe.counts().losses;
    let stats = station.stop()?;
    let dropped_frames = stats.sinks.iter().map(|sink| sink.account.dropped_frames).sum();
    let line = Line::through(&page_times(&heard));
    let (low, high) = meter.levels_dbfs();
    let (tone_hz, largest_turn) = meter.frequency();
    Ok(SteadyFigures {
        listened_s: begun.elapsed().as_secs_f64(),
        decoded_s: meter.n_seconds(),
        decode_errors,
        level_dbfs: [low, high],
        tone_hz,
        largest_jump_frames: largest_turn * 48_000.0 / tone_hz,
        drift_ppm: (line.slope - 1.0) * 1e6,
        pages: line.n,
        latest_ms: line.latest_s * 1e3,
        bytes_per_s: heard.n_bytes as f64 / begun.elapsed().as_secs_f64(),
        dropped_frames,
        losses,
        cpu_percent,
    })
}

/// The left one of two channels.
fn meter_left(sound: &mut impl Read) -> ToneMeter {
    let mut meter = ToneMeter::default();
    let mut buffer = vec![0; 1 << 16];
    let mut pending = Vec::new();
    while let Ok(n) = sound.read(&mut buffer)
        && n > 0
    {
        pending.extend_from_slice(&buffer[..n]);
        let whole = pending.len() / 8 * 8;
        for frame in pending[..whole].chunks_exact(8) {
            meter.put(f32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]));
        }
        pending.drain(..whole);
    }
    meter
}

/// When each page was there and where its sound ends, in seconds, behind the first burst.
fn page_times(heard: &Heard) -> Vec<(f64, f64)> {
    let mut arrivals = heard.arrivals.iter().peekable();
    let mut times = Vec::new();
    for (end, granule, ..) in OggPages::of(&heard.bytes) {
        while arrivals.peek().is_some_and(|(_, there)| *there < end) {
            arrivals.next();
        }
        let Some((at_s, _)) = arrivals.peek() else { break };
        if *at_s >= BURST_S && granule > 0 && granule < u64::MAX {
            times.push((*at_s, granule as f64 / 48_000.0));
        }
    }
    times
}

/// The straight line through points, by least squares.
struct Line {
    slope: f64,
    n: usize,
    /// How far the point that lies lowest is behind it, in seconds.
    latest_s: f64,
}

impl Line {
    fn through(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let (mean_x, mean_y) =
            (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = above / below;
        let behind = points.iter().map(|(x, y)| slope * (x - mean_x) - (y - mean_y));
        Self { slope, n: points.len(), latest_s: behind.fold(0.0, f64::max) }
    }
}

/// Processor time of the threads of the stream "air": where it is encoded, and where it is sent.
fn sink_cpu_ticks() -> Option<u64> {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).unwrap_or_default();
        let Some((before, after)) = stat.rsplit_once(')') else { continue };
        if before.ends_with("ra-sink-air") || before.ends_with("ra-net-air") {
            let fields: Vec<&str> = after.split_whitespace().collect();
            // proc(5): utime and stime are fields 14 and 15; behind the name, the first one is field 3.
            ticks += fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        }
    }
    Some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_finds_drift_through_pages_that_come_late_now_and_then() {
        let points: Vec<(f64, f64)> = (0..5_000)
            .map(|n| {
                let stream_s = f64::from(n) * 0.1;
                (stream_s / (1.0 + 100e-6) + if n % 50 == 0 { 0.03 } else { 0.0 }, stream_s)
            })
            .collect();
        let line = Line::through(&points);
        assert!(((line.slope - 1.0) * 1e6 - 100.0).abs() < 1.0, "{}", line.slope);
        assert!((line.latest_s - 0.03).abs() < 0.002, "{}", line.latest_s);
    }
}
