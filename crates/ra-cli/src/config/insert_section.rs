//! `inserts` of a source or a bus: effects, in the order in which the sound passes them.

use ra_engine::dsp::{Band, BandKind, EqualiserConfig, LimiterConfig};

use super::model::{InsertEntry, InsertKind};
use super::table_reader::{TableReader, one_of};

/// The most bands of one equaliser.
const MOST_BANDS: usize = 64;

#[derive(Clone, Copy)]
enum InsertWord {
    Limiter,
    Eq,
}

/// Reads `inserts`; none where it is not there.
pub(super) fn read(table: &mut TableReader<'_, '_>) -> Vec<InsertEntry> {
    let expected = "a list of tables such as [{ kind = \"limiter\", ceiling_db = -1.0 }]";
    table.tables("inserts", "insert", expected).into_iter().filter_map(read_insert).collect()
}

fn read_insert(mut table: TableReader<'_, '_>) -> Option<InsertEntry> {
    let offset = table.offset();
    let Some(kind) = table.choice("kind", &[("limiter", InsertWord::Limiter), ("eq", InsertWord::Eq)]) else {
        table.missing("kind", "\"limiter\" or \"eq\"");
        return None;
    };
    let kind = match kind.value {
        InsertWord::Limiter => InsertKind::Limiter(read_limiter(&mut table)),
        InsertWord::Eq => InsertKind::Equaliser(EqualiserConfig { bands: read_bands(&mut table) }),
    };
    table.finish();
    Some(InsertEntry { kind, offset })
}

fn read_limiter(table: &mut TableReader<'_, '_>) -> LimiterConfig {
    let default = LimiterConfig::default();
    let mut number = |key, bounds, unit, default: f32| table.number(key, bounds, unit).map_or(default, |n| n as f32);
    LimiterConfig {
        ceiling_db: number("ceiling_db", -60.0..=20.0, "dBFS", default.ceiling_db),
        lookahead_ms: number("lookahead_ms", 0.1..=50.0, "(milliseconds)", default.lookahead_ms),
        release_ms: number("release_ms", 1.0..=10_000.0, "(milliseconds)", default.release_ms),
    }
}

fn read_bands(table: &mut TableReader<'_, '_>) -> Vec<Band> {
    let expected = "a list of tables such as [{ kind = \"peak\", hz = 1000.0, gain_db = -3.0, q = 1.0 }]";
    table.missing("bands", expected);
    let tables = table.tables("bands", "band", expected);
    if (tables.is_empty() && table.has("bands")) || tables.len() > MOST_BANDS {
        let message = format!("bands has {} items, expected 1 to {MOST_BANDS}", tables.len());
        table.error(table.offset(), message);
    }
    tables.into_iter().filter_map(read_band).collect()
}

fn read_band(mut table: TableReader<'_, '_>) -> Option<Band> {
    let words = [
        ("peak", BandKind::Peak),
        ("low-shelf", BandKind::LowShelf),
        ("high-shelf", BandKind::HighShelf),
        ("low-pass", BandKind::LowPass),
        ("high-pass", BandKind::HighPass),
        ("notch", BandKind::Notch),
    ];
    let kind = table.choice("kind", &words);
    let hz = table.number("hz", 1.0..=384_000.0, "Hz");
    let q = table.number("q", 0.01..=1000.0, "").unwrap_or(std::f64::consts::FRAC_1_SQRT_2);
    table.missing("kind", &one_of(words.iter().map(|(word, _)| *word)));
    table.missing("hz", "its frequency");
    let passes = [BandKind::LowPass, BandKind::HighPass, BandKind::Notch];
    let has_gain = !kind.as_ref().is_some_and(|kind| passes.contains(&kind.value));
    let gain_db = if has_gain {
        table.number("gain_db", -60.0..=60.0, "dB").unwrap_or(0.0)
    } else {
        table.refuse(&["gain_db"], "does not belong to a band that passes or takes out");
        0.0
    };
    table.finish();
    Some(Band { kind: kind?.value, hz: hz?, gain_db, q })
}
