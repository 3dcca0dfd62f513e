//! A journal's lines, and what they come to. Opens no file.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::record::file_identity::FileIdentity;

/// The layout of a line.
const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    v: u32,
    /// Below the journal's directory.
    file: String,
    event: Event,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    /// It was created.
    Begun(FileIdentity),
    /// It is complete.
    Ended(Ended),
    /// It is nobody's business any more.
    Forgotten,
}

/// A file that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// As it was left.
    pub(crate) identity: FileIdentity,
    /// When its last frame was captured.
    pub(crate) end_unix_ns: i128,
    /// Its sidecar, as that was left.
    pub(crate) sidecar: Option<FileIdentity>,
}

/// A file of the recorder's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnFile {
    /// Below the journal's directory.
    pub(crate) file: String,
    pub(crate) life: Life,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is being written; as it was created.
    Begun(FileIdentity),
    /// It is complete.
    Ended(Ended),
}

impl OwnFile {
    /// `None`: it is being written.
    pub(crate) const fn ended(&self) -> Option<Ended> {
        match self.life {
            Life::Ended(ended) => Some(ended),
            Life::Begun(_) => None,
        }
    }
}

/// What a journal's lines come to.
pub(super) struct Known {
    /// Files that are complete, in the order in which they were.
    pub(super) complete: Vec<OwnFile>,
    /// Those that were being written, and as they were created.
    pub(super) begun: Vec<(String, FileIdentity)>,
}

/// Reads every line.
pub(super) fn read(file: &File) -> io::Result<Known> {
    // The latest line of each file counts, and says which is older.
    let mut latest: HashMap<String, (usize, Life)> = HashMap::new();
    for (n, line) in BufReader::new(file).split(b'\n').enumerate() {
        // Torn by a power cut, or of another version.
        let Some(line) = serde_json::from_slice::<Line>(&line?).ok().filter(|line| line.v == VERSION) else {
            continue;
        };
        if !is_below(&line.file) {
            continue;
        }
        match line.event {
            Event::Begun(identity) => drop(latest.insert(line.file, (n, Life::Begun(identity)))),
            Event::Ended(ended) => drop(latest.insert(line.file, (n, Life::Ended(ended)))),
            Event::Forgotten => drop(latest.remove(&line.file)),
        }
    }
    let mut latest: Vec<(usize, String, Life)> = latest.into_iter().map(|(file, (n, life))| (n, file, life)).collect();
    latest.sort_unstable_by_key(|(n, ..)| *n);
    let mut known = Known { complete: Vec::with_capacity(latest.len()), begun: Vec::new() };
    for (_, file, life) in latest {
        match life {
            Life::Ended(_) => known.complete.push(OwnFile { file, life }),
            Life::Begun(identity) => known.begun.push((file, identity)),
        }
    }
    Ok(known)
}

/// The line of an event.
pub(super) fn line(file: String, event: Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Line { v: VERSION, file, event })?;
    line.push(b'\n');
    Ok(line)
}

/// The lines that come to `files`.
pub(super) fn of(files: &[OwnFile]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for own in files {
        let event = match own.life {
            Life::Begun(identity) => Event::Begun(identity),
            Life::Ended(ended) => Event::Ended(ended),
        };
        text.extend(line(own.file.clone(), event)?);
    }
    Ok(text)
}

/// Whether a name stays below the directory that it is joined to.
pub(super) fn is_below(file: &str) -> bool {
    let path = Path::new(file);
    !file.is_empty() && path.components().all(|part| matches!(part, std::path::Component::Normal(_)))
}
