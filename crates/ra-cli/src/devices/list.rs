//! `ra devices` without more: the table, or the document. Starts no device.

use ra_device::{DeviceInfo, DeviceListing, Direction, HostInfo, host_names, list_devices};
use serde::Serialize;

use super::{SCHEMA, numbers::join};
use crate::Failure;
use crate::args::DevicesArgs;
use crate::stdout::print_result;
use crate::summary::table;

/// Which devices are wanted.
pub(super) struct Filter<'a> {
    args: &'a DevicesArgs,
}

impl<'a> Filter<'a> {
    /// From the command line.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a sound system that this build does not know.
    pub(super) fn new(args: &'a DevicesArgs) -> Result<Self, Failure> {
        let known = host_names();
        match &args.host {
            Some(host) if !known.contains(host) => Err(Failure::Usage(format!(
                "--host: this build knows no sound system {host:?}, expected {}",
                known.join(", ")
            ))),
            _ => Ok(Self { args }),
        }
    }

    pub(super) fn is_wanted(&self, device: &DeviceInfo) -> bool {
        let way = match device.direction {
            Direction::Input => !self.args.output,
            Direction::Output => !self.args.input,
        };
        way && self.is_wanted_host(&device.host)
    }

    pub(super) fn is_wanted_host(&self, name: &str) -> bool {
        self.args.host.as_deref().is_none_or(|host| host == name)
    }

    /// What is left of a listing.
    pub(super) fn apply(&self, mut listing: DeviceListing) -> DeviceListing {
        let had_devices = !listing.devices.is_empty();
        listing.devices.retain(|device| self.is_wanted(device));
        listing.hosts.retain(|host| self.is_wanted_host(&host.name));
        if let Some(host) = &self.args.host {
            listing.reason = listing.hosts.iter().find_map(|h| h.problem.as_ref().map(|why| format!("{host}: {why}")));
        }
        if listing.devices.is_empty() && listing.reason.is_none() && had_devices {
            listing.reason = Some("there are devices, but none of that kind".to_owned());
        }
        listing
    }
}

/// The document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    pub(super) schema: u32,
    /// Only where it is one of several documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
    pub(super) devices: &'a [DeviceInfo],
    pub(super) hosts: &'a [HostInfo],
    pub(super) reason: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub(super) fn of(listing: &'a DeviceListing) -> Self {
        let DeviceListing { devices, hosts, reason } = listing;
        Self { schema: SCHEMA, event: None, time: None, devices, hosts, reason: reason.as_deref() }
    }
}

/// Lists what is there.
pub(super) fn list(args: &DevicesArgs) -> Result<(), Failure> {
    let listing = Filter::new(args)?.apply(list_devices());
    if args.json {
        let json = serde_json::to_string_pretty(&Document::of(&listing));
        return print_result(&(json.map_err(|e| Failure::Running(format!("the list of devices: {e}")))? + "\n"));
    }
    if let Some(reason) = listing.reason.as_ref().filter(|_| !listing.devices.is_empty()) {
        log::warn!("{reason}");
    }
    print_result(&text(&listing))
}

/// The table, or why there is none.
pub(super) fn text(listing: &DeviceListing) -> String {
    if listing.devices.is_empty() {
        return format!("no devices: {}\n", listing.reason.as_deref().unwrap_or("there are none"));
    }
    let head = ["id", "name", "direction", "channels", "rates (Hz)", "formats", "default"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(listing.devices.iter().map(|device| {
        [
            device.id.clone(),
            device.name.clone(),
            device.direction.to_string(),
            join(&device.channels),
            join(&device.sample_rates),
            device.sample_formats.join(" "),
            if device.default { "default" } else { "" }.to_owned(),
        ]
    }));
    table(&rows, 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> DevicesArgs {
        DevicesArgs { command: None, json: false, input: false, output: false, host: None, watch: false }
    }

    fn device(host: &str, direction: Direction) -> DeviceInfo {
        DeviceInfo {
            id: format!("{host}:x"),
            host: host.into(),
            name: "X".into(),
            direction,
            channels: vec![1, 2],
            sample_rates: vec![44_100, 48_000],
            sample_formats: vec!["s16".into(), "s24".into()],
            default: true,
        }
    }

    fn listing() -> DeviceListing {
        let host = |name: &str, problem: Option<&str>| HostInfo {
            name: name.into(),
            running: problem.is_none(),
            problem: problem.map(str::to_owned),
        };
        let first = host_names()[0].clone();
        DeviceListing {
            devices: vec![device(&first, Direction::Input), device("other", Direction::Output)],
            hosts: vec![host(&first, None), host("other", None), host("dead", Some("no answer"))],
            reason: Some("dead: no answer".into()),
        }
    }

    #[test]
    fn directions_and_hosts_are_chosen() {
        let first = host_names()[0].clone();
        let chosen = |args: DevicesArgs| {
            let listing = Filter::new(&args).unwrap().apply(listing());
            (listing.devices.iter().map(|d| d.host.clone()).collect::<Vec<_>>(), listing.reason)
        };
        assert_eq!(chosen(args()).0.len(), 2);
        assert_eq!(chosen(DevicesArgs { input: true, ..args() }).0, [first.as_str()]);
        assert_eq!(chosen(DevicesArgs { output: true, ..args() }).0, ["other"]);
        let of_first = DevicesArgs { host: Some(first.clone()), ..args() };
        assert_eq!(chosen(of_first.clone()), (vec![first], None));
        let (devices, reason) = chosen(DevicesArgs { output: true, ..of_first });
        assert!(devices.is_empty() && reason.unwrap().contains("none of that kind"));
        let unknown = DevicesArgs { host: Some("oss".into()), ..args() };
        assert!(matches!(Filter::new(&unknown), Err(Failure::Usage(_))));
    }

    #[test]
    fn the_table_has_everything() {
        let text = text(&listing());
        assert!(text.starts_with("id") && text.contains("44100 48000") && text.contains("s16 s24"), "{text}");
        let none = DeviceListing { reason: Some("no sound devices: x".into()), ..DeviceListing::default() };
        assert_eq!(super::text(&none), "no devices: no sound devices: x\n");
    }
}
