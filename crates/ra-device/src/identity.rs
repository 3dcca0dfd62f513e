//! On which device a stream really is, where a sound server may change that without a word to its client: PulseAudio
//! moves a stream to another source when its own is unloaded, and cpal reports nothing. Never touches sound.
//!
//! What is found goes to the stream's [`Status`]: lost where another device was asked for, rerouted where it was the
//! default one.

#[cfg(all(
    feature = "pulseaudio",
    any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")
))]
mod channel_map;
#[cfg(all(
    feature = "pulseaudio",
    any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")
))]
mod connection;
#[cfg(all(
    feature = "pulseaudio",
    any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")
))]
#[path = "identity/pulse.rs"]
mod server;
#[cfg(not(all(
    feature = "pulseaudio",
    any(target_os = "linux", target_os = "dragonfly", target_os = "freebsd", target_os = "netbsd")
)))]
#[path = "identity/no_server.rs"]
mod server;

use std::sync::Arc;

use crate::{DEFAULT_DEVICE, DeviceError, Direction, status::Status, stream::Target};

pub(crate) use server::Watch;

/// What a move to another device means for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnMove {
    /// It is lost: a device was asked for by its id.
    Lose,
    /// It goes on there: the default device was asked for, whichever that is.
    Follow,
}

impl OnMove {
    /// For what was asked for.
    pub(crate) fn for_request(device: &str) -> Self {
        if device == DEFAULT_DEVICE { OnMove::Follow } else { OnMove::Lose }
    }
}

/// Fails where the server of a sound system is not there, or does not answer in half a second: cpal would wait 2 s for it
/// or for ever, and leave a thread behind.
///
/// # Errors
/// [`DeviceError::Away`], [`DeviceError::Unanswered`].
pub(crate) fn check_host(host: &str) -> Result<(), DeviceError> {
    server::check_host(host)
}

/// Whether [`check_device`] can tell anything of such a device.
pub(crate) fn can_check(device: &str) -> bool {
    server::can_check(device)
}

/// As [`check_host`], and fails where the server does not know the device: without looking for another one that the
/// user may have meant, which takes far longer. For a device that was there once.
///
/// # Errors
/// [`DeviceError::Away`], [`DeviceError::Unanswered`].
pub(crate) fn check_device(device: &str, direction: Direction) -> Result<(), DeviceError> {
    server::check_device(device, direction)
}

/// Fails for a device whose channels the server would mix, or leave out.
///
/// # Errors
/// [`DeviceError::ChannelMap`]; [`DeviceError::Away`], [`DeviceError::Unanswered`].
pub(crate) fn check_channels(device: &str, direction: Direction) -> Result<(), DeviceError> {
    server::check_channels(device, direction)
}

/// The device that a sound system calls its default, where [`check_device`] can be asked about it under a name of its own.
pub(crate) fn default_of(host: &str, direction: Direction) -> Option<&'static str> {
    server::default_of(host, direction)
}

/// Calls `build`, finds out which of the server's streams came of it, and watches that until the [`Watch`] is dropped.
/// `None` where the sound system has no such notion, or does not tell.
///
/// # Errors
/// Those of `build`.
pub(crate) fn watched<T>(
    target: &Target,
    direction: Direction,
    on_move: OnMove,
    status: &Arc<Status>,
    build: impl FnOnce() -> Result<T, DeviceError>,
) -> Result<(T, Option<Watch>), DeviceError> {
    server::watched(&target.id, direction, on_move, status, build)
}
