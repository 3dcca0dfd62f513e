//! Sends pages on one connection until it is lost or nothing more comes. Never waits longer than a few milliseconds without
//! looking at everything. Connects nothing.

use std::time::Duration;

use ra_core::{Clock, SystemClock};

use super::answer::AnswerReader;
use super::counts::Count;
use super::failure::{Failure, STREAMING, refusal};
use super::handshake::{Caller, Established, understood, words_of_refusal};
use super::link::{Link, Next};
use super::page_queue::QueuedPage;
use super::request::Method;
use super::sent::Sent;
use super::song::SongTeller;
use super::transport::Transport;

/// How much is taken from the queue at a time, in bytes.
const BATCH_BYTES: usize = 32 * 1024;
/// How long pages are waited for before the connection is looked at again.
const WAIT: Duration = Duration::from_millis(50);
/// Between two looks at a connection that has no room, in nanoseconds.
const FULL_NS: u64 = 5_000_000;
/// Between two looks at what is not acknowledged at the end, in nanoseconds.
const END_NS: u64 = 2_000_000;

/// Why nothing is sent any more.
pub(super) enum Ended {
    /// The connection is lost; what was not acknowledged.
    Lost(Failure, Vec<QueuedPage>),
    /// It was to end; what could not be sent in time.
    Finished(Vec<QueuedPage>),
}

/// A connection in use.
pub(super) struct Streamer<'a> {
    link: &'a Link,
    caller: &'a Caller,
    method: Method,
    transport: Transport,
    answers: AnswerReader,
    sent: Sent,
    /// Pages that are being sent, and their bytes with the headers that belong before them.
    batch: Vec<QueuedPage>,
    bytes: Vec<u8>,
    at: usize,
    /// The logical stream whose headers this connection has.
    head: Option<u64>,
}

impl<'a> Streamer<'a> {
    pub(super) fn new(link: &'a Link, caller: &'a Caller, method: Method, established: Established) -> Self {
        let Established { transport, answers } = established;
        let stall_ns = u64::from(caller.config.stall_ms) * 1_000_000;
        let sent = Sent::new(transport.acknowledged_bytes(), stall_ns, SystemClock.now_ns());
        let (batch, bytes) = (Vec::new(), Vec::new());
        Self { link, caller, method, transport, answers, sent, batch, bytes, at: 0, head: None }
    }

    /// Sends until the end.
    pub(super) fn run(mut self, song: &mut SongTeller) -> Ended {
        song.forget();
        loop {
            match self.step(song) {
                Ok(None) => {}
                Ok(Some(has_finished)) => {
                    let unsent = self.end(has_finished);
                    return Ended::Finished(unsent);
                }
                Err(failure) => {
                    // What broke the connection may have been told on it.
                    let failure = self.last_words().unwrap_or(failure);
                    let unsent = self.end(false);
                    return Ended::Lost(failure, unsent);
                }
            }
        }
    }

    /// `Some`: it is to end, and whether all is sent.
    fn step(&mut self, song: &mut SongTeller) -> Result<Option<bool>, Failure> {
        let mut end = None;
        if self.is_batch_sent() {
            self.batch_is_sent();
            match self.link.take(BATCH_BYTES, WAIT, &mut self.batch) {
                Next::Go => {}
                Next::End(end_ns) => end = Some(end_ns),
            }
            self.fill();
        } else {
            SystemClock.sleep_until_ns(SystemClock.now_ns() + FULL_NS);
        }
        self.send()?;
        self.listen()?;
        let now_ns = SystemClock.now_ns();
        self.look_at_acknowledgements(now_ns)?;
        // Before the first page the server has no stream that a title could belong to.
        if !self.caller.config.codec.carries_tags() && self.head.is_some() {
            song.tell(self.link.song(), self.caller, now_ns);
        }
        let Some(end_ns) = end else { return Ok(None) };
        let is_all_sent = self.is_batch_sent() && self.batch.is_empty() && self.sent.is_empty();
        if is_all_sent || now_ns >= end_ns {
            return Ok(Some(is_all_sent));
        }
        SystemClock.sleep_until_ns(now_ns + END_NS);
        Ok(None)
    }

    fn is_batch_sent(&self) -> bool {
        self.at == self.bytes.len() && !self.transport.has_unsent()
    }

    /// What was sent waits for its acknowledgement.
    fn batch_is_sent(&mut self) {
        let end_byte = self.transport.sent_bytes();
        self.link.counters.add(Count::SentBytes, self.bytes.len() as u64);
        self.bytes.clear();
        self.at = 0;
        for page in self.batch.drain(..) {
            self.sent.push(page, end_byte);
        }
    }

    /// The batch as bytes.
    fn fill(&mut self) {
        for page in &self.batch {
            if self.head != Some(page.head.number) {
                self.head = Some(page.head.number);
                self.bytes.extend_from_slice(&page.head.bytes);
            }
            self.bytes.extend_from_slice(&page.bytes);
        }
    }

    fn send(&mut self) -> Result<(), Failure> {
        let broken = |cause| Failure::Broken { when: STREAMING, cause };
        self.transport.flush().map_err(broken)?;
        while self.at < self.bytes.len() {
            match self.transport.send(&self.bytes[self.at..]).map_err(broken)? {
                0 => break,
                n => self.at += n,
            }
        }
        Ok(())
    }

    /// Whatever the server says in the middle of a stream, it is rarely good.
    fn listen(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 2048];
        loop {
            let came = match self.transport.receive(&mut buffer) {
                Ok(None) => None,
                Ok(Some(0)) => return Err(Failure::Closed { when: STREAMING }),
                Ok(Some(n)) => Some(&buffer[..n]),
                Err(cause) => return Err(Failure::Broken { when: STREAMING, cause }),
            };
            let is_all = came.is_none();
            match understood(&mut self.answers, came) {
                Ok(Some(answer)) if answer.status >= 300 => {
                    let said = words_of_refusal(&mut self.transport, &mut self.answers, &answer);
                    let (content_type, location) = (self.caller.content_type, answer.location.as_deref());
                    return Err(refusal(self.method, content_type, answer.status, location, said));
                }
                Ok(_) => {}
                Err(odd) => {
                    log::debug!("{}: in the middle of the stream: {odd}", self.caller.config.url);
                    self.answers = AnswerReader::default();
                }
            }
            if is_all {
                return Ok(());
            }
        }
    }

    /// What the server said before it hung up, if that was a refusal.
    fn last_words(&mut self) -> Option<Failure> {
        self.listen().err().filter(|failure| !matches!(failure, Failure::Closed { .. } | Failure::Broken { .. }))
    }

    fn look_at_acknowledgements(&mut self, now_ns: u64) -> Result<(), Failure> {
        let is_outstanding = !self.is_batch_sent() || !self.sent.is_empty();
        let arrived = self.sent.acknowledge(self.transport.acknowledged_bytes(), is_outstanding, now_ns);
        self.link.counters.add(Count::AcknowledgedFrames, arrived);
        match self.sent.stalled_ms(now_ns) {
            Some(after_ms) => Err(Failure::Stalled { after_ms }),
            None => Ok(()),
        }
    }

    /// Closes the connection; what was not acknowledged.
    fn end(self, is_all_sent: bool) -> Vec<QueuedPage> {
        if is_all_sent {
            self.transport.close();
        } else {
            self.transport.cut_off();
        }
        self.sent.into_pages().chain(self.batch).collect()
    }
}
