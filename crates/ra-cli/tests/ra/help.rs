//! Help, version, and command lines that make no sense.

use crate::support::Place;

#[test]
fn help_is_an_overview_with_examples() {
    let help = Place::new().ra("--help").expect_code(0);
    for word in [
        "run",
        "mix",
        "wave",
        "sim",
        "check",
        "devices",
        "doctor",
        "Examples:",
        "ra run studio.toml --for 1h",
        "Exit codes: 0 done",
    ] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    assert!(help.stderr.is_empty());
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    let words = [
        ("run", "--summary"),
        ("mix", "--gain"),
        ("wave", "--scale"),
        ("sim", "--wav"),
        ("check", "CONFIG.toml"),
        ("devices", "--json"),
        ("devices test", "--output"),
        ("doctor", "--for"),
    ];
    for (command, word) in words {
        let help = place.ra(&format!("{command} --help")).expect_code(0);
        assert!(help.stdout.contains(word), "{command}: {}", help.stdout);
    }
    let version = place.ra("--version").expect_code(0);
    assert_eq!(version.stdout, format!("ra {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_command_lines_are_exit_code_2_with_nothing_on_stdout() {
    let place = Place::new();
    for (line, says) in [
        ("", "Usage"),
        ("dokter", "unrecognized subcommand"),
        ("doctor --for 10ms", "expected 1s to 1h"),
        ("devices test", "required"),
        ("sim x.toml", "x.toml: No such file or directory (os error 2), expected a scenario file"),
        ("run --for 10", "expected a number and a unit such as 500ms, 10s, 1.5m or 2h"),
        ("run --for -3s", ""),
        ("run --summary", "a value is required"),
        ("mix", "required"),
        ("mix a.wav", "--output"),
        ("mix a.wav -o b.wav --gain 2", "expected N=DB"),
        ("mix a.wav -o b.wav --format mp3", "f32"),
        ("check", "CONFIG.toml"),
        ("devices --input --output", "cannot be used with"),
    ] {
        let outcome = place.ra(line).expect_code(2);
        assert!(outcome.stdout.is_empty(), "{line}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(says), "{line}: {}", outcome.stderr);
    }
    let outcome = place.command("check x.toml").env("RA_LOG", "loud").output().unwrap();
    assert_eq!(outcome.status.code(), Some(2));
    assert!(String::from_utf8(outcome.stderr).unwrap().contains("RA_LOG: \"loud\", expected LEVEL"));
    assert!(place.names().is_empty());
}

#[test]
fn devices_are_listed_or_their_absence_is_explained() {
    let place = Place::new();
    let text = place.ra("devices").expect_code(0).stdout;
    assert!(text.starts_with("no devices: ") || text.starts_with("id "), "{text}");
    let json = place.ra("devices --json").expect_code(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["schema"], 1);
    let devices = json["devices"].as_array().unwrap();
    assert!(!devices.is_empty() || json["reason"].as_str().is_some_and(|reason| !reason.is_empty()));
    for device in devices {
        for key in ["id", "host", "name", "direction", "channels", "sample_rates", "sample_formats", "default"] {
            assert!(!device[key].is_null(), "{key}: {device}");
        }
    }
}
