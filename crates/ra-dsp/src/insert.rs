//! The place of an effect in a path: the trait, and the slot that lets effects come and go without a click. Knows no
//! particular effect.
//!
//! # Latency
//! An effect that looks ahead delays its path, and every parallel path must wait as long. What a slot asks of the
//! rest is [`InsertSlot::latency_frames`]: 0 while the effect warms up, its latency from the block on in which it is
//! faded in, 0 again from the block on in which it is faded out. It changes only between blocks, at the end of a
//! [`InsertSlot::process`] or in [`InsertSlot::begin_removal`]. So whoever drives the slot compares it before each
//! block, and where it changed calls [`DelayLine::set_delay`](crate::DelayLine::set_delay) on the other paths with
//! the slot's own crossfade length: all paths then move from the old alignment to the new one in the same frames.

use crate::Ramp;

/// An effect on an interleaved stream of fixed rate and channel count. Built and dropped on the control side.
pub trait Insert: Send {
    /// Processes a block in place. Called by the audio thread.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    fn process(&mut self, interleaved: &mut [f32]);

    /// How many frames later sound comes out than it went in; constant. Called by any thread that has it.
    fn latency_frames(&self) -> usize;

    /// What it is, for people and reports. Called by any thread that has it.
    fn name(&self) -> &'static str;
}

/// Where an insert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertStage {
    /// It hears the stream, nobody hears it.
    WarmingUp,
    /// From the dry sound to its own.
    FadingIn,
    /// Only it is heard.
    Active,
    /// From its own sound to the dry one.
    FadingOut,
    /// The stream passes untouched; the effect may be taken away.
    Removed,
}

/// Holds an effect and fades it in and out of a running stream.
///
/// At first the effect runs unheard for as many frames as its latency, rounded up to whole blocks; then the sound
/// crossfades to it. The crossfade is linear: dry and wet are mostly the same sound.
pub struct InsertSlot {
    insert: Box<dyn Insert>,
    channels: usize,
    crossfade_frames: u32,
    stage: InsertStage,
    warm_up_left_frames: usize,
    /// 0 is dry, 1 is wet.
    wet: Ramp,
    /// A block for the sound that is faded against.
    scratch: Vec<f32>,
}

impl InsertSlot {
    /// Puts an effect in place, to be faded in over `crossfade_frames` frames. Frames have `channels` samples (1 at
    /// least); memory for blocks of `max_block_frames` is set aside, longer ones are processed in pieces.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn new(insert: Box<dyn Insert>, channels: usize, max_block_frames: usize, crossfade_frames: u32) -> Self {
        let channels = channels.max(1);
        let mut slot = Self {
            warm_up_left_frames: insert.latency_frames(),
            insert,
            channels,
            crossfade_frames,
            stage: InsertStage::WarmingUp,
            wet: Ramp::new(0.0),
            scratch: vec![0.0; channels * max_block_frames.max(1)],
        };
        if slot.warm_up_left_frames == 0 {
            slot.begin_fade_in();
        }
        slot
    }

    /// As [`InsertSlot::new`], for a stream that has not begun: the effect is in the sound from the first frame on.
    ///
    /// # Real-time safety
    /// Not real-time safe: allocates.
    pub fn from_the_start(
        insert: Box<dyn Insert>,
        channels: usize,
        max_block_frames: usize,
        crossfade_frames: u32,
    ) -> Self {
        let mut slot = Self::new(insert, channels, max_block_frames, crossfade_frames);
        slot.wet = Ramp::new(1.0);
        slot.stage = InsertStage::Active;
        slot
    }

    /// Processes a block in place. A frame that is cut off at its end passes untouched.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn process(&mut self, interleaved: &mut [f32]) {
        let n_samples = interleaved.len() / self.channels * self.channels;
        let whole = &mut interleaved[..n_samples];
        match self.stage {
            InsertStage::Active => self.insert.process(whole),
            InsertStage::Removed => {}
            InsertStage::WarmingUp => self.warm_up(whole),
            InsertStage::FadingIn | InsertStage::FadingOut => self.crossfade(whole),
        }
    }

    /// Begins to fade the effect out, from wherever its fading in has got to. Once is enough.
    ///
    /// # Real-time safety
    /// Wait-free, no allocation.
    pub fn begin_removal(&mut self) {
        match self.stage {
            InsertStage::WarmingUp => self.stage = InsertStage::Removed,
            InsertStage::FadingIn | InsertStage::Active => {
                self.wet.set_target(0.0, self.crossfade_frames);
                self.stage = if self.wet.is_settled() { InsertStage::Removed } else { InsertStage::FadingOut };
            }
            InsertStage::FadingOut | InsertStage::Removed => {}
        }
    }

    /// Whether the effect is out of the sound, so that the slot may be taken away without a click.
    pub fn is_removed(&self) -> bool {
        self.stage == InsertStage::Removed
    }

    /// Where the effect is in its life.
    pub fn stage(&self) -> InsertStage {
        self.stage
    }

    /// The latency of the path through this slot from the next block on, where its present fade leads: parallel paths
    /// are to be delayed by as much (see the module's notes).
    pub fn latency_frames(&self) -> usize {
        match self.stage {
            InsertStage::FadingIn | InsertStage::Active => self.insert.latency_frames(),
            InsertStage::WarmingUp | InsertStage::FadingOut | InsertStage::Removed => 0,
        }
    }

    /// The length of its fades, in frames.
    pub fn crossfade_frames(&self) -> u32 {
        self.crossfade_frames
    }

    /// The effect's name.
    pub fn name(&self) -> &'static str {
        self.insert.name()
    }

    /// Gives the effect back, to be dropped on the control side.
    ///
    /// # Real-time safety
    /// Not real-time safe: frees the slot's memory.
    pub fn into_insert(self) -> Box<dyn Insert> {
        self.insert
    }

    fn begin_fade_in(&mut self) {
        self.wet.set_target(1.0, self.crossfade_frames);
        self.stage = if self.wet.is_settled() { InsertStage::Active } else { InsertStage::FadingIn };
    }

    fn warm_up(&mut self, interleaved: &[f32]) {
        for piece in interleaved.chunks(self.scratch.len()) {
            let copy = &mut self.scratch[..piece.len()];
            copy.copy_from_slice(piece);
            self.insert.process(copy);
        }
        self.warm_up_left_frames = self.warm_up_left_frames.saturating_sub(interleaved.len() / self.channels);
        if self.warm_up_left_frames == 0 {
            self.begin_fade_in();
        }
    }

    fn crossfade(&mut self, interleaved: &mut [f32]) {
        for piece in interleaved.chunks_mut(self.scratch.len()) {
            let dry = &mut self.scratch[..piece.len()];
            dry.copy_from_slice(piece);
            self.insert.process(piece);
            for (wet_frame, dry_frame) in piece.chunks_exact_mut(self.channels).zip(dry.chunks_exact(self.channels)) {
                let gain = self.wet.next_value();
                for (wet, &dry) in wet_frame.iter_mut().zip(dry_frame) {
                    *wet = dry * (1.0 - gain) + *wet * gain;
                }
            }
        }
        if self.wet.is_settled() {
            self.stage = if self.wet.target() > 0.0 { InsertStage::Active } else { InsertStage::Removed };
        }
    }
}

impl std::fmt::Debug for InsertSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InsertSlot").field("insert", &self.name()).field("stage", &self.stage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DelayLine;

    /// Delays and inverts, and knows how much it heard.
    struct Inverter {
        delay: DelayLine,
    }

    impl Inverter {
        fn boxed(latency_frames: usize) -> Box<dyn Insert> {
            let mut delay = DelayLine::new(1, latency_frames);
            delay.set_delay(latency_frames, 0);
            Box::new(Inverter { delay })
        }
    }

    impl Insert for Inverter {
        fn process(&mut self, interleaved: &mut [f32]) {
            self.delay.process(interleaved);
            interleaved.iter_mut().for_each(|sample| *sample = -*sample);
        }
        fn latency_frames(&self) -> usize {
            self.delay.delay_frames()
        }
        fn name(&self) -> &'static str {
            "inverter"
        }
    }

    fn tone(n: usize) -> f32 {
        (n as f32 * 0.05).sin() * 0.5
    }

    #[test]
    fn an_effect_comes_and_goes_without_a_step() {
        let mut slot = InsertSlot::new(Inverter::boxed(100), 1, 48, 480);
        let mut sound: Vec<f32> = (0..6400).map(tone).collect();
        let mut stages = vec![slot.stage()];
        for (index, block) in sound.chunks_mut(64).enumerate() {
            if index == 50 {
                slot.begin_removal();
            }
            if slot.stage() != stages[stages.len() - 1] {
                stages.push(slot.stage());
            }
            slot.process(block);
        }
        use InsertStage::{Active, FadingIn, FadingOut, Removed, WarmingUp};
        assert_eq!(stages, [WarmingUp, FadingIn, Active, FadingOut, Removed]);
        assert!(slot.is_removed());
        // Two blocks of 64 warm up the 100 frames; till then, and after the end, the sound is untouched.
        let fade_in = 128..128 + 480;
        let fade_out = 3200..3200 + 480;
        for n in (0..fade_in.start).chain(fade_out.end..6400) {
            assert_eq!(sound[n], tone(n));
        }
        for (n, &sample) in sound.iter().enumerate().take(fade_out.start).skip(fade_in.end) {
            assert_eq!(sample, -tone(n - 100));
        }
        let bound = 0.5 * 0.05 + 1.0 / 480.0;
        let largest = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(largest <= bound, "{largest} > {bound}");
        assert_eq!(slot.into_insert().name(), "inverter");
    }

    #[test]
    fn parallel_paths_that_follow_its_latency_stay_aligned() {
        struct Wait(DelayLine);
        impl Insert for Wait {
            fn process(&mut self, interleaved: &mut [f32]) {
                self.0.process(interleaved);
            }
            fn latency_frames(&self) -> usize {
                self.0.delay_frames()
            }
            fn name(&self) -> &'static str {
                "wait"
            }
        }
        let mut line = DelayLine::new(1, 90);
        line.set_delay(90, 0);
        let mut slot = InsertSlot::new(Box::new(Wait(line)), 1, 64, 200);
        let mut other = DelayLine::new(1, 90);
        for block in 0..40 {
            if block == 20 {
                slot.begin_removal();
            }
            if other.delay_frames() != slot.latency_frames() {
                other.set_delay(slot.latency_frames(), slot.crossfade_frames());
            }
            let mut through: Vec<f32> = (block * 64..block * 64 + 64).map(tone).collect();
            let mut beside = through.clone();
            slot.process(&mut through);
            other.process(&mut beside);
            for (a, b) in through.iter().zip(&beside) {
                assert!((a - b).abs() < 1e-6, "block {block}: {a} {b}");
            }
        }
        assert!(slot.is_removed());
    }

    #[test]
    fn removal_turns_back_where_the_fade_is() {
        let mut slot = InsertSlot::new(Inverter::boxed(0), 1, 64, 100);
        assert_eq!((slot.stage(), slot.latency_frames()), (InsertStage::FadingIn, 0));
        let mut sound = [1.0; 300];
        slot.process(&mut sound[..50]);
        slot.begin_removal();
        slot.process(&mut sound[50..]);
        assert!(slot.is_removed());
        let largest = sound.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(largest <= 2.0 / 100.0 + 1e-6, "{largest}");
        let mut never_heard = InsertSlot::new(Inverter::boxed(10), 1, 64, 100);
        never_heard.begin_removal();
        assert!(never_heard.is_removed());
    }
}
