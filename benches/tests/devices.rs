//! The torture of devices, each kind of outage once, and that it sees what is wrong.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Command;

/// A process of its own: servers are found by the environment.
#[test]
fn each_kind_of_outage_once() {
    let missing = ra_benches::devices::DeviceTorture::missing_tools();
    if !missing.is_empty() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "this test needs {}", missing.join(", "));
        println!("skipped: not installed: {}", missing.join(", "));
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_torture_devices")).args(["--cycles", "4"]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    for kind in ["killed", "unplugged", "moved", "stopped"] {
        assert!(text.contains(&format!("\n{kind} ")) || text.contains(&format!(": {kind}: ")), "{kind} in {text}");
    }
}
