//! The effects of one strip, and the delay that makes all paths equally late.

use ra_dsp::{DelayLine, InsertSlot};

use super::command::{MAX_INSERTS, Retired, StripId};

/// An effect with its number in the engine.
pub(crate) struct ChainedInsert {
    pub(crate) id: u32,
    pub(crate) strip: StripId,
    pub(crate) slot: InsertSlot,
}

/// The effects in their order, then the compensating delay.
pub(crate) struct InsertChain {
    // Boxed already on the control side: moving a pointer here neither allocates nor copies the effect.
    #[allow(clippy::vec_box, reason = "elements arrive boxed and must leave boxed, without touching the heap here")]
    inserts: Vec<Box<ChainedInsert>>,
    delay: DelayLine,
    /// Where the delay line stands or is heading.
    delay_frames: usize,
    crossfade_frames: u32,
}

impl InsertChain {
    // rt-lint: control-side
    pub(crate) fn new(channels: usize, max_delay_frames: usize, crossfade_frames: u32) -> Self {
        let delay = DelayLine::new(channels, max_delay_frames);
        Self { inserts: Vec::with_capacity(MAX_INSERTS), delay, delay_frames: 0, crossfade_frames }
    }

    /// Takes an effect in; the control side has made sure that there is room.
    pub(crate) fn add(&mut self, insert: Box<ChainedInsert>) -> Result<(), Box<ChainedInsert>> {
        if self.inserts.len() == self.inserts.capacity() {
            return Err(insert);
        }
        self.inserts.push(insert);
        Ok(())
    }

    /// Effects on the strip, those that are fading out included.
    pub(crate) fn len(&self) -> usize {
        self.inserts.len()
    }

    pub(crate) fn begin_removal(&mut self, id: u32) {
        for insert in self.inserts.iter_mut().filter(|insert| insert.id == id) {
            insert.slot.begin_removal();
        }
    }

    /// What the effects delay the sound by, where their present fades lead.
    pub(crate) fn latency_frames(&self) -> usize {
        self.inserts.iter().map(|insert| insert.slot.latency_frames()).sum()
    }

    /// What the whole path delays by, the compensating delay included.
    pub(crate) fn path_frames(&self) -> usize {
        self.latency_frames() + self.delay_frames
    }

    /// Makes the path as late as the latest of its kind.
    pub(crate) fn be_as_late_as(&mut self, latest_frames: usize) {
        let delay_frames = latest_frames.saturating_sub(self.latency_frames());
        if delay_frames != self.delay_frames {
            self.delay_frames = delay_frames;
            self.delay.set_delay(delay_frames, self.crossfade_frames);
        }
    }

    pub(crate) fn process(&mut self, interleaved: &mut [f32]) {
        for insert in &mut self.inserts {
            insert.slot.process(interleaved);
        }
        self.delay.process(interleaved);
    }

    /// Hands effects that are faded out to `retire`; at most one a block.
    pub(crate) fn sweep(&mut self, retire: &mut dyn FnMut(Retired)) {
        if let Some(at) = self.inserts.iter().position(|insert| insert.slot.is_removed()) {
            retire(Retired::Insert(self.inserts.remove(at)));
        }
    }
}
