//! When a take brings what it has to its file, and its file to the disk; and how far both are.

use std::io;

use ra_core::{FramePosition, SampleRate};

use super::Take;
use crate::record::config::{RecorderConfig, SyncRhythm};

/// What is due when, in frames that the container had taken.
pub(super) struct Rhythm {
    header_interval_frames: u64,
    sync_interval_frames: Option<u64>,
    last_publish: u64,
    last_sync: u64,
    /// Frames that the last good sync brought to the disk.
    durable_frames: u64,
}

impl Rhythm {
    pub(super) fn new(config: &RecorderConfig, rate: SampleRate) -> Self {
        let frames_in = |ms: u32| rate.frames_in_ms_ceil(ms.into()) as u64;
        Self {
            header_interval_frames: frames_in(config.header_interval_ms),
            sync_interval_frames: match config.sync {
                SyncRhythm::EveryMs(ms) => Some(frames_in(ms)),
                SyncRhythm::Never => None,
            },
            last_publish: 0,
            last_sync: 0,
            durable_frames: 0,
        }
    }

    /// Whether the file is to last beyond a power cut.
    pub(super) const fn has_syncs(&self) -> bool {
        self.sync_interval_frames.is_some()
    }
}

impl Take {
    /// Up to where the file holds everything, whatever becomes of this process.
    pub(crate) fn published_end(&self) -> FramePosition {
        self.start.position + self.container.counts().published_frames
    }

    /// Frames that the container has taken and that the file does not hold yet.
    pub(crate) fn unpublished_frames(&self) -> u64 {
        let counts = self.container.counts();
        counts.taken_frames - counts.published_frames
    }

    /// Up to where the file holds everything, also after a power cut; where it is never synced, whatever becomes of this
    /// process.
    pub(crate) fn durable_end(&self) -> FramePosition {
        match self.rhythm.sync_interval_frames {
            Some(_) => self.start.position + self.rhythm.durable_frames,
            None => self.published_end(),
        }
    }

    /// Up to where the file holds everything as far as is known: behind a failed sync that is the last good one.
    pub(crate) fn held_end(&self) -> FramePosition {
        if self.sync_failed_at.is_some() { self.durable_end() } else { self.published_end() }
    }

    /// Frames of sound before `end` that were taken and that the file does not hold, as far as is known: gaps are none.
    pub(crate) fn missing_sound_frames(&self, end: FramePosition) -> u64 {
        self.sound_frames_between(self.held_end(), self.taken_end().min(end))
    }

    fn sound_frames_between(&self, from: FramePosition, to: FramePosition) -> u64 {
        to.frames_since(from).saturating_sub(self.gaps.frames_between(from, to))
    }

    /// Whether a sync failed, and none has succeeded since.
    pub(crate) const fn has_failed_sync(&self) -> bool {
        self.sync_failed_at.is_some()
    }

    /// Frames of sound that a failed sync has left in doubt for good, since the last call.
    pub(crate) fn take_unsure_frames(&mut self) -> u64 {
        std::mem::take(&mut self.unsure_frames)
    }

    /// Brings what is in the file to the disk, where it is to be synced at all. Whether that worked, it knows by itself.
    pub(crate) fn try_sync(&mut self) {
        if self.rhythm.has_syncs()
            && let Err(cause) = self.sync()
        {
            drop(self.failed(cause));
        }
    }

    /// Publishes after a header interval. An error here is no refusal, for the frames are kept: the next flush says it,
    /// or the next write that finds no room.
    pub(super) fn publish_if_due(&mut self) {
        let taken = self.container.counts().taken_frames;
        if taken - self.rhythm.last_publish >= self.rhythm.header_interval_frames {
            match self.publish() {
                Ok(()) => self.recovered(),
                Err(cause) => drop(self.failed(cause)),
            }
        }
    }

    pub(super) fn publish(&mut self) -> io::Result<()> {
        let taken = self.container.counts().taken_frames;
        self.container.publish()?;
        self.rhythm.last_publish = taken;
        if self.rhythm.sync_interval_frames.is_some_and(|n| taken - self.rhythm.last_sync >= n) {
            self.sync()?;
            self.rhythm.last_sync = taken;
        }
        Ok(())
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        let published_frames = self.container.counts().published_frames;
        match self.container.sync() {
            Ok(()) => {
                if let Some(failed_at) = self.sync_failed_at.take() {
                    // Linux reports once what it could not write, drops it, and finds nothing amiss the next time.
                    self.unsure_frames +=
                        self.sound_frames_between(self.durable_end(), self.start.position + failed_at);
                }
                self.rhythm.durable_frames = published_frames;
                Ok(())
            }
            // Its file system has no syncs: nothing is known, and nothing was dropped.
            Err(cause) if matches!(cause.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => {
                Err(cause)
            }
            Err(cause) => {
                self.sync_failed_at = Some(published_frames);
                Err(cause)
            }
        }
    }
}
