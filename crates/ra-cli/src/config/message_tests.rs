//! What is said of bad configs, word for word and line for line.

use std::path::Path;

use proptest::prelude::*;

use ra_engine::sources::Signal;

use super::{Config, ConfigError, SourceKind, parse_config};

fn parse(text: &str) -> Result<Config, ConfigError> {
    parse_config(Path::new("ra.toml"), text.as_bytes())
}

/// The messages about `text`, one a line.
fn errors(text: &str) -> String {
    parse(text).expect_err("expected errors").to_string()
}

/// The messages about a config whose one source has these lines, from line 4 on.
fn source_errors(lines: &str) -> String {
    errors(&format!("[[source]]\nname = \"a\"\nkind = \"mock\"\n{lines}"))
}

/// The messages about a config whose one sink has these lines, from line 6 on.
fn sink_errors(lines: &str) -> String {
    errors(&format!("[[source]]\nname = \"a\"\nkind = \"mock\"\n[[sink]]\nname = \"s\"\n{lines}"))
}

#[test]
fn the_engine_section_says_what_it_expects() {
    let cases = [
        ("sample_rate = 0", "sample_rate is 0, expected a whole number from 1000 to 768000 Hz"),
        ("sample_rate = 10_000_000", "sample_rate is 10000000, expected a whole number from 1000 to 768000 Hz"),
        ("sample_rate = 44100.5", "sample_rate is 44100.5, expected a whole number from 1000 to 768000 Hz"),
        ("sample_rate = \"48k\"", "sample_rate is \"48k\", expected a whole number from 1000 to 768000 Hz"),
        ("channels = 0", "channels is 0, expected a whole number from 1 to 256"),
        ("channels = 300", "channels is 300, expected a whole number from 1 to 256"),
        ("channels = -1", "channels is -1, expected a whole number from 1 to 256"),
        (
            "channels = 99999999999999999999999",
            "channels is 99999999999999999999999, expected a whole number from 1 to 256",
        ),
        ("block_frames = 15", "block_frames is 15, expected a whole number from 16 to 8192"),
        (
            "latency_ms = \"soon\"",
            "latency_ms is \"soon\", expected \"auto\" or a number from 1 to 10000 (milliseconds)",
        ),
        ("latency_ms = nan", "latency_ms is nan, expected \"auto\" or a number from 1 to 10000 (milliseconds)"),
        ("quality = \"good\"", "quality is \"good\", expected \"fast\", \"balanced\" or \"best\""),
        ("ring_ms = 49.9", "ring_ms is 49.9, expected a number from 50 to 60000 (milliseconds)"),
        ("ramp_ms = true", "ramp_ms is true, expected a number from 1 to 1000 (milliseconds)"),
        ("realtime = 1", "realtime is 1, expected \"fifo\" or \"off\""),
        ("master = \"sink:out\"", "master names the sink \"out\", expected \"clock\": there is no sink of kind output"),
        ("master = \"ntp\"", "master is \"ntp\", expected \"clock\" or \"sink:NAME\", an output"),
    ];
    for (line, message) in cases {
        let column = line.find('=').unwrap() + 3;
        let expected = format!("ra.toml:2:{column}: [engine]: {message}");
        let text = format!("[engine]\n{line}\n[[source]]\nname = \"a\"\nkind = \"mock\"\n");
        assert_eq!(errors(&text), expected);
    }
}

#[test]
fn unknown_keys_are_named_with_what_was_meant() {
    assert_eq!(source_errors("gian_db = 3"), "ra.toml:4:1: source \"a\": unknown key gian_db; did you mean gain_db?");
    assert_eq!(
        source_errors("clock = { pm = 3 }"),
        "ra.toml:4:11: source \"a\": clock: unknown key pm; did you mean ppm?"
    );
    assert_eq!(
        source_errors("signal = { kind = \"silence\", hz = 3 }"),
        "ra.toml:4:30: source \"a\": signal: unknown key hz; expected kind"
    );
    let top = "[[source]]\nname = \"a\"\nkind = \"mock\"\n[[sinks]]\nname = \"b\"\n[extra]\n";
    assert_eq!(
        errors(top),
        "ra.toml:4:3: unknown key sinks; did you mean sink?\n\
         ra.toml:6:2: unknown key extra; expected engine, bus, source, sink"
    );
    assert_eq!(source_errors("\"a b\\n\" = 3").lines().count(), 1);
}

#[test]
fn names_are_unique_and_fit_for_files() {
    let twice = "[[source]]\nname = \"a\"\nkind = \"mock\"\n[[source]]\nname = \"a\"\nkind = \"mock\"\n";
    assert_eq!(errors(twice), "ra.toml:5:8: source \"a\": the name is used by another source above");
    let sinks = "kind = \"record\"\npath = \"x.wav\"\n[[sink]]\nname = \"s\"\nkind = \"output\"";
    assert_eq!(sink_errors(sinks), "ra.toml:9:8: sink \"s\": the name is used by another sink above");
    let buses = "[[bus]]\nname = \"b\"\n[[bus]]\nname = \"b\"";
    assert_eq!(source_errors(buses), "ra.toml:7:8: bus \"b\": the name is used by another bus above");
    for bad in ["", "../x", "a/b", "..", "a\\nb", &"x".repeat(65)] {
        let found = errors(&format!("[[source]]\nname = \"{bad}\"\nkind = \"mock\""));
        assert!(found.starts_with("ra.toml:2:8: source 1: name is \""), "{found}");
        assert!(found.ends_with("expected 1 to 64 characters, none of them a slash or a control character"), "{found}");
    }
    let none = "[[source]]\nkind = \"mock\"\n";
    assert_eq!(errors(none), "ra.toml:1:1: source 1: name is missing, expected a name of its own");
    let number = "[[source]]\nname = 7\nkind = \"mock\"\n";
    assert_eq!(errors(number), "ra.toml:2:8: source 1: name is 7, expected a name of its own");
    let main = "[[bus]]\nname = \"main\"\nchannels = 2\n[[bus]]\nname = \"source:a\"";
    assert_eq!(
        source_errors(main),
        "ra.toml:6:1: bus \"main\": channels does not belong here: main has the channels of [engine]\n\
         ra.toml:8:8: bus \"source:a\": a bus can't be named \"source:…\": that means a source"
    );
}

#[test]
fn sources_say_what_they_expect() {
    let cases = [
        ("gain_db = 41", "4:11", "gain_db is 41, expected a number from -120 to 40 dB"),
        ("gain_db = inf", "4:11", "gain_db is inf, expected a number from -120 to 40 dB"),
        ("pan = -1.1", "4:7", "pan is -1.1, expected a number from -1 to 1 (left to right)"),
        ("mute = \"yes\"", "4:8", "mute is \"yes\", expected true or false"),
        ("to = \"main\"", "4:6", "to is \"main\", expected a list of buses such as [\"main\"]"),
        ("to = [\"main\", 3]", "4:15", "an item of to is 3, expected the name of a bus"),
        ("to = [\"main\", \"main\"]", "4:15", "to names the bus \"main\" twice"),
        ("to = [\"mian\"]", "4:7", "to names the bus \"mian\", expected \"main\""),
        ("channels = [0]", "4:13", "an item of channels is 0, expected a channel from 1 to 256"),
        ("channels = []", "4:12", "channels has 0 items, expected 1 to 256"),
        ("channels = 300", "4:12", "channels is 300, expected a whole number from 1 to 256"),
        ("on_loss = \"fallback:b\"", "4:11", "on_loss names the source \"b\", expected another source: there is none"),
        ("on_loss = \"fallback:a\"", "4:11", "on_loss leads back to itself: a → a"),
        ("on_loss = \"fallback:\"", "4:11", "on_loss is \"fallback:\", expected \"silence\" or \"fallback:NAME\""),
        ("on_loss = \"panic\"", "4:11", "on_loss is \"panic\", expected \"silence\" or \"fallback:NAME\""),
        ("return_after_ms = -1", "4:19", "return_after_ms is -1, expected a number from 0 to 60000 ms"),
        ("required = 0", "4:12", "required is 0, expected true or false"),
        ("mono = \"-6dB\"", "4:8", "mono is \"-6dB\", expected \"-3dB\" or \"unity\""),
        ("path = \"x.wav\"", "4:1", "path belongs to kind = \"file\""),
        ("device = \"x\"", "4:1", "device belongs to kind = \"device\""),
        (
            "signal = \"tone\"",
            "4:10",
            "signal is \"tone\", expected a table such as { kind = \"tone\", hz = 997.0, dbfs = -12.0 }",
        ),
        (
            "signal = { hz = 3 }",
            "4:10",
            "signal: kind is missing, expected \"tone\", \"impulses\", \"noise\", \"sweep\", \"silence\" or \"pair\"",
        ),
        ("signal = { kind = \"tone\", hz = 0 }", "4:32", "signal: hz is 0, expected a number from 0.001 to 384000 Hz"),
        ("clock = 50", "4:9", "clock is 50, expected a table such as { ppm = 50.0 }"),
        ("inserts = [{ kind = \"reverb\" }]", "4:21", "insert 1: kind is \"reverb\", expected \"limiter\" or \"eq\""),
        (
            "inserts = [{ kind = \"limiter\", ceiling_db = 30 }]",
            "4:45",
            "insert 1: ceiling_db is 30, expected a number from -60 to 20 dBFS",
        ),
        (
            "inserts = [{ kind = \"eq\", bands = [{ kind = \"peak\" }] }]",
            "4:36",
            "insert 1: band 1: hz is missing, expected its frequency",
        ),
        ("inserts = [{ kind = \"eq\", bands = [] }]", "4:12", "insert 1: bands has 0 items, expected 1 to 64"),
    ];
    for (line, at, message) in cases {
        assert_eq!(source_errors(line), format!("ra.toml:{at}: source \"a\": {message}"));
    }
    let unknown_kind = "[[source]]\nname = \"a\"\nkind = \"mike\"\npath = \"x\"\ncolour = 1";
    let found = errors(unknown_kind);
    assert!(
        found.starts_with("ra.toml:3:8: source \"a\": kind is \"mike\", expected \"device\", \"file\" or \"mock\"\n")
    );
    assert!(found.contains("\nra.toml:5:1: source \"a\": unknown key colour; expected "), "{found}");
    let file = "[[source]]\nname = \"a\"\nkind = \"file\"\nsample_rate = 3";
    assert_eq!(
        errors(file),
        "ra.toml:1:1: source \"a\": path is missing, expected the path of a sound file\n\
         ra.toml:4:1: source \"a\": sample_rate belongs to kind = \"device\" and \"mock\": a file has its own"
    );
}

#[test]
fn fallbacks_are_other_sources_and_never_a_circle() {
    let source = |name: &str, on_loss: &str| {
        format!("[[source]]\nname = \"{name}\"\nkind = \"mock\"\non_loss = \"{on_loss}\"\n")
    };
    let config = |links: &[(&str, &str)]| links.iter().map(|(name, on_loss)| source(name, on_loss)).collect::<String>();
    // A chain, and two that share one.
    let chain = config(&[("a", "fallback:c"), ("b", "fallback:c"), ("c", "fallback:d"), ("d", "silence")]);
    let parsed = parse_config(Path::new("ra.toml"), chain.as_bytes()).unwrap();
    assert_eq!(parsed.sources[0].config.on_loss.fallback(), Some("c"));
    assert_eq!(parsed.sources[0].config.return_after_ms, 150.0);
    let circle = config(&[("a", "fallback:b"), ("b", "fallback:c"), ("c", "fallback:b"), ("e", "fallback:f")]);
    assert_eq!(
        errors(&circle),
        "ra.toml:8:11: source \"b\": on_loss leads back to itself: b → c → b\n\
         ra.toml:16:11: source \"e\": on_loss names the source \"f\", expected \"a\", \"b\" or \"c\""
    );
    // However many: a circle of thousands is found in no time, and told once.
    let many: Vec<(String, String)> =
        (0..9_000).map(|n| (format!("s{n}"), format!("fallback:s{}", (n + 1) % 9_000))).collect();
    let many: String = many.iter().map(|(name, on_loss)| source(name, on_loss)).collect();
    let found = errors(&many);
    assert!(found.starts_with("ra.toml:4:11: source \"s0\": on_loss leads back to itself: s0 → s1"), "{found}");
    assert_eq!(found.lines().count(), 1);
}

#[test]
fn sinks_say_what_they_expect() {
    let record = "kind = \"record\"\npath = \"x.wav\"\n";
    let cases = [
        ("from = \"mian\"", "8:8", "from names the bus \"mian\", expected \"main\""),
        ("from = \"source:b\"", "8:8", "from names the source \"b\", expected \"source:a\""),
        ("format = \"mp3\"", "8:10", "format is \"mp3\", expected \"f32\", \"s24\" or \"s16\""),
        ("class = \"vip\"", "8:9", "class is \"vip\", expected \"critical\", \"normal\" or \"best-effort\""),
        (
            "on_lag = \"wait\"",
            "8:10",
            "on_lag is \"wait\", expected \"drop-oldest\", \"skip-to-live\" or \"disconnect\"",
        ),
        ("max_lag_ms = 10", "8:14", "max_lag_ms is 10, expected a whole number from 20 to 600000 (milliseconds)"),
        (
            "class = \"best-effort\"\nmax_lag_ms = 50",
            "9:14",
            "max_lag_ms is 50, expected a whole number from 80 to 600000 (milliseconds)",
        ),
        (
            "evict_after_ms = 99",
            "8:18",
            "evict_after_ms is 99, expected a whole number from 100 to 3600000 (milliseconds)",
        ),
        (
            "split_every = \"hourly\"",
            "8:15",
            "split_every is \"hourly\", expected a length such as \"1h\" or \"10s\", or a size such as \"512MB\"",
        ),
        (
            "split_at = \"noon\"",
            "8:12",
            "split_at is \"noon\", expected \"minute\", \"15min\", \"30min\", \"hour\" or \"day\"",
        ),
        ("start = \"later\"", "8:9", "start is \"later\", expected \"recording\" or \"paused\""),
        ("pre_roll = 30", "8:12", "pre_roll is 30, expected a duration such as \"30s\", at most \"10m\""),
        ("keep = \"30 moons\"", "8:8", "keep is \"30 moons\", expected a duration such as \"30d\""),
        ("max_total = \"100\"", "8:13", "max_total is \"100\", expected a size such as \"100GB\""),
        ("silence_dbfs = 6", "8:16", "silence_dbfs is 6, expected a number from -200 to 0 dBFS"),
        ("channels = [1, 1]", "8:16", "channels lists 1 twice, expected each once"),
        ("channels = []", "8:12", "channels lists 0, expected a list of 1 to 256 channels of the bus, counted from 1"),
        ("bitrate_kbps = 64", "8:1", "bitrate_kbps belongs to .opus, .ogg and .mp3"),
        ("codec = \"opus\"", "8:1", "codec belongs to .ogg: other extensions say what they hold"),
        ("failover = 7", "8:12", "failover is 7, expected a directory"),
        ("metadata = { titel = \"x\" }", "8:14", "metadata: unknown key titel; did you mean title?"),
        ("device = \"x\"", "8:1", "device belongs to kind = \"output\""),
        ("pth = \"y\"", "8:1", "unknown key pth; did you mean path?"),
    ];
    for (line, at, message) in cases {
        assert_eq!(sink_errors(&format!("{record}{line}")), format!("ra.toml:{at}: sink \"s\": {message}"));
    }
    assert_eq!(
        sink_errors("kind = \"icecast\"\nurl = \"http://x/y\"\npassword_env = \"P\"\ndevice = \"default\""),
        "ra.toml:9:1: sink \"s\": device belongs to kind = \"output\""
    );
    assert_eq!(
        sink_errors("kind = \"record\""),
        "ra.toml:4:1: sink \"s\": path is missing, expected a path such as \"out/{name}-{time}.wav\""
    );
}

#[test]
fn all_errors_are_reported_in_the_order_of_their_lines() {
    let text =
        "[engine]\nsample_rate = 0\nblok_frames = 128\n\n[[sink]]\nname = \"s\"\nkind = \"record\"\nfrom = \"x\"\n";
    assert_eq!(
        errors(text),
        "ra.toml:1:1: there is no [[source]], expected one at least\n\
         ra.toml:2:15: [engine]: sample_rate is 0, expected a whole number from 1000 to 768000 Hz\n\
         ra.toml:3:1: [engine]: unknown key blok_frames; did you mean block_frames?\n\
         ra.toml:5:1: sink \"s\": path is missing, expected a path such as \"out/{name}-{time}.wav\"\n\
         ra.toml:8:8: sink \"s\": from names the bus \"x\", expected \"main\""
    );
}

#[test]
fn broken_syntax_is_reported_with_its_lines_alone() {
    let found = errors("[engine]\nsample_rate = \nchannels = 2 2\n");
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.len(), 2, "{found}");
    assert!(lines[0].starts_with("ra.toml:2:") && lines[1].starts_with("ra.toml:3:"), "{found}");
    assert_eq!(errors("a = 1\na = 2\n").lines().next().unwrap(), "ra.toml:2:1: duplicate key");
}

#[test]
fn a_single_table_where_a_list_is_needed_is_explained() {
    assert_eq!(errors("[source]\nname = \"a\"\n"), "ra.toml:1:1: source is a table, expected [[source]] tables");
    assert_eq!(errors("source = []\n"), "ra.toml:1:1: there is no [[source]], expected one at least");
    assert_eq!(errors("source = [3]\n"), "ra.toml:1:11: source 1 is 3, expected a table");
    assert_eq!(
        errors("engine = 3\n[[source]]\nname=\"a\"\nkind=\"mock\""),
        "ra.toml:1:10: engine is 3, expected a table [engine]"
    );
    assert_eq!(errors(""), "ra.toml:1:1: there is no [[source]], expected one at least");
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let config = parse("[[source]]\nname = \"a\"\nkind = \"mock\"\njitter_us = 3\n").unwrap();
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "ra.toml:1:1: there is no [[sink]]: nothing is recorded or played",
            "ra.toml:4:1: source \"a\": jitter_us has no effect without clock: a source without a clock of its own is pulled, \
         not delivered",
        ]
    );
}

#[test]
fn a_full_config_is_understood() {
    let text = r#"
        [engine]
        sample_rate = 44_100
        channels = 4
        latency_ms = 20
        realtime = "off"
        [[bus]]
        name = "main"
        inserts = [{ kind = "limiter" }]
        [[bus]]
        name = "talk"
        channels = 1
        [[source]]
        name = "t"
        kind = "mock"
        to = ["main", "talk"]
        gain_db = -3
        channels = [2, 1]
        clock = { ppm = 50.0 }
        period_frames = 480
        [[source]]
        name = "p"
        kind = "mock"
        signal = { kind = "pair", correlation = 0.25, dbfs = -30 }
        to = []
        [[sink]]
        name = "s"
        kind = "record"
        from = "source:t"
        path = "{name}.wav"
        format = "s24"
    "#;
    let config = parse(text).unwrap();
    assert!(config.warnings.is_empty());
    assert_eq!((config.engine.sample_rate.hz(), config.engine.channels.get()), (44_100, 4));
    assert_eq!((config.main_inserts.len(), config.buses.len()), (1, 1));
    let SourceKind::Mock(tone) = &config.sources[0].kind else { panic!("no mock") };
    assert_eq!(tone.config.signal, Signal::Tone { hz: 1000.0, dbfs: -20.0 });
    assert_eq!((tone.config.spec.sample_rate.hz(), tone.config.spec.channels.get()), (44_100, 4));
    assert_eq!(tone.paced.as_ref().unwrap().period_frames, 480);
    assert_eq!(tone.paced.as_ref().unwrap().name, "t");
    assert_eq!(config.sources[0].channels.as_ref().unwrap().value, [2, 1]);
    assert_eq!(config.sources[0].config.to, ["main", "talk"]);
    let SourceKind::Mock(pair) = &config.sources[1].kind else { panic!("no mock") };
    assert_eq!(pair.config.spec.channels.get(), 2);
    assert!(config.sources[1].config.to.is_empty());
    assert_eq!(config.sinks[0].config.from, "source:t");
}

/// Bits of config that get far into the parser when they are thrown together.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "[[source]]\n",
        "[[sink]]\n",
        "[[bus]]\n",
        "[engine]\n",
        "name = \"a\"\n",
        "kind = \"mock\"\n",
        "kind = \"file\"\n",
        "kind = \"record\"\n",
        "path = \"x.wav\"\n",
        "signal = { kind = \"tone\", hz = 1e999 }\n",
        "channels = [1, 2]\n",
        "channels = 99999999999999999999\n",
        "clock = { ppm = -inf }\n",
        "to = [\"main\"]\n",
        "inserts = [{ kind = \"eq\" }]\n",
        "from = \"source:a\"\n",
        "= ",
        "[",
        "{",
        "\"",
        "1979-05-27",
        "\n",
        "ü",
        "\u{0}",
    ];
    prop_oneof![proptest::sample::select(words.to_vec()).prop_map(str::to_owned), "[ -~\n]{0,12}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        check_total(&bytes);
    }

    #[test]
    fn arbitrary_configs_never_panic(parts in proptest::collection::vec(fragment(), 0..24)) {
        check_total(parts.concat().as_bytes());
    }
}

fn check_total(bytes: &[u8]) {
    if let Err(error) = parse_config(Path::new("ra.toml"), bytes) {
        assert!(!error.problems.is_empty());
        assert!(error.problems.iter().all(|p| p.line >= 1 && p.column >= 1));
        assert!(error.problems.is_sorted_by_key(|p| (p.line, p.column)));
    }
}

#[test]
fn paths_that_would_command_a_terminal_are_refused() {
    let lines = "kind = \"record\"\npath = \"a\\u001b[2J.wav\"\nfailover = \"b\\n\"\n";
    assert_eq!(
        sink_errors(lines),
        "ra.toml:7:8: sink \"s\": path is \"a\\u{1b}[2J.wav\", expected no control characters\n\
         ra.toml:8:12: sink \"s\": failover is \"b\\n\", expected no control characters"
    );
}
