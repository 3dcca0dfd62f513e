//! `cargo xtask soak`: long runs with criteria, in virtual time, in real time, or both.

use anyhow::Result;

use crate::{
    args::{Args, UsageError},
    repo::Repo,
};

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let (real, simulated) = (args.take_duration("--for")?, args.take_duration("--virtual")?);
    let seed = args.take_value("--seed")?;
    args.finish()?;
    if real.is_none() && simulated.is_none() {
        return Err(UsageError("soak needs --for 1h (real time), --virtual 30d, or both".to_owned()).into());
    }
    let mut command = repo.cargo(["run", "--release", "--quiet", "-p", "ra-benches", "--bin", "soak", "--"]);
    for (option, duration) in [("--for", real), ("--virtual", simulated)] {
        if let Some(duration) = duration {
            command = command.args([option, &duration.as_secs_f64().to_string()]);
        }
    }
    if let Some(seed) = seed {
        command = command.arg("--seed").arg(seed);
    }
    command.run()?;
    Ok(())
}
