//! `torture_queue [--for SECONDS] [--seed N] [--json FILE]`: the queues under torture; exit code 1 where anything was
//! wrong. Progress on stderr, a table on stdout, JSON into FILE beside it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use ra_benches::torture::queue::{TortureConfig, torture_queues};
use ra_benches::torture::{exit_code, verdict, whole_number};
use ra_benches::{Load, Report};

const USAGE: &str = "usage: torture_queue [--for SECONDS] [--seed N] [--json FILE]";

fn main() -> ExitCode {
    exit_code(parse(std::env::args().skip(1)), USAGE, |(config, json)| run(&config, json).map(verdict))
}

/// Whether nothing was wrong.
fn run(config: &TortureConfig, json: Option<PathBuf>) -> Result<bool> {
    let load = Load::at_start();
    let torture = torture_queues(config, &mut |scene| eprintln!("{scene}"))?;
    println!("{torture}");
    let is_clean = torture.is_clean();
    Report::new("torture queue", false, load, torture).write(json.as_deref())?;
    Ok(is_clean)
}

/// What was asked for; `None` for help.
fn parse(args: impl IntoIterator<Item = String>) -> Result<Option<(TortureConfig, Option<PathBuf>)>, String> {
    let (mut config, mut json) = (TortureConfig::default(), None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--help" || arg == "-h" {
            return Ok(None);
        }
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--for" => {
                let text = value()?;
                let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                config.duration = seconds
                    .filter(|duration| !duration.is_zero())
                    .ok_or_else(|| format!("--for is {text:?}, expected seconds"))?;
            }
            "--seed" => config.seed = whole_number(&arg, &value()?)?,
            "--json" => json = Some(PathBuf::from(value()?)),
            _ => return Err(format!("unknown argument {arg:?}")),
        }
    }
    Ok(Some((config, json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Option<(TortureConfig, Option<PathBuf>)>, String> {
        super::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn options_are_read_and_what_is_wrong_is_named() {
        let (config, json) = parse(&["--seed", "9", "--for", "2.5", "--json", "a.json"]).unwrap().unwrap();
        assert_eq!((config.seed, config.duration), (9, Duration::from_millis(2_500)));
        assert_eq!(json, Some("a.json".into()));
        assert!(parse(&[]).unwrap().unwrap().1.is_none());
        assert!(parse(&["--for", "1", "--help"]).unwrap().is_none());
        for (args, message) in [
            (&["--for", "soon"][..], "--for is \"soon\", expected seconds"),
            (&["--for", "0"], "--for is \"0\", expected seconds"),
            (&["--for", "-1"], "--for is \"-1\", expected seconds"),
            (&["--seed", "x"], "--seed is \"x\", expected a whole number"),
            (&["--json"], "--json needs a value"),
            (&["--quick"], "unknown argument \"--quick\""),
        ] {
            assert_eq!(parse(args).unwrap_err(), message);
        }
    }
}
