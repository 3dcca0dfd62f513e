//! Recorders of a config, and what can be said of their paths before any file is created.

use std::path::{Path, PathBuf};

use ra_engine::core::{Sink, SinkError, StreamSpec};
use ra_engine::sinks::{ClockMark, RecordFrom, Recorder, RecorderConfig, Sidecar};

use crate::config::{Config, RecordEntry, SinkKind};

/// A recorder that has created no file yet, and what it is; or what is wrong, and where. `spec`: of its bus, where that is
/// known.
pub(super) fn make_recorder(
    base_dir: &Path,
    name: &str,
    entry: &RecordEntry,
    spec: Option<StreamSpec>,
) -> Result<(Box<dyn Sink>, String), (usize, String)> {
    let config = RecorderConfig {
        path_template: template_in(base_dir, &entry.path.value),
        failover: entry.failover.as_ref().map(|directory| base_dir.join(&directory.value)),
        ..entry.config.clone()
    };
    let description = describe(base_dir, entry);
    let placed = |error: SinkError| {
        let offset = match &error {
            SinkError::Setting { what, .. } => entry.offset_of(what),
            _ => entry.path.offset,
        };
        (offset, error.to_string())
    };
    let recorder = Recorder::new(config).map_err(placed)?;
    recorder.check_name(name).map_err(placed)?;
    spec.map_or(Ok(()), |spec| recorder.check_spec(spec)).map_err(placed)?;
    Ok((Box::new(recorder), description))
}

/// What a recorder does, in one line.
fn describe(base_dir: &Path, entry: &RecordEntry) -> String {
    let config = &entry.config;
    let path = &entry.path.value;
    let is_lossy =
        path.extension().is_some_and(|e| ["opus", "ogg", "mp3"].iter().any(|lossy| e.eq_ignore_ascii_case(lossy)));
    let mut words = vec![if is_lossy { format!("{} kbit/s", config.bitrate_kbps) } else { config.format.to_string() }];
    if !config.channels.is_empty() {
        let channels: Vec<_> = config.channels.iter().map(u16::to_string).collect();
        words.push(format!("channels {} of the bus", channels.join(", ")));
    }
    if let Some(every) = config.split.every {
        words.push(format!("a new file every {}", seconds(every)));
    }
    if let Some(bytes) = config.split.every_bytes {
        words.push(format!("a new file every {bytes} bytes"));
    }
    if let Some((word, _)) = ClockMark::WORDS.iter().find(|(_, mark)| Some(*mark) == config.split.at) {
        words.push(format!("a new file at every {word} of UTC"));
    }
    if config.record_from == RecordFrom::Resume {
        words.push("paused at first".to_owned());
    }
    if !config.pre_roll.is_zero() {
        words.push(format!("pre-roll {}", seconds(config.pre_roll)));
    }
    if let Some(silence) = config.silence {
        words.push(format!("lists silence below {} dBFS for {}", silence.below_dbfs, seconds(silence.at_least)));
    }
    if let Some(keep) = config.retention.keep {
        words.push(format!("deletes files older than {}", seconds(keep)));
    }
    if let Some(bytes) = config.retention.max_total_bytes {
        words.push(format!("keeps at most {bytes} bytes"));
    }
    if let Some(directory) = &entry.failover {
        words.push(format!("or else to {}", base_dir.join(&directory.value).display()));
    }
    format!("record to {} ({})", base_dir.join(path).display(), words.join("; "))
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// Recordings with a fixed name: none may exist, and no two may be one. Found before any sink is opened, so that nothing is
/// written where the last of them could not be.
pub(super) fn check_paths(config: &Config, note: &mut dyn FnMut(usize, String)) {
    let mut seen: Vec<(PathBuf, &str)> = Vec::new();
    for entry in &config.sinks {
        let SinkKind::Record(record) = &entry.kind else { continue };
        let name = entry.config.name.as_str();
        if let Some(failover) = &record.failover {
            let directory = config.base_dir().join(&failover.value);
            if let Some(blocker) = blocker_of(&directory) {
                let (shown, blocker) = (directory.display(), blocker.display());
                note(failover.offset, format!("sink {name:?}: failover is {shown}, but {blocker} is no directory"));
            }
        }
        let Some(path) = fixed_path(config.base_dir(), &record.path.value, name) else { continue };
        let shown = path.display();
        let place = place_of(&path);
        let is_taken = |path: &Path| path.symlink_metadata().is_ok();
        let beside = |ending: &str| {
            let mut name = path.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let has_sidecar = record.config.sidecar == Sidecar::Written;
        let sidecar = [".json", ".json.tmp"].map(beside).into_iter().find(|path| has_sidecar && is_taken(path));
        let expected = "expected a name that is free, for example by {time} or {index}";
        if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == place) {
            note(record.path.offset, format!("sink {name:?}: path is {shown}, which sink {other:?} writes to already"));
        } else if is_taken(&path) {
            note(record.path.offset, format!("sink {name:?}: path is {shown}, which exists, {expected}"));
        } else if let Some(sidecar) = sidecar {
            let sidecar = sidecar.display();
            let message = format!("sink {name:?}: path is {shown}, beside which {sidecar} exists, {expected}");
            note(record.path.offset, message);
        } else if let Some(blocker) = path.parent().and_then(blocker_of) {
            let message = format!("sink {name:?}: path is {shown}, but {} is no directory", blocker.display());
            note(record.path.offset, message);
        }
        seen.push((place, name));
    }
}

/// What stands where a directory should be, or one above it.
fn blocker_of(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|above| above.exists() && !above.is_dir())
}

/// A path by the one name that it has for the system, as far as its directory is there.
fn place_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for directory in absolute.ancestors().skip(1) {
        if let (Ok(known), Ok(rest)) = (directory.canonicalize(), absolute.strip_prefix(directory)) {
            return known.join(rest);
        }
    }
    absolute
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
    if ["{time}", "{date}", "{index}"].iter().any(|placeholder| aside.contains(placeholder)) {
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
        assert_eq!(fixed("{date}/x.wav"), None);
    }

    #[test]
    fn a_directory_with_braces_is_no_template() {
        assert_eq!(template_in(Path::new("/a{name}"), Path::new("{time}.wav")), Path::new("/a{{name}}/{time}.wav"));
        assert_eq!(template_in(Path::new(""), Path::new("{time}.wav")), Path::new("{time}.wav"));
        assert_eq!(template_in(Path::new("/a"), Path::new("/b/x.wav")), Path::new("/b/x.wav"));
    }
}
