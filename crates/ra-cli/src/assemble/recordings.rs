//! Recorders of a config, and what can be said of their paths before any file is created.

use std::path::{Path, PathBuf};

use ra_engine::core::Sink;
use ra_engine::sinks::{Recorder, RecorderConfig, Sidecar};

use crate::config::{Config, RecordEntry, SinkKind};

/// A recorder that has created no file yet, and what it is.
pub(super) fn make_recorder(base_dir: &Path, entry: &RecordEntry) -> Result<(Box<dyn Sink>, String), String> {
    let sidecar = if entry.sidecar { Sidecar::Written } else { Sidecar::None };
    let template = template_in(base_dir, &entry.path.value);
    let description = format!("record to {} ({})", base_dir.join(&entry.path.value).display(), entry.format);
    let config = RecorderConfig { format: entry.format, sidecar, ..RecorderConfig::new(template) };
    Recorder::new(config).map(|sink| (Box::new(sink) as _, description)).map_err(|e| e.to_string())
}

/// Recordings with a fixed name: none may exist, and no two may be one. Found before any sink is opened, so that nothing is
/// written where the last of them could not be.
pub(super) fn check_paths(config: &Config, note: &mut dyn FnMut(usize, String)) {
    let mut seen: Vec<(PathBuf, &str)> = Vec::new();
    for entry in &config.sinks {
        let SinkKind::Record(record) = &entry.kind else { continue };
        let name = entry.config.name.as_str();
        let Some(path) = fixed_path(config.base_dir(), &record.path.value, name) else { continue };
        let shown = path.display();
        if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == path) {
            note(record.path.offset, format!("sink {name:?}: path is {shown}, which sink {other:?} writes to already"));
        } else if path.exists() {
            let expected = "expected a name that is free, for example by {time} or {index}";
            note(record.path.offset, format!("sink {name:?}: path is {shown}, which exists, {expected}"));
        } else if let Some(blocker) = path.ancestors().skip(1).find(|dir| dir.exists() && !dir.is_dir()) {
            let message = format!("sink {name:?}: path is {shown}, but {} is no directory", blocker.display());
            note(record.path.offset, message);
        }
        seen.push((path, name));
    }
}

/// A template relative to a directory whose own name is no template.
fn template_in(base_dir: &Path, template: &Path) -> PathBuf {
    if base_dir.as_os_str().is_empty() { template.to_path_buf() } else { escape_template(base_dir).join(template) }
}

/// A path as a template that stands for nothing but itself.
pub(crate) fn escape_template(path: &Path) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace('{', "{{").replace('}', "}}").into(),
        // A name that is no UTF-8 is taken as it is; where it has braces, the recorder refuses it.
        None => path.to_path_buf(),
    }
}

/// The one file that a template stands for; `None` where it stands for many, or for none.
fn fixed_path(base_dir: &Path, template: &Path, name: &str) -> Option<PathBuf> {
    let template = template.to_str()?;
    // Escaped braces are put aside while the name is filled in.
    let aside = template.replace("{{", "\u{1}").replace("}}", "\u{2}");
    if aside.contains("{time}") || aside.contains("{index}") {
        return None;
    }
    let filled = aside.replace("{name}", name).replace('\u{1}', "{").replace('\u{2}', "}");
    Some(base_dir.join(filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_stand_for_one_file_or_for_many() {
        let fixed = |template: &str| fixed_path(Path::new("/base"), Path::new(template), "mic");
        assert_eq!(fixed("out/{name}.wav").unwrap(), Path::new("/base/out/mic.wav"));
        assert_eq!(fixed("{{time}}-{name}.wav").unwrap(), Path::new("/base/{time}-mic.wav"));
        assert_eq!(fixed("/abs/x.wav").unwrap(), Path::new("/abs/x.wav"));
        assert_eq!(fixed("{name}-{time}.wav"), None);
        assert_eq!(fixed("{index}.wav"), None);
    }

    #[test]
    fn a_directory_with_braces_is_no_template() {
        assert_eq!(template_in(Path::new("/a{name}"), Path::new("{time}.wav")), Path::new("/a{{name}}/{time}.wav"));
        assert_eq!(template_in(Path::new(""), Path::new("{time}.wav")), Path::new("{time}.wav"));
        assert_eq!(template_in(Path::new("/a"), Path::new("/b/x.wav")), Path::new("/b/x.wav"));
    }
}
