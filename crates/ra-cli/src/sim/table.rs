//! The report of a simulation for people: a line for each source, and the pairs that are furthest apart.

use ra_sim::{OffsetReport, Report, SourceReport};

use crate::meters::source_state;

/// Pairs that are listed; the others are closer together.
const MOST_PAIRS: usize = 8;

/// The report as text.
pub(super) fn of_report(report: &Report) -> String {
    let engine = &report.engine;
    let mut text = format!(
        "{} s at {} Hz, blocks of {}, {}, seed {}; offsets from {} s on\n\n",
        report.duration_s, engine.sample_rate, engine.block_frames, engine.quality, report.seed, engine.measure_from_s
    );
    let mut rows = vec![
        [
            "source",
            "state",
            "latency ms",
            "drift ppm",
            "offset µs: rms",
            "p99",
            "max",
            "settled s",
            "ratio ppm",
            "produced",
            "dropped",
            "inserted",
            "gaps",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    rows.extend(report.sources.iter().map(source_row));
    text.push_str(&aligned(&rows));
    if !report.pairs.is_empty() {
        let mut pairs: Vec<_> = report.pairs.iter().collect();
        pairs.sort_by(|a, b| b.offset_us.max.unwrap_or(0.0).total_cmp(&a.offset_us.max.unwrap_or(0.0)));
        let mut rows = vec![["pair", "apart µs: rms", "p99", "max"].map(str::to_owned).to_vec()];
        for pair in pairs.iter().take(MOST_PAIRS) {
            let mut row = vec![format!("{} – {}", pair.a, pair.b)];
            row.extend(offset_cells(&pair.offset_us));
            rows.push(row);
        }
        text.push('\n');
        text.push_str(&aligned(&rows));
        if pairs.len() > MOST_PAIRS {
            text.push_str(&format!("and {} pairs that are closer\n", pairs.len() - MOST_PAIRS));
        }
    }
    for source in report.sources.iter().filter(|source| source.reason.is_some()) {
        text.push_str(&format!("\n{}: {}\n", source.name, source.reason.as_deref().unwrap_or_default()));
    }
    text
}

fn source_row(source: &SourceReport) -> Vec<String> {
    let mut row = vec![
        source.name.clone(),
        source_state(source.state).to_owned(),
        format!("{:.3}", source.latency_us / 1000.0),
        known(source.drift_ppm),
    ];
    row.extend(offset_cells(&source.offset_us));
    row.extend([
        known(source.settle_s),
        known(source.ratio_noise_ppm),
        source.produced_frames.to_string(),
        source.dropped_frames.to_string(),
        source.inserted_frames.to_string(),
        source.gaps.len().to_string(),
    ]);
    row
}

fn offset_cells(offset: &OffsetReport) -> [String; 3] {
    [offset.rms, offset.p99, offset.max].map(known)
}

fn known(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

/// Columns as wide as their widest cell: names to the left, everything else to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n_columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            let pad = " ".repeat(width - cell.chars().count());
            if column == 0 { format!("{cell}{pad}") } else { format!("{pad}{cell}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
