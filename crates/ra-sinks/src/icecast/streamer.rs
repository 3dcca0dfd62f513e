//! Sends pages on one connection until it is lost or nothing more comes. Never waits longer than a few milliseconds without
//! looking at everything. Connects nothing.

use std::time::Duration;

use ra_core::{Clock, SystemClock};

use super::answer::AnswerReader;
use super::counts::Count;
use super::failure::{Failure, STREAMING, refusal};
use super::handshake::{Caller, Established, understood, words_of_refusal};
use super::link::Link;
use super::page_queue::QueuedPage;
use super::request::Method;
use super::sent::Sent;
use super::song::SongTeller;
use super::transport::Transport;

/// How long a page is waited for before the connection is looked at again.
const WAIT: Duration = Duration::from_millis(50);
/// Between two looks at a connection that has no room, in nanoseconds.
const FULL_NS: u64 = 5_000_000;
/// Between two looks at what is not acknowledged at the end, in nanoseconds.
const END_NS: u64 = 2_000_000;
/// How often something is read before there are other things to do: some servers never stop talking.
const MOST_READS: usize = 16;

/// Why nothing is sent any more.
pub(super) enum Ended {
    /// The connection is lost; what was not acknowledged.
    Lost(Failure, Vec<QueuedPage>),
    /// It was to end, and has sent everything or was out of time.
    Finished,
}

/// A connection in use.
pub(super) struct Streamer<'a> {
    link: &'a Link,
    caller: &'a Caller,
    method: Method,
    transport: Transport,
    answers: AnswerReader,
    sent: Sent,
    /// The page that is being sent: one at a time, so that each has a last byte of its own, encrypted or not.
    page: Option<QueuedPage>,
    /// Its bytes, with the headers that belong before them.
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
        Self { link, caller, method, transport, answers, sent, page: None, bytes: Vec::new(), at: 0, head: None }
    }

    /// Sends until the end.
    pub(super) fn run(mut self, song: &mut SongTeller) -> Ended {
        song.forget();
        loop {
            match self.step(song) {
                Ok(false) => {}
                Ok(true) => {
                    self.end();
                    return Ended::Finished;
                }
                Err(failure) => {
                    // What broke the connection may have been told on it.
                    let failure = self.last_words().unwrap_or(failure);
                    return Ended::Lost(failure, self.end());
                }
            }
        }
    }

    /// True: it is to end, and has sent everything or is out of time.
    fn step(&mut self, song: &mut SongTeller) -> Result<bool, Failure> {
        // Asked for before the queue is: nothing comes into it behind the end.
        let end_ns = self.link.end_ns();
        if self.is_page_sent() {
            self.page_is_sent();
            if let Some(page) = self.link.take(WAIT) {
                self.begin(page);
            }
        } else {
            SystemClock.sleep_until_ns(SystemClock.now_ns() + FULL_NS);
        }
        self.send()?;
        self.listen()?;
        let now_ns = SystemClock.now_ns();
        self.acknowledge(now_ns);
        if let Some(after_ms) = self.sent.stalled_ms(now_ns) {
            return Err(Failure::Stalled { after_ms });
        }
        // Before the first page the server has no stream that a title could belong to.
        if !self.caller.config.codec.carries_tags() && self.head.is_some() {
            song.tell(self.link.song(), self.caller, now_ns);
        }
        let Some(end_ns) = end_ns else { return Ok(false) };
        let is_all_taken = self.page.is_none();
        if (is_all_taken && self.sent.is_empty()) || now_ns >= end_ns {
            return Ok(true);
        }
        if is_all_taken {
            SystemClock.sleep_until_ns(now_ns + END_NS);
        }
        Ok(false)
    }

    fn is_page_sent(&self) -> bool {
        self.at == self.bytes.len() && !self.transport.has_unsent()
    }

    /// What was sent waits for its acknowledgement.
    fn page_is_sent(&mut self) {
        self.link.counters.add(Count::SentBytes, self.bytes.len() as u64);
        self.bytes.clear();
        self.at = 0;
        if let Some(page) = self.page.take() {
            self.sent.push(page, self.transport.sent_bytes());
        }
    }

    /// The next page as bytes.
    fn begin(&mut self, page: QueuedPage) {
        if self.head != Some(page.head.number) {
            self.head = Some(page.head.number);
            self.bytes.extend_from_slice(&page.head.bytes);
        }
        self.bytes.extend_from_slice(&page.bytes);
        self.page = Some(page);
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
        // It may have come with the answer that granted the stream.
        self.heed(None)?;
        let mut buffer = [0; 2048];
        for _ in 0..MOST_READS {
            match self.transport.receive(&mut buffer) {
                Ok(None) => break,
                Ok(Some(0)) => return Err(Failure::Closed { when: STREAMING }),
                Ok(Some(n)) => self.heed(Some(&buffer[..n]))?,
                Err(cause) => return Err(Failure::Broken { when: STREAMING, cause }),
            }
        }
        Ok(())
    }

    /// Looks for a refusal in all that has come.
    fn heed(&mut self, mut came: Option<&[u8]>) -> Result<(), Failure> {
        loop {
            match understood(&mut self.answers, came.take()) {
                Ok(None) => return Ok(()),
                Ok(Some(answer)) if answer.status >= 300 => {
                    let said = words_of_refusal(&mut self.transport, &mut self.answers, &answer);
                    let (content_type, location) = (self.caller.content_type, answer.location.as_deref());
                    return Err(refusal(self.method, content_type, answer.status, location, said));
                }
                Ok(Some(_)) => {}
                Err(odd) => {
                    log::debug!("{}: in the middle of the stream: {odd}", self.caller.config.url);
                    self.answers.forget();
                    return Ok(());
                }
            }
        }
    }

    /// What the server said before it hung up, if that was a refusal.
    fn last_words(&mut self) -> Option<Failure> {
        self.listen().err().filter(|failure| !matches!(failure, Failure::Closed { .. } | Failure::Broken { .. }))
    }

    /// Finds out what has arrived.
    fn acknowledge(&mut self, now_ns: u64) {
        let is_outstanding = self.page.is_some() || !self.sent.is_empty();
        let arrived = self.sent.acknowledge(self.transport.acknowledged_bytes(), is_outstanding, now_ns);
        self.link.arrived(arrived);
    }

    /// Closes the connection; what was not acknowledged.
    fn end(mut self) -> Vec<QueuedPage> {
        if self.is_page_sent() {
            self.page_is_sent();
        }
        self.acknowledge(SystemClock.now_ns());
        let Self { transport, sent, page, .. } = self;
        let unsent: Vec<_> = sent.into_pages().chain(page).collect();
        if unsent.is_empty() {
            transport.close();
        } else {
            transport.cut_off();
        }
        unsent
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use ra_core::StreamSpec;

    use super::super::config::{IcecastConfig, OnReconnect};
    use super::super::password::Password;
    use super::*;

    #[test]
    fn a_server_that_talks_all_the_time_is_not_listened_to_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        // As much as the system takes before anybody reads: that is more than is read in one go.
        theirs.set_nonblocking(true).unwrap();
        let words = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
        let mut n_bytes = 0;
        while let Ok(n) = theirs.write(words.as_bytes()) {
            n_bytes += n;
        }
        assert!(n_bytes > 2 * MOST_READS * 2048, "{n_bytes} bytes");
        let link = Link::new(48_000, OnReconnect::Live, Arc::default());
        let config = IcecastConfig::new("http://h/x".parse().unwrap(), Password::new("p"));
        let caller = Caller::new(config, "air", "audio/ogg", StreamSpec::new(48_000, 2).unwrap());
        let established = Established { transport: Transport::plain(ours).unwrap(), answers: AnswerReader::default() };
        let mut streamer = Streamer::new(&link, &caller, Method::Put, established);
        streamer.listen().unwrap();
        assert!(streamer.transport.receive(&mut [0; 1]).unwrap().is_some(), "there is more");
    }
}
