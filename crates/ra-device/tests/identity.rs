//! Where a stream really is, against a real PulseAudio server: moved, unplugged, killed and stopped; and what capture
//! finds out about a device that is no good.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    io::Write,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use ra_core::PeriodInput;
use ra_device::{
    DeviceError, DeviceEvent, InputRequest, InputStream, OutputRequest, OutputStream, PeriodOutput, ReturnWatch,
    list_devices, probe_input, probe_output,
    testing::{NullSink, Pacat, PulseServer, with_pulse_server},
};

const MIC: NullSink = NullSink { name: "mic", rate_hz: 48_000, channels: 1 };
const LINE: NullSink = NullSink { name: "line", rate_hz: 48_000, channels: 2 };
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts what is delivered.
struct Counter(Arc<AtomicU64>);
impl PeriodInput for Counter {
    fn push(&mut self, _: u64, interleaved: &[f32]) -> usize {
        self.0.fetch_add(interleaved.len() as u64, Relaxed);
        interleaved.len()
    }

    fn mark_break(&mut self) {}
}

struct Silence;
impl PeriodOutput for Silence {
    fn render(&mut self, _: u64, _: &mut [f32]) {}
}

fn capture(device: &str) -> (InputStream, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let stream = InputStream::open(&request(device), Box::new(Counter(count.clone()))).unwrap();
    stream.start().unwrap();
    (stream, count)
}

fn request(device: &str) -> InputRequest {
    InputRequest { device: device.to_owned(), ..InputRequest::default() }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

/// Waits until it is lost; returns why, and after how long.
fn loss_of(stream: &mut InputStream) -> (String, Duration) {
    let mut reason = None;
    let waited = wait_for("the loss", || {
        let events = stream.take_events();
        let lost = |event| if let DeviceEvent::Lost { reason, .. } = event { Some(reason) } else { None };
        reason = events.into_iter().find_map(lost);
        reason.is_some()
    });
    (reason.unwrap(), waited)
}

fn n_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// A child that is killed with the test.
struct Helper(Child);
impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stream_that_the_server_moves_is_lost_and_delivers_nothing_more() {
    let test = "a_stream_that_the_server_moves_is_lost_and_delivers_nothing_more";
    with_pulse_server(test, &[MIC, LINE], |server| {
        for unplug in [true, false] {
            let (mut mic, n_mic) = capture("pulseaudio:mic.monitor");
            let (mut line, n_line) = capture("pulseaudio:line.monitor");
            wait_for("sound of both", || n_mic.load(Relaxed) > 0 && n_line.load(Relaxed) > 0);
            let begun = Instant::now();
            // cpal says nothing of either: callbacks go on with the other source's sound.
            if unplug {
                server.unplug("mic")
            } else {
                server.move_recorders_to("line.monitor")
            }
            let (reason, waited) = loss_of(&mut mic);
            println!("unplugged {unplug}: told {waited:?} after pactl, {:?} in all: {reason}", begun.elapsed());
            assert!(reason.starts_with("moved to pulseaudio:line.monitor"), "{reason}");
            let (n_at_loss, n_line_at_loss) = (n_mic.load(Relaxed), n_line.load(Relaxed));
            wait_for("another second of the other", || n_line.load(Relaxed) > n_line_at_loss + 96_000);
            assert_eq!(n_mic.load(Relaxed), n_at_loss, "what another device hears is not delivered");
            assert_eq!(line.take_events(), [], "it is where it was");
            drop(mic);
            if unplug {
                let error = InputStream::open(&request("pulseaudio:mic.monitor"), Box::new(Counter(n_mic))).err();
                assert!(matches!(error, Some(DeviceError::Away { .. })), "{error:?}");
                server.plug(MIC);
            }
            let (_mic, n_mic) = capture("pulseaudio:mic.monitor");
            wait_for("sound after the return", || n_mic.load(Relaxed) > 0);
        }
    });
}

#[test]
fn the_default_device_is_followed_where_it_goes() {
    with_pulse_server("the_default_device_is_followed_where_it_goes", &[MIC, LINE], |server| {
        assert!(server.control(&["set-default-source", "mic.monitor"]));
        let (mut stream, count) = capture("default");
        assert!(stream.granted().device.starts_with("pulseaudio:mic.monitor"), "{:?}", stream.granted());
        wait_for("sound", || count.load(Relaxed) > 0);
        server.move_recorders_to("line.monitor");
        wait_for("the news", || stream.take_events().contains(&DeviceEvent::Rerouted));
        let n_then = count.load(Relaxed);
        wait_for("more sound", || count.load(Relaxed) > n_then + 4_800);
        assert_eq!(stream.loss(), None);
    });
}

#[test]
fn a_playback_stream_that_is_moved_is_lost_too() {
    with_pulse_server("a_playback_stream_that_is_moved_is_lost_too", &[MIC, LINE], |server| {
        let request = OutputRequest { device: "pulseaudio:mic".into(), ..OutputRequest::default() };
        let mut stream = OutputStream::open(&request, |_| Box::new(Silence)).unwrap();
        stream.start().unwrap();
        wait_for("a period", || stream.counts().periods > 0);
        server.unplug("mic");
        let mut reason = None;
        wait_for("the loss", || {
            reason = stream.take_events().into_iter().find_map(|event| match event {
                DeviceEvent::Lost { reason, .. } => Some(reason),
                _ => None,
            });
            reason.is_some()
        });
        assert!(reason.as_ref().unwrap().starts_with("moved to pulseaudio:line"), "{reason:?}");
    });
}

#[test]
fn the_only_device_unplugged_and_a_killed_server_are_told_at_once() {
    let test = "the_only_device_unplugged_and_a_killed_server_are_told_at_once";
    with_pulse_server(test, &[MIC], |server| {
        let (mut stream, count) = capture("pulseaudio:mic.monitor");
        wait_for("sound", || count.load(Relaxed) > 0);
        server.unplug("mic");
        let (reason, waited) = loss_of(&mut stream);
        println!("the only device: told {waited:?} after pactl: {reason}");
        drop(stream);
        server.plug(MIC);
        let (mut stream, count) = capture("pulseaudio:mic.monitor");
        wait_for("sound", || count.load(Relaxed) > 0);
        server.kill();
        let (reason, waited) = loss_of(&mut stream);
        println!("killed: told {waited:?} after it was dead: {reason}");
        assert!(waited < Duration::from_millis(100), "{waited:?}");
    });
}

/// More attempts than can wait at the server's door: PulseAudio lets five of them.
#[test]
fn a_server_that_does_not_answer_costs_half_a_second_and_no_thread() {
    let test = "a_server_that_does_not_answer_costs_half_a_second_and_no_thread";
    with_pulse_server(test, &[MIC], |server| {
        let (mut stream, count) = capture("pulseaudio:mic.monitor");
        wait_for("sound", || count.load(Relaxed) > 0);
        let n_before = n_threads();
        server.stop();
        for i in 0..20 {
            let begun = Instant::now();
            let device = ["pulseaudio:mic.monitor", "default"][i % 2];
            let input = Box::new(Counter(Arc::default()));
            let error = match i % 4 {
                0 | 1 => InputStream::open(&request(device), input).err(),
                2 => probe_input(&request(device)).err(),
                _ => OutputStream::open(&OutputRequest::default(), |_| Box::new(Silence)).err(),
            };
            println!("a stopped server: {error:?} after {:?}", begun.elapsed());
            assert!(matches!(error, Some(DeviceError::Unanswered { .. })), "{error:?}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        let listing = list_devices();
        assert!(listing.reason.as_ref().is_some_and(|why| why.contains("no answer within 500 ms")), "{listing:?}");
        // One that is ending when its call returns takes a moment more.
        wait_for("every thread of a failed start to end", || n_threads() <= n_before);
        let n_stopped = count.load(Relaxed);
        server.go_on();
        wait_for("more sound", || count.load(Relaxed) > n_stopped + 4_800);
        assert!(!stream.take_events().iter().any(|event| matches!(event, DeviceEvent::Lost { .. })), "it goes on");
    });
}

#[test]
fn opening_losing_and_failing_leaves_no_thread_and_no_stream_behind() {
    let test = "opening_losing_and_failing_leaves_no_thread_and_no_stream_behind";
    with_pulse_server(test, &[MIC, LINE], |server| {
        drop(capture("pulseaudio:mic.monitor"));
        let n_before = n_threads();
        for cycle in 0..20 {
            let (mut stream, count) = capture("pulseaudio:mic.monitor");
            wait_for("sound", || count.load(Relaxed) > 0);
            if cycle % 2 == 0 {
                server.unplug("mic");
                loss_of(&mut stream);
                drop(stream);
                let begun = Instant::now();
                let error = InputStream::open(&request("pulseaudio:mic.monitor"), Box::new(Counter(count))).err();
                assert!(error.is_some() && begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
                server.plug(MIC);
            }
        }
        wait_for("every thread to end", || n_threads() <= n_before);
        wait_for("every stream to end", || server.ask(&["list", "short", "source-outputs"]).is_empty());
    });
}

fn watch(device: &str, why: &DeviceError) -> ReturnWatch {
    ReturnWatch::start(&request(device), why).unwrap()
}

#[test]
fn the_return_of_a_device_is_seen_without_opening_it() {
    with_pulse_server("the_return_of_a_device_is_seen_without_opening_it", &[MIC, LINE], |server| {
        let busy = DeviceError::Refused { operation: "open the device", message: "busy".to_owned() };
        let away = DeviceError::Away { operation: "open the device", message: "not there".to_owned() };
        let there = watch("pulseaudio:line.monitor", &busy);
        server.unplug("mic");
        let mic = watch("pulseaudio:mic.monitor", &away);
        thread::sleep(Duration::from_millis(300));
        assert!(!mic.is_back());
        server.plug(MIC);
        let waited = wait_for("the return", || mic.is_back());
        println!("seen after {waited:?}");
        assert!(waited < Duration::from_secs(1), "{waited:?}");
        assert!(!there.is_back(), "it was never away");
        // It came back between the attempt and the first look.
        let missed = watch("pulseaudio:mic.monitor", &away);
        wait_for("a return that was missed", || missed.is_back());
        server.kill();
        let default = InputRequest { default_of: Some("pulseaudio".into()), ..InputRequest::default() };
        let dead = [watch("pulseaudio:mic.monitor", &busy), ReturnWatch::start(&default, &away).unwrap()];
        thread::sleep(Duration::from_millis(300));
        assert!(!dead.iter().any(ReturnWatch::is_back));
        server.restart();
        wait_for("the return with the server", || dead.iter().all(ReturnWatch::is_back) && there.is_back());
    });
}

#[test]
fn a_device_that_is_away_is_not_looked_for_among_all_others() {
    with_pulse_server("a_device_that_is_away_is_not_looked_for_among_all_others", &[MIC], |server| {
        for device in ["pulseaudio:nowhere", "alsa:hw:CARD=nowhere,DEV=0"] {
            let request = OutputRequest { device: device.to_owned(), ..OutputRequest::default() };
            let error = OutputStream::open(&request, |_| Box::new(Silence)).err();
            assert!(matches!(error, Some(DeviceError::Away { .. })), "{error:?}");
            let error = InputStream::open(&self::request(device), Box::new(Counter(Arc::default()))).err();
            assert!(matches!(error, Some(DeviceError::Away { .. })), "{error:?}");
            assert!(
                matches!(probe_output(&request), Err(DeviceError::NotFound { .. })),
                "who asks for it first is told"
            );
        }
        let of = |host: &str| InputRequest { default_of: Some(host.to_owned()), ..InputRequest::default() };
        assert_eq!(probe_input(&of("pulseaudio")).unwrap().id, "pulseaudio:mic.monitor");
        assert!(probe_input(&of("alsa")).map_or(true, |probed| probed.id.starts_with("alsa:")));
        server.kill();
        let error = probe_input(&of("pulseaudio")).unwrap_err();
        assert!(error.is_away() && !error.to_string().contains("alsa"), "{error}");
    });
}

#[test]
fn a_device_that_stands_still_is_told_with_its_channel_and_level() {
    let test = "a_device_that_stands_still_is_told_with_its_channel_and_level";
    with_pulse_server(test, &[LINE], |server| {
        let _player = play(server, |_| [0.0, 0.25]);
        let (mut stream, _) = capture("pulseaudio:line.monitor");
        let mut stood = None;
        wait_for("the remark", || {
            stood = stood.take().or(stream.take_events().into_iter().find_map(|event| match event {
                DeviceEvent::StoodStill { channel, level_lin } => Some((channel, level_lin)),
                _ => None,
            }));
            stood.is_some()
        });
        let (channel, level_lin) = stood.unwrap();
        assert!(channel == 2 && (level_lin - 0.25).abs() < 0.001, "{channel} {level_lin}");
        assert!(stream.counts().stuck_frames > 0);
        let grant = stream.callback_thread();
        println!("the callbacks' thread: {grant:?}");
        assert!(grant.is_some() || !cfg!(target_os = "linux"));
    });
}

/// Plays what `frame` makes for as long as the helper lives.
fn play(server: &PulseServer, frame: impl Fn(u32) -> [f32; 2] + Send + 'static) -> Helper {
    let mut child = server.pacat(Pacat::Play, LINE.name, LINE.rate_hz, LINE.channels);
    let mut stdin = child.stdin.take().unwrap();
    thread::spawn(move || {
        for i in 0.. {
            let bytes: Vec<u8> = frame(i).iter().flat_map(|sample| sample.to_le_bytes()).collect();
            if stdin.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    Helper(child)
}
