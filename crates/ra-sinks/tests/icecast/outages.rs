//! Outages by script: stalls, losses, what is kept and what is not, and the account of every frame.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ra_core::{Metadata, SinkCommand};
use ra_sinks::icecast_testing::{OggPages, tags_of};
use ra_sinks::{OnReconnect, StreamCodec};

use super::fake_server::{Call, FakeServer};
use super::player::{Player, config};

/// A server whose first connection is read for so many bytes and then never again; all later ones are read. What was read of
/// each is in the list.
fn server_that_stalls_after(n_bytes: usize) -> (FakeServer, Arc<Mutex<Vec<Vec<u8>>>>) {
    let read = Arc::new(Mutex::new(Vec::new()));
    let for_server = Arc::clone(&read);
    let server = FakeServer::start(move |mut call| {
        call.grant();
        if call.number == 0 {
            let bytes = call.read(n_bytes);
            for_server.lock().unwrap().push(bytes);
            // Open, and never read.
            std::thread::sleep(Duration::from_secs(600));
        }
        for_server.lock().unwrap().push(Vec::new());
        loop {
            let bytes = call.read(1);
            if bytes.is_empty() {
                return;
            }
            for_server.lock().unwrap()[call.number].extend(bytes);
        }
    });
    (server, read)
}

/// What FLAC can't make smaller.
fn noise(n: u64) -> f64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1 << 24) - 0.5
}

/// Granule positions of the pages of sound.
fn granules(bytes: &[u8]) -> Vec<u64> {
    OggPages::of(bytes).map(|(_, granule, ..)| granule).filter(|&granule| granule > 0 && granule < u64::MAX).collect()
}

#[test]
fn a_stall_is_found_and_live_sound_goes_on_behind_it() {
    let (server, read) = server_that_stalls_after(30_000);
    let mut config = config(&server.url(), "pa55");
    config.stall_ms = 1_000;
    config.metadata = Metadata { title: Some("Grüße ❤".into()), ..Metadata::default() };
    let player = Player::start(config);
    let trouble = player.trouble();
    assert!(trouble.contains("the server has acknowledged nothing for 1"), "{trouble}");
    player.wait_until("back", |known, counts| known.trouble.is_none() && counts.connections == 2);
    player.play_on(48_000);
    let counts = player.counts();
    assert_eq!((counts.losses, counts.overflows), (1, 0));
    assert!(counts.thrown_away_frames > 0, "what waited is gone");
    let (report, account) = player.finish();
    let notes = report.unwrap().notes.join("\n");
    assert!(notes.contains("2 connections") && notes.contains("of 10000 ms that may"), "{notes}");
    assert!(notes.contains("1 connections were lost") && notes.contains("frames were thrown away"), "{notes}");
    assert!(account.dropped_frames >= 48_000 && account.delivered_frames >= 48_000, "{account}");
    // A new stream from its beginning, with the last metadata.
    let read = read.lock().unwrap();
    assert_eq!(tags_of(&read[1])[0], ["TITLE=Grüße ❤"]);
    assert!(granules(&read[1])[0] < 48_000);
}

#[test]
fn resumed_nothing_is_missing_that_was_not_acknowledged() {
    let (server, read) = server_that_stalls_after(30_000);
    let mut config = config(&server.url(), "pa55");
    config.stall_ms = 1_000;
    config.on_reconnect = OnReconnect::Resume;
    let player = Player::start(config);
    player.trouble();
    player.wait_until("back", |known, counts| known.trouble.is_none() && counts.connections == 2);
    player.play_on(48_000);
    assert_eq!(player.counts().thrown_away_frames, 0);
    let (report, account) = player.finish();
    report.unwrap();
    assert_eq!(account.dropped_frames, 0, "all of it fitted into the queue: {account}");
    let read = read.lock().unwrap();
    let (first, second) = (granules(&read[0]), granules(&read[1]));
    assert_eq!(tags_of(&read[1]).len(), 1, "headers come first");
    // The server's system had acknowledged more than the server had read, and those bytes went down with it: a few pages.
    let lost = second[0].saturating_sub(*first.last().unwrap());
    assert!(lost < 48_000, "{} then {}", first.last().unwrap(), second[0]);
    let steps: Vec<u64> = second.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = steps.iter().max().unwrap();
    assert!(*longest <= 4_800, "a hole of {longest} frames");
}

#[test]
fn resumed_no_page_that_was_acknowledged_is_sent_again() {
    let (queued, is_queued) = channel();
    let is_queued = Mutex::new(is_queued);
    let read = Arc::new(Mutex::new(Vec::new()));
    let for_server = Arc::clone(&read);
    let server = FakeServer::start(move |mut call| {
        if call.number == 0 {
            is_queued.lock().unwrap().recv().unwrap();
        }
        call.grant();
        let bytes = call.read(if call.number == 0 { 16_000 } else { 50_000 });
        for_server.lock().unwrap().push(bytes);
        if call.number > 0 {
            drop(call.read(usize::MAX));
        }
        // The first one stops in the middle of what was kept for it; its connection stays open.
        std::thread::sleep(Duration::from_secs(600));
    });
    let mut config = config(&server.url(), "pa55");
    config.connect_timeout_ms = 30_000;
    config.stall_ms = 1_000;
    config.on_reconnect = OnReconnect::Resume;
    let player = Player::start(config);
    player.play_on(3 * 48_000);
    queued.send(()).unwrap();
    player.wait_until("back", |_, counts| counts.connections == 2);
    player.wait_until("heard", |_, _| read.lock().unwrap().len() == 2);
    let read = read.lock().unwrap();
    let (first, second) = (granules(&read[0]), granules(&read[1]));
    assert!(second[0] > *first.last().unwrap(), "{} again behind {}", second[0], first.last().unwrap());
}

#[test]
fn resumed_an_outage_longer_than_the_queue_loses_its_beginning() {
    let server = FakeServer::start(|mut call| {
        if call.number > 0 {
            call.grant();
            drop(call.read(usize::MAX));
        }
        // The first one waits for an answer until its time is over.
        std::thread::sleep(Duration::from_secs(600));
    });
    let mut config = config(&server.url(), "pa55");
    config.on_reconnect = OnReconnect::Resume;
    config.connect_timeout_ms = 4_000;
    config.queue_ms = 1_000;
    let player = Player::start(config);
    player.wait_until("overflown", |_, counts| counts.thrown_away_frames > 48_000);
    assert_eq!(player.counts().overflows, 0, "that is no fault of the network");
    player.wait_until("up", |known, counts| counts.connections == 1 && known.trouble.is_none());
    let (report, account) = player.finish();
    report.unwrap();
    assert!(account.dropped_frames >= 2 * 48_000 && account.dropped_frames < 5 * 48_000, "{account}");
}

#[test]
fn a_network_slower_than_the_stream_is_counted_and_bounded() {
    let server = FakeServer::start(|mut call| {
        call.grant();
        loop {
            if call.read(1).is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let mut config = config(&server.url(), "pa55");
    config.codec = StreamCodec::Flac;
    config.queue_ms = 1_000;
    let player = Player::start_with(config, noise);
    player.wait_until("too slow", |_, counts| counts.overflows >= 2);
    let known = player.known();
    assert!(known.trouble.is_none(), "{known:?}");
    assert!(known.longest_call < Duration::from_secs(1), "{known:?}");
    let (report, account) = player.finish();
    let notes = report.unwrap().notes.join("\n");
    assert!(notes.contains("times the network was too slow"), "{notes}");
    assert!(notes.contains("at most 1000 ms waited, of 1000 ms that may"), "{notes}");
    assert!(account.dropped_frames > 0, "{account}");
}

/// A server that takes next to nothing, or nothing any more, at the end: it has 2 s, what it does not get is dropped, and it is hung
/// up on.
fn end_of_a_server_that_is_stuck(read_some: impl Fn(&mut Call) + Send + Sync + 'static) {
    let (hung_up, is_hung_up) = channel();
    let hung_up = Mutex::new(hung_up);
    let server = FakeServer::start(move |mut call| {
        call.grant();
        read_some(&mut call);
        hung_up.lock().unwrap().send(()).unwrap();
    });
    let mut config = config(&server.url(), "pa55");
    config.codec = StreamCodec::Flac;
    config.queue_ms = 1_000;
    config.stall_ms = 30_000;
    let player = Player::start_with(config, noise);
    player.wait_until("stuck", |_, counts| counts.overflows >= 2);
    let begun = std::time::Instant::now();
    let (report, account) = player.finish();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(report.unwrap().notes.join("\n").contains("frames were thrown away"));
    assert!(account.dropped_frames > 48_000 && account.delivered_frames > 0, "{account}");
    is_hung_up.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[test]
fn at_the_end_a_server_that_takes_next_to_nothing_is_hung_up_on() {
    end_of_a_server_that_is_stuck(|call| {
        while !call.read(1).is_empty() {
            std::thread::sleep(Duration::from_millis(1_000));
        }
    });
}

#[test]
fn at_the_end_a_server_that_takes_nothing_is_hung_up_on() {
    end_of_a_server_that_is_stuck(|call| {
        drop(call.read(30_000));
        // It reads nothing, and still learns that the other side is gone.
        while call.stream.take_error().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn metadata_by_command_begins_a_new_stream_and_floods_of_it_do_not() {
    let (server, read) = server_that_stalls_after(usize::MAX);
    let player = Player::start(config(&server.url(), "pa55"));
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 48_000);
    for n in 0..500 {
        let title = Some(format!("song {n}\r\nIce-Public: 1\0{}", "é".repeat(500_000)));
        player.command(SinkCommand::SetMetadata(Metadata { title, ..Metadata::default() }));
    }
    player.play_on(3 * 48_000);
    let counts = player.counts();
    let title = Metadata { title: Some("the last one".into()), ..Metadata::default() };
    player.command(SinkCommand::SetMetadata(title));
    player.play_on(2 * 48_000);
    assert!((1..=12).contains(&counts.metadata_updates), "{counts:?}");
    let (report, account) = player.finish();
    report.unwrap();
    assert_eq!(account.dropped_frames, 0, "{account}");
    drop(server);
    let read = wait_for(&read);
    let tags = tags_of(&read);
    assert!(tags.len() >= 3, "{} streams", tags.len());
    assert_eq!(tags.last().unwrap()[..], ["TITLE=the last one"]);
    for title in tags[1..tags.len() - 1].iter().map(|tags| &tags[0]) {
        assert!(title.starts_with("TITLE=song ") && title.len() <= 306 && !title.contains('\r'), "{title}");
    }
    let serials: std::collections::BTreeSet<u32> = OggPages::of(&read).map(|(_, _, serial, ..)| serial).collect();
    assert_eq!(serials.len(), tags.len(), "every stream has a number of its own");
    if ra_sinks::icecast_testing::missing_tools().is_empty() {
        assert_eq!(ra_sinks::icecast_testing::decode_errors(&read), "");
    }
}

/// What the first connection got, once the other side has hung up.
fn wait_for(read: &Mutex<Vec<Vec<u8>>>) -> Vec<u8> {
    for _ in 0..3_000 {
        if let Some(bytes) = read.lock().unwrap().first() {
            return bytes.clone();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the connection was not closed");
}

#[test]
fn a_gap_becomes_silence_of_its_length_and_clipping_is_counted() {
    let (server, read) = server_that_stalls_after(usize::MAX);
    let mut config = config(&server.url(), "pa55");
    config.codec = StreamCodec::Flac;
    let player = Player::start_with(config, |_| 2.0);
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 24_000);
    player.gap(96_000);
    player.play_on(96_000 + 24_000);
    assert_eq!(player.counts().silence_frames, 96_000);
    assert!(player.counts().clipped_samples > 24_000);
    let (report, account) = player.finish();
    assert!(report.unwrap().notes.join("\n").contains("samples beyond full scale"));
    assert_eq!(account.dropped_frames, 96_000, "{account}");
    let last = granules(&wait_for(&read)).into_iter().max().unwrap();
    assert_eq!(last, account.produced_frames, "the stream is as long as the time that it covers");
}
