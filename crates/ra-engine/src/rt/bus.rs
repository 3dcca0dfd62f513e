//! A bus on the mixer's side: sums what sources send it, and publishes one block a step.

use std::sync::Arc;

use ra_core::BlockStamp;
use ra_dsp::{LevelMeter, SharedLevels};
use ra_queue::BlockWriter;

use super::command::{BusId, Retired};
use super::counters::Counter;
use super::insert_chain::InsertChain;

/// A bus's memory and its writer.
pub(crate) struct BusStrip {
    pub(crate) id: BusId,
    /// What the sources have added so far, interleaved. In double precision: many sources sum without rounding on the way.
    pub(crate) accumulator: Box<[f64]>,
    pub(crate) block: Box<[f32]>,
    pub(crate) chain: InsertChain,
    pub(crate) meter: LevelMeter,
    pub(crate) levels: Arc<SharedLevels>,
    /// NaN and infinite samples that became silence here.
    pub(crate) non_finite_samples: Arc<Counter>,
    pub(crate) writer: Box<dyn BlockWriter>,
}

impl BusStrip {
    /// Rounds the sum, lets the inserts work on it, meters and publishes it, and starts a new sum.
    pub(crate) fn publish(&mut self, stamp: &BlockStamp, retire: &mut dyn FnMut(Retired)) {
        for (sample, sum) in self.block.iter_mut().zip(self.accumulator.iter_mut()) {
            *sample = *sum as f32;
            *sum = 0.0;
        }
        // Finite samples can add up to more than a float holds, and an effect can go astray: neither is passed on.
        let n_bad_sums = ra_dsp::replace_non_finite(&mut self.block);
        self.chain.process(&mut self.block);
        self.chain.sweep(retire);
        let n_bad = n_bad_sums + ra_dsp::replace_non_finite(&mut self.block);
        if n_bad > 0 {
            self.non_finite_samples.add(n_bad as u64);
        }
        self.meter.process(&self.block);
        self.writer.publish(stamp, &self.block);
    }

    /// Shows the levels of the interval that ends here.
    pub(crate) fn show_levels(&mut self) {
        let levels = &self.levels;
        self.meter.take(&mut |channel, level| levels.store(channel, level));
    }
}
