//! The engine and facade of ra: many sources on one timeline, mixed and handed to many consumers.
//!
//! [`Engine`] runs in real time with its own threads; [`OfflineEngine`] steps the same mixer as fast as the machine allows;
//! [`VirtualEngine`] runs it with its clocked sources in virtual time.
//! Sources and sinks come from [`sources`] and [`sinks`], or are your own: implement [`core::PulledSource`],
//! [`core::ClockedSource`] or [`core::Sink`], or read a bus with [`EngineHandle::subscribe`]; from an async task, by the feature `async`.
//!
//! What runs on the audio thread lives in `rt`; what may block lives on the control thread and on workers. Nothing here
//! knows what a command line is, and nothing reads a path from the environment.
//!
//! # Examples
//! ```
//! use ra_engine::core::StreamSpec;
//! use ra_engine::sources::{MockConfig, MockSource, Signal};
//! use ra_engine::{AnySource, Engine, EngineConfig, RealtimeRequest, SourceConfig};
//!
//! let mut engine = Engine::new(EngineConfig { realtime: RealtimeRequest::Ordinary, ..EngineConfig::default() })?;
//! let spec = StreamSpec::new(48_000, 2)?;
//! let tone = MockSource::new(MockConfig::new(spec, Signal::Tone { hz: 997.0, dbfs: -20.0 }))?;
//! let handle = engine.handle();
//! handle.add_source(SourceConfig::named("tone"), AnySource::pulled(tone))?;
//! engine.start()?;
//! handle.set_gain_db("tone", -6.0)?;
//! let stats = engine.stop()?;
//! assert!(stats.sources[0].account.is_balanced());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(rtsan, feature(sanitize))]

#[cfg(feature = "async")]
mod async_reader;
mod command;
mod config;
mod consumer;
mod control;
mod cushion;
mod engine;
mod error;
mod feeder;
mod gap_list;
mod handle;
mod lag;
mod mixer_thread;
mod offline;
mod os;
mod reader;
mod rt;
mod sink_order;
mod sink_shared;
mod timeline;
mod trouble;
mod virtual_engine;
mod workers;

#[cfg(feature = "async")]
pub use async_reader::{AsyncBusEvent, AsyncBusReader, OwnedBlock, OwnedBusEvent};
pub use command::{AnySource, InsertId, Strip};
pub use config::{
    BusConfig, ConsumerClass, EngineConfig, FanOutBackend, Latency, MAIN_BUS, Master, MonoLaw, OnLag, OnLoss,
    OnRateMismatch, Quality, ReaderConfig, RealtimeRequest, SOURCE_BUS_PREFIX, SinkConfig, SourceConfig,
};
pub use engine::Engine;
pub use error::{CommandError, EngineError};
pub use handle::EngineHandle;
pub use offline::OfflineEngine;
pub use os::request_realtime;
pub use ra_core as core;
pub use ra_dsp as dsp;
pub use ra_queue as queue;
pub use ra_sinks as sinks;
pub use ra_sources as sources;
pub use reader::{BusEvent, BusReader};
pub use virtual_engine::{SourceReading, VirtualEngine};
