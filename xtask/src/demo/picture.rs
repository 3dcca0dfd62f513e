//! A picture of a recording beside it, drawn by `ra wave` as anybody would draw it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::repo::Repo;

/// Draws a recording and returns where the picture is.
///
/// # Errors
/// `ra wave` fails, or what it leaves is no picture of a sound.
pub(super) fn draw(repo: &Repo, ra: &Path, recording: &Path) -> Result<PathBuf> {
    repo.sh.cmd(ra).arg("wave").arg(recording).ignore_stdout().run()?;
    let mut name = recording.as_os_str().to_owned();
    name.push(".svg");
    let picture = PathBuf::from(name);
    let text = std::fs::read_to_string(&picture).with_context(|| format!("no picture {}", picture.display()))?;
    ensure!(is_waveform(&text), "{} shows no sound", picture.display());
    Ok(picture)
}

/// Whether an SVG document has an outline of many points in it.
fn is_waveform(svg: &str) -> bool {
    let outlines = svg.split("<path ").skip(1).map(|path| path.matches('L').count());
    svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && outlines.max().unwrap_or(0) > 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waveform_has_points() {
        let points = "L1 2".repeat(200);
        assert!(is_waveform(&format!("<svg>\n<path d=\"M0 0{points}Z\"/></svg>\n")));
        assert!(!is_waveform("<svg>\n<path d=\"M0 0L1 1Z\"/></svg>"));
        assert!(!is_waveform("<svg>\n</svg>"));
        assert!(!is_waveform(&format!("<path d=\"{points}\"/>")));
    }
}
