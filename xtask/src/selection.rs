//! Which packages each call of cargo takes, so that what can be built is built, whatever the machine lacks.

use crate::setup::Ready;

/// What turns on the tests that talk to servers of their own, of sound and of streams.
const DEVICE_TESTS: &str = "ra-device/testing,ra-device/serde,ra-device/measure,ra-sources/device-testing,ra-sinks/output-testing,ra-cli/device-testing,ra-sinks/icecast-testing,ra-cli/icecast-testing,ra-engine/async,ra-benches/device";
/// What turns on the tests that talk to an Icecast server, and those of async readers, without those of devices.
const STREAM_TESTS: &str = "ra-sinks/icecast-testing,ra-engine/async";
/// The same of the program.
const STREAM_TESTS_OF_RA: &str = "icecast-testing";

/// The arguments that choose the packages, one list for each call. The last call takes the most.
///
/// xtask goes by itself: it may be this very program, which some systems cannot replace while it runs.
pub(crate) fn selections(ready: Ready) -> Vec<Vec<&'static str>> {
    let xtask = vec!["-p", "xtask"];
    if ready.devices {
        return vec![xtask, vec!["--workspace", "--exclude", "xtask", "--features", DEVICE_TESTS]];
    }
    let ra = vec!["-p", "ra-cli", "--no-default-features", "--features", STREAM_TESTS_OF_RA];
    let excluded = ["--exclude", "xtask", "--exclude", "ra-device", "--exclude", "ra-cli"];
    let others = ["--workspace"].into_iter().chain(excluded).chain(["--features", STREAM_TESTS]);
    vec![xtask, ra, others.collect()]
}

/// What a bench or torture of that name is built with, besides what all are.
pub(crate) fn bench_features(name: &str) -> &'static [&'static str] {
    match name {
        "devices" => &["--features", "device"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_be_built_is_taken() {
        let all = selections(Ready { devices: true });
        assert_eq!(all[0], ["-p", "xtask"]);
        assert_eq!(all[1], ["--workspace", "--exclude", "xtask", "--features", DEVICE_TESTS]);
        let without = selections(Ready { devices: false });
        assert!(without.iter().any(|selection| selection.starts_with(&["-p", "ra-cli", "--no-default-features"])));
        assert!(without.iter().any(|selection| selection.contains(&"--workspace") && selection.contains(&"ra-device")));
    }
}
