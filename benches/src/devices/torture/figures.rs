//! What came of a torture of devices, and what has to hold. Measures nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::outage::Outage;
use crate::soak::Criteria;

const BACK_MS: f64 = 500.0;
const SILENT_MS: f64 = 20.0;
const ENDS_MS: f64 = 1.0;
/// A server's periods, and the whole of one that it did not deliver any more: what a device captured and never delivered is
/// part of the gap.
const UNDELIVERED_MS: f64 = 45.0;
/// The steepest that a fade of 1 ms of both sounds at full level gets, in one frame.
const STEP_LIN: f64 = 0.04;
const MEMORY_BYTES: u64 = 8 << 20;
/// Lists that are bounded fill up; what is left behind by a loss would be more.
const HEAP_BYTES: u64 = 1 << 20;
const CPU_SHARE: f64 = 0.5;

/// One loss and return. Times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct CycleFigures {
    pub(super) kind: Outage,
    /// From the device's return to the first sound that was captured after it.
    pub(super) back_ms: f64,
    /// By how much the gap begins before the loss: what had been captured and was not delivered.
    pub(super) undelivered_ms: f64,
    /// The longest silence on the bus that has a fallback.
    pub(super) silent_ms: f64,
    /// The most that the ends of the silence in the recording lie beside those of the gaps in the list.
    pub(super) ends_ms: Option<f64>,
    /// How far the sound behind the gap lies from where it would have been without it.
    pub(super) shift_ms: Option<f64>,
    /// The largest step on the bus that has a fallback, near the ends of the gaps. Elsewhere a server on a busy machine makes
    /// its own.
    pub(super) step_lin: f32,
    pub(super) n_gaps: usize,
    pub(super) missing_frames: u64,
}

/// Of all cycles of a kind.
#[derive(Clone, Debug, Serialize)]
pub struct KindFigures {
    /// Its name.
    pub kind: &'static str,
    /// How many there were.
    pub n: usize,
    /// Half were back in so many milliseconds …
    pub back_p50_ms: f64,
    /// … and all.
    pub back_max_ms: f64,
    /// The longest silence on the bus that has a fallback.
    pub silent_max_ms: f64,
    /// The most that was captured and not delivered; and the least: negative where a gap began behind the loss.
    pub undelivered_max_ms: f64,
    /// See `undelivered_max_ms`.
    pub undelivered_min_ms: f64,
    /// The most that an end of a silence lies beside that of its gap.
    pub ends_max_ms: Option<f64>,
    /// The most that sound lies beside its place behind a gap.
    pub shift_max_ms: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct TortureFigures {
    /// The seed.
    pub seed: u64,
    /// Every cycle.
    pub cycles: Vec<CycleFigures>,
    /// By kind.
    pub kinds: Vec<KindFigures>,
    /// Frames of the recording, of the timeline from its first to its last frame, and that were mixed.
    pub recorded_frames: u64,
    /// See `recorded_frames`.
    pub timeline_frames: u64,
    /// Samples of the other source that are not what it gave.
    pub other_wrong_samples: u64,
    /// Where the first of those is, what it is, and what it should be.
    pub other_first_wrong: Option<(u64, f32, f32)>,
    /// Frames of the other source that were compared.
    pub other_frames: u64,
    /// The largest step on the bus that has a fallback.
    pub largest_step_lin: f64,
    /// Losses that the source has counted.
    pub losses: u64,
    /// Threads after the first cycles, and at the end.
    pub n_threads: [usize; 2],
    /// Resident bytes after the first cycles, and at the end.
    pub resident_bytes: [u64; 2],
    /// Bytes of the heap in use at the same times.
    pub heap_bytes: [u64; 2],
    /// Processors that were busy with it, on average.
    pub busy_cores: f64,
    /// Whether each account adds up.
    pub balanced: bool,
}

/// The figures of one kind of outage, where there were any.
pub(super) fn of_kind(kind: Outage, cycles: &[CycleFigures]) -> Option<KindFigures> {
    let of_it: Vec<_> = cycles.iter().filter(|cycle| cycle.kind == kind).collect();
    let most = |value: &dyn Fn(&CycleFigures) -> f64| of_it.iter().map(|cycle| value(cycle)).fold(f64::MIN, f64::max);
    let most_of_some =
        |value: &dyn Fn(&CycleFigures) -> Option<f64>| of_it.iter().filter_map(|cycle| value(cycle)).reduce(f64::max);
    let back: Vec<f64> = of_it.iter().map(|cycle| cycle.back_ms).collect();
    (!of_it.is_empty()).then(|| KindFigures {
        kind: kind.name(),
        n: of_it.len(),
        back_p50_ms: crate::median(&back),
        back_max_ms: most(&|cycle| cycle.back_ms),
        silent_max_ms: most(&|cycle| cycle.silent_ms),
        undelivered_max_ms: most(&|cycle| cycle.undelivered_ms),
        undelivered_min_ms: -most(&|cycle| -cycle.undelivered_ms),
        ends_max_ms: most_of_some(&|cycle| cycle.ends_ms),
        shift_max_ms: most_of_some(&|cycle| cycle.shift_ms),
    })
}

impl TortureFigures {
    /// What has to hold.
    pub fn criteria(&self) -> Criteria {
        let mut criteria = Criteria::default();
        let mut by_kind: BTreeMap<&str, &KindFigures> = BTreeMap::new();
        for kind in &self.kinds {
            by_kind.insert(kind.kind, kind);
        }
        let ms = |value: f64| format!("{value:.2} ms");
        for (name, kind) in &by_kind {
            let told = Outage::ALL.into_iter().any(|outage| outage.name() == *name && outage.is_told());
            criteria.check(
                kind.back_max_ms <= BACK_MS,
                format!("{name}: back"),
                ms(kind.back_max_ms),
                "at most 500 ms",
            );
            if told {
                let holds = kind.silent_max_ms <= SILENT_MS;
                criteria.check(
                    holds,
                    format!("{name}: silence before the fallback"),
                    ms(kind.silent_max_ms),
                    "at most 20 ms",
                );
                let holds = kind.undelivered_min_ms >= -ENDS_MS && kind.undelivered_max_ms <= UNDELIVERED_MS;
                let what = format!("{name}: the gap begins before the loss by");
                let is = format!("{:.2} to {:.2} ms", kind.undelivered_min_ms, kind.undelivered_max_ms);
                criteria.check(holds, what, is, "-1 to 45 ms: two periods and a bit");
            }
            if let Some(ends) = kind.ends_max_ms {
                criteria.check(
                    ends <= ENDS_MS,
                    format!("{name}: ends of gaps"),
                    ms(ends),
                    "within 1 ms of the silence",
                );
            }
            if let Some(shift) = kind.shift_max_ms {
                criteria.check(
                    shift <= ENDS_MS,
                    format!("{name}: sound behind the gap"),
                    ms(shift),
                    "within 1 ms of its place",
                );
            }
        }
        let is = format!("{} of {}", self.recorded_frames, self.timeline_frames);
        criteria.check(self.recorded_frames == self.timeline_frames, "recorded frames", is, "all of the timeline");
        let first = self.other_first_wrong.map_or(String::new(), |(at, is, must)| format!(", at {at} {is} for {must}"));
        let is = format!("{} wrong samples in {} frames{first}", self.other_wrong_samples, self.other_frames);
        let holds = self.other_wrong_samples == 0 && self.other_frames > 0;
        criteria.check(holds, "the source that plays on", is, "bit for bit what it gave");
        let step = format!("{:.4}", self.largest_step_lin);
        criteria.check(self.largest_step_lin <= STEP_LIN, "largest step on the bus", step, "at most 0.04: a ramp's");
        let [before, after] = self.n_threads;
        criteria.check(
            after <= before,
            "threads",
            format!("{after}, were {before}"),
            "no more than after the first cycles",
        );
        let grown = self.resident_bytes[1].saturating_sub(self.resident_bytes[0]);
        criteria.check(
            grown <= MEMORY_BYTES,
            "memory grown",
            format!("{:.2} MB", grown as f64 / 1e6),
            "at most 8.4 MB",
        );
        let grown = self.heap_bytes[1].saturating_sub(self.heap_bytes[0]);
        let is = format!("{:.3} MB", grown as f64 / 1e6);
        criteria.check(grown <= HEAP_BYTES, "heap in use grown", is, "at most 1.05 MB");
        criteria.check(self.busy_cores <= CPU_SHARE, "busy cores", format!("{:.2}", self.busy_cores), "at most 0.5");
        criteria.check(self.balanced, "accounts", self.balanced, "true: all add up");
        let told = self.cycles.iter().filter(|cycle| cycle.kind.is_told()).count() as u64;
        criteria.check(self.losses >= told, "losses counted", self.losses, "at least those that were told");
        criteria
    }
}

/// A cycle in words.
pub(super) fn line(cycle: &CycleFigures) -> String {
    let some = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
    format!(
        "{}: back {:.0} ms, gap begins {:.1} ms before, silence {:.1} ms, ends {} ms, shift {} ms; {} gaps, {} frames",
        cycle.kind.name(),
        cycle.back_ms,
        cycle.undelivered_ms,
        cycle.silent_ms,
        some(cycle.ends_ms),
        some(cycle.shift_ms),
        cycle.n_gaps,
        cycle.missing_frames
    )
}
