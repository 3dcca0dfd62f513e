//! The figures as tables for people. Measures nothing.

use std::fmt::{Display, Formatter, Result};

use super::figures::QueueFigures;
use super::instructions::{CountRow, Instructions};
use super::preempted::Preempted;
use super::publish::{PublishRow, READERS, Readers};
use super::rounds::Timing;
use super::spsc::{Meeting, SpscRow};
use crate::Table;

impl Display for QueueFigures {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.fmt_publish(f)?;
        self.fmt_read(f)?;
        self.fmt_spsc(f)?;
        match &self.preempted {
            Some(preempted) => preempted.fmt(f)?,
            None => writeln!(f, "\npreempted readers: not measured, threads can't be pinned here")?,
        }
        self.instructions.fmt(f)?;
        self.fmt_targets(f)
    }
}

impl QueueFigures {
    fn fmt_publish(&self, f: &mut Formatter<'_>) -> Result {
        for (readers, what) in
            [(Readers::Idle, "readers that stand by"), (Readers::Polling, "readers that poll flat out on another core")]
        {
            let rows: Vec<&PublishRow> = self.publish.iter().filter(|row| row.readers == readers).collect();
            if rows.is_empty() {
                writeln!(f, "\npublish with {what}: not measured, it needs two cores to pin threads to")?;
                continue;
            }
            writeln!(f, "\npublish 256 x 2 frames, {what}; ns")?;
            let mut table = Table::new(
                ["contestant", "readers"].into_iter().chain(TIMING).chain(["/ fewest readers", "/ rtrb slice write"]),
            );
            for row in rows {
                let ratios = [ratio(row.ratio_to_fewest), row.ratio_to_rtrb.map_or_else(String::new, ratio)];
                table.row(
                    [row.contestant.to_owned(), row.n_readers.to_string()]
                        .into_iter()
                        .chain(cells(&row.timing))
                        .chain(ratios),
                );
            }
            write!(f, "{table}")?;
        }
        writeln!(
            f,
            "p50 and best: per operation, in batches; the tail one by one, the clock included. Ratios: p50, within rounds"
        )
    }

    fn fmt_read(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\nread 256 x 2 frames; ns")?;
        let mut table = Table::new(["contestant"].into_iter().chain(TIMING).chain(["/ memcpy"]));
        for row in &self.read {
            table.row(
                std::iter::once(row.contestant.to_owned())
                    .chain(cells(&row.timing))
                    .chain([ratio(row.ratio_to_memcpy)]),
            );
        }
        write!(f, "{table}")
    }

    fn fmt_spsc(&self, f: &mut Formatter<'_>) -> Result {
        for (meeting, what) in [
            (Meeting::Uncontended, "written and read in turn by one thread"),
            (Meeting::Contended, "two cores, both ends flat out: from delivery to delivery"),
        ] {
            let rows: Vec<&SpscRow> = self.spsc.iter().filter(|row| row.meeting == meeting).collect();
            if rows.is_empty() {
                writeln!(f, "\none writer, one reader, {what}: not measured, it needs two cores to pin threads to")?;
                continue;
            }
            writeln!(f, "\none writer, one reader, {what}; ns for a delivery of stereo frames")?;
            let mut table =
                Table::new(["way", "frames"].into_iter().chain(TIMING).chain(["/ rtrb slices", "best / best"]));
            for row in rows {
                let ratios = [ratio(row.ratio_to_rtrb), ratio(row.best_ratio_to_rtrb)];
                table.row(
                    [row.way.to_owned(), row.n_frames.to_string()].into_iter().chain(cells(&row.timing)).chain(ratios),
                );
            }
            write!(f, "{table}")?;
        }
        Ok(())
    }

    fn fmt_targets(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "\ntargets")?;
        let mut table = Table::new(["figure", "value", "at most", ""]);
        for target in &self.targets {
            let verdict = if target.is_met { "met" } else { "MISSED" };
            table.row([
                target.figure.to_owned(),
                format!("{:.3}", target.value),
                format!("{:.3}", target.at_most),
                verdict.to_owned(),
            ]);
        }
        write!(f, "{table}")
    }
}

impl Display for Preempted {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(
            f,
            "\npublish every {} us, writer ({}) and readers on one core, medians of {} rounds of {} s; ns",
            self.period_us, self.writer_class, self.rounds, self.round_s
        )?;
        let mut table = Table::new([
            "scene",
            "p50",
            "p99",
            "p99.9",
            "p99.99",
            "max",
            "p99.99 / control",
            "max / control",
            "pooled p99.99",
            "pooled max",
            "rounds cut",
        ]);
        for row in &self.scenes {
            let medians =
                [row.p50_ns, row.p99_ns, row.p99_9_ns, row.p99_99_ns, row.max_ns].map(|ns| format!("{ns:.0}"));
            let others = [
                ratio(row.ratio_p99_99),
                ratio(row.ratio_max),
                row.pooled.p99_99_ns.to_string(),
                row.pooled.max_ns.to_string(),
                row.rounds_cut.to_string(),
            ];
            table.row(std::iter::once(row.scene.clone()).chain(medians).chain(others));
        }
        write!(f, "{table}")?;
        writeln!(
            f,
            "a round is cut where the writer is stuck for more than its length: its figures are then lower bounds"
        )
    }
}

impl Display for Instructions {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if let Some(why) = &self.missing {
            return writeln!(f, "\ninstructions: not counted, {why}");
        }
        writeln!(f, "\ninstructions for a block of 256 x 2 frames, counted by callgrind")?;
        let counts = READERS.map(|n| format!("{n} readers"));
        let mut table = Table::new(std::iter::once("publish").chain(counts.iter().map(String::as_str)));
        let of = |operation: &'static str| self.rows.iter().filter(move |row| row.operation == operation);
        for first in of("publish").filter(|row| row.n_readers == READERS.first().copied()) {
            let counts = of("publish").filter(|row| row.contestant == first.contestant).map(count);
            table.row(std::iter::once(first.contestant.to_owned()).chain(counts));
        }
        write!(f, "{table}")?;
        for operation in ["read", "pass"] {
            let mut table = Table::new([operation, "instructions"]);
            of(operation).for_each(|row| table.row([row.contestant.to_owned(), count(row)]));
            write!(f, "{table}")?;
        }
        Ok(())
    }
}

const TIMING: [&str; 6] = ["p50", "best", "p99", "p99.9", "p99.99", "max"];

fn cells(timing: &Timing) -> [String; 6] {
    let [p99, p99_9, p99_99, max] = match &timing.single {
        Some(single) => [single.p99_ns, single.p99_9_ns, single.p99_99_ns, single.max_ns].map(|ns| ns.to_string()),
        None => Default::default(),
    };
    let max = if timing.was_stuck { format!("> {max}") } else { max };
    [format!("{:.1}", timing.p50_ns), format!("{:.1}", timing.best_ns), p99, p99_9, p99_99, max]
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.2}")
}

fn count(row: &CountRow) -> String {
    format!("{:.0}", row.instructions)
}
