//! The ways in which a device goes away and comes back on a real server.

use std::thread::sleep;
use std::time::Duration;

use ra_core::{Clock, SystemClock};
use ra_device::testing::{NullSink, Servers};
use serde::Serialize;

use super::player::Player;

/// The microphone that suffers.
pub(super) const MIC: NullSink = NullSink { name: "mic", rate_hz: 50_000, channels: 2 };
/// The one beside it, to which the server moves streams.
pub(super) const OTHER: NullSink = NullSink { name: "other", rate_hz: 50_000, channels: 2 };

/// For how long a server is stopped.
const STOPPED: Duration = Duration::from_millis(1_500);

/// A kind of outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outage {
    /// The server is killed, and started again.
    Killed,
    /// The device is unloaded while another one is there, and loaded again.
    Unplugged,
    /// Somebody moves the stream to another device. Ours is there all the time, and the sound in it goes on.
    Moved,
    /// The server is stopped for 1.5 s: an overloaded machine.
    Stopped,
}

/// When it began and when the device was there again, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// Not before, and not after.
    pub(super) lost_ns: [u64; 2],
    pub(super) back_ns: u64,
}

impl Outage {
    pub(super) const ALL: [Outage; 4] = [Outage::Killed, Outage::Unplugged, Outage::Moved, Outage::Stopped];

    pub(super) fn name(self) -> &'static str {
        match self {
            Outage::Killed => "killed",
            Outage::Unplugged => "unplugged",
            Outage::Moved => "moved",
            Outage::Stopped => "stopped",
        }
    }

    /// Whether the server tells of it, in whatever way: else only silence does.
    pub(super) fn is_told(self) -> bool {
        self != Outage::Stopped
    }

    /// Lets it happen, for about `away`, and returns when the device is back.
    pub(super) fn happen(self, servers: &mut Servers, player: &mut Option<Player>, away: Duration) -> Times {
        let begun_ns = SystemClock.now_ns();
        match self {
            Outage::Killed => servers.a.kill(),
            Outage::Unplugged => servers.a.unplug(MIC.name),
            Outage::Moved => servers.a.move_recorders_to("other.monitor"),
            Outage::Stopped => servers.a.stop(),
        }
        let lost_ns = [begun_ns, SystemClock.now_ns()];
        match self {
            Outage::Killed => {
                sleep(away);
                servers.a.restart();
            }
            Outage::Unplugged => {
                sleep(away);
                servers.a.plug(MIC);
            }
            // Ours was there all the time.
            Outage::Moved => {}
            Outage::Stopped => {
                sleep(STOPPED);
                servers.a.go_on();
            }
        }
        let back_ns = SystemClock.now_ns();
        if matches!(self, Outage::Killed | Outage::Unplugged) {
            // It died with the server, or plays on somewhere else.
            *player = None;
            *player = Some(Player::start(&servers.a, MIC));
        }
        Times { lost_ns, back_ns }
    }
}
