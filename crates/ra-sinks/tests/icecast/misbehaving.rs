//! Servers that refuse, answer garbage, too much or nothing: told in words, tried again at the right pace, and nobody waits.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::fake_server::{Call, FakeServer};
use super::log_book;
use super::player::{Player, config};

/// What the sink says of a server, and the requests that it made until then.
fn trouble_with(script: impl Fn(Call) + Send + Sync + 'static) -> (String, Vec<String>) {
    let server = FakeServer::start(script);
    let mut config = config(&server.url(), "pa55");
    config.connect_timeout_ms = 400;
    let player = Player::start(config);
    let trouble = player.trouble();
    let named = format!("{}: ", server.url());
    assert!(trouble.starts_with(&named), "{trouble}");
    assert!(player.known().longest_call < Duration::from_secs(1), "{:?}", player.known());
    let lines = server.request_lines();
    let (report, account) = player.finish();
    assert!(report.unwrap_err().to_string().starts_with(&named));
    assert_eq!(account.delivered_frames, 0, "{account}");
    assert!(account.dropped_frames > 0);
    (trouble[named.len()..].to_owned(), lines)
}

#[test]
fn a_wrong_password_is_said_once_and_tried_rarely() {
    let server = FakeServer::start(|mut call| {
        call.answer("HTTP/1.0 401 Authentication Required\r\n\r\nYou need to authenticate\r\n");
    });
    let player = Player::start(config(&server.url(), "wrong"));
    let trouble = player.trouble();
    assert!(
        trouble.ends_with("\"Authentication Required: You need to authenticate\"; it is asked again once a minute"),
        "{trouble}"
    );
    player.play_on(3 * 48_000);
    assert_eq!(server.request_lines().len(), 1, "it stops trying fast");
    assert_eq!(player.counts().failed_attempts, 1);
}

#[test]
fn refusals_are_told_apart() {
    let answer = |text: &'static str| trouble_with(move |mut call| call.answer(text)).0;
    let text = answer("HTTP/1.0 403 Forbidden\r\n\r\nMountpoint in use");
    assert!(text.starts_with("403: somebody else is on the mount"), "{text}");
    let text = answer("HTTP/1.0 403 Forbidden\r\n\r\nContent-type not supported");
    assert!(text.starts_with("403: the server does not take application/ogg"), "{text}");
    let text = answer("HTTP/1.1 302 Found\r\nLocation: https://b.example/live\r\n\r\n");
    assert!(text.contains("set url to \"https://b.example/live\""), "{text}");
    let text = answer("HTTP/1.1 503 Busy\r\n\r\n<html><b>come back\x1b[2J later</b></html>");
    assert_eq!(text, "the server answered 503: \"Busy: come back [2J later\"");
}

#[test]
fn garbage_great_length_and_silence_are_told() {
    let (text, lines) = trouble_with(|mut call| call.answer("SSH-2.0-OpenSSH_9.2p1\r\n"));
    assert_eq!(text, "what answers is no Icecast: it said \"SSH-2.0-OpenSSH_9.2p1\"");
    assert_eq!(lines, ["PUT /live.ogg HTTP/1.1", "SOURCE /live.ogg HTTP/1.0"], "it may be older than PUT");
    let (text, _) = trouble_with(|mut call| {
        call.answer("HTTP/1.1 200 OK\r\n");
        (0..100).for_each(|n| call.answer(&format!("X-{n}: {}\r\n", "x".repeat(1_000))));
        drop(call.read(1));
    });
    assert_eq!(text, "the answer's header is longer than 16384 bytes");
    let (text, _) = trouble_with(|mut call| drop(call.read(1)));
    assert_eq!(text, "no answer within 400 ms, while waiting for its answer");
    let (text, _) = trouble_with(|mut call| {
        for byte in ["H", "T", "T", "P"].iter().cycle().take(100) {
            call.answer(byte);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(text, "no answer within 400 ms, while waiting for its answer", "one byte at a time");
}

#[test]
fn nobody_there_and_names_that_stand_for_nothing_are_told() {
    let player =
        Player::start(config(&format!("http://127.0.0.1:{}/x", ra_sinks::icecast_testing::free_port()), "pa55"));
    assert!(player.trouble().contains(": can't connect: Connection refused"), "{}", player.trouble());
    let player = Player::start(config("http://nobody.invalid:8000/x", "pa55"));
    assert!(player.trouble().contains("the name \"nobody.invalid\" can't be looked up"), "{}", player.trouble());
}

#[test]
fn servers_older_than_put_are_asked_in_the_old_way() {
    for refusal in ["HTTP/1.0 405 Method Not Allowed\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n\r\n", ""] {
        let server = FakeServer::start(move |mut call| {
            if call.request.starts_with("PUT ") {
                call.answer(refusal);
                return;
            }
            assert!(call.request.contains("\r\nAuthorization: Basic ") && !call.request.contains("Expect"));
            call.answer("HTTP/1.0 200 OK\r\n\r\n");
            drop(call.read(usize::MAX));
        });
        let player = Player::start(config(&server.url(), "pa55"));
        player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 48_000);
        assert_eq!(server.request_lines(), ["PUT /live.ogg HTTP/1.1", "SOURCE /live.ogg HTTP/1.0"]);
        assert_eq!((player.counts().connections, player.counts().failed_attempts), (1, 1));
        let (report, account) = player.finish();
        report.unwrap();
        assert_eq!(account.dropped_frames, 0, "the time of the two questions was kept: {account}");
    }
}

#[test]
fn a_server_that_waits_for_the_sound_instead_of_answering_is_asked_in_the_old_way() {
    let server = FakeServer::start(|mut call| {
        if call.request.starts_with("SOURCE ") {
            call.answer("HTTP/1.0 200 OK\r\n\r\n");
        }
        drop(call.read(usize::MAX));
    });
    let mut config = config(&server.url(), "pa55");
    config.connect_timeout_ms = 400;
    let player = Player::start(config);
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 48_000);
    assert_eq!(server.request_lines(), ["PUT /live.ogg HTTP/1.1", "SOURCE /live.ogg HTTP/1.0"]);
    assert_eq!(player.finish().1.dropped_frames, 0, "the time of the two questions was kept");
}

/// Each attempt takes longer than the wait between two: the reason is told all the same.
#[test]
fn a_server_that_never_answers_is_told_of() {
    let server = FakeServer::start(|mut call| drop(call.read(usize::MAX)));
    let mut config = config(&server.url(), "pa55");
    config.connect_timeout_ms = 300;
    let player = Player::start(config);
    // The second way has failed as well, and the third attempt has given the sink time to tell.
    let trouble = player.wait_until("three attempts", |_, counts| counts.failed_attempts >= 3).trouble.unwrap();
    assert!(trouble.contains("no answer within 300 ms"), "{trouble}");
}

#[test]
fn a_server_that_takes_put_and_then_refuses_it_is_asked_in_the_old_way() {
    let server = FakeServer::start(|mut call| {
        call.grant();
        if call.request.starts_with("PUT ") {
            drop(call.read(100));
            call.answer("HTTP/1.1 400 Bad Request\r\n\r\n");
            return;
        }
        drop(call.read(usize::MAX));
    });
    let player = Player::start(config(&server.url(), "pa55"));
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 2 * 48_000);
    assert_eq!(server.request_lines(), ["PUT /live.ogg HTTP/1.1", "SOURCE /live.ogg HTTP/1.0"]);
}

#[test]
fn a_server_that_takes_both_and_then_refuses_both_is_not_hammered() {
    let server = FakeServer::start(|mut call| {
        call.grant();
        drop(call.read(100));
        call.answer("HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let player = Player::start(config(&server.url(), "pa55"));
    assert!(player.trouble().contains("400: the server does not take "), "{}", player.trouble());
    player.play_on(5 * 48_000);
    let lines = server.request_lines();
    // The waits of a server that hangs up at once.
    assert!((3..=8).contains(&lines.len()), "{lines:?}");
    assert!(lines.chunks(2).all(|pair| pair.len() < 2 || pair[0] != pair[1]), "one way and the other: {lines:?}");
}

#[test]
fn a_refusal_in_the_packet_of_the_grant_is_heard() {
    let server = FakeServer::start(|mut call| {
        call.answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 401 Authentication Required\r\n\r\n");
    });
    let player = Player::start(config(&server.url(), "pa55"));
    player.play_on(2 * 48_000);
    assert!(player.trouble().contains("401: the server refuses the user or the password"), "{}", player.trouble());
    assert_eq!(server.request_lines().len(), 1);
}

/// Answers that grant nothing and end nothing, without a pause, until the other side hangs up.
fn talk_on(stream: &mut TcpStream) {
    let words = "HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000);
    while stream.write_all(words.as_bytes()).is_ok() {}
}

#[test]
fn a_server_that_never_stops_talking_gets_its_stream_and_ends_with_it() {
    let server = FakeServer::start(|mut call| {
        call.grant();
        for _ in 0..4 {
            let mut stream = call.stream.try_clone().unwrap();
            std::thread::spawn(move || talk_on(&mut stream));
        }
        drop(call.read(usize::MAX));
    });
    let player = Player::start(config(&server.url(), "pa55"));
    player.wait_until("streaming", |_, counts| counts.acknowledged_frames > 2 * 48_000);
    let (report, account) = player.finish();
    report.unwrap();
    assert_eq!(account.dropped_frames, 0, "{account}");
}

#[test]
fn an_attempt_has_an_end_though_the_server_never_stops_talking() {
    let (text, _) = trouble_with(|mut call| talk_on(&mut call.stream));
    assert_eq!(text, "no answer within 400 ms, while waiting for its answer");
}

#[test]
fn a_refusal_in_the_middle_of_the_stream_is_heard() {
    let server = FakeServer::start(|mut call| {
        call.grant();
        drop(call.read(20_000));
        call.answer("HTTP/1.0 401 Authentication Required\r\n\r\n");
    });
    let player = Player::start(config(&server.url(), "pa55"));
    assert!(player.trouble().contains("401: the server refuses the user or the password"), "{}", player.trouble());
    assert_eq!((player.counts().connections, player.counts().losses), (1, 1));
    player.play_on(2 * 48_000);
    assert_eq!(server.request_lines().len(), 1);
}

#[test]
fn a_server_that_hangs_up_at_once_is_not_hammered() {
    let server = FakeServer::start(|mut call| call.grant());
    let player = Player::start(config(&server.url(), "pa55"));
    player.play_on(5 * 48_000);
    // Waits of at least 62, 125, 250, 500 and 1000 ms, and again 1000 each: seven attempts in five seconds at the most.
    assert!((3..=8).contains(&server.request_lines().len()), "{:?}", server.request_lines());
}

#[test]
fn a_flapping_server_does_not_fill_the_log() {
    log_book::open();
    let server = FakeServer::start(|mut call| {
        call.grant();
        drop(call.read(1_000));
    });
    let player = Player::start(config(&server.url(), "pa55"));
    player.wait_until("flapping", |_, counts| counts.losses >= 3);
    let url = server.url();
    let told: Vec<_> = log_book::said()
        .into_iter()
        .filter(|(level, text)| *level <= log::Level::Info && text.contains(&url))
        .collect();
    assert_eq!(told.len(), 3, "that it takes the stream, why it does not, and that it does again: {told:?}");
}
