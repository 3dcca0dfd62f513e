//! Installs packages with apt, as root or by sudo without a password. Asks nobody anything, and changes nothing where
//! it may not.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::packages::has_program;

/// Options of every apt-get call: wait for another apt instead of failing, and forgive a network that stumbles.
const PATIENCE: [&str; 4] = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];

/// Who may install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privilege {
    Root,
    Sudo,
}

/// Installs packages, without those that they merely recommend.
pub(super) fn install(names: &[&str]) -> Result<()> {
    ensure!(has_program("apt-get"), "this is neither Debian nor Ubuntu: nothing was installed");
    let Some(privilege) = privilege() else {
        bail!("neither root nor sudo without a password: nothing was installed");
    };
    // An old or empty list of packages makes the installation fail; a mirror that is down does not always.
    if let Err(error) = apt_get(privilege, &["update"]) {
        eprintln!("setup: {error:#}; trying with the list that is there");
    }
    let words: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(names).copied().collect();
    apt_get(privilege, &words)
}

/// What a person types who may.
pub(super) fn command_for_people(names: &[&str]) -> String {
    let install = format!("apt-get install -y --no-install-recommends {}", names.join(" "));
    if is_root() { install } else { format!("sudo {install}") }
}

fn privilege() -> Option<Privilege> {
    if is_root() {
        return Some(Privilege::Root);
    }
    let sudo = quiet(Command::new("sudo").args(["-n", "true"])).status();
    sudo.is_ok_and(|status| status.success()).then_some(Privilege::Sudo)
}

fn is_root() -> bool {
    let output = quiet(Command::new("id").arg("-u")).stdout(Stdio::piped()).output();
    output.is_ok_and(|output| output.status.success() && output.stdout.trim_ascii() == b"0")
}

fn apt_get(privilege: Privilege, words: &[&str]) -> Result<()> {
    let line = apt_get_line(privilege, words);
    eprintln!("$ {}", line.join(" "));
    // Its chatter goes where all the rest does not: results alone are for stdout.
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().with_context(|| format!("cannot run {}", line[0]))?;
    ensure!(status.success(), "apt-get {}: {status}", words.first().unwrap_or(&""));
    Ok(())
}

fn apt_get_line<'w>(privilege: Privilege, words: &[&'w str]) -> Vec<&'w str> {
    let mut line = match privilege {
        Privilege::Root => vec![],
        Privilege::Sudo => vec!["sudo", "-n"],
    };
    // By env, since sudo does not hand variables on.
    line.extend(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]);
    line.extend(PATIENCE);
    line.extend(words);
    line
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_asks_nothing_and_sudo_asks_for_no_password() {
        let root = apt_get_line(Privilege::Root, &["install", "-y", "sox"]).join(" ");
        assert!(root.starts_with("env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout="), "{root}");
        assert!(root.ends_with(" install -y sox"), "{root}");
        let sudo = apt_get_line(Privilege::Sudo, &["update"]).join(" ");
        assert!(sudo.starts_with("sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"), "{sudo}");
    }

    #[test]
    fn people_get_one_command() {
        let command = command_for_people(&["sox", "ffmpeg"]);
        assert!(command.ends_with("apt-get install -y --no-install-recommends sox ffmpeg"), "{command}");
    }
}
