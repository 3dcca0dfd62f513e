//! `torture devices`: one microphone is lost and comes back again and again, in every way that a server knows, while
//! another source plays on. Looked at from outside: at the sound, at the list of gaps, at the process.

mod figures;
mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ra_core::Gap;
use ra_device::testing::{Scene, Servers};

use super::dial;
use super::health::Health;
use super::outage::{MIC, OTHER, Outage};
use super::player::Player;
use super::tape::Silence;
use crate::torture::engine::Dice;

pub use figures::{CycleFigures, KindFigures, TortureFigures};
use figures::{line, of_kind};
use stage::{Stage, source};

const RATE_HZ: u32 = 48_000;
/// After so many cycles threads and memory are compared with those at the end.
const WARM_CYCLES: usize = 10;
/// What was heard last decays for so long inside a gap, 1.5 ms, before there is silence.
const DECAY_FRAMES: u64 = 72;
/// So near to an end of a gap, steps are ours: fades, and the fallback's coming and going.
const EDGE_FRAMES: u64 = 9_600;

/// What to do, and how often.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTorture {
    /// Losses and returns.
    pub n_cycles: usize,
    /// Of the order and the lengths of outages.
    pub seed: u64,
}

impl DeviceTorture {
    /// What it needs and is not installed: packages of Debian.
    pub fn missing_tools() -> Vec<&'static str> {
        ra_device::testing::missing_tools(&Scene::default())
    }

    /// Runs all cycles in `folder`, whose environment this process must have.
    ///
    /// # Errors
    /// What the engine refuses; a source that does not come back at all.
    pub fn run(&self, folder: &Path) -> Result<TortureFigures> {
        let scene = Scene { a: vec![MIC, OTHER], ..Scene::default() };
        let mut servers = Servers::start(folder, &scene);
        let mut player = Some(Player::start(&servers.a, MIC));
        let recording = folder.join("mic.wav");
        let stage = Stage::start(&recording)?;
        let mut dice = Dice::new(self.seed);
        let (begun, cpu_begun) = (Instant::now(), Health::look().cpu_s);
        let mut cycles = Vec::new();
        let mut warm = None;
        stage.wait_until_well(0)?;
        for number in 0..self.n_cycles {
            // Each kind once, then as the dice fall.
            let kind = match number % 4 {
                at if number < 4 => Outage::ALL[at],
                _ => dice.pick(&Outage::ALL).unwrap_or(Outage::Killed),
            };
            let away = Duration::from_millis(50 + dice.below(400));
            let cycle = stage.cycle(kind, away, &mut servers, &mut player);
            cycles.push(cycle.with_context(|| format!("cycle {number}, {}", kind.name()))?);
            eprintln!("cycle {number}: {}", line(&cycles[number]));
            if number + 1 == WARM_CYCLES.min(self.n_cycles.div_ceil(2)) {
                warm = Some(Health::look());
            }
        }
        let end = Health::look();
        let warm = warm.unwrap_or(end);
        let busy_cores = (end.cpu_s - cpu_begun) / begun.elapsed().as_secs_f64();
        let Stage { engine, mic, other, .. } = stage;
        let stats = engine.stop().context("the engine did not stop")?;
        let recorded_frames = frames_of(&recording)?;
        drop(player);
        let (mic, other) = (mic.look().clone(), other.look().clone());
        let source = source(&stats, "mic")?;
        let largest_step_lin = cycles.iter().map(|cycle| f64::from(cycle.step_lin)).fold(0.0, f64::max);
        let kinds = Outage::ALL.into_iter().filter_map(|kind| of_kind(kind, &cycles)).collect();
        Ok(TortureFigures {
            seed: self.seed,
            kinds,
            cycles,
            recorded_frames,
            timeline_frames: mic.n_frames + mic.lost_frames,
            other_wrong_samples: other.n_other_samples + other.lost_frames,
            other_first_wrong: other.first_other,
            other_frames: other.n_frames,
            largest_step_lin,
            losses: source.losses,
            n_threads: [warm.n_threads, end.n_threads],
            resident_bytes: [warm.resident_bytes, end.resident_bytes],
            heap_bytes: [warm.heap_bytes, end.heap_bytes],
            busy_cores,
            balanced: stats.sources.iter().all(|source| source.account.is_balanced())
                && stats.sinks.iter().all(|sink| sink.account.is_balanced() && sink.account.queued_frames == 0),
        })
    }
}

impl Stage {
    fn cycle(
        &self,
        kind: Outage,
        away: Duration,
        servers: &mut Servers,
        player: &mut Option<Player>,
    ) -> Result<CycleFigures> {
        let behind = self.wait_until_well(0)?;
        let (n_silences, n_main_silences) = (self.mic.look().silences.len(), self.main.look().silences.len());
        let begun_at = self.mic.look().readings.back().map_or(0, |reading| reading.position);
        let times = kind.happen(servers, player, away);
        let gaps = self.wait_for_end(begun_at, times.back_ns)?;
        let last = gaps.last().context("no gap was listed")?;
        let behind_now = self.wait_until_well(last.end().0)?;
        let [begin_ns, end_ns] = [gaps[0].at_frame.0, last.end().0].map(|position| self.capture_ns(position));
        let main = self.main.look();
        // Behind its return the microphone itself is silent until its player plays again.
        let end = last.end().0;
        let before_end = |silence: &Silence| (silence.from + silence.n_frames).min(end).saturating_sub(silence.from);
        let silent = main.silences.iter().skip(n_main_silences).map(before_end).max().unwrap_or(0);
        let is_at_an_edge = |position: u64| {
            let mut edges = gaps.iter().flat_map(|gap| [gap.at_frame.0, gap.end().0]);
            edges.any(|edge| (edge.saturating_sub(EDGE_FRAMES)..edge + EDGE_FRAMES).contains(&position))
        };
        let at_edges = main.readings.iter().filter(|reading| is_at_an_edge(reading.position));
        let step_lin = at_edges.map(|reading| reading.step_lin).fold(0.0, f32::max);
        let mic = self.mic.look();
        // Behind a return the microphone hears nothing until the player plays again: only what goes on playing can say where
        // its silence ends.
        let plays_on = kind == Outage::Moved;
        let ends = plays_on.then(|| ends_ms(&gaps, &mic.silences[n_silences..]));
        log_ends(plays_on, &gaps, &mic.silences[n_silences..]);
        let ms = |ns: i64| ns as f64 / 1e6;
        Ok(CycleFigures {
            kind,
            back_ms: ms(end_ns? as i64 - times.back_ns as i64).max(0.0),
            undelivered_ms: ms(undelivered_ns(times.lost_ns, begin_ns?)),
            step_lin,
            silent_ms: silent as f64 * 1e3 / f64::from(RATE_HZ),
            ends_ms: ends,
            shift_ms: plays_on
                .then(|| dial::difference_frames(behind_now, behind, RATE_HZ).abs() * 1e3 / f64::from(RATE_HZ)),
            n_gaps: gaps.len(),
            missing_frames: gaps.iter().map(|gap| gap.n_frames).sum(),
        })
    }
}

/// By how much a gap begins before a loss that was within `lost_ns`; negative: after it.
fn undelivered_ns(lost_ns: [u64; 2], begin_ns: u64) -> i64 {
    let [first, last] = lost_ns.map(|ns| ns as i64 - begin_ns as i64);
    if first > 0 { first } else { last.min(0) }
}

/// What is compared, for whoever looks why it differs.
fn log_ends(is_compared: bool, gaps: &[Gap], silences: &[Silence]) {
    if is_compared {
        let gaps: Vec<_> = gaps.iter().map(|gap| (gap.at_frame.0, gap.n_frames)).collect();
        let silences: Vec<_> = silences.iter().map(|silence| (silence.from, silence.n_frames)).collect();
        eprintln!("gaps {gaps:?}, silences {silences:?}");
    }
}

/// The most by which the ends of the silences lie beside those of the gaps, in milliseconds.
fn ends_ms(gaps: &[Gap], silences: &[Silence]) -> f64 {
    let beside =
        |edge: u64, edges: &mut dyn Iterator<Item = u64>| edges.map(|e| e.abs_diff(edge)).min().unwrap_or(u64::MAX);
    let mut most = 0;
    for gap in gaps.iter().filter(|gap| gap.n_frames > 96) {
        most = most.max(beside(gap.at_frame.0, &mut silences.iter().map(|s| s.from.saturating_sub(DECAY_FRAMES))));
        most = most.max(beside(gap.end().0, &mut silences.iter().map(|s| s.from + s.n_frames)));
    }
    most as f64 * 1e3 / f64::from(RATE_HZ)
}

fn frames_of(recording: &Path) -> Result<u64> {
    let reader = hound::WavReader::open(recording).with_context(|| recording.display().to_string())?;
    Ok(u64::from(reader.duration()))
}
