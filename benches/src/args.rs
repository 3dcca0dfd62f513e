//! The arguments that every bench takes. Knows nothing of what is measured.

use std::{ffi::OsString, path::PathBuf};

/// What a bench was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BenchArgs {
    /// Where the JSON report goes; `None`: only the table is printed.
    pub json: Option<PathBuf>,
    /// A run of seconds that shows that the bench works; its figures are not for publication.
    pub quick: bool,
}

impl BenchArgs {
    /// Reads the process's arguments, and ends the process with exit code 2 where they are wrong, 0 for `--help`.
    pub fn from_env_or_exit(name: &str) -> Self {
        match Self::parse(std::env::args_os().skip(1)) {
            Ok(Some(args)) => args,
            Ok(None) => {
                println!("{}", Self::usage(name));
                std::process::exit(0);
            }
            Err(message) => {
                eprintln!("error: {message}\n{}", Self::usage(name));
                std::process::exit(2);
            }
        }
    }

    /// Reads arguments; `None` where help was asked for.
    ///
    /// # Errors
    /// A sentence that names the argument that is wrong.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut parsed = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--quick") => parsed.quick = true,
                Some("--json") => {
                    let file = args.next().ok_or("--json needs the name of a file")?;
                    parsed.json = Some(PathBuf::from(file));
                }
                Some("--help" | "-h") => return Ok(None),
                _ => return Err(format!("unknown argument {arg:?}")),
            }
        }
        Ok(Some(parsed))
    }

    fn usage(name: &str) -> String {
        format!("usage: {name} [--quick] [--json FILE]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<BenchArgs>, String> {
        BenchArgs::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn both_options_are_read_in_any_order() {
        let expected = BenchArgs { json: Some("a.json".into()), quick: true };
        assert_eq!(parse(&["--json", "a.json", "--quick"]), Ok(Some(expected.clone())));
        assert_eq!(parse(&["--quick", "--json", "a.json"]), Ok(Some(expected)));
        assert_eq!(parse(&[]), Ok(Some(BenchArgs::default())));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse(&["--fast"]), Err("unknown argument \"--fast\"".to_owned()));
        assert_eq!(parse(&["--json"]), Err("--json needs the name of a file".to_owned()));
        assert_eq!(parse(&["--help"]), Ok(None));
    }
}
