//! How a run of `ra` can fail, and the exit code of each.

use std::process::ExitCode;

/// Why `ra` does not end with exit code 0. The text is complete: it says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The command line or the config is wrong; nothing was started, nothing written. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Something failed while running. Exit code 1.
    #[error("{0}")]
    Running(String),
}

impl Failure {
    /// A failure while running, from an error.
    pub(crate) fn running(error: impl std::fmt::Display) -> Self {
        Failure::Running(error.to_string())
    }

    /// A wrong command line or config, from an error.
    pub(crate) fn usage(error: impl std::fmt::Display) -> Self {
        Failure::Usage(error.to_string())
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Running(_) => ExitCode::from(1),
        }
    }
}
