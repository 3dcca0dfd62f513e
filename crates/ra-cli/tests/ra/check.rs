//! `ra check`, and that `ra run` starts nothing where the config is wrong.

use crate::support::{Place, noise};

#[test]
fn a_good_config_is_described() {
    let place = Place::new();
    place.write_wav("bed.wav", (44_100, 2, 4_410), noise(1));
    place.write(
        "ra.toml",
        r#"
        [[source]]
        name = "bed"
        kind = "file"
        path = "bed.wav"
        loop = true
        [[source]]
        name = "tone"
        kind = "mock"
        channels = [2]
        [[sink]]
        name = "archive"
        kind = "record"
        path = "out/{name}-{time}.wav"
        format = "s24"
        "#,
    );
    let outcome = place.ra("check ra.toml").expect_code(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "ok: 2 sources, 1 sink");
    assert!(lines[1].starts_with("source \"bed\": ") && lines[1].contains("bed.wav, 44100 Hz stereo"), "{}", lines[1]);
    assert!(lines[2].starts_with("source \"tone\": ") && lines[2].ends_with("48000 Hz mono"), "{}", lines[2]);
    assert_eq!(lines[3], "sink \"archive\": record to out/{name}-{time}.wav (s24) from main");
    assert_eq!(outcome.stderr, "");
    assert_eq!(place.names(), ["bed.wav", "ra.toml"]); // nothing was created
}

#[test]
fn a_recorder_with_every_setting_is_described() {
    let place = Place::new();
    place.write(
        "ra.toml",
        r#"
        [[source]]
        name = "tone"
        kind = "mock"
        [[sink]]
        name = "archive"
        kind = "record"
        path = "out/{date}/{name}-{time}.flac"
        channels = [2]
        split_every = "1h"
        split_at = "hour"
        start = "paused"
        pre_roll = "30s"
        silence_dbfs = -50
        silence_s = 5
        keep = "30d"
        max_total = "100GB"
        failover = "spare"
        metadata = { title = "Studio 1" }
        "#,
    );
    let outcome = place.ra("check ra.toml").expect_code(0);
    assert_eq!(
        outcome.stdout.lines().last().unwrap(),
        "sink \"archive\": record to out/{date}/{name}-{time}.flac (s24; channels 2 of the bus; a new file every 3600 s; \
         a new file at every hour of UTC; paused at first; pre-roll 30 s; lists silence below -50 dBFS for 5 s; deletes \
         files older than 2592000 s; keeps at most 100000000000 bytes; or else to spare) from main"
    );
    assert_eq!(place.names(), ["ra.toml"]); // nothing was created
}

const SOURCE: &str = "[[source]]\nname = \"a\"\nkind = \"mock\"\n";
const SINK: &str = "[[sink]]\nname = \"s\"\nkind = \"record\"\npath = \"out/s.wav\"\n";

#[test]
fn bad_configs_are_exit_code_2_with_file_line_and_what_was_expected() {
    let place = Place::new();
    place.write("text.wav", "this is no sound");
    place.write("taken.wav", "precious");
    place.write("half.wav.json", "{}");
    let source = |lines: &str| format!("{SOURCE}{lines}\n{SINK}");
    let cases: Vec<(String, &str)> = vec![
        ("[engine]\nsample_rate = 0\n".to_owned() + SOURCE, "ra.toml:2:15: [engine]: sample_rate is 0, expected"),
        ("[engine]\nchannels = 300\n".to_owned() + SOURCE, "ra.toml:2:12: [engine]: channels is 300, expected"),
        (source("gain = 3"), "ra.toml:4:1: source \"a\": unknown key gain; expected "),
        (source("") + SOURCE, "ra.toml:10:8: source \"a\": the name is used by another source above"),
        (
            source("[[source]]\nname = \"f\"\nkind = \"file\"\npath = \"no.wav\""),
            "ra.toml:7:8: source \"f\": no.wav: No such file",
        ),
        (
            source("[[source]]\nname = \"f\"\nkind = \"file\"\npath = \"text.wav\""),
            "ra.toml:7:8: source \"f\": text.wav: ",
        ),
        (source("signal = { kind = \"tone\", hz = 30000 }"), "ra.toml:4:10: source \"a\": signal.hz: "),
        (
            source("signal = { kind = \"pair\" }\nchannels = 1"),
            "ra.toml:4:10: source \"a\": signal: a pair in mono, expected 2 channels",
        ),
        (source("channels = [3]"), "ra.toml:4:12: source \"a\": channels: channel 3 was asked for, expected 1 to 2: "),
        (source("clock = { ppm = 60000, step_ppm = 60000 }"), "ra.toml:4:9: source \"a\": clock.ppm: "),
        (
            source("inserts = [{ kind = \"eq\", bands = [{ kind = \"peak\", hz = 30000 }] }]"),
            "ra.toml:4:12: source \"a\": ",
        ),
        (
            source("") + "split_every = \"1h\"",
            "ra.toml:8:8: sink \"s\": path out/s.wav: one name for many files, expected {time}",
        ),
        (
            source("") + "channels = [3]",
            "ra.toml:9:12: sink \"s\": channels: channel 3, expected 1 to 2: the bus is 48000 Hz stereo",
        ),
        (
            source("channels = [2]") + "from = \"source:a\"\nchannels = [2]",
            "ra.toml:10:12: sink \"s\": channels: channel 2, expected 1 to 1: the bus is 48000 Hz mono",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("s.wav", "s.opus") + "bitrate_kbps = 600",
            "ra.toml:7:8: sink \"s\": path out/s.opus: Opus: 600 kbit/s for 2 channels, expected 12 to 510",
        ),
        (
            "[engine]\nchannels = 10\n".to_owned() + SOURCE + &SINK.replace("s.wav", "s.flac"),
            "ra.toml:9:8: sink \"s\": path out/s.flac: FLAC: 10 channels, expected at most 8",
        ),
        (source("") + "failover = \"out\"", "ra.toml:9:12: sink \"s\": failover: out, which is the first directory"),
        (
            source("") + &SINK.replace("\"s\"", "\"t\""),
            "ra.toml:12:8: sink \"t\": path is out/s.wav, which sink \"s\" writes to already",
        ),
        (
            source("") + &SINK.replace("\"s\"", "\"t\"").replace("out/s", "./out/./s"),
            "ra.toml:12:8: sink \"t\": path is ./out/./s.wav, which sink \"s\" writes to already",
        ),
        (
            source("") + "failover = \"taken.wav/b\"",
            "ra.toml:9:12: sink \"s\": failover is taken.wav/b, but taken.wav is no directory",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("out/s", "half"),
            "ra.toml:7:8: sink \"s\": path is half.wav, beside which half.wav.json exists, expected a name that is free",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("out/s", "taken"),
            "ra.toml:7:8: sink \"s\": path is taken.wav, which exists, expected a name that is free",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("out/s", "taken.wav/s"),
            "ra.toml:7:8: sink \"s\": path is taken.wav/s.wav, but taken.wav is no directory",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("s.wav", "{nmae}.wav"),
            "ra.toml:7:8: sink \"s\": path out/{nmae}.wav: {nmae}, expected {name}",
        ),
        (
            SOURCE.to_owned() + &SINK.replace("s.wav", "s.aiff"),
            "ra.toml:7:8: sink \"s\": path out/s.aiff: recordings to .aiff are not supported",
        ),
        ("a = = 3".to_owned(), "ra.toml:1:"),
        (String::new(), "ra.toml:1:1: there is no [[source]], expected one at least"),
    ];
    let before = {
        place.write("ra.toml", "");
        place.names()
    };
    for (text, says) in cases {
        place.write("ra.toml", &text);
        for command in ["check ra.toml", "run ra.toml --for 1s --summary sum.json"] {
            let outcome = place.ra(command).expect_code(2);
            assert!(outcome.stderr.contains(says), "{text}\nsays: {}\nnot: {says}", outcome.stderr);
            assert!(outcome.stdout.is_empty(), "{}", outcome.stdout);
            assert_eq!(place.names(), before, "{text}");
        }
    }
    assert_eq!(std::fs::read_to_string(place.path("taken.wav")).unwrap(), "precious");
}

#[test]
fn configs_that_are_none_are_explained() {
    let place = Place::new();
    std::fs::write(place.path("bytes.toml"), b"a = \"\xff\xfe\"").unwrap();
    std::fs::create_dir(place.path("dir.toml")).unwrap();
    for (file, says) in [
        ("no.toml", "no.toml: No such file or directory (os error 2), expected a config file"),
        ("dir.toml", "dir.toml: is a directory, expected a config file"),
        ("bytes.toml", "bytes.toml:1:6: byte 0xff is no UTF-8"),
    ] {
        for command in ["check", "run"] {
            let outcome = place.ra(&format!("{command} {file}")).expect_code(2);
            assert!(outcome.stderr.contains(says), "{}", outcome.stderr);
        }
    }
}

#[test]
fn paths_are_relative_to_the_config() {
    let place = Place::new();
    std::fs::create_dir(place.path("studio")).unwrap();
    place.write_wav("studio/bed.wav", (48_000, 1, 100), noise(1));
    let text = "[[source]]\nname = \"bed\"\nkind = \"file\"\npath = \"bed.wav\"\n".to_owned() + SINK;
    place.write("studio/ra.toml", &text);
    let outcome = place.ra("check studio/ra.toml").expect_code(0);
    assert!(outcome.stdout.contains("record to studio/out/s.wav (f32) from main"), "{}", outcome.stdout);
}
