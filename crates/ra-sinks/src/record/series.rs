//! The files of one recorder, in order: bounded, however many they are. Opens none.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use ra_core::FramePosition;
use serde::Serialize;

/// How many earlier files a sidecar lists.
const LISTED_IN_SIDECAR: usize = 100;
/// How many files a report lists.
const LISTED_IN_REPORT: usize = 1000;

/// Why a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BegunBy {
    /// The recorder was started.
    Start,
    /// The file before it was long, large or late enough.
    Split,
    /// Somebody asked for it.
    Command,
    /// Somebody let it go on after a pause, or begin.
    Resume,
    /// The file before it could not be written any more.
    Failover,
    /// Somebody has moved the file before it.
    Moved,
}

/// Why a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EndedBy {
    /// The recorder ended.
    Stop,
    /// It was long, large or late enough.
    Split,
    /// Somebody asked for the next one.
    Command,
    /// Somebody asked for a pause.
    Pause,
    /// It could not be written any more.
    Failover,
    /// Somebody has moved it.
    Moved,
}

/// A file that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EndedFile {
    /// Its name alone, or its whole path where it lies in another directory.
    pub(crate) file: String,
    /// The mix timeline's position of its first frame.
    pub(crate) position: u64,
    pub(crate) frames: u64,
}

/// Where a file stands among its recorder's others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlaceInSeries {
    /// From 1.
    pub(crate) number: u64,
    /// Where the first file of all began.
    pub(crate) first_position: FramePosition,
    /// The latest files before it.
    pub(crate) previous: Vec<EndedFile>,
}

/// All files so far.
#[derive(Debug, Default)]
pub(crate) struct Series {
    first_position: Option<FramePosition>,
    n_files: u64,
    ended: VecDeque<(PathBuf, FramePosition, u64)>,
    paths: VecDeque<PathBuf>,
}

impl Series {
    /// What the sidecar of a file at `path` that begins at `position` says of the others. `before`: the one that is written
    /// until then, where it begins, and how many frames it will hold.
    pub(crate) fn place_of(
        &self,
        path: &Path,
        position: FramePosition,
        before: Option<(&Path, FramePosition, u64)>,
    ) -> PlaceInSeries {
        let directory = path.parent();
        let entry = |(ended, position, frames): (&Path, FramePosition, u64)| {
            let name = if ended.parent() == directory { ended.file_name() } else { None };
            let file = name.unwrap_or(ended.as_os_str()).to_string_lossy().into_owned();
            EndedFile { file, position: position.0, frames }
        };
        let ended = self.ended.iter().map(|(path, position, frames)| (path.as_path(), *position, *frames));
        let mut previous: Vec<EndedFile> = ended.chain(before).map(entry).collect();
        previous.drain(..previous.len().saturating_sub(LISTED_IN_SIDECAR));
        PlaceInSeries { number: self.n_files + 1, first_position: self.first_position.unwrap_or(position), previous }
    }

    /// A file was begun.
    pub(crate) fn begun(&mut self, path: &Path, position: FramePosition) {
        self.first_position.get_or_insert(position);
        self.n_files += 1;
        if self.paths.len() == LISTED_IN_REPORT {
            self.paths.pop_front();
        }
        self.paths.push_back(path.to_owned());
    }

    /// A file has ended and holds so many frames.
    pub(crate) fn ended(&mut self, path: &Path, position: FramePosition, frames: u64) {
        if self.ended.len() == LISTED_IN_SIDECAR {
            self.ended.pop_front();
        }
        self.ended.push_back((path.to_owned(), position, frames));
    }

    /// The latest files.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.paths.iter().cloned().collect()
    }

    /// Files before those.
    pub(crate) fn n_omitted(&self) -> u64 {
        self.n_files - self.paths.len() as u64
    }

    /// All files.
    pub(crate) const fn n_files(&self) -> u64 {
        self.n_files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_counts_what_it_does_not_list() {
        let mut series = Series::default();
        for n in 0..2500u64 {
            let path = PathBuf::from(format!("out/{n}.wav"));
            let current = PathBuf::from(format!("out/{}.wav", n.max(1) - 1));
            let before = (n > 0).then(|| (current.as_path(), FramePosition(n * 10 - 5), 10));
            let place = series.place_of(&path, FramePosition(n * 10 + 5), before);
            assert_eq!((place.number, place.first_position), (n + 1, FramePosition(5)));
            assert_eq!(place.previous.len() as u64, n.min(100));
            if let Some((path, begin, frames)) = before {
                series.ended(path, begin, frames);
            }
            series.begun(&path, FramePosition(n * 10 + 5));
        }
        series.ended(Path::new("out/2499.wav"), FramePosition(24_995), 10);
        assert_eq!((series.paths().len(), series.n_omitted(), series.n_files()), (1000, 1500, 2500));
        assert_eq!(series.paths()[0], Path::new("out/1500.wav"));
        let elsewhere = series.place_of(Path::new("other/x.wav"), FramePosition(0), None);
        let expected = EndedFile { file: "out/2499.wav".into(), position: 24_995, frames: 10 };
        assert_eq!(elsewhere.previous.last(), Some(&expected));
        assert_eq!(series.place_of(Path::new("out/x.wav"), FramePosition(0), None).previous[99].file, "2499.wav");
    }
}
