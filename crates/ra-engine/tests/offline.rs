//! The offline engine: what comes out is the sum of what went in, in its place and of its length.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod support;

use ra_engine::core::{ChannelCount, SinkState, SourceState};
use ra_engine::sources::{MockConfig, MockSource, Signal};
use ra_engine::{AnySource, BusConfig, CommandError, EngineConfig, MonoLaw, OfflineEngine, SinkConfig, SourceConfig};
use support::{Collect, Samples};

fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn engine() -> OfflineEngine {
    OfflineEngine::new(EngineConfig::default()).unwrap()
}

#[test]
fn thirty_two_sources_of_many_lengths_sum_exactly_and_to_the_frame() {
    let mut engine = engine();
    let inputs: Vec<Vec<f32>> = (0..32).map(|i| noise(2 * (10_000 + 777 * i), i as u32)).collect();
    for (i, samples) in inputs.iter().enumerate() {
        let source = AnySource::pulled(Samples::new(48_000, 2, samples.clone()));
        engine.add_source(SourceConfig::named(format!("s{i}")), source).unwrap();
    }
    let sink = Collect::default();
    let heard = sink.0.clone();
    engine.add_sink(SinkConfig::named("out"), Box::new(sink)).unwrap();
    let mut last_progress = 0;
    let stats = engine.run(&mut |n_frames| last_progress = n_frames);

    let out = heard.samples();
    assert_eq!(out.len(), inputs[31].len());
    assert!(last_progress > 0);
    for (at, &sample) in out.iter().enumerate() {
        let sum: f64 = inputs.iter().map(|input| f64::from(*input.get(at).unwrap_or(&0.0))).sum();
        assert!((f64::from(sample) - sum).abs() < 1e-6, "sample {at}: {sample} is not {sum}");
    }
    for (source, input) in stats.sources.iter().zip(&inputs) {
        assert!(source.account.is_balanced());
        assert_eq!(source.account.delivered_frames, input.len() as u64 / 2);
        assert_eq!(source.state, SourceState::Ended);
        assert_eq!(source.xruns, 0);
    }
    let account = stats.sinks[0].account;
    assert!(account.is_balanced());
    assert_eq!((account.delivered_frames, account.queued_frames), (out.len() as u64 / 2, 0));
    assert_eq!(stats.sinks[0].state, SinkState::Ok);
    assert_eq!(heard.n_finished.load(std::sync::atomic::Ordering::Acquire), 1);
}

#[test]
fn gain_pan_mute_and_solo_are_what_they_say_from_the_first_frame_on() {
    let run = |config: SourceConfig, channels: u16| {
        let mut engine = engine();
        let source = Samples::new(48_000, channels, vec![0.5; 1000 * usize::from(channels)]);
        engine.add_source(config, AnySource::pulled(source)).unwrap();
        let sink = Collect::default();
        let heard = sink.0.clone();
        engine.add_sink(SinkConfig::named("out"), Box::new(sink)).unwrap();
        engine.run(&mut |_| {});
        let out = heard.samples();
        assert_eq!(out.len(), 2000);
        assert!(out.chunks(2).all(|frame| frame == &out[..2]), "constant from the first frame on");
        (out[0], out[1])
    };
    let named = || SourceConfig::named("s");
    let near = |(left, right): (f32, f32), want: (f32, f32)| {
        assert!((left - want.0).abs() < 1e-6 && (right - want.1).abs() < 1e-6, "{left} {right}, expected {want:?}");
    };
    near(run(named(), 2), (0.5, 0.5));
    near(run(SourceConfig { gain_db: -20.0, ..named() }, 2), (0.05, 0.05));
    near(run(SourceConfig { pan: -1.0, ..named() }, 2), (0.5, 0.0));
    near(run(named(), 1), (0.5 * 0.5_f32.sqrt(), 0.5 * 0.5_f32.sqrt()));
    near(run(SourceConfig { mono_law: MonoLaw::Unity, ..named() }, 1), (0.5, 0.5));
    near(run(SourceConfig { mute: true, ..named() }, 2), (0.0, 0.0));
}

#[test]
fn a_solo_silences_the_others_but_not_their_own_buses() {
    let mut engine = engine();
    let constant = |value| AnySource::pulled(Samples::new(48_000, 2, vec![value; 2000]));
    engine.add_source(SourceConfig { solo: true, ..SourceConfig::named("a") }, constant(0.25)).unwrap();
    engine.add_source(SourceConfig::named("b"), constant(0.5)).unwrap();
    let (mix, own) = (Collect::default(), Collect::default());
    let (mix_heard, own_heard) = (mix.0.clone(), own.0.clone());
    engine.add_sink(SinkConfig::named("mix"), Box::new(mix)).unwrap();
    engine.add_sink(SinkConfig { from: "source:b".into(), ..SinkConfig::named("own") }, Box::new(own)).unwrap();
    engine.run(&mut |_| {});
    let mixed = mix_heard.samples();
    assert!(mixed.iter().all(|&sample| sample == 0.25), "{:?}", &mixed[..4]);
    assert!(own_heard.samples().iter().all(|&sample| sample == 0.5));
}

#[test]
fn buses_take_what_is_routed_to_them_and_share_one_stamp() {
    let mut engine = engine();
    engine.add_bus(BusConfig { name: "talkback".into(), channels: ChannelCount::MONO }).unwrap();
    let constant = |value| AnySource::pulled(Samples::new(48_000, 1, vec![value; 1000]));
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let unity = SourceConfig { mono_law: MonoLaw::Unity, ..SourceConfig::named("a") };
    engine.add_source(SourceConfig { to: to(&["talkback"]), ..unity.clone() }, constant(0.25)).unwrap();
    let both = SourceConfig { name: "b".into(), to: to(&["main", "talkback"]), ..unity };
    engine.add_source(both, constant(0.5)).unwrap();
    let (main, talk) = (Collect::default(), Collect::default());
    let (main_heard, talk_heard) = (main.0.clone(), talk.0.clone());
    engine.add_sink(SinkConfig::named("m"), Box::new(main)).unwrap();
    engine.add_sink(SinkConfig { from: "talkback".into(), ..SinkConfig::named("t") }, Box::new(talk)).unwrap();
    engine.run(&mut |_| {});
    assert!(main_heard.samples().iter().all(|&sample| sample == 0.5));
    assert!(talk_heard.samples().iter().all(|&sample| sample == 0.75));
    assert_eq!((main_heard.n_samples(), talk_heard.n_samples()), (2000, 1000));
}

#[test]
fn bad_samples_are_counted_and_silent() {
    let mut engine = engine();
    let mut samples = vec![0.5; 2000];
    samples[10] = f32::NAN;
    samples[11] = f32::INFINITY;
    samples[1500] = f32::NEG_INFINITY;
    engine.add_source(SourceConfig::named("bad"), AnySource::pulled(Samples::new(48_000, 2, samples))).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    engine.add_sink(SinkConfig::named("out"), Box::new(sink)).unwrap();
    let stats = engine.run(&mut |_| {});
    let out = heard.samples();
    assert_eq!(stats.sources[0].non_finite_samples, 3);
    assert_eq!((out[10], out[11], out[1500]), (0.0, 0.0, 0.0));
    assert_eq!(out.iter().filter(|&&sample| sample == 0.5).count(), 1997);
}

#[test]
fn other_rates_keep_their_place_length_and_level() {
    // A 997 Hz tone for exactly one second at 44.1 kHz, on a 48 kHz timeline.
    let mut engine = engine();
    let spec = ra_engine::core::StreamSpec::new(44_100, 1).unwrap();
    let tone = MockSource::new(MockConfig {
        duration_frames: Some(44_100),
        ..MockConfig::new(spec, Signal::Tone { hz: 997.0, dbfs: -12.0 })
    })
    .unwrap();
    let unity = SourceConfig { mono_law: MonoLaw::Unity, ..SourceConfig::named("tone") };
    engine.add_source(unity, AnySource::pulled(tone)).unwrap();
    let sink = Collect::default();
    let heard = sink.0.clone();
    engine.add_sink(SinkConfig::named("out"), Box::new(sink)).unwrap();
    let stats = engine.run(&mut |_| {});
    let out = heard.samples();
    assert_eq!(out.len(), 2 * 48_000);
    assert_eq!(stats.sources[0].account.delivered_frames, 44_100, "in the source's own frames");
    let amplitude = 10_f64.powf(-12.0 / 20.0);
    let (mut in_phase, mut quadrature, mut residual) = (0.0, 0.0, 0.0_f64);
    let middle = 4_000..44_000;
    for n in middle.clone() {
        let phase = std::f64::consts::TAU * 997.0 * n as f64 / 48_000.0;
        let sample = f64::from(out[2 * n]);
        in_phase += sample * phase.sin();
        quadrature += sample * phase.cos();
        residual = residual.max((sample - amplitude * phase.sin()).abs());
    }
    let scale = 2.0 / middle.len() as f64;
    let level_db = 20.0 * ((in_phase * scale).hypot(quadrature * scale) / amplitude).log10();
    assert!(level_db.abs() < 0.01, "{level_db} dB off");
    assert!(residual < 1e-3 * amplitude, "in its place: off by {residual}");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut engine = engine();
    let constant = || AnySource::pulled(Samples::new(48_000, 2, vec![0.5; 20]));
    engine.add_source(SourceConfig::named("a"), constant()).unwrap();
    let again = engine.add_source(SourceConfig::named("a"), constant());
    assert!(matches!(again, Err(CommandError::NameTaken { .. })), "{again:?}");
    let nowhere = SourceConfig { to: vec!["nowhere".into()], ..SourceConfig::named("b") };
    let error = engine.add_source(nowhere, constant()).unwrap_err().to_string();
    assert_eq!(error, "there is no bus \"nowhere\"; there are main");
    for (gain_db, pan) in [(f32::NAN, 0.0), (41.0, 0.0), (0.0, 1.5), (0.0, f32::NAN)] {
        let config = SourceConfig { gain_db, pan, ..SourceConfig::named("c") };
        assert!(matches!(engine.add_source(config, constant()), Err(CommandError::Value { .. })));
    }
    let unknown = SinkConfig { from: "source:nobody".into(), ..SinkConfig::named("x") };
    let error = engine.add_sink(unknown, Box::new(Collect::default())).unwrap_err().to_string();
    assert_eq!(error, "there is no source \"nobody\"");
    assert_eq!(engine.run(&mut |_| {}).sources.len(), 1);
    assert!(OfflineEngine::new(EngineConfig { block_frames: 0, ..EngineConfig::default() }).is_err());
}

#[test]
fn a_sum_beyond_what_a_float_holds_is_counted_and_silent() {
    let mut engine = engine();
    for name in ["a", "b"] {
        let source = Samples::new(48_000, 2, vec![3e38; 200]);
        engine.add_source(SourceConfig::named(name), AnySource::pulled(source)).unwrap();
    }
    let sink = Collect::default();
    let heard = sink.0.clone();
    engine.add_sink(SinkConfig::named("out"), Box::new(sink)).unwrap();
    let stats = engine.run(&mut |_| {});
    assert_eq!(stats.buses[0].non_finite_samples, 200);
    assert!(stats.sources.iter().all(|source| source.non_finite_samples == 0));
    assert!(heard.samples().iter().all(|&sample| sample == 0.0));
}
