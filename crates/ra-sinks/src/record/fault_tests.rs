//! The recorder on a disk that fails: at every byte, at random, for good. The file is read back by hound, which knows
//! nothing of ours.

use std::io::Cursor;

use proptest::prelude::*;
use ra_core::{Block, BlockStamp, FramePosition, Gap, GapReason, Metadata, SinkError, SinkStart, StreamSpec};

use super::{
    config::{RecorderConfig, SampleFormat, Sidecar, SyncRhythm},
    faulty_storage::FaultyDisk,
    series::{BegunBy, EndedBy, Series},
    sidecar::SidecarFile,
    take::{About, Take, TakeParts, TakeTotals},
    wav_writer::WavWriter,
};

/// Where the recordings of these tests begin: not at 0, so that a mix-up of file and timeline shows.
const ORIGIN: u64 = 1_000;

/// The sound at a place: never zero, and different from its neighbours. Exact in all formats' scales.
fn truth(frame: u64, channel: u64) -> f32 {
    let n = (frame * 2 + channel).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (n as f32 / (1u64 << 24) as f32) * 0.9 + 0.05
}

fn truths(frames: std::ops::Range<u64>, channels: u16) -> Vec<f32> {
    frames.flat_map(|f| (0..u64::from(channels)).map(move |c| truth(f, c))).collect()
}

struct Bench {
    disk: FaultyDisk,
    take: Option<Take>,
    spec: StreamSpec,
    position: u64,
}

impl Bench {
    fn new(channels: u16, format: SampleFormat, config: RecorderConfig) -> Self {
        let spec = StreamSpec::new(48_000, channels).unwrap();
        let disk = FaultyDisk::default();
        let start = SinkStart {
            name: "t".into(),
            spec,
            block_frames: 64,
            position: FramePosition(ORIGIN),
            unix_ns: 1_795_256_130_000_000_000,
            unix_minus_monotonic_ns: None,
        };
        let config = RecorderConfig { format, ..config };
        let wav = WavWriter::create(Box::new(disk.clone()), spec, format, start.block_frames).unwrap();
        let sidecar = (config.sidecar == Sidecar::Written).then(|| SidecarFile::beside(&config.path_template));
        let parts = TakeParts {
            start,
            path: config.path_template.clone(),
            container: Box::new(wav),
            sidecar,
            about: About {
                format: format.name(),
                series: Series::default().place_of(&config.path_template, FramePosition(ORIGIN), None),
                begun_by: BegunBy::Start,
                pre_roll_frames: 0,
                metadata: Metadata::default(),
            },
        };
        let take = Take::begin(&config, parts).unwrap();
        Self { disk, take: Some(take), spec, position: ORIGIN }
    }

    /// No sidecar, a header every millisecond: every write goes to the disk at once.
    fn eager(channels: u16, format: SampleFormat) -> Self {
        let config = RecorderConfig { header_interval_ms: 1, sidecar: Sidecar::None, ..RecorderConfig::new("t.wav") };
        Self::new(channels, format, config)
    }

    fn take(&mut self) -> &mut Take {
        self.take.as_mut().unwrap()
    }

    fn write(&mut self, n_frames: u64) -> Result<(), SinkError> {
        let position = self.position;
        self.position += n_frames;
        self.write_at(position, &truths(position..position + n_frames, self.spec.channels.as_u16()))
    }

    fn write_at(&mut self, position: u64, samples: &[f32]) -> Result<(), SinkError> {
        let stamp = BlockStamp { seq: 0, position: FramePosition(position), capture_ns: 0 };
        let spec = self.spec;
        self.take().write(&Block { stamp, spec, samples })
    }

    fn gap(&mut self, n_frames: u64, reason: GapReason) -> Result<(), SinkError> {
        let at_frame = FramePosition(self.position);
        self.position += n_frames;
        self.take().gap(&Gap { at_frame, n_frames, reason })
    }

    fn finish(&mut self) -> Result<TakeTotals, SinkError> {
        let mut take = self.take.take().unwrap();
        take.close(EndedBy::Stop, None).map(|()| take.totals())
    }

    /// What a reader finds in the file at this moment.
    fn read(&self) -> Vec<f32> {
        let bytes = self.disk.bytes();
        let riff_bytes = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        assert!(riff_bytes + 8 <= bytes.len(), "the header speaks of bytes that are not there");
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).expect("the file opens at every moment");
        assert_eq!(usize::from(reader.spec().channels), self.spec.channels.get());
        match reader.spec().sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().map(|s| s.expect("whole frames")).collect(),
            hound::SampleFormat::Int => {
                let scale = f32::from_bits(((reader.spec().bits_per_sample as u32 - 1) + 127) << 23);
                reader.samples::<i32>().map(|s| s.expect("whole frames") as f32 / scale).collect()
            }
        }
    }
}

fn is_full(result: Result<(), SinkError>) -> bool {
    match result {
        Ok(()) => false,
        Err(error) => {
            assert!(matches!(&error, SinkError::File { cause, .. } if cause.kind() == std::io::ErrorKind::StorageFull));
            assert!(!error.is_fatal());
            true
        }
    }
}

/// A disk that is full from byte `room` on, for every `room`: valid at every step, and nothing that was taken is lost.
#[test]
fn a_disk_that_fills_up_at_any_byte_leaves_a_valid_file_and_loses_nothing_taken() {
    for format in [SampleFormat::F32, SampleFormat::S24] {
        let mut bench = Bench::eager(1, format);
        let header_bytes = bench.disk.bytes().len() as u64;
        drop(bench.take.take());
        for room in header_bytes..header_bytes + 420 {
            bench = Bench::eager(1, format);
            bench.disk.with(|d| d.room_bytes = Some(room));
            let mut errors = 0;
            for _ in 0..12 {
                bench.write(9).expect("the buffer has room");
                errors += u32::from(is_full(bench.take().flush()));
                let n_bytes = (bench.position - ORIGIN) * format.bytes() as u64;
                let fits = (room - header_bytes).min(n_bytes) / format.bytes() as u64;
                let read = bench.read();
                assert_eq!(read.len() as u64, fits, "room for {} of {n_bytes} bytes", room - header_bytes);
            }
            assert_eq!(errors > 0, room < header_bytes + 108 * format.bytes() as u64);
            bench.disk.with(|d| d.room_bytes = None);
            bench.take().flush().expect("there is room again");
            bench.finish().unwrap();
            let read = bench.read();
            let tolerance = if format == SampleFormat::F32 { 0.0 } else { 2.0 / 8_388_608.0 };
            for (i, (a, b)) in read.iter().zip(truths(ORIGIN..ORIGIN + 108, 1)).enumerate() {
                assert!((a - b).abs() <= tolerance, "frame {i}: {a} for {b}");
            }
            assert_eq!(read.len(), 108);
        }
    }
}

#[test]
fn a_full_disk_refuses_blocks_and_silence_stands_in_their_place_afterwards() {
    let mut bench = Bench::eager(2, SampleFormat::F32);
    bench.write(64).unwrap();
    bench.disk.with(|d| d.room_bytes = Some(0));
    let mut taken = 64;
    while bench.write(64).is_ok() {
        taken += 64;
    }
    assert_eq!(taken, 64 + 256 * 1024 / 8, "the buffer takes what it can hold");
    for _ in 0..10 {
        assert!(is_full(bench.write(64)));
    }
    assert!(is_full(bench.gap(100, GapReason::DeviceLost)), "the silence does not fit either");
    assert_eq!(bench.read(), truths(ORIGIN..ORIGIN + 64, 2));
    bench.disk.with(|d| d.room_bytes = None);
    bench.write(64).unwrap();
    let totals = bench.finish().unwrap();
    assert_eq!((totals.n_gaps, totals.gap_frames), (2, 804));
    let refused_at = ORIGIN + taken;
    let mut expected = truths(ORIGIN..refused_at, 2);
    expected.extend([0.0; 804 * 2]);
    expected.extend(truths(refused_at + 804..refused_at + 868, 2));
    assert_eq!(bench.read(), expected);
}

#[test]
fn finishing_on_a_full_disk_is_an_error_that_says_what_is_missing() {
    let mut bench = Bench::eager(1, SampleFormat::S16);
    bench.write(100).unwrap();
    bench.take().flush().unwrap();
    let len = bench.disk.bytes().len() as u64;
    bench.disk.with(|d| d.room_bytes = Some(len + 11));
    bench.write(50).unwrap();
    let error = bench.finish().unwrap_err();
    assert!(error.to_string().ends_with("the last 45 frames are not in the file"), "{error}");
    assert_eq!(bench.read().len(), 105);
}

#[test]
fn a_broken_disk_changes_nothing_and_goes_on_when_it_is_whole_again() {
    let mut bench = Bench::eager(1, SampleFormat::F32);
    bench.write(50).unwrap();
    let before = bench.disk.bytes();
    bench.disk.with(|d| d.is_broken = true);
    bench.write(50).unwrap();
    let error = bench.take().flush().unwrap_err();
    assert_eq!(error.to_string(), "t.wav: input/output error");
    assert_eq!(bench.disk.bytes(), before);
    bench.disk.with(|d| (d.is_broken, d.most_per_write) = (false, Some(3)));
    bench.finish().unwrap();
    assert_eq!(bench.read(), truths(ORIGIN..ORIGIN + 100, 1));
}

#[test]
fn a_file_that_was_removed_refuses_blocks_instead_of_swallowing_them() {
    let mut bench = Bench::eager(1, SampleFormat::F32);
    bench.write(50).unwrap();
    bench.disk.with(|d| d.is_removed = true);
    assert!(bench.take().flush().is_err());
    let mut refused = 0;
    for _ in 0..2000 {
        refused += u32::from(bench.write(64).is_err());
    }
    assert!(refused > 900, "{refused}");
    assert!(bench.finish().is_err());
}

#[test]
fn a_drop_without_finish_writes_what_was_taken() {
    let config = RecorderConfig { sidecar: Sidecar::None, ..RecorderConfig::offline("t.wav") };
    let mut bench = Bench::new(1, SampleFormat::F32, config);
    bench.write(77).unwrap();
    assert_eq!(bench.read().len(), 0, "a long header interval keeps it in the buffer");
    drop(bench.take.take());
    assert_eq!(bench.read(), truths(ORIGIN..ORIGIN + 77, 1));
}

#[test]
fn the_header_and_the_syncs_keep_their_rhythm_in_frames() {
    let config = RecorderConfig {
        header_interval_ms: 10,
        sync: SyncRhythm::EveryMs(50),
        sidecar: Sidecar::None,
        ..RecorderConfig::new("t.wav")
    };
    let mut bench = Bench::new(1, SampleFormat::F32, config);
    for block in 1..=100u64 {
        bench.write(120).unwrap();
        assert_eq!(bench.read().len() as u64, block * 120 / 480 * 480, "every 480 frames");
    }
    assert_eq!(bench.disk.with(|d| d.n_syncs), 12_000 / 2_400);
    bench.finish().unwrap();
    assert_eq!(bench.disk.with(|d| d.n_syncs), 6, "and at the end");

    let mut never = Bench::new(1, SampleFormat::F32, RecorderConfig::offline("t.wav"));
    never.write(48_000).unwrap();
    never.finish().unwrap();
    assert_eq!(never.disk.with(|d| d.n_syncs), 0);
}

#[test]
fn what_was_written_before_a_sync_that_failed_is_in_doubt_however_well_the_next_one_does() {
    let config =
        RecorderConfig { sync: SyncRhythm::EveryMs(50), sidecar: Sidecar::None, ..RecorderConfig::new("t.wav") };
    let mut bench = Bench::new(1, SampleFormat::F32, config);
    bench.write(2400).unwrap();
    bench.take().flush().unwrap();
    bench.write(1000).unwrap();
    bench.gap(500, GapReason::Lagged).unwrap();
    bench.write(1500).unwrap();
    bench.disk.with(|d| d.fails_syncs = true);
    assert!(bench.take().flush().is_err());
    let ends =
        |take: &Take| (take.durable_end().0 - ORIGIN, take.held_end().0 - ORIGIN, take.published_end().0 - ORIGIN);
    assert_eq!(ends(bench.take()), (2400, 2400, 5400));
    assert_eq!(bench.take().missing_sound_frames(FramePosition(u64::MAX)), 2500, "silence can't be lost");
    bench.disk.with(|d| d.fails_syncs = false);
    bench.write(100).unwrap();
    bench.take().flush().unwrap();
    assert_eq!(ends(bench.take()), (5500, 5500, 5500));
    assert_eq!((bench.take().take_unsure_frames(), bench.take().take_unsure_frames()), (2500, 0));
    bench.finish().unwrap();
}

#[test]
fn of_the_end_that_was_not_written_the_sound_alone_is_lost() {
    let config = RecorderConfig { sidecar: Sidecar::None, ..RecorderConfig::offline("t.wav") };
    let mut bench = Bench::new(1, SampleFormat::F32, config);
    bench.write(70).unwrap();
    bench.take().flush().unwrap();
    bench.write(30).unwrap();
    bench.gap(1000, GapReason::Lagged).unwrap();
    bench.write(25).unwrap();
    bench.gap(200, GapReason::MixerLate).unwrap();
    bench.disk.with(|d| d.is_broken = true);
    let error = bench.finish().unwrap_err();
    assert!(error.to_string().ends_with("the last 1255 frames are not in the file"), "{error}");
    assert!(matches!(error, SinkError::Tail { lost_frames: 55, .. }), "{error:?}");
}

#[test]
fn calls_that_the_contract_rules_out_are_refused_and_change_nothing() {
    let mut bench = Bench::eager(2, SampleFormat::F32);
    bench.write(10).unwrap();
    let early = bench.write_at(ORIGIN + 9, &[0.5; 4]).unwrap_err();
    assert!(early.to_string().contains("a block at frame 1009, expected frame 1010 or later"), "{early}");
    assert!(bench.write_at(u64::MAX, &[0.5; 4]).is_err());
    assert!(bench.write_at(ORIGIN + 10, &[0.5; 3]).is_err());
    let at_frame = FramePosition(u64::MAX);
    assert!(bench.take().gap(&Gap { at_frame, n_frames: 9, reason: GapReason::Lagged }).is_err());
    let spec = StreamSpec::new(44_100, 2).unwrap();
    let error = bench.take().write(&Block { stamp: BlockStamp::default(), spec, samples: &[0.0; 2] }).unwrap_err();
    assert!(error.is_fatal() && error.to_string().contains("44100 Hz stereo, expected 48000 Hz stereo"), "{error}");
    bench.write(10).unwrap();
    bench.finish().unwrap();
    assert_eq!(bench.read(), truths(ORIGIN..ORIGIN + 20, 2));
}

#[test]
fn a_jump_that_nobody_announced_and_a_gap_told_twice_are_one_gap_each() {
    let mut bench = Bench::eager(1, SampleFormat::F32);
    bench.write(10).unwrap();
    bench.position += 7;
    bench.write(10).unwrap();
    bench.gap(5, GapReason::MixerLate).unwrap();
    bench.position -= 5;
    bench.gap(5, GapReason::MixerLate).unwrap();
    bench.write(1).unwrap();
    let totals = bench.finish().unwrap();
    assert_eq!((totals.n_gaps, totals.gap_frames), (2, 12));
    assert_eq!(bench.read().len(), 33);
    assert_eq!(bench.read()[10..17], [0.0; 7]);
    assert_eq!(bench.read()[27..32], [0.0; 5]);
}

#[test]
fn clipped_samples_are_counted_and_told() {
    let mut bench = Bench::eager(1, SampleFormat::S16);
    bench.write_at(ORIGIN, &[0.0, 1.5, -1.5, 0.5, 2.0]).unwrap();
    assert_eq!(bench.finish().unwrap().clipped_samples, 3);
    let read = bench.read();
    assert_eq!((read[1], read[2], read[4]), (32_767.0 / 32_768.0, -1.0, 32_767.0 / 32_768.0));
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64),
    Gap(u64),
    Flush,
    /// The disk has this much room beyond what is used.
    Room(u64),
    Plenty,
    Break,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u64..200).prop_map(Op::Write),
        2 => (30_000u64..50_000).prop_map(Op::Write),
        2 => (1u64..300).prop_map(Op::Gap),
        1 => (50_000u64..150_000).prop_map(Op::Gap),
        2 => Just(Op::Flush),
        2 => (0u64..5_000).prop_map(Op::Room),
        2 => Just(Op::Plenty),
        1 => Just(Op::Break),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever fails in between, a disk that works at the end holds exactly the timeline: what was taken in its place,
    /// zeros for what was lost or refused. And at every moment it holds a prefix of that.
    #[test]
    fn any_run_of_faults_gives_exactly_the_timeline(channels in 1u16..=2, ops in prop::collection::vec(op(), 1..40)) {
        let mut bench = Bench::eager(channels, SampleFormat::F32);
        let mut expected: Vec<f32> = Vec::new();
        let mut lost = 0;
        for op in ops {
            let at = bench.position;
            match op {
                Op::Write(n) => {
                    if bench.write(n).is_ok() {
                        expected.extend(truths(at..at + n, channels));
                    } else {
                        expected.extend(vec![0.0; n as usize * usize::from(channels)]);
                        lost += n;
                    }
                }
                Op::Gap(n) => {
                    // An error says that the silence is owed; it is paid later.
                    bench.gap(n, GapReason::Lagged).ok();
                    expected.extend(vec![0.0; n as usize * usize::from(channels)]);
                    lost += n;
                }
                Op::Flush => {
                    if bench.take().flush().is_ok() {
                        prop_assert_eq!(bench.read().len(), expected.len());
                    }
                }
                Op::Room(n) => bench.disk.with(|d| d.room_bytes = Some(d.bytes.len() as u64 + n)),
                Op::Plenty => bench.disk.with(|d| (d.room_bytes, d.is_broken) = (None, false)),
                Op::Break => bench.disk.with(|d| d.is_broken = true),
            }
            let read = bench.read();
            prop_assert!(expected.starts_with(&read), "{} of {} samples", read.len(), expected.len());
        }
        bench.disk.with(|d| (d.room_bytes, d.is_broken) = (None, false));
        let totals = bench.finish().unwrap();
        prop_assert!(bench.read() == expected);
        prop_assert_eq!(totals.gap_frames, lost);
    }
}
