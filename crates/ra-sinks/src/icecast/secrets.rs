//! Takes what is secret out of what the other side says: some servers send back what they were asked. Shows nothing itself.

use std::collections::HashSet;
use std::fmt;

use super::config::IcecastConfig;
use super::request::credentials;

/// So many bytes in a row of something secret are no chance, and are hidden wherever they stand: the secret may come back cut
/// or with some of its characters written in another way.
const PIECE_BYTES: usize = 8;
/// The header that holds the password. What is behind it is hidden to the end of its line.
const HEADER: &[u8] = b"authorization:";
/// What stands in the place of what is hidden.
const HIDDEN: &[u8] = b"***";

/// What nobody but the server may see: the password as it is, and as a request has it.
#[derive(Default)]
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// Those of a stream.
    pub(super) fn of(config: &IcecastConfig) -> Self {
        Self(vec![config.password.reveal().as_bytes().to_vec(), credentials(config).into_bytes()])
    }

    /// The bytes with `***` where something secret stood.
    pub(super) fn blanked(&self, bytes: &[u8]) -> Vec<u8> {
        let mut is_hidden = vec![false; bytes.len()];
        for secret in &self.0 {
            let n = secret.len().min(PIECE_BYTES);
            if n == 0 {
                continue;
            }
            let pieces: HashSet<&[u8]> = secret.windows(n).collect();
            for (at, _) in bytes.windows(n).enumerate().filter(|(_, window)| pieces.contains(window)) {
                is_hidden[at..at + n].fill(true);
            }
        }
        for (at, _) in bytes.windows(HEADER.len()).enumerate().filter(|(_, text)| text.eq_ignore_ascii_case(HEADER)) {
            let from = at + HEADER.len();
            let line = bytes[from..].iter().take_while(|byte| !b"\r\n".contains(byte)).count();
            is_hidden[from..from + line].fill(true);
        }
        let mut blanked = Vec::with_capacity(bytes.len());
        for (at, (&byte, &hidden)) in bytes.iter().zip(&is_hidden).enumerate() {
            if !hidden {
                blanked.push(byte);
            } else if at == 0 || !is_hidden[at - 1] {
                blanked.extend_from_slice(HIDDEN);
            }
        }
        blanked
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::password::Password;
    use super::*;

    fn blanked(password: &str, text: &str) -> String {
        let config = IcecastConfig::new("http://h/x".parse().unwrap(), Password::new(password));
        let secrets = Secrets::of(&config);
        assert_eq!(format!("{secrets:?}"), "Secrets(***)");
        String::from_utf8(secrets.blanked(text.as_bytes())).unwrap()
    }

    #[test]
    fn what_is_secret_is_hidden_whole_cut_or_rewritten() {
        // "source:hackme-1234" is c291cmNlOmhhY2ttZS0xMjM0.
        for (text, expected) in [
            ("Mountpoint in use", "Mountpoint in use"),
            ("hackme-1234 is wrong, hackme-12 too", "*** is wrong, *** too"),
            ("<c291cmNlOmhhY2ttZS0xMjM0>", "<***>"),
            ("c291cmNlOm\\/hhY2ttZS0xMjM0", "***\\/***"),
            ("PUT /x\r\nAUTHORIZATION: Basic c2\r\nHost: h", "PUT /x\r\nAUTHORIZATION:***\r\nHost: h"),
            ("Authorization:", "Authorization:"),
            ("", ""),
        ] {
            assert_eq!(blanked("hackme-1234", text), expected);
        }
        assert_eq!(blanked("abc", "abcabd abc"), "***abd ***");
    }
}
