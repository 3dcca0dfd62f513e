//! One recording in many files: together they are, bit for bit, what one file would have been.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use proptest::prelude::*;
use ra_core::{
    Block, BlockStamp, FramePosition, Gap, GapReason, Sink, SinkCommand, SinkError, SinkReport, SinkStart, StreamSpec,
};
use ra_sinks::{ClockMark, Recorder, RecorderConfig, SampleFormat, Sidecar, SplitRule, SyncRhythm};
use serde_json::Value;

use crate::{
    judges::Judge,
    signal::{Driver, FORMATS, UNIX_NS, sidecar_of, start_of, truths},
};

/// A recorder whose files no power cut is feared for: a thousand of them would be a thousand waits.
fn config(template: impl Into<PathBuf>, format: SampleFormat, split: SplitRule) -> RecorderConfig {
    RecorderConfig { format, split, sync: SyncRhythm::Never, ..RecorderConfig::new(template) }
}

fn every(length: Duration) -> SplitRule {
    SplitRule { every: Some(length), ..SplitRule::default() }
}

/// The samples of WAV files, one behind the other, as whole numbers or the bits of floats.
fn bits_of(files: &[PathBuf]) -> Vec<i64> {
    let read = |path: &PathBuf| {
        let mut reader = hound::WavReader::open(path).unwrap();
        match reader.spec().sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().map(|s| i64::from(s.unwrap().to_bits())).collect(),
            hound::SampleFormat::Int => reader.samples::<i32>().map(|s| i64::from(s.unwrap())).collect::<Vec<_>>(),
        }
    };
    files.iter().flat_map(read).collect()
}

/// Numbers that are no pattern.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Records the same blocks and gaps into one file, and into one that is split a thousand times by command.
fn thousand_splits(extension: &str, format: SampleFormat) -> (tempfile::TempDir, SinkReport, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(format!("{name}.{extension}"));
    let no_sidecar = |config| RecorderConfig { sidecar: Sidecar::None, ..config };
    let mut split = Driver::start(no_sidecar(config(at("split-{index}"), format, SplitRule::default())), 2);
    let mut whole = Driver::start(no_sidecar(config(at("whole"), format, SplitRule::default())), 2);
    let whole_path = whole.path();
    let mut dice = Dice(7);
    for n in 0..1000 {
        for _ in 0..=dice.roll(3) {
            let n_frames = 1 + dice.roll(300);
            split.write(n_frames).unwrap();
            whole.write(n_frames).unwrap();
        }
        if n % 10 == 3 {
            let n_frames = 1 + dice.roll(200);
            split.gap(n_frames, GapReason::Lagged);
            whole.gap(n_frames, GapReason::Lagged);
        }
        split.recorder.command(&SinkCommand::Split).unwrap();
    }
    split.write(77).unwrap();
    whole.write(77).unwrap();
    whole.finish();
    (dir, split.finish(), whole_path)
}

#[test]
fn a_thousand_wav_files_are_one() {
    for format in FORMATS {
        let (dir, report, whole) = thousand_splits("wav", format);
        assert_eq!((report.files.len(), report.files_omitted), (1000, 1), "the latest, and how many there were before");
        let mut files = vec![dir.path().join("split-0001.wav")];
        files.extend(report.files);
        assert!(bits_of(&files) == bits_of(&[whole]), "{format}");
    }
}

#[test]
#[cfg(feature = "flac")]
fn a_thousand_flac_files_are_one() {
    if !crate::judges::judges().contains(&Judge::Ffmpeg) {
        return;
    }
    for format in [SampleFormat::S24, SampleFormat::S16] {
        let (dir, report, whole) = thousand_splits("flac", format);
        let list: String = (1..=1001).map(|n| format!("file split-{n:04}.flac\n")).collect();
        assert!(report.files.last().unwrap().ends_with("split-1001.flac"));
        fs::write(dir.path().join("list.txt"), list).unwrap();
        let args = ["-v", "error", "-f", "concat", "-i", "list.txt", "-f", "s32le", "-"];
        let together = Command::new("ffmpeg").args(args).current_dir(dir.path()).output().unwrap();
        assert!(together.status.success() && together.stderr.is_empty(), "{together:?}");
        let args = ["-v", "error", "-i", whole.to_str().unwrap(), "-f", "s32le", "-"];
        let alone = Command::new("ffmpeg").args(args).output().unwrap();
        assert!(alone.status.success() && alone.stdout.len() > 1_000_000);
        assert!(together.stdout == alone.stdout, "{format}");
    }
}

#[test]
#[cfg(feature = "opus")]
fn opus_files_decode_to_exactly_their_frames() {
    if !crate::judges::judges().contains(&Judge::Ffmpeg) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rule = every(Duration::from_millis(1234));
    let mut driver = Driver::start(config(dir.path().join("{index}.opus"), SampleFormat::F32, rule), 2);
    for _ in 0..600 {
        driver.write(301).unwrap();
    }
    let report = driver.finish();
    let n_frames: Vec<u64> = report.files.iter().map(|path| Judge::Ffmpeg.count_frames(path)).collect();
    assert_eq!(n_frames, [59_232, 59_232, 59_232, 600 * 301 - 3 * 59_232]);
}

#[test]
fn files_are_as_long_as_the_rule_says_and_know_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let rule = every(Duration::from_secs(1));
    let mut driver = Driver::start(config(dir.path().join("{name}-{time}.wav"), SampleFormat::S16, rule), 1);
    for _ in 0..1000 {
        driver.write(128).unwrap();
    }
    let report = driver.finish();
    let names: Vec<_> = report.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["take-20261121T101530Z.wav", "take-20261121T101531Z.wav", "take-20261121T101532Z.wav"]);
    let lengths: Vec<_> = report.files.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert_eq!(lengths, [48_000, 48_000, 32_000]);
    for (n, path) in report.files.iter().enumerate() {
        let sidecar = sidecar_of(path);
        assert_eq!(sidecar["start"]["position"], 48_000 * n);
        assert_eq!(sidecar["start"]["unix_ns"].as_i64().unwrap() as i128, UNIX_NS + 1_000_000_000 * n as i128);
        assert_eq!(sidecar["begun_by"], if n == 0 { "start" } else { "split" });
        assert_eq!(sidecar["ended_by"], if n == 2 { "stop" } else { "split" });
        let series = &sidecar["series"];
        assert_eq!((&series["number"], &series["first_position"]), (&Value::from(n + 1), &Value::from(0)));
        assert_eq!(series["next"].as_str(), names.get(n + 1).copied());
        let previous: Vec<_> =
            series["previous"].as_array().unwrap().iter().map(|p| p["file"].as_str().unwrap()).collect();
        assert_eq!(previous, names[..n]);
        assert!(series["previous"].as_array().unwrap().iter().all(|p| p["frames"] == 48_000));
    }
}

#[test]
fn files_are_as_large_as_the_rule_says_and_no_larger() {
    let dir = tempfile::tempdir().unwrap();
    let rule = SplitRule { every_bytes: Some(100_000), ..SplitRule::default() };
    // What a codec may hold back: 200 ms.
    let extensions = [("wav", 0), ("flac", 57_600)];
    for (extension, slack) in extensions.into_iter().take(if cfg!(feature = "flac") { 2 } else { 1 }) {
        let template = dir.path().join(format!("{{index}}.{extension}"));
        let mut driver = Driver::start(config(template, SampleFormat::S24, rule), 2);
        for _ in 0..500 {
            driver.write(128).unwrap();
            driver.recorder.flush().unwrap();
        }
        let files = driver.finish().files;
        let sizes: Vec<u64> = files.iter().map(|path| fs::metadata(path).unwrap().len()).collect();
        let (_, whole) = sizes.split_last().unwrap();
        assert!(whole.len() >= 2, "{extension}: {sizes:?}");
        let room = if extension == "wav" { 100_000 - 8..=100_000 } else { 100_000 - 10_000..=100_000 + slack };
        assert!(whole.iter().all(|size| room.contains(size)), "{extension}: {sizes:?}");
    }
}

/// Blocks whose stamps say when they were captured, on a clock that wanders.
fn record_hours(dir: &Path, offset_ns: i128, n_blocks: u64) -> Vec<PathBuf> {
    let spec = StreamSpec::new(1000, 1).unwrap();
    let rule = SplitRule { at: Some(ClockMark::Hour), ..SplitRule::default() };
    let config =
        RecorderConfig { header_interval_ms: 60_000, ..config(dir.join("{time}.wav"), SampleFormat::S16, rule) };
    let mut recorder = Recorder::new(config).unwrap();
    let start = SinkStart { spec, unix_ns: offset_ns, unix_minus_monotonic_ns: Some(offset_ns), ..start_of("h", 1) };
    recorder.start(&start).unwrap();
    for n in 0..n_blocks {
        let jitter_ns = n * 7919 % 100_000;
        let stamp = BlockStamp { seq: n, position: FramePosition(n * 1000), capture_ns: n * 1_000_000_000 + jitter_ns };
        recorder.write(&Block { stamp, spec, samples: &[0.25; 1000] }).unwrap();
    }
    recorder.finish().unwrap().files
}

#[test]
fn the_clock_strikes_every_hour_on_the_hour() {
    let dir = tempfile::tempdir().unwrap();
    // 10:59:58.5
    let begins_ns = UNIX_NS + (44 * 60 + 28) * 1_000_000_000 + 500_000_000;
    let files = record_hours(dir.path(), begins_ns, 2 * 3600 + 10);
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["20261121T105958Z.wav", "20261121T110000Z.wav", "20261121T120000Z.wav", "20261121T130000Z.wav"]);
    let lengths: Vec<u32> = files.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert!(
        (1499..=1500).contains(&lengths[0]) && lengths[1..3].iter().all(|n| n.abs_diff(3_600_000) <= 1),
        "{lengths:?}"
    );
    assert_eq!(lengths.iter().sum::<u32>(), (2 * 3600 + 10) * 1000);
    let unix_ns = i128::from(sidecar_of(&files[1])["start"]["unix_ns"].as_i64().unwrap());
    let hour_ns = 3_600_000_000_000;
    assert!((0..1_000_000).contains(&unix_ns.rem_euclid(hour_ns)), "the first frame that is not before the hour");
}

#[test]
fn a_gap_of_hours_makes_one_file_and_not_thousands() {
    let dir = tempfile::tempdir().unwrap();
    let rule = every(Duration::from_secs(1));
    let mut driver = Driver::start(config(dir.path().join("{index}.wav"), SampleFormat::S16, rule), 1);
    driver.write(1000).unwrap();
    driver.gap(3600 * 48_000, GapReason::NotCaptured);
    driver.write(1000).unwrap();
    let files = driver.finish().files;
    assert_eq!(files.len(), 2);
    let lengths: Vec<u32> = files.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert_eq!(lengths, [3600 * 48_000, 2000], "the second begins where a file would have begun");
}

#[test]
fn where_the_next_file_cannot_be_opened_the_old_one_goes_on_and_it_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let template = dir.path().join("{index}/{name}.wav");
    // Files stand where directories would be.
    let blocked = |n: u32| dir.path().join(format!("{n:04}"));
    let mut driver = Driver::start(config(template, SampleFormat::F32, every(Duration::from_secs(1))), 1);
    fs::write(blocked(2), "").unwrap();
    let mut written = 0;
    let mut write = |driver: &mut Driver, n: u64| {
        (0..n).for_each(|_| {
            driver.write(1000).unwrap();
            written += 1000;
        })
    };
    write(&mut driver, 60);
    let error = driver.recorder.command(&SinkCommand::Split).unwrap_err();
    assert!(matches!(&error, SinkError::File { path, .. } if path.starts_with(blocked(2))), "{error}");
    assert_eq!(driver.recorder.take_report().unwrap().notes, ["1 times the next file could not be opened"]);
    fs::remove_file(blocked(2)).unwrap();
    write(&mut driver, 60);
    let report = driver.finish();
    assert_eq!(report.files.len(), 2, "{report:?}");
    let lengths: Vec<u32> = report.files.iter().map(|path| hound::WavReader::open(path).unwrap().duration()).collect();
    assert_eq!(lengths, [96_000, 24_000], "a second later");
    let sound = bits_of(&report.files);
    assert!(sound == truths(0..written, 1).iter().map(|s| i64::from(s.to_bits())).collect::<Vec<_>>());
}

#[test]
fn rules_and_names_that_do_not_go_together_are_refused_before_anything_starts() {
    let says = |template: &str, split| {
        Recorder::new(config(template, SampleFormat::F32, split))
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let error = says("out/{name}.wav", every(Duration::from_secs(1)));
    assert!(error.ends_with("one name for many files, expected {time} or {index} in it"), "{error}");
    assert_eq!(says("out/{time}.wav", every(Duration::from_secs(1))), "");
    assert!(says("out/{time}.wav", every(Duration::ZERO)).starts_with("split_every: 0 s"));
}

#[test]
fn a_split_that_has_nothing_to_split_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(config(dir.path().join("{name}.wav"), SampleFormat::F32, SplitRule::default()), 1);
    driver.recorder.command(&SinkCommand::Split).unwrap();
    driver.write(10).unwrap();
    driver.recorder.command(&SinkCommand::Split).unwrap();
    driver.recorder.command(&SinkCommand::Split).unwrap();
    driver.write(10).unwrap();
    let files = driver.finish().files;
    assert_eq!(
        files,
        [dir.path().join("take.wav"), dir.path().join("take-2.wav")],
        "by command a fixed name goes on too"
    );
    assert_eq!(sidecar_of(&files[1])["begun_by"], "command");
    assert_eq!(sidecar_of(&files[0])["ended_by"], "command");
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64),
    Gap(u64),
    Jump(u64),
    Flush,
    Split,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1u64..3000).prop_map(Op::Write),
        1 => (20_000u64..60_000).prop_map(Op::Write),
        2 => (1u64..3000).prop_map(Op::Gap),
        1 => (10_000u64..100_000).prop_map(Op::Gap),
        1 => (1u64..20_000).prop_map(Op::Jump),
        2 => Just(Op::Flush),
        1 => Just(Op::Split),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, by whatever rule it is split: the files are the timeline without a hole, and each begins where its
    /// sidecar says.
    #[test]
    fn any_split_recording_is_the_timeline(
        format in prop_oneof![Just(SampleFormat::F32), Just(SampleFormat::S24), Just(SampleFormat::S16)],
        every_ms in prop_oneof![Just(None), (100u64..700).prop_map(Some)],
        every_bytes in prop_oneof![Just(None), (65_536u64..150_000).prop_map(Some)],
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let rule = SplitRule { every: every_ms.map(Duration::from_millis), every_bytes, at: None };
        let mut split = Driver::start(config(dir.path().join("{index}.wav"), format, rule), 2);
        let mut whole = Driver::start(config(dir.path().join("whole.wav"), format, SplitRule::default()), 2);
        let whole_path = whole.path();
        for op in ops {
            for driver in [&mut split, &mut whole] {
                match op {
                    Op::Write(n) => driver.write(n).unwrap(),
                    Op::Gap(n) => driver.gap(n, GapReason::Lagged),
                    Op::Jump(n) => driver.position += n,
                    Op::Flush => driver.recorder.flush().unwrap(),
                    Op::Split => {}
                }
            }
            if let Op::Split = op {
                split.recorder.command(&SinkCommand::Split).unwrap();
            }
        }
        whole.finish();
        let files = split.finish().files;
        prop_assert!(bits_of(&files) == bits_of(&[whole_path]));
        let mut at = 0;
        for path in &files {
            let sidecar = sidecar_of(path);
            prop_assert_eq!(&sidecar["start"]["position"], at);
            let frames = u64::from(hound::WavReader::open(path).unwrap().duration());
            prop_assert_eq!(&sidecar["frames"], frames);
            at += frames;
        }
    }
}

/// Of one block several files may get a part: more than one boundary lies in it.
#[test]
fn one_block_can_fill_several_files() {
    let dir = tempfile::tempdir().unwrap();
    let rule = every(Duration::from_millis(100));
    let mut driver = Driver::start(config(dir.path().join("{index}.wav"), SampleFormat::F32, rule), 1);
    driver.write(4_800 * 5 + 10).unwrap();
    let gap = Gap { at_frame: FramePosition(driver.position), n_frames: 0, reason: GapReason::Lagged };
    driver.recorder.gap(&gap).unwrap();
    let files = driver.finish().files;
    assert_eq!(files.len(), 6);
    assert!(bits_of(&files) == truths(0..24_010, 1).iter().map(|s| i64::from(s.to_bits())).collect::<Vec<_>>());
}
