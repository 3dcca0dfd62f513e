//! What a torture of the streamer has found, and what of it has to hold. Measures nothing.

use anyhow::{Result, bail};
use ra_core::FrameAccount;
use ra_sinks::icecast_testing::missing_tools;
use serde::Serialize;

use super::relays::{self, RelayFigures};
use super::restarts::{self, OutageKind, OutageRow};
use super::station::{TONE_DBFS, TONE_HZ};
use super::steady::{self, SteadyFigures};
use crate::soak::Criteria;

/// How soon a stream has to be back, in seconds.
const BACK_WITHIN_S: f64 = 3.0;

/// A torture to be run: outages, then minutes of listening.
#[derive(Clone, Copy, Debug)]
pub struct IcecastTorture {
    /// Outages; a tenth of them are black holes, one at least where there are two.
    pub restarts: usize,
    /// For how long a listener listens, in seconds.
    pub seconds: u64,
    /// Of everything that is drawn.
    pub seed: u64,
}

/// A master, two relays, and listeners.
#[derive(Clone, Copy, Debug)]
pub struct RelayTorture {
    /// How many listeners.
    pub listeners: usize,
    /// Of the jitter between attempts.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct IcecastFigures {
    /// What was drawn with.
    pub seed: u64,
    /// Every outage.
    pub outages: Vec<OutageRow>,
    /// Where every frame of the stream went over all outages.
    pub account: FrameAccount,
    /// Gaps that its account lists; the list is bounded.
    pub gaps: usize,
    /// Frames that were taken and then thrown away.
    pub thrown_away_frames: u64,
    /// Frames that the server's system has acknowledged.
    pub acknowledged_frames: u64,
    /// What the sink noted.
    pub notes: Vec<String>,
    /// A stream without outages.
    pub steady: SteadyFigures,
}

impl IcecastTorture {
    /// Runs it; `tell` is told how far it is.
    ///
    /// # Errors
    /// Something is not installed, or does not come about within 40 s.
    pub fn run(&self, tell: &dyn Fn(&str)) -> Result<IcecastFigures> {
        check_tools()?;
        let n_black_holes = (self.restarts / 10).max(usize::from(self.restarts >= 2));
        let restarts = restarts::run(self.restarts, n_black_holes, self.seed, tell)?;
        let steady = steady::run(self.seconds, self.seed, tell)?;
        Ok(IcecastFigures {
            seed: self.seed,
            outages: restarts.rows,
            account: restarts.account,
            gaps: restarts.n_gaps,
            thrown_away_frames: restarts.thrown_away_frames,
            acknowledged_frames: restarts.acknowledged_frames,
            notes: restarts.notes,
            steady,
        })
    }
}

impl RelayTorture {
    /// Runs it; `tell` is told how far it is.
    ///
    /// # Errors
    /// As for [`IcecastTorture::run`].
    pub fn run(&self, tell: &dyn Fn(&str)) -> Result<RelayFigures> {
        check_tools()?;
        relays::run(self.listeners, self.seed, tell)
    }
}

fn check_tools() -> Result<()> {
    let missing = missing_tools();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("not installed: {}", missing.join(", "))
}

impl IcecastFigures {
    /// How soon the stream was back after outages of one kind: how many there were, the median, and the longest, in seconds.
    pub fn back_s(&self, kind: OutageKind) -> Option<(usize, f64, f64)> {
        let mut times: Vec<f64> = self.outages.iter().filter(|row| row.kind == kind).map(|row| row.back_s).collect();
        times.sort_by(f64::total_cmp);
        Some((times.len(), *times.get(times.len() / 2)?, *times.last()?))
    }

    /// What has to hold.
    pub fn criteria(&self) -> Criteria {
        let mut criteria = Criteria::default();
        let n = self.outages.len();
        let late = self.outages.iter().filter(|row| row.back_s > BACK_WITHIN_S).count();
        let longest = self.outages.iter().map(|row| row.back_s).fold(0.0, f64::max);
        let black = self.outages.iter().filter(|row| row.kind != OutageKind::Killed).count();
        criteria.check(
            late == 0,
            format!("reconnected later than {BACK_WITHIN_S} s after {n} outages, {black} of them black holes"),
            format!("{late}; the longest {longest:.2} s"),
            "0",
        );
        let untitled = self.outages.iter().filter(|row| !row.has_title).count();
        criteria.check(untitled == 0, "outages behind which the last title was not there", untitled, "0");
        let torn: Vec<&str> =
            self.outages.iter().map(|row| row.decode_errors.trim()).filter(|text| !text.is_empty()).collect();
        let first = torn.first().map_or(String::new(), |text| format!(": {text}"));
        criteria.check(
            torn.is_empty(),
            "listeners whose stream did not decode without an error from the join on",
            format!("{}{first}", torn.len()),
            "0",
        );
        let unsaid =
            self.outages.iter().filter(|row| row.reason.is_none() && row.kind == OutageKind::Swallowed).count();
        criteria.check(unsaid == 0, "black holes of 5 s that were not reported as they were", unsaid, "0");
        let account = self.account;
        let is_settled = account.is_balanced() && account.queued_frames == 0;
        criteria.check(is_settled, "the account of the stream", account, "produced = delivered + dropped, 0 queued");
        criteria.check(
            account.delivered_frames == self.acknowledged_frames,
            "frames that count as delivered, and frames that the server has acknowledged",
            format!("{} and {}", account.delivered_frames, self.acknowledged_frames),
            "the same",
        );
        criteria.check(self.gaps > 0 || n == 0, "gaps listed", self.gaps, "some, behind outages");
        self.check_steady(&mut criteria);
        criteria
    }

    fn check_steady(&self, criteria: &mut Criteria) {
        let steady = &self.steady;
        criteria.check(
            steady.decode_errors.is_empty(),
            format!("complaints of ffmpeg in {} s that it decoded", steady.decoded_s),
            format!("{:?}", steady.decode_errors),
            "none",
        );
        let wanted_s = (steady.listened_s - 5.0).max(1.0);
        criteria.check(
            steady.decoded_s as f64 >= wanted_s,
            "seconds decoded",
            steady.decoded_s,
            "all but 5 s of what was listened to",
        );
        let bound = steady.bound_ppm();
        criteria.check(
            steady.drift_ppm.abs() <= bound,
            format!("stream time against wall time, over {} pages in {:.0} s", steady.pages, steady.listened_s),
            format!("{:+.2} ppm", steady.drift_ppm),
            &format!("within {bound:.0} ppm"),
        );
        let [low, high] = steady.level_dbfs;
        criteria.check(
            (low - TONE_DBFS).abs() <= 0.3 && (high - TONE_DBFS).abs() <= 0.3,
            "level of the tone, lowest and highest second",
            format!("{low:.2} and {high:.2} dBFS"),
            "within 0.3 dB of -20",
        );
        criteria.check(
            (steady.tone_hz - TONE_HZ).abs() <= 0.01,
            "frequency of the tone",
            format!("{:.5} Hz", steady.tone_hz),
            "within 0.01 Hz of 997",
        );
        criteria.check(
            steady.largest_jump_frames < 0.5,
            "largest jump in its phase, frames",
            format!("{:.4}", steady.largest_jump_frames),
            "below 0.5: no frame missing or twice",
        );
        criteria.check(
            steady.dropped_frames == 0 && steady.losses == 0,
            "frames dropped, connections lost",
            format!("{}, {}", steady.dropped_frames, steady.losses),
            "0, 0",
        );
    }
}

impl RelayFigures {
    /// What has to hold.
    pub fn criteria(&self) -> Criteria {
        let mut criteria = Criteria::default();
        criteria.check(self.hung_up == 0, format!("of {} listeners hung up on", self.listeners), self.hung_up, "0");
        criteria.check(self.starved == 0, "listeners that heard nothing new at some time", self.starved, "0");
        let expected = ["programme", "fallback", "programme again"];
        for titles in &self.titles {
            // A title may come twice: where a server switches, and where a stream begins.
            let mut read = titles.clone();
            read.dedup();
            criteria.check(read == expected, "titles that a listener read", titles.join(", "), &expected.join(", "));
        }
        let torn = self.decode_errors.iter().filter(|text| !text.is_empty()).count();
        let first = self.decode_errors.iter().find(|text| !text.is_empty()).map_or("", |text| text.trim());
        criteria.check(torn == 0, "of 2 listeners whose stream did not decode", format!("{torn} {first:?}"), "0");
        criteria
    }
}
