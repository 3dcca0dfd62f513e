//! The arguments that every bench takes. Knows nothing of what is measured.

use std::{ffi::OsString, path::PathBuf};

/// What a bench was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BenchArgs {
    /// Where the JSON report goes; `None`: only the table is printed.
    pub json: Option<PathBuf>,
    /// A run of seconds that shows that the bench works; its figures are not for publication.
    pub quick: bool,
    /// The folder for pictures; `None`: beside the JSON report, or none are drawn.
    pub svg: Option<PathBuf>,
}

/// Whether a bench draws pictures: whether it takes `--svg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pictures {
    /// It has none.
    None,
    /// It writes SVG files.
    Svg,
}

impl BenchArgs {
    /// Reads the process's arguments, and ends the process with exit code 2 where they are wrong, 0 for `--help`.
    pub fn from_env_or_exit(name: &str) -> Self {
        Self::with_pictures_from_env_or_exit(name, Pictures::None)
    }

    /// As [`BenchArgs::from_env_or_exit`], for a bench that may draw.
    pub fn with_pictures_from_env_or_exit(name: &str, pictures: Pictures) -> Self {
        match Self::parse(std::env::args_os().skip(1), pictures) {
            Ok(Some(args)) => args,
            Ok(None) => {
                println!("{}", Self::usage(name, pictures));
                std::process::exit(0);
            }
            Err(message) => {
                eprintln!("error: {message}\n{}", Self::usage(name, pictures));
                std::process::exit(2);
            }
        }
    }

    /// Reads arguments; `None` where help was asked for.
    ///
    /// # Errors
    /// A sentence that names the argument that is wrong.
    pub fn parse(args: impl IntoIterator<Item = OsString>, pictures: Pictures) -> Result<Option<Self>, String> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--quick") => parsed.quick = true,
                Some("--json") => {
                    let file = args.next().ok_or("--json needs the name of a file")?;
                    parsed.json = Some(PathBuf::from(file));
                }
                Some("--svg") if pictures == Pictures::Svg => {
                    let folder = args.next().ok_or("--svg needs the name of a folder")?;
                    parsed.svg = Some(PathBuf::from(folder));
                }
                Some("--help" | "-h") => return Ok(None),
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(Some(parsed))
    }

    /// The folder that pictures go to, made if it is not there; `None`: none are wanted.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn pictures_folder(&self) -> std::io::Result<Option<PathBuf>> {
        let beside = || Some(self.json.as_ref()?.parent()?.to_owned());
        let Some(folder) = self.svg.clone().or_else(beside) else { return Ok(None) };
        if !folder.as_os_str().is_empty() {
            std::fs::create_dir_all(&folder)?;
        }
        Ok(Some(folder))
    }

    fn usage(name: &str, pictures: Pictures) -> String {
        let svg = match pictures {
            Pictures::None => "",
            Pictures::Svg => " [--svg FOLDER]",
        };
        format!("usage: {name} [--quick] [--json FILE]{svg}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<BenchArgs>, String> {
        BenchArgs::parse(args.iter().map(OsString::from), Pictures::Svg)
    }

    #[test]
    fn both_options_are_read_in_any_order() {
        let expected = BenchArgs { json: Some("a.json".into()), quick: true, svg: None };
        assert_eq!(parse(&["--json", "a.json", "--quick"]), Ok(Some(expected.clone())));
        assert_eq!(parse(&["--quick", "--json", "a.json"]), Ok(Some(expected)));
        assert_eq!(parse(&[]), Ok(Some(BenchArgs::default())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse(&["--fast"]), Err("unknown argument \"--fast\"".to_owned()));
        assert_eq!(parse(&["--json"]), Err("--json needs the name of a file".to_owned()));
        assert_eq!(parse(&["--help"]), Ok(None));
        assert_eq!(parse(&["--svg"]), Err("--svg needs the name of a folder".to_owned()));
        let without = BenchArgs::parse(["--svg", "plots"].map(OsString::from), Pictures::None);
        assert_eq!(without, Err("unknown argument \"--svg\"".to_owned()));
    }

    #[test]
    fn pictures_go_where_they_are_wanted_or_beside_the_report() {
        let folder = |args: &[&str]| parse(args).unwrap().unwrap().pictures_folder().unwrap();
        let (dir, other) = (std::env::temp_dir(), std::env::temp_dir().join("ra-bench-args"));
        let json = dir.join("a.json");
        let (json, other_name) = (json.to_str().unwrap(), other.to_str().unwrap());
        assert_eq!(folder(&[]), None);
        assert_eq!(folder(&["--json", json]).as_ref(), Some(&dir));
        assert_eq!(folder(&["--json", "a.json"]), Some(PathBuf::new()));
        assert_eq!(folder(&["--json", json, "--svg", other_name]).as_ref(), Some(&other));
        assert!(other.is_dir());
        std::fs::remove_dir(&other).unwrap();
    }
}
