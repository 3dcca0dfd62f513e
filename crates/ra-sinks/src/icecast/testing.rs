//! Real Icecast servers for tests and benches, a proxy that swallows connections, and listeners. Not for production: it
//! panics where a server does not start.

mod ears;
mod proxy;
mod server;

pub use ears::{Ears, Heard, OggPages, decode_errors, tags_of};
pub use proxy::Proxy;
pub use server::{IcecastServer, ServerPlan, free_port, missing_tools};
