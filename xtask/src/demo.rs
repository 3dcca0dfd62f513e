//! `cargo xtask demo`: the main job on real sound, for a few seconds, from one command.
//!
//! Three sources (a file of speech, a synthetic pair, a device) go through `ra run`, as anybody would run it, into
//! recordings and, where nobody can be startled by it, an output. Its own account is then checked against the files.

mod account;
mod config;
mod device;
mod picture;
mod server;
mod sound;
mod wav;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    args::Args,
    bench,
    repo::Repo,
    setup::{self, Purpose},
};
use account::Account;
use config::Plan;
use device::Devices;

/// How long the sources run without `--for`.
const DEFAULT_LENGTH: Duration = Duration::from_secs(6);

pub(crate) fn run(repo: &Repo, mut args: Args) -> Result<()> {
    let length = args.take_duration("--for")?.unwrap_or(DEFAULT_LENGTH);
    args.finish()?;
    demonstrate(repo, length)
}

/// Runs the demo for a while and checks what came of it.
///
/// # Errors
/// Something could not be built or run, an account does not balance, or a recording is empty, short or silent.
pub(crate) fn demonstrate(repo: &Repo, length: Duration) -> Result<()> {
    let ready = setup::prepare(Purpose::Demo)?;
    bench::build_ra(repo)?;
    let ra = repo.release_binary("ra");
    let dir = repo.scratch("demo")?;

    let speech = sound::find(&dir, 0)?;
    let devices = if ready.devices {
        Devices::find(&ra, &dir)?
    } else {
        Devices::none("ra was built without devices, for want of the system's sound library")
    };
    let recordings = repo.root.join("recordings");
    std::fs::create_dir_all(&recordings).with_context(|| format!("cannot make {}", recordings.display()))?;
    let plan =
        Plan { speech: speech.path.clone(), recordings, input: devices.input.clone(), output: devices.output.clone() };
    let (config_file, summary_file) = (dir.join("demo.toml"), dir.join("summary.json"));
    std::fs::write(&config_file, plan.to_toml()).with_context(|| format!("cannot write {}", config_file.display()))?;
    // An account of an earlier run must not pass for this one's.
    if summary_file.exists() {
        std::fs::remove_file(&summary_file).with_context(|| format!("cannot remove {}", summary_file.display()))?;
    }

    println!("file: {}", speech.what);
    println!("pair: two channels of synthetic noise, correlated by half");
    println!("device: {}", devices.what);
    let seconds = format!("{}s", length.as_secs_f64());
    let command = repo.sh.cmd(&ra).arg("run").arg(&config_file).args(["--for", &seconds]);
    let command = command.arg("--summary").arg(&summary_file);
    let command = devices.environment().into_iter().fold(command, |command, (name, value)| command.env(name, value));
    // Its own account of the run goes to stdout, its meters to stderr: ours comes from the summary and the files.
    command.ignore_stdout().run()?;
    drop(devices);

    let text = std::fs::read_to_string(&summary_file).with_context(|| format!("no {}", summary_file.display()))?;
    let account = Account::parse(&text).context("the summary of the run")?;
    let problems = account.problems(length);
    print!("{}", account.told(|path| repo.shown(path).to_string()));
    println!("summary: {}", repo.shown(&summary_file));
    ensure!(problems.is_empty(), "the demo is not as it should be:\n  {}", problems.join("\n  "));
    println!("every frame is accounted for");
    for file in account.files() {
        println!("picture: {}", repo.shown(&picture::draw(repo, &ra, file)?));
    }
    Ok(())
}
