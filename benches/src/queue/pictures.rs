//! The pictures of the bench. Measures nothing.

use std::path::Path;

use anyhow::Result;

use super::contestants::Contestant;
use super::figures::QueueFigures;
use super::preempted::Preempted;
use super::publish::Readers;
use super::spsc::{Meeting, SLICES, Way};
use crate::plot::{Axis, LinePlot, Series};

/// Draws what was measured into a folder; returns how many pictures there are.
pub(super) fn draw(figures: &QueueFigures, folder: &Path) -> Result<usize> {
    let mut pictures = vec![
        ("queue-publish-idle.svg", publish(figures, Readers::Idle, "readers that stand by")),
        ("queue-publish-polling.svg", publish(figures, Readers::Polling, "readers that poll on another core")),
        ("queue-spsc.svg", spsc(figures, Meeting::Uncontended, "one thread")),
        ("queue-spsc-contended.svg", spsc(figures, Meeting::Contended, "two cores, flat out")),
    ];
    pictures.extend(figures.preempted.as_ref().map(|found| ("queue-preempted.svg", preempted(found))));
    pictures.retain(|(_, picture)| picture.series.iter().any(|series| !series.points.is_empty()));
    for (name, picture) in &pictures {
        picture.write(&folder.join(name))?;
    }
    Ok(pictures.len())
}

fn publish(figures: &QueueFigures, readers: Readers, what: &str) -> LinePlot {
    let points = |contestant: Contestant| {
        let rows = figures.publish.iter().filter(|row| row.contestant == contestant.name() && row.readers == readers);
        rows.map(|row| (row.n_readers as f64, row.timing.p50_ns)).collect()
    };
    LinePlot {
        title: format!("Publish 256 x 2 frames, {what}, p50"),
        x: Axis::linear("readers"),
        y: Axis::log("time (ns)"),
        series: Contestant::ALL.map(|contestant| Series::new(contestant.name(), points(contestant))).into(),
        marks: Vec::new(),
    }
}

fn spsc(figures: &QueueFigures, meeting: Meeting, what: &str) -> LinePlot {
    let points = |way: Way| {
        let rows = figures.spsc.iter().filter(|row| row.way == way.name() && row.meeting == meeting);
        rows.map(|row| (row.n_frames as f64, row.timing.p50_ns / row.n_frames as f64)).collect()
    };
    LinePlot {
        title: format!("One writer, one reader, {what}: a stereo frame written and read, p50"),
        x: Axis::log("frames in a delivery").over(SLICES[0] as f64, SLICES[SLICES.len() - 1] as f64),
        y: Axis::log("time per frame (ns)"),
        series: Way::ALL.map(|way| Series::new(way.name(), points(way))).into(),
        marks: Vec::new(),
    }
}

fn preempted(found: &Preempted) -> LinePlot {
    let us = |ns: &u32| f64::from(*ns) / 1e3;
    let series = found.scenes.iter().map(|row| Series::exceedance(row.scene.as_str(), row.durations_ns.iter().map(us)));
    LinePlot {
        title: format!("Publish every {} us, readers preempted on the writer's core", found.period_us),
        x: Axis::log("time of a publish (us)"),
        y: Axis::log("publishes that take as long or longer (%)"),
        series: series.collect(),
        marks: Vec::new(),
    }
}
