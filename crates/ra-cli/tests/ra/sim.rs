//! `ra sim`: the same bytes for the same scenario, a table for people, a report for scripts, and nothing left behind where
//! it fails.

use crate::support::Place;

const SCENARIO: &str = r#"
seed = 7
duration_s = 3.0
quality = "fast"
[[source]]
name = "left"
clock = { ppm = 100.0 }
jitter_us = 200.0
signal = { kind = "tone", hz = 997.0, dbfs = -12.0 }
[[source]]
name = "both"
channels = 2
signal = { kind = "noise", dbfs = -20.0 }
faults = [ { kind = "unplug", at_s = 1.0, for_s = 0.5 } ]
"#;

#[test]
fn the_same_scenario_gives_the_same_bytes() {
    let place = Place::new();
    place.write("s.toml", SCENARIO);
    let outcome = place.ra("sim s.toml --json a.json --wav a.wav").expect_code(0);
    let again = place.ra("sim s.toml --json b.json --wav b.wav").expect_code(0);
    let bytes = |name: &str| std::fs::read(place.path(name)).unwrap();
    assert!(bytes("a.json") == bytes("b.json"));
    assert!(bytes("a.wav") == bytes("b.wav"));
    assert_eq!(place.names(), ["a.json", "a.wav", "b.json", "b.wav", "s.toml"]);
    assert_eq!(outcome.stdout.replace("a.wav", "b.wav"), again.stdout);

    let sound = place.read_wav("a.wav");
    assert_eq!((sound.hz, sound.n_channels, sound.n_frames()), (48_000, 3, 144_000));
    assert!((sound.tone_amplitude(997.0, 0, 96_000..144_000) / 10f64.powf(-0.6) - 1.0).abs() < 1e-3);
    let frames = sound.samples.chunks_exact(3);
    assert!(frames.clone().all(|frame| frame[1] == frame[2]), "both channels hear one room");
    assert!(frames.skip(53_000).take(17_000).all(|frame| frame[1] == 0.0), "unplugged");

    let json: serde_json::Value = serde_json::from_slice(&bytes("a.json")).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["engine"]["blocks"], 1_125);
    assert_eq!(json["sources"][1]["gaps"][0]["reason"], "not-captured");
    // The table: a line for each source, and one for the pair.
    for words in ["left ", "both ", "left – both", "a.wav: 144000 frames, 48000 Hz, 3 channels, f32"] {
        assert!(outcome.stdout.lines().any(|line| line.starts_with(words)), "{words}: {}", outcome.stdout);
    }
    // On stdout, the report is all there is.
    let piped = place.ra("sim s.toml --json -").expect_code(0);
    assert_eq!(piped.stdout.as_bytes(), bytes("a.json"));
}

#[test]
fn earlier_results_are_replaced_and_nothing_else_is() {
    let place = Place::new();
    place.write("s.toml", SCENARIO);
    place.write_wav("old.wav", (8_000, 1, 10), |_, _| 0.5);
    place.write("old.json", "{ \"schema\": 1, \"pairs\": [] }");
    place.ra("sim s.toml --json old.json --wav old.wav").expect_code(0);
    assert_eq!(place.read_wav("old.wav").n_frames(), 144_000);
    place.write("mine.json", "{ \"mine\": true }");
    place.write("text.wav", "no sound");
    place.write("link.json", "");
    let before = place.names();
    for (arguments, says) in [
        ("--json s.toml", "s.toml: is the scenario itself, expected another file"),
        ("--json ./s.toml", "s.toml: is the scenario itself"),
        ("--json mine.json", "mine.json: exists, is no earlier report, and is not written over"),
        ("--wav text.wav", "text.wav: exists, is no WAV file, and is not written over"),
        ("--wav out.flac", "out.flac: expected a name that ends in .wav"),
        ("--wav no/out.wav", "no/out.wav: there is no directory no"),
        ("--json out.wav --wav out.wav", "out.wav: is to hold both the report and the samples, expected two files"),
        ("--json .", ".: is no"),
    ] {
        let outcome = place.ra(&format!("sim s.toml {arguments}")).expect_code(2);
        assert!(outcome.stderr.contains(says), "{arguments}: {}", outcome.stderr);
        assert_eq!(place.names(), before);
    }
    assert_eq!(std::fs::read_to_string(place.path("s.toml")).unwrap(), SCENARIO);
    assert_eq!(std::fs::read_to_string(place.path("mine.json")).unwrap(), "{ \"mine\": true }");
}

#[test]
fn bad_scenarios_are_exit_code_2_with_file_and_line() {
    let place = Place::new();
    for (text, says) in [
        (
            SCENARIO.replace("at_s = 1.0", "at_s = -1.0"),
            "s.toml:14:38: source \"both\": fault 1: at_s is -1.0, expected",
        ),
        (
            SCENARIO.replace("\"unplug\"", "\"explode\""),
            "s.toml:14:21: source \"both\": fault 1: kind is \"explode\", expected",
        ),
        (SCENARIO.replace("duration_s = 3.0", "duration_s = -3.0"), "s.toml:3:14: duration_s is -3.0, expected"),
        (SCENARIO.replace("seed", "sed"), "s.toml:2:1: unknown key sed, expected"),
    ] {
        place.write("s.toml", &text);
        let outcome = place.ra("sim s.toml --json a.json --wav a.wav").expect_code(2);
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
        assert_eq!((outcome.stdout.as_str(), place.names()), ("", vec!["s.toml".to_owned()]));
    }
    let outcome = place.ra("sim no.toml").expect_code(2);
    assert!(outcome.stderr.contains("no.toml: No such file"), "{}", outcome.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_simulation_that_fails_or_is_stopped_leaves_no_part_of_a_file() {
    let place = Place::new();
    place.write("s.toml", &SCENARIO.replace("duration_s = 3.0", "duration_s = 100000.0"));
    // Stopped on its way, once its part is there.
    let mut child = place.command("sim s.toml --json a.json --wav a.wav").spawn().unwrap();
    while place.names().len() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(place.names(), ["s.toml"]);
    // A report that can't be written takes the samples with it.
    place.write("s.toml", SCENARIO);
    place.ra("sim s.toml --json /dev/full --wav a.wav").expect_code(1);
    assert_eq!(place.names(), ["s.toml"]);
}
