//! One attempt: from a name to a connection whose server takes sound, or to the reason why not. Returns by its deadline,
//! whatever the other side does.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use ra_core::{Clock, StreamSpec, SystemClock};

use super::answer::{Answer, AnswerFault, AnswerReader, MOST_HEAD_BYTES};
use super::config::IcecastConfig;
use super::failure::{ANSWERING, Failure, UNANSWERED, refusal};
use super::request::{Method, source_request};
use super::resolve::Resolver;
use super::secrets::Secrets;
use super::socket;
#[cfg(feature = "tls")]
use super::transport::Agreement;
use super::transport::Transport;

/// Between two looks at a connection that nothing comes from, in nanoseconds.
const LOOK_NS: u64 = 2_000_000;
/// How long the words behind a refusal are waited for, in nanoseconds.
const BODY_NS: u64 = 200_000_000;

/// What every attempt of a sink needs.
pub(super) struct Caller {
    pub(super) config: IcecastConfig,
    pub(super) secrets: Arc<Secrets>,
    pub(super) resolver: Resolver,
    pub(super) content_type: &'static str,
    pub(super) spec: StreamSpec,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

/// A connection whose server waits for sound.
pub(super) struct Established {
    pub(super) transport: Transport,
    /// What it says behind its first answer.
    pub(super) answers: AnswerReader,
}

impl Caller {
    pub(super) fn new(config: IcecastConfig, sink_name: &str, content_type: &'static str, spec: StreamSpec) -> Self {
        let resolver = Resolver::new(config.url.host(), config.url.port(), sink_name);
        Self {
            secrets: Arc::new(Secrets::of(&config)),
            config,
            resolver,
            content_type,
            spec,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Encrypts by these rules.
    #[cfg(feature = "tls")]
    pub(super) fn set_tls(&mut self, tls: Option<Arc<rustls::ClientConfig>>) {
        self.tls = tls;
    }

    /// Another one like it, with lookups of its own.
    pub(super) fn sibling(&self, sink_name: &str) -> Self {
        Self {
            config: self.config.clone(),
            secrets: Arc::clone(&self.secrets),
            resolver: Resolver::new(self.config.url.host(), self.config.url.port(), sink_name),
            content_type: self.content_type,
            spec: self.spec,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        }
    }

    /// Connects and asks for the mount. `is_cancelled` is looked at every few milliseconds, except while the system looks for
    /// the way.
    pub(super) fn call(&mut self, method: Method, is_cancelled: &dyn Fn() -> bool) -> Result<Established, Failure> {
        let deadline = Deadline::in_ms(self.config.connect_timeout_ms);
        let mut transport = self.connect(deadline, is_cancelled)?;
        let request = source_request(&self.config, method, self.content_type, self.spec);
        send_all(&mut transport, &request, deadline, is_cancelled)?;
        let mut answers = AnswerReader::new(Arc::clone(&self.secrets));
        loop {
            let answer = next_answer(&mut transport, &mut answers, deadline, is_cancelled)?;
            match answer.status {
                // It waits for the body; or has taken it already, before it came, as Icecast does.
                100 | 200..=299 => return Ok(Established { transport, answers }),
                101..=199 => {}
                _ => return Err(self.refused(method, answer, &mut transport, &mut answers)),
            }
        }
    }

    /// A connection, encrypted where the URL asks for that.
    pub(super) fn connect(
        &mut self,
        deadline: Deadline,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Transport, Failure> {
        let addresses = self.resolver.addresses(deadline.left())?;
        let tcp = connect_to_one(&addresses, deadline)?;
        #[allow(unused_mut, reason = "changed where TLS is built in")]
        let mut transport = Transport::plain(tcp).map_err(|cause| Failure::Connect { cause })?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let host = self.config.url.host();
            transport.encrypt(super::tls::connection(tls, host).map_err(|message| Failure::Tls { message })?);
            agree_on_keys(&mut transport, host, deadline, is_cancelled)?;
        }
        #[cfg(not(feature = "tls"))]
        let _ = is_cancelled;
        Ok(transport)
    }

    fn refused(
        &self,
        method: Method,
        answer: Answer,
        transport: &mut Transport,
        answers: &mut AnswerReader,
    ) -> Failure {
        let said = words_of_refusal(transport, answers, &answer);
        refusal(method, self.content_type, answer.status, answer.location.as_deref(), said)
    }
}

/// A moment by which something must be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at_ns: u64,
    after_ms: u32,
}

impl Deadline {
    /// From now.
    pub(super) fn in_ms(after_ms: u32) -> Self {
        Self { at_ns: SystemClock.now_ns() + u64::from(after_ms) * 1_000_000, after_ms }
    }

    fn left(self) -> Duration {
        Duration::from_nanos(self.at_ns.saturating_sub(SystemClock.now_ns()))
    }

    /// Whether there is time left.
    fn check(self, doing: &'static str, is_cancelled: &dyn Fn() -> bool) -> Result<(), Failure> {
        if self.left().is_zero() || is_cancelled() {
            return Err(Failure::TimedOut { doing, after_ms: self.after_ms });
        }
        Ok(())
    }

    /// Waits a moment for the other side.
    fn wait(self, doing: &'static str, is_cancelled: &dyn Fn() -> bool) -> Result<(), Failure> {
        self.check(doing, is_cancelled)?;
        SystemClock.sleep_until_ns((SystemClock.now_ns() + LOOK_NS).min(self.at_ns));
        Ok(())
    }
}

/// The first address that answers; the time is shared among them.
fn connect_to_one(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, Failure> {
    let mut last = None;
    for (address, n_left) in addresses.iter().zip((1..=addresses.len() as u32).rev()) {
        let share = deadline.left() / n_left;
        if share.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) if socket::is_connected_to_itself(&stream) => {
                last = Some(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "nobody listens there"));
            }
            Ok(stream) => return Ok(stream),
            Err(cause) => last = Some(cause),
        }
    }
    match last {
        Some(cause) if cause.kind() != std::io::ErrorKind::TimedOut => Err(Failure::Connect { cause }),
        _ => Err(Failure::TimedOut { doing: "connecting", after_ms: deadline.after_ms }),
    }
}

#[cfg(feature = "tls")]
fn agree_on_keys(
    transport: &mut Transport,
    host: &str,
    deadline: Deadline,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    loop {
        match transport.agree_on_keys() {
            Ok(Agreement::Done) => return Ok(()),
            Ok(Agreement::Pending) => deadline.wait("agreeing on keys (TLS)", is_cancelled)?,
            Err(cause) => {
                let message = super::tls::explain_io(&cause, host).unwrap_or_else(|| cause.to_string());
                return Err(Failure::Tls { message });
            }
        }
    }
}

/// Sends a request.
pub(super) fn send_all(
    transport: &mut Transport,
    mut bytes: &[u8],
    deadline: Deadline,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    let broken = |cause| Failure::Broken { when: UNANSWERED, cause };
    while !bytes.is_empty() || transport.has_unsent() {
        let n = if bytes.is_empty() { 0 } else { transport.send(bytes).map_err(broken)? };
        bytes = &bytes[n..];
        transport.flush().map_err(broken)?;
        if n == 0 {
            deadline.wait("asking for the mount", is_cancelled)?;
        }
    }
    Ok(())
}

/// The next head that comes.
pub(super) fn next_answer(
    transport: &mut Transport,
    answers: &mut AnswerReader,
    deadline: Deadline,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Answer, Failure> {
    let mut buffer = [0; 2048];
    let mut next = understood(answers, None)?;
    loop {
        // Also where something comes all the time.
        deadline.check(ANSWERING, is_cancelled)?;
        if let Some(answer) = next {
            return Ok(answer);
        }
        match transport.receive(&mut buffer) {
            Ok(Some(0)) => return Err(Failure::Closed { when: UNANSWERED }),
            Ok(Some(n)) => next = understood(answers, Some(&buffer[..n]))?,
            Ok(None) => deadline.wait(ANSWERING, is_cancelled)?,
            Err(cause) => return Err(Failure::Broken { when: UNANSWERED, cause }),
        }
    }
}

/// The next head in what has come.
pub(super) fn understood(answers: &mut AnswerReader, bytes: Option<&[u8]>) -> Result<Option<Answer>, Failure> {
    let next = match bytes {
        Some(bytes) => answers.push(bytes),
        None if !answers.has_more() => return Ok(None),
        None => answers.next(),
    };
    next.map_err(|fault| match fault {
        AnswerFault::NotHttp(said) => Failure::NotHttp { said },
        AnswerFault::TooLong => Failure::AnswerTooLong { limit: MOST_HEAD_BYTES },
    })
}

/// Why it refuses, in its own words: those beside the status, and those of a short plain body.
pub(super) fn words_of_refusal(transport: &mut Transport, answers: &mut AnswerReader, answer: &Answer) -> String {
    let until_ns = SystemClock.now_ns() + BODY_NS;
    let mut buffer = [0; 2048];
    while !answers.is_full() && SystemClock.now_ns() < until_ns {
        match transport.receive(&mut buffer) {
            Ok(Some(0)) | Err(_) => break,
            Ok(Some(n)) => answers.keep(&buffer[..n]),
            Ok(None) => SystemClock.sleep_until_ns(SystemClock.now_ns() + LOOK_NS),
        }
    }
    let body = without_markup(&answers.rest());
    match (answer.reason.as_str(), body.as_str()) {
        (reason, "") => reason.to_owned(),
        ("", body) => body.to_owned(),
        (reason, body) if body.contains(reason) => body.to_owned(),
        (reason, body) => format!("{reason}: {body}"),
    }
}

/// A page's words, without what stands in angle brackets.
fn without_markup(page: &str) -> String {
    let mut depth = 0_u32;
    let text: String = page
        .chars()
        .filter_map(|c| {
            match c {
                '<' => depth += 1,
                '>' if depth > 0 => {
                    depth -= 1;
                    return Some(' ');
                }
                _ => {}
            }
            (depth == 0).then_some(c)
        })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_for_their_words() {
        assert_eq!(without_markup("<html><b>Mountpoint</b> in use</html>"), "Mountpoint in use");
        assert_eq!(without_markup("a > b < c"), "a > b");
    }
}
