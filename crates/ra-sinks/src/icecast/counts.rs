//! What an Icecast sink has done, to be looked at from anywhere while it lives. Decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an Icecast sink has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcecastCounts {
    /// Connections whose server took the stream.
    pub connections: u64,
    /// Of these, the ones that were lost.
    pub losses: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Bytes of sound, headers included, that were sent.
    pub sent_bytes: u64,
    /// Frames of the bus that the other side has acknowledged.
    pub acknowledged_frames: u64,
    /// Frames of the bus that were taken and then thrown away: in an outage, or because the network was too slow.
    pub thrown_away_frames: u64,
    /// Times that more waited than may, while the connection was there.
    pub overflows: u64,
    /// Frames of silence in the place of missing ones.
    pub silence_frames: u64,
    /// Samples beyond full scale.
    pub clipped_samples: u64,
    /// Changes of the metadata that were carried out: new streams in Ogg, updates that the server has confirmed by URL.
    pub metadata_updates: u64,
    /// Updates by URL that the server has refused or not answered.
    pub metadata_failures: u64,
}

/// Shows a sink's [`IcecastCounts`] after the sink itself was given away.
#[derive(Clone, Debug)]
pub struct IcecastProbe(pub(super) Arc<Counters>);

impl IcecastProbe {
    /// What the sink has done so far. Counts of one moment may be a little apart.
    pub fn counts(&self) -> IcecastCounts {
        // Relaxed throughout: nothing is inferred from one count about another.
        let Counters(counters) = &*self.0;
        let value = |which: Count| counters[which as usize].load(Ordering::Relaxed);
        IcecastCounts {
            connections: value(Count::Connections),
            losses: value(Count::Losses),
            failed_attempts: value(Count::FailedAttempts),
            sent_bytes: value(Count::SentBytes),
            acknowledged_frames: value(Count::AcknowledgedFrames),
            thrown_away_frames: value(Count::ThrownAwayFrames),
            overflows: value(Count::Overflows),
            silence_frames: value(Count::SilenceFrames),
            clipped_samples: value(Count::ClippedSamples),
            metadata_updates: value(Count::MetadataUpdates),
            metadata_failures: value(Count::MetadataFailures),
        }
    }
}

/// Which counter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Connections,
    Losses,
    FailedAttempts,
    SentBytes,
    AcknowledgedFrames,
    ThrownAwayFrames,
    Overflows,
    SilenceFrames,
    ClippedSamples,
    MetadataUpdates,
    MetadataFailures,
}

/// The counters, shared by the sink's threads.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; Count::MetadataFailures as usize + 1]);

impl Counters {
    pub(super) fn add(&self, count: Count, n: u64) {
        self.0[count as usize].fetch_add(n, Ordering::Relaxed);
    }
}
