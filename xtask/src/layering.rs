//! `cargo xtask layering`: the ladder of crates, checked against what cargo says. Dependencies point one way; only the
//! device features need a system library.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::{args::Args, repo::Repo};

/// Which crates of the workspace a crate may depend on. A new crate gets a rung here first.
const LADDER: &[(&str, &[&str])] = &[
    ("ra-core", &[]),
    ("ra-queue", &["ra-core"]),
    ("ra-dsp", &["ra-core"]),
    ("ra-device", &["ra-core", "ra-queue", "ra-dsp"]),
    ("ra-sources", &["ra-core", "ra-queue", "ra-dsp", "ra-device"]),
    ("ra-sinks", &["ra-core", "ra-queue", "ra-dsp", "ra-device"]),
    ("ra-engine", &["ra-core", "ra-queue", "ra-dsp", "ra-device", "ra-sources", "ra-sinks"]),
    ("ra-sim", &["ra-engine"]),
    ("ra-cli", &["ra-engine", "ra-device", "ra-sim"]),
    ("ra-benches", &["ra-core", "ra-queue", "ra-dsp", "ra-device", "ra-sources", "ra-sinks", "ra-engine", "ra-sim"]),
    ("xtask", &[]),
];

/// Crates that must be optional wherever they appear: they bring a system library.
const NEED_A_SYSTEM_LIBRARY: &[&str] = &["ra-device"];

/// Crates from outside that bring a system library, and the one crate that may have each.
const BRING_A_SYSTEM_LIBRARY: &[(&str, &str)] = &[("cpal", "ra-device"), ("alsa", "ra-device"), ("jack", "ra-device")];

pub(crate) fn run(repo: &Repo, args: Args) -> Result<()> {
    args.finish()?;
    check(repo)?;
    println!("layering: {} crates, every dependency points down the ladder", repo.packages().len());
    Ok(())
}

/// Checks every dependency of every crate.
pub(crate) fn check(repo: &Repo) -> Result<()> {
    let edges: Vec<Edge<'_>> = repo.packages().iter().flat_map(edges_of).collect();
    let names: Vec<&str> = repo.packages().iter().filter_map(|package| package["name"].as_str()).collect();
    let mut violations: Vec<String> = names.iter().filter_map(|name| unknown(name)).collect();
    violations.extend(edges.iter().filter_map(|edge| edge.violation(&names)));
    if violations.is_empty() { Ok(()) } else { bail!("layering:\n  {}", violations.join("\n  ")) }
}

/// One dependency of one crate of ours.
struct Edge<'a> {
    from: &'a str,
    to: &'a str,
    is_optional: bool,
    /// `None` for an ordinary one, else "dev" or "build".
    kind: Option<&'a str>,
}

fn edges_of(package: &Value) -> Vec<Edge<'_>> {
    let from = package["name"].as_str().unwrap_or_default();
    let dependencies = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    dependencies
        .iter()
        .map(|dependency| Edge {
            from,
            to: dependency["name"].as_str().unwrap_or_default(),
            is_optional: dependency["optional"].as_bool().unwrap_or(false),
            kind: dependency["kind"].as_str(),
        })
        .collect()
}

impl Edge<'_> {
    /// What is wrong with it, if anything. `ours` are the crates of the workspace.
    fn violation(&self, ours: &[&str]) -> Option<String> {
        let Self { from, to, is_optional, kind } = *self;
        let what = kind.map_or_else(|| "depends".to_owned(), |kind| format!("{kind}-depends"));
        if let Some((_, owner)) = BRING_A_SYSTEM_LIBRARY.iter().find(|(name, owner)| *name == to && *owner != from) {
            return Some(format!("{from} {what} on {to}, which brings a system library: only {owner} may"));
        }
        if !ours.contains(&to) {
            return None;
        }
        let (_, allowed) = LADDER.iter().find(|(name, _)| *name == from)?;
        if !allowed.contains(&to) {
            let allowed = if allowed.is_empty() { "no other crate".to_owned() } else { allowed.join(", ") };
            return Some(format!("{from} {what} on {to}, but may on {allowed} only"));
        }
        if NEED_A_SYSTEM_LIBRARY.contains(&to) && !is_optional && kind.is_none() {
            return Some(format!("{from} {what} on {to} always: it needs a system library, so it must be optional"));
        }
        None
    }
}

fn unknown(name: &str) -> Option<String> {
    let is_known = LADDER.iter().any(|(known, _)| *known == name);
    (!is_known).then(|| format!("{name} has no rung: say in xtask/src/layering.rs what it may depend on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: [&str; 4] = ["ra-core", "ra-sources", "ra-sinks", "ra-device"];

    fn violation(from: &str, to: &str, is_optional: bool, kind: Option<&str>) -> Option<String> {
        Edge { from, to, is_optional, kind }.violation(&OURS)
    }

    #[test]
    fn the_repository_keeps_to_its_ladder() {
        check(&Repo::find().unwrap()).unwrap();
    }

    #[test]
    fn the_ladder_itself_points_one_way() {
        for (rung, (name, allowed)) in LADDER.iter().enumerate() {
            for lower in *allowed {
                assert!(LADDER[..rung].iter().any(|(known, _)| known == lower), "{name} -> {lower}");
            }
        }
        assert!(LADDER.iter().all(|(_, allowed)| !allowed.contains(&"ra-benches") && !allowed.contains(&"xtask")));
    }

    #[test]
    fn planted_violations_are_found() {
        let sideways = violation("ra-sinks", "ra-sources", false, None);
        assert_eq!(
            sideways.as_deref(),
            Some("ra-sinks depends on ra-sources, but may on ra-core, ra-queue, ra-dsp, ra-device only")
        );
        assert!(violation("ra-core", "ra-sinks", true, Some("dev")).is_some_and(|text| text.contains("dev-depends")));
        assert!(violation("ra-sources", "ra-device", false, None).is_some_and(|text| text.contains("optional")));
        assert!(violation("ra-sources", "cpal", true, None).is_some_and(|text| text.contains("only ra-device may")));
        assert!(unknown("ra-new").is_some());
    }

    #[test]
    fn what_is_allowed_is_left_alone() {
        assert_eq!(violation("ra-sources", "ra-core", false, None), None);
        assert_eq!(violation("ra-sources", "ra-device", true, None), None);
        assert_eq!(violation("ra-device", "cpal", false, None), None);
        assert_eq!(violation("ra-core", "thiserror", false, None), None);
    }
}
