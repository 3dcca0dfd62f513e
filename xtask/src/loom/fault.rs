//! The faults that the models must catch: which are planted, where, and what came of each.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Context, Result, bail};

use super::model::{Model, Models, Outcome, short};
use crate::repo::Repo;

/// A line of the source, found by its text.
struct Line {
    file: &'static str,
    /// Stands in that line of the file, and in no other.
    text: &'static str,
}

/// Stores that must not be carried out behind the next one of their thread.
const LATE: &[Line] = &[
    Line { file: SLOTS, text: "header.version.store(unfinished(seq), " },
    Line { file: SLOTS, text: "header.version.store(complete(seq), " },
    Line { file: "crates/ra-queue/src/fanout/ring.rs", text: "self.shared.head.next_seq.store(" },
    Line { file: "crates/ra-queue/src/fanout/counts.rs", text: "self.left_at.store(" },
    Line { file: ACCOUNT, text: "self.writer.accepted.store(" },
];

const SLOTS: &str = "crates/ra-queue/src/fanout/slots.rs";
const ACCOUNT: &str = "crates/ra-queue/src/input/account.rs";

/// A fault, and where it is planted.
pub(super) struct Fault {
    kind: Kind,
    /// `FILE:LINE:COLUMN`.
    place: String,
    /// That line of the source.
    source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Relax,
    Late,
}

/// What came of a fault.
pub(super) enum Verdict {
    Caught {
        by: String,
        said: String,
    },
    /// By none of so many models that go through the place.
    Missed {
        n_models: usize,
    },
}

/// Every ordering that the models go through, weakened, and the stores of the list, delayed.
pub(super) fn all(repo: &Repo, models: &[Model]) -> Result<Vec<Fault>> {
    let accesses: BTreeSet<&str> = models.iter().flat_map(|model| &model.places).map(String::as_str).collect();
    let accesses = accesses.into_iter().map(Access::parse).collect::<Result<Vec<_>>>()?;
    let source = |place: &str| source_line(repo, place);
    let mut faults = Vec::new();
    for access in accesses.iter().filter(|access| access.ordering != "Relaxed") {
        faults.push(Fault { kind: Kind::Relax, place: access.place.to_owned(), source: source(access.place)? });
    }
    for line in LATE {
        let stores = accesses.iter().filter(|access| access.what == "store");
        let mut found = stores.filter_map(|access| Some((access.place, source(access.place).ok()?)));
        let Some((place, source)) = found.find(|(place, source)| line.is_at(place, source)) else {
            bail!("no model goes through the store `{}` in {}", line.text, line.file);
        };
        faults.push(Fault { kind: Kind::Late, place: place.to_owned(), source });
    }
    Ok(faults)
}

impl Line {
    fn is_at(&self, place: &str, source: &str) -> bool {
        place.starts_with(&format!("{}:", self.file)) && source.contains(self.text)
    }
}

/// An access as a model tells it.
#[derive(Debug, PartialEq, Eq)]
struct Access<'a> {
    what: &'a str,
    ordering: &'a str,
    place: &'a str,
}

impl<'a> Access<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let mut words = text.splitn(3, ' ');
        let mut next = || words.next().with_context(|| format!("a model tells of a place {text:?}"));
        Ok(Self { what: next()?, ordering: next()?, place: next()? })
    }
}

/// The line that a place names, without its indentation.
fn source_line(repo: &Repo, place: &str) -> Result<String> {
    let wrong = || format!("a model tells of a place {place:?}");
    let (place, _column) = place.rsplit_once(':').with_context(wrong)?;
    let (file, line) = place.rsplit_once(':').with_context(wrong)?;
    let line: usize = line.parse().with_context(wrong)?;
    let text = std::fs::read_to_string(repo.root.join(file)).with_context(|| format!("cannot read {file}"))?;
    let found = line.checked_sub(1).and_then(|at| text.lines().nth(at)).with_context(wrong)?;
    Ok(found.trim().to_owned())
}

impl Fault {
    /// Runs the models that go through the place, the quick ones first, until one catches it.
    pub(super) fn judge(&self, models: &Models, passed: &[Model]) -> Result<Verdict> {
        let goes_through =
            |model: &&Model| model.places.iter().any(|place| place.ends_with(&format!(" {}", self.place)));
        let concerned: Vec<&Model> = passed.iter().filter(goes_through).collect();
        let kind = match self.kind {
            Kind::Relax => "relax",
            Kind::Late => "late",
        };
        for model in &concerned {
            if let Outcome::Caught(said) = models.run_with(&model.name, &format!("{kind}:{}", self.place))? {
                return Ok(Verdict::Caught { by: short(&model.name).to_owned(), said });
            }
        }
        Ok(Verdict::Missed { n_models: concerned.len() })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Relax => "Relaxed",
            Kind::Late => "late",
        };
        write!(f, "{} {kind}: {}", self.place, self.source)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught { by, said } => write!(f, "caught by {by}: {said}"),
            Verdict::Missed { n_models } => write!(f, "not noticed by {n_models} models"),
        }
    }
}
