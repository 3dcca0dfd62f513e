//! Names: what exists is never overwritten, and nothing leaves its directory.

use std::{fs, path::Path};

use ra_core::{Sink, SinkError};
use ra_sinks::{Recorder, RecorderConfig, Sidecar, SyncRhythm};

use crate::signal::start_of;

fn record(template: &Path, name: &str) -> Result<std::path::PathBuf, SinkError> {
    let mut recorder = Recorder::new(RecorderConfig::new(template))?;
    recorder.start(&start_of(name, 1))?;
    let path = recorder.path().unwrap().to_owned();
    assert_eq!(recorder.finish()?.files, std::slice::from_ref(&path));
    assert!(recorder.path().is_none());
    Ok(path)
}

#[test]
fn directories_are_made_and_names_are_counted_up() {
    let dir = tempfile::tempdir().unwrap();
    let at = |p: &str| dir.path().join(p);
    let timed = at("a/b/{name}-{time}.wav");
    assert_eq!(record(&timed, "mic").unwrap(), at("a/b/mic-20261121T101530Z.wav"));
    assert_eq!(record(&timed, "mic").unwrap(), at("a/b/mic-20261121T101530Z-2.wav"));
    assert_eq!(record(&timed, "mic").unwrap(), at("a/b/mic-20261121T101530Z-3.wav"));
    let indexed = at("{index}/x.wav");
    assert_eq!(record(&indexed, "mic").unwrap(), at("0001/x.wav"));
    assert_eq!(record(&indexed, "mic").unwrap(), at("0002/x.wav"));
    fs::remove_dir_all(at("0001")).unwrap();
    assert_eq!(record(&indexed, "mic").unwrap(), at("0001/x.wav"));
}

#[test]
fn a_fixed_name_that_is_taken_is_an_error_and_the_old_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("take.wav");
    fs::write(&path, "precious").unwrap();
    let error = record(&path, "mic").unwrap_err();
    assert!(matches!(&error, SinkError::File { path: p, .. } if *p == path), "{error:?}");
    assert!(error.to_string().contains("exists and is not overwritten; {time} or {index}"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_old_sidecar_is_not_overwritten_either() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = dir.path().join("take.wav.json");
    fs::write(&sidecar, "precious").unwrap();
    let error = record(&dir.path().join("take.wav"), "mic").unwrap_err();
    assert!(error.to_string().contains("take.wav.json: exists"), "{error}");
    assert_eq!(fs::read_to_string(&sidecar).unwrap(), "precious");
    assert!(!dir.path().join("take.wav").exists());
    fs::write(dir.path().join("0001.wav.json"), "precious").unwrap();
    assert!(record(&dir.path().join("{index}.wav"), "mic").unwrap().ends_with("0002.wav"));
}

/// A sidecar has another name while it is written.
#[test]
#[cfg(unix)]
fn what_lies_where_a_sidecar_is_written_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("precious"), "precious").unwrap();
    std::os::unix::fs::symlink(at("precious"), at("0001.wav.json.tmp")).unwrap();
    assert!(record(&at("{index}.wav"), "mic").unwrap().ends_with("0002.wav"));
    // Somebody puts it there while it is being recorded.
    let mut recorder = Recorder::new(RecorderConfig::new(at("take.wav"))).unwrap();
    recorder.start(&start_of("mic", 1)).unwrap();
    std::os::unix::fs::symlink(at("precious"), at("take.wav.json.tmp")).unwrap();
    let error = recorder.finish().unwrap_err();
    assert!(error.to_string().contains("the recording is complete, its sidecar is not"), "{error}");
    assert!(error.to_string().contains("take.wav.json.tmp: "), "{error}");
    assert!(fs::symlink_metadata(at("take.wav.json.tmp")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious");
}

#[test]
#[cfg(unix)]
fn a_dangling_link_is_a_name_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all.wav", dir.path().join("0001.wav")).unwrap();
    assert!(record(&dir.path().join("{index}.wav"), "mic").unwrap().ends_with("0002.wav"));
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let error = record(&dir.path().join("file/{name}.wav"), "mic").unwrap_err();
    assert!(matches!(error, SinkError::File { .. }), "{error:?}");
    assert!(record(&dir.path().join("{name}.wav"), "../mic").unwrap_err().is_fatal());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_recorder_that_is_not_started_or_twice_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig {
        sync: SyncRhythm::Never,
        sidecar: Sidecar::None,
        ..RecorderConfig::new(dir.path().join("{index}.wav"))
    };
    let mut recorder = Recorder::new(config).unwrap();
    assert!(recorder.flush().unwrap_err().is_fatal());
    assert!(recorder.finish().unwrap_err().is_fatal());
    recorder.start(&start_of("mic", 1)).unwrap();
    assert!(recorder.start(&start_of("mic", 1)).unwrap_err().to_string().contains("0001.wav is still being recorded"));
    recorder.finish().unwrap();
    recorder.start(&start_of("mic", 1)).unwrap();
    assert!(recorder.path().unwrap().ends_with("0002.wav"));
}
