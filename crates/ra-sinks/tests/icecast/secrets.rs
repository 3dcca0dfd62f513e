//! The password is shown to the server and to nobody else: not to logs at their most talkative, errors, reports, debug output.

use ra_sinks::{IcecastSink, MountUrl};

use super::fake_server::{Call, FakeServer};
use super::log_book;
use super::player::{Player, config};

const PASSWORD: &str = "tr0ub4dor-and-3";
/// `source:` and the password, as Basic authentication has it.
const ENCODED: &str = "c291cmNlOnRyMHViNGRvci1hbmQtMw==";

#[test]
fn the_password_is_shown_to_the_server_and_to_nobody_else() {
    log_book::open();
    let server = FakeServer::start(|mut call| {
        assert!(call.request.contains(ENCODED), "the server is told");
        match call.number {
            0 => call.answer("HTTP/1.0 503 Busy\r\n\r\n"),
            _ => {
                call.grant();
                drop(call.read(20_000));
            }
        }
    });
    let config = config(&server.url(), PASSWORD);
    let mut shown = vec![format!("{config:?} {config:#?}")];
    let probe = IcecastSink::new(config.clone()).unwrap().probe();
    shown.push(format!("{probe:?}"));
    let player = Player::start(config);
    shown.push(player.trouble());
    player.wait_until("lost", |_, counts| counts.losses > 0);
    shown.push(format!("{:?}", player.known()));
    let (report, _) = player.finish();
    shown.push(format!("{report:?}"));
    let url = format!("http://source:{PASSWORD}@a/b").parse::<MountUrl>();
    shown.push(format!("{url:?} {}", url.as_ref().unwrap_err()));
    shown.extend(log_book::said().into_iter().map(|(_, text)| text));
    assert!(shown.iter().any(|text| text.contains("503")), "the log was heard");
    for text in shown {
        assert!(!text.contains(PASSWORD) && !text.contains(ENCODED), "{text}");
    }
}

#[test]
fn what_a_server_sends_back_of_the_request_is_not_repeated() {
    let sends_back: [fn(&mut Call); 8] = [
        // A port that only echoes.
        |call| call.answer(&call.request.clone()),
        // The head of the request, cut in the middle of what is secret.
        |call| {
            let cut = call.request.find(ENCODED).unwrap() + 14;
            let head = call.request[..cut].to_owned();
            call.answer(&head);
        },
        |call| call.answer(&format!("HTTP/1.1 503 {}\r\n\r\n", call.request.replace("\r\n", " "))),
        |call| call.answer(&format!("HTTP/1.1 503 Busy\r\n\r\nYou have said:\r\n{}", call.request)),
        |call| call.answer(&format!("HTTP/1.1 503 Busy\r\n\r\n{{\"by\":\"{}\\/{}\"}}", &ENCODED[..20], &ENCODED[20..])),
        |call| call.answer(&format!("HTTP/1.1 302 Found\r\nLocation: http://source:{PASSWORD}@b/x\r\n\r\n")),
        |call| {
            let before = "x".repeat(150);
            call.answer(&format!("HTTP/1.1 503 Busy\r\n\r\n{before}{PASSWORD}"));
        },
        |call| {
            call.grant();
            call.answer(&format!("HTTP/1.1 401 No\r\n\r\nThe password {PASSWORD} is not right. {}", call.request));
        },
    ];
    for send_back in sends_back {
        log_book::open();
        let server = FakeServer::start(move |mut call| send_back(&mut call));
        let player = Player::start(config(&server.url(), PASSWORD));
        let mut shown = vec![player.trouble()];
        assert!(shown[0].contains("***"), "it says that something was there: {}", shown[0]);
        player.play_on(24_000);
        shown.push(format!("{:?}", player.known()));
        shown.push(format!("{:?}", player.finish().0));
        shown.extend(log_book::said().into_iter().map(|(_, text)| text));
        for text in shown {
            let is_repeated = [&ENCODED[8..14], &PASSWORD[..6]].iter().any(|piece| text.contains(piece));
            assert!(!is_repeated, "{text}");
        }
    }
}
