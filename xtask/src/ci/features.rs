//! Each crate of ours by itself, without features and with each one alone: whoever takes one crate gets one that
//! builds without a warning.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    repo::Repo,
    setup::{has_library, look},
    steps::Done,
};

/// Features that need a system library beyond the one that every device needs, and what pkg-config calls it.
const LIBRARIES: [(&str, &str); 2] = [("jack", "jack"), ("pipewire", "libpipewire-0.3")];

pub(super) fn step(repo: &Repo) -> Result<Done> {
    let (mut left_out, mut failed) = (Vec::new(), Vec::new());
    for package in repo.packages().iter().filter(|package| is_published(package)) {
        let Some(name) = package["name"].as_str() else { continue };
        let alone = features(package).into_iter().map(Some);
        for feature in std::iter::once(None).chain(alone) {
            let what = feature.map_or_else(|| name.to_owned(), |feature| format!("{name}/{feature}"));
            if is_impossible_here(package, feature) {
                left_out.push(what);
            } else if lint(repo, name, feature).is_err() {
                // What is wrong was said by clippy; the other combinations are of interest all the same.
                failed.push(what);
            }
        }
    }
    if !left_out.is_empty() {
        eprintln!("features left out, for want of a system library: {}", left_out.join(" "));
    }
    ensure!(failed.is_empty(), "warnings or errors in: {}", failed.join(" "));
    Ok(Done::Passed)
}

/// Whether a system library is missing for it, or the sound system belongs to Linux alone.
fn is_impossible_here(package: &Value, feature: Option<&str>) -> bool {
    let known = LIBRARIES.iter().find(|(name, _)| Some(*name) == feature);
    let lacks_library = known.is_some_and(|(_, library)| !cfg!(target_os = "linux") || !has_library(library));
    lacks_library || (needs_devices(package, feature) && !look().devices)
}

fn lint(repo: &Repo, package: &str, feature: Option<&str>) -> Result<()> {
    let words = ["clippy", "--quiet", "-p", package, "--no-default-features"].into_iter();
    let words = words.chain(feature.into_iter().flat_map(|feature| ["--features", feature]));
    repo.cargo(words.chain(["--", "-D", "warnings"])).run()?;
    Ok(())
}

/// What is not published is not taken by anybody.
fn is_published(package: &Value) -> bool {
    package["publish"].is_null()
}

/// Every feature but the default set, implicit ones included.
fn features(package: &Value) -> Vec<&str> {
    let features = package["features"].as_object().into_iter().flatten();
    features.map(|(name, _)| name.as_str()).filter(|name| *name != "default").collect()
}

/// Whether a feature, or the crate without any, needs the sound library of the system.
fn needs_devices(package: &Value, feature: Option<&str>) -> bool {
    if package["name"] == "ra-device" {
        return true;
    }
    let Some(feature) = feature else { return false };
    let enabled = package["features"][feature].as_array().map_or(&[][..], Vec::as_slice);
    enabled.iter().filter_map(Value::as_str).any(|enabled| {
        enabled.contains("ra-device")
            || enabled.ends_with("/device")
            || enabled.ends_with("/output")
            || (enabled != feature && needs_devices(package, Some(enabled)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn features_that_need_devices_are_found_through_others() {
        let package = json!({
            "name": "ra-x",
            "features": {
                "default": ["device"],
                "device": ["dep:ra-device"],
                "jack": ["device", "ra-device/jack"],
                "mock": [],
                "serde": ["dep:serde"],
                "wide": ["ra-engine/device"],
                "wider": ["wide"],
            },
            "publish": null,
        });
        assert_eq!(features(&package), ["device", "jack", "mock", "serde", "wide", "wider"]);
        let needing: Vec<&str> =
            features(&package).into_iter().filter(|feature| needs_devices(&package, Some(feature))).collect();
        assert_eq!(needing, ["device", "jack", "wide", "wider"]);
        assert!(!needs_devices(&package, None));
        assert!(needs_devices(&json!({ "name": "ra-device" }), None));
        assert!(is_published(&package) && !is_published(&json!({ "publish": [] })));
    }
}
