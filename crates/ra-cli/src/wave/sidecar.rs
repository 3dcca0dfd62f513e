//! What the recorder's `FILE.json` says of a recording: when it began, and where sound is missing. One that can't be
//! understood is told and left alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The layout of sidecars that is understood.
const SCHEMA: u32 = 1;
/// A sidecar holds a thousand gaps at most; what is longer than this is none.
const MOST_BYTES: u64 = 16 << 20;

/// Sound that is missing, in frames of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct FileGap {
    pub(super) in_file_frame: u64,
    pub(super) n_frames: u64,
    pub(super) reason: String,
}

/// What is known from a sidecar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SidecarNews {
    /// When the first frame was captured, RFC 3339.
    pub(super) start_time: Option<String>,
    /// In their order.
    pub(super) gaps: Vec<FileGap>,
    /// Gaps that it counts and does not list.
    pub(super) gaps_omitted: u64,
    /// Frames in all gaps, those that are not listed included.
    pub(super) gap_frames: u64,
}

impl SidecarNews {
    /// All gaps, those that are not listed included.
    pub(super) const fn n_gaps(&self) -> u64 {
        self.gaps_omitted.saturating_add(self.gaps.len() as u64)
    }
}

#[derive(Deserialize)]
struct Document {
    schema: u32,
    #[serde(default)]
    start: Start,
    gaps: Vec<FileGap>,
    #[serde(default)]
    gaps_omitted: u64,
    #[serde(default)]
    gap_frames: u64,
}

#[derive(Default, Deserialize)]
struct Start {
    time: Option<String>,
}

/// Reads the sidecar of `recording`, if there is one.
///
/// # Errors
/// Why the one that is there is of no use, in a sentence.
pub(super) fn read_beside(recording: &Path) -> Result<Option<SidecarNews>, String> {
    let mut name: OsString = recording.into();
    name.push(".json");
    let path = PathBuf::from(name);
    let unusable = |why: String| format!("{}: {why}; its gaps are not drawn", path.display());
    let found = match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unusable(e.to_string())),
        Ok(found) => found,
    };
    if !found.is_file() || found.len() > MOST_BYTES {
        return Err(unusable(format!("{} bytes, expected a sidecar of at most {MOST_BYTES}", found.len())));
    }
    let text = std::fs::read_to_string(&path).map_err(|e| unusable(e.to_string()))?;
    let document: Document = serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
    if document.schema != SCHEMA {
        return Err(unusable(format!("schema {}, expected {SCHEMA}", document.schema)));
    }
    let Document { start, gaps, gaps_omitted, gap_frames, .. } = document;
    let listed_frames = gaps.iter().map(|gap| gap.n_frames).fold(0, u64::saturating_add);
    Ok(Some(SidecarNews { start_time: start.time, gaps, gaps_omitted, gap_frames: gap_frames.max(listed_frames) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_read_and_what_is_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (recording, sidecar) = (dir.path().join("a.wav"), dir.path().join("a.wav.json"));
        assert_eq!(read_beside(&recording), Ok(None));
        let text = r#"{ "schema": 1, "name": "mic", "start": { "position": 5, "time": "2026-11-21T10:15:30Z" },
            "gaps": [ { "at_frame": 15, "in_file_frame": 10, "n_frames": 7, "reason": "lagged" } ], "gaps_omitted": 3,
            "gap_count": 4, "gap_frames": 100 }"#;
        std::fs::write(&sidecar, text).unwrap();
        let gap = FileGap { in_file_frame: 10, n_frames: 7, reason: "lagged".to_owned() };
        let start_time = Some("2026-11-21T10:15:30Z".to_owned());
        let news = SidecarNews { start_time, gaps: vec![gap], gaps_omitted: 3, gap_frames: 100 };
        assert_eq!(news.n_gaps(), 4);
        assert_eq!(read_beside(&recording), Ok(Some(news)));
        for (text, says) in [
            ("{ \"schema\": 2, \"gaps\": [] }", "schema 2, expected 1"),
            ("{ \"schema\": 1 }", "missing field `gaps`"),
            ("nonsense", "expected"),
        ] {
            std::fs::write(&sidecar, text).unwrap();
            let error = read_beside(&recording).unwrap_err();
            assert!(error.contains("a.wav.json") && error.contains(says), "{error}");
            assert!(error.ends_with("its gaps are not drawn"), "{error}");
        }
    }
}
