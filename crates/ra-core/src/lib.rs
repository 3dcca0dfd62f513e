//! The words that every part of ra shares.
//!
//! Stream specs, stamped blocks, positions on the timeline, clocks, the traits of sources and sinks, typed stream
//! events, and the account that every frame appears in. This crate depends on no other ra crate, opens nothing and
//! starts no thread.

mod account;
mod block;
mod clock;
mod consumer;
mod error;
mod event;
mod metadata;
mod position;
mod sink;
mod source;
mod spec;
mod stats;

pub use account::FrameAccount;
pub use block::{Block, BlockStamp, PeriodStamp};
pub use clock::{Clock, SystemClock, VirtualClock};
pub use consumer::{ConsumerClass, OnLag, SinkPolicy};
pub use error::{SinkError, SourceError, SpecError};
pub use event::{Gap, GapReason, StreamEvent};
pub use metadata::Metadata;
pub use position::FramePosition;
pub use sink::{PlaybackClock, Sink, SinkCommand, SinkReport, SinkStart};
pub use source::{ClockedSource, Granted, PeriodInput, PulledSource, Source};
pub use spec::{ChannelCount, Ppm, SampleRate, StreamSpec};
pub use stats::{
    BusStats, EngineStats, Level, MasterState, MasterStats, RealtimeClass, RealtimeGrant, SinkState, SinkStats,
    SourceState, SourceStats, StateChange, Stats,
};
