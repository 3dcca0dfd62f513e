//! Connections to sound systems, lent out and taken back. Looks for no device itself.
//!
//! cpal's connection to PulseAudio has a thread that does not end while the server lives, and the server takes 64
//! connections in all: whoever made a new one for every look would be shut out within a minute. So those that are not in
//! use are kept. Two streams never share one: PulseAudio's callbacks come on the connection's own thread, and one stream
//! must not hold up another.
//!
//! cpal's host for JACK is no connection, but what two of them, made for it and closed again, have found out: that takes
//! 130 ms, and nothing in it changes while the server lives. It is kept for as long as a start takes, which asks first
//! what a device would be opened as and opens it then.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use cpal::{Host, HostId, traits::HostTrait};

use crate::{DeviceError, identity};

/// For how long a connection may be used again, counted from when it was made; `None` for one that is not kept. Asks no
/// sound system.
fn kept_for(host: &Host) -> Option<Duration> {
    match host.id().to_string().as_str() {
        "pulseaudio" => Some(Duration::MAX),
        // One that found nothing is of no use: the server may be there in a moment.
        "jack" => host.default_input_device().or(host.default_output_device()).map(|_| Duration::from_secs(2)),
        _ => None,
    }
}

/// Connections that nobody uses, and when each was made. Locked for a moment at a time, never while a sound system is
/// asked.
static IDLE: Mutex<Vec<(Host, Instant)>> = Mutex::new(Vec::new());

/// One that was used before and is not too old.
fn idle(wanted: HostId, now: Instant) -> Option<(Host, Instant)> {
    // Nothing that panics is done under the lock.
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    idle.retain(|(host, made)| kept_for(host).is_some_and(|limit| now.duration_since(*made) <= limit));
    let index = idle.iter().rposition(|(host, _)| host.id() == wanted)?;
    Some(idle.swap_remove(index))
}

/// A connection that is this user's alone until it is dropped.
pub(crate) struct HostLease {
    host: Option<Host>,
    made: Instant,
}

impl HostLease {
    /// Lends one that is idle and still works, or connects anew. May block: it asks the sound system, and a server only
    /// once it has been seen to answer.
    ///
    /// # Errors
    /// [`DeviceError`]: there is no connection to be had.
    pub(crate) fn take(id: HostId) -> Result<Self, DeviceError> {
        identity::check_host(&id.to_string())?;
        while let Some((host, made)) = idle(id, Instant::now()) {
            // The server may have ended since, and another one may have begun; a dead connection says so at once.
            if host.devices().is_ok() {
                return Ok(Self { host: Some(host), made });
            }
        }
        let host = cpal::host_from_id(id).map_err(|error| DeviceError::Refused {
            operation: "reach the sound system",
            message: error.to_string(),
        })?;
        Ok(Self { host: Some(host), made: Instant::now() })
    }
}

impl std::ops::Deref for HostLease {
    type Target = Host;

    fn deref(&self) -> &Host {
        match &self.host {
            Some(host) => host,
            // Only `drop` takes it out.
            None => unreachable!("a lease without a host"),
        }
    }
}

impl Drop for HostLease {
    fn drop(&mut self) {
        if let Some(host) = self.host.take().filter(|host| kept_for(host).is_some()) {
            IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((host, self.made));
        }
    }
}
