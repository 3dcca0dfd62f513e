//! A stream while it runs: blocks into pages, logical streams that begin and end, metadata that changes, and the account of
//! frames. Runs on the consumer's thread and never waits.

use std::sync::Arc;

use ra_core::{Block, Gap, Metadata, SinkError, SinkReport, SinkStart, StreamSpec};

use super::config::{IcecastConfig, OnReconnect};
use super::counts::{Count, Counters, IcecastCounts, IcecastProbe};
use super::ledger::Ledger;
use super::link::{Link, Status};
use super::page_queue::{QueuedPage, StreamHead};
use super::request::song_line;
use super::text::clean_metadata;
use crate::encode::{EncodeError, Encoder, Page};

/// A sink that was started.
pub(super) struct OnAir {
    pub(super) name: String,
    server: String,
    spec: StreamSpec,
    block_frames: usize,
    pub(super) link: Arc<Link>,
    encoder: Box<dyn Encoder>,
    on_reconnect: OnReconnect,
    carries_tags: bool,
    ledger: Ledger,
    /// The logical stream that is being encoded, if one was begun.
    head: Option<Arc<StreamHead>>,
    n_streams: u64,
    /// Outages before it was begun.
    outages: u64,
    metadata: Metadata,
    /// What comes next, once the last change is old enough.
    next_metadata: Option<Metadata>,
    /// Frames since the metadata last changed.
    metadata_age_frames: u64,
    counters: Arc<Counters>,
    /// What was last told of them.
    told: IcecastCounts,
}

impl OnAir {
    /// A stream that has encoded nothing yet.
    pub(super) fn new(config: &IcecastConfig, start: &SinkStart, encoder: Box<dyn Encoder>, link: Arc<Link>) -> Self {
        let counters = Arc::clone(&link.counters);
        let mut on_air = Self {
            name: start.name.clone(),
            server: config.url.to_string(),
            spec: start.spec,
            block_frames: start.block_frames,
            link,
            encoder,
            on_reconnect: config.on_reconnect,
            carries_tags: config.codec.carries_tags(),
            ledger: Ledger::default(),
            head: None,
            n_streams: 0,
            outages: 0,
            metadata: Metadata::default(),
            next_metadata: None,
            metadata_age_frames: u64::MAX,
            counters,
            told: IcecastCounts::default(),
        };
        on_air.set_metadata(&config.metadata);
        on_air
    }

    /// The notes, where more has happened than bytes that went out.
    pub(super) fn take_report(&mut self) -> Option<SinkReport> {
        let counts = IcecastProbe(Arc::clone(&self.counters)).counts();
        let telling = IcecastCounts { sent_bytes: 0, acknowledged_frames: 0, failed_attempts: 0, ..counts };
        if telling == self.told {
            return None;
        }
        self.told = telling;
        Some(self.report())
    }

    /// What it has done, for people.
    pub(super) fn report(&self) -> SinkReport {
        let counts = IcecastProbe(Arc::clone(&self.counters)).counts();
        let ms = |n_frames| self.spec.sample_rate.ns_of_frames(n_frames) / 1_000_000;
        let (limit_frames, most_frames) = self.link.queue_frames();
        let mut notes = vec![format!(
            "{}: {} connections, {} bytes sent; at most {} ms waited, of {} ms that may",
            self.server,
            counts.connections,
            counts.sent_bytes,
            ms(most_frames),
            ms(limit_frames)
        )];
        for (n, what) in [
            (counts.losses, "connections were lost"),
            (counts.failed_attempts, "attempts to connect failed"),
            (counts.thrown_away_frames, "frames were thrown away: never sent, or never acknowledged"),
            (counts.overflows, "times the network was too slow for the stream"),
            (counts.metadata_failures, "updates of the title failed"),
            (counts.clipped_samples, "samples beyond full scale"),
        ] {
            if n > 0 {
                notes.push(format!("{n} {what}"));
            }
        }
        SinkReport { notes, ..SinkReport::default() }
    }

    /// Encodes a block, into a new logical stream where there is none.
    pub(super) fn write(&mut self, block: &Block<'_>) -> Result<(), SinkError> {
        self.follow_connection()?;
        self.change_metadata_when_due()?;
        self.begin_stream()?;
        let n_frames = block.n_frames() as u64;
        self.ledger.put_real(n_frames);
        self.metadata_age_frames = self.metadata_age_frames.saturating_add(n_frames);
        let mut pages = Vec::new();
        let encoded = self.encoder.encode(block.stamp.position, block.samples, &mut pages);
        // The block itself is refused, and so was never delivered.
        let clipped = encoded.map_err(|cause| self.encoder_failed(&cause, n_frames))?;
        self.counters.add(Count::ClippedSamples, clipped);
        self.hand_over(pages);
        Ok(())
    }

    /// Puts silence of the gap's length into the stream, `most_ms` at most, if one was begun.
    pub(super) fn gap(&mut self, gap: &Gap, most_ms: u32) -> Result<(), SinkError> {
        self.follow_connection()?;
        if self.head.is_none() {
            return Ok(());
        }
        let most_frames = self.spec.sample_rate.frames_in_ms_ceil(f64::from(most_ms)) as u64;
        let n_frames = gap.n_frames.min(most_frames);
        let mut left = n_frames;
        while left > 0 {
            let n = left.min(self.block_frames as u64);
            self.ledger.put_silence(n);
            let mut pages = Vec::new();
            let encoded = self.encoder.encode_silence(n as usize, &mut pages);
            encoded.map_err(|cause| self.encoder_failed(&cause, 0))?;
            self.hand_over(pages);
            left -= n;
        }
        self.counters.add(Count::SilenceFrames, n_frames);
        Ok(())
    }

    /// By the rule "live", what was encoded before an outage is not sent behind it.
    fn follow_connection(&mut self) -> Result<(), SinkError> {
        if self.on_reconnect == OnReconnect::Resume {
            return Ok(());
        }
        let (status, outages) = self.link.status();
        if outages != self.outages {
            // Too late for its outage: the link throws its pages away.
            self.end_stream();
            self.outages = outages;
        }
        match status {
            Status::Down(reason) => Err(self.no_connection(reason)),
            Status::Opening | Status::Up => Ok(()),
        }
    }

    /// Says this of the sound, as soon as the last change is old enough.
    pub(super) fn set_metadata(&mut self, metadata: &Metadata) {
        let (metadata, changed) = clean_metadata(metadata);
        if !changed.is_empty() {
            log::warn!("icecast {}: control characters taken out of, or cut: {}", self.name, changed.join(", "));
        }
        self.next_metadata = Some(metadata);
    }

    /// A change makes a new logical stream: at most one a second, where one is under way.
    fn change_metadata_when_due(&mut self) -> Result<(), SinkError> {
        if self.head.is_some() && self.metadata_age_frames < u64::from(self.spec.sample_rate.hz()) {
            return Ok(());
        }
        let Some(metadata) = self.next_metadata.take().filter(|next| *next != self.metadata) else { return Ok(()) };
        self.metadata = metadata;
        self.metadata_age_frames = 0;
        if !self.carries_tags {
            self.link.set_song(song_line(&self.metadata));
        } else if self.head.is_some() {
            self.end_stream();
            self.begin_stream()?;
            self.counters.add(Count::MetadataUpdates, 1);
        }
        Ok(())
    }

    fn begin_stream(&mut self) -> Result<(), SinkError> {
        if self.head.is_none() {
            let headers = self.encoder.headers(&self.metadata);
            let bytes = headers.map_err(|cause| self.encoder_failed(&cause, 0))?;
            self.head = Some(Arc::new(StreamHead { number: self.n_streams, bytes }));
            self.n_streams += 1;
        }
        Ok(())
    }

    /// What the encoder still holds goes into the stream's last pages.
    pub(super) fn end_stream(&mut self) {
        if self.head.is_none() {
            return;
        }
        let mut pages = Vec::new();
        if let Err(cause) = self.encoder.finish(&mut pages) {
            log::error!("icecast {}: {cause}", self.name);
        }
        self.hand_over(pages);
        self.head = None;
        self.link.lose(self.ledger.take_all());
    }

    fn hand_over(&mut self, pages: Vec<Page>) {
        let Some(head) = self.head.as_ref().filter(|_| !pages.is_empty()) else { return };
        let pages = pages.into_iter().map(|Page { bytes, n_frames }| {
            let real_frames = self.ledger.take(n_frames);
            QueuedPage { head: Arc::clone(head), bytes, n_frames, real_frames }
        });
        let pages = pages.collect();
        self.link.push(pages, self.outages);
    }

    /// The sink is not called again: what it still holds is lost, but for `refused_frames`, which nobody counts as its own.
    fn encoder_failed(&mut self, cause: &EncodeError, refused_frames: u64) -> SinkError {
        self.link.lose(self.ledger.take_all().saturating_sub(refused_frames));
        self.link.give_up(format!("the encoder failed: {cause}"));
        SinkError::Fatal(format!("{}: the encoder failed: {cause}", self.server))
    }

    /// What a block that can't be taken is refused with.
    pub(super) fn no_connection(&self, reason: String) -> SinkError {
        SinkError::Server { server: self.server.clone(), message: reason }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ra_core::{BlockStamp, FramePosition, GapReason};

    use super::super::password::Password;
    use super::*;

    /// Mono; gives a page for every 100 frames, and fails where the sound is beyond full scale.
    #[derive(Default)]
    struct PlainEncoder {
        pending_frames: usize,
        /// A page of nothing but silence has a 0 in it, one with sound a 1.
        has_sound: bool,
    }

    impl PlainEncoder {
        fn take(&mut self, n_frames: usize, pages: &mut Vec<Page>) {
            self.pending_frames += n_frames;
            while self.pending_frames >= 100 {
                self.pending_frames -= 100;
                let has_sound = std::mem::take(&mut self.has_sound);
                pages.push(Page { bytes: vec![u8::from(has_sound)], n_frames: 100 });
            }
        }
    }

    impl Encoder for PlainEncoder {
        fn headers(&mut self, _tags: &Metadata) -> Result<Vec<u8>, EncodeError> {
            Ok(Vec::new())
        }

        fn encode(
            &mut self,
            _position: FramePosition,
            interleaved: &[f32],
            pages: &mut Vec<Page>,
        ) -> Result<u64, EncodeError> {
            if interleaved[0] > 1.0 {
                return Err(EncodeError::NotStarted { codec: "plain" });
            }
            self.has_sound = true;
            self.take(interleaved.len(), pages);
            Ok(0)
        }

        fn encode_silence(&mut self, n_frames: usize, pages: &mut Vec<Page>) -> Result<(), EncodeError> {
            self.take(n_frames, pages);
            Ok(())
        }

        fn finish(&mut self, _pages: &mut Vec<Page>) -> Result<(), EncodeError> {
            Ok(())
        }

        fn content_type(&self) -> &'static str {
            "audio/plain"
        }
    }

    fn spec() -> StreamSpec {
        StreamSpec::new(48_000, 1).unwrap()
    }

    fn on_air() -> OnAir {
        let config = IcecastConfig::new("http://h/x".parse().unwrap(), Password::new("p"));
        let start = SinkStart {
            name: "air".to_owned(),
            spec: spec(),
            block_frames: 80,
            position: FramePosition(0),
            unix_ns: 0,
            unix_minus_monotonic_ns: None,
        };
        let link = Link::new(10_000, config.on_reconnect, Arc::default());
        OnAir::new(&config, &start, Box::<PlainEncoder>::default(), Arc::new(link))
    }

    fn write(on_air: &mut OnAir, sample: f32) -> Result<(), SinkError> {
        on_air.write(&Block { stamp: BlockStamp::default(), spec: spec(), samples: &[sample; 80] })
    }

    #[test]
    fn an_encoder_that_fails_takes_all_that_waits_with_it() {
        let mut on_air = on_air();
        (0..4).for_each(|_| write(&mut on_air, 0.5).unwrap());
        // One page of three is on its way, and has not arrived.
        on_air.link.take(Duration::ZERO).unwrap();
        let error = write(&mut on_air, 2.0).unwrap_err();
        assert!(error.is_fatal() && error.to_string().contains("the encoder failed"), "{error}");
        assert_eq!(on_air.link.take_lost_frames(), 4 * 80, "all blocks but the one that was refused");
        assert!(on_air.link.is_ending() && on_air.link.wait_for_end(Duration::ZERO));
    }

    #[test]
    fn a_gap_is_the_encoders_own_silence() {
        let mut on_air = on_air();
        write(&mut on_air, 0.5).unwrap();
        let gap = Gap { at_frame: FramePosition(80), n_frames: 220, reason: GapReason::Lagged };
        on_air.gap(&gap, 1_000).unwrap();
        let pages: Vec<_> = std::iter::from_fn(|| on_air.link.take(Duration::ZERO)).collect();
        let found: Vec<_> = pages.iter().map(|page| (page.bytes[0], page.n_frames, page.real_frames)).collect();
        assert_eq!(found, [(1, 100, 80), (0, 100, 0), (0, 100, 0)]);
    }
}
