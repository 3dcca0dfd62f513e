//! Where a picture goes, and of which kind it is: a name that is free, or with `--force` a picture that is replaced as a
//! whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Kinds of pictures, by the ends of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    Png,
}

/// The picture's file.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    kind: Kind,
    replaces: bool,
}

impl Output {
    /// Checks where the picture goes; creates nothing. Without a name it is the sound's with `.svg` behind it.
    pub(super) fn plan(asked: Option<&Path>, sound: &Path, force: bool) -> Result<Self, Failure> {
        let path = asked.map_or_else(|| with_svg(sound), Path::to_path_buf);
        let refuse = |message: &str| Err(Failure::Usage(format!("{}: {message}", path.display())));
        let kind = match path.extension().map(|extension| extension.to_ascii_lowercase()) {
            Some(extension) if extension == "svg" => Kind::Svg,
            Some(extension) if extension == "png" => Kind::Png,
            _ => return refuse("expected a name that ends in .svg or .png"),
        };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            return refuse(&format!("there is no directory {}", parent.display()));
        }
        let Ok(present) = path.symlink_metadata() else { return Ok(Self { path, kind, replaces: false }) };
        if !force {
            return refuse("exists, expected a name that is free, or --force to replace it");
        }
        if !present.is_file() {
            return refuse("is no plain file and can't be replaced");
        }
        if path.canonicalize().ok() == sound.canonicalize().ok() {
            return refuse("is the sound itself, expected another file");
        }
        Ok(Self { path, kind, replaces: true })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the picture. A file that is replaced stays as it was until the new one is whole; a half one does not stay.
    pub(super) fn write(&self, picture: &[u8]) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::Running(format!("{}: {e}; there is no picture", self.path.display()));
        let target = if self.replaces { self.part() } else { self.path.clone() };
        let mut file = match File::options().write(true).create_new(true).open(&target) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists && !self.replaces => {
                let message = format!("{}: appeared meanwhile and is not replaced", self.path.display());
                return Err(Failure::Running(message));
            }
            opened => opened.map_err(failed)?,
        };
        let written = file.write_all(picture);
        drop(file);
        let done = written.and_then(|()| if self.replaces { std::fs::rename(&target, &self.path) } else { Ok(()) });
        done.map_err(|e| {
            if let Err(e) = std::fs::remove_file(&target) {
                log::warn!("{}: {e}", target.display());
            }
            failed(e)
        })
    }

    fn part(&self) -> PathBuf {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        self.path.with_file_name(name)
    }
}

fn with_svg(sound: &Path) -> PathBuf {
    let mut name: OsString = sound.into();
    name.push(".svg");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_replaced_as_a_whole_and_only_when_told() {
        let dir = tempfile::tempdir().unwrap();
        let sound = dir.path().join("a.wav");
        let plan = |force| Output::plan(None, &sound, force);
        let output = plan(false).unwrap();
        assert_eq!((output.path(), output.kind()), (dir.path().join("a.wav.svg").as_path(), Kind::Svg));
        output.write(b"one").unwrap();
        assert!(output.write(b"two").unwrap_err().to_string().contains("appeared meanwhile"));
        assert!(plan(false).unwrap_err().to_string().contains("exists, expected a name that is free, or --force"));
        plan(true).unwrap().write(b"three").unwrap();
        assert_eq!(std::fs::read(dir.path().join("a.wav.svg")).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn places_that_can_not_be_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d.svg")).unwrap();
        let sound = dir.path().join("a.png");
        std::fs::write(&sound, "x").unwrap();
        for (name, says) in [
            ("a.jpg", "ends in .svg or .png"),
            ("a", "ends in .svg or .png"),
            ("no/a.svg", "there is no directory"),
            ("d.svg", "is no plain file"),
            ("./a.png", "is the sound itself"),
        ] {
            let failure = Output::plan(Some(&dir.path().join(name)), &sound, true).unwrap_err();
            assert!(matches!(&failure, Failure::Usage(text) if text.contains(says)), "{failure}");
        }
        assert_eq!(Output::plan(Some(&dir.path().join("B.PNG")), &sound, false).unwrap().kind(), Kind::Png);
    }
}
