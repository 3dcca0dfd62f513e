//! The repository that is worked on: where it is, what is in it, and how a program is run in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use xshell::Shell;

/// The repository.
pub(crate) struct Repo {
    /// Its root.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// A shell in the root.
    pub(crate) sh: Shell,
    /// Where the person stands: names on the command line are relative to it.
    caller_dir: PathBuf,
    metadata: Value,
}

impl Repo {
    /// Finds the repository that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let caller_dir = std::env::current_dir().context("the current folder is gone")?;
        // Cargo sets the variable when it runs us; the constant is for a binary that is run by hand.
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let manifest_dir = manifest_dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest_dir.parent().context("xtask has no parent folder")?.to_owned();
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(&root)
            .output()
            .context("cannot run cargo")?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into();
        let sh = Shell::new()?;
        sh.change_dir(&root);
        Ok(Self { root, target, sh, caller_dir, metadata })
    }

    /// Every package of the workspace, as `cargo metadata` describes it.
    pub(crate) fn packages(&self) -> &[Value] {
        self.metadata["packages"].as_array().map_or(&[], Vec::as_slice)
    }

    /// A cargo command in the root, without what cargo told us about ourselves.
    pub(crate) fn cargo<'a>(&'a self, words: impl IntoIterator<Item = &'a str>) -> xshell::Cmd<'a> {
        self.sh.cmd(cargo()).args(words)
    }

    /// A name on the command line, from wherever we are.
    pub(crate) fn callers_path(&self, name: &str) -> PathBuf {
        self.caller_dir.join(name)
    }

    /// A folder of ours within the target folder, made if it is not there.
    pub(crate) fn scratch(&self, name: &str) -> Result<PathBuf> {
        let dir = self.target.join(name);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        Ok(dir)
    }

    /// A path for people: relative to the root where it is inside.
    pub(crate) fn shown<'p>(&self, path: &'p Path) -> std::path::Display<'p> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// The binary that a release build leaves.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.target.join("release").join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// The cargo that runs us, or the one on the path.
pub(crate) fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Whether this runs where nobody looks: what would be a warning is an error then.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
