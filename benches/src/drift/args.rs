//! The drift bench's arguments: every bench's own, and one more.

use std::ffi::OsString;

use crate::{BenchArgs, Pictures};

const USAGE: &str = "usage: bench_drift [--quick] [--json FILE] [--svg FOLDER] [--real SECONDS]

  --real SECONDS  how long real threads run against the wall clock; default 600, and 0 with --quick";

/// What the drift bench was asked to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DriftArgs {
    /// What every bench is asked.
    pub bench: BenchArgs,
    /// How long the part on real threads takes, in seconds; 0: it is left out.
    pub real_s: f64,
}

impl DriftArgs {
    /// Reads the process's arguments, and ends the process with exit code 2 where they are wrong, 0 for `--help`.
    pub fn from_env_or_exit() -> Self {
        match Self::parse(std::env::args_os().skip(1)) {
            Ok(Some(args)) => args,
            Ok(None) => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            Err(message) => {
                eprintln!("error: {message}\n{USAGE}");
                std::process::exit(2);
            }
        }
    }

    /// Reads arguments; `None` where help was asked for.
    ///
    /// # Errors
    /// A sentence that names the argument that is wrong.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut others, mut real_s) = (Vec::new(), None);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--real") => {
                    let text = args.next().ok_or("--real needs a number of seconds")?;
                    let seconds = text.to_str().and_then(|text| text.parse::<f64>().ok());
                    let is_fit = |seconds: &f64| *seconds == 0.0 || (15.0..=86_400.0).contains(seconds);
                    let wrong = || format!("--real is {text:?}, expected 0 or 15 to 86400 seconds");
                    real_s = Some(seconds.filter(is_fit).ok_or_else(wrong)?);
                }
                // Their values are nobody's options.
                Some("--json" | "--svg") => {
                    others.push(arg);
                    others.extend(args.next());
                }
                _ => others.push(arg),
            }
        }
        let Some(bench) = BenchArgs::parse(others, Pictures::Svg)? else { return Ok(None) };
        let real_s = real_s.unwrap_or(if bench.quick { 0.0 } else { 600.0 });
        Ok(Some(Self { bench, real_s }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<DriftArgs>, String> {
        DriftArgs::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn options_of_both_kinds_in_any_order() {
        let bench = BenchArgs { json: Some("a.json".into()), quick: true, svg: Some("docs".into()) };
        let args = parse(&["--real", "30", "--json", "a.json", "--svg", "docs", "--quick"]).unwrap().unwrap();
        assert_eq!(args, DriftArgs { bench, real_s: 30.0 });
        assert_eq!(parse(&[]).unwrap().unwrap().real_s, 600.0);
        assert_eq!(parse(&["--quick"]).unwrap().unwrap().real_s, 0.0);
        assert_eq!(parse(&["--json", "--real"]).unwrap().unwrap().bench.json, Some("--real".into()));
        assert_eq!(parse(&["--help"]), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse(&["--real", "5"]), Err("--real is \"5\", expected 0 or 15 to 86400 seconds".to_owned()));
        assert_eq!(parse(&["--real"]), Err("--real needs a number of seconds".to_owned()));
        assert_eq!(parse(&["--svg"]), Err("--svg needs the name of a folder".to_owned()));
        assert_eq!(parse(&["--fast"]), Err("unknown argument \"--fast\"".to_owned()));
    }
}
