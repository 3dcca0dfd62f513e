//! The list of commands, and which one a command line asks for.

use std::ffi::OsString;

use anyhow::Result;

use crate::{
    args::{Args, UsageError},
    bench, check, ci, demo, fuzz, layering, loom, realtime_lint,
    repo::Repo,
    rtsan, setup, soak, test, torture,
};

/// One command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What may stand behind the name.
    pub(crate) usage: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Repo, Args) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        usage: "[--for 6s]",
        about: "three sources into a recording and other consumers, with live meters; says what came of it",
        run: demo::run,
    },
    Command {
        name: "test",
        usage: "[ARGS of cargo test]",
        about: "sets up what is missing and runs all tests",
        run: test::run,
    },
    Command {
        name: "check",
        usage: "",
        about: "format, lint and unit tests: under a minute when warm",
        run: check::run,
    },
    Command {
        name: "ci",
        usage: "[STEP...] [--skip STEP]...",
        about: "everything: tests, lint, docs, layering, features, models, long tests, sanitizer, benches, demo",
        run: ci::run,
    },
    Command {
        name: "bench",
        usage: "NAME [--quick] [--json FILE] [--svg FOLDER] [--real SECONDS]",
        about: "runs a bench; without a name it lists them",
        run: bench::run,
    },
    Command {
        name: "soak",
        usage: "[--for 1h] [--virtual 30d] [--seed N]",
        about: "a long run with criteria, in real time, in virtual time, or both",
        run: soak::run,
    },
    Command {
        name: "torture",
        usage: "queue [--for 60s] | engine [--commands N] | recorder [--kills N] [--fulls N] [--splits N] [--power-cuts N] [--cross-4gib] | devices [--cycles N] | icecast [--restarts N] [--seconds N] [--relays LISTENERS] [--seed N] [--json FILE]",
        about: "queues under every kind of reader, the engine under a storm of commands, recorders that are killed, devices that come and go, streams whose servers are killed; counts what went wrong",
        run: torture::run,
    },
    Command {
        name: "fuzz",
        usage: "[TARGET] [--for 10m]",
        about: "hostile bytes for all that parses bytes from outside; needs cargo-fuzz and the nightly compiler",
        run: fuzz::run,
    },
    Command {
        name: "loom",
        usage: "",
        about: "the queues' models, and every ordering weakened to see that they notice",
        run: loom::run,
    },
    Command {
        name: "rtsan",
        usage: "",
        about: "the mixer step under the compiler's real-time sanitizer",
        run: rtsan::run,
    },
    Command { name: "layering", usage: "", about: "which crate may depend on which", run: layering::run },
    Command {
        name: "realtime-lint",
        usage: "",
        about: "no lock, log, sleep, panic or allocation in real-time files",
        run: realtime_lint::run,
    },
    Command {
        name: "setup",
        usage: "[build|demo|test]",
        about: "installs the system packages that are missing, or says how",
        run: setup::run,
    },
];

/// What a command line asks for.
pub(crate) enum Choice {
    Run(&'static Command, Args),
    Help(String),
}

/// Finds the command that `words` begin with.
pub(crate) fn choose(words: impl IntoIterator<Item = OsString>) -> Result<Choice, UsageError> {
    let mut words = words.into_iter();
    let Some(name) = words.next() else {
        return Err(UsageError(format!("no command\n\n{}", help())));
    };
    if name == "--help" || name == "-h" || name == "help" {
        return Ok(Choice::Help(help()));
    }
    let Some(command) = COMMANDS.iter().find(|command| name == command.name) else {
        return Err(UsageError(format!("unknown command {name:?}\n\n{}", help())));
    };
    let words: Vec<OsString> = words.collect();
    // Behind `--` it is another program's option.
    let ours = words.iter().take_while(|word| *word != "--");
    if ours.into_iter().any(|word| word == "--help" || word == "-h") {
        let usage = format!("usage: cargo xtask {} {}", command.name, command.usage);
        return Ok(Choice::Help(format!("{}\n{}", usage.trim_end(), command.about)));
    }
    Ok(Choice::Run(command, Args::new(words)?))
}

fn help() -> String {
    let synopsis = |command: &Command| format!("{} {}", command.name, command.usage).trim_end().to_owned();
    let width = COMMANDS.iter().map(|command| synopsis(command).len()).max().unwrap_or(0);
    let mut text = "usage: cargo xtask COMMAND\n\ncommands:\n".to_owned();
    for command in COMMANDS {
        text.push_str(&format!("  {:width$}  {}\n", synopsis(command), command.about));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(words: &[&str]) -> Result<Choice, UsageError> {
        super::choose(words.iter().map(OsString::from))
    }

    #[test]
    fn every_command_is_found_and_listed() {
        for command in COMMANDS {
            assert!(matches!(choose(&[command.name]), Ok(Choice::Run(found, _)) if found.name == command.name));
            assert!(help().contains(command.about), "{}", command.name);
        }
    }

    #[test]
    fn unknown_and_missing_commands_list_what_there_is() {
        for words in [&["destroy"][..], &[]] {
            let Err(UsageError(message)) = choose(words) else { panic!("{words:?} was taken") };
            assert!(message.contains("demo") && message.contains("test [ARGS of cargo test]"), "{message}");
        }
    }

    #[test]
    fn help_is_ours_only_before_the_dashes() {
        assert!(matches!(choose(&["--help"]), Ok(Choice::Help(_))));
        assert!(matches!(choose(&["demo", "--help"]), Ok(Choice::Help(text)) if text.contains("--for 6s")));
        assert!(matches!(choose(&["test", "--", "--help"]), Ok(Choice::Run(..))));
    }
}
