//! A whole torture: the time divided between the scenes, and what came of each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::input::InputTemper;
use super::random::Random;
use super::scene::{self, Round, Scene};
use super::{Findings, fan_out, input, os};
use crate::{Table, ask_for_fifo, describe_grant};

/// What a real-time writer asks for: below the kernel's own threads, above everything ordinary.
const PRIORITY: i32 = 60;
/// A round's length where the scene has time for several.
const ROUND: Duration = Duration::from_millis(250);
/// The same at audio pace, where a round of large blocks needs more time for as many.
const AUDIO_ROUND: Duration = Duration::from_secs(1);
/// The same where a reader can leave but once in a round.
const LEAVING_ROUND: Duration = Duration::from_millis(25);
/// However little time there is, each scene has a round of this.
const SHORTEST_ROUND: Duration = Duration::from_millis(10);

/// What a writer asks of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterClass {
    /// SCHED_FIFO, as the mixer's thread; whether it is granted is told.
    RealTime,
    /// Nothing: tests share a machine with others.
    Ordinary,
}

impl WriterClass {
    /// Asks for this thread; says what it got.
    pub(super) fn ask(self) -> String {
        match self {
            WriterClass::RealTime => describe_grant(PRIORITY, &ask_for_fifo(PRIORITY)),
            WriterClass::Ordinary => "an ordinary thread".to_owned(),
        }
    }
}

/// How to torture.
#[derive(Clone, Copy, Debug)]
pub struct TortureConfig {
    /// For all scenes together. Default: a minute.
    pub duration: Duration,
    /// Decides sizes, pauses and where counters begin; what the threads make of it is never twice the same. Default: 1.
    pub seed: u64,
    /// Default: real time.
    pub writer_class: WriterClass,
}

impl Default for TortureConfig {
    fn default() -> Self {
        Self { duration: Duration::from_secs(60), seed: 1, writer_class: WriterClass::RealTime }
    }
}

/// One scene over all its rounds.
#[derive(Clone, Debug, Serialize)]
pub struct SceneRow {
    /// "fan-out", counted in blocks, or "input", counted in frames.
    pub queue: &'static str,
    /// Its shape, pace and readers.
    pub scene: &'static str,
    /// How often it was set up, run, and held to its account.
    pub rounds: u64,
    /// Seconds that all rounds took.
    pub seconds: f64,
    /// What came of it.
    #[serde(flatten)]
    pub findings: Findings,
}

/// What came of a whole torture.
#[derive(Clone, Debug, Serialize)]
pub struct QueueTorture {
    /// What it was made from.
    pub seed: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// What the writers' threads were granted, each answer once.
    pub writers: Vec<String>,
    /// One row for each scene.
    pub scenes: Vec<SceneRow>,
}

impl QueueTorture {
    /// Whether nothing was wrong anywhere, and every scene was played.
    pub fn is_clean(&self) -> bool {
        !self.scenes.is_empty() && self.scenes.iter().all(|row| row.rounds > 0 && row.findings.is_clean())
    }
}

/// Plays every scene, each for its share of the time and no longer than its last round's end and some seconds.
/// `on_scene` is told of each before it begins.
///
/// # Real-time safety
/// Not real-time safe: allocates, starts threads.
///
/// # Errors
/// A ring or a thread can't be had. What the queues do wrong is no error but a finding.
pub fn torture_queues(config: &TortureConfig, on_scene: &mut dyn FnMut(&str)) -> Result<QueueTorture> {
    let begun = Instant::now();
    let scenes = scene::all();
    let n_scenes = scenes.len();
    let mut random = Random::new(config.seed);
    // The last one: the first is where systems put what they interrupt a core for.
    let writer_core = os::allowed_cores().last().copied();
    let mut torture = QueueTorture { seed: config.seed, seconds: 0.0, writers: Vec::new(), scenes: Vec::new() };
    for (n, (name, scene)) in scenes.into_iter().enumerate() {
        on_scene(&format!("{}/{n_scenes} {}: {name}", n + 1, queue_of(&scene)));
        let left = config.duration.saturating_sub(begun.elapsed());
        let share = left / (n_scenes - n) as u32;
        let round = Round { duration: share, writer_class: config.writer_class, writer_core };
        let (row, grant) = play(name, &scene, round, random.split()).with_context(|| format!("the scene {name:?}"))?;
        torture.scenes.push(row);
        if !grant.is_empty() && !torture.writers.contains(&grant) {
            torture.writers.push(grant);
        }
    }
    torture.seconds = begun.elapsed().as_secs_f64();
    Ok(torture)
}

fn queue_of(scene: &Scene) -> &'static str {
    match scene {
        Scene::FanOut(_) => "fan-out",
        Scene::Input(_) => "input",
    }
}

/// Rounds of one scene until `share.duration` is over, or something failed to end.
fn play(name: &'static str, scene: &Scene, share: Round, mut random: Random) -> Result<(SceneRow, String)> {
    let begun = Instant::now();
    let mut row =
        SceneRow { queue: queue_of(scene), scene: name, rounds: 0, seconds: 0.0, findings: Findings::default() };
    let whole = match scene {
        Scene::Input(scene) if scene.temper == InputTemper::Leaving => LEAVING_ROUND,
        _ if scene.is_at_audio_pace() => AUDIO_ROUND,
        _ => ROUND,
    };
    let mut grant = String::new();
    loop {
        let left = share.duration.saturating_sub(begun.elapsed());
        if row.rounds > 0 && (left < SHORTEST_ROUND || row.findings.failed > 0) {
            row.seconds = begun.elapsed().as_secs_f64();
            return Ok((row, grant));
        }
        let round = Round { duration: left.clamp(SHORTEST_ROUND, whole), ..share };
        let findings;
        (findings, grant) = match scene {
            Scene::FanOut(scene) => fan_out::run_round(scene, &round, &mut random)?,
            Scene::Input(scene) => input::run_round(scene, &round, &mut random)?,
        };
        row.findings += findings;
        row.rounds += 1;
    }
}

impl std::fmt::Display for QueueTorture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (queue, unit) in [("fan-out", "blocks"), ("input", "frames")] {
            writeln!(f, "{queue}, in {unit}")?;
            let mut table = Table::new([
                "scene",
                "rounds",
                "wraps",
                "readers",
                "produced",
                "read",
                "lost",
                "torn",
                "backwards",
                "duplicates",
                "untold",
                "unbalanced",
                "failed",
            ]);
            for row in self.scenes.iter().filter(|row| row.queue == queue) {
                let Findings {
                    readers,
                    wraps,
                    produced,
                    read,
                    lost,
                    torn,
                    backwards,
                    duplicates,
                    untold,
                    unbalanced,
                    failed,
                } = row.findings;
                let numbers = [
                    row.rounds, wraps, readers, produced, read, lost, torn, backwards, duplicates, untold, unbalanced,
                    failed,
                ];
                table.row(std::iter::once(row.scene.to_owned()).chain(numbers.map(|n| n.to_string())));
            }
            writeln!(f, "{table}")?;
        }
        write!(
            f,
            "seed {}, {:.1} s, writers: {}; {}",
            self.seed,
            self.seconds,
            self.writers.join("; "),
            if self.is_clean() { "nothing torn, nothing out of order, every account balances" } else { "FAILED" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_of_everything_find_nothing() {
        let config = TortureConfig { duration: Duration::from_secs(2), seed: 7, writer_class: WriterClass::Ordinary };
        let mut n_told = 0;
        let torture = torture_queues(&config, &mut |_| n_told += 1).unwrap();
        assert!(torture.is_clean(), "\n{torture}");
        assert_eq!(torture.scenes.len(), n_told);
        for row in &torture.scenes {
            assert!(row.findings.readers > 0 && row.findings.produced > 0, "{row:?}");
        }
        assert_eq!(torture.writers, ["an ordinary thread"]);
    }

    #[test]
    fn a_single_finding_fails_the_whole() {
        let row = SceneRow {
            queue: "input",
            scene: "of this test",
            rounds: 1,
            seconds: 0.1,
            findings: Findings { untold: 3, ..Findings::default() },
        };
        let clean = SceneRow { findings: Findings::default(), ..row.clone() };
        let torture = |scenes| QueueTorture { seed: 1, seconds: 0.1, writers: Vec::new(), scenes };
        assert!(torture(vec![clean.clone()]).is_clean());
        assert!(!torture(vec![clean.clone(), row]).is_clean());
        assert!(!torture(vec![SceneRow { rounds: 0, ..clean }]).is_clean(), "nor does what was never played pass");
        assert!(!torture(Vec::new()).is_clean());
        assert!(torture(Vec::new()).to_string().ends_with("FAILED"));
    }
}
