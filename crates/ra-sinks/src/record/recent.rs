//! The latest sound in memory, bounded: what a pre-roll begins with, and what a new file takes over from one that
//! could not be written. Opens nothing.

use std::collections::VecDeque;

use ra_core::{Block, FramePosition, Gap, StreamSpec};

/// Sound and gaps, one behind the other on the timeline.
#[derive(Debug)]
pub(crate) struct RecentFrames {
    spec: StreamSpec,
    bound: Bound,
    /// Frames of sound in the pieces.
    sound_frames: u64,
    pieces: VecDeque<Piece>,
    /// Where the latest piece ends.
    end: FramePosition,
    /// Buffers to be used again.
    spare: Vec<Vec<f32>>,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// So many frames of the timeline, gaps included.
    Time(u64),
    /// So many frames of sound, however long the gaps between them are.
    Sound(u64),
}

#[derive(Debug)]
struct Piece {
    at_frame: FramePosition,
    n_frames: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Interleaved samples.
    Sound(Vec<f32>),
    Missing(ra_core::GapReason),
}

impl Piece {
    fn end(&self) -> FramePosition {
        self.at_frame + self.n_frames
    }
}

impl RecentFrames {
    /// Remembers the latest frames behind `at`.
    pub(crate) fn new(spec: StreamSpec, bound: Bound, at: FramePosition) -> Self {
        Self { spec, bound, sound_frames: 0, pieces: VecDeque::new(), end: at, spare: Vec::new() }
    }

    /// Forgets everything, and remembers what comes from `at` on.
    pub(crate) fn restart(&mut self, bound: Bound, at: FramePosition) {
        self.bound = bound;
        while let Some(piece) = self.pieces.pop_front() {
            self.reuse(piece);
        }
        self.end = at;
    }

    /// Remembers at most so much from now on.
    pub(crate) fn resize(&mut self, bound: Bound) {
        self.bound = bound;
        self.forget_surplus();
    }

    /// Where what is remembered ends.
    pub(crate) const fn end(&self) -> FramePosition {
        self.end
    }

    /// Frames of sound that it holds.
    #[cfg(test)]
    pub(crate) const fn sound_frames(&self) -> u64 {
        self.sound_frames
    }

    /// Where what is remembered begins.
    pub(crate) fn start(&self) -> FramePosition {
        self.pieces.front().map_or(self.end, |piece| piece.at_frame)
    }

    /// Adds a block that begins where the latest piece ends, or behind it.
    pub(crate) fn push(&mut self, block: &Block<'_>) {
        if block.samples.is_empty() {
            return;
        }
        let mut samples = self.spare.pop().unwrap_or_default();
        samples.clear();
        samples.extend_from_slice(block.samples);
        let (at_frame, n_frames) = (block.stamp.position, block.n_frames() as u64);
        self.pieces.push_back(Piece { at_frame, n_frames, content: Content::Sound(samples) });
        self.sound_frames += n_frames;
        self.end = at_frame + n_frames;
        self.forget_surplus();
    }

    /// Adds what is missing there.
    pub(crate) fn push_gap(&mut self, gap: &Gap) {
        let Gap { at_frame, n_frames, reason } = *gap;
        if n_frames == 0 {
            return;
        }
        self.end = at_frame + n_frames;
        // A disk that refuses every block makes one gap, not many.
        match self.pieces.back_mut() {
            Some(last) if last.end() == at_frame && matches!(last.content, Content::Missing(of) if of == reason) => {
                last.n_frames += n_frames;
            }
            _ => self.pieces.push_back(Piece { at_frame, n_frames, content: Content::Missing(reason) }),
        }
        self.forget_surplus();
    }

    /// Forgets what stands before `position`.
    pub(crate) fn forget_before(&mut self, position: FramePosition) {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.at_frame >= position {
                return;
            }
            if piece.end() > position {
                let n_cut = position.frames_since(piece.at_frame);
                piece.at_frame = position;
                piece.n_frames -= n_cut;
                if let Content::Sound(samples) = &mut piece.content {
                    samples.drain(..self.spec.samples(n_cut as usize));
                    self.sound_frames -= n_cut;
                }
                return;
            }
            if let Some(piece) = self.pieces.pop_front() {
                self.reuse(piece);
            }
        }
    }

    fn forget_surplus(&mut self) {
        match self.bound {
            Bound::Time(most) => self.forget_before(FramePosition(self.end.0.saturating_sub(most))),
            Bound::Sound(most) => {
                while self.sound_frames > most
                    && let Some(oldest) = self.pieces.front()
                {
                    let surplus = self.sound_frames - most;
                    let end = oldest.end();
                    let is_sound = matches!(oldest.content, Content::Sound(_));
                    let until = if is_sound { end.min(oldest.at_frame + surplus) } else { end };
                    self.forget_before(until);
                }
            }
        }
    }

    fn reuse(&mut self, piece: Piece) {
        if let Content::Sound(samples) = piece.content {
            self.sound_frames -= piece.n_frames;
            // As many as are on their way at most; they are never larger than a block.
            if self.spare.len() < 4 {
                self.spare.push(samples);
            }
        }
    }

    /// Frames of sound from `from` on.
    pub(crate) fn sound_frames_from(&self, from: FramePosition) -> u64 {
        let within = |piece: &Piece| piece.end().frames_since(piece.at_frame.max(from));
        self.pieces.iter().filter(|piece| matches!(piece.content, Content::Sound(_))).map(within).sum()
    }

    /// What comes next from `from` on: a gap to its end, or at most `most_frames` of sound, whose samples replace what is in
    /// `samples`. `None`: nothing does.
    pub(crate) fn next(&self, from: FramePosition, most_frames: u64, samples: &mut Vec<f32>) -> Option<Remembered> {
        let first = self.pieces.partition_point(|piece| piece.end() <= from);
        let piece = self.pieces.get(first)?;
        let n_cut = from.frames_since(piece.at_frame);
        let (at_frame, n_frames) = (piece.at_frame + n_cut, piece.n_frames - n_cut);
        Some(match &piece.content {
            Content::Sound(sound) => {
                let n_frames = n_frames.min(most_frames);
                let begin = self.spec.samples(n_cut as usize);
                samples.clear();
                samples.extend_from_slice(&sound[begin..begin + self.spec.samples(n_frames as usize)]);
                Remembered::Sound(at_frame)
            }
            Content::Missing(reason) => Remembered::Missing(Gap { at_frame, n_frames, reason: *reason }),
        })
    }
}

/// A piece of what is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// Sound that begins there.
    Sound(FramePosition),
    /// A gap.
    Missing(Gap),
}

#[cfg(test)]
mod tests {
    use ra_core::{BlockStamp, GapReason};

    use super::*;

    fn spec() -> StreamSpec {
        StreamSpec::new(48_000, 2).unwrap()
    }

    fn push(recent: &mut RecentFrames, at: u64, n_frames: u64) {
        let samples: Vec<f32> = (at..at + n_frames).flat_map(|f| [f as f32, -(f as f32)]).collect();
        let stamp = BlockStamp { position: FramePosition(at), ..BlockStamp::default() };
        recent.push(&Block { stamp, spec: spec(), samples: &samples });
    }

    /// Every frame from `from` on; `None` for one that is missing.
    fn frames(recent: &RecentFrames, from: u64) -> Vec<Option<u64>> {
        let mut frames = Vec::new();
        let mut at = FramePosition(from).max(recent.start());
        let mut samples = Vec::new();
        while let Some(piece) = recent.next(at, 7, &mut samples) {
            let (begins, ends) = match piece {
                Remembered::Sound(begins) => {
                    frames.extend(samples.chunks(2).map(|f| Some(f[0] as u64)));
                    (begins, begins + samples.len() as u64 / 2)
                }
                Remembered::Missing(gap) => {
                    frames.extend((0..gap.n_frames).map(|_| None));
                    (gap.at_frame, gap.end())
                }
            };
            assert_eq!(begins, at, "one piece behind the other");
            at = ends;
        }
        frames
    }

    #[test]
    fn exactly_so_many_frames_are_remembered() {
        let mut recent = RecentFrames::new(spec(), Bound::Time(100), FramePosition(5));
        assert_eq!((recent.start(), recent.end), (FramePosition(5), FramePosition(5)));
        push(&mut recent, 5, 30);
        assert_eq!(frames(&recent, 0), (5..35).map(Some).collect::<Vec<_>>());
        for n in 1..20 {
            push(&mut recent, 5 + n * 30, 30);
        }
        assert_eq!(frames(&recent, 0), (505..605).map(Some).collect::<Vec<_>>());
        assert_eq!(frames(&recent, 590), (590..605).map(Some).collect::<Vec<_>>());
        recent.push_gap(&Gap { at_frame: FramePosition(605), n_frames: 40, reason: GapReason::Lagged });
        push(&mut recent, 645, 10);
        let expected: Vec<_> = (555..605).map(Some).chain((0..40).map(|_| None)).chain((645..655).map(Some)).collect();
        assert_eq!(frames(&recent, 0), expected);
        recent.push_gap(&Gap { at_frame: FramePosition(655), n_frames: 1_000_000, reason: GapReason::Lagged });
        assert_eq!(frames(&recent, 0), [None; 100]);
        recent.restart(Bound::Time(10), FramePosition(7));
        assert_eq!((recent.start(), frames(&recent, 0).len()), (FramePosition(7), 0));
    }

    #[test]
    fn gaps_take_no_room_where_sound_is_counted() {
        let mut recent = RecentFrames::new(spec(), Bound::Sound(100), FramePosition(0));
        push(&mut recent, 0, 60);
        for n in 0..1000 {
            recent.push_gap(&Gap { at_frame: FramePosition(60 + n * 10), n_frames: 10, reason: GapReason::Refused });
        }
        assert_eq!((recent.pieces.len(), recent.sound_frames(), recent.start()), (2, 60, FramePosition(0)));
        push(&mut recent, 10_060, 50);
        assert_eq!((recent.sound_frames(), recent.start()), (100, FramePosition(10)));
        assert_eq!(recent.sound_frames_from(FramePosition(50)), 10 + 50);
        push(&mut recent, 10_110, 80);
        let expected: Vec<_> = (10_090..10_190).map(Some).collect();
        assert_eq!((recent.sound_frames(), frames(&recent, 0)), (100, expected));
        recent.forget_before(FramePosition(10_189));
        assert_eq!(recent.sound_frames(), 1);
        recent.restart(Bound::Sound(5), FramePosition(20_000));
        assert_eq!(recent.sound_frames(), 0);
    }

    #[test]
    fn a_memory_of_nothing_remembers_nothing() {
        let mut recent = RecentFrames::new(spec(), Bound::Time(0), FramePosition(0));
        push(&mut recent, 0, 128);
        assert_eq!((recent.start(), frames(&recent, 0).len()), (FramePosition(128), 0));
    }
}
