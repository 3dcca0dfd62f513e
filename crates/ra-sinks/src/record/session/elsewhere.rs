//! Going on in another file, where the one that is written can't be written any more.

use std::path::Path;

use ra_core::FramePosition;

use super::{Phase, Session};
use crate::record::{opener::Place, recent::Replayed, series::BegunBy};

/// How much sound passes between two attempts to go on elsewhere, in milliseconds.
const RETRY_MS: f64 = 1000.0;

impl Session {
    /// The file can't be written: goes on in another from where it ends, if there is a way. `false`: it stays.
    pub(super) fn go_elsewhere(&mut self, reason: &str, is_removed: bool) -> bool {
        let Phase::Recording(current) = &self.phase else { return false };
        let places: &[Place] = match current.place {
            _ if is_removed => &[Place::First, Place::Failover],
            Place::First if self.opener.has_failover() => &[Place::Failover],
            Place::Failover => &[Place::First],
            Place::First => return false,
        };
        if self.position < self.next_try {
            return false;
        }
        let published_end = current.take.published_end();
        let from = published_end.max(self.recent.start());
        // What the memory does not reach back to will be in no file.
        let n_lost = current.take.unpublished_sound_frames(from);
        let opened = match self.open(from, BegunBy::Failover, places) {
            Ok(opened) => opened,
            Err(error) => {
                log::error!("{}: {reason}; it can't go on in another file either: {error}", self.start.name);
                let retry_frames = self.start.spec.sample_rate.frames_in_ms_ceil(RETRY_MS) as u64;
                self.next_try = self.position + retry_frames;
                return false;
            }
        };
        let next_path = opened.take.path().to_owned();
        log::error!("{}: {reason}; it goes on in {}", self.start.name, next_path.display());
        let old = std::mem::replace(&mut self.phase, Phase::Paused);
        self.go_on_in(opened);
        if let Phase::Recording(old) = old {
            let take = old.take;
            let (path, begin) = (take.path().to_owned(), take.begin_position());
            let sidecar = take.sidecar_path().map(Path::to_owned);
            self.counts.totals += take.leave(reason, &next_path);
            self.note_ended(&path, sidecar.as_deref(), begin, published_end.frames_since(begin));
        }
        self.counts.n_failovers += 1;
        self.lose(n_lost);
        self.replay(from);
        true
    }

    /// Hands the current file what is in memory from `from` on.
    pub(super) fn replay(&mut self, from: FramePosition) {
        let Phase::Recording(current) = &mut self.phase else { return };
        let take = &mut current.take;
        let mut n_lost = 0;
        let replayed = self.recent.replay(from, |piece| match piece {
            Replayed::Sound(block) => take.write(&block).inspect_err(|_| n_lost += block.n_frames() as u64),
            Replayed::Missing(gap) => take.gap(&gap),
        });
        self.recent.forget_before(take.published_end());
        if let Err(error) = replayed {
            log::error!("{}: {error}", self.start.name);
        }
        self.lose(n_lost);
    }
}
