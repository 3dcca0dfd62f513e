//! Connections to sound systems, lent out and taken back. Looks for no device itself.
//!
//! cpal's connection to PulseAudio has a thread that does not end while the server lives, and the server takes 64
//! connections in all: whoever made a new one for every look would be shut out within a minute. So those that are not in
//! use are kept. Two streams never share one: PulseAudio's callbacks come on the connection's own thread, and one stream
//! must not hold up another.

use std::sync::{Mutex, PoisonError};

use cpal::{Host, HostId, traits::HostTrait};

/// The sound system whose connections are kept.
const KEPT: &str = "pulseaudio";

/// Connections that nobody uses. Locked for a moment at a time, never while a sound system is asked.
static IDLE: Mutex<Vec<Host>> = Mutex::new(Vec::new());

fn idle() -> std::sync::MutexGuard<'static, Vec<Host>> {
    // Nothing that panics is done under the lock.
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that is this user's alone until it is dropped.
pub(crate) struct HostLease {
    host: Option<Host>,
}

impl HostLease {
    /// Lends one that is idle and still works, or connects anew. May block: it asks the sound system.
    ///
    /// # Errors
    /// cpal's, where there is no connection to be had.
    pub(crate) fn take(id: HostId) -> Result<Self, cpal::Error> {
        if id.to_string() == KEPT {
            loop {
                let Some(host) = idle().pop() else { break };
                // The server may have ended since, and another one may have begun; a dead connection says so at once.
                if host.devices().is_ok() {
                    return Ok(Self { host: Some(host) });
                }
            }
        }
        cpal::host_from_id(id).map(|host| Self { host: Some(host) })
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
        if let Some(host) = self.host.take().filter(|host| host.id().to_string() == KEPT) {
            idle().push(host);
        }
    }
}
