//! `ra devices`: what can be captured and played here. Opens nothing.

use serde::Serialize;

use crate::Failure;
use crate::args::DevicesArgs;
use crate::stdout::print_result;

/// The version of the JSON document's shape.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a, D> {
    schema: u32,
    devices: &'a [D],
    reason: Option<&'a str>,
}

fn print_json<D: Serialize>(devices: &[D], reason: Option<&str>) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(&Document { schema: SCHEMA, devices, reason });
    print_result(&(json.map_err(|e| Failure::Running(format!("the list of devices: {e}")))? + "\n"))
}

/// Lists the devices.
#[cfg(feature = "device")]
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    use crate::summary::table;
    use ra_device::{DeviceListing, Direction, list_devices};

    let DeviceListing { devices, reason } = list_devices();
    let is_wanted = |direction| match direction {
        Direction::Input => !args.output,
        Direction::Output => !args.input,
    };
    let devices: Vec<_> = devices.into_iter().filter(|device| is_wanted(device.direction)).collect();
    if args.json {
        return print_json(&devices, reason.as_deref());
    }
    if devices.is_empty() {
        let reason = reason.unwrap_or_else(|| "there are devices, but none of that direction".to_owned());
        return print_result(&format!("no devices: {reason}\n"));
    }
    let mut rows = vec![["id", "name", "direction", "channels", "rates (Hz)", "default"].map(str::to_owned)];
    rows.extend(devices.into_iter().map(|device| {
        [
            device.id,
            device.name,
            device.direction.to_string(),
            join(&device.channels),
            join(&device.sample_rates),
            if device.default { "default" } else { "" }.to_owned(),
        ]
    }));
    if let Some(reason) = reason {
        log::warn!("{reason}");
    }
    print_result(&table(&rows, 6))
}

/// Says that this build has no devices.
#[cfg(not(feature = "device"))]
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    let reason = "this build of ra has no sound devices (feature device)";
    if args.json { print_json::<()>(&[], Some(reason)) } else { print_result(&format!("no devices: {reason}\n")) }
}

/// Numbers in ascending order, runs of neighbours as `1-32`, long lists by their ends and how many they are.
#[cfg(feature = "device")]
fn join<T: Copy + Into<u32>>(numbers: &[T]) -> String {
    const MOST_RUNS: usize = 4;
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers.iter().map(|&number| number.into()) {
        match runs.last_mut() {
            Some((_, last)) if number == last.wrapping_add(1) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    match (runs.first(), runs.last()) {
        (Some((first, _)), Some((_, last))) if runs.len() > MOST_RUNS => {
            format!("{first} … {last} ({} of them)", numbers.len())
        }
        _ => {
            let shown =
                runs.iter().map(|&(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
            shown.collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(all(test, feature = "device"))]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_shortened() {
        assert_eq!(join::<u16>(&[]), "");
        assert_eq!(join(&[2u16]), "2");
        assert_eq!(join(&[1u16, 2, 3, 4, 6, 8]), "1-4 6 8");
        assert_eq!(join(&[44_100u32, 48_000]), "44100 48000");
        assert_eq!(join(&[8_000u32, 11_025, 16_000, 22_050, 48_000]), "8000 … 48000 (5 of them)");
    }
}
