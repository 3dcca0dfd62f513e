//! What a torture of the recorder has found, and what of it has to hold. Measures nothing.

use serde::Serialize;

use super::full::FullFigures;
use super::kill::{KillFigures, LOST_AT_MOST_FRAMES};
use super::large::LargeFigures;
use super::power::{PowerFigures, lost_at_most_ms};
use super::split::SplitFigures;
use crate::soak::Criteria;

/// What came of all of it. What was not asked for is empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RecorderFigures {
    /// What instants and places were drawn with.
    pub seed: u64,
    /// Formats that this build does not write, and why.
    pub missing_kinds: Vec<String>,
    /// Kills, by format.
    pub kills: Vec<KillFigures>,
    /// Full disks.
    pub fulls: Option<FullFigures>,
    /// Splits, by format.
    pub splits: Vec<SplitFigures>,
    /// The crossing of 4 GiB.
    pub large: Option<LargeFigures>,
    /// Power cuts, by format.
    pub power_cuts: Vec<PowerFigures>,
}

impl RecorderFigures {
    /// What has to hold.
    pub fn criteria(&self) -> Criteria {
        let mut criteria = Criteria::default();
        let missing = self.missing_kinds.join("; ");
        let told = if missing.is_empty() { "none" } else { &missing };
        criteria.check(self.missing_kinds.is_empty(), "formats that this build does not write", told, "none");
        self.kills.iter().for_each(|kill| check_kills(&mut criteria, kill));
        if let Some(fulls) = &self.fulls {
            check_fulls(&mut criteria, fulls);
        }
        self.splits.iter().for_each(|split| check_splits(&mut criteria, split));
        if let Some(large) = &self.large {
            let (agree, disagree) = (large.agree.join(", "), large.disagree.join("; "));
            criteria.check(
                large.disagree.is_empty() && large.agree.len() == 4,
                "across 4 GiB: right length and no gap, by",
                if disagree.is_empty() { agree } else { format!("{agree}; not by {disagree}") },
                "file source, ffmpeg, sox, libsndfile",
            );
        }
        self.power_cuts.iter().for_each(|power| check_power(&mut criteria, power));
        criteria
    }
}

fn zero(criteria: &mut Criteria, what: String, n: u64) {
    criteria.check(n == 0, what, n, "0");
}

fn check_kills(criteria: &mut Criteria, kill: &KillFigures) {
    let of = |what: &str| format!("{} kills, {}: {what}", kill.kills, kill.kind);
    zero(criteria, of("files that somebody did not open, or complained of"), kill.unreadable);
    zero(criteria, of("files that hold another sound"), kill.changed);
    zero(criteria, of("sidecars that are no JSON"), kill.bad_sidecars);
    let most_ms = LOST_AT_MOST_FRAMES / 48;
    let lost = format!("{:.1} ms", kill.worst_lost_ms);
    criteria.check(kill.worst_lost_ms <= most_ms as f64, of("lost at most"), lost, "at most 200 ms");
    let n_judged = kill.judged.iter().map(|(_, n)| *n).min().unwrap_or(0);
    let begun = kill.kills - kill.before_the_begin;
    let all = kill.unreadable > 0 || n_judged == begun;
    criteria.check(all && begun > 0, of("files read by every judge"), n_judged, "all that had begun, and some");
}

fn check_fulls(criteria: &mut Criteria, fulls: &FullFigures) {
    let of = |what: &str| format!("{} full disks: {what}", fulls.fulls);
    zero(criteria, of("files that were not valid"), fulls.invalid);
    zero(criteria, of("files with another length or sound than the bus's"), fulls.wrong);
    zero(criteria, of("recorders that did not go on"), fulls.stuck);
    zero(criteria, of("accounts that do not balance"), fulls.unbalanced);
    zero(criteria, of("frames lost by the recorder beside it"), fulls.others_lost_frames);
    zero(criteria, of("blocks lost by the reader beside it"), fulls.reader_lost_blocks + fulls.reader_jumps);
    zero(criteria, of("frames lost by sources or made up"), fulls.engine_lost_frames);
    // With few of them chance may spare them all.
    if fulls.fulls >= 10 {
        let is_hard = fulls.with_refusals > 0;
        criteria.check(is_hard, of("of these so long that blocks were refused"), fulls.with_refusals, "some");
    }
}

fn check_splits(criteria: &mut Criteria, split: &SplitFigures) {
    let of = |what: &str| format!("{} splits, {}: {what}", split.splits, split.kind);
    criteria.check(split.files == split.splits + 1, of("files"), split.files, "one more than splits");
    let [joined, whole] = split.frames;
    criteria.check(joined == whole, of("frames in all files"), joined, &format!("{whole}"));
    let differs = split.first_difference.map_or("nowhere".to_owned(), |frame| format!("from frame {frame} on"));
    criteria.check(split.first_difference.is_none(), of("they differ from the unsplit one"), differs, "nowhere");
    zero(criteria, of("looks by programs that failed"), split.unreadable);
}

fn check_power(criteria: &mut Criteria, power: &PowerFigures) {
    let of = |what: &str| format!("{} power cuts, {}: {what}", power.cuts, power.kind);
    zero(criteria, of("files that can't be opened"), power.unreadable);
    zero(criteria, of("files that lack something that was synced"), power.synced_lost);
    zero(criteria, of("files with foreign bytes behind it"), power.foreign);
    let most = lost_at_most_ms();
    let is = format!("{:.0} ms", power.longest_unsynced_ms);
    let bound = format!("at most {most:.0} ms, the longest step of the test included");
    criteria.check(power.longest_unsynced_ms <= most, of("not yet synced"), is, &bound);
    for (judge, looks, refused) in &power.outside {
        zero(criteria, of(&format!("of {looks} looks by {judge}, failed")), *refused);
    }
    if power.cuts >= 100 {
        criteria.check(power.with_losses > 0, of("of these with losses"), power.with_losses, "some");
    }
}
