//! Disks that fail in ways that no real one can be made to at will: single calls are refused, by a tap on the recorder's
//! files.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use proptest::prelude::*;
use ra_core::{GapReason, Sink, SinkCommand, SinkError};
use ra_sinks::{
    RecordFrom, RecorderConfig, SplitRule, StorageCall, StorageTap, StorageTapGuard, SyncRhythm, tap_storage_below,
};
use serde_json::Value;

use crate::signal::{Driver, floats, sidecar_of, truths};

type Rule = Box<dyn FnMut(&Path, StorageCall<'_>) -> io::Result<()> + Send>;

/// Asks a rule before each call, and counts the bytes that were written.
struct Faults {
    rule: Mutex<Rule>,
    n_bytes: AtomicU64,
}

impl Faults {
    fn below(dir: &Path, rule: impl FnMut(&Path, StorageCall<'_>) -> io::Result<()> + Send + 'static) -> Tapped {
        let faults = Arc::new(Self { rule: Mutex::new(Box::new(rule)), n_bytes: AtomicU64::new(0) });
        Tapped { _guard: tap_storage_below(dir, faults.clone()), faults }
    }
}

struct Tapped {
    _guard: StorageTapGuard,
    faults: Arc<Faults>,
}

impl Tapped {
    fn n_bytes(&self) -> u64 {
        self.faults.n_bytes.load(Ordering::Relaxed)
    }
}

impl StorageTap for Faults {
    fn before(&self, path: &Path, call: StorageCall<'_>) -> io::Result<()> {
        (self.rule.lock().unwrap())(path, call)
    }

    fn after(&self, _path: &Path, call: StorageCall<'_>) {
        if let StorageCall::Write { bytes, .. } = call {
            self.n_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
    }
}

fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// Where a file begins, and how many frames its sidecar promises.
fn span(path: &Path) -> (u64, u64) {
    let sidecar = sidecar_of(path);
    (sidecar["start"]["position"].as_u64().unwrap(), sidecar["frames"].as_u64().unwrap())
}

/// Each file begins where what the one before it surely holds ends, and holds the sound of its place.
fn assert_whole(files: &[PathBuf], n_frames: u64) {
    let mut at = 0;
    for file in files {
        let (begins, n_promised) = span(file);
        assert_eq!(begins, at, "{}", file.display());
        let sound = floats(file);
        assert!(sound.len() as u64 / 2 >= n_promised, "{}", file.display());
        assert!(sound == truths(begins..begins + sound.len() as u64 / 2, 2), "{}", file.display());
        at += n_promised;
    }
    assert_eq!(at, n_frames);
}

/// Writes blocks as an engine does, a flush every 100 ms, whatever it says.
fn write_ms(driver: &mut Driver, ms: u64) -> u64 {
    let mut n_refused = 0;
    for n in 1..=ms * 48 / 128 {
        n_refused += u64::from(driver.write(128).is_err()) * 128;
        if n % 37 == 0 {
            driver.recorder.flush().ok();
        }
    }
    n_refused
}

/// A rule that fails the `nth` sync of a recording, from 1.
fn fail_sync(nth: u64) -> impl FnMut(&Path, StorageCall<'_>) -> io::Result<()> + Send + 'static {
    let mut n_syncs = 0;
    move |_, call| {
        n_syncs += u64::from(call == StorageCall::Sync);
        if call == StorageCall::Sync && n_syncs == nth { Err(broken()) } else { Ok(()) }
    }
}

/// Without it a power cut takes the whole directory, however often the file is synced.
#[test]
fn every_directory_that_is_made_is_made_to_last() {
    let dir = tempfile::tempdir().unwrap();
    let synced = Arc::new(Mutex::new(Vec::new()));
    let rule = {
        let (synced, dir) = (synced.clone(), dir.path().to_owned());
        move |path: &Path, call: StorageCall<'_>| {
            if call == StorageCall::SyncDirectory {
                synced.lock().unwrap().push(path.strip_prefix(&dir).unwrap().to_owned());
            }
            Ok(())
        }
    };
    let _tap = Faults::below(dir.path(), rule);
    std::fs::create_dir(dir.path().join("a")).unwrap();
    let driver = Driver::start(RecorderConfig::new(dir.path().join("a/b/{date}/{name}.wav")), 1);
    drop(driver.finish());
    let names = ["a/b/20261121", "a/b", "a/b/20261121/take.wav"].map(PathBuf::from);
    assert_eq!(*synced.lock().unwrap(), names, "the entries of three directories");
}

/// Linux says once that it could not write, drops what it had, and is content with the next sync.
#[test]
fn what_a_failed_sync_leaves_in_doubt_is_written_to_another_file() {
    for has_failover in [false, true] {
        let (dir, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let _tap = Faults::below(dir.path(), fail_sync(3));
        let config = RecorderConfig {
            failover: has_failover.then(|| second.path().to_owned()),
            ..RecorderConfig::new(dir.path().join("{index}.wav"))
        };
        let mut driver = Driver::start(config, 2);
        assert_eq!(write_ms(&mut driver, 5000), 0);
        assert_eq!(driver.recorder.take_back_frames(), 0);
        let n_frames = driver.position;
        let report = driver.finish();
        assert_eq!(report.notes, ["1 files could not be written to their end; went on in another"]);
        let [first, next] = &report.files[..] else { panic!("{report:?}") };
        assert!(next.starts_with(if has_failover { second.path() } else { dir.path() }));
        let n_promised = span(first).1;
        assert!((96_000..110_000).contains(&n_promised), "two syncs were good: {n_promised}");
        assert_eq!(sidecar_of(first)["state"], "failed");
        assert_whole(&report.files, n_frames);
    }
}

#[test]
fn a_failed_sync_at_the_end_moves_the_rest_to_another_file() {
    let dir = tempfile::tempdir().unwrap();
    // At 1 s, 2 s, 3 s, and at the end.
    let _tap = Faults::below(dir.path(), fail_sync(4));
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{name}.wav")), 2);
    write_ms(&mut driver, 3500);
    let n_frames = driver.position;
    let report = driver.finish();
    assert!(report.files[1].ends_with("take-2.wav"), "{report:?}");
    assert_whole(&report.files, n_frames);
}

#[test]
fn a_disk_that_no_sync_reaches_gets_one_more_chance_and_is_told_of_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let rule = |_: &Path, call: StorageCall<'_>| if call == StorageCall::Sync { Err(broken()) } else { Ok(()) };
    let _tap = Faults::below(dir.path(), rule);
    let mut driver = Driver::start(RecorderConfig::new(dir.path().join("{index}.wav")), 2);
    write_ms(&mut driver, 10_000);
    assert!(driver.recorder.flush().is_err());
    let n_frames = driver.position;
    let error = driver.recorder.finish().unwrap_err();
    assert!(error.to_string().ends_with("may not be on the disk"), "{error}");
    assert!(matches!(error, SinkError::Tail { lost_frames, .. } if lost_frames == n_frames), "{error:?}");
    let n_files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(n_files, 4, "two recordings and their sidecars");
}

/// The disk takes nothing from some frame on, and no flush has said so yet: a split, a pause and the end all come first.
#[test]
fn what_the_end_of_a_file_could_not_write_goes_to_the_second_directory() {
    for by in ["split", "pause", "end"] {
        let (dir, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let is_full = Arc::new(Mutex::new(false));
        let rule = {
            let is_full = is_full.clone();
            move |_: &Path, call: StorageCall<'_>| match call {
                StorageCall::Write { .. } if *is_full.lock().unwrap() => Err(broken()),
                _ => Ok(()),
            }
        };
        let _tap = Faults::below(dir.path(), rule);
        let every = (by == "split").then(|| Duration::from_millis(500));
        let config = RecorderConfig {
            failover: Some(second.path().to_owned()),
            split: SplitRule { every, ..SplitRule::default() },
            ..RecorderConfig::new(dir.path().join("{index}.wav"))
        };
        let mut driver = Driver::start(config, 2);
        for _ in 0..193 {
            driver.write(100).unwrap();
        }
        *is_full.lock().unwrap() = true;
        for _ in 193..241 {
            driver.write(100).unwrap();
        }
        let n_frames = match by {
            "pause" => {
                driver.recorder.command(&SinkCommand::Pause).unwrap();
                driver.position
            }
            _ => driver.position,
        };
        assert_eq!(driver.recorder.take_back_frames(), 0, "{by}");
        let report = driver.finish();
        assert_eq!(report.files.len(), if by == "split" { 3 } else { 2 }, "{report:?}");
        assert!(report.files[1..].iter().all(|path| path.starts_with(second.path())), "{report:?}");
        assert_whole(&report.files, n_frames);
        let numbers: Vec<_> = report.files.iter().map(|path| sidecar_of(path)["series"]["number"].clone()).collect();
        assert_eq!(numbers, (1..=report.files.len()).map(Value::from).collect::<Vec<_>>());
    }
}

#[test]
#[cfg(feature = "opus")]
fn while_both_directories_fail_no_more_is_taken_than_another_file_could_take_over() {
    let (dir, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut guards = Vec::new();
    let is_broken = [Arc::new(Mutex::new(false)), Arc::new(Mutex::new(false))];
    for (dir, is_broken) in [&dir, &second].into_iter().zip(&is_broken) {
        let is_broken = is_broken.clone();
        let rule = move |_: &Path, _: StorageCall<'_>| if *is_broken.lock().unwrap() { Err(broken()) } else { Ok(()) };
        guards.push(Faults::below(dir.path(), rule));
    }
    let config = RecorderConfig {
        bitrate_kbps: 32,
        failover: Some(second.path().to_owned()),
        ..RecorderConfig::new(dir.path().join("{index}.opus"))
    };
    let mut driver = Driver::start(config, 2);
    write_ms(&mut driver, 1000);
    is_broken.iter().for_each(|is_broken| *is_broken.lock().unwrap() = true);
    let n_refused = write_ms(&mut driver, 30_000);
    assert!((14 * 48_000..=15 * 48_000).contains(&n_refused), "16 s are kept, pages would last a minute: {n_refused}");
    *is_broken[1].lock().unwrap() = false;
    let n_until_next_try = write_ms(&mut driver, 2000);
    assert!(n_until_next_try < 48_000, "{n_until_next_try}");
    assert_eq!(driver.recorder.take_back_frames(), 0, "what was taken is in the second");
    let report = driver.finish();
    assert!(report.files[1].starts_with(second.path()));
    let gap = sidecar_of(&report.files[1])["gap_frames"].as_u64().unwrap();
    assert_eq!(gap, n_refused + n_until_next_try);
}

/// As fast as a codec can take it would be seconds, in which nobody reads the ring.
#[test]
fn a_pre_roll_comes_to_the_file_in_small_pieces_beside_the_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let tap = Faults::below(dir.path(), |_, _| Ok(()));
    let config = RecorderConfig {
        record_from: RecordFrom::Resume,
        pre_roll: Duration::from_secs(10),
        ..RecorderConfig::new(dir.path().join("{index}.wav"))
    };
    let mut driver = Driver::start(config, 2);
    write_ms(&mut driver, 12_000);
    driver.recorder.command(&SinkCommand::Resume).unwrap();
    let resumed_at = driver.position;
    let mut most_bytes = tap.n_bytes();
    let mut n_blocks = 0;
    while tap.n_bytes() < 10 * 48_000 * 8 {
        let before = tap.n_bytes();
        driver.write(128).unwrap();
        n_blocks += 1;
        if n_blocks % 37 == 0 {
            driver.recorder.flush().unwrap();
        }
        most_bytes = most_bytes.max(tap.n_bytes() - before);
    }
    assert!(most_bytes < 2 * 48_000 * 8, "{most_bytes} bytes in one call of ten seconds of sound");
    assert!(n_blocks < 400, "it has caught up after {n_blocks} blocks");
    let n_frames = driver.position;
    assert_eq!(driver.recorder.take_back_frames(), 0);
    let report = driver.finish();
    assert!(floats(&report.files[0]) == truths(resumed_at - 480_000..n_frames, 2));
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64),
    Gap(u64),
    Flush,
    Split,
    Pause,
    Resume,
    /// The first directory takes nothing.
    Break,
    /// Its next sync fails, once.
    FailSync,
    Heal,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (1u64..4000).prop_map(Op::Write),
        1 => (1u64..4000).prop_map(Op::Gap),
        3 => Just(Op::Flush),
        1 => Just(Op::Split),
        1 => Just(Op::Pause),
        2 => Just(Op::Resume),
        1 => Just(Op::Break),
        1 => Just(Op::FailSync),
        2 => Just(Op::Heal),
    ]
}

/// Where real syncs cost nothing, if there is such a place: these tests ask for thousands.
fn quick_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Whatever the first directory does, and whatever is commanded: with a second one that works every frame that is to be
    /// recorded is in a file, where the sidecars say.
    #[test]
    fn with_a_second_directory_no_run_of_faults_and_commands_costs_a_frame(
        pre_roll_ms in prop_oneof![Just(0u64), 1u64..300],
        every_ms in prop_oneof![Just(None), (100u64..400).prop_map(Some)],
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let (dir, second) = (quick_dir(), quick_dir());
        let state = Arc::new(Mutex::new((false, false)));
        let rule = {
            let state = state.clone();
            move |_: &Path, call: StorageCall<'_>| {
                let (is_broken, fails_sync) = &mut *state.lock().unwrap();
                let fails = *is_broken || call == StorageCall::Sync && std::mem::take(fails_sync);
                if fails { Err(broken()) } else { Ok(()) }
            }
        };
        let _tap = Faults::below(dir.path(), rule);
        let config = RecorderConfig {
            pre_roll: Duration::from_millis(pre_roll_ms),
            split: SplitRule { every: every_ms.map(Duration::from_millis), ..SplitRule::default() },
            sync: SyncRhythm::EveryMs(50),
            failover: Some(second.path().to_owned()),
            ..RecorderConfig::new(dir.path().join("{index}.wav"))
        };
        let mut driver = Driver::start(config, 1);
        let (mut timeline, mut wanted) = (Vec::new(), Vec::<Range<u64>>::new());
        let (mut paused_at, mut begun_at) = (None, 0);
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
                Op::Flush => drop(driver.recorder.flush()),
                Op::Split => drop(driver.recorder.command(&SinkCommand::Split)),
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
                Op::Break => state.lock().unwrap().0 = true,
                Op::FailSync => state.lock().unwrap().1 = true,
                Op::Heal => *state.lock().unwrap() = (false, false),
            }
        }
        if paused_at.is_none() {
            wanted.push(begun_at..driver.position);
        }
        // A sync that fails when all there is was synced before is told, and costs nothing.
        let report = match driver.recorder.finish() {
            Err(SinkError::Tail { lost_frames: 0, .. }) => driver.recorder.take_report().unwrap(),
            finished => finished.unwrap(),
        };
        prop_assert_eq!(driver.recorder.take_back_frames(), 0);
        let mut recorded = Vec::<Range<u64>>::new();
        for path in &report.files {
            let (sidecar, (begin, n_promised), sound) = (sidecar_of(path), span(path), floats(path));
            prop_assert!(sound.len() as u64 >= n_promised, "{:?}", path);
            let end = begin + n_promised;
            prop_assert!(sound[..n_promised as usize] == timeline[begin as usize..end as usize], "{:?}", begin..end);
            match recorded.last_mut() {
                Some(last) if sidecar["begun_by"] != "resume" => {
                    prop_assert_eq!(last.end, begin, "{:?}", path);
                    last.end = end;
                }
                _ => recorded.push(begin..end),
            }
        }
        prop_assert_eq!(recorded, wanted);
    }
}
