//! `ra devices`, `ra devices --watch`, `ra devices test` and `ra doctor` with a real sound server.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use ra_device::testing::{NullSink, PulseServer, with_pulse_server};
use serde_json::Value;

const EXACT: NullSink = NullSink { name: "exact", rate_hz: 50_000, channels: 1 };
const PATIENCE: Duration = Duration::from_secs(60);

fn ra(server: &PulseServer, args: &[&str], code: i32) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_ra")).current_dir(server.folder()).args(args).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{args:?}:\n{stdout}{stderr}");
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
    output
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn devices_are_listed_with_their_formats_and_by_host() {
    with_pulse_server("devices_are_listed_with_their_formats_and_by_host", &[EXACT], |server| {
        let listed = json(&ra(server, &["devices", "--json", "--host", "pulseaudio"], 0));
        let devices = listed["devices"].as_array().unwrap();
        assert_eq!(devices.len(), 2, "{listed}");
        let monitor = devices.iter().find(|device| device["direction"] == "input").unwrap();
        assert_eq!(monitor["id"], "pulseaudio:exact.monitor");
        assert_eq!((&monitor["sample_formats"][0], &monitor["sample_rates"][0]), (&"s16".into(), &50_000.into()));
        assert_eq!(listed["hosts"][0]["running"], true);
        let table = text(&ra(server, &["devices", "--output", "--host", "pulseaudio"], 0).stdout);
        assert!(table.contains("formats") && table.contains("s16") && !table.contains("monitor"), "{table}");
        let wrong = ra(server, &["devices", "--host", "oss"], 2);
        assert!(text(&wrong.stderr).contains("expected ") && wrong.stdout.is_empty());
        server.kill();
        let listed = json(&ra(server, &["devices", "--json", "--host", "pulseaudio"], 0));
        assert!(listed["devices"].as_array().unwrap().is_empty());
        assert!(listed["reason"].as_str().unwrap().contains("pulseaudio"), "{listed}");
    });
}

#[cfg(unix)]
#[test]
fn a_watch_tells_arrivals_and_losses_in_lines_and_ends_with_a_signal() {
    let test = "a_watch_tells_arrivals_and_losses_in_lines_and_ends_with_a_signal";
    with_pulse_server(test, &[EXACT], |server| {
        let mut watch = Command::new(env!("CARGO_BIN_EXE_ra"))
            .args(["devices", "--watch", "--json", "--input"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to_lines, lines) = mpsc::channel();
        let stdout = BufReader::new(watch.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in stdout.lines() {
                to_lines.send(serde_json::from_str::<Value>(&line.unwrap()).unwrap()).unwrap();
            }
        });
        let first = lines.recv_timeout(PATIENCE).unwrap();
        assert_eq!((&first["event"], &first["schema"]), (&"listing".into(), &1.into()));
        assert!(first["devices"].as_array().unwrap().iter().any(|d| d["id"] == "pulseaudio:exact.monitor"), "{first}");

        let usb = ["load-module", "module-null-sink", "sink_name=usb", "rate=44100", "norewinds=1"];
        assert!(server.control(&usb));
        let next_of = |id: &str| loop {
            let line = lines.recv_timeout(PATIENCE).unwrap();
            println!("{line}");
            assert_ne!(line["device"]["direction"], "output", "inputs only");
            if line["device"]["id"] == id {
                return line;
            }
        };
        let line = next_of("pulseaudio:usb.monitor");
        assert_eq!((&line["event"], &line["device"]["sample_rates"][0]), (&"appeared".into(), &44_100.into()));
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
        assert!(server.control(&["unload-module", "module-null-sink"]));
        let line = next_of("pulseaudio:usb.monitor");
        assert_eq!(line["event"], "vanished");

        let asked = Command::new("kill").args(["-INT", &watch.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(watch.wait().unwrap().code(), Some(0));
        reader.join().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_watch_that_nobody_reads_ends() {
    with_pulse_server("a_watch_that_nobody_reads_ends", &[EXACT], |_| {
        let mut watch =
            Command::new(env!("CARGO_BIN_EXE_ra")).args(["devices", "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.starts_with("id"), "{first}");
        let (done, ended) = mpsc::channel();
        let id = watch.id();
        std::thread::spawn(move || done.send(watch.wait().unwrap().code()));
        let code = ended.recv_timeout(PATIENCE);
        if code.is_err() {
            let _ = Command::new("kill").arg(id.to_string()).status();
        }
        assert_eq!(code, Ok(Some(0)));
    });
}

#[test]
fn a_device_is_tested_from_outside_and_the_exit_code_is_the_verdict() {
    let test = "a_device_is_tested_from_outside_and_the_exit_code_is_the_verdict";
    with_pulse_server(test, &[EXACT], |server| {
        let silent = ra(server, &["devices", "test", "pulseaudio:exact.monitor", "--for", "1s", "--json"], 1);
        let report = json(&silent);
        assert_eq!((&report["schema"], &report["verdict"]["good"]), (&1.into(), &false.into()));
        assert_eq!(report["verdict"]["faults"][0]["code"], "digital-silence");
        assert!(text(&silent.stderr).contains("digital silence"));

        let heard = ra(
            server,
            &["devices", "test", "pulseaudio:exact.monitor", "--output", "pulseaudio:exact", "--period", "1000"],
            0,
        );
        let heard = text(&heard.stdout);
        assert!(heard.contains("3 of 3 sweeps heard") && heard.ends_with("verdict: good\n"), "{heard}");

        let report = json(&ra(server, &["devices", "test", "pulseaudio:exact", "--for", "2s", "--json"], 0));
        assert!(report["input"].is_null() && report["output"]["frames"].as_u64().unwrap() > 50_000, "{report}");

        let wrong = ra(server, &["devices", "test", "pulseaudio:exakt"], 2);
        assert!(text(&wrong.stderr).contains("did you mean \"pulseaudio:exact\"?"), "{}", text(&wrong.stderr));
        let wrong = ra(server, &["devices", "test", "exact.moniter"], 2);
        assert!(text(&wrong.stderr).contains("did you mean \"pulseaudio:exact.monitor\"?"), "{}", text(&wrong.stderr));
    });
}

#[test]
fn the_doctor_measures_and_advises() {
    with_pulse_server("the_doctor_measures_and_advises", &[EXACT], |server| {
        let report = json(&ra(server, &["doctor", "--json", "--for", "1s"], 0));
        assert_eq!(report["schema"], 1);
        let ordinary = &report["timers"]["ordinary"];
        assert!(ordinary["n"].as_u64().unwrap() > 50, "{report}");
        assert!(
            ordinary["p50_us"].as_f64().unwrap() > 0.0 && ordinary["max_us"].as_f64() >= ordinary["p999_us"].as_f64()
        );
        assert!(report["timers"]["grant"]["class"].is_string());
        assert_eq!(report["timers"]["realtime"].is_null(), report["timers"]["grant"]["class"] == "ordinary");
        let hosts = report["sound"]["hosts"].as_array().unwrap();
        let pulse = hosts.iter().find(|host| host["name"] == "pulseaudio").unwrap();
        assert_eq!((&pulse["devices"], &pulse["running"]), (&2.into(), &true.into()), "{report}");
        // alsa-lib may see the server too.
        assert!(report["sound"]["inputs"].as_u64() >= Some(1) && report["sound"]["outputs"].as_u64() >= Some(1));
        assert_eq!(report["sound"]["default_input"], "pulseaudio:exact.monitor");
        assert!(report["advice"].as_array().unwrap().iter().all(|a| a["remedy"].is_string()));
        let report = text(&ra(server, &["doctor", "--for", "1s"], 0).stdout);
        assert!(report.contains("ordinary thread") && report.contains("limit rtprio"), "{report}");
        ra(server, &["doctor", "--for", "10ms"], 2);
    });
}
