//! An item of `faults`: what goes wrong, when, and for how long.

use ra_engine::sources::{Fault, PacedConfig};

use super::parse::sample_rate;
use super::table::{Table, one_of};

#[derive(Clone, Copy)]
enum Kind {
    Unplug,
    Loss,
    Hang,
    Storm,
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
const KINDS: [(&str, Kind); 12] = [
    ("unplug", Kind::Unplug),
    ("loss", Kind::Loss),
    ("hang", Kind::Hang),
    ("storm", Kind::Storm),
    ("stall", Kind::Stall),
    ("burst", Kind::Burst),
    ("period", Kind::Period),
    ("lose", Kind::Lose),
    ("backwards_stamp", Kind::BackwardsStamp),
    ("equal_stamps", Kind::EqualStamps),
    ("format", Kind::Format),
    ("silent", Kind::Silent),
];

/// The most times that a fault is repeated: a device's script is gone through whenever it is opened.
const MOST_TIMES: u64 = 10_000;

/// Reads one fault, as often as it happens, and says where its rate stands, or else it; `None` where it is wrong, which has
/// been said then.
pub(super) fn read(mut table: Table<'_, '_>) -> Option<(Vec<Fault>, usize)> {
    let offset = table.offset_of("sample_rate");
    let Some(kind) = table.choice("kind", &KINDS) else {
        table.missing("kind", one_of(&KINDS));
        return None;
    };
    let fault = match kind {
        Kind::Unplug | Kind::Loss => return read_absence(table, kind, offset),
        Kind::Hang => stretch(&mut table).map(|(at_s, for_s)| Fault::Hang { at_s, for_s }),
        Kind::Storm => {
            let stretch = stretch(&mut table);
            let per_s = table.number("per_s", 1.0..=1e9, "errors a second").unwrap_or(600_000.0);
            stretch.map(|(at_s, for_s)| Fault::Storm { at_s, for_s, per_s })
        }
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
    fault.map(|fault| (vec![fault], offset))
}

/// A device that is away, once or again and again.
fn read_absence(mut table: Table<'_, '_>, kind: Kind, offset: usize) -> Option<(Vec<Fault>, usize)> {
    let stretch = stretch(&mut table);
    let rate = if matches!(kind, Kind::Loss) { sample_rate(&mut table) } else { None };
    let every_s = table.number("every_s", 1e-3..=1e9, "s");
    let times = table.integer("times", 1..=MOST_TIMES, "");
    match (every_s, times) {
        (None, Some(_)) => table.missing("every_s", "how long from one time to the next, in seconds"),
        (Some(_), None) => table.missing("times", "how many times it happens"),
        _ => {}
    }
    if let (Some((_, for_s)), Some(every_s)) = (stretch, every_s)
        && every_s <= for_s
    {
        table.error(table.offset_of("every_s"), format_args!("every_s is {every_s}, expected more than for_s"));
        return None;
    }
    table.finish();
    let (at_s, for_s) = stretch?;
    let faults = (0..times.unwrap_or(1)).map(|n| {
        let at_s = at_s + n as f64 * every_s.unwrap_or(0.0);
        match kind {
            Kind::Loss => Fault::Loss { at_s, for_s, sample_rate: rate },
            _ => Fault::Unplug { at_s, for_s },
        }
    });
    Some((faults.collect(), offset))
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
