//! Which packages each call of cargo takes, so that what can be built is built, whatever the machine lacks.

use crate::setup::Ready;

/// What turns on the tests that talk to a sound server of their own.
const DEVICE_TESTS: &str =
    "ra-device/testing,ra-device/serde,ra-sources/device-testing,ra-sinks/output-testing,ra-cli/device-testing";

/// The arguments that choose the packages, one list for each call. The last call takes the most.
///
/// xtask goes by itself: it may be this very program, which some systems cannot replace while it runs.
pub(crate) fn selections(ready: Ready) -> Vec<Vec<&'static str>> {
    let xtask = vec!["-p", "xtask"];
    if ready.devices {
        return vec![xtask, vec!["--workspace", "--exclude", "xtask", "--features", DEVICE_TESTS]];
    }
    let others = vec!["--workspace", "--exclude", "xtask", "--exclude", "ra-device", "--exclude", "ra-cli"];
    vec![xtask, vec!["-p", "ra-cli", "--no-default-features"], others]
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
        assert!(without.contains(&vec!["-p", "ra-cli", "--no-default-features"]));
        assert!(without.iter().any(|selection| selection.contains(&"--workspace") && selection.contains(&"ra-device")));
    }
}
