//! What a simulated device does next: the pacer's deliveries, with the faults of the script worked into them. Pure: no
//! sound, no thread, no clock.

use std::collections::VecDeque;

use ra_core::{SampleRate, SourceError};

use super::fault::Fault;
use super::windows::{Window, Windows};
use crate::RoomTime;
use crate::paced::{Delivery, PacedConfig, Pacer};

/// What happens next, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// A period is handed over.
    Deliver(Period),
    /// The device flips its rate and stops.
    Format { due_ns: u64, sample_rate: SampleRate },
    /// The device goes and says so; it comes back at this rate, where that is another one.
    Gone { due_ns: u64, sample_rate: Option<SampleRate> },
}

impl Step {
    pub(super) fn due_ns(&self) -> u64 {
        match self {
            Step::Deliver(period) => period.due_ns,
            Step::Format { due_ns, .. } | Step::Gone { due_ns, .. } => *due_ns,
        }
    }
}

/// A period as it is handed over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Period {
    /// Its first frame, as the device's own clock counts since the start.
    pub(super) device_frame: u64,
    pub(super) n_frames: u32,
    pub(super) capture_ns: u64,
    pub(super) due_ns: u64,
    pub(super) is_after_break: bool,
}

/// Flips of the rate that are still to come, by their times.
pub(super) type Formats = VecDeque<(u64, SampleRate)>;

/// A device's script from one start on.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    pacer: Pacer,
    unplugs: Windows,
    stalls: Windows,
    bursts: Windows,
    backwards: Windows,
    equals: Windows,
    periods: VecDeque<(u64, u32)>,
    losses: VecDeque<(u64, u64)>,
    formats: Formats,
    departures: VecDeque<(u64, Option<SampleRate>)>,
    start_ns: u64,
    origin_ns: u64,
    /// The second delivery of a pair.
    held: Option<Delivery>,
    is_after_break: bool,
    last_due_ns: u64,
    last_stamp_ns: Option<u64>,
    rate: SampleRate,
}

impl Schedule {
    /// The script of a device that is started at `start_ns`; `config` must say the room's origin.
    pub(super) fn new(
        config: &PacedConfig,
        faults: &[Fault],
        rate: SampleRate,
        start_ns: u64,
    ) -> Result<Self, SourceError> {
        let pacer = Pacer::new(config, rate, start_ns)?;
        let origin_ns = config.room_origin_ns.unwrap_or(start_ns);
        let windows = |pick: &dyn Fn(&Fault) -> Option<(f64, f64)>| {
            let found = faults.iter().filter_map(pick).map(|(at_s, for_s)| Window::new(origin_ns, at_s, for_s));
            let mut windows = Windows::new(found);
            windows.at_or_after_ns(start_ns); // those that are over before the start never were
            windows
        };
        let at_ns = |at_s: f64| Window::new(origin_ns, at_s, 0.0).from_ns;
        let mut schedule = Self {
            pacer,
            unplugs: windows(&|fault| match *fault {
                Fault::Unplug { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            stalls: windows(&|fault| match *fault {
                Fault::Stall { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            bursts: windows(&|fault| match *fault {
                Fault::Burst { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            backwards: windows(&|fault| match *fault {
                Fault::BackwardsStamp { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            equals: windows(&|fault| match *fault {
                Fault::EqualStamps { at_s, for_s } => Some((at_s, for_s)),
                _ => None,
            }),
            periods: sorted(faults.iter().filter_map(|fault| match *fault {
                Fault::Period { at_s, period_frames } => Some((at_ns(at_s), period_frames)),
                _ => None,
            })),
            // A period size lasts beyond a restart; what was lost before it, or flipped, is over.
            losses: sorted(faults.iter().filter_map(|fault| match *fault {
                Fault::Lose { at_s, n_frames } => Some((at_ns(at_s), n_frames)),
                _ => None,
            })),
            formats: sorted(faults.iter().filter_map(|fault| match *fault {
                Fault::Format { at_s, sample_rate } => Some((at_ns(at_s), sample_rate)),
                _ => None,
            })),
            departures: sorted(faults.iter().filter_map(|fault| match *fault {
                Fault::Loss { at_s, sample_rate, .. } => Some((at_ns(at_s), sample_rate)),
                _ => None,
            })),
            start_ns,
            origin_ns,
            held: None,
            is_after_break: false,
            last_due_ns: 0,
            last_stamp_ns: None,
            rate,
        };
        schedule.departures.retain(|&(at_ns, _)| at_ns >= start_ns);
        if start_ns > origin_ns {
            schedule.losses.retain(|&(at_ns, _)| at_ns > start_ns);
            schedule.formats.retain(|&(at_ns, _)| at_ns > start_ns);
        }
        Ok(schedule)
    }

    /// Flips these, and no others; one that is due already comes first of all.
    pub(super) fn set_formats(&mut self, formats: Formats) {
        self.formats = formats;
    }

    /// What it has not flipped.
    pub(super) fn into_formats(self) -> Formats {
        self.formats
    }

    /// What happens next; there is always something.
    pub(super) fn next_step(&mut self) -> Step {
        loop {
            let delivery = self.next_delivery();
            let flip = self.formats.front().map(|&(at_ns, rate)| (at_ns.max(self.start_ns), rate));
            let flip = flip.filter(|&(at_ns, _)| delivery.due_ns >= at_ns);
            let unplug = self.unplugs.at_or_after_ns(self.monotonic_ns(delivery.captured));
            let unplug = unplug.filter(|window| delivery.due_ns >= window.from_ns);
            // What comes first of all of these. Nothing comes behind a departure: it needs no place in a row.
            let first_ns = flip.map_or(u64::MAX, |flip| flip.0).min(unplug.map_or(u64::MAX, |window| window.from_ns));
            if let Some(&(due_ns, sample_rate)) = self.departures.front()
                && delivery.due_ns >= due_ns
                && due_ns <= first_ns
            {
                return Step::Gone { due_ns, sample_rate };
            }
            match (flip, unplug) {
                (Some((due_ns, sample_rate)), away) if away.is_none_or(|window| due_ns <= window.from_ns) => {
                    self.formats.pop_front();
                    return Step::Format { due_ns, sample_rate };
                }
                (_, Some(window)) => {
                    // Not delivered when the device went, or not even captured: lost, and all behind it until it is back.
                    self.unplugs.pass();
                    self.held = None;
                    self.pacer.jump_to_frame(self.pacer.first_frame_at(window.to));
                    self.is_after_break = true;
                }
                _ => return Step::Deliver(self.handed_over(delivery)),
            }
        }
    }

    /// The next delivery that the device would make if it stayed where it is.
    fn next_delivery(&mut self) -> Delivery {
        let mut delivery = match self.held.take() {
            Some(second) => second,
            None => {
                let mut first = self.captured();
                if self.bursts.around_ns(first.due_ns).is_some() {
                    let second = self.captured();
                    first.due_ns = second.due_ns;
                    self.held = Some(second);
                }
                first
            }
        };
        if let Some(stall) = self.stalls.around_ns(delivery.due_ns) {
            delivery.due_ns = stall.to_ns;
        }
        delivery.due_ns = delivery.due_ns.max(self.last_due_ns);
        delivery
    }

    /// The next period that is captured.
    fn captured(&mut self) -> Delivery {
        let (mut frame, captured) = self.pacer.next_frame();
        let captured_ns = self.monotonic_ns(captured);
        while let Some(&(at_ns, n_frames)) = self.losses.front().filter(|loss| captured_ns >= loss.0) {
            debug_assert!(captured_ns >= at_ns);
            self.losses.pop_front();
            frame += n_frames;
            self.pacer.jump_to_frame(frame);
        }
        while let Some(&(_, period_frames)) = self.periods.front().filter(|period| captured_ns >= period.0) {
            self.periods.pop_front();
            self.pacer.set_period_frames(period_frames);
        }
        self.pacer.next_delivery()
    }

    fn handed_over(&mut self, delivery: Delivery) -> Period {
        let captured_ns = self.monotonic_ns(delivery.captured);
        let capture_ns = match self.last_stamp_ns {
            Some(last_ns) if self.backwards.around_ns(captured_ns).is_some() => {
                last_ns.saturating_sub(self.rate.ns_of_frames(u64::from(delivery.n_frames)))
            }
            Some(last_ns) if self.equals.around_ns(captured_ns).is_some() => last_ns,
            _ => delivery.capture_ns,
        };
        self.last_stamp_ns = Some(capture_ns);
        self.last_due_ns = delivery.due_ns;
        Period {
            device_frame: delivery.position.0,
            n_frames: delivery.n_frames,
            capture_ns,
            due_ns: delivery.due_ns,
            is_after_break: std::mem::take(&mut self.is_after_break),
        }
    }

    fn monotonic_ns(&self, t: RoomTime) -> u64 {
        self.origin_ns.saturating_add_signed(t.as_ns())
    }
}

fn sorted<T>(events: impl Iterator<Item = (u64, T)>) -> VecDeque<(u64, T)> {
    let mut events: Vec<(u64, T)> = events.collect();
    events.sort_by_key(|event| event.0);
    events.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_that_were_due_before_the_start_come_first_and_one_at_a_time() {
        let second_ns = 1_000_000_000;
        let config = PacedConfig { room_origin_ns: Some(second_ns), ..PacedConfig::default() };
        let rates = [44_100, 96_000, 32_000].map(|hz| SampleRate::new(hz).unwrap());
        let faults = [(1.0, rates[0]), (1.005, rates[1]), (3.0, rates[2])]
            .map(|(at_s, sample_rate)| Fault::Format { at_s, sample_rate });
        let flips = |mut schedule: Schedule| {
            let step = std::iter::repeat_with(|| schedule.next_step()).find(|step| matches!(step, Step::Format { .. }));
            (step.unwrap(), schedule.into_formats())
        };
        let start = |at_ns| Schedule::new(&config, &faults, SampleRate::HZ_48000, at_ns).unwrap();
        let (step, left) = flips(start(second_ns));
        assert_eq!(step, Step::Format { due_ns: 2 * second_ns, sample_rate: rates[0] });
        let mut again = start(2_020_000_000);
        again.set_formats(left);
        assert_eq!(again.next_step(), Step::Format { due_ns: 2_020_000_000, sample_rate: rates[1] });
        assert_eq!(again.into_formats(), [(4 * second_ns, rates[2])]);
        // A device that nobody had started then has nothing to make up for.
        assert_eq!(flips(start(2_020_000_000)).0, Step::Format { due_ns: 4 * second_ns, sample_rate: rates[2] });
    }
}
