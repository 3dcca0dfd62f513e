//! The whole list of commands of a storm, made before it begins: what, by which thread, and when. A function of the seed.
//!
//! Each thread commands sources and consumers of its own, so that every command makes sense in whatever order the two
//! threads reach the engine; what they share is the engine, its buses and its solo.

use std::collections::BTreeMap;

use super::command::{Command, Heard};
use super::dice::Dice;

/// Threads that command at once.
pub(super) const N_THREADS: usize = 2;
/// Pulled sources that a thread has at once, at most.
pub(super) const TONES_PER_THREAD: usize = 4;
/// Clocked sources that a thread has at once, at most: each has a device slot of its own.
pub(super) const DEVICES_PER_THREAD: usize = 2;
/// Consumers of each kind that a thread has at once, at most.
const CONSUMERS_PER_THREAD: usize = 3;
/// Rates of sources: the engine's own, and two that it has to convert.
const RATES_HZ: [u32; 3] = [48_000, 44_100, 96_000];
/// Between two commands outside of bursts, in microseconds, at most.
const GAP_US: u64 = 12_000;
/// How often a burst begins, in percent of the commands outside of one, and how many commands it holds.
const BURST_PERCENT: u64 = 5;
const BURST_COMMANDS: std::ops::Range<u64> = 4..33;

/// Live sources, of both threads together.
pub(super) const N_PLACES: usize = N_THREADS * (TONES_PER_THREAD + DEVICES_PER_THREAD);
/// Devices, of both threads together.
pub(super) const N_SLOTS: usize = N_THREADS * DEVICES_PER_THREAD;

/// A command with its time and its thread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Planned {
    /// Microseconds after the storm's beginning.
    pub(super) at_us: u64,
    pub(super) thread: usize,
    pub(super) command: Command,
}

/// The list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) commands: Vec<Planned>,
}

impl Plan {
    /// The first `n_commands` of a seed: a shorter list is the beginning of a longer one.
    pub(super) fn new(n_commands: usize, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut threads: Vec<Cast> = (0..N_THREADS).map(Cast::new).collect();
        let mut names = Names::default();
        let (mut at_us, mut burst_left) = (0, 0);
        let mut commands = Vec::with_capacity(n_commands);
        while commands.len() < n_commands {
            if burst_left > 0 {
                burst_left -= 1;
            } else {
                at_us += dice.below(GAP_US);
                if dice.percent(BURST_PERCENT) {
                    burst_left = BURST_COMMANDS.start + dice.below(BURST_COMMANDS.end - BURST_COMMANDS.start);
                }
            }
            let thread = dice.below(N_THREADS as u64) as usize;
            let command = threads[thread].draw(&mut dice, &mut names);
            commands.push(Planned { at_us, thread, command });
        }
        Self { commands }
    }

    /// A number that tells two lists apart (FNV-1a, 64 bits: Fowler, Noll, Vo).
    pub(super) fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for planned in &self.commands {
            let line = format!("{} {} {}\n", planned.at_us, planned.thread, planned.command);
            for byte in line.bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }

    /// How long it takes where nothing is late, in microseconds.
    pub(super) fn duration_us(&self) -> u64 {
        self.commands.last().map_or(0, |planned| planned.at_us)
    }

    /// How many commands there are of each kind.
    pub(super) fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for planned in &self.commands {
            *kinds.entry(planned.command.kind()).or_insert(0) += 1;
        }
        kinds
    }
}

/// Numbers that were given out.
#[derive(Debug, Default)]
struct Names {
    sources: u32,
    consumers: u32,
}

fn next(number: &mut u32) -> u32 {
    let taken = *number;
    *number += 1;
    taken
}

/// What one thread has at a moment of the list.
#[derive(Debug)]
struct Cast {
    free_tone_places: Vec<usize>,
    free_device_slots: Vec<usize>,
    sources: Vec<LiveSource>,
    soloed: Vec<u32>,
    listeners: Vec<(u32, Heard)>,
    sinks: Vec<(u32, Heard)>,
    recorders: Vec<(u32, Heard)>,
}

#[derive(Clone, Copy, Debug)]
struct LiveSource {
    number: u32,
    place: usize,
    /// Of a clocked one.
    slot: Option<usize>,
}

impl Cast {
    fn new(thread: usize) -> Self {
        let places = TONES_PER_THREAD + DEVICES_PER_THREAD;
        Self {
            free_tone_places: (thread * places..thread * places + TONES_PER_THREAD).collect(),
            free_device_slots: (thread * DEVICES_PER_THREAD..(thread + 1) * DEVICES_PER_THREAD).collect(),
            sources: Vec::new(),
            soloed: Vec::new(),
            listeners: Vec::new(),
            sinks: Vec::new(),
            recorders: Vec::new(),
        }
    }

    /// Draws until something comes that can be done.
    fn draw(&mut self, dice: &mut Dice, names: &mut Names) -> Command {
        loop {
            // A solo makes all others silent: it does not last, or there would be little to hear.
            if let Some(&source) = self.soloed.first()
                && dice.percent(40)
            {
                self.soloed.clear();
                return Command::SetSolo { source, solo: false };
            }
            if let Some(command) = self.try_draw(dice, names) {
                return command;
            }
        }
    }

    fn try_draw(&mut self, dice: &mut Dice, names: &mut Names) -> Option<Command> {
        let any_source = dice.pick(&self.sources);
        match dice.below(100) {
            0..24 => {
                let source = any_source?.number;
                Some(Command::SetGain { source, gain_db: -(dice.below(401) as f32) / 10.0 })
            }
            24..38 => Some(Command::SetPan { source: any_source?.number, pan: dice.below(201) as f32 / 100.0 - 1.0 }),
            38..48 => Some(Command::SetMute { source: any_source?.number, mute: dice.percent(30) }),
            48..52 if self.soloed.is_empty() => {
                let source = any_source?.number;
                self.soloed.push(source);
                Some(Command::SetSolo { source, solo: true })
            }
            52..58 => self.add_tone(dice, names),
            58..62 => self.add_device(dice, names),
            62..69 => self.remove_source(dice),
            69..76 => {
                let live: Vec<LiveSource> =
                    self.sources.iter().copied().filter(|source| source.slot.is_some()).collect();
                let source = dice.pick(&live)?;
                let rate_hz = dice.pick(&RATES_HZ)?;
                Some(Command::FlipRate { source: source.number, slot: source.slot?, rate_hz })
            }
            76..80 => add_consumer(&mut self.listeners, &self.sources, dice, names)
                .map(|(consumer, heard)| Command::AddListener { consumer, heard }),
            80..84 => remove_consumer(&mut self.listeners, dice).map(|consumer| Command::RemoveListener { consumer }),
            84..88 => add_consumer(&mut self.sinks, &self.sources, dice, names)
                .map(|(consumer, heard)| Command::AddSink { consumer, heard }),
            88..92 => remove_consumer(&mut self.sinks, dice).map(|consumer| Command::RemoveSink { consumer }),
            92..96 => add_consumer(&mut self.recorders, &self.sources, dice, names)
                .map(|(consumer, heard)| Command::StartRecorder { consumer, heard }),
            96.. => remove_consumer(&mut self.recorders, dice).map(|consumer| Command::StopRecorder { consumer }),
            _ => None,
        }
    }

    fn add_tone(&mut self, dice: &mut Dice, names: &mut Names) -> Option<Command> {
        let place = self.free_tone_places.pop()?;
        let (number, rate_hz) = (next(&mut names.sources), dice.pick(&RATES_HZ)?);
        self.sources.push(LiveSource { number, place, slot: None });
        Some(Command::AddTone { source: number, place, rate_hz, channels: 1 + dice.below(2) as u16 })
    }

    fn add_device(&mut self, dice: &mut Dice, names: &mut Names) -> Option<Command> {
        let slot = self.free_device_slots.pop()?;
        let (thread, index) = (slot / DEVICES_PER_THREAD, slot % DEVICES_PER_THREAD);
        let place = thread * (TONES_PER_THREAD + DEVICES_PER_THREAD) + TONES_PER_THREAD + index;
        let (number, rate_hz) = (next(&mut names.sources), dice.pick(&RATES_HZ)?);
        self.sources.push(LiveSource { number, place, slot: Some(slot) });
        Some(Command::AddDevice { source: number, place, slot, rate_hz, channels: 1 + dice.below(2) as u16 })
    }

    fn remove_source(&mut self, dice: &mut Dice) -> Option<Command> {
        let gone = dice.pick(&self.sources)?;
        self.sources.retain(|source| source.number != gone.number);
        self.soloed.retain(|&source| source != gone.number);
        match gone.slot {
            Some(slot) => self.free_device_slots.push(slot),
            None => self.free_tone_places.push(gone.place),
        }
        // A source's own bus ends with it, and so does whoever hears it: nobody removes those.
        for consumers in [&mut self.listeners, &mut self.sinks, &mut self.recorders] {
            consumers.retain(|&(_, heard)| heard != Heard::Source(gone.number));
        }
        Some(Command::RemoveSource { source: gone.number })
    }
}

fn add_consumer(
    consumers: &mut Vec<(u32, Heard)>,
    sources: &[LiveSource],
    dice: &mut Dice,
    names: &mut Names,
) -> Option<(u32, Heard)> {
    if consumers.len() == CONSUMERS_PER_THREAD {
        return None;
    }
    let heard = match dice.pick(sources) {
        Some(source) if dice.percent(60) => Heard::Source(source.number),
        _ => Heard::Main,
    };
    let added = (next(&mut names.consumers), heard);
    consumers.push(added);
    Some(added)
}

fn remove_consumer(consumers: &mut Vec<(u32, Heard)>, dice: &mut Dice) -> Option<u32> {
    let (gone, _) = dice.pick(consumers)?;
    consumers.retain(|&(consumer, _)| consumer != gone);
    Some(gone)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_is_the_same_list_and_a_short_one_begins_a_long_one() {
        let (long, again) = (Plan::new(2_000, 7), Plan::new(2_000, 7));
        assert_eq!(long, again);
        assert_eq!(long.hash(), again.hash());
        assert_eq!(Plan::new(500, 7).commands[..], long.commands[..500]);
        assert_ne!(Plan::new(2_000, 8).hash(), long.hash());
        assert_ne!(Plan::new(1_999, 7).hash(), long.hash());
    }

    #[test]
    fn every_kind_comes_and_bursts_come_from_both_threads() {
        let plan = Plan::new(5_000, 1);
        assert_eq!(plan.kinds().len(), 14, "{:?}", plan.kinds());
        assert!(plan.kinds().values().all(|&n| n > 50), "{:?}", plan.kinds());
        let at_once = |pair: &[Planned]| pair[0].at_us == pair[1].at_us && pair[0].thread != pair[1].thread;
        assert!(plan.commands.windows(2).filter(|pair| at_once(pair)).count() > 500);
        assert!(plan.commands.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    }

    #[test]
    fn nothing_is_done_to_what_is_not_there_and_places_hold_one_source_each() {
        let (mut places, mut live, mut consumers) = (HashSet::new(), Vec::new(), Vec::new());
        for Planned { thread, command, .. } in Plan::new(5_000, 3).commands {
            match command {
                Command::AddTone { source, place, .. } | Command::AddDevice { source, place, .. } => {
                    assert!(place < N_PLACES && places.insert(place), "{command}");
                    live.push((thread, source, place));
                }
                Command::RemoveSource { source } => {
                    let at = live.iter().position(|&(owner, number, _)| (owner, number) == (thread, source)).unwrap();
                    places.remove(&live.remove(at).2);
                    consumers.retain(|&(_, _, heard)| heard != Heard::Source(source));
                }
                Command::SetGain { source, .. }
                | Command::SetPan { source, .. }
                | Command::SetMute { source, .. }
                | Command::SetSolo { source, .. }
                | Command::FlipRate { source, .. } => {
                    assert!(live.iter().any(|&(owner, number, _)| (owner, number) == (thread, source)), "{command}");
                }
                Command::AddListener { consumer, heard }
                | Command::AddSink { consumer, heard }
                | Command::StartRecorder { consumer, heard } => {
                    if let Heard::Source(source) = heard {
                        assert!(live.iter().any(|&(owner, number, _)| (owner, number) == (thread, source)));
                    }
                    consumers.push((thread, consumer, heard));
                }
                Command::RemoveListener { consumer }
                | Command::RemoveSink { consumer }
                | Command::StopRecorder { consumer } => {
                    let it = |&(owner, number, _): &(usize, u32, Heard)| (owner, number) == (thread, consumer);
                    consumers.remove(consumers.iter().position(it).unwrap());
                }
            }
        }
        assert!(places.len() <= N_PLACES);
    }
}
