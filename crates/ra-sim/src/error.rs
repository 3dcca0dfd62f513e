//! What can be wrong with a scenario file, and what can go wrong in a simulation.

use std::path::PathBuf;

use ra_engine::core::{SinkError, SourceError};
use ra_engine::{CommandError, EngineError};

/// One thing that is wrong in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named.
    pub file: PathBuf,
    /// The line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// The column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// Which key, what was found, and what was expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file.display(), self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.message)
        }
    }
}

/// Everything that is wrong with a scenario, in the order of its lines. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ScenarioError {
    /// The problems.
    pub problems: Vec<Problem>,
}

/// Why a simulation could not be set up, or did not get to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A value of the scenario is out of range.
    #[error("{key} is {actual}, expected {expected}")]
    Value {
        /// Which value.
        key: &'static str,
        /// What was given.
        actual: String,
        /// What would do.
        expected: String,
    },
    /// A source of the scenario makes no sense.
    #[error("source {name:?}: {cause}")]
    Source {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: SourceError,
    },
    /// The engine does not take the settings.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The engine does not take a source.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The sink of the samples failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The engine does not mix any more.
    #[error("the engine failed: {0}")]
    Failed(String),
    /// The caller asked for the end.
    #[error("stopped before its end")]
    Stopped,
}
