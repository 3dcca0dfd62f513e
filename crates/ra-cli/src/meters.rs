//! The live picture of a run: what there is to see, as lines of text. Draws nothing itself; knows no terminal but its size.

use std::time::Duration;

use ra_engine::SOURCE_BUS_PREFIX;
use ra_engine::core::{Level, SinkState, SinkStats, SourceState, SourceStats, Stats};

use crate::duration::clock_face;

/// The level at which a bar is empty.
const FLOOR_DBFS: f32 = -60.0;
/// The widest that names are shown.
const MOST_NAME_CHARS: usize = 16;

/// Everything that one picture shows.
#[derive(Clone, Debug)]
pub(crate) struct Picture<'a> {
    /// Since the start.
    pub(crate) elapsed: Duration,
    /// How long the run is meant to be.
    pub(crate) run_for: Option<Duration>,
    /// The engine's account.
    pub(crate) stats: &'a Stats,
}

/// The lines of a picture, none wider than `columns`, at most `rows` of them.
pub(crate) fn render(picture: &Picture<'_>, columns: usize, rows: usize) -> Vec<String> {
    let stats = picture.stats;
    let names = stats.sources.iter().map(|s| &s.name).chain(stats.sinks.iter().map(|s| &s.name));
    let name_width = names.map(|name| name.chars().count()).max().unwrap_or(0).clamp(6, MOST_NAME_CHARS);
    let mut lines = vec![header(picture)];
    for source in &stats.sources {
        lines.push(source_line(source, name_width, columns));
    }
    for bus in stats.buses.iter().filter(|bus| !bus.name.starts_with(SOURCE_BUS_PREFIX)) {
        for (level, channel) in bus.levels.iter().zip(1..) {
            let name = if bus.levels.len() == 1 { bus.name.clone() } else { format!("{} {channel}", bus.name) };
            lines.push(meter_line(&name, "bus", *level, "", name_width, columns));
        }
    }
    for sink in &stats.sinks {
        lines.push(sink_line(sink, name_width));
    }
    // One row is the cursor's.
    let most = rows.saturating_sub(1).max(1);
    if lines.len() > most {
        let hidden = lines.len() - (most - 1);
        lines.truncate(most - 1);
        lines.push(format!("… and {hidden} more lines: the terminal is too low for them"));
    }
    lines.into_iter().map(|line| line.chars().take(columns).collect()).collect()
}

fn header(picture: &Picture<'_>) -> String {
    let engine = &picture.stats.engine;
    let limit = picture.run_for.map(|limit| format!(" of {}", clock_face(limit))).unwrap_or_default();
    format!(
        "{}{limit}  {} blocks  {} late  {} xruns  (Ctrl-C ends cleanly)",
        clock_face(picture.elapsed),
        engine.blocks,
        engine.late_blocks,
        engine.xruns
    )
}

fn source_line(source: &SourceStats, name_width: usize, columns: usize) -> String {
    let level = loudest(&source.levels);
    let mut rest = String::new();
    if source.account.dropped_frames > 0 {
        rest.push_str(&format!("  {} dropped", source.account.dropped_frames));
    }
    if source.inserted_frames > 0 {
        rest.push_str(&format!("  {} silent", source.inserted_frames));
    }
    if let Some(ppm) = source.drift_ppm {
        rest.push_str(&format!("  {ppm:+.1} ppm"));
    }
    if let Some(reason) = &source.reason {
        rest.push_str(&format!("  {reason}"));
    }
    meter_line(&source.name, source_state(source.state), level, &rest, name_width, columns)
}

fn meter_line(name: &str, state: &str, level: Level, rest: &str, name_width: usize, columns: usize) -> String {
    let bar_width = columns.saturating_sub(name_width + 67).clamp(8, 40);
    let clipped = if level.peak_lin >= 1.0 { " CLIP" } else { "     " };
    format!(
        "{} {state:8} [{}] peak {} rms {}{clipped}{rest}",
        fit(name, name_width),
        bar(level, bar_width),
        dbfs(level.peak_dbfs()),
        dbfs(level.rms_dbfs()),
    )
}

fn sink_line(sink: &SinkStats, name_width: usize) -> String {
    let mut line = format!(
        "{} {:8} {} frames from {}",
        fit(&sink.name, name_width),
        sink_state(sink.state),
        sink.account.delivered_frames,
        sink.from
    );
    if sink.account.dropped_frames > 0 {
        line.push_str(&format!("  {} dropped", sink.account.dropped_frames));
    }
    if let Some(reason) = &sink.reason {
        line.push_str(&format!("  {reason}"));
    }
    line
}

/// A source's state in one word.
pub(crate) fn source_state(state: SourceState) -> &'static str {
    match state {
        SourceState::Opening => "opening",
        SourceState::Live => "live",
        SourceState::Stalled => "stalled",
        SourceState::Fallback => "fallback",
        SourceState::Ended => "ended",
        SourceState::Lost => "lost",
        SourceState::Failed => "failed",
        SourceState::Removed => "removed",
        _ => "?",
    }
}

/// A sink's state in one word.
pub(crate) fn sink_state(state: SinkState) -> &'static str {
    match state {
        SinkState::Opening => "opening",
        SinkState::Ok => "ok",
        SinkState::Failed => "failed",
        SinkState::Panicked => "panicked",
        SinkState::Removed => "removed",
        _ => "?",
    }
}

fn loudest(levels: &[Level]) -> Level {
    levels.iter().fold(Level::default(), |most, level| Level {
        peak_lin: most.peak_lin.max(level.peak_lin),
        rms_lin: most.rms_lin.max(level.rms_lin),
    })
}

/// The RMS as a filled bar, the peak as a mark.
fn bar(level: Level, width: usize) -> String {
    let filled = cells(level.rms_dbfs(), width);
    let peak = cells(level.peak_dbfs(), width);
    (1..=width)
        .map(|cell| match cell {
            _ if cell == peak => '|',
            _ if cell <= filled => '=',
            _ => ' ',
        })
        .collect()
}

/// How many of `width` cells a level fills: none at the floor, all at full scale and above.
fn cells(level_dbfs: f32, width: usize) -> usize {
    let share = ((level_dbfs - FLOOR_DBFS) / -FLOOR_DBFS).clamp(0.0, 1.0);
    (share * width as f32).round() as usize
}

fn dbfs(level_dbfs: f32) -> String {
    // Below this is nothing that anybody hears; the width stays the same.
    if level_dbfs > -199.0 { format!("{level_dbfs:6.1}") } else { "  -inf".to_owned() }
}

/// Cut or padded to a width in characters.
fn fit(name: &str, width: usize) -> String {
    let cut: String = name.chars().take(width).collect();
    format!("{cut:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_engine::core::{BusStats, FrameAccount};

    fn level(peak_dbfs: f32, rms_dbfs: f32) -> Level {
        Level { peak_lin: 10f32.powf(peak_dbfs / 20.0), rms_lin: 10f32.powf(rms_dbfs / 20.0) }
    }

    fn stats() -> Stats {
        let account =
            FrameAccount { produced_frames: 700, delivered_frames: 690, dropped_frames: 10, queued_frames: 0 };
        Stats {
            sources: vec![SourceStats {
                name: "microphone of the north hall".into(),
                state: SourceState::Live,
                account,
                drift_ppm: Some(12.34),
                levels: vec![level(-30.0, -45.0), level(-15.0, -30.0)],
                ..SourceStats::default()
            }],
            sinks: vec![SinkStats {
                name: "archive".into(),
                from: "main".into(),
                state: SinkState::Failed,
                reason: Some("no space left".into()),
                account,
                ..SinkStats::default()
            }],
            buses: vec![
                BusStats {
                    name: "main".into(),
                    levels: vec![level(0.1, -3.0), Level::default()],
                    ..BusStats::default()
                },
                BusStats {
                    name: "source:microphone of the north hall".into(),
                    levels: vec![level(0.0, 0.0)],
                    ..BusStats::default()
                },
            ],
            ..Stats::default()
        }
    }

    #[test]
    fn a_picture_shows_levels_states_and_losses() {
        let stats = stats();
        let run_for = Some(Duration::from_secs(60));
        let picture = Picture { elapsed: Duration::from_secs(7), run_for, stats: &stats };
        let lines = render(&picture, 123, 24);
        assert_eq!(
            lines,
            [
                "00:00:07 of 00:01:00  0 blocks  0 late  0 xruns  (Ctrl-C ends cleanly)",
                "microphone of th live     [====================         |          ] peak  -15.0 rms  -30.0       10 dropped  +12.3 ppm",
                "main 1           bus      [====================================== |] peak    0.1 rms   -3.0 CLIP",
                "main 2           bus      [                                        ] peak   -inf rms   -inf     ",
                "archive          failed   690 frames from main  10 dropped  no space left",
            ]
        );
    }

    #[test]
    fn no_picture_is_larger_than_the_terminal() {
        let mut stats = stats();
        stats.sources = vec![stats.sources[0].clone(); 50];
        let picture = Picture { elapsed: Duration::ZERO, run_for: None, stats: &stats };
        let lines = render(&picture, 30, 10);
        assert_eq!(lines.len(), 9);
        assert!(lines.iter().all(|line| line.chars().count() <= 30));
        assert!(lines[8].starts_with("… and 46 more"), "{}", lines[8]);
    }

    #[test]
    fn bars_are_empty_at_the_floor_and_full_at_full_scale() {
        assert_eq!(bar(level(-60.0, -70.0), 10), "          ");
        assert_eq!(bar(level(0.0, 0.0), 10), "=========|");
        assert_eq!(bar(level(20.0, 20.0), 10), "=========|");
        assert_eq!(bar(level(-6.0, -30.0), 10), "=====   | ");
        assert_eq!(bar(Level::default(), 10), "          ");
    }
}
