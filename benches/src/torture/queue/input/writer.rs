//! The source's end under torture: deliveries of random length by both ways in, more than fits now and then, and breaks.

use std::sync::atomic::Ordering;

use ra_core::PeriodInput;
use ra_queue::InputWriter;

use super::{InputScene, Stage};
use crate::torture::queue::pace::Pacer;
use crate::torture::queue::random::Random;

/// What the writer knows at its end, all by its own count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offered {
    pub(super) n_frames: u64,
    pub(super) n_taken: u64,
    pub(super) n_refused: u64,
    /// Deliveries of which a frame was taken: each has a stamp.
    pub(super) n_stamps: u64,
    /// Stamps behind a break.
    pub(super) n_breaks: u64,
    /// Whether the writer was told that the reader is gone.
    pub(super) saw_it_leave: bool,
    /// Whether the reader was gone, and the writer was not told.
    pub(super) missed_its_leaving: bool,
}

/// Delivers until the time is over, and leaves what it counted on the stage.
pub(super) fn write(stage: &Stage, scene: &InputScene, mut writer: InputWriter, mut pacer: Pacer, mut random: Random) {
    let n_channels = stage.content.n_channels;
    let mut samples = vec![0.0; 2 * scene.capacity_frames.max(scene.max_period_frames) * n_channels];
    let mut offered = Offered::default();
    let mut is_after_break = false;
    while pacer.goes_on(offered.n_frames) {
        if random.once_in(16) {
            writer.mark_break();
            is_after_break = true;
        }
        let max_frames = if random.once_in(64) { 2 * scene.capacity_frames } else { scene.max_period_frames };
        let n_frames = random.between(1, max_frames as u64);
        let position = stage.first_position.wrapping_add(offered.n_frames);
        let capture_ns = stage.content.capture_ns(offered.n_stamps, is_after_break);
        // Of what is lent it may fill less; a full ring lends nothing, and nothing is lost by it.
        let (n_offered, n_taken) = if random.once_in(4) {
            stage.progress.begin(offered.n_frames + n_frames);
            let n_taken = writer.fill(capture_ns, n_frames as usize, &mut |piece| {
                let n_filled = (piece.len() / n_channels).min(random.between(1, n_frames) as usize);
                stage.content.fill(position, &mut piece[..n_filled * n_channels]);
                n_filled
            });
            (n_taken as u64, n_taken as u64)
        } else {
            let samples = &mut samples[..n_frames as usize * n_channels];
            stage.content.fill(position, samples);
            stage.progress.begin(offered.n_frames + n_frames);
            (n_frames, writer.push(capture_ns, samples) as u64)
        };
        offered.n_frames += n_offered;
        offered.n_taken += n_taken;
        offered.n_refused += n_offered.saturating_sub(n_taken);
        if n_taken > 0 {
            offered.n_stamps += 1;
            offered.n_breaks += u64::from(is_after_break);
            is_after_break = false;
        }
        stage.progress.finish(offered.n_frames);
    }
    // Acquire: pairs with the Release in `listen`, behind which the reader is gone.
    let has_left = stage.has_left.load(Ordering::Acquire);
    offered.saw_it_leave = writer.is_abandoned();
    offered.missed_its_leaving = has_left && !offered.saw_it_leave;
    // Only this thread sets it. Before the end is told, so that who sees the end finds it.
    let _ = stage.offered.set(offered);
    drop(writer);
    // Relaxed: a flag that orders nothing.
    stage.is_over.store(true, Ordering::Relaxed);
}
