//! Where gaps are listed: at the place of their silence on the buses, all of them, whatever lies between and whoever is away.

use assert_no_alloc::assert_no_alloc;
use ra_core::{GapReason, SourceStats};
use ra_dsp::{Limiter, LimiterConfig};

use super::fickle::{Fickle, config, run, source};
use super::{Bench, spec};
use crate::command::Command;
use crate::{InsertId, SourceConfig, Strip};

/// What a limiter delays by.
const LIMITER_FRAMES: u64 = 240;

fn add_limiter(bench: &mut Bench, strip: Strip, channels: u16) -> InsertId {
    let limiter = Limiter::new(LimiterConfig::default(), spec(48_000, channels)).unwrap();
    bench.tell(|reply| Command::AddInsert { strip, insert: Box::new(limiter), reply }).unwrap()
}

fn run_blocks(bench: &mut Bench, n_blocks: u64, devices: &mut [&mut Fickle]) {
    let mut main = bench.subscribe("main");
    run(bench, &mut main, n_blocks, |_, now_ns| devices.iter_mut().for_each(|device| device.deliver_until(now_ns)));
}

fn assert_complete(stats: &SourceStats) {
    assert_eq!(stats.gaps.iter().map(|gap| gap.n_frames).sum::<u64>(), stats.inserted_frames, "{stats:?}");
    assert!(stats.gaps.windows(2).all(|pair| pair[0].end() <= pair[1].at_frame), "{:?}", stats.gaps);
}

#[test]
fn a_gap_is_listed_where_its_silence_is_heard_behind_all_effects() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut other = Fickle::add(&mut bench, SourceConfig::named("other"));
    // On the way of another source, and of one of two buses: what is not on its way is made up for.
    add_limiter(&mut bench, Strip::Source("other".into()), 1);
    add_limiter(&mut bench, Strip::Bus("main".into()), 2);
    let mut alone = bench.subscribe("source:mic");
    let mut last = 0;
    let got = run(&mut bench, &mut alone, 2000, |n, now_ns| {
        match n {
            1000 => {
                last = mic.end_frame();
                mic.go();
            }
            1300 => mic.come_back(),
            _ => {}
        }
        mic.deliver_until(now_ns);
        other.deliver_until(now_ns);
    });
    let stats = source(&bench, "mic");
    assert_complete(&stats);
    assert_eq!(stats.gaps.len(), 1, "{:?}", stats.gaps);
    let gap = stats.gaps[0];
    let (from, to) = (last + 2 * LIMITER_FRAMES, mic.begin_frame() + 2 * LIMITER_FRAMES);
    assert!(gap.at_frame.0.abs_diff(from) <= 2, "{gap:?}, expected from {from}");
    assert!(gap.end().0.abs_diff(to) <= 3, "{gap:?}, expected to {to}");
    // What is heard last decays for 1.5 ms, and the resampler rings on.
    let sounding = got[..gap.end().0 as usize - 100].iter().rposition(|x| x.abs() > 1e-3).unwrap() as u64;
    assert!((from - 24..from + 72 + 24).contains(&sounding), "sound up to {sounding}, {from}");
    let end = got.iter().skip(gap.at_frame.0 as usize + 200).position(|x| x.abs() > 1e-3).unwrap() as u64;
    let end = gap.at_frame.0 + 200 + end;
    assert!(end.abs_diff(to) < 48, "sound from {end} on, {to}");
}

#[test]
fn a_gap_in_which_effects_come_and_go_is_one() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    run_blocks(&mut bench, 1000, &mut [&mut mic]);
    for _ in 0..2 {
        let last = mic.end_frame();
        mic.go();
        run_blocks(&mut bench, 100, &mut [&mut mic]);
        let id = add_limiter(&mut bench, Strip::Bus("main".into()), 2);
        run_blocks(&mut bench, 100, &mut [&mut mic]);
        mic.come_back();
        run_blocks(&mut bench, 300, &mut [&mut mic]);
        let stats = source(&bench, "mic");
        assert_complete(&stats);
        assert!(stats.gaps.last().unwrap().at_frame.0.abs_diff(last) <= 2, "{last}: {:?}", stats.gaps);
        let strip = Strip::Bus("main".into());
        bench.tell(|reply| Command::RemoveInsert { strip, id, reply }).unwrap();
        run_blocks(&mut bench, 300, &mut [&mut mic]);
    }
    assert_eq!(source(&bench, "mic").gaps.len(), 2);
}

#[test]
fn no_gap_is_lost_while_the_control_side_is_away() {
    let mut bench = Bench::new(config());
    let mut all: Vec<_> = (0..16).map(|n| Fickle::add(&mut bench, SourceConfig::named(format!("mic {n}")))).collect();
    run_blocks(&mut bench, 500, &mut all.iter_mut().collect::<Vec<_>>());
    all.iter_mut().for_each(Fickle::go);
    run_blocks(&mut bench, 100, &mut []);
    // Each of them tells of its silence in every block, and nobody listens for more than two seconds.
    for _ in 0..800 {
        assert_no_alloc(|| bench.mixer.step());
    }
    bench.settle();
    all.iter_mut().for_each(Fickle::come_back);
    run_blocks(&mut bench, 500, &mut all.iter_mut().collect::<Vec<_>>());
    let stats = bench.control.stats();
    assert_eq!(stats.engine.lost_events, 0);
    for mic in &stats.sources {
        assert_complete(mic);
        assert_eq!((mic.gaps.len(), mic.gaps[0].reason), (1, GapReason::DeviceLost), "{:?}", mic.gaps);
    }
}

#[test]
fn gaps_that_nobody_came_for_are_counted() {
    let mut bench = Bench::new(config());
    let mut all: Vec<_> = (0..16).map(|n| Fickle::add(&mut bench, SourceConfig::named(format!("mic {n}")))).collect();
    run_blocks(&mut bench, 500, &mut all.iter_mut().collect::<Vec<_>>());
    // Whole again and again, they have more gaps than there is room for.
    for n in 0..2000 {
        if n % 32 < 8 {
            let now_ns = bench.mixer.next_deadline_ns();
            all.iter_mut().for_each(|mic| mic.deliver_until(now_ns));
        }
        assert_no_alloc(|| bench.mixer.step());
    }
    bench.settle();
    let stats = bench.control.stats();
    assert!(stats.engine.lost_events > 0, "{:?}", stats.engine);
    let listed = |mic: &SourceStats| mic.gaps.iter().map(|gap| gap.n_frames).sum::<u64>();
    assert!(stats.sources.iter().any(|mic| listed(mic) < mic.inserted_frames), "the counters know of all");
}

#[test]
fn a_source_that_leaves_with_a_gap_that_was_not_told_tells_it() {
    let mut bench = Bench::new(config());
    let mut mic = Fickle::add(&mut bench, SourceConfig::named("mic"));
    let mut others: Vec<_> =
        (0..16).map(|n| Fickle::add(&mut bench, SourceConfig::named(format!("other {n}")))).collect();
    run_blocks(&mut bench, 500, &mut others.iter_mut().chain([&mut mic]).collect::<Vec<_>>());
    mic.go();
    others.iter_mut().for_each(Fickle::go);
    run_blocks(&mut bench, 50, &mut []);
    let (reply, _answer) = crossbeam_channel::bounded(1);
    for _ in 0..600 {
        bench.mixer.step();
    }
    bench.control.handle(Command::RemoveSource { name: "mic".into(), reply });
    for _ in 0..100 {
        bench.mixer.step();
    }
    bench.settle();
    let mic = bench.control.stats().sources[0].clone();
    assert_complete(&mic);
    assert!(mic.inserted_frames > 600 * 128);
}
