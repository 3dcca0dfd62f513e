//! Sound sources: files, synthetic signals in a simulated room, and (by feature) devices.
//!
//! [`FileSource`] and [`MockSource`] are pulled: they give frames as fast as they are asked. [`PacedSource`] turns either
//! into a clocked source that delivers at its own pace, on absolute deadlines, with a clock that may be wrong on purpose
//! ([`ClockModel`]). [`SimulatedDevice`] is a whole device in virtual time, faults and all. This crate mixes nothing, resamples nothing and knows no engine.
//!
//! | feature | gives | needs |
//! |---|---|---|
//! | `file` | [`FileSource`] | nothing from the system |
//! | `mock` | [`MockSource`], [`SimulatedDevice`] | nothing from the system |
//! | `device` | capture through cpal | ALSA's headers on Linux |
//!
//! [`PacedSource`] comes with `file` and with `mock`.
//!
//! # Examples
//! ```
//! # #[cfg(feature = "mock")] {
//! use ra_core::{PulledSource, StreamEvent, StreamSpec};
//! use ra_sources::{MockConfig, MockSource, Signal};
//! let spec = StreamSpec::new(48_000, 1)?;
//! let mut tone = MockSource::new(MockConfig::new(spec, Signal::Tone { hz: 1_000.0, dbfs: -20.0 }))?;
//! let mut out = [0.0; 480];
//! assert_eq!(tone.read(&mut out)?, StreamEvent::Frames { n_frames: 480 });
//! assert!((out[12] - 0.1).abs() < 1e-6); // a quarter of a period in
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock_model;
#[cfg(feature = "device")]
mod device;
#[cfg(feature = "file")]
mod file;
#[cfg(feature = "mock")]
mod mock;
#[cfg(any(feature = "file", feature = "mock"))]
mod paced;
#[cfg(any(feature = "file", feature = "mock"))]
mod random;
mod room_time;
#[cfg(feature = "mock")]
mod simulated;

pub use clock_model::ClockModel;
#[cfg(feature = "device")]
pub use device::{DeviceConfig, DeviceSource};
#[cfg(feature = "file")]
pub use file::{AtEnd, FileConfig, FileSource};
#[cfg(feature = "mock")]
pub use mock::{MockConfig, MockSource, Signal};
#[cfg(any(feature = "file", feature = "mock"))]
pub use paced::{Delivery, Outliers, PacedConfig, PacedSource, Pacer};
pub use room_time::RoomTime;
#[cfg(feature = "mock")]
pub use simulated::{Fault, SimulatedConfig, SimulatedDevice, SimulatedDeviceHandle};
