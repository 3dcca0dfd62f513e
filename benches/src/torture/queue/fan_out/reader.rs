//! The threads at the readers' end of the fan-out: those who stay, those who come and go, and one that holds the
//! accounts of all against the writer while everybody runs.

use std::sync::atomic::Ordering;
use std::thread;

use ra_queue::{BlockReader, Join, ReaderCounts, ReaderMonitor, RingReader};

use super::listener::{Listener, Look, Pause};
use super::{Stage, Temper, pause};
use crate::torture::queue::Findings;
use crate::torture::queue::random::Random;

/// The counts as if they had begun at 0.
fn from_zero(counts: ReaderCounts, first_count: u64) -> ReaderCounts {
    ReaderCounts {
        produced_blocks: counts.produced_blocks.wrapping_sub(first_count.wrapping_mul(2)),
        read_blocks: counts.read_blocks.wrapping_sub(first_count),
        lost_blocks: counts.lost_blocks.wrapping_sub(first_count),
        queued_blocks: counts.queued_blocks,
    }
}

/// A reader that joined before block 0 and stays until it has everything.
pub(super) fn resident(stage: &Stage, mut reader: RingReader, temper: Temper, mut random: Random) -> Findings {
    while temper == Temper::Absent && !stage.is_over() && !stage.gives_up() {
        pause(500);
    }
    let mut listener = Listener::new(stage.content, Some(0));
    while !stage.gives_up() {
        let look = listener.look(&mut reader);
        match temper.pause_after(look, &mut random) {
            Pause::None => {}
            Pause::Yield => thread::yield_now(),
            Pause::Spin(n) => (0..n).for_each(|_| std::hint::spin_loop()),
            Pause::SleepUs(duration_us) => pause(duration_us),
        }
        if look == Look::End {
            break;
        }
        if temper == Temper::Skipping && random.once_in(64) {
            listener.skip(&mut reader, &mut random);
        }
        if random.once_in(64) {
            check_lag(stage, &reader, &mut listener);
        }
    }
    let counts = from_zero(reader.counts(), stage.first_count);
    let past = |n: u64| stage.first_count.checked_add(n).is_none();
    if past(counts.read_blocks) && past(counts.lost_blocks) {
        // Relaxed: looked at when this thread has been joined.
        stage.has_wrapped.store(true, Ordering::Relaxed);
    }
    listener.settle(stage.progress.at_most(), counts)
}

/// What a reader says that it has yet to come to, against the writer.
fn check_lag(stage: &Stage, reader: &RingReader, listener: &mut Listener) {
    let Some(cursor) = listener.cursor() else { return };
    let at_least = stage.progress.at_least();
    let head = cursor.wrapping_add(reader.lag_blocks());
    listener.check((at_least..=stage.progress.at_most()).contains(&head));
}

/// Readers that join, read a little or nothing, and leave, until the writer is gone.
pub(super) fn visitor(stage: &Stage, mut random: Random) -> Findings {
    let mut findings = Findings::default();
    while !stage.is_over() && !stage.gives_up() {
        findings += visit(stage, &mut random);
        match random.between(0, 3) {
            0 => pause(random.between(1, 300)),
            1 => thread::yield_now(),
            _ => {}
        }
    }
    findings
}

/// One visit. Its place, at its coming and at its going, must be where the writer was then.
pub(super) fn visit(stage: &Stage, random: &mut Random) -> Findings {
    let from = if random.once_in(2) { Join::Oldest } else { Join::Next };
    let at_least = stage.progress.at_least();
    let mut reader = stage.bus.join_trial(from, stage.first_count);
    let at_most = stage.progress.at_most();
    // The oldest block that is clear of the writer: an eighth of the ring, one block at least, is kept clear.
    let n_blocks = stage.bus.n_blocks() as u64;
    let reach = if from == Join::Oldest { n_blocks - (n_blocks / 8).max(1) } else { 0 };
    let came = at_least.saturating_sub(reach)..=at_most.saturating_sub(reach);

    let mut listener = Listener::new(stage.content, None);
    let limit = random.between(0, 12);
    while listener.n_read() < limit && !stage.gives_up() {
        match listener.look(&mut reader) {
            Look::Something => {}
            Look::Nothing => thread::yield_now(),
            Look::End => break,
        }
    }
    check_lag(stage, &reader, &mut listener);

    let monitor = reader.monitor();
    let at_least = stage.progress.at_least();
    drop(reader);
    let went = at_least..=stage.progress.at_most();
    let counts = from_zero(monitor.counts(), stage.first_count);
    match listener.joined_at() {
        Some(joined_at) => {
            listener.check(came.contains(&joined_at));
            listener.check(went.contains(&joined_at.wrapping_add(counts.produced_blocks)));
        }
        // It saw no block, so its place is known no closer.
        None => {
            let longest = went.end().saturating_sub(*came.start());
            let shortest = went.start().saturating_sub(*came.end());
            listener.check((shortest..=longest).contains(&counts.produced_blocks));
        }
    }
    listener.settle_after_leaving(counts)
}

/// Takes everybody's account again and again while they run: it balances, never falls, and is where the writer is.
/// (Of readers that joined before block 0.)
pub(super) fn watch(stage: &Stage, monitors: &[ReaderMonitor]) -> Findings {
    let mut findings = Findings::default();
    let mut last = vec![ReaderCounts::default(); monitors.len()];
    loop {
        // Before the look: there is one more after the end.
        let is_over = stage.is_over() || stage.gives_up();
        for (monitor, last) in monitors.iter().zip(&mut last) {
            let at_least = stage.progress.at_least();
            let raw = monitor.counts();
            let at_most = stage.progress.at_most();
            findings.check(raw.is_balanced());
            let counts = from_zero(raw, stage.first_count);
            findings.check((at_least..=at_most).contains(&counts.produced_blocks));
            findings.check(counts.queued_blocks <= counts.produced_blocks);
            findings.check(counts.read_blocks >= last.read_blocks && counts.lost_blocks >= last.lost_blocks);
            *last = counts;
        }
        if is_over {
            return findings;
        }
        thread::yield_now();
    }
}
