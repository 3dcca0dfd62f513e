//! `cargo xtask torture`: what no ordinary test does to the queues and to the engine, for as long as asked.

use anyhow::Result;

use crate::{
    args::{Args, UsageError},
    repo::Repo,
};

/// What is tortured, and the one of `LENGTHS` that says for how long.
const VICTIMS: [(&str, &str); 2] = [("queue", "--for"), ("engine", "--commands")];
const LENGTHS: [&str; 2] = ["--for", "--commands"];

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let names = VICTIMS.map(|(name, _)| name).join(" or ");
    let duration = args.take_duration("--for")?.map(|duration| duration.as_secs_f64().to_string());
    let lengths = [duration, args.take_value("--commands")?];
    let seed = args.take_value("--seed")?;
    let json = args.take_value("--json")?.map(|path| repo.callers_path(&path).to_string_lossy().into_owned());
    // Behind the options: else the value of one would be taken for it.
    let Some(name) = args.take_word() else {
        return Err(UsageError(format!("torture needs a name: {names}")).into());
    };
    args.finish()?;
    let Some((name, its_length)) = VICTIMS.into_iter().find(|(known, _)| *known == name) else {
        return Err(UsageError(format!("there is no torture {name:?}, expected {names}")).into());
    };
    let bin = format!("torture_{name}");
    let mut command = repo.cargo(["run", "--release", "--quiet", "-p", "ra-benches", "--bin", &bin, "--"]);
    for (option, value) in LENGTHS.into_iter().zip(lengths).chain([("--seed", seed), ("--json", json)]) {
        let Some(value) = value else { continue };
        if LENGTHS.contains(&option) && option != its_length {
            return Err(UsageError(format!("torture {name} takes no {option}, but {its_length}")).into());
        }
        command = command.arg(option).arg(value);
    }
    command.run()?;
    Ok(())
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
        assert_eq!(error(&[]), "torture needs a name: queue or engine");
        assert_eq!(error(&["--seed", "1", "mixer"]), "there is no torture \"mixer\", expected queue or engine");
        assert_eq!(error(&["queue", "--commands", "9"]), "torture queue takes no --commands, but --for");
        assert_eq!(error(&["engine", "--for", "9s"]), "torture engine takes no --for, but --commands");
        assert!(error(&["queue", "--for", "60"]).starts_with("--for is \"60\", expected a duration"));
        assert_eq!(error(&["engine", "--slow"]), "unexpected argument \"--slow\"");
    }
}
