//! Looks names up on a thread of their own: the system's lookup has no deadline, and may hang for half a minute.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::failure::Failure;

/// Looks up one name, again and again, one lookup at a time.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    thread_name: String,
    /// A lookup that has not come back yet.
    pending: Option<Receiver<Result<Vec<SocketAddr>, String>>>,
    /// What the last good lookup gave: still better than nothing when a name server is away.
    known: Vec<SocketAddr>,
}

impl Resolver {
    pub(super) fn new(host: &str, port: u16, sink_name: &str) -> Self {
        let thread_name = format!("ra-name-{sink_name}");
        Self { host: host.to_owned(), port, thread_name, pending: None, known: Vec::new() }
    }

    /// The host's addresses, within `wait`; those that were found last where nothing better comes.
    pub(super) fn addresses(&mut self, wait: Duration) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        // Where there is something to fall back on, the rest of the time is for connecting.
        let wait = if self.known.is_empty() { wait } else { wait / 2 };
        let pending = match self.pending.take() {
            Some(pending) => pending,
            None => self.look_up()?,
        };
        let cause = match pending.recv_timeout(wait) {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                self.known.clone_from(&addresses);
                return Ok(addresses);
            }
            Ok(Ok(_)) => "it stands for no address".to_owned(),
            Ok(Err(cause)) => cause,
            Err(RecvTimeoutError::Disconnected) => "the lookup has panicked".to_owned(),
            Err(RecvTimeoutError::Timeout) => {
                self.pending = Some(pending);
                format!("no answer within {} ms", wait.as_millis())
            }
        };
        if self.known.is_empty() {
            return Err(Failure::Name { host: self.host.clone(), cause });
        }
        log::debug!("{}: {cause}; taking the addresses of the last lookup", self.host);
        Ok(self.known.clone())
    }

    fn look_up(&self) -> Result<Receiver<Result<Vec<SocketAddr>, String>>, Failure> {
        let (sender, receiver) = channel();
        let (host, port) = (self.host.clone(), self.port);
        let work = move || {
            let found = (host.as_str(), port).to_socket_addrs();
            // Nobody may be waiting any more.
            drop(sender.send(found.map(Iterator::collect).map_err(|cause| cause.to_string())));
        };
        std::thread::Builder::new()
            .name(self.thread_name.clone())
            .spawn(work)
            .map(|_| receiver)
            .map_err(|cause| Failure::Name { host: self.host.clone(), cause: cause.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_need_no_lookup_and_names_that_stand_for_nothing_are_an_error() {
        let wait = Duration::from_secs(20);
        let addresses = Resolver::new("::1", 80, "air").addresses(wait).unwrap();
        assert_eq!(addresses, ["[::1]:80".parse().unwrap()]);
        let mut resolver = Resolver::new("localhost", 8000, "air");
        assert!(resolver.addresses(wait).unwrap().iter().all(|address| address.ip().is_loopback()));
        // A name that was good and can't be looked up now.
        resolver.host = "nothing.invalid".to_owned();
        assert!(!resolver.addresses(wait).unwrap().is_empty());
        let error = Resolver::new("nothing.invalid", 8000, "air").addresses(wait).unwrap_err();
        assert!(error.to_string().starts_with("the name \"nothing.invalid\" can't be looked up: "), "{error}");
    }
}
