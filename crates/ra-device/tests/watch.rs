//! Arrivals, losses and changes of a real PulseAudio server's devices, as a watch tells them.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::time::{Duration, Instant};

use ra_core::PeriodInput;
use ra_device::{
    DeviceChange, DeviceInfo, DeviceWatch, Direction, InputRequest, InputStream, WatchConfig, list_devices,
    testing::{NullSink, with_pulse_server},
};

const MIC: NullSink = NullSink { name: "mic", rate_hz: 50_000, channels: 1 };
const PATIENCE: Duration = Duration::from_secs(30);
const OFTEN: WatchConfig = WatchConfig { interval: Duration::from_millis(100), patience: Duration::from_secs(20) };

/// Waits until all that is wanted has been told, in whatever order; returns everything that was.
fn wait_for(watch: &mut DeviceWatch, what: &str, wanted: &[&dyn Fn(&DeviceChange) -> bool]) -> Vec<DeviceChange> {
    let begun = Instant::now();
    let mut told: Vec<DeviceChange> = Vec::new();
    while !wanted.iter().all(|is_wanted| told.iter().any(is_wanted)) {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}: {told:#?}");
        told.extend(watch.next_changes(Duration::from_millis(500)));
    }
    println!("{what}: told after {:?}", begun.elapsed());
    told
}

fn appeared(id: &'static str) -> impl Fn(&DeviceChange) -> bool {
    move |change| matches!(change, DeviceChange::Appeared { device } if device.id == id)
}

fn vanished(id: &'static str) -> impl Fn(&DeviceChange) -> bool {
    move |change| matches!(change, DeviceChange::Vanished { device } if device.id == id)
}

fn server_is(running: bool) -> impl Fn(&DeviceChange) -> bool {
    move |change| {
        matches!(change, DeviceChange::HostChanged { host, .. }
            if host.name == "pulseaudio" && host.running == running)
    }
}

fn of_pulse(devices: &[DeviceInfo]) -> Vec<DeviceInfo> {
    devices.iter().filter(|d| d.host == "pulseaudio").cloned().collect()
}

#[test]
fn a_sink_that_is_loaded_and_unloaded_is_told_and_so_is_its_server() {
    with_pulse_server("a_sink_that_is_loaded_and_unloaded_is_told_and_so_is_its_server", &[MIC], |server| {
        let begun = Instant::now();
        let mut watch = DeviceWatch::start(OFTEN).unwrap();
        println!("started after {:?}", begun.elapsed());
        assert_eq!(of_pulse(&watch.listing().devices), of_pulse(&list_devices().devices), "as a plain listing has it");
        let mic = of_pulse(&watch.listing().devices).into_iter().find(|d| d.direction == Direction::Input).unwrap();
        assert_eq!((mic.id.as_str(), &mic.sample_rates[..]), ("pulseaudio:mic.monitor", &[50_000][..]));
        assert_eq!(mic.sample_formats, ["s16"], "the sink's own format");

        let usb = ["load-module", "module-null-sink", "sink_name=usb", "rate=44100", "channels=2", "norewinds=1"];
        assert!(server.control(&usb));
        let told = wait_for(&mut watch, "a sink", &[&appeared("pulseaudio:usb"), &appeared("pulseaudio:usb.monitor")]);
        assert!(told.iter().all(|c| matches!(c, DeviceChange::Appeared { .. })), "nothing else: {told:#?}");
        assert_eq!(watch.listing().devices.iter().filter(|d| d.id.starts_with("pulseaudio:usb")).count(), 2);

        assert!(server.control(&["set-default-source", "usb.monitor"]));
        let is_default = |c: &DeviceChange| {
            matches!(c, DeviceChange::Changed { before, device }
                if device.id == "pulseaudio:usb.monitor" && device.default && !before.default)
        };
        let told = wait_for(&mut watch, "a new default", &[&is_default]);
        assert!(told.iter().all(|c| matches!(c, DeviceChange::Changed { .. })), "{told:#?}");

        assert!(server.control(&["unload-module", "module-null-sink"]));
        let all =
            ["pulseaudio:usb", "pulseaudio:usb.monitor", "pulseaudio:mic", "pulseaudio:mic.monitor"].map(vanished);
        let all: Vec<&dyn Fn(&DeviceChange) -> bool> = all.iter().map(|f| f as _).collect();
        wait_for(&mut watch, "the sinks' end", &all);

        server.restart();
        wait_for(&mut watch, "a server with a microphone", &[&appeared("pulseaudio:mic.monitor")]);
        server.kill();
        wait_for(&mut watch, "the server's end", &[&vanished("pulseaudio:mic.monitor"), &server_is(false)]);
        assert!(watch.listing().hosts.iter().any(|h| h.name == "pulseaudio" && h.problem.is_some()));
        server.restart();
        let back: [&dyn Fn(&DeviceChange) -> bool; 2] = [&appeared("pulseaudio:mic.monitor"), &server_is(true)];
        wait_for(&mut watch, "the server's return", &back);
    });
}

#[cfg(target_os = "linux")]
fn n_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// A watch that runs for months must cost the same at its end as at its beginning.
#[cfg(target_os = "linux")]
#[test]
fn looking_again_and_again_leaves_nothing_behind() {
    with_pulse_server("looking_again_and_again_leaves_nothing_behind", &[MIC], |server| {
        // The connection that is kept for the next look has a thread.
        assert!(!list_devices().devices.is_empty());
        let before = n_threads();
        let config = WatchConfig { interval: Duration::from_millis(1), ..OFTEN };
        let mut watch = DeviceWatch::start(config).unwrap();
        // A change can only be told by a look that began after it, so so many changes are so many looks at least.
        let looks = |watch: &mut DeviceWatch, n: usize| {
            for i in 0..n {
                let name = if i % 2 == 0 { "set-default-sink" } else { "set-default-source" };
                let of = ["mic", "second"][(i / 2) % 2].to_owned() + if i % 2 == 0 { "" } else { ".monitor" };
                let _ = server.control(&[name, &of]);
                watch.next_changes(Duration::from_millis(200));
            }
        };
        assert!(server.control(&["load-module", "module-null-sink", "sink_name=second", "norewinds=1"]));
        looks(&mut watch, 40);
        let (threads, memory_kib) = (n_threads(), resident_kib());
        looks(&mut watch, 160);
        let (threads_after, memory_after_kib) = (n_threads(), resident_kib());
        println!("threads {threads} then {threads_after}, memory {memory_kib} KiB then {memory_after_kib} KiB");
        assert!(threads_after <= threads + 6, "from {threads} to {threads_after} threads");
        assert!(memory_after_kib < memory_kib + 4_096, "from {memory_kib} to {memory_after_kib} KiB");
        drop(watch);
        let begun = Instant::now();
        while n_threads() > before {
            assert!(begun.elapsed() < PATIENCE, "{} threads are left of {before}", n_threads());
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

/// PulseAudio takes 64 connections in all, and cpal's connections end with the server only.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_listings_and_streams_leave_no_connection_behind() {
    struct Nowhere;
    impl PeriodInput for Nowhere {
        fn push(&mut self, _: u64, interleaved: &[f32]) -> usize {
            interleaved.len()
        }

        fn mark_break(&mut self) {}
    }
    let test = "a_hundred_listings_and_streams_leave_no_connection_behind";
    with_pulse_server(test, &[MIC], |_| {
        let request = InputRequest { device: "pulseaudio:mic.monitor".into(), ..InputRequest::default() };
        let mut threads_after_ten = 0;
        for i in 0..100 {
            assert!(list_devices().devices.iter().any(|d| d.id == request.device), "at {i}");
            let (first, second) = std::thread::scope(|scope| {
                let open = || InputStream::open(&request, Box::new(Nowhere)).unwrap();
                let first = scope.spawn(open);
                (open(), first.join().unwrap())
            });
            first.start().unwrap();
            second.start().unwrap();
            drop((first, second));
            if i == 10 {
                threads_after_ten = n_threads();
            }
        }
        let begun = Instant::now();
        // Threads of closed streams end a moment later.
        while n_threads() > threads_after_ten + 2 {
            let now = n_threads();
            assert!(begun.elapsed() < PATIENCE, "{now} threads are left, {threads_after_ten} after ten rounds");
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}
