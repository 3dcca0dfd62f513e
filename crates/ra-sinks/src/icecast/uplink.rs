//! The network's thread: tries until there is a connection, keeps it while it lasts, and begins again. Encodes nothing.

use std::sync::Arc;
use std::time::Duration;

use ra_core::{Clock, SystemClock};

use super::counts::Count;
use super::failure::Failure;
use super::handshake::Caller;
use super::link::Link;
use super::page_queue::QueuedPage;
use super::reconnect::{ReconnectPolicy, Retry};
use super::request::Method;
use super::song::SongTeller;
use super::streamer::{Ended, Streamer};

/// How much of the stream may wait in the kernel, in seconds.
const KERNEL_S: usize = 1;
/// The kernel's buffer at least, in bytes.
const LEAST_KERNEL_BYTES: usize = 32 * 1024;
/// Another reason is told after this many nanoseconds, so that a flapping server does not fill the log.
const SAY_AGAIN_NS: u64 = 10_000_000_000;

/// Runs until the link is to end.
pub(super) fn run(link: &Arc<Link>, caller: &mut Caller, sink_name: &str, seed: u64) {
    // Whatever happens here, the sink's thread learns of it.
    let _over = Over(Arc::clone(link));
    let mut uplink = Uplink {
        link,
        caller,
        sink_name,
        policy: ReconnectPolicy::new(seed, SystemClock.now_ns()),
        method: Method::default(),
        song: SongTeller::new(sink_name, Arc::clone(&link.counters)),
        said: None,
        has_said_up: false,
    };
    uplink.run();
}

struct Uplink<'a> {
    link: &'a Link,
    caller: &'a mut Caller,
    sink_name: &'a str,
    policy: ReconnectPolicy,
    method: Method,
    song: SongTeller,
    /// What was last said of the connection, and when.
    said: Option<(String, u64)>,
    /// That there is a connection was said since.
    has_said_up: bool,
}

impl Uplink<'_> {
    fn run(&mut self) {
        loop {
            loop {
                if self.link.is_ending() {
                    return;
                }
                let left_ns = self.policy.next_attempt_ns().saturating_sub(SystemClock.now_ns());
                if left_ns == 0 {
                    break;
                }
                self.link.rest(Duration::from_nanos(left_ns));
            }
            self.policy.attempt_started(SystemClock.now_ns());
            let link = self.link;
            let called = self.caller.call(self.method, &|| link.is_ending());
            let now_ns = SystemClock.now_ns();
            let established = match called {
                Ok(established) => established,
                Err(_) if link.is_ending() => return,
                Err(failure) => {
                    self.attempt_failed(&failure, now_ns);
                    continue;
                }
            };
            self.policy.connected(now_ns);
            established.transport.bound_send_buffer(self.kernel_bytes());
            link.went_up();
            self.say_up();
            match Streamer::new(link, self.caller, self.method, established).run(&mut self.song) {
                Ended::Finished => return,
                Ended::Lost(failure, unsent) => self.connection_lost(&failure, unsent),
            }
        }
    }

    fn connection_lost(&mut self, failure: &Failure, unsent: Vec<QueuedPage>) {
        let now_ns = SystemClock.now_ns();
        self.link.counters.add(Count::Losses, 1);
        if self.policy.is_stable(now_ns) {
            self.said = None;
        }
        match failure.retry() {
            Retry::Soon => self.policy.lost(now_ns),
            // It took the stream at first and then refused it.
            Retry::Rarely => self.policy.attempt_failed(now_ns, Retry::Rarely),
            // So did this one, which may do the same with the other way: there is a wait as after every loss.
            Retry::OtherWay => {
                self.method = self.method.other();
                self.policy.lost(now_ns);
            }
        }
        self.say(failure, now_ns);
        self.link.went_down(failure.to_string(), unsent.into_iter());
    }

    fn attempt_failed(&mut self, failure: &Failure, now_ns: u64) {
        let retry = failure.retry();
        self.link.counters.add(Count::FailedAttempts, 1);
        self.policy.attempt_failed(now_ns, retry);
        if retry == Retry::OtherWay {
            self.method = self.method.other();
            if self.policy.tries_other_way() {
                log::debug!("icecast {}: {failure}; trying {}", self.sink_name, self.method.name());
                return;
            }
        }
        self.say(failure, now_ns);
        self.link.went_down(failure.to_string(), std::iter::empty());
    }

    /// Tells people why there is no connection: once for each reason, and not too often.
    fn say(&mut self, failure: &Failure, now_ns: u64) {
        let text = failure.to_string();
        let is_told = |(said, at_ns): &(String, u64)| *said == text || now_ns < at_ns.saturating_add(SAY_AGAIN_NS);
        if !self.said.as_ref().is_some_and(is_told) {
            log::warn!("icecast {}: {}: {text}; trying again until it is back", self.sink_name, self.caller.config.url);
            self.said = Some((text, now_ns));
            self.has_said_up = false;
        }
    }

    /// Tells people that there is a connection: once behind each reason why there was none.
    fn say_up(&mut self) {
        let level = if self.has_said_up { log::Level::Debug } else { log::Level::Info };
        let (url, method) = (&self.caller.config.url, self.method.name());
        log::log!(level, "icecast {}: {url} takes the stream ({method})", self.sink_name);
        self.has_said_up = true;
    }

    fn kernel_bytes(&self) -> usize {
        // FLAC at its worst is as large as what it packs.
        let spec = self.caller.spec;
        let raw_kbps = spec.sample_rate.hz() as usize * spec.channels.get() * 24 / 1000;
        let kbps =
            if self.caller.config.codec.has_bitrate() { self.caller.config.bitrate_kbps as usize } else { raw_kbps };
        (kbps * 1000 / 8 * KERNEL_S).max(LEAST_KERNEL_BYTES)
    }
}

/// Settles the account when the thread ends, in whatever way.
struct Over(Arc<Link>);

impl Drop for Over {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.went_down("the network's thread has panicked: a fault of ra".to_owned(), std::iter::empty());
        }
        self.0.is_over();
    }
}
