//! Pause, resume, and what came before: every file says where it stands, and holds exactly what it should.

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use ra_core::{Block, BlockStamp, FramePosition, GapReason, Sink, SinkCommand, SinkError, SinkStart};
use ra_sinks::{RecordFrom, Recorder, RecorderConfig, SplitRule, SyncRhythm};
use serde_json::json;

use crate::signal::{Driver, UNIX_NS, floats, sidecar_of, start_of, truths};

#[test]
fn a_pause_ends_the_file_and_a_resume_begins_the_next_one_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}-{index}.wav")), 2);
    driver.write(1000).unwrap();
    driver.recorder.command(&SinkCommand::Pause).unwrap();
    driver.recorder.command(&SinkCommand::Pause).unwrap();
    assert!(driver.recorder.path().is_none());
    driver.write(2000).unwrap();
    driver.gap(500, GapReason::Lagged);
    driver.recorder.flush().unwrap();
    let error = driver.recorder.command(&SinkCommand::Split).unwrap_err();
    assert_eq!(error.to_string(), "a split while paused is not supported");
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    driver.write(3000).unwrap();
    let report = driver.finish();
    assert_eq!(report.notes, ["1 pauses"], "what was not wanted is no gap");
    let [first, second] = &report.files[..] else { panic!("{report:?}") };
    assert!(floats(first) == truths(0..1000, 2));
    assert!(floats(second) == truths(3500..6500, 2));
    let (first, second) = (sidecar_of(first), sidecar_of(second));
    assert_eq!((&first["ended_by"], &first["state"]), (&json!("pause"), &json!("finished")));
    assert_eq!((&second["begun_by"], &second["start"]["position"]), (&json!("resume"), &json!(3500)));
    assert_eq!((&second["gap_count"], &second["pre_roll_frames"]), (&json!(0), &json!(0)));
    assert_eq!(second["series"]["previous"][0], json!({ "file": "take-0001.wav", "position": 0, "frames": 1000 }));
}

#[test]
fn a_pre_roll_begins_exactly_so_many_frames_earlier() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig {
        record_from: RecordFrom::Resume,
        pre_roll: Duration::from_millis(250),
        ..RecorderConfig::new(dir.path().join("{name}-{index}.wav"))
    };
    let mut driver = Driver::start(config, 2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "it is armed, and creates nothing");
    for _ in 0..1000 {
        driver.write(127).unwrap();
    }
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    driver.write(5000).unwrap();
    driver.recorder.command(&SinkCommand::Pause).unwrap();
    driver.write(700).unwrap();
    driver.gap(300, GapReason::Lagged);
    driver.write(100).unwrap();
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    driver.write(1).unwrap();
    let files = driver.finish().files;
    let resumed_at = 127_000;
    assert!(floats(&files[0]) == truths(resumed_at - 12_000..resumed_at + 5000, 2));
    let sidecar = sidecar_of(&files[0]);
    assert_eq!((&sidecar["pre_roll_frames"], &sidecar["start"]["position"]), (&json!(12_000), &json!(115_000)));
    assert_eq!(sidecar["start"]["time"], "2026-11-21T10:15:32.395833333Z", "when its first frame was captured");
    // The second has what came since the first ended, and no more, with the hole in it.
    let paused_at = resumed_at + 5000;
    let mut expected = truths(paused_at..paused_at + 700, 2);
    expected.extend([0.0; 600]);
    expected.extend(truths(paused_at + 1000..paused_at + 1101, 2));
    assert!(floats(&files[1]) == expected);
    let sidecar = sidecar_of(&files[1]);
    assert_eq!((&sidecar["pre_roll_frames"], &sidecar["gap_frames"]), (&json!(1100), &json!(300)));
    assert_eq!(sidecar["gaps"][0]["in_file_frame"], 700);
}

#[test]
fn a_pre_roll_that_is_not_full_yet_has_the_date_of_its_first_frame() {
    let dir = tempfile::tempdir().unwrap();
    // The machine has been up for eleven days.
    let up_ns = 1_000_000_000_000_000;
    let config = RecorderConfig {
        record_from: RecordFrom::Resume,
        pre_roll: Duration::from_secs(1),
        ..RecorderConfig::new(dir.path().join("{time}.wav"))
    };
    let start = SinkStart { unix_minus_monotonic_ns: Some(UNIX_NS - i128::from(up_ns)), ..start_of("take", 1) };
    let mut recorder = Recorder::new(config).unwrap();
    recorder.start(&start).unwrap();
    for n in 0..10u64 {
        let stamp = BlockStamp { seq: n, position: FramePosition(n * 480), capture_ns: up_ns + n * 10_000_000 };
        recorder.write(&Block { stamp, spec: start.spec, samples: &truths(n * 480..n * 480 + 480, 1) }).unwrap();
    }
    recorder.command(&SinkCommand::Resume).unwrap();
    let path = recorder.finish().unwrap().files.remove(0);
    assert!(path.ends_with("20261121T101530Z.wav"));
    assert_eq!(sidecar_of(&path)["start"]["time"], "2026-11-21T10:15:30Z");
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.windows(18).any(|w| w == b"2026-11-2110:15:30"), "in bext too");
    assert!(floats(&path) == truths(0..4800, 1));
}

#[test]
fn a_pre_roll_keeps_to_the_rules_for_splits() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig {
        record_from: RecordFrom::Resume,
        pre_roll: Duration::from_millis(250),
        split: SplitRule { every: Some(Duration::from_millis(100)), ..SplitRule::default() },
        ..RecorderConfig::new(dir.path().join("{index}.wav"))
    };
    let mut driver = Driver::start(config, 2);
    for _ in 0..100 {
        driver.write(480).unwrap();
    }
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    for _ in 0..30 {
        driver.write(480).unwrap();
    }
    let files = driver.finish().files;
    let sound: Vec<Vec<f32>> = files.iter().map(|path| floats(path)).collect();
    let lengths: Vec<usize> = sound.iter().map(|samples| samples.len() / 2).collect();
    assert_eq!(lengths, [4800, 4800, 4800, 4800, 4800, 2400]);
    assert!(sound.concat() == truths(36_000..62_400, 2));
    assert_eq!(sidecar_of(&files[1])["begun_by"], "split");
}

#[test]
fn an_armed_recorder_that_is_never_let_go_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        RecorderConfig { record_from: RecordFrom::Resume, ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config, 1);
    driver.write(1000).unwrap();
    assert!(driver.finish().files.is_empty());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_resume_that_finds_no_name_says_so_and_waits_on_with_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("take.wav");
    fs::write(&path, "precious").unwrap();
    let config = RecorderConfig {
        record_from: RecordFrom::Resume,
        pre_roll: Duration::from_secs(1),
        ..RecorderConfig::new(&path)
    };
    let mut driver = Driver::start(config, 1);
    driver.write(1000).unwrap();
    let error = driver.recorder.command(&SinkCommand::Resume).unwrap_err();
    assert!(matches!(error, SinkError::File { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    driver.write(1000).unwrap();
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    let files = driver.finish().files;
    assert!(floats(&files[0]) == truths(0..2000, 1));
}

#[test]
#[cfg(feature = "flac")]
fn metadata_is_in_the_sidecar_at_once_and_in_the_next_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{index}.flac")), 1);
    driver.write(1000).unwrap();
    let metadata = ra_core::Metadata { title: Some("Néws \"at\" ten".into()), ..Default::default() };
    driver.recorder.command(&SinkCommand::SetMetadata(metadata)).unwrap();
    driver.recorder.flush().unwrap();
    assert_eq!(sidecar_of(&driver.path())["metadata"]["title"], "Néws \"at\" ten");
    driver.recorder.command(&SinkCommand::Split).unwrap();
    driver.write(1000).unwrap();
    let files = driver.finish().files;
    let has_tag = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(11).any(|w| w == "TITLE=Néws".as_bytes())
    };
    assert_eq!([has_tag(&files[0]), has_tag(&files[1])], [false, true]);
}

#[test]
fn channel_groups_are_recorded_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let config = RecorderConfig { channels: vec![3, 1], ..RecorderConfig::new(dir.path().join("{name}.wav")) };
    let mut driver = Driver::start(config.clone(), 4);
    driver.write(500).unwrap();
    let files = driver.finish().files;
    let expected: Vec<f32> = truths(0..500, 4).chunks(4).flat_map(|frame| [frame[2], frame[0]]).collect();
    assert!(floats(&files[0]) == expected);
    let sidecar = sidecar_of(&files[0]);
    assert_eq!((&sidecar["channels"], &sidecar["channels_of_bus"]), (&json!(2), &json!([3, 1])));
    let error = Recorder::new(config).unwrap().start(&start_of("x", 2)).unwrap_err();
    assert_eq!(error.to_string(), "channels: channel 3, expected 1 to 2: the bus is 48000 Hz stereo");
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64),
    Gap(u64),
    Pause,
    Resume,
    Split,
    Flush,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u64..4000).prop_map(Op::Write),
        1 => (1u64..4000).prop_map(Op::Gap),
        1 => Just(Op::Pause),
        1 => Just(Op::Resume),
        1 => Just(Op::Split),
        1 => Just(Op::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is commanded when: the files hold exactly what was to be recorded and the pre-rolls before it, each where its
    /// sidecar says.
    #[test]
    fn any_run_of_commands_records_exactly_what_was_wanted(
        pre_roll_ms in prop_oneof![Just(0u64), 1u64..200],
        is_armed in any::<bool>(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let config = RecorderConfig {
            record_from: if is_armed { RecordFrom::Resume } else { RecordFrom::Start },
            pre_roll: Duration::from_millis(pre_roll_ms),
            sync: SyncRhythm::Never,
            ..RecorderConfig::new(dir.path().join("{index}.wav"))
        };
        let mut driver = Driver::start(config, 1);
        // The sound of the timeline, zero where it is missing; and what of it is wanted.
        let (mut timeline, mut wanted) = (Vec::new(), Vec::<std::ops::Range<u64>>::new());
        let mut paused_at = is_armed.then_some(0);
        let mut begun_at = 0;
        for op in ops {
            let at = driver.position;
            match op {
                Op::Write(n) => {
                    driver.write(n).unwrap();
                    timeline.extend(truths(at..at + n, 1));
                }
                Op::Gap(n) => {
                    driver.gap(n, GapReason::Lagged);
                    timeline.extend(vec![0.0; n as usize]);
                }
                Op::Pause => {
                    driver.recorder.command(&SinkCommand::Pause).unwrap();
                    if paused_at.is_none() {
                        wanted.push(begun_at..at);
                        paused_at = Some(at);
                    }
                }
                Op::Resume => {
                    driver.recorder.command(&SinkCommand::Resume).unwrap();
                    if let Some(paused_at) = paused_at.take() {
                        begun_at = at.saturating_sub(pre_roll_ms * 48).max(paused_at);
                    }
                }
                Op::Split => prop_assert_eq!(driver.recorder.command(&SinkCommand::Split).is_ok(), paused_at.is_none()),
                Op::Flush => driver.recorder.flush().unwrap(),
            }
        }
        if paused_at.is_none() {
            wanted.push(begun_at..driver.position);
        }
        let mut recorded = Vec::<std::ops::Range<u64>>::new();
        for path in driver.finish().files {
            let (sidecar, sound) = (sidecar_of(&path), floats(&path));
            let begin = sidecar["start"]["position"].as_u64().unwrap();
            let end = begin + sound.len() as u64;
            prop_assert!(sound == timeline[begin as usize..end as usize], "{:?}", begin..end);
            match recorded.last_mut() {
                Some(last) if sidecar["begun_by"] == "command" => {
                    prop_assert_eq!(last.end, begin);
                    last.end = end;
                }
                _ => recorded.push(begin..end),
            }
        }
        prop_assert_eq!(recorded, wanted);
    }
}
