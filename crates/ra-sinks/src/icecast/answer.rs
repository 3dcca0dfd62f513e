//! The head of an HTTP answer, read from bytes as they come, and never more of them than a head may have. Reads no socket.

use std::sync::Arc;

use super::secrets::Secrets;
use super::text::quoted;

/// The longest head that is read, in bytes.
pub(super) const MOST_HEAD_BYTES: usize = 16 * 1024;
/// How much of an answer's body is kept, to be quoted.
const MOST_BODY_BYTES: usize = 4 * 1024;

/// Collects an answer. Nothing secret is in what it quotes.
#[derive(Debug, Default)]
pub(super) struct AnswerReader {
    secrets: Arc<Secrets>,
    bytes: Vec<u8>,
    /// How much of it has been looked through for the end of the head.
    searched: usize,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The words behind the status.
    pub(super) reason: String,
    /// Where else it should be asked.
    pub(super) location: Option<String>,
}

/// Why bytes are no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnswerFault {
    /// They are no HTTP; what they say instead.
    NotHttp(String),
    /// Their head has no end within [`MOST_HEAD_BYTES`].
    TooLong,
}

impl AnswerReader {
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets, ..Self::default() }
    }

    /// Takes bytes; `Some` as soon as a head is complete. What lies behind it stays.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, AnswerFault> {
        let room = MOST_HEAD_BYTES + MOST_BODY_BYTES - self.bytes.len().min(MOST_HEAD_BYTES + MOST_BODY_BYTES);
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.next()
    }

    /// The next head among what was pushed before.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, AnswerFault> {
        let is_known = [&b"HTTP/"[..], b"ICY "].iter().any(|known| {
            let n = known.len().min(self.bytes.len());
            self.bytes[..n].eq_ignore_ascii_case(&known[..n])
        });
        if !is_known {
            return Err(AnswerFault::NotHttp(self.rest()));
        }
        let Some(end) = self.head_end() else {
            return if self.bytes.len() >= MOST_HEAD_BYTES { Err(AnswerFault::TooLong) } else { Ok(None) };
        };
        if end > MOST_HEAD_BYTES {
            return Err(AnswerFault::TooLong);
        }
        let head: Vec<u8> = self.bytes.drain(..end).collect();
        self.searched = 0;
        self.parse_head(&head).map(Some).ok_or_else(|| AnswerFault::NotHttp(self.quoted(&head)))
    }

    /// Takes bytes of a body.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let room = MOST_BODY_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Whether something stands behind the last head.
    pub(super) fn has_more(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// What stands behind the last head, for a message.
    pub(super) fn rest(&self) -> String {
        self.quoted(&self.bytes)
    }

    /// Whether these words stand behind the last head.
    pub(super) fn says(&self, words: &str) -> bool {
        self.bytes.windows(words.len()).any(|window| window == words.as_bytes())
    }

    /// Forgets what has come.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
        self.searched = 0;
    }

    /// Whether no more of a body is kept.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= MOST_BODY_BYTES
    }

    /// Where the head ends: behind an empty line, whose ends of lines may lack their CR.
    fn head_end(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let found = (from..self.bytes.len()).find_map(|at| {
            let behind = &self.bytes[at..];
            if behind.starts_with(b"\r\n\r\n") {
                Some(at + 4)
            } else if behind.starts_with(b"\n\n") {
                Some(at + 2)
            } else {
                None
            }
        });
        self.searched = self.bytes.len();
        found
    }

    fn parse_head(&self, head: &[u8]) -> Option<Answer> {
        let mut lines = head.split(|&byte| byte == b'\n');
        let status_line = String::from_utf8_lossy(lines.next()?);
        let mut words = status_line.trim_end().splitn(3, ' ');
        words.next()?;
        let status = words.next().filter(|digits| digits.len() == 3).and_then(|digits| digits.parse().ok())?;
        let reason = self.quoted(words.next().unwrap_or_default().as_bytes());
        let location = lines.find_map(|line| {
            let at = line.iter().position(|&byte| byte == b':')?;
            line[..at].eq_ignore_ascii_case(b"location").then(|| self.quoted(&line[at + 1..]))
        });
        Some(Answer { status, reason, location })
    }

    fn quoted(&self, bytes: &[u8]) -> String {
        quoted(&self.secrets.blanked(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16, reason: &str) -> Answer {
        Answer { status, reason: reason.to_owned(), location: None }
    }

    #[test]
    fn heads_come_in_pieces_and_one_behind_the_other() {
        let mut reader = AnswerReader::default();
        assert_eq!(reader.push(b"HT"), Ok(None));
        assert_eq!(reader.push(b"TP/1.1 100 Continue\r\n\r"), Ok(None));
        assert_eq!(reader.push(b"\nHTTP/1.0 200 OK\r\nServer: x\r\n"), Ok(Some(answer(100, "Continue"))));
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(reader.push(b"\r\nbody"), Ok(Some(answer(200, "OK"))));
        assert_eq!(reader.rest(), "body");
    }

    #[test]
    fn old_servers_and_bare_line_ends_are_understood() {
        assert_eq!(AnswerReader::default().push(b"ICY 200 OK\n\n"), Ok(Some(answer(200, "OK"))));
        let moved = AnswerReader::default().push(b"HTTP/1.1 302\r\nlOcAtIoN: http://b/x\r\n\r\n").unwrap().unwrap();
        assert_eq!((moved.status, moved.reason.as_str(), moved.location.as_deref()), (302, "", Some("http://b/x")));
    }

    #[test]
    fn garbage_and_heads_without_end_are_refused_early() {
        let not_http = |bytes: &[u8]| match AnswerReader::default().push(bytes) {
            Err(AnswerFault::NotHttp(said)) => said,
            other => panic!("{other:?}"),
        };
        assert_eq!(not_http(b"SSH-2.0-OpenSSH_9.2\r\n"), "SSH-2.0-OpenSSH_9.2");
        assert_eq!(not_http(b"OK2\r\nicy-caps:11\r\n\r\n"), "OK2 icy-caps:11");
        assert_eq!(not_http(b"HTTP/1.1 abc\r\n\r\n"), "HTTP/1.1 abc");
        let mut reader = AnswerReader::default();
        let mut fault = Ok(None);
        for n in 0..100 {
            fault = reader.push(&[b"HTTP/1.1 200 OK\r\n"[..].to_vec(), vec![b'x'; 1_000]].concat());
            if fault.is_err() {
                assert!(n < 20, "read on for {n} KB");
                break;
            }
        }
        assert_eq!(fault, Err(AnswerFault::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..200) {
            let mut reader = AnswerReader::default();
            let cut = cut.min(bytes.len());
            if reader.push(&bytes[..cut]).is_ok() {
                let _ = reader.push(&bytes[cut..]);
            }
        }
    }
}
