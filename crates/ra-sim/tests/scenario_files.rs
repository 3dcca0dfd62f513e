//! Scenario files: defaults, and what is said of those that make no sense.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use std::path::Path;

use proptest::prelude::*;
use ra_engine::core::{ChannelCount, SampleRate};
use ra_engine::sources::{ClockModel, Fault, Outliers, Signal};
use ra_engine::{AnySource, Latency, OnLoss, OnRateMismatch, Quality, VirtualEngine};
use ra_sim::{Scenario, ScenarioSource, Simulation};

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse(Path::new("s.toml"), text.as_bytes()).map_err(|error| error.to_string())
}

const HEAD: &str = "duration_s = 10.0\n[[source]]\nname = \"a\"\n";
const TONE: &str = "signal = { kind = \"tone\", hz = 997.0 }\n";

#[test]
fn only_the_duration_a_name_and_a_signal_are_required() {
    let scenario = parse(&format!("{HEAD}signal = {{ kind = \"impulses\", every_s = 0.5 }}")).unwrap();
    let expected = Scenario {
        sources: vec![ScenarioSource::new("a", Signal::Impulses { every_s: 0.5, dbfs: -6.0 })],
        ..Scenario::new(10.0)
    };
    assert_eq!(scenario, expected);
    assert_eq!((scenario.seed, scenario.block_frames, scenario.quality), (0, 128, Quality::Balanced));
    assert_eq!((scenario.sample_rate, scenario.latency), (SampleRate::HZ_48000, Latency::Ms(20.0)));
    assert_eq!(scenario.measured_from_s(), 5.0);
    assert_eq!(Scenario { duration_s: 1000.0, ..scenario }.measured_from_s(), 60.0);
}

#[test]
fn every_key_is_read() {
    let scenario = parse(
        r#"
        seed = 18446744073709551615
        duration_s = 600
        sample_rate = 96000
        block_frames = 64
        latency_ms = "auto"
        quality = "best"
        measure_from_s = 0
        [[source]]
        name = "a"
        sample_rate = 44100
        channels = 2
        period_frames = 441
        clock = { ppm = 50.0, thermal_ppm = 10.0, thermal_period_s = 300.0, step_ppm = 1.0, step_at_s = 7.0 }
        jitter_us = 200.0
        outliers = { probability = 0.001, ms = 10.0 }
        latency_offset_ms = -3.5
        on_rate_mismatch = "refuse"
        signal = { kind = "pair", correlation = -0.5, dbfs = -30.0, noise_dbfs = -50.0 }
        faults = [
            { kind = "unplug", at_s = 1.0, for_s = 5.0 },
            { kind = "stall", at_s = 2.0, for_s = 0.5 },
            { kind = "burst", at_s = 3.0, for_s = 1.0 },
            { kind = "period", at_s = 4.0, period_frames = 128 },
            { kind = "lose", at_s = 5.0, n_frames = 100 },
            { kind = "backwards_stamp", at_s = 6.0, for_s = 0.1 },
            { kind = "equal_stamps", at_s = 7.0, for_s = 0.1 },
            { kind = "format", at_s = 8.0, sample_rate = 48000 },
            { kind = "silent" },
            { kind = "loss", at_s = 10.0, for_s = 1.0, sample_rate = 96000, every_s = 2.5, times = 2 },
            { kind = "hang", at_s = 9.0, for_s = 2.0 },
            { kind = "storm", at_s = 9.5, for_s = 2.0, per_s = 1000.0 },
        ]
        on_loss = "fallback:b"
        return_after_ms = 75
        required = false
        [[source]]
        name = "b"
        signal = { kind = "silence" }
        on_loss = "silence"
        "#,
    )
    .unwrap();
    let source = ScenarioSource {
        sample_rate: SampleRate::HZ_44100,
        channels: ChannelCount::STEREO,
        period_frames: 441,
        clock: ClockModel { ppm: 50.0, thermal_ppm: 10.0, thermal_period_s: 300.0, step_ppm: 1.0, step_at_s: 7.0 },
        jitter_us: 200.0,
        outliers: Outliers { probability: 0.001, ms: 10.0 },
        latency_offset_ms: -3.5,
        on_rate_mismatch: OnRateMismatch::Refuse,
        faults: vec![
            Fault::Unplug { at_s: 1.0, for_s: 5.0 },
            Fault::Stall { at_s: 2.0, for_s: 0.5 },
            Fault::Burst { at_s: 3.0, for_s: 1.0 },
            Fault::Period { at_s: 4.0, period_frames: 128 },
            Fault::Lose { at_s: 5.0, n_frames: 100 },
            Fault::BackwardsStamp { at_s: 6.0, for_s: 0.1 },
            Fault::EqualStamps { at_s: 7.0, for_s: 0.1 },
            Fault::Format { at_s: 8.0, sample_rate: SampleRate::HZ_48000 },
            Fault::Silent,
            Fault::Loss { at_s: 10.0, for_s: 1.0, sample_rate: Some(SampleRate::new(96_000).unwrap()) },
            Fault::Loss { at_s: 12.5, for_s: 1.0, sample_rate: Some(SampleRate::new(96_000).unwrap()) },
            Fault::Hang { at_s: 9.0, for_s: 2.0 },
            Fault::Storm { at_s: 9.5, for_s: 2.0, per_s: 1000.0 },
        ],
        on_loss: OnLoss::Fallback("b".into()),
        return_after_ms: 75.0,
        required: false,
        ..ScenarioSource::new("a", Signal::Pair { correlation: -0.5, dbfs: -30.0, noise_dbfs: -50.0 })
    };
    let expected = Scenario {
        seed: u64::MAX,
        sample_rate: SampleRate::new(96_000).unwrap(),
        block_frames: 64,
        latency: Latency::Auto,
        quality: Quality::Best,
        measure_from_s: Some(0.0),
        sources: vec![source, ScenarioSource::new("b", Signal::Silence)],
        ..Scenario::new(600.0)
    };
    assert_eq!(scenario, expected);
    assert_eq!(scenario.band_rate(), SampleRate::HZ_44100);
    for (kind, signal) in [
        ("\"tone\"", Signal::Tone { hz: 1000.0, dbfs: -20.0 }),
        ("\"noise\", dbfs = -30.0", Signal::Noise { dbfs: -30.0 }),
        (
            "\"sweep\", from_hz = 50.0, to_hz = 5e3, s = 2.0",
            Signal::Sweep { from_hz: 50.0, to_hz: 5e3, s: 2.0, dbfs: -20.0 },
        ),
        ("\"silence\"", Signal::Silence),
        ("\"pair\", noise_dbfs = -inf", Signal::Pair { correlation: 0.5, dbfs: -20.0, noise_dbfs: f64::NEG_INFINITY }),
    ] {
        let scenario = parse(&format!("{HEAD}signal = {{ kind = {kind} }}")).unwrap();
        assert_eq!(scenario.sources[0].signal, signal);
    }
}

#[test]
fn what_makes_no_sense_is_told_with_its_line() {
    let source = |lines: &str| format!("{HEAD}{TONE}{lines}\n");
    let fault = |fault: &str| source(&format!("faults = [{{ {fault} }}]"));
    for (text, says) in [
        ("[[source]]\nname = \"a\"\n".to_owned() + TONE, "s.toml:1:1: duration_s is missing, expected how long"),
        (
            "duration_s = -3.0\n".to_owned(),
            "s.toml:1:14: duration_s is -3.0, expected a number from 0.001 to 100000000 s",
        ),
        ("duration_s = 1.0\n".to_owned(), "s.toml:1:1: there is no [[source]], expected one at least"),
        ("duration_s = nan\n".to_owned(), "duration_s is nan, expected"),
        ("a = = 1".to_owned(), "s.toml:1:5: "),
        (format!("seed = -1\n{HEAD}{TONE}"), "s.toml:1:8: seed is -1, expected a whole number from 0 to"),
        (
            format!("sample_rate = 0\n{HEAD}{TONE}"),
            "s.toml:1:15: sample_rate is 0, expected a whole number from 1000 to",
        ),
        (format!("block_frames = 15\n{HEAD}{TONE}"), "block_frames is 15, expected a whole number from 16 to 8192"),
        (
            format!("latency_ms = \"least\"\n{HEAD}{TONE}"),
            "latency_ms is \"least\", expected \"auto\" or a number from 1 to",
        ),
        (
            format!("quality = \"good\"\n{HEAD}{TONE}"),
            "quality is \"good\", expected \"fast\", \"balanced\" or \"best\"",
        ),
        (
            format!("measure_from_s = 10\n{HEAD}{TONE}"),
            "s.toml:1:18: measure_from_s is behind the end, expected less than 10 s",
        ),
        (format!("speed = 2\n{HEAD}{TONE}"), "s.toml:1:1: unknown key speed, expected duration_s, seed,"),
        ("source = 3\nduration_s = 1.0\n".to_owned(), "s.toml:1:10: source is 3, expected [[source]] tables"),
        (HEAD.to_owned(), "s.toml:2:1: source \"a\": signal is missing, expected a table"),
        (format!("duration_s = 1.0\n[[source]]\n{TONE}"), "s.toml:2:1: source 1: name is missing, expected"),
        (source("[[source]]\nname = \"a\""), "s.toml:6:8: source \"a\": the name is used by another source above"),
        (source("[[source]]\nname = \"a/b\""), "name is \"a/b\", expected 1 to 64 characters"),
        (source("[[source]]\nname = \"..\""), "s.toml:6:8: source 2: name is \"..\", expected 1 to 64 characters"),
        (source("[[source]]\nname = \".\""), "s.toml:6:8: source 2: name is \".\", expected 1 to 64 characters"),
        (
            format!("{HEAD}signal = {{ kind = \"pair\", noise_dbfs = nan }}"),
            "noise_dbfs is nan, expected a number from -inf to 40 dBFS",
        ),
        (source("clok = {}"), "s.toml:5:1: source \"a\": unknown key clok, expected name,"),
        (
            source("clock = { ppm = 2e5 }"),
            "s.toml:5:17: source \"a\": clock: ppm is 2e5, expected a number from -100000",
        ),
        (source("clock = { ppm = 9e4, step_ppm = 9e4 }"), "s.toml:5:9: source \"a\": clock.ppm: 180000 ppm in all"),
        (source("clock = { ppn = 1 }"), "s.toml:5:11: source \"a\": clock: unknown key ppn, expected ppm,"),
        (source("jitter_us = -1"), "s.toml:5:13: source \"a\": jitter_us is -1, expected"),
        (source("outliers = { probability = 2, ms = 1 }"), "outliers: probability is 2, expected a number from 0 to 1"),
        (source("outliers = { probability = 1 }"), "s.toml:5:12: source \"a\": outliers: ms is missing"),
        (source("period_frames = 0"), "period_frames is 0, expected a whole number from 1 to 65536 frames"),
        (source("channels = 257"), "channels is 257, expected a whole number from 1 to 256"),
        (source("on_rate_mismatch = 1"), "on_rate_mismatch is 1, expected \"follow\" or \"refuse\""),
        (source("faults = 1"), "s.toml:5:10: source \"a\": faults is 1, expected a list of tables"),
        (
            fault("kind = \"explode\", at_s = 1"),
            "s.toml:5:20: source \"a\": fault 1: kind is \"explode\", expected \"unplug\", \"loss\", \"hang\",",
        ),
        (
            fault("kind = \"loss\", at_s = 1.0, for_s = 2.0, every_s = 1.5, times = 3"),
            "fault 1: every_s is 1.5, expected more than for_s",
        ),
        (fault("kind = \"loss\", at_s = 1.0, for_s = 2.0, times = 3"), "fault 1: every_s is missing"),
        (fault("kind = \"unplug\", at_s = 1.0, for_s = 2.0, every_s = 3.0"), "fault 1: times is missing"),
        (
            fault("kind = \"storm\", at_s = 1.0, for_s = 2.0, per_s = 0"),
            "fault 1: per_s is 0, expected a number from 1",
        ),
        (source("on_loss = \"a\""), "s.toml:5:11: source \"a\": on_loss is \"a\", expected \"silence\" or"),
        (
            source("on_loss = \"fallback:b\""),
            "s.toml:5:11: source \"a\": on_loss: names the source \"b\", expected one of this scenario",
        ),
        (source("on_loss = \"fallback:a\""), "s.toml:5:11: source \"a\": on_loss: leads back to the source itself"),
        (source("required = 1"), "source \"a\": required is 1, expected true or false"),
        (fault("at_s = 1"), "fault 1: kind is missing, expected \"unplug\""),
        (
            fault("kind = \"unplug\", at_s = -1.0, for_s = 1"),
            "s.toml:5:37: source \"a\": fault 1: at_s is -1.0, expected a number from 0",
        ),
        (fault("kind = \"unplug\", at_s = 1"), "fault 1: for_s is missing, expected how long it lasts"),
        (fault("kind = \"stall\", at_s = 1, for_s = -2"), "fault 1: for_s is -2, expected"),
        (fault("kind = \"silent\", at_s = 1"), "fault 1: unknown key at_s, expected kind"),
        (fault("kind = \"lose\", at_s = 1, n_frames = 0"), "fault 1: n_frames is 0, expected a whole number from 1"),
        (
            fault("kind = \"format\", at_s = 1, sample_rate = 1500"),
            "s.toml:5:54: source \"a\": fault 1: sample_rate 1500 Hz: signal.hz: 997 Hz, expected more",
        ),
        (
            source(
                "faults = [{ kind = \"silent\" },\n{ kind = \"format\", at_s = 1, sample_rate = 2000 },\n\
                 { kind = \"format\", at_s = 2, sample_rate = 1000 }]",
            ),
            "s.toml:7:44: source \"a\": fault 3: sample_rate 1000 Hz: signal.hz: 997 Hz, expected more",
        ),
        (
            source("channels = 256\nsample_rate = 768000"),
            "s.toml:6:15: source \"a\": sample_rate: 768000 Hz in 256 channels",
        ),
        (
            format!("block_frames = 8192\nsample_rate = 1000\n{HEAD}{TONE}sample_rate = 768000\nperiod_frames = 65536"),
            "s.toml:7:15: source \"a\": sample_rate: 768000 Hz in mono and with blocks of 8192.000 ms need a ring of \
             52635648 frames, expected at most 16777216",
        ),
        (
            format!("block_frames = 8192\nsample_rate = 1000\n{HEAD}{TONE}channels = 200"),
            "s.toml:4:1: source \"a\": sample_rate: 48000 Hz in 200 channels",
        ),
        (
            format!("{HEAD}signal = {{ kind = \"bang\" }}"),
            "s.toml:4:19: source \"a\": signal: kind is \"bang\", expected \"tone\",",
        ),
        (
            format!("{HEAD}signal = {{ kind = \"tone\", hz = 30000 }}"),
            "s.toml:4:10: source \"a\": signal.hz: 30000 Hz, expected",
        ),
        (
            format!("{HEAD}signal = {{ kind = \"pair\" }}\nchannels = 1"),
            "s.toml:4:10: source \"a\": signal: a pair in mono",
        ),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(says), "{text}\nsays: {error}\nnot: {says}");
        assert!(!error.contains("s.toml:0"), "{error}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let error = parse(&format!("seed = -1\n{HEAD}{TONE}jitter_us = -1\nfoo = 1\n")).unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn what_is_no_scenario_file_is_said() {
    let load = |path: &Path| Scenario::load(path).unwrap_err().to_string();
    assert!(load(Path::new("no.toml")).contains("expected a scenario file"));
    let dir = tempfile::tempdir().unwrap();
    assert!(load(dir.path()).contains("is a directory, expected a scenario file"));
    let bytes = Scenario::parse(Path::new("b.toml"), b"seed = 1\na = \"\xff\"").unwrap_err().to_string();
    assert_eq!(bytes, "b.toml:2:6: byte 0xff is no UTF-8, expected a TOML text");
}

#[test]
fn a_scenario_that_is_made_by_a_program_is_checked_too() {
    let with = |source: ScenarioSource| Scenario { sources: vec![source], ..Scenario::new(1.0) };
    let tone = Signal::Tone { hz: 997.0, dbfs: -20.0 };
    let good = with(ScenarioSource::new("a", tone));
    for (scenario, says) in [
        (Scenario { duration_s: -1.0, ..good.clone() }, "duration_s is -1, expected 0.001 to"),
        (Scenario { duration_s: f64::NAN, ..good.clone() }, "duration_s is NaN"),
        (Scenario { measure_from_s: Some(1.0), ..good.clone() }, "measure_from_s is 1, expected 0 to less than"),
        (Scenario { sources: vec![], ..good.clone() }, "the number of sources is 0"),
        (Scenario { block_frames: 1, ..good.clone() }, "block_frames is 1"),
        (
            Scenario { sources: [good.sources.clone(), good.sources.clone()].concat(), ..good.clone() },
            "in use by another",
        ),
        (with(ScenarioSource::new("a", Signal::Tone { hz: -1.0, dbfs: 0.0 })), "source \"a\": signal.hz: -1"),
        (with(ScenarioSource { jitter_us: -1.0, ..good.sources[0].clone() }), "source \"a\": jitter_us: -1"),
    ] {
        let error = Simulation::new(&scenario).err().unwrap().to_string();
        assert!(error.contains(says), "{error}, expected {says}");
    }
}

#[test]
fn what_is_accepted_can_be_set_up_and_the_bound_of_rings_is_the_engines() {
    let of = |sample_rate: u32, block_frames: usize, latency_ms: f64, rate: u32, channels: u16| {
        let source = ScenarioSource {
            sample_rate: SampleRate::new(rate).unwrap(),
            channels: ChannelCount::new(channels).unwrap(),
            ..ScenarioSource::new("a", Signal::Silence)
        };
        Scenario {
            sample_rate: SampleRate::new(sample_rate).unwrap(),
            block_frames,
            latency: Latency::Ms(latency_ms),
            sources: vec![source],
            ..Scenario::new(1.0)
        }
    };
    let engine_takes = |scenario: &Scenario| {
        let (device, _handle) = scenario.device(0).unwrap();
        let mut engine = VirtualEngine::new(scenario.engine_config()).unwrap();
        engine.add_source(scenario.sources[0].source_config(), AnySource::clocked(device))
    };
    for (scenario, is_good) in [
        // By its frames, by its samples.
        (of(3_478, 8_192, 20.0, 768_000, 1), true),
        (of(3_477, 8_192, 20.0, 768_000, 1), false),
        (of(48_000, 128, 10_000.0, 192_000, 30), false),
        // By nothing at all.
        (of(1_000, 16, 1.0, 768_000, 1), true),
        (of(768_000, 16, 1.0, 1_000, 1), true),
        (of(1_000, 8_192, 10_000.0, 8_000, 1), true),
    ] {
        let found = engine_takes(&scenario);
        assert_eq!(found.is_ok(), is_good, "the engine: {found:?}\n{scenario:?}");
        let found = Simulation::new(&scenario).map(|_| ());
        assert_eq!(found.is_ok(), is_good, "{found:?}\n{scenario:?}");
        if let Err(error) = found {
            assert!(error.to_string().starts_with("source \"a\": sample_rate: "), "{error}");
        }
    }
}

#[test]
fn every_scenario_of_the_repository_is_one_and_says_what_to_expect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut n = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        Scenario::load(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.contains("# Expected: "), "{}", path.display());
        n += 1;
    }
    assert!(n >= 12, "{n} scenarios");
}

proptest! {
    #[test]
    fn any_text_is_a_scenario_or_an_error(text in "[a-z_0-9=\\[\\]{}\",.#\\n -]{0,200}") {
        if let Err(error) = Scenario::parse(Path::new("s.toml"), text.as_bytes()) {
            prop_assert!(!error.problems.is_empty());
        }
    }

    #[test]
    fn any_values_are_a_scenario_or_an_error(
        duration_s: f64, jitter_us: f64, hz: f64, ppm: f64, at_s: f64, n: i64
    ) {
        let text = format!(
            "duration_s = {duration_s:?}\n[[source]]\nname = \"a\"\njitter_us = {jitter_us:?}\nclock = {{ ppm = {ppm:?} }}\n\
             signal = {{ kind = \"tone\", hz = {hz:?} }}\nfaults = [{{ kind = \"lose\", at_s = {at_s:?}, n_frames = {n} }}]"
        );
        if let Err(error) = Scenario::parse(Path::new("s.toml"), text.as_bytes()) {
            prop_assert!(error.problems.iter().all(|problem| problem.line > 0));
        }
    }
}
