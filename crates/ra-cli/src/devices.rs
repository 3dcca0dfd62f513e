//! `ra devices`: what can be captured and played here, what comes and goes, and what one of them is worth.

#[cfg(feature = "device")]
mod device_test;
#[cfg(feature = "device")]
mod list;
#[cfg(feature = "device")]
mod numbers;
#[cfg(feature = "device")]
mod test_text;
#[cfg(feature = "device")]
mod watch;

use crate::Failure;
use crate::args::DevicesArgs;
#[cfg(feature = "device")]
use crate::args::DevicesCommand;

/// The version of the JSON documents' shape.
const SCHEMA: u32 = 1;

/// Lists, watches or measures.
#[cfg(feature = "device")]
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    match &args.command {
        Some(DevicesCommand::Test(test)) => device_test::device_test(test),
        None if args.watch => watch::watch(args),
        None => list::list(args),
    }
}

/// Says that this build has no devices.
#[cfg(not(feature = "device"))]
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    let reason = "this build of ra has no sound devices (feature device)";
    if args.command.is_some() || args.watch {
        return Err(Failure::Running(reason.to_owned()));
    }
    let document = serde_json::json!({ "schema": SCHEMA, "devices": [], "hosts": [], "reason": reason });
    crate::stdout::print_result(&if args.json { format!("{document:#}\n") } else { format!("no devices: {reason}\n") })
}
