//! Sound devices: what there is, how to find one again, and streams from and to it.
//!
//! The only crate that names cpal: nothing of cpal shows in its API, so that another backend can take its place. It
//! knows no mixer, no ring and no file; periods go to a [`ra_core::PeriodInput`] and come from a [`PeriodOutput`].
//!
//! Device callbacks and cpal's error callbacks allocate nothing, take no lock and log nothing; what goes wrong in them
//! is counted in atomics and read by `take_events` on the control side. Everything else here may block, each call for
//! a bounded time: a sound server that hangs costs a thread that is left behind, never the caller.

mod deadline;
mod error;
mod find;
mod health;
mod hosts;
mod identity;
mod input;
mod input_period;
mod listing;
#[cfg(feature = "measure")]
pub mod measure;
mod negotiate;
mod output;
mod output_period;
mod quiet;
mod return_watch;
mod sample;
mod stamp;
mod status;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;
mod thread_class;
mod watch;

pub use error::DeviceError;
pub use find::DEFAULT_DEVICE;
pub use input::{InputRequest, InputStream, probe_input};
pub use listing::{DeviceInfo, DeviceListing, Direction, HostInfo, host_names, host_of, list_devices};
pub use output::{OutputRequest, OutputStream, probe_output};
pub use output_period::PeriodOutput;
pub use return_watch::ReturnWatch;
pub use status::{DeviceEvent, StreamCounts};
pub use stream::Probed;
pub use watch::{DeviceChange, DeviceWatch, WatchConfig, changes};

// The trap for allocations in callbacks; it is only set off inside `assert_no_alloc`. In debug builds only: in release
// builds assert_no_alloc leaves its allocator out.
#[cfg(all(test, debug_assertions))]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
