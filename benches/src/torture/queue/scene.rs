//! What every round is given, and the scenes that a torture consists of.

use std::time::Duration;

use super::WriterClass;
use super::fan_out::{FanOutScene, Temper};
use super::input::{InputScene, InputTemper};
use super::pace::Pace;
use super::random::Random;

/// How long after a round's end its threads are waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What a round is given beside its scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) duration: Duration,
    pub(super) writer_class: WriterClass,
    /// Where the writer runs, and readers that it is to preempt; `None`: anywhere.
    pub(super) writer_core: Option<usize>,
}

/// Where counters begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Zero,
    /// Each a little before its end.
    Ends,
    /// Sequence numbers in the middle, where a slot's version, which grows twice as fast, wraps; the rest at its end.
    VersionEnd,
}

impl Start {
    /// The first number of a sequence that comes to its end after `n`.
    pub(super) fn first(self, n: u64) -> u64 {
        match self {
            Start::Zero => 0,
            Start::Ends => 0_u64.wrapping_sub(n),
            Start::VersionEnd => (1_u64 << 63).wrapping_sub(n),
        }
    }

    /// What a count begins at.
    pub(super) fn first_count(self, random: &mut Random) -> u64 {
        match self {
            Start::Zero => 0,
            Start::Ends | Start::VersionEnd => 0_u64.wrapping_sub(random.between(1, 20)),
        }
    }
}

/// A scene of either queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scene {
    FanOut(FanOutScene),
    Input(InputScene),
}

impl Scene {
    pub(super) fn is_at_audio_pace(&self) -> bool {
        let pace = match self {
            Scene::FanOut(scene) => scene.pace,
            Scene::Input(scene) => scene.pace,
        };
        pace == Pace::Audio
    }
}

/// Every temper, 32 readers in all.
const CROWD: &[(Temper, usize)] = &[
    (Temper::Fast, 6),
    (Temper::Slow, 5),
    (Temper::Sleeping, 6),
    (Temper::Preempted, 6),
    (Temper::Skipping, 3),
    (Temper::Absent, 2),
    (Temper::Visiting, 4),
];
/// Every temper once.
const COMPANY: &[(Temper, usize)] = &[
    (Temper::Fast, 1),
    (Temper::Slow, 1),
    (Temper::Sleeping, 1),
    (Temper::Preempted, 1),
    (Temper::Skipping, 1),
    (Temper::Absent, 1),
    (Temper::Visiting, 1),
];

/// The scenes of the fan-out, with their names.
fn fan_out_scenes() -> Vec<(&'static str, FanOutScene)> {
    let base = FanOutScene::default();
    let small = FanOutScene { n_frames: 1, n_channels: 1, ..base };
    let huge = FanOutScene { n_frames: 4_096, n_channels: 64, ring_blocks: 4, ..base };
    let company = FanOutScene { readers: COMPANY, ring_blocks: 16, pace: Pace::Bursts, ..base };
    vec![
        ("1 x 1, flat out, a ring of 2, one reader", FanOutScene { ring_blocks: 2, ..small }),
        ("1 x 1, bursts, 32 of every temper", FanOutScene { pace: Pace::Bursts, readers: CROWD, ..small }),
        ("1 x 1, audio pace, every temper", FanOutScene { pace: Pace::Audio, readers: COMPANY, ..small }),
        ("1 x 64, flat out, every temper", FanOutScene { n_frames: 1, n_channels: 64, readers: COMPANY, ..base }),
        ("256 x 2, flat out, a ring of 2, one reader", FanOutScene { ring_blocks: 2, ..base }),
        ("256 x 2, flat out, 32 of every temper", FanOutScene { readers: CROWD, ..base }),
        ("256 x 2, bursts, 32 of every temper", FanOutScene { readers: CROWD, ..company }),
        ("256 x 2, bursts, 8 preempted", FanOutScene { readers: &[(Temper::Preempted, 8)], ..company }),
        ("256 x 2, bursts, 32 come and go", FanOutScene { readers: &[(Temper::Visiting, 32)], ..company }),
        (
            "256 x 2, audio pace, 32, a ring of 4",
            FanOutScene { pace: Pace::Audio, ring_blocks: 4, readers: CROWD, ..base },
        ),
        ("256 x 2, bursts, copied word by word", FanOutScene { is_portable: true, ..company }),
        ("77 x 3, bursts, every temper", FanOutScene { n_frames: 77, n_channels: 3, ..company }),
        ("4096 x 1, flat out, every temper", FanOutScene { n_frames: 4_096, n_channels: 1, readers: COMPANY, ..base }),
        ("4096 x 64, flat out, a ring of 2, one reader", FanOutScene { ring_blocks: 2, ..huge }),
        ("4096 x 64, bursts, every temper", FanOutScene { pace: Pace::Bursts, readers: COMPANY, ..huge }),
        ("4096 x 64, audio pace, every temper", FanOutScene { pace: Pace::Audio, readers: COMPANY, ..huge }),
        ("256 x 2, every counter past its end", FanOutScene { start: Start::Ends, ..company }),
        (
            "1 x 1, a ring of 2, every counter past its end",
            FanOutScene { start: Start::Ends, ring_blocks: 2, readers: COMPANY, ..small },
        ),
        ("256 x 2, versions past their end", FanOutScene { start: Start::VersionEnd, ..company }),
        ("4096 x 64, every counter past its end", FanOutScene { start: Start::Ends, readers: COMPANY, ..huge }),
    ]
}

/// The scenes of the input ring, with their names.
fn input_scenes() -> Vec<(&'static str, InputScene)> {
    let base = InputScene::default();
    let bursts = InputScene { pace: Pace::Bursts, ..base };
    let wide = InputScene { n_channels: 64, max_period_frames: 4_096, capacity_frames: 8_192, ..base };
    vec![
        ("1 x 1, flat out", InputScene { n_channels: 1, max_period_frames: 1, ..base }),
        ("up to 256 x 2, flat out", base),
        ("up to 256 x 2, flat out, room for 4 stamps", InputScene { capacity_periods: 4, ..base }),
        ("up to 256 x 2, bursts, a slow reader", InputScene { temper: InputTemper::Slow, ..bursts }),
        ("up to 256 x 2, bursts, a sleeping reader", InputScene { temper: InputTemper::Sleeping, ..bursts }),
        ("up to 256 x 2, bursts, a preempted reader", InputScene { temper: InputTemper::Preempted, ..bursts }),
        ("up to 256 x 2, bursts, a reader that leaves", InputScene { temper: InputTemper::Leaving, ..bursts }),
        ("up to 256 x 2, audio pace", InputScene { pace: Pace::Audio, ..base }),
        ("up to 77 x 3, flat out", InputScene { n_channels: 3, max_period_frames: 77, ..base }),
        ("up to 4096 x 64, bursts", InputScene { pace: Pace::Bursts, ..wide }),
        (
            "up to 4096 x 64, audio pace, a preempted reader",
            InputScene { pace: Pace::Audio, temper: InputTemper::Preempted, ..wide },
        ),
        ("up to 256 x 2, every counter past its end", InputScene { start: Start::Ends, ..bursts }),
        ("up to 4096 x 64, every counter past its end", InputScene { start: Start::Ends, pace: Pace::Bursts, ..wide }),
    ]
}

/// Every scene with its name.
pub(super) fn all() -> Vec<(&'static str, Scene)> {
    let fan_out = fan_out_scenes().into_iter().map(|(name, scene)| (name, Scene::FanOut(scene)));
    let input = input_scenes().into_iter().map(|(name, scene)| (name, Scene::Input(scene)));
    fan_out.chain(input).collect()
}
