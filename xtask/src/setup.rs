//! `cargo xtask setup`: what the system lacks for a purpose, installed where that is allowed, and else the one command
//! to run.
//!
//! Only Linux needs anything: elsewhere the sound system is part of the platform. What can be built without a missing
//! package still is; whoever asks learns what cannot.

mod install;
mod packages;

use anyhow::{Result, bail, ensure};

use crate::{
    args::{Args, UsageError},
    repo::{Repo, is_ci},
};
use packages::{PACKAGES, Package};
pub(crate) use packages::{has_library, has_program};

/// What the machine is prepared for; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// Building everything.
    Build,
    /// Building, speech, and a sound server for a machine without one.
    Demo,
    /// All tests: real sound servers, and other people's programs as judges of our files.
    Test,
}

/// What can be built here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Whether the system library for sound devices is there.
    pub(crate) devices: bool,
}

pub(crate) fn run(_repo: &Repo, mut args: Args) -> Result<()> {
    let purpose = match args.take_word().as_deref() {
        Some("build") => Purpose::Build,
        Some("demo") => Purpose::Demo,
        Some("test") | None => Purpose::Test,
        Some(other) => {
            return Err(UsageError(format!("purpose is {other:?}, expected build, demo or test")).into());
        }
    };
    args.finish()?;
    prepare(purpose)?;
    let lacking: Vec<&str> = missing(purpose).iter().map(|package| package.name).collect();
    ensure!(lacking.is_empty(), "not set up for {purpose:?}: {} missing", lacking.join(" "));
    println!("set up for {purpose:?}");
    Ok(())
}

/// Installs what is missing for a purpose, as far as that is allowed, and says what could not be had.
///
/// # Errors
/// With `CI` set: something is still missing.
pub(crate) fn prepare(purpose: Purpose) -> Result<Ready> {
    if cfg!(target_os = "linux") {
        let mut lacking = missing(purpose);
        if !lacking.is_empty() {
            let names: Vec<&str> = lacking.iter().map(|package| package.name).collect();
            eprintln!("setup: missing for {purpose:?}: {}", names.join(" "));
            match install::install(&names) {
                Ok(()) => lacking = missing(purpose),
                Err(reason) => eprintln!("setup: {reason:#}"),
            }
        }
        if !lacking.is_empty() {
            report(&lacking)?;
        }
    }
    Ok(look())
}

/// What can be built here as it is; installs nothing.
pub(crate) fn look() -> Ready {
    Ready { devices: !cfg!(target_os = "linux") || has_library("alsa") }
}

fn missing(purpose: Purpose) -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| package.purpose <= purpose && package.is_wanted() && !package.is_there()).collect()
}

fn report(lacking: &[&Package]) -> Result<()> {
    let mut text = "still missing:\n".to_owned();
    for package in lacking {
        text.push_str(&format!("  {:22} {}\n", package.name, package.without));
    }
    let names: Vec<&str> = lacking.iter().map(|package| package.name).collect();
    text.push_str(&format!("on Debian and Ubuntu: {}", install::command_for_people(&names)));
    if is_ci() {
        bail!("{text}");
    }
    eprintln!("setup: {text}");
    Ok(())
}
