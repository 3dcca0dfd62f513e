//! `ra devices --watch`: what is there, and then what comes, goes and changes, a line each. Ends with a signal, or when
//! nobody reads it any more.

use std::time::Duration;

use ra_device::{DeviceChange, DeviceInfo, DeviceWatch, HostInfo, WatchConfig};
use serde::Serialize;

use super::{
    SCHEMA,
    list::{self, Document, Filter},
    numbers::join,
};
use crate::Failure;
use crate::args::DevicesArgs;
use crate::stdout::{is_unread, print_result};
use crate::stop_signal::StopSignal;

/// Between two looks at the signals, and at whether anybody reads.
const TICK: Duration = Duration::from_millis(100);

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    time: String,
    #[serde(flatten)]
    change: &'a DeviceChange,
}

/// Watches.
pub(super) fn watch(args: &DevicesArgs) -> Result<(), Failure> {
    let filter = Filter::new(args)?;
    let stop = StopSignal::listen()?;
    let mut watch = DeviceWatch::start(WatchConfig::default()).map_err(Failure::running)?;
    let listing = filter.apply(watch.listing());
    if args.json {
        let mut document = Document::of(&listing);
        (document.event, document.time) = (Some("listing"), Some(now()));
        print_result(&line(&document)?)?;
    } else {
        print_result(&list::text(&listing))?;
        log::info!("watching; Ctrl-C ends it");
    }
    while !stop.is_asked() && !is_unread() {
        for change in watch.next_changes(TICK).iter().filter(|change| is_wanted(&filter, change)) {
            let text = if args.json {
                line(&Line { schema: SCHEMA, time: now(), change })?
            } else {
                format!("{} {}\n", jiff::Zoned::now().strftime("%H:%M:%S"), in_words(change))
            };
            print_result(&text)?;
        }
    }
    Ok(())
}

fn line(document: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(document).map(|json| json + "\n").map_err(|e| Failure::Running(format!("a change: {e}")))
}

/// The time of day, in UTC, to a millisecond.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn is_wanted(filter: &Filter<'_>, change: &DeviceChange) -> bool {
    match change {
        DeviceChange::Appeared { device }
        | DeviceChange::Vanished { device }
        | DeviceChange::Changed { device, .. } => filter.is_wanted(device),
        DeviceChange::HostChanged { host, .. } => filter.is_wanted_host(&host.name),
        _ => true,
    }
}

fn in_words(change: &DeviceChange) -> String {
    match change {
        DeviceChange::Appeared { device } => {
            let DeviceInfo { id, name, direction, .. } = device;
            format!("+ {direction} {id} ({name}){}", described(device))
        }
        DeviceChange::Vanished { device } => format!("- {} {} ({})", device.direction, device.id, device.name),
        DeviceChange::Changed { before, device } => {
            format!("~ {} {}: {}", device.direction, device.id, differences(before, device).join(", "))
        }
        DeviceChange::HostChanged { before, host } => host_in_words(before, host),
        other => format!("~ {other:?}"),
    }
}

fn described(device: &DeviceInfo) -> String {
    if device.sample_rates.is_empty() {
        return ": busy, or kept from us".to_owned();
    }
    let default = if device.default { ", default" } else { "" };
    let (rates, channels) = (join(&device.sample_rates), join(&device.channels));
    format!(": {rates} Hz, {channels} channels, {}{default}", device.sample_formats.join(" "))
}

fn differences(before: &DeviceInfo, now: &DeviceInfo) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, before: String, now: String| {
        if before != now {
            let shown = |text: String| if text.is_empty() { "none".to_owned() } else { text };
            all.push(format!("{what} {} -> {}", shown(before), shown(now)));
        }
    };
    compare("name", before.name.clone(), now.name.clone());
    compare("rates", join(&before.sample_rates), join(&now.sample_rates));
    compare("channels", join(&before.channels), join(&now.channels));
    compare("formats", before.sample_formats.join(" "), now.sample_formats.join(" "));
    if before.default != now.default {
        all.push(if now.default { "now the default" } else { "no longer the default" }.to_owned());
    }
    all
}

fn host_in_words(before: &HostInfo, host: &HostInfo) -> String {
    match (&host.problem, before.running == host.running) {
        (Some(problem), _) => format!("! {}: {problem}", host.name),
        (None, true) => format!("! {}: it has devices now", host.name),
        (None, false) => format!("! {}: it answers now", host.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_device::Direction;

    fn device() -> DeviceInfo {
        DeviceInfo {
            id: "pulseaudio:headset".into(),
            host: "pulseaudio".into(),
            name: "Headset".into(),
            direction: Direction::Input,
            channels: vec![2],
            sample_rates: vec![48_000],
            sample_formats: vec!["s16".into()],
            default: false,
        }
    }

    #[test]
    fn changes_are_said_in_words() {
        let appeared = in_words(&DeviceChange::Appeared { device: device() });
        assert_eq!(appeared, "+ input pulseaudio:headset (Headset): 48000 Hz, 2 channels, s16");
        let vanished = in_words(&DeviceChange::Vanished { device: device() });
        assert_eq!(vanished, "- input pulseaudio:headset (Headset)");
        let flipped = DeviceInfo { sample_rates: vec![16_000], channels: vec![1], default: true, ..device() };
        let changed = in_words(&DeviceChange::Changed { before: device(), device: flipped });
        let expected = "~ input pulseaudio:headset: rates 48000 -> 16000, channels 2 -> 1, now the default";
        assert_eq!(changed, expected);
        let host = |running, problem: Option<&str>| HostInfo {
            name: "jack".into(),
            running,
            problem: problem.map(str::to_owned),
        };
        let gone = DeviceChange::HostChanged { before: host(true, None), host: host(false, Some("not running")) };
        assert_eq!(in_words(&gone), "! jack: not running");
        let back = DeviceChange::HostChanged { before: host(false, Some("not running")), host: host(true, None) };
        assert_eq!(in_words(&back), "! jack: it answers now");
    }

    #[test]
    fn a_line_of_json_has_the_documented_keys() {
        let change = DeviceChange::Vanished { device: device() };
        let json = line(&Line { schema: SCHEMA, time: "2026-11-21T20:00:00.000Z".into(), change: &change }).unwrap();
        assert_eq!(json.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&json["schema"], &json["event"]), (&1.into(), &"vanished".into()));
        assert_eq!(json["device"]["id"], "pulseaudio:headset");
        assert!(now().ends_with('Z') && now().len() == 24, "{}", now());
    }
}
