//! A password that no log, no debug output and no report can show. Knows no file and no environment.

use std::fmt;

/// What a server is shown together with a user's name. Prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes a password as it is.
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }

    /// Whether there is nothing in it, or something that no HTTP header can carry.
    pub fn is_usable(&self) -> bool {
        !self.0.is_empty() && !self.0.chars().any(char::is_control)
    }

    /// For the places that send it, and that hide it where it comes back.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_shown() {
        let password = Password::new("hackme-1234");
        assert_eq!(format!("{password:?} {:#?}", Some(&password)), "Password(***) Some(\n    Password(***),\n)");
        assert!(password.is_usable());
        assert!(!Password::new("").is_usable() && !Password::new("a\r\nX: y").is_usable());
    }
}
