//! A source client for Icecast: blocks of a bus, encoded, to one mount of one server, for years.
//!
//! From the outside in: `sink` is the [`ra_core::Sink`], on its consumer's thread; `on_air` encodes there, and never waits for the
//! network. `link` is what it shares with `uplink`, the thread `ra-net-NAME`: a bounded queue of pages, and whether the
//! server takes them. `reconnect` says when to try again (pure, time is a parameter); `handshake` is one attempt, made of
//! `resolve`, `transport` (TCP, and TLS by feature), `request` and `answer`. `song` is the update by URL that MP3 needs.
//!
//! Nothing here reads an environment variable or knows where a password came from; nothing shows one: `secrets` takes it out
//! of what a server says.

mod answer;
mod config;
mod counts;
mod failure;
mod handshake;
mod ledger;
mod link;
mod mount_url;
mod on_air;
mod page_queue;
mod password;
mod reconnect;
mod request;
mod resolve;
mod secrets;
mod sent;
mod sink;
mod socket;
mod song;
mod streamer;
#[cfg(all(unix, feature = "icecast-testing"))]
pub mod testing;
mod text;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod uplink;

pub use config::{IcecastConfig, OnReconnect, Station, StreamCodec};
pub use counts::{IcecastCounts, IcecastProbe};
pub use mount_url::{MountUrl, MountUrlError};
pub use password::Password;
pub use reconnect::{ReconnectPolicy, Retry};
pub use sink::IcecastSink;
