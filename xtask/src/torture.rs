//! `cargo xtask torture`: what no ordinary test does to the queues, to the engine and to the recorder, for as long as asked.

use anyhow::Result;

use crate::{
    args::{Args, UsageError},
    repo::Repo,
    selection::bench_features,
};

/// What is tortured, and the options that say how much of what.
struct Victim {
    name: &'static str,
    options: &'static [Length],
}

/// An option of one victim.
#[derive(Clone, Copy, PartialEq)]
enum Length {
    /// `--for 10s`, passed on in seconds.
    Duration(&'static str),
    /// `--kills 1000`.
    Count(&'static str),
    /// `--cross-4gib`.
    Flag(&'static str),
}

const VICTIMS: &[Victim] = &[
    Victim { name: "queue", options: &[Length::Duration("--for")] },
    Victim { name: "engine", options: &[Length::Count("--commands")] },
    Victim {
        name: "recorder",
        options: &[
            Length::Count("--kills"),
            Length::Count("--fulls"),
            Length::Count("--splits"),
            Length::Count("--power-cuts"),
            Length::Flag("--cross-4gib"),
        ],
    },
    Victim { name: "devices", options: &[Length::Count("--cycles")] },
    Victim {
        name: "icecast",
        options: &[Length::Count("--restarts"), Length::Count("--seconds"), Length::Count("--relays")],
    },
];

impl Length {
    const fn name(self) -> &'static str {
        match self {
            Self::Duration(name) | Self::Count(name) | Self::Flag(name) => name,
        }
    }

    /// The words to pass on, if it is there.
    fn take(self, args: &mut Args) -> Result<Option<Vec<String>>> {
        let with = |value: String| vec![self.name().to_owned(), value];
        Ok(match self {
            Self::Duration(name) => args.take_duration(name)?.map(|duration| with(duration.as_secs_f64().to_string())),
            Self::Count(name) => args.take_value(name)?.map(with),
            Self::Flag(name) => args.take_flag(name).then(|| vec![name.to_owned()]),
        })
    }
}

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let names = any_of(VICTIMS.iter().map(|victim| victim.name));
    let mut lengths = Vec::new();
    for option in VICTIMS.iter().flat_map(|victim| victim.options) {
        if let Some(words) = option.take(&mut args)? {
            lengths.push((*option, words));
        }
    }
    let seed = args.take_value("--seed")?;
    let json = args.take_value("--json")?.map(|path| repo.callers_path(&path).to_string_lossy().into_owned());
    // Behind the options: else the value of one would be taken for it.
    let Some(name) = args.take_word() else {
        return Err(UsageError(format!("torture needs a name: {names}")).into());
    };
    args.finish()?;
    let Some(victim) = VICTIMS.iter().find(|victim| victim.name == name) else {
        return Err(UsageError(format!("there is no torture {name:?}, expected {names}")).into());
    };
    let mut words = Vec::new();
    for (option, of_it) in lengths {
        if !victim.options.contains(&option) {
            let its = any_of(victim.options.iter().map(|option| option.name()));
            return Err(UsageError(format!("torture {name} takes no {}, but {its}", option.name())).into());
        }
        words.extend(of_it);
    }
    for (option, value) in [("--seed", seed), ("--json", json)] {
        words.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
    }
    let bin = format!("torture_{name}");
    let command = repo.cargo(["run", "--release", "--quiet", "-p", "ra-benches", "--bin", &bin]);
    command.args(bench_features(&name).iter().copied()).arg("--").args(words).run()?;
    Ok(())
}

/// `a, b or c`.
fn any_of(names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_before_anything_is_built() {
        let repo = Repo::find().unwrap();
        let error = |words: &[&str]| {
            let args = Args::new(words.iter().map(std::ffi::OsString::from)).unwrap();
            run(&repo, args).unwrap_err().downcast::<UsageError>().unwrap().0
        };
        let names = any_of(VICTIMS.iter().map(|victim| victim.name));
        assert_eq!(error(&[]), format!("torture needs a name: {names}"));
        assert_eq!(error(&["--seed", "1", "mixer"]), format!("there is no torture \"mixer\", expected {names}"));
        assert_eq!(error(&["queue", "--commands", "9"]), "torture queue takes no --commands, but --for");
        assert_eq!(error(&["engine", "--for", "9s"]), "torture engine takes no --for, but --commands");
        let options = "--kills, --fulls, --splits, --power-cuts or --cross-4gib";
        assert_eq!(error(&["recorder", "--for", "9s"]), format!("torture recorder takes no --for, but {options}"));
        assert_eq!(error(&["queue", "--cross-4gib"]), "torture queue takes no --cross-4gib, but --for");
        assert!(error(&["queue", "--for", "60"]).starts_with("--for is \"60\", expected a duration"));
        assert_eq!(error(&["engine", "--slow"]), "unexpected argument \"--slow\"");
    }

    #[test]
    fn names_are_listed_as_people_do() {
        assert_eq!(any_of(["a"].into_iter()), "a");
        assert_eq!(any_of(["a", "b", "c"].into_iter()), "a, b or c");
    }
}
