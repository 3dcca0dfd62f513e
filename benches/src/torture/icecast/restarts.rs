//! Servers that go away and come back, again and again: how soon the stream is back, whether its last title is, and whether
//! who joins then can decode it.

use std::time::Duration;

use anyhow::{Context, Result};
use ra_core::SinkState;
use ra_sinks::icecast_testing::{Ears, IcecastServer, Proxy, ServerPlan, decode_errors, tags_of};
use serde::Serialize;

use super::station::{Station, stream_config, titled, wait_until};
use crate::torture::engine::Dice;

const MOUNT: &str = "/live.ogg";
const STREAM: &str = "air";
/// What a listener hears before its stream is judged: a second of it.
const HEARD_BYTES: usize = 16 * 1024;

/// How a server goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutageKind {
    /// Killed: its connections are closed.
    Killed,
    /// Stopped where it stands, killed seconds later: a black hole with an open connection.
    Frozen,
    /// The way to it swallows everything; the server lives.
    Swallowed,
}

/// One outage.
#[derive(Clone, Debug, Serialize)]
pub struct OutageRow {
    /// How the server went away.
    pub kind: OutageKind,
    /// For how long, in seconds.
    pub away_s: f64,
    /// What the sink said of it meanwhile, if it had noticed.
    pub reason: Option<String>,
    /// From the moment at which the server answered again until it had the stream, in seconds.
    pub back_s: f64,
    /// Whether who joined then read the last title in the stream.
    pub has_title: bool,
    /// What ffmpeg said against what that listener got.
    pub decode_errors: String,
}

/// What a series of outages came to.
pub(super) struct Restarts {
    pub(super) rows: Vec<OutageRow>,
    pub(super) notes: Vec<String>,
    /// Of the whole run: produced, delivered, dropped, queued.
    pub(super) account: ra_core::FrameAccount,
    pub(super) n_gaps: usize,
    pub(super) thrown_away_frames: u64,
    pub(super) acknowledged_frames: u64,
}

/// Runs `n` outages; `n_black_holes` of them, evenly spread, are none of a closed connection.
pub(super) fn run(n: usize, n_black_holes: usize, seed: u64, tell: &dyn Fn(&str)) -> Result<Restarts> {
    let mut server = IcecastServer::start(ServerPlan { source_timeout_s: 2, ..ServerPlan::default() });
    let proxy = Proxy::to(server.address());
    let station = Station::start()?;
    let probe = station.add(STREAM, stream_config(&proxy.url(MOUNT), "at first", seed)?)?;
    wait_until("it is on the air", || Ok(probe.counts().acknowledged_frames > 24_000))?;
    let mut dice = Dice::new(seed);
    let mut rows = Vec::new();
    let mut n_black = 0;
    for index in 0..n {
        let is_black = (index + 1) * n_black_holes / n > index * n_black_holes / n;
        let kind = match is_black {
            false => OutageKind::Killed,
            true if n_black % 2 == 0 => OutageKind::Swallowed,
            true => OutageKind::Frozen,
        };
        n_black += usize::from(is_black);
        let title = format!("outage {index} – é ❤");
        station.handle.set_metadata(STREAM, titled(&title))?;
        let connections = probe.counts().connections;
        let away = Duration::from_millis(if is_black { 5_000 + dice.below(2_000) } else { 50 + dice.below(1_450) });
        let outage = std::time::Instant::now();
        match kind {
            OutageKind::Killed => server.kill(),
            OutageKind::Frozen => server.freeze(),
            OutageKind::Swallowed => proxy.swallow(),
        }
        let mut reason = None;
        while outage.elapsed() < away {
            std::thread::sleep(Duration::from_millis(20));
            let sink = station.stream(STREAM)?;
            if sink.state == SinkState::Failed {
                reason = sink.reason;
            }
        }
        match kind {
            OutageKind::Killed => server.restart(),
            OutageKind::Frozen => {
                server.kill();
                server.restart();
            }
            OutageKind::Swallowed => {
                // It has to notice as well: until then the mount is taken.
                wait_until("the server lets go of the mount", || Ok(!server.has_source(MOUNT)))?;
                proxy.open();
            }
        }
        let away_s = outage.elapsed().as_secs_f64();
        let back_s = wait_until("the stream is back", || {
            Ok(probe.counts().connections > connections && server.has_source(MOUNT))
        })
        .with_context(|| {
            let reason = station.stream(STREAM).map(|sink| (sink.state, sink.reason));
            let (counts, log) = (probe.counts(), server.log());
            let end = log.lines().rev().take(12).collect::<Vec<_>>().join("\n");
            format!("outage {index} ({kind:?}): the sink says {reason:?} {counts:?}; the server {end}")
        })?;
        let (heard, _) = Ears::until(server.address(), MOUNT, Duration::from_secs(10), |heard| {
            heard.bytes.len() >= HEARD_BYTES && !tags_of(&heard.bytes).is_empty()
        });
        let expected = format!("TITLE={title}");
        let has_title = tags_of(&heard.bytes).last().is_some_and(|tags| tags.contains(&expected));
        let decode_errors = match heard.bytes.len() {
            n if n >= HEARD_BYTES => decode_errors(&heard.bytes),
            n => format!("{n} bytes in 10 s: {}", heard.head),
        };
        if !decode_errors.is_empty() || !has_title || back_s > 3.0 {
            tell(&format!("outage {index} ({kind:?}): back in {back_s:.2} s, title {has_title}, {decode_errors:?}"));
        }
        rows.push(OutageRow { kind, away_s, reason, back_s, has_title, decode_errors });
        if (index + 1) % 10 == 0 {
            tell(&format!("{} of {n} outages", index + 1));
        }
    }
    wait_until("it says that it is well", || Ok(station.stream(STREAM)?.state == SinkState::Ok))?;
    let stats = station.stop()?;
    let counts = probe.counts();
    let sink = stats.sinks.into_iter().find(|sink| sink.name == STREAM).unwrap_or_default();
    Ok(Restarts {
        rows,
        notes: sink.notes,
        account: sink.account,
        n_gaps: sink.gaps.len(),
        thrown_away_frames: counts.thrown_away_frames,
        acknowledged_frames: counts.acknowledged_frames,
    })
}
