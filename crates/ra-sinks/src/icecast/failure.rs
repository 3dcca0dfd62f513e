//! Why a connection could not be made or was lost, in words that people can act on, and how soon to try again.

use std::io;

use thiserror::Error;

use super::reconnect::Retry;
use super::request::Method;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The name stands for no address.
    #[error("the name {host:?} can't be looked up: {cause}")]
    Name { host: String, cause: String },
    /// The connection was refused, or there is no way there.
    #[error("can't connect: {cause}")]
    Connect { cause: io::Error },
    /// Too slow.
    #[error("no answer within {after_ms} ms, while {doing}")]
    TimedOut { doing: &'static str, after_ms: u32 },
    /// No encrypted connection came about.
    #[cfg(feature = "tls")]
    #[error("TLS: {message}")]
    Tls { message: String },
    /// It hung up.
    #[error("the server closed the connection {when}")]
    Closed { when: &'static str },
    /// It broke.
    #[error("the connection broke {when}: {cause}")]
    Broken { when: &'static str, cause: io::Error },
    /// What answers speaks no HTTP.
    #[error("what answers is no Icecast: it said {said:?}")]
    NotHttp { said: String },
    /// The answer has no end.
    #[error("the answer's header is longer than {limit} bytes")]
    AnswerTooLong { limit: usize },
    /// 401.
    #[error("401: the server refuses the user or the password{}; it is asked again once a minute", said_suffix(said))]
    Unauthorized { said: String },
    /// 403: somebody else is on the mount.
    #[error("403: somebody else is on the mount (or this source's last connection still is){}", said_suffix(said))]
    MountInUse { said: String },
    /// 403: the content type.
    #[error("403: the server does not take {content_type}{}", said_suffix(said))]
    ContentType { content_type: String, said: String },
    /// 403 for another reason.
    #[error("403: the server refuses the stream{}", said_suffix(said))]
    Forbidden { said: String },
    /// 3xx.
    #[error("{status}: the stream belongs elsewhere, and redirections are not followed: set url to {to:?}")]
    Redirected { status: u16, to: String },
    /// The server does not know this way of asking.
    #[error("{status}: the server does not take {}{}", method.name(), said_suffix(said))]
    Method { method: Method, status: u16, said: String },
    /// Another refusal.
    #[error("the server answered {status}{}", said_suffix(said))]
    Refused { status: u16, said: String },
    /// Nothing gets through any more.
    #[error("the server has acknowledged nothing for {after_ms} ms")]
    Stalled { after_ms: u64 },
}

impl Failure {
    /// How soon to try again.
    pub(super) fn retry(&self) -> Retry {
        match self {
            Failure::Unauthorized { .. } => Retry::Rarely,
            // What hangs up on a PUT, or answers it with something that is no HTTP, may be older than PUT; what does not answer
            // it may know no `Expect` and wait for the sound, for which nobody should wait (RFC 9110, section 10.1.1).
            Failure::Method { .. }
            | Failure::TimedOut { doing: ANSWERING, .. }
            | Failure::Closed { when: UNANSWERED }
            | Failure::Broken { when: UNANSWERED, .. }
            | Failure::NotHttp { .. } => Retry::OtherWay,
            _ => Retry::Soon,
        }
    }
}

/// While the request waits for its answer.
pub(super) const ANSWERING: &str = "waiting for its answer";
/// Between the request and its answer.
pub(super) const UNANSWERED: &str = "without an answer";
/// While sound flows.
pub(super) const STREAMING: &str = "in the middle of the stream";

fn said_suffix(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said:?}") }
}

/// What an answer that grants nothing means.
pub(super) fn refusal(
    method: Method,
    content_type: &str,
    status: u16,
    location: Option<&str>,
    said: String,
) -> Failure {
    let lower = said.to_ascii_lowercase();
    let is_about = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match status {
        401 => Failure::Unauthorized { said },
        403 | 409 if is_about(&["in use", "already"]) => Failure::MountInUse { said },
        403 | 415 if is_about(&["content-type", "content type", "not supported"]) || status == 415 => {
            Failure::ContentType { content_type: content_type.to_owned(), said }
        }
        403 => Failure::Forbidden { said },
        300..=399 => Failure::Redirected { status, to: location.unwrap_or("where it says").to_owned() },
        400 | 405 | 417 | 501 | 505 => Failure::Method { method, status, said },
        _ => Failure::Refused { status, said },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let refusal =
            |status, said: &str| refusal(Method::Put, "audio/ogg", status, Some("http://b/x"), said.to_owned());
        assert_eq!(
            refusal(401, "").to_string(),
            "401: the server refuses the user or the password; it is asked again once a minute"
        );
        assert_eq!(refusal(401, "").retry(), Retry::Rarely);
        let in_use = refusal(403, "Mountpoint in use");
        assert!(in_use.to_string().starts_with("403: somebody else is on the mount"), "{in_use}");
        assert_eq!(in_use.retry(), Retry::Soon);
        let content = refusal(403, "No Content-type given").to_string();
        assert_eq!(content, "403: the server does not take audio/ogg: \"No Content-type given\"");
        assert_eq!(
            refusal(403, "too many sources").to_string(),
            "403: the server refuses the stream: \"too many sources\""
        );
        assert!(refusal(302, "").to_string().ends_with("set url to \"http://b/x\""));
        assert_eq!(refusal(405, "").to_string(), "405: the server does not take PUT");
        assert_eq!(refusal(405, "").retry(), Retry::OtherWay);
        assert_eq!(refusal(503, "busy").to_string(), "the server answered 503: \"busy\"");
        assert_eq!(Failure::Closed { when: STREAMING }.retry(), Retry::Soon);
        assert_eq!(Failure::Closed { when: UNANSWERED }.retry(), Retry::OtherWay);
        assert_eq!(Failure::TimedOut { doing: ANSWERING, after_ms: 1 }.retry(), Retry::OtherWay);
        assert_eq!(Failure::TimedOut { doing: "connecting", after_ms: 1 }.retry(), Retry::Soon);
    }
}
