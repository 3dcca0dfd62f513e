//! What a take keeps for its sidecar alone, and the writing of it.

use std::path::{Path, PathBuf};

use ra_core::{Metadata, SinkError, SinkStart};

use super::{About, Take};
use crate::record::{
    config::RecorderConfig,
    levels::Levels,
    series::{EndedBy, PlaceInSeries},
    sidecar::{RecordingState, SidecarFile, SidecarReport},
    silence::SilenceLog,
};

/// How much audio passes between two sidecars that differ in levels and length only. A gap is written at the next flush.
const INTERVAL_MS: f64 = 10_000.0;

/// Only what the sidecar says: without one, none of it is kept.
pub(super) struct SidecarPart {
    pub(super) file: SidecarFile,
    pub(super) levels: Levels,
    pub(super) silence: Option<SilenceLog>,
    /// It has something to say before the interval is over.
    pub(super) has_news: bool,
    about: About,
    ended_by: Option<EndedBy>,
    next: Option<PathBuf>,
    channels_of_bus: Vec<u16>,
    interval_frames: u64,
    last_written: u64,
}

impl SidecarPart {
    pub(super) fn new(config: &RecorderConfig, start: &SinkStart, file: SidecarFile, about: About) -> Self {
        let rate = start.spec.sample_rate;
        Self {
            file,
            levels: Levels::new(start.spec),
            silence: config.silence.map(|rule| SilenceLog::new(rule, rate)),
            has_news: false,
            about,
            ended_by: None,
            next: None,
            channels_of_bus: config.channels.clone(),
            interval_frames: rate.frames_in_ms_ceil(INTERVAL_MS) as u64,
            last_written: 0,
        }
    }
}

impl Take {
    /// From now on the sidecar says this of the files before it.
    pub(crate) fn set_place(&mut self, place: PlaceInSeries) {
        if let Some(sidecar) = &mut self.sidecar
            && sidecar.about.series != place
        {
            sidecar.about.series = place;
            sidecar.has_news = true;
        }
    }

    /// From now on the sidecar says this.
    pub(crate) fn set_metadata(&mut self, metadata: &Metadata) {
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.about.metadata.clone_from(metadata);
            sidecar.has_news = true;
        }
    }

    pub(super) fn note_end(&mut self, by: EndedBy, next: Option<&Path>) {
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.ended_by = Some(by);
            sidecar.next = next.map(Path::to_owned);
        }
    }

    /// Writes it where it is due: it has news, or enough sound has passed.
    pub(super) fn write_sidecar_if_due(&mut self) -> Result<(), SinkError> {
        let taken = self.container.counts().taken_frames;
        let is_due = self.sidecar.as_ref().is_some_and(|s| s.has_news || taken - s.last_written >= s.interval_frames);
        if is_due { self.write_sidecar(RecordingState::Recording, None) } else { Ok(()) }
    }

    pub(super) fn write_sidecar(&mut self, state: RecordingState, reason: Option<&str>) -> Result<(), SinkError> {
        let missing_tail_frames = self.missing_tail_frames();
        let held_frames = self.held_end().frames_since(self.start.position);
        let Some(sidecar) = &mut self.sidecar else { return Ok(()) };
        let counts = self.container.counts();
        let report = SidecarReport {
            start: &self.start,
            recording: &self.path,
            format: sidecar.about.format,
            series: &sidecar.about.series,
            begun_by: sidecar.about.begun_by,
            ended_by: sidecar.ended_by,
            next: sidecar.next.as_deref(),
            pre_roll_frames: sidecar.about.pre_roll_frames,
            channels_of_bus: &sidecar.channels_of_bus,
            metadata: &sidecar.about.metadata,
            silence: sidecar.silence.as_ref(),
            state,
            reason,
            frames: held_frames,
            missing_tail_frames,
            clipped_samples: self.clipped_samples,
            non_finite_samples: sidecar.levels.non_finite_samples(),
            levels: &sidecar.levels.over(counts.taken_frames),
            gaps: &self.gaps,
        };
        sidecar.file.replace(&report).map_err(|cause| SinkError::File { path: sidecar.file.path().into(), cause })?;
        sidecar.last_written = counts.taken_frames;
        sidecar.has_news = false;
        Ok(())
    }
}
