//! Going on in another file, where the one that is written can't be written any more, or no sync brings it to its disk.

use std::path::Path;

use super::{Phase, Session};
use crate::record::{opener::Place, series::BegunBy, take::LastSidecar};

/// How much sound passes between two attempts to go on elsewhere, and between two moves from files that can't be written, in
/// milliseconds: two disks that open files and take nothing are not to be filled with them.
const RETRY_MS: f64 = 1000.0;

impl Session {
    /// The file can't be written: goes on in another from where it ends, if there is a way. What the other is to take over
    /// is in memory, and still to be handed to it. `false`: it stays.
    pub(super) fn go_elsewhere(&mut self, reason: &str, is_removed: bool) -> bool {
        if self.position < self.next_try {
            return false;
        }
        let Phase::Recording(current) = &mut self.phase else { return false };
        if !current.take.has_failed_sync() {
            if self.position < self.next_move {
                return false;
            }
            // What is in the file is to last; where that is not to be had, the next one begins where it was had last.
            if !is_removed && self.opener.has_failover() {
                current.take.try_sync();
            }
        }
        let has_failed_sync = current.take.has_failed_sync();
        let held_end = current.take.held_end();
        let from = held_end.max(self.recent.start());
        let begin = current.take.begin_position();
        let places: &[Place] = match (current.place, self.opener.has_failover()) {
            _ if is_removed => &[Place::First, Place::Failover],
            // It began for a failed sync, and no sync of its own has succeeded: another file would fare no better.
            _ if has_failed_sync && held_end == begin && self.begun_for_sync == Some(begin) => return false,
            (Place::First, true) if has_failed_sync => &[Place::Failover, Place::First],
            (Place::First, true) => &[Place::Failover],
            (Place::First, false) if has_failed_sync => &[Place::First],
            (Place::Failover, _) if has_failed_sync => &[Place::First, Place::Failover],
            (Place::Failover, _) => &[Place::First],
            (Place::First, false) => return false,
        };
        // What the memory does not reach back to will be in no file.
        let n_lost = current.take.missing_sound_frames(from);
        let opened = match self.open(from, BegunBy::Failover, places) {
            Ok(opened) => opened,
            Err(error) => {
                self.next_try = self.position + self.frames_in_ms(RETRY_MS);
                log::error!("{}: {reason}; it can't go on in another file either: {error}", self.start.name);
                return false;
            }
        };
        self.next_move = self.position + self.frames_in_ms(RETRY_MS);
        self.begun_for_sync = has_failed_sync.then_some(from);
        let next_path = opened.take.path().to_owned();
        log::error!("{}: {reason}; it goes on in {}", self.start.name, next_path.display());
        let old = std::mem::replace(&mut self.phase, Phase::Paused);
        self.behind = Some(from);
        self.go_on_in(opened);
        if let Phase::Recording(old) = old {
            let take = old.take;
            let path = take.path().to_owned();
            let sidecar = take.sidecar_path().map(Path::to_owned);
            // Of a file that is gone the name is free, and may be the new one's.
            let last = if is_removed { LastSidecar::None } else { LastSidecar::Written };
            self.counts.totals += take.leave(reason, &next_path, last);
            let n_frames = held_end.frames_since(begin);
            if is_removed {
                self.series.ended(&path, begin, n_frames);
            } else {
                self.note_ended(&path, sidecar.as_deref(), begin, n_frames);
            }
        }
        self.counts.n_failovers += 1;
        self.lose(n_lost);
        true
    }
}
