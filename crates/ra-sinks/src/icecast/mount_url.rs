//! Where a stream goes: scheme, host, port and mount. Looks nothing up.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The longest URL that is taken, in bytes.
const MOST_BYTES: usize = 500;

/// An `http://` or `https://` URL of a mount, without a password.
///
/// # Examples
/// ```
/// let url: ra_sinks::MountUrl = "http://radio.example:8000/live.ogg".parse()?;
/// assert_eq!((url.host(), url.port(), url.mount()), ("radio.example", 8000, "/live.ogg"));
/// # Ok::<(), ra_sinks::MountUrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MountUrl {
    is_tls: bool,
    host: String,
    port: u16,
    mount: String,
}

/// What is wrong with a mount's URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MountUrlError {
    /// Another scheme, or none.
    #[error("it begins with neither http:// nor https://")]
    Scheme,
    /// A user's name or a password stands in it.
    #[error("a user or a password stands in it; that is what user and password_env or password_file are for")]
    Credentials,
    /// No host, or one with characters that no host has.
    #[error("it names no host")]
    Host,
    /// Not a port.
    #[error("its port is no number from 1 to 65535")]
    Port,
    /// No mount, or one with characters that no mount has.
    #[error("it names no mount: a path of letters, digits and -._~/ behind the host, such as /live.ogg")]
    Mount,
    /// Longer than any URL of a mount.
    #[error("it is longer than {MOST_BYTES} bytes")]
    TooLong,
}

impl MountUrl {
    /// Whether the connection is encrypted.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// The host's name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port: as written, else 80 or 443.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The mount, with its slash.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// Host and port as a `Host` header has them.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for MountUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.mount)
    }
}

impl FromStr for MountUrl {
    type Err = MountUrlError;

    fn from_str(text: &str) -> Result<Self, MountUrlError> {
        if text.len() > MOST_BYTES {
            return Err(MountUrlError::TooLong);
        }
        let without = |scheme: &str| {
            let (begin, rest) = text.split_at_checked(scheme.len())?;
            begin.eq_ignore_ascii_case(scheme).then_some(rest)
        };
        let (is_tls, rest) = match (without("https://"), without("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(MountUrlError::Scheme),
        };
        let (authority, mount) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // A password may hold a slash.
        if rest.contains('@') {
            return Err(MountUrlError::Credentials);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(MountUrlError::Host)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| MountUrlError::Host)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("")).ok_or(MountUrlError::Port)?)
            }
            None => {
                let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
                let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                if host.is_empty() || !host.chars().all(is_name) {
                    return Err(MountUrlError::Host);
                }
                (host, port)
            }
        };
        let port = match port {
            "" if is_tls => 443,
            "" => 80,
            digits => digits.parse().ok().filter(|&port: &u16| port > 0).ok_or(MountUrlError::Port)?,
        };
        let is_path = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if mount.len() < 2 || !mount.chars().all(is_path) {
            return Err(MountUrlError::Mount);
        }
        Ok(Self { is_tls, host: host.to_owned(), port, mount: mount.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(bool, String, u16, String), MountUrlError> {
        text.parse().map(|url: MountUrl| (url.is_tls, url.host, url.port, url.mount))
    }

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        assert_eq!(parse("http://127.0.0.1:8000/live.ogg"), Ok((false, "127.0.0.1".into(), 8000, "/live.ogg".into())));
        assert_eq!(parse("HTTPS://radio.example/a/b"), Ok((true, "radio.example".into(), 443, "/a/b".into())));
        assert_eq!(parse("http://[::1]/x"), Ok((false, "::1".into(), 80, "/x".into())));
        let shown = |text: &str| text.parse::<MountUrl>().unwrap().to_string();
        assert_eq!(shown("http://[::1]:8000/x"), "http://[::1]:8000/x");
        assert_eq!(shown("https://a.b/x"), "https://a.b:443/x");
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_repeated() {
        use MountUrlError::*;
        for (text, expected) in [
            ("ftp://a/b", Scheme),
            ("a.b/c", Scheme),
            ("http://source:hackme@a/b", Credentials),
            ("http://source:hack/me@a/b", Credentials),
            ("http:///live", Host),
            ("http://a b/live", Host),
            ("http://[zz]/live", Host),
            ("http://a:0/live", Port),
            ("http://a:http/live", Port),
            ("http://[::1]8000/live", Port),
            ("http://a:8000", Mount),
            ("http://a:8000/", Mount),
            ("http://a/li ve", Mount),
            ("http://a/live?x=1", Mount),
            ("http://a/live\r\nX: y", Mount),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("hack"));
        }
        assert_eq!(parse(&format!("http://a/{}", "x".repeat(500))), Err(TooLong));
        assert_eq!(parse("http://ä/é"), Err(Host));
        assert_eq!(parse("httpé://"), Err(Scheme));
    }
}
