//! The password is shown to the server and to nobody else: not to logs at their most talkative, errors, reports, debug output.

use std::sync::{Mutex, Once};

use ra_sinks::{IcecastSink, MountUrl};

use super::fake_server::FakeServer;
use super::player::{Player, config};

const PASSWORD: &str = "tr0ub4dor-and-3";
/// `source:` and the password, as Basic authentication has it.
const ENCODED: &str = "c291cmNlOnRyMHViNGRvci1hbmQtMw==";

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        SAID.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

#[test]
fn the_password_is_shown_to_the_server_and_to_nobody_else() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Listener).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
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
    shown.extend(SAID.lock().unwrap().iter().cloned());
    assert!(shown.iter().any(|text| text.contains("503")), "the log was heard");
    for text in shown {
        assert!(!text.contains(PASSWORD) && !text.contains(ENCODED), "{text}");
    }
}
