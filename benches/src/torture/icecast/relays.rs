//! A master, two relays and many listeners; the programme goes away and comes back, and nobody is hung up on.

use std::time::Duration;

use anyhow::{Context, Result};
use ra_sinks::icecast_testing::{Ears, IcecastServer, ServerPlan, decode_errors, tags_of};
use serde::Serialize;

use super::station::{Station, stream_config, wait_until};

const MOUNT: &str = "/live.ogg";
const FALLBACK: &str = "/back.ogg";

/// What became of the listeners.
#[derive(Clone, Debug, Serialize)]
pub struct RelayFigures {
    /// How many there were, on two relays.
    pub listeners: usize,
    /// How many were hung up on.
    pub hung_up: usize,
    /// How many heard nothing new at some time: before, during or after the outage.
    pub starved: usize,
    /// What a listener of each relay read as titles, in their order.
    pub titles: Vec<Vec<String>>,
    /// What ffmpeg said against what they heard.
    pub decode_errors: Vec<String>,
    /// From the end of the programme until a listener read the fallback's title, in seconds.
    pub to_fallback_s: f64,
    /// From its return until a listener read its title again, in seconds.
    pub to_programme_s: f64,
}

/// Runs it with `n` listeners.
pub(super) fn run(n: usize, seed: u64, tell: &dyn Fn(&str)) -> Result<RelayFigures> {
    let fallback = format!(
        "<mount type=\"normal\"><mount-name>{MOUNT}</mount-name><fallback-mount>{FALLBACK}</fallback-mount>\
         <fallback-override>1</fallback-override></mount>"
    );
    let clients = n as u32 + 100;
    let master = IcecastServer::start(ServerPlan { clients, xml: fallback.clone(), ..ServerPlan::default() });
    let relay_of = |mount: &str| {
        format!(
            "<relay><server>127.0.0.1</server><port>{}</port><mount>{mount}</mount><local-mount>{mount}</local-mount>\
             <on-demand>0</on-demand></relay>",
            master.port()
        )
    };
    let station = Station::start()?;
    let air = station.add("air", stream_config(&master.url(MOUNT), "programme", seed)?)?;
    let back = station.add("back", stream_config(&master.url(FALLBACK), "fallback", seed + 1)?)?;
    wait_until("both are on the air", || {
        Ok(air.counts().acknowledged_frames > 48_000 && back.counts().acknowledged_frames > 48_000)
    })?;
    let xml = format!("{fallback}{}{}", relay_of(MOUNT), relay_of(FALLBACK));
    let relays =
        [(); 2].map(|()| IcecastServer::start(ServerPlan { clients, xml: xml.clone(), ..ServerPlan::default() }));
    for relay in &relays {
        wait_until("the relays have both", || Ok(relay.has_source(MOUNT) && relay.has_source(FALLBACK)))?;
    }
    tell("a master and two relays are up");
    let places = (0..n).map(|at| (relays[at % 2].address(), MOUNT.to_owned())).collect();
    let crowd = Ears::open(places, false);
    let samples: Vec<Ears> = relays.iter().map(|relay| Ears::one(relay.address(), MOUNT)).collect();
    let mut starved = 0;
    let mut before = vec![0; n];
    let mut listen_on = |what: &str| -> Result<()> {
        // More than a server's burst to begin with, and more each time: 16 kB are a second.
        let wanted: Vec<u64> = before.iter().map(|bytes| bytes + 48_000).collect();
        let mut counts = crowd.counts();
        let waited = wait_until(what, || {
            counts = crowd.counts();
            Ok(counts.iter().zip(&wanted).all(|(bytes, wanted)| bytes >= wanted))
        });
        if waited.is_err() {
            starved += counts.iter().zip(&wanted).filter(|(bytes, wanted)| bytes < wanted).count();
        }
        before.clone_from(&counts);
        Ok(())
    };
    listen_on("everybody hears the programme")?;
    tell(&format!("{n} listeners hear the programme"));
    station.handle.remove_sink("air")?;
    let to_fallback_s = until_title(&relays[0], "fallback")?;
    listen_on("everybody hears the fallback")?;
    tell(&format!("{n} listeners hear the fallback"));
    station.add("air", stream_config(&master.url(MOUNT), "programme again", seed + 2)?)?;
    let to_programme_s = until_title(&relays[0], "programme again")?;
    listen_on("everybody hears the programme again")?;
    std::thread::sleep(Duration::from_secs(1));
    let crowd = crowd.close();
    let hung_up = crowd.iter().filter(|heard| heard.ended_s.is_some()).count();
    let mut titles = Vec::new();
    let mut errors = Vec::new();
    for ears in samples {
        let heard = ears.close().pop().context("nobody listened")?;
        let read =
            tags_of(&heard.bytes).into_iter().flatten().filter_map(|tag| Some(tag.strip_prefix("TITLE=")?.to_owned()));
        titles.push(read.collect());
        errors.push(decode_errors(&heard.bytes));
    }
    station.stop()?;
    Ok(RelayFigures { listeners: n, hung_up, starved, titles, decode_errors: errors, to_fallback_s, to_programme_s })
}

/// Until who joins reads a title.
fn until_title(relay: &IcecastServer, title: &str) -> Result<f64> {
    let expected = format!("TITLE={title}");
    wait_until("the title is there", || {
        let (heard, _) =
            Ears::until(relay.address(), MOUNT, Duration::from_millis(500), |heard| !tags_of(&heard.bytes).is_empty());
        Ok(tags_of(&heard.bytes).last().is_some_and(|tags| tags.contains(&expected)))
    })
}
