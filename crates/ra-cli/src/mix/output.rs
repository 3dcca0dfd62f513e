//! Where a mix goes: a name that is free, or with `--force` a file that is replaced when the mix is complete.

use std::path::{Path, PathBuf};

use crate::Failure;

/// The output of a mix.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    /// The file that is written until the mix is complete, where another one bears the name.
    part: Option<PathBuf>,
}

impl Output {
    /// Checks where the output goes; creates nothing.
    pub(super) fn plan(path: &Path, inputs: &[PathBuf], force: bool) -> Result<Self, Failure> {
        let refuse = |message: &str| Err(Failure::Usage(format!("{}: {message}", path.display())));
        let Some(name) = path.file_name() else { return refuse("is no file, expected the name of a WAV file") };
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wav")) {
            return refuse("expected a name that ends in .wav");
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return refuse(&format!("there is no directory {}", parent.display()));
        }
        let Ok(present) = path.symlink_metadata() else {
            return Ok(Self { path: path.to_path_buf(), part: None });
        };
        if !force {
            return refuse("exists, expected a name that is free, or --force to replace it");
        }
        if !present.is_file() {
            return refuse("is no plain file and can't be replaced");
        }
        let real = path.canonicalize().ok();
        if let Some(input) = inputs.iter().find(|input| input.canonicalize().ok() == real) {
            return refuse(&format!("is an input too ({}), expected another file", input.display()));
        }
        let mut part_name = std::ffi::OsString::from(".");
        part_name.push(name);
        part_name.push(format!(".{}.part.wav", std::process::id()));
        Ok(Self { path: path.to_path_buf(), part: Some(path.with_file_name(part_name)) })
    }

    /// The file to write.
    pub(super) fn writing_to(&self) -> &Path {
        self.part.as_deref().unwrap_or(&self.path)
    }

    /// Gives the finished file its name.
    pub(super) fn complete(self) -> Result<(), Failure> {
        let Some(part) = self.part else { return Ok(()) };
        std::fs::rename(&part, &self.path).map_err(|e| {
            let (path, part) = (self.path.display(), part.display());
            Failure::Running(format!("{path} could not be replaced: {e}; the mix is in {part}"))
        })
    }

    /// Says what is left of a mix that failed. A file that was to be replaced stays as it was.
    pub(super) fn abandon(self) -> String {
        let Some(part) = self.part else {
            return if self.path.exists() {
                format!("{} is valid and holds what was mixed before", self.path.display())
            } else {
                format!("{} was not created", self.path.display())
            };
        };
        match std::fs::remove_file(&part) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                format!("{} stays as it was; {} could not be removed: {e}", self.path.display(), part.display())
            }
            _ => format!("{} stays as it was", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_only_replaced_by_a_finished_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.wav");
        let plan = |force| Output::plan(&path, &[dir.path().join("in.wav")], force);
        assert_eq!(plan(false).unwrap().writing_to(), path);
        std::fs::write(&path, "old").unwrap();
        let refused = plan(false).unwrap_err().to_string();
        assert!(refused.ends_with("out.wav: exists, expected a name that is free, or --force to replace it"));

        let output = plan(true).unwrap();
        let part = output.writing_to().to_path_buf();
        assert_ne!(part, path);
        std::fs::write(&part, "half").unwrap();
        assert!(output.abandon().ends_with("out.wav stays as it was"));
        assert!(!part.exists());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");

        let output = plan(true).unwrap();
        std::fs::write(output.writing_to(), "new").unwrap();
        output.complete().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_that_can_not_be_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.wav");
        std::fs::write(&input, "x").unwrap();
        for (path, says) in [
            (dir.path().join("out.flac"), "expected a name that ends in .wav"),
            (dir.path().join("out"), "expected a name that ends in .wav"),
            (dir.path().join("no/out.wav"), "there is no directory"),
            (PathBuf::from("/"), "is no file"),
            (dir.path().join("./in.wav"), "is an input too"),
        ] {
            let failure = Output::plan(&path, std::slice::from_ref(&input), true).unwrap_err();
            assert!(matches!(&failure, Failure::Usage(text) if text.contains(says)), "{failure}");
        }
        std::fs::create_dir(dir.path().join("dir.wav")).unwrap();
        assert!(Output::plan(&dir.path().join("dir.wav"), &[], true).is_err());
    }
}
