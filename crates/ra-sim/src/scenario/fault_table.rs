//! An item of `faults`: what goes wrong, when, and for how long.

use ra_engine::sources::{Fault, PacedConfig};

use super::parse::sample_rate;
use super::table::{Table, one_of};

#[derive(Clone, Copy)]
enum Kind {
    Unplug,
    Stall,
    Burst,
    Period,
    Lose,
    BackwardsStamp,
    EqualStamps,
    Format,
    Silent,
}

/// The words of a scenario.
const KINDS: [(&str, Kind); 9] = [
    ("unplug", Kind::Unplug),
    ("stall", Kind::Stall),
    ("burst", Kind::Burst),
    ("period", Kind::Period),
    ("lose", Kind::Lose),
    ("backwards_stamp", Kind::BackwardsStamp),
    ("equal_stamps", Kind::EqualStamps),
    ("format", Kind::Format),
    ("silent", Kind::Silent),
];

/// Reads one fault, and says where its rate stands, or else it; `None` where it is wrong, which has been said then.
pub(super) fn read(mut table: Table<'_, '_>) -> Option<(Fault, usize)> {
    let offset = table.offset_of("sample_rate");
    let Some(kind) = table.choice("kind", &KINDS) else {
        table.missing("kind", one_of(&KINDS));
        return None;
    };
    let fault = match kind {
        Kind::Unplug => stretch(&mut table).map(|(at_s, for_s)| Fault::Unplug { at_s, for_s }),
        Kind::Stall => stretch(&mut table).map(|(at_s, for_s)| Fault::Stall { at_s, for_s }),
        Kind::Burst => stretch(&mut table).map(|(at_s, for_s)| Fault::Burst { at_s, for_s }),
        Kind::BackwardsStamp => stretch(&mut table).map(|(at_s, for_s)| Fault::BackwardsStamp { at_s, for_s }),
        Kind::EqualStamps => stretch(&mut table).map(|(at_s, for_s)| Fault::EqualStamps { at_s, for_s }),
        Kind::Period => {
            let at_s = at(&mut table);
            let frames = table.integer("period_frames", 1..=65_536, "frames");
            table.missing("period_frames", "the new size in frames");
            let frames = frames.and_then(|n| u32::try_from(n).ok()).filter(|&n| n <= PacedConfig::MAX_PERIOD_FRAMES);
            at_s.zip(frames).map(|(at_s, period_frames)| Fault::Period { at_s, period_frames })
        }
        Kind::Lose => {
            let at_s = at(&mut table);
            let n_frames = table.integer("n_frames", 1..=Fault::MAX_LOST_FRAMES, "frames");
            table.missing("n_frames", "how many frames are lost");
            at_s.zip(n_frames).map(|(at_s, n_frames)| Fault::Lose { at_s, n_frames })
        }
        Kind::Format => {
            let at_s = at(&mut table);
            let rate = sample_rate(&mut table);
            table.missing("sample_rate", "the new rate in Hz");
            at_s.zip(rate).map(|(at_s, sample_rate)| Fault::Format { at_s, sample_rate })
        }
        Kind::Silent => Some(Fault::Silent),
    };
    table.finish();
    fault.map(|fault| (fault, offset))
}

fn at(table: &mut Table<'_, '_>) -> Option<f64> {
    let at_s = table.number("at_s", 0.0..=1e9, "s");
    table.missing("at_s", "when it happens, in seconds");
    at_s
}

fn stretch(table: &mut Table<'_, '_>) -> Option<(f64, f64)> {
    let at_s = at(table);
    let for_s = table.number("for_s", 1e-6..=1e9, "s");
    table.missing("for_s", "how long it lasts, in seconds");
    at_s.zip(for_s)
}
