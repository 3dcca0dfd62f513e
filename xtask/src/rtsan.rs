//! `cargo xtask rtsan`: the mixer step under the compiler's real-time sanitizer.
//!
//! The sanitizer stops a program that calls a function of the C library that may wait or allocate while it is inside a
//! function marked `#[sanitize(realtime = "nonblocking")]`. It is part of the stable compiler's distribution, but its
//! option and attribute are not stable: `RUSTC_BOOTSTRAP=1` lets them through, for this build alone. It sees malloc,
//! free, files and sched_yield; it does not see a lock that is free, a sleep by clock_nanosleep, or a look at the
//! clock: the lint and the trapping allocator stand beside it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{args::Args, repo::Repo, steps::Done};

/// Targets whose distribution of the compiler has the sanitizer's runtime.
const TARGETS: [&str; 4] =
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin"];

/// The test that takes real steps inside a marked function.
const TEST_FILE: &str = "crates/ra-engine/tests/rtsan.rs";

/// A program that breaks the rule, to see that the sanitizer is awake before its silence counts.
const PROBE: &str = include_str!("rtsan/probe.rs.txt");

/// With what the sanitizer ends a program.
const VIOLATION_EXIT_CODE: i32 = 43;

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    args.finish()?;
    match step(repo)? {
        Done::Passed => println!("rtsan: no violation"),
        Done::Skipped(reason) => bail!("rtsan: {reason}"),
    }
    Ok(())
}

/// Probes the sanitizer, then runs the test.
pub(crate) fn step(repo: &Repo) -> Result<Done> {
    let host = host_target()?;
    if !TARGETS.contains(&host.as_str()) {
        return Ok(Done::Skipped(format!("the compiler for {host} has no real-time sanitizer")));
    }
    probe(repo)?;
    ensure!(repo.root.join(TEST_FILE).is_file(), "{TEST_FILE} is not there");
    // A target folder of its own: these flags would throw away everybody else's build. With --target, build scripts
    // and procedural macros are built without them.
    let words = ["test", "-p", "ra-engine", "--test", "rtsan", "--target", &host];
    let command = repo.cargo(words).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=realtime --cfg rtsan");
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("CARGO_TARGET_DIR", repo.scratch("rtsan")?).run()?;
    Ok(Done::Passed)
}

/// Makes sure that the sanitizer catches an allocation, and lets a clean function pass.
fn probe(repo: &Repo) -> Result<()> {
    let dir = repo.scratch("rtsan")?;
    let (source, program) = (dir.join("probe.rs"), dir.join("probe"));
    std::fs::write(&source, PROBE).with_context(|| format!("cannot write {}", source.display()))?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition", "2024", "-Zsanitizer=realtime", "-o"])
        .args([&program, &source])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .context("cannot run rustc")?;
    ensure!(output.status.success(), "the probe does not build: {}", String::from_utf8_lossy(&output.stderr));
    let exit_code = |what: &str| -> Result<Option<i32>> {
        let status = Command::new(&program).arg(what).stderr(Stdio::null()).status();
        Ok(status.context("cannot run the probe")?.code())
    };
    ensure!(exit_code("clean")? == Some(0), "the sanitizer complains of a function that does nothing wrong");
    for what in ["allocate", "free", "open", "yield"] {
        let code = exit_code(what)?;
        ensure!(code == Some(VIOLATION_EXIT_CODE), "the sanitizer let a planted \"{what}\" pass (exit code {code:?})");
    }
    eprintln!("rtsan: the sanitizer caught a planted allocation, free, open and yield");
    Ok(())
}

fn host_target() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("cannot run rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what its host is")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_known() {
        let host = host_target().unwrap();
        assert!(host.contains(std::env::consts::ARCH), "{host}");
    }

    #[test]
    fn the_sanitizer_is_awake_where_it_exists() {
        if TARGETS.contains(&host_target().unwrap().as_str()) {
            probe(&Repo::find().unwrap()).unwrap();
        }
    }
}
